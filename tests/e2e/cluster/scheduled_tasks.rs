//! Zero with tasks that are due later: the pool goes to zero, wakes a start-up time ahead, and all start in time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    bed::{clock, eventually, throughout},
    celery_stage::{CeleryStage, LONG},
    figures,
    operator::Operator,
    stage::pool,
};

const TASKS: usize = 20;
const COUNTDOWN: u32 = 90;
/// Tasks start so many seconds after their time at most.
const LATE: f64 = 5.0;

/// One worker can take all the tasks that are not due into its memory, and some more.
async fn with_pool(name: &str, broker: &str) -> CeleryStage {
    let stage = CeleryStage::new(name, broker).await;
    stage.workers_with("2", 30, &[("PREFETCH", "20")]).await;
    let spec = json!({
        "target": {"waitSeconds": 60}, "scaleDown": {"idleSeconds": 2}, "worker": {"concurrency": 2},
    });
    stage.ns.apply(pool("mail", spec).to_string()).await;
    stage
}

/// Publishes them, due in so many seconds.
async fn later(stage: &CeleryStage, countdown: u32) {
    stage.client(&format!("nap.later(range({TASKS}), {countdown})")).await;
}

/// Publishes one that is due now and waits until it starts; says how long that took.
async fn at_once(stage: &CeleryStage, number: usize) -> Duration {
    let begin = Instant::now();
    stage.client(&format!("nap.nap.delay({number}, 0)")).await;
    eventually(&format!("task {number} starts"), LONG, async || {
        let started = times(&stage.list("started").await);
        started
            .contains_key(&number)
            .then_some(())
            .ok_or(format!("{started:?}"))
    })
    .await;
    begin.elapsed()
}

/// `number … seconds` a line.
fn times(lines: &[String]) -> BTreeMap<usize, f64> {
    let time = |line: &String| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next_back()?.parse().ok()?))
    };
    lines.iter().filter_map(time).collect()
}

async fn sentence(stage: &CeleryStage) -> String {
    let status = stage.ns.pool("mail").await.ok().and_then(|pool| pool.status);
    format!("{status:?}")
}

async fn twenty_tasks_of_ninety_seconds(broker: &str) {
    let stage = with_pool(&format!("eta-{broker}"), broker).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    // The pool learns how long a start takes.
    at_once(&stage, 100).await;
    stage.ns.wait_replicas("mail", 0).await;

    // The worker that comes for the one that is due now takes the others, too.
    later(&stage, COUNTDOWN).await;
    let published = clock();
    let first = at_once(&stage, 101).await;
    stage.ns.wait_replicas("mail", 0).await;
    let zero = clock() - published;
    assert!(
        zero < f64::from(COUNTDOWN) - 15.0,
        "zero only after {zero} s: {}",
        sentence(&stage).await
    );
    eventually("the tasks are known and not due", Duration::from_secs(10), async || {
        let work = stage
            .ns
            .pool("mail")
            .await?
            .status
            .and_then(|status| status.work)
            .unwrap_or_default();
        match (work.waiting, work.scheduled) {
            (0, 20) => Ok(()),
            _ => Err(format!("{work:?}\n{}", operator.log())),
        }
    })
    .await;
    let second = at_once(&stage, 102).await;

    stage.wait_ended(TASKS + 3).await;
    let (due, lines) = (times(&stage.list("due").await), stage.list("started").await);
    let started = times(&lines);
    assert_eq!(lines.len(), TASKS + 3, "each starts once: {lines:?}");
    let late: Vec<f64> = due.iter().map(|(number, due)| started[number] - due).collect();
    let most = late.iter().copied().fold(f64::MIN, f64::max);
    let least = late.iter().copied().fold(f64::MAX, f64::min);
    println!("{broker}: zero after {zero:.1} s, at once {first:?} and {second:?}, late {least:.2} to {most:.2} s");
    let ready = stage.list("ready").await;
    let last = ready
        .last()
        .and_then(|line| line.split_whitespace().next_back()?.parse::<f64>().ok());
    let ahead = due.values().copied().fold(f64::MAX, f64::min) - last.unwrap_or_default();
    println!("the last worker was ready {ahead:.1} s before the first was due: {ready:?}");
    figures::record(&format!("eta_{broker}_late_milliseconds"), (most.max(0.0) * 1e3) as u64);
    figures::record(&format!("eta_{broker}_zero_seconds"), zero as u64);
    assert_eq!(late.len(), TASKS);
    assert!(least > -0.5 && most < LATE, "{late:?}\n{}", operator.log());
    stage.ns.wait_replicas("mail", 0).await;
    let status = stage.ns.pool("mail").await.unwrap().status.unwrap();
    assert_eq!(status.held, None, "{status:?}");
    stage.undisturbed(&[], &operator).await;
}

#[tokio::test]
async fn twenty_tasks_of_ninety_seconds_on_redis() {
    twenty_tasks_of_ninety_seconds("redis").await;
}

#[tokio::test]
async fn twenty_tasks_of_ninety_seconds_on_rabbitmq() {
    twenty_tasks_of_ninety_seconds("rabbitmq").await;
}

#[tokio::test]
async fn an_operator_that_starts_anew_remembers_what_is_not_due_on_rabbitmq() {
    let stage = with_pool("eta-again", "rabbitmq").await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    later(&stage, 3_600).await;
    eventually("they are fetched and known", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        match status.held.as_ref().map(|held| held.tasks) {
            Some(20) => Ok(()),
            _ => Err(format!("{status:?}")),
        }
    })
    .await;
    stage.ns.wait_replicas("mail", 0).await;
    drop(operator);
    let operator = Operator::start(&stage.ns.name).await;
    throughout("nobody is woken", Duration::from_secs(30), async || {
        match stage.ns.replicas("mail").await? {
            0 => Ok(()),
            more => Err(format!(
                "{more} replicas: {}\n{}",
                sentence(&stage).await,
                operator.log()
            )),
        }
    })
    .await;
    let status = stage.ns.pool("mail").await.unwrap().status.unwrap();
    let told = (
        status.held.map(|held| held.tasks),
        status.work.map(|work| (work.waiting, work.scheduled)),
    );
    assert_eq!(told, (Some(20), Some((0, 20))));
    at_once(&stage, 100).await;
    stage.ns.wait_replicas("mail", 0).await;
    stage.undisturbed(&[], &operator).await;
}
