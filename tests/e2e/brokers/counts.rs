//! The rows of the table: the naive figure, ours, the truth.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::rows::{self, Row, must_count, print, row};
use crate::support::{
    app::{App, AppStage, Load},
    bed::eventually,
    celery::{Celery, passive_count},
    figures,
    watch::Watch,
};

/// Two Redis and four RabbitMQ applications, each with two workers (two slots each, four messages fetched per slot).
#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_is_counted_right() {
    let stage = &AppStage::new("counts").await;
    let rabbit = &stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let mut rows = Vec::new();
    rows.extend(with_two_workers(stage, rabbit).await);
    rows.extend(without_workers(stage, rabbit).await);
    rows.extend(with_one_worker(stage).await);
    print(&rows);
    let (right, all) = (rows.iter().filter(|row| row.right).count(), rows.len());
    figures::record("counts_right", right);
    figures::record("counts_rows", all);
    assert_eq!(right, all, "rows that are right, of all rows");
}

/// Rows 3, 2 and 1 (on RabbitMQ: 10): first 2 tasks, then 18, then 40.
async fn with_two_workers(stage: &AppStage, rabbit: &str) -> Vec<Row> {
    let mut apps = Vec::new();
    for late in [false, true] {
        let acks = if late { "late" } else { "early" };
        let redis = Celery::new(
            stage,
            &format!("redis-{acks}"),
            &format!("redis://{}/{}", stage.redis, u8::from(late)),
        );
        let classic = Celery::new(stage, &format!("classic-{acks}"), &format!("amqp://{rabbit}//"));
        let quorum = Celery {
            quorum: true,
            ..Celery::new(stage, &format!("quorum-{acks}"), &format!("amqp://{rabbit}//"))
        };
        apps.extend([redis, classic, quorum].map(|app| Celery { late, ..app }));
    }
    let mut rows = join_all(apps.iter().map(|app| fill_up(stage, rabbit, app))).await;
    join_all(apps.iter().map(|app| stage.kill(&app.name))).await;
    rows.extend(join_all(apps.iter().map(|app| left_by_the_dead(stage, rabbit, app))).await);
    rows.into_iter().flatten().collect()
}

/// Each way to count an application.
fn watches(rabbit: &str, app: &Celery<'_>) -> Vec<(&'static str, Watch)> {
    if !app.broker.starts_with("amqp") {
        return vec![("", app.watch(None))];
    }
    let management = format!("http://guest:guest@{rabbit}:15672");
    vec![
        (", AMQP only", app.watch(None)),
        (", management", app.watch(Some(&management))),
    ]
}

/// Row 7: both workers were killed. Redis keeps in `unacked` what they held, RabbitMQ has it ready again; what ran and was
/// acknowledged early is lost.
async fn left_by_the_dead(stage: &AppStage, rabbit: &str, app: &Celery<'_>) -> Vec<Row> {
    let (mut rows, left) = (Vec::new(), if app.late { 40 } else { 36 });
    for (how, watch) in watches(rabbit, app) {
        let setup = format!("40 tasks, {}, the workers were killed{how}", app.name);
        let naive = naive(stage, rabbit, app).await;
        rows.push(row("7", &setup, naive, &watch, left, 0).await);
    }
    rows
}

async fn fill_up(stage: &AppStage, rabbit: &str, app: &Celery<'_>) -> Vec<Row> {
    let last = if app.broker.starts_with("amqp") { "10" } else { "1" };
    let steps = [("3", 2), ("2", 16), (last, 22)];
    app.workers(2).await;
    rows::fill_up(app, &watches(rabbit, app), 4, &steps, async || {
        naive(stage, rabbit, app).await
    })
    .await
}

/// What a scaler sees that asks for the length of one list, or passively for one queue.
async fn naive(stage: &AppStage, rabbit: &str, app: &Celery<'_>) -> String {
    if app.broker.starts_with("amqp") {
        format!("passive {}", passive_count(rabbit, &app.queue).await)
    } else {
        let db = app.broker.rsplit('/').next().unwrap_or("0");
        format!("LLEN {}", stage.redis_cli(&["-n", db, "llen", &app.queue]).await)
    }
}

/// `messages` of a queue of the vhost `/` in the management API's usual statistics, seconds old.
async fn statistics(stage: &AppStage, rabbit: &str, queue: &str) -> String {
    let answer = stage.manage(rabbit, "GET", &format!("/queues/%2F/{queue}"), "").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let queue: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    format!("statistics {}", queue["messages"])
}

/// Rows 4, 5 and 12.
async fn without_workers(stage: &AppStage, rabbit: &str) -> Vec<Row> {
    let urgent = Celery::new(stage, "urgent", &format!("redis://{}/2", stage.redis));
    let watch = urgent.watch(None);
    let each = Load::endless(2).with("priorities", json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    urgent.publish(&[each]).await;
    let naive_urgent = naive(stage, rabbit, &urgent).await;
    let mut rows = vec![row("4", "priorities 0 to 9, 2 each, no worker", naive_urgent, &watch, 20, 0).await];

    let later = Celery::new(stage, "later", &format!("redis://{}/3", stage.redis));
    let watch = later.watch(None);
    later.publish(&[Load::endless(30).due_in(300)]).await;
    let naive_later = naive(stage, rabbit, &later).await;
    let tally = watch
        .settles("row 5: 30 scheduled", |tally| tally.work.scheduled == 30)
        .await;
    assert!(tally.work.next_due.is_some(), "the pool can be woken: {tally:?}");
    rows.push(row("5", "30 tasks due in 300 s, no worker", naive_later, &watch, 0, 0).await);

    let fresh = Celery {
        quorum: true,
        ..Celery::new(stage, "fresh", &format!("amqp://{rabbit}//"))
    };
    let watch = fresh.watch(None);
    let management = fresh.watch(Some(&format!("http://guest:guest@{rabbit}:15672")));
    fresh.publish(&[Load::endless(40)]).await;
    let statistics = statistics(stage, rabbit, &fresh.queue).await;
    for (how, watch) in [("AMQP only", &watch), ("management", &management)] {
        let naive_fresh = statistics.clone();
        rows.push(
            row(
                "12",
                &format!("40 in a fresh quorum queue, {how}"),
                naive_fresh,
                watch,
                40,
                0,
            )
            .await,
        );
    }
    rows
}

/// Rows 6, 7 and 9.
async fn with_one_worker(stage: &AppStage) -> Vec<Row> {
    let (eta, killed) = (eta(stage), killed(stage));
    let (early, late) = (drained(stage, false), drained(stage, true));
    let (eta, killed, early, late) = futures::join!(eta, killed, early, late);
    vec![eta, killed, early, late]
}

/// 500 tasks with an ETA sit in the worker's memory and in `unacked`.
async fn eta(stage: &AppStage) -> Row {
    let app = Celery::new(stage, "eta", &format!("redis://{}/4", stage.redis));
    let watch = app.watch(None);
    app.workers(1).await;
    app.publish(&[Load::endless(500).due_in(900)]).await;
    // kombu pops a message and then writes it to `unacked`: until the last one is there, one is nowhere now and then.
    eventually(
        "row 6: the worker holds all",
        Duration::from_secs(300),
        async || match stage.redis_cli(&["-n", "4", "hlen", "unacked"]).await.trim() {
            "500" => Ok(()),
            held => Err(format!("it holds {held}")),
        },
    )
    .await;
    watch
        .settles("row 6: a worker, 500 scheduled", |tally| {
            tally.workers_heard && tally.work.scheduled == 500
        })
        .await;
    let held = stage.redis_cli(&["-n", "4", "hlen", "unacked"]).await;
    let naive = format!("{}, unacked {held}", naive(stage, "", &app).await);
    let row = row("6", "500 tasks due in 900 s, 1 worker", naive, &watch, 0, 0).await;
    stage.kill(&app.name).await;
    row
}

/// The worker is gone, its four tasks are still in `unacked`: the count must never say 0 meanwhile.
async fn killed(stage: &AppStage) -> Row {
    let app = Celery {
        late: true,
        ..Celery::new(stage, "killed", &format!("redis://{}/5", stage.redis))
    };
    let watch = app.watch(None);
    app.workers(1).await;
    app.publish(&[Load::endless(4)]).await;
    app.wait_started(2).await;
    must_count("4 tasks, 1 worker", &watch, 4, 2).await;
    let before = watch.history().len();
    stage.kill(&app.name).await;
    let naive = naive(stage, "", &app).await;
    let row = row("7", "4 tasks, late, the worker was killed", naive, &watch, 4, 0).await;
    for sample in &watch.history()[before..] {
        let work = &sample.result.as_ref().expect("a count").work;
        assert!(work.outstanding() >= 4, "work was overlooked: {work:?}");
    }
    row
}

/// The worker was told to stop: it finishes what it runs and keeps what it has fetched until then. Its early
/// acknowledged tasks end in the pod that leaves; they are no work for those that stay, and nothing shows them.
async fn drained(stage: &AppStage, late: bool) -> Row {
    let acks = if late { "late" } else { "early" };
    let app = Celery {
        late,
        grace: 120,
        ..Celery::new(
            stage,
            &format!("drained-{acks}"),
            &format!("redis://{}/{}", stage.redis, 6 + u8::from(late)),
        )
    };
    let watch = app.watch(None);
    app.workers(1).await;
    app.publish(&[Load::endless(14)]).await;
    app.wait_started(2).await;
    must_count("14 tasks, 1 worker", &watch, 14, 2).await;
    let zero = format!("deployment/{}", app.name);
    stage.ns.kubectl(&["scale", &zero, "--replicas=0"]).await;
    let naive = naive(stage, "", &app).await;
    let truth = if late { 14 } else { 12 };
    let setup = format!("14 tasks, {acks}, 2 of them run in a pod that leaves");
    let row = row("9", &setup, naive, &watch, truth, 0).await;
    stage.kill(&app.name).await;
    row
}
