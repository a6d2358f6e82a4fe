//! Users with no more rights than the README lists.

use serde_json::json;
use taskworkerpool::work::{SampleError, celery::CeleryConfig};

use crate::support::celery::{App, Bench, Watch, address};

/// Redis's, for one application.
const RIGHTS: &str = "resetchannels &/7.celeryev/* &/7.celery.pidbox +select \
    +ping +llen +lrange +hlen +hstrlen +hmget +zrange +scard +smembers +psubscribe +publish +sadd +srem +rpop +del \
    %R~q-few %R~q-few\x06\x16* %R~unacked %R~unacked_index %R~_kombu.binding.* \
    %W~_kombu.binding.reply.celery.pidbox %RW~twp-operator-*.reply.celery.pidbox";

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_the_rights_of_the_readme_suffice_and_a_refused_key_is_no_empty_queue() {
    let bench = Bench::new("rights").await;
    let password = "p/:@%#w";
    let mut rule = vec!["acl", "setuser", "twp", "reset", "on", ">p/:@%#w"];
    rule.extend(RIGHTS.split_ascii_whitespace());
    assert_eq!(bench.redis_cli(&rule).await, "OK");
    let app = App {
        late: true,
        ..App::new("few", &format!("redis://{}/7", bench.redis))
    };
    let url = format!("redis://twp:p%2F%3A%40%25%23w@{}/7", bench.redis);
    let watch = Watch::new(address(&url, None), app.config());
    bench.workers(&app, 1).await;
    bench.publish(&app, json!({"count": 9})).await;
    bench.wait_started(&app, 2).await;
    watch
        .settles(
            "9 outstanding, 2 of them running in 2 slots, nothing refused",
            |tally| {
                (tally.work.outstanding(), tally.work.running) == (9, 2)
                    && tally.slots == Some(2)
                    && tally.degraded.is_none()
            },
        )
        .await;
    let refused = Watch::new(address(&url, None), CeleryConfig::default());
    assert_eq!(refused.fails().await, SampleError::Permission);
    let never = refused.history().iter().all(|sample| sample.result.is_err());
    assert!(never, "a refused queue is never a count: {:?}", refused.history());
    assert!(!format!("{:?}", refused.history()).contains(password));
}

/// RabbitMQ's, for one application with one queue: configure, write, read.
const OWN: &str = r"^twp-operator\..*";
const WRITE: &str = r"^(twp-operator\..*|celery\.pidbox)$";
const READ: &str = r"^(twp-operator\..*|celeryev|reply\.celery\.pidbox|q-few)$";

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_the_rights_of_the_readme_suffice() {
    let bench = Bench::new("rights").await;
    for (name, image) in [("rabbitmq", "RABBITMQ"), ("rabbitmq3", "RABBITMQ3")] {
        let rabbit = bench.rabbitmq(name, image, "").await;
        let user = json!({"password": "s3cret", "tags": "management"}).to_string();
        bench.manage(&rabbit, "PUT", "/users/twp", &user).await;
        let rights = json!({"configure": OWN, "write": WRITE, "read": READ}).to_string();
        bench.manage(&rabbit, "PUT", "/permissions/%2F/twp", &rights).await;
        let app = App {
            queue: "q-few".into(),
            ..App::new(&format!("few-{name}"), &format!("amqp://{rabbit}//"))
        };
        let url = format!("amqp://twp:s3cret@{rabbit}//");
        let management = format!("http://twp:s3cret@{rabbit}:15672");
        let watches = [None, Some(management.as_str())].map(|url_too| Watch::new(address(&url, url_too), app.config()));
        bench.workers(&app, 1).await;
        bench.publish(&app, json!({"count": 9})).await;
        bench.wait_started(&app, 2).await;
        for watch in &watches {
            let what = format!("{name}: 9 outstanding, 2 of them running in 2 slots, nothing refused");
            watch
                .settles(&what, |tally| {
                    (tally.work.outstanding(), tally.work.running) == (9, 2)
                        && tally.slots == Some(2)
                        && tally.degraded.is_none()
                })
                .await;
        }
    }
}
