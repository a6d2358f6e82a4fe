//! The rows of the table: the naive figure, ours, the truth.

use futures::future::join_all;
use serde_json::json;

use taskworkerpool::model::Tally;

use crate::support::{
    celery::{App, Bench, Watch, passive_count},
    figures,
};

/// Two Redis and four RabbitMQ applications, each with two workers (two slots each, four messages fetched per slot).
#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_is_counted_right() {
    let bench = &Bench::new("counts").await;
    let rabbit = &bench.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let mut rows = Vec::new();
    rows.extend(with_two_workers(bench, rabbit).await);
    rows.extend(without_workers(bench, rabbit).await);
    rows.extend(with_one_worker(bench).await);
    print(&rows);
    let (right, all) = (rows.iter().filter(|row| row.right).count(), rows.len());
    figures::record("counts_right", right);
    figures::record("counts_rows", all);
    assert_eq!(right, all, "rows that are right, of all rows");
}

/// Rows 3, 2 and 1 (on RabbitMQ: 10): first 2 tasks, then 18, then 40.
async fn with_two_workers(bench: &Bench, rabbit: &str) -> Vec<Row> {
    let mut apps = Vec::new();
    for late in [false, true] {
        let acks = if late { "late" } else { "early" };
        let redis = App::new(
            &format!("redis-{acks}"),
            &format!("redis://{}/{}", bench.redis, u8::from(late)),
        );
        let classic = App::new(&format!("classic-{acks}"), &format!("amqp://{rabbit}//"));
        let quorum = App {
            quorum: true,
            ..App::new(&format!("quorum-{acks}"), &format!("amqp://{rabbit}//"))
        };
        apps.extend([redis, classic, quorum].map(|app| App { late, ..app }));
    }
    let mut rows = join_all(apps.iter().map(|app| fill_up(bench, rabbit, app))).await;
    join_all(apps.iter().map(|app| bench.kill(app))).await;
    rows.extend(join_all(apps.iter().map(|app| left_by_the_dead(bench, rabbit, app))).await);
    rows.into_iter().flatten().collect()
}

/// Each way to count an application.
fn watches(rabbit: &str, app: &App) -> Vec<(&'static str, Watch)> {
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
async fn left_by_the_dead(bench: &Bench, rabbit: &str, app: &App) -> Vec<Row> {
    let (mut rows, left) = (Vec::new(), if app.late { 40 } else { 36 });
    for (how, watch) in watches(rabbit, app) {
        let setup = format!("40 tasks, {}, the workers were killed{how}", app.name);
        let naive = naive(bench, rabbit, app).await;
        rows.push(row("7", &setup, naive, &watch, left, 0).await);
    }
    rows
}

async fn fill_up(bench: &Bench, rabbit: &str, app: &App) -> Vec<Row> {
    let on_rabbit = app.broker.starts_with("amqp");
    let watches = watches(rabbit, app);
    bench.workers(app, 2).await;
    let (mut rows, mut published) = (Vec::new(), 0);
    for (number, more, running) in [("3", 2, 2), ("2", 16, 4), (if on_rabbit { "10" } else { "1" }, 22, 4)] {
        bench.publish(app, json!({ "count": more })).await;
        published += more;
        bench.wait_started(app, running).await;
        for (how, watch) in &watches {
            let setup = format!("{published} tasks, {}{how}", app.name);
            let naive = naive(bench, rabbit, app).await;
            rows.push(row(number, &setup, naive, watch, published, running).await);
        }
    }
    rows
}

/// One line of the table.
struct Row {
    number: &'static str,
    setup: String,
    naive: String,
    /// `None`: the samples failed.
    ours: Option<u64>,
    truth: u64,
    /// The count and the number of running tasks became true and stayed so.
    right: bool,
}

/// Waits until our figures are the truth and stay so; the row says whether they did.
async fn row(number: &'static str, setup: &str, naive: String, watch: &Watch, truth: u64, running: u64) -> Row {
    let holds = |tally: &Tally| (tally.work.outstanding(), tally.work.running) == (truth, running);
    let (right, last) = watch.settled(holds).await;
    if !right {
        println!("row {number}: {setup}: {truth} outstanding, {running} running; seen: {last:#?}");
    }
    Row {
        number,
        setup: setup.to_owned(),
        naive,
        ours: last.and_then(|sample| Some(sample.result.ok()?.work.outstanding())),
        truth,
        right,
    }
}

/// The same where it only prepares a row.
async fn must_count(setup: &str, watch: &Watch, truth: u64, running: u64) {
    let row = row("-", setup, String::new(), watch, truth, running).await;
    assert!(row.right, "{setup}");
}

fn print(rows: &[Row]) {
    println!("| row | setup | naive | ours | truth | |\n|---|---|---|---|---|---|");
    for row in rows {
        let ours = row.ours.map_or("none".to_owned(), |ours| ours.to_string());
        let verdict = if row.right { "" } else { "WRONG" };
        let (number, setup, naive, truth) = (row.number, &row.setup, &row.naive, row.truth);
        println!("| {number} | {setup} | {naive} | {ours} | {truth} | {verdict} |");
    }
}

/// What a scaler sees that asks for the length of one list, or passively for one queue.
async fn naive(bench: &Bench, rabbit: &str, app: &App) -> String {
    if app.broker.starts_with("amqp") {
        format!("passive {}", passive_count(rabbit, &app.queue).await)
    } else {
        let db = app.broker.rsplit('/').next().unwrap_or("0");
        format!("LLEN {}", bench.redis_cli(&["-n", db, "llen", &app.queue]).await)
    }
}

/// `messages` of a queue of the vhost `/` in the management API's usual statistics, seconds old.
async fn statistics(bench: &Bench, rabbit: &str, queue: &str) -> String {
    let answer = bench.manage(rabbit, "GET", &format!("/queues/%2F/{queue}"), "").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let queue: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    format!("statistics {}", queue["messages"])
}

/// Rows 4, 5 and 12.
async fn without_workers(bench: &Bench, rabbit: &str) -> Vec<Row> {
    let urgent = App::new("urgent", &format!("redis://{}/2", bench.redis));
    let watch = urgent.watch(None);
    let each = json!({"count": 2, "priorities": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]});
    bench.publish(&urgent, each).await;
    let naive_urgent = naive(bench, rabbit, &urgent).await;
    let mut rows = vec![row("4", "priorities 0 to 9, 2 each, no worker", naive_urgent, &watch, 20, 0).await];

    let later = App::new("later", &format!("redis://{}/3", bench.redis));
    let watch = later.watch(None);
    bench.publish(&later, json!({"count": 30, "countdown": 300})).await;
    let naive_later = naive(bench, rabbit, &later).await;
    let tally = watch
        .settles("row 5: 30 scheduled", |tally| tally.work.scheduled == 30)
        .await;
    assert!(tally.work.next_due.is_some(), "the pool can be woken: {tally:?}");
    rows.push(row("5", "30 tasks due in 300 s, no worker", naive_later, &watch, 0, 0).await);

    let fresh = App {
        quorum: true,
        ..App::new("fresh", &format!("amqp://{rabbit}//"))
    };
    let watch = fresh.watch(None);
    let management = fresh.watch(Some(&format!("http://guest:guest@{rabbit}:15672")));
    bench.publish(&fresh, json!({"count": 40})).await;
    let statistics = statistics(bench, rabbit, &fresh.queue).await;
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
async fn with_one_worker(bench: &Bench) -> Vec<Row> {
    let (eta, killed) = (eta(bench), killed(bench));
    let (early, late) = (drained(bench, false), drained(bench, true));
    let (eta, killed, early, late) = futures::join!(eta, killed, early, late);
    vec![eta, killed, early, late]
}

/// 500 tasks with an ETA sit in the worker's memory and in `unacked`.
async fn eta(bench: &Bench) -> Row {
    let app = App::new("eta", &format!("redis://{}/4", bench.redis));
    let watch = app.watch(None);
    bench.workers(&app, 1).await;
    bench.publish(&app, json!({"count": 500, "countdown": 900})).await;
    watch
        .settles("row 6: a worker, 500 scheduled", |tally| {
            tally.workers_heard && tally.work.scheduled == 500
        })
        .await;
    let held = bench.redis_cli(&["-n", "4", "hlen", "unacked"]).await;
    let naive = format!("{}, unacked {held}", naive(bench, "", &app).await);
    let row = row("6", "500 tasks due in 900 s, 1 worker", naive, &watch, 0, 0).await;
    bench.kill(&app).await;
    row
}

/// The worker is gone, its four tasks are still in `unacked`: the count must never say 0 meanwhile.
async fn killed(bench: &Bench) -> Row {
    let app = App {
        late: true,
        ..App::new("killed", &format!("redis://{}/5", bench.redis))
    };
    let watch = app.watch(None);
    bench.workers(&app, 1).await;
    bench.publish(&app, json!({"count": 4})).await;
    bench.wait_started(&app, 2).await;
    must_count("4 tasks, 1 worker", &watch, 4, 2).await;
    let before = watch.history().len();
    bench.kill(&app).await;
    let naive = naive(bench, "", &app).await;
    let row = row("7", "4 tasks, late, the worker was killed", naive, &watch, 4, 0).await;
    for sample in &watch.history()[before..] {
        let work = &sample.result.as_ref().expect("a count").work;
        assert!(work.outstanding() >= 4, "work was overlooked: {work:?}");
    }
    row
}

/// The worker was told to stop: it finishes what it runs and keeps what it has fetched until then. Its early
/// acknowledged tasks end in the pod that leaves; they are no work for those that stay, and nothing shows them.
async fn drained(bench: &Bench, late: bool) -> Row {
    let acks = if late { "late" } else { "early" };
    let app = App {
        late,
        grace: 120,
        ..App::new(
            &format!("drained-{acks}"),
            &format!("redis://{}/{}", bench.redis, 6 + u8::from(late)),
        )
    };
    let watch = app.watch(None);
    bench.workers(&app, 1).await;
    bench.publish(&app, json!({"count": 14})).await;
    bench.wait_started(&app, 2).await;
    must_count("14 tasks, 1 worker", &watch, 14, 2).await;
    let zero = format!("deployment/{}", app.name);
    bench.space.kubectl(&["scale", &zero, "--replicas=0"]).await;
    let naive = naive(bench, "", &app).await;
    let truth = if late { 14 } else { 12 };
    let setup = format!("14 tasks, {acks}, 2 of them run in a pod that leaves");
    let row = row("9", &setup, naive, &watch, truth, 0).await;
    bench.kill(&app).await;
    row
}
