//! Users with no more rights than docs/redis.md and docs/rabbitmq.md list, step by step: counting, heartbeats, remote
//! control.

use std::time::Duration;

use serde_json::json;
use taskworkerpool::framework::celery::CeleryConfig;
use taskworkerpool::model::{Control, Intent, SampleError, Tally};
use tokio::time::sleep;

use crate::support::{
    app::{App, AppStage, Load},
    celery::{Celery, consumers, watching},
    watch::{Watch, address},
};

const REDIS: &str = include_str!("../../../docs/redis.md");
const RABBITMQ: &str = include_str!("../../../docs/rabbitmq.md");

/// The steps of both pages, in their order.
const STEPS: [&str; 3] = ["count", "heartbeats", "control"];

/// The ACL rules of docs/redis.md, one list for each step, for another database and queue.
fn acl_rules(db: u8, queue: &str) -> Vec<Vec<String>> {
    let block = REDIS.split("```\n").find(|block| block.starts_with("ACL SETUSER"));
    let steps = block.expect("the page's rules").split("ACL SETUSER twp").skip(1);
    let rule = |word: &str| {
        let word = word.trim_matches('"').replace("\\x06\\x16", "\x06\x16");
        let word = word.replace("~celery", &format!("~{queue}"));
        word.replace("&/0.", &format!("&/{db}."))
    };
    let rules = |step: &str| {
        let lines = step.lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_ascii_whitespace).map(rule).collect()
    };
    steps.map(rules).collect()
}

/// The permissions of docs/rabbitmq.md (configure, write, read), one triple for each step, for another queue.
fn permissions(queue: &str) -> Vec<[String; 3]> {
    let lines = RABBITMQ
        .lines()
        .filter(|line| line.starts_with("rabbitmqctl set_permissions twp"));
    let triple = |line: &str| {
        let parts: Vec<_> = line.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
        let [configure, write, read] = <[String; 3]>::try_from(parts).expect("three patterns");
        let read = read.replace("^celery$", &format!("^{queue}$"));
        [configure, write, read.replace("|celery)", &format!("|{queue})"))]
    };
    lines.map(triple).collect()
}

fn is_refused(tally: &Tally) -> bool {
    matches!(tally.control, Control::Refused { .. })
}

/// What a pool sees with the rights of one step, once it looks after its pod.
async fn sees(what: &str, watch: &Watch, step: usize, counted: impl Fn(&Tally) -> bool) {
    let heard = step >= 1;
    let told = |tally: &Tally| tally.pods.values().next().is_some_and(|pod| pod.report.is_some());
    watch
        .settles(&format!("{what}: {} is allowed, no more", STEPS[step]), |tally| {
            counted(tally)
                && tally.degraded.is_none()
                && tally.workers_heard == heard
                && (tally.work.running == 2) == heard
                // Whether anybody is asked before somebody is heard is not the matter here.
                && (step == 0 || is_refused(tally) == (step == 1))
                && told(tally) == (step == 2)
        })
        .await;
}

/// The pod is told to fetch no more, and again.
async fn obeys(what: &str, watch: &Watch, pod: &str, app: &Celery<'_>) {
    let queues = || consumers(pod, &app.queue);
    let told = |tally: &Tally| tally.pods.get(pod)?.report.clone();
    watch.attend(pod, Intent::Cordon(queues()));
    watch
        .settles(&format!("{what}: it stops"), |tally| {
            told(tally).is_some_and(|told| told.fetches_nothing())
        })
        .await;
    watch.attend(pod, Intent::Uncordon(queues()));
    watch
        .settles(&format!("{what}: it fetches again"), |tally| {
            told(tally).is_some_and(|told| told.consumes == queues())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_the_rights_of_the_docs_suffice_and_a_refused_key_is_no_empty_queue() {
    let stage = &AppStage::new("rights").await;
    let password = "p/:@%#w";
    let app = Celery {
        late: true,
        ..Celery::new(stage, "few", &format!("redis://{}/7", stage.redis))
    };
    let rules = acl_rules(7, &app.queue);
    assert_eq!(rules.len(), STEPS.len());
    app.workers(1).await;
    let pod = stage.pod_of(&app.name).await;
    app.publish(&[Load::endless(9)]).await;
    app.wait_started(2).await;
    for (step, name) in STEPS.iter().enumerate() {
        let rules = rules[..=step].concat();
        let rules = rules.iter().map(|rule| rule.replace("PASSWORD", password));
        let mut rule: Vec<String> = ["acl", "setuser", name].map(str::to_owned).into();
        rule.extend(rules.chain(["+select".to_owned()]));
        let rule: Vec<_> = rule.iter().map(String::as_str).collect();
        assert_eq!(stage.redis_cli(&rule).await, "OK");
        let url = format!("redis://{name}:p%2F%3A%40%25%23w@{}/7", stage.redis);
        let watch = watching(address(&url, None), app.config());
        watch.attend(&pod, Intent::Report);
        // Who cannot ask takes what runs for acknowledged, and counts it on top.
        let all = if step == 1 { 11 } else { 9 };
        let counted = |tally: &Tally| tally.work.outstanding() == all && (step < 2 || tally.slots == Some(2));
        sees(name, &watch, step, counted).await;
        if step == 2 {
            obeys(name, &watch, &pod, &app).await;
        }
        let refused = watching(address(&url, None), CeleryConfig::default());
        assert_eq!(refused.fails().await, SampleError::Permission);
        let never = refused.history().iter().all(|sample| sample.result.is_err());
        assert!(never, "a refused queue is never a count: {:?}", refused.history());
        assert!(!format!("{:?}", refused.history()).contains(password));
    }
}

async fn user(stage: &AppStage, rabbit: &str, name: &str, [configure, write, read]: &[String; 3]) -> [String; 2] {
    let user = json!({"password": "s3cret", "tags": "management"}).to_string();
    stage.manage(rabbit, "PUT", &format!("/users/{name}"), &user).await;
    let rights = json!({"configure": configure, "write": write, "read": read}).to_string();
    stage
        .manage(rabbit, "PUT", &format!("/permissions/%2F/{name}"), &rights)
        .await;
    [
        format!("amqp://{name}:s3cret@{rabbit}//"),
        format!("http://{name}:s3cret@{rabbit}:15672"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_4_the_rights_of_the_docs_suffice() {
    the_rights_of_the_docs_suffice("rabbitmq", "RABBITMQ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_3_the_rights_of_the_docs_suffice() {
    the_rights_of_the_docs_suffice("rabbitmq3", "RABBITMQ3").await;
}

async fn the_rights_of_the_docs_suffice(name: &str, image: &str) {
    let stage = &AppStage::new("rights").await;
    let rabbit = stage.rabbitmq(name, image, "").await;
    let app = Celery {
        queue: "q-few".into(),
        late: true,
        ..Celery::new(stage, &format!("few-{name}"), &format!("amqp://{rabbit}//"))
    };
    let permissions = permissions(&app.queue);
    assert_eq!(permissions.len(), STEPS.len());
    app.workers(1).await;
    let pod = stage.pod_of(&app.name).await;
    app.publish(&[Load::endless(20)]).await;
    app.wait_started(2).await;
    for (step, rights) in permissions.iter().enumerate() {
        let [url, management] = user(stage, &rabbit, STEPS[step], rights).await;
        for with in [None, Some(management.as_str())] {
            let watch = watching(address(&url, with), app.config());
            watch.attend(&pod, Intent::Report);
            // Without management nobody sees what workers hold but they themselves.
            let all = with.is_some() || step == 2;
            let outstanding = if step == 1 { 22 } else { 20 };
            let counted = |tally: &Tally| tally.work.ready == 12 && (!all || tally.work.outstanding() == outstanding);
            sees(&format!("{name}, {with:?}"), &watch, step, counted).await;
        }
    }
    // The broker refuses a publication late, by closing the channel: that must be seen, and stay so.
    let [configure, _, read] = permissions[2].clone();
    let rights = [configure, permissions[1][1].clone(), read];
    let [url, _] = user(stage, &rabbit, "mute", &rights).await;
    let watch = watching(address(&url, None), app.config());
    watch.attend(&pod, Intent::Report);
    let refused = watch.settles("remote control is refused", is_refused).await;
    assert!(refused.workers_heard, "{refused:?}");
    let before = watch.history().len();
    sleep(Duration::from_secs(15)).await;
    let after = watch.history().split_off(before);
    let steady = |tally: &Tally| is_refused(tally) && tally.workers_heard && tally.work.ready == 12;
    let steady = after
        .iter()
        .all(|sample| sample.result.as_ref().is_ok_and(|tally| steady(tally)));
    assert!(after.len() > 20 && steady, "{after:?}");
    // At the end: a worker that fetches again takes as many as ever, whatever it still holds.
    let [url, _] = user(stage, &rabbit, STEPS[2], &permissions[2]).await;
    obeys(name, &watching(address(&url, None), app.config()), &pod, &app).await;
    stage.kill(&app.name).await;
}
