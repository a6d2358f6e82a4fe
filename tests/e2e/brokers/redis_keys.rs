//! Redis: pools that share a database, prefixes, priorities, separators, passwords.

use serde_json::json;
use taskworkerpool::framework::celery::CeleryConfig;
use taskworkerpool::model::SampleError;

use crate::support::{
    app::{App, AppStage, Load},
    celery::{Celery, watching},
    watch::address,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_queues_of_one_database_are_counted_apart() {
    let stage = &AppStage::new("shared").await;
    let broker = format!("redis://{}/0", stage.redis);
    let early = Celery::new(stage, "one", &broker);
    let late = Celery {
        late: true,
        ..Celery::new(stage, "two", &broker)
    };
    let watches = [early.watch(None), late.watch(None)];
    for (app, count) in [(&early, 7), (&late, 5)] {
        app.workers(1).await;
        app.publish(&[Load::endless(count)]).await;
    }
    early.wait_started(2).await;
    late.wait_started(2).await;
    for (watch, count) in watches.iter().zip([7, 5]) {
        let what = format!("{count} outstanding, 2 of them running, in one of two queues");
        let mine = watch
            .settles(&what, |tally| {
                (tally.work.outstanding(), tally.work.running) == (count, 2)
            })
            .await;
        assert_eq!(
            mine.pods.values().map(|pod| pod.running).sum::<u32>(),
            2,
            "its own workers only: {mine:?}"
        );
    }
    let both = stage.redis_cli(&["hlen", "unacked"]).await;
    assert_eq!(both, "10", "unacked really is shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_ten_priorities_and_another_separator() {
    let stage = &AppStage::new("prefix").await;
    let steps: Vec<u8> = (0..10).collect();
    let options = json!({"global_keyprefix": "shop:", "priority_steps": steps, "sep": ":"});
    let app = Celery {
        options,
        ..Celery::new(stage, "prefix", &format!("redis://{}/3", stage.redis))
    };
    let config = CeleryConfig {
        key_prefix: "shop:".into(),
        priority_steps: steps.clone(),
        separator: Some(":".into()),
        ..app.config()
    };
    let watch = watching(address(&app.broker, None), config);
    app.publish(&[Load::endless(2).with("priorities", json!(steps))]).await;
    watch.settles("20 ready", |tally| tally.work.ready == 20).await;
    assert_eq!(stage.redis_cli(&["-n", "3", "llen", "shop:q-prefix:9"]).await, "2");
    app.workers(1).await;
    app.wait_started(2).await;
    watch
        .settles("20 outstanding, 2 of them running", |tally| {
            (tally.work.outstanding(), tally.work.running) == (20, 2) && tally.work.in_flight > 2
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_no_user() {
    let stage = &AppStage::new("password").await;
    let locked = stage.redis_with("locked", &["--requirepass", "open:sesame"]).await;
    let app = Celery::new(stage, "locked-app", &format!("redis://:open%3Asesame@{locked}/5"));
    app.publish(&[Load::endless(3)]).await;
    app.watch(None).settles("3 ready", |tally| tally.work.ready == 3).await;
    for wrong in [format!("redis://:shut@{locked}/5"), format!("redis://{locked}/5")] {
        let watch = watching(address(&wrong, None), app.config());
        assert_eq!(watch.fails().await, SampleError::Authentication);
    }
}
