//! RQ: every place where a job can be, and every state of a worker, against what the jobs recorded.

use futures::join;
use serde_json::json;
use taskworkerpool::model::Tally;

use super::rows::{Place, judge, place};
use crate::support::{
    app::{App, AppStage, Load},
    bed::{PATIENCE, clock, eventually},
    rq::Rq,
    watch::Watch,
};

/// Waits until it is counted as it is: ready, in flight, running, scheduled, due soon.
async fn row(what: &'static str, watch: &Watch, truth: [u64; 5]) -> Place {
    let numbers = |tally: &Tally| {
        let work = &tally.work;
        [work.ready, work.in_flight, work.running, work.scheduled, work.due_soon]
    };
    place(what, watch, |tally| numbers(tally) == truth).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_of_a_job_is_counted() {
    let stage = &AppStage::new("rq-counts").await;
    let all = join!(
        without_workers(stage),
        with_workers(stage),
        several_in_a_pod(stage),
        two_queues_and_a_prefix(stage)
    );
    judge("rq_counts", [all.0, all.1, all.2, all.3]);
}

/// Where jobs lie that nobody takes.
async fn without_workers(stage: &AppStage) -> Vec<Place> {
    let app = Rq::new(stage, "nobody", 1);
    let watch = app.watch();
    let mut rows = vec![row("nothing was ever published", &watch, [0; 5]).await];
    app.publish(&[Load::endless(5)]).await;
    rows.push(row("5 are queued", &watch, [5, 0, 0, 0, 0]).await);
    app.publish(&[Load::endless(1).with("front", json!(true))]).await;
    rows.push(row("1 more at the front", &watch, [6, 0, 0, 0, 0]).await);
    app.publish(&[Load::endless(3).due_in(3_600)]).await;
    rows.push(row("3 in an hour", &watch, [6, 0, 0, 3, 0]).await);
    app.publish(&[Load::endless(2).due_in(1)]).await;
    rows.push(row("2 are due, and nobody moves them", &watch, [8, 0, 0, 3, 0]).await);
    app.publish(&[Load::endless(4).with("after", json!(true))]).await;
    rows.push(row("1 more, and 3 that wait for it", &watch, [9, 0, 0, 6, 0]).await);
    let truth = app.truth().await.counts(clock());
    assert_eq!((truth.waiting, truth.scheduled), (7 + 3 + 2, 3));
    rows
}

/// Two workers that run, fail, schedule again, are suspended and are killed.
async fn with_workers(stage: &AppStage) -> Vec<Place> {
    let app = Rq {
        worker: "worker --with-scheduler".into(),
        grace: 5,
        ..Rq::new(stage, "busy", 2)
    };
    let watch = app.watch();
    app.workers(2).await;
    app.publish(&[Load::endless(40)]).await;
    app.wait_started(2).await;
    let mut rows = vec![row("2 of 40 run", &watch, [38, 2, 2, 0, 0]).await];
    let tally = watch
        .settles("two pods are busy", |tally| {
            tally.pods.values().filter(|pod| pod.running == 1 && pod.fresh).count() == 2
        })
        .await;
    assert_eq!((tally.slots, tally.workers_heard), (Some(1), true));
    stage.kill(&app.name).await;
    rows.push(row("their workers were killed", &watch, [38, 2, 0, 0, 0]).await);
    // What failed, or is done, is no work.
    let app = Rq {
        worker: "worker --with-scheduler".into(),
        ..Rq::new(stage, "fails", 3)
    };
    let watch = app.watch();
    app.workers(1).await;
    app.publish(&[Load::new(2, 0).with("fail", json!(true)), Load::new(3, 0)])
        .await;
    app.wait_ended(5).await;
    rows.push(row("2 have failed and 3 are done", &watch, [0; 5]).await);
    let again = Load::new(1, 0)
        .with("fail", json!(true))
        .with("retry", json!({"max": 1, "interval": 3_600}));
    app.publish(&[again]).await;
    app.wait_ended(6).await;
    rows.push(row("1 that failed is tried again in an hour", &watch, [0, 0, 0, 1, 0]).await);
    app.publish(&[Load::endless(1).due_in(2)]).await;
    app.wait_started(7).await;
    rows.push(row("1 that came due runs", &watch, [0, 1, 1, 1, 0]).await);
    rows
}

/// A pool of three workers in one pod, and one that runs jobs itself.
async fn several_in_a_pod(stage: &AppStage) -> Vec<Place> {
    let app = Rq {
        worker: "worker-pool -n 3".into(),
        ..Rq::new(stage, "pool", 4)
    };
    let watch = app.watch();
    app.workers(1).await;
    app.publish(&[Load::endless(5)]).await;
    app.wait_started(3).await;
    let mut rows = vec![row("3 of 5 run in one pod", &watch, [2, 3, 3, 0, 0]).await];
    let pod = stage.pod_of(&app.name).await;
    watch
        .settles("three slots", |tally| {
            tally.slots == Some(3) && tally.pods[&pod].running == 3
        })
        .await;
    let app = Rq {
        worker: "worker -w rq.SimpleWorker -n fixed:name".into(),
        ..Rq::new(stage, "simple", 5)
    };
    let watch = app.watch();
    app.workers(1).await;
    app.publish(&[Load::endless(2)]).await;
    app.wait_started(1).await;
    rows.push(row("1 of 2 runs in the worker itself", &watch, [1, 1, 1, 0, 0]).await);
    rows
}

/// A worker of two queues with odd names, whose keys have another prefix.
async fn two_queues_and_a_prefix(stage: &AppStage) -> Vec<Place> {
    let app = Rq {
        queues: vec!["a:b".into(), "über".into()],
        prefix: "shop".into(),
        ..Rq::new(stage, "odd", 6)
    };
    let watch = app.watch();
    app.publish(&[
        Load::endless(2),
        Load::endless(3).with("queue", json!("über")),
        Load::endless(9).with("queue", json!("other")),
    ])
    .await;
    let mut rows = vec![row("2 and 3 wait in two queues", &watch, [5, 0, 0, 0, 0]).await];
    app.workers(1).await;
    app.wait_started(1).await;
    rows.push(row("1 of them runs", &watch, [4, 1, 1, 0, 0]).await);
    let tally = watch
        .settles("both queues are fetched", |tally| !tally.fetches.is_empty())
        .await;
    let fetched = tally.fetches.values().next().expect("a pod");
    assert_eq!(fetched.iter().collect::<Vec<_>>(), ["a:b", "über"]);
    stage.redis_cli(&["-n", "6", "set", "shop:suspended", "1"]).await;
    watch
        .settles("suspended", |tally| {
            tally
                .mismatch
                .as_ref()
                .is_some_and(|(reason, _)| *reason == "Suspended")
        })
        .await;
    rows
}

/// What makes a pod safe to remove: all of its workers idle, by their own word, for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_when_it_is_idle_and_when_it_is_busy() {
    let stage = &AppStage::new("rq-workers").await;
    let app = Rq::new(stage, "one", 0);
    let watch = app.watch();
    app.workers(1).await;
    let pod = &stage.pod_of(&app.name).await;
    let idle = |tally: &Tally| {
        let report = tally.pods.get(pod);
        report.is_some_and(|pod| pod.live && pod.fresh && pod.running == 0 && pod.idle_since.is_some())
    };
    watch.settles("idle", idle).await;
    app.publish(&[Load::new(1, 5)]).await;
    app.wait_started(1).await;
    let busy = |tally: &Tally| {
        tally
            .pods
            .get(pod)
            .is_some_and(|pod| pod.running == 1 && pod.idle_since.is_none())
    };
    eventually("busy", PATIENCE, async || match watch.history().last() {
        Some(sample) if sample.result.as_ref().is_ok_and(|tally| busy(tally)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    app.wait_ended(1).await;
    watch.settles("idle again", idle).await;
    // A worker that is told to end in the middle of a job finishes it.
    app.publish(&[Load::new(1, 8)]).await;
    app.wait_started(2).await;
    app.workers(0).await;
    app.wait_ended(2).await;
    watch
        .settles("gone", |tally| tally.pods.is_empty() && tally.work.outstanding() == 0)
        .await;
}
