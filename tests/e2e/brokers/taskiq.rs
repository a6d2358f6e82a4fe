//! taskiq: lists and streams, against what the tasks recorded.

use futures::join;
use serde_json::json;
use taskworkerpool::model::{DrainSupport, PodReport, Tally};

use super::rows::{Place, judge, place};
use crate::support::{
    app::{App, AppStage, Load},
    taskiq::Taskiq,
    watch::Watch,
};

/// Waits until ready and in flight are what is so.
async fn row(what: &'static str, watch: &Watch, truth: (u64, u64)) -> Place {
    let holds = |tally: &Tally| (tally.work.ready, tally.work.in_flight) == truth;
    place(what, watch, holds).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_streams_are_counted() {
    let stage = &AppStage::new("taskiq-counts").await;
    let all = join!(a_list(stage), a_stream(stage), odd_streams(stage));
    judge("taskiq_counts", [all.0, all.1, all.2]);
}

/// Of a list only what waits can be seen.
async fn a_list(stage: &AppStage) -> Vec<Place> {
    let app = Taskiq::new(stage, "list", "list", 1);
    let watch = app.watch();
    let mut rows = vec![row("list: nothing was ever published", &watch, (0, 0)).await];
    app.publish(&[Load::endless(7)]).await;
    rows.push(row("list: 7 wait", &watch, (7, 0)).await);
    app.workers(1).await;
    app.wait_started(2).await;
    rows.push(row("list: 2 of 7 run, unseen", &watch, (5, 0)).await);
    let tally = watch.settles("nobody is known", |tally| tally.pods.is_empty()).await;
    assert_eq!(tally.drain, DrainSupport::None);
    rows
}

/// A stream from its first message to its last.
async fn a_stream(stage: &AppStage) -> Vec<Place> {
    let app = Taskiq::new(stage, "stream", "stream", 2);
    let watch = app.watch();
    app.publish(&[Load::new(6, 12)]).await;
    let mut rows = vec![row("stream: 6 wait", &watch, (6, 0)).await];
    app.workers(1).await;
    app.wait_started(2).await;
    rows.push(row("stream: 6 are pending, of which 2 run", &watch, (0, 6)).await);
    let pod = stage.pod_of(&app.name).await;
    watch.roster(&[pod]);
    watch
        .settles("nothing is known of the pod", |tally| {
            tally.pods.len() == 1 && tally.pods.values().all(|pod| pod.live && !pod.fresh)
        })
        .await;
    app.wait_ended(6).await;
    rows.push(row("stream: all are done, and it is as long as before", &watch, (0, 0)).await);
    let idle = |tally: &Tally| {
        let done = |pod: &PodReport| pod.fresh && pod.running == 0 && pod.idle_since.is_some();
        tally.pods.len() == 1 && tally.pods.values().all(done)
    };
    watch.settles("the pod is idle", idle).await;
    app.publish(&[Load::endless(3)]).await;
    app.wait_started(8).await;
    rows.push(row("stream: 3 more are pending", &watch, (0, 3)).await);
    stage.kill(&app.name).await;
    rows.push(row("stream: the worker was killed", &watch, (0, 3)).await);
    app.publish(&[Load::endless(2)]).await;
    rows.push(row("stream: 2 more wait", &watch, (2, 3)).await);
    rows
}

/// Streams that are trimmed, have another group, or none.
async fn odd_streams(stage: &AppStage) -> Vec<Place> {
    let trimmed = Taskiq {
        options: json!({"maxlen": 4, "approximate": false}),
        ..Taskiq::new(stage, "trimmed", "stream", 3)
    };
    let watch = trimmed.watch();
    trimmed.publish(&[Load::endless(10)]).await;
    let mut rows = vec![row("stream: 4 of 10 are left by MAXLEN", &watch, (4, 0)).await];
    let other = Taskiq {
        options: json!({"consumer_group_name": "workers"}),
        ..Taskiq::new(stage, "group", "stream", 4)
    };
    let watch = other.watch();
    other.publish(&[Load::endless(5)]).await;
    rows.push(row("stream: 5 wait in a group of another name", &watch, (5, 0)).await);
    let silent = Taskiq::new(stage, "no-group", "stream", 5);
    let watch = silent.watch();
    silent.publish(&[Load::endless(3).with("startup", json!(false))]).await;
    rows.push(row("stream: no group yet, so one worker is to make it", &watch, (1, 0)).await);
    silent.workers(1).await;
    rows.push(
        row(
            "stream: what was there before the group is never delivered",
            &watch,
            (0, 0),
        )
        .await,
    );
    silent.publish(&[Load::endless(2)]).await;
    silent.wait_started(2).await;
    rows.push(row("stream: what came after it is", &watch, (0, 2)).await);
    // An entry that nobody had yet was deleted: Redis does not know the lag any more.
    stage
        .redis_cli(&["-n", "4", "xdel", "q-group", &last_id(stage).await])
        .await;
    other.publish(&[Load::endless(1)]).await;
    let watch = other.watch();
    rows.push(row("stream: without a lag entries are counted", &watch, (5, 0)).await);
    rows
}

/// Id of the last entry of the group's stream.
async fn last_id(stage: &AppStage) -> String {
    let entry = stage
        .redis_cli(&["-n", "4", "xrevrange", "q-group", "+", "-", "count", "1"])
        .await;
    entry.lines().next().expect("an entry").to_owned()
}
