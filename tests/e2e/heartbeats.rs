//! What a thousand workers' heartbeats cost the operator. A measurement: `make stage-heartbeats` runs it.
//!
//! The release operator watches one pool in `Observe` mode on a real broker. For a minute nobody beats, for another a
//! thousand nodes of the pool's pods beat every two seconds; processor time and memory are read from `/proc`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use lapin::{BasicProperties, options::BasicPublishOptions, types::FieldTable};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::support::{
    app::AppStage,
    bed::{Namespace, image},
    figures,
    operator::Operator,
};

const WORKERS: usize = 1_000;
/// Celery's: a worker beats so often.
const BEAT: Duration = Duration::from_secs(2);
/// So many beats at once: they come scattered.
const AT_ONCE: usize = 5;
/// What is measured over.
const STRETCH: Duration = Duration::from_secs(60);
/// Before it is measured: connections, first samples.
const SETTLE: Duration = Duration::from_secs(15);
/// Clock ticks a second in `/proc`: Linux on every machine we know.
const TICKS: f64 = 100.0;

/// The event of a worker as Celery 5.7 sends it. Half of the workers are busy, and finish a task between two beats.
fn event(worker: usize, beat: u64) -> Value {
    json!({
        "hostname": format!("celery@mail-6d5f7c9b8-{}", suffix(worker)), "utcoffset": 0, "pid": 7, "clock": 5_000 + beat,
        "timestamp": 1_795_343_146.683_291 + beat as f64, "type": "worker-heartbeat", "freq": 2.0,
        "active": worker % 2, "processed": 100 + beat * (worker as u64 % 2), "loadavg": [1.63, 2.66, 1.75],
        "sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux",
    })
}

/// Five letters, as the API server gives pods.
fn suffix(worker: usize) -> String {
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |place: u32| letters[worker / letters.len().pow(place) % letters.len()] as char;
    (0..5).map(letter).collect()
}

/// Publishes the beats of all workers, evenly spread, for so long.
async fn beat(duration: Duration, mut publish: impl AsyncFnMut(Vec<(usize, Value)>)) {
    let start = Instant::now();
    let mut ticks = interval(BEAT / u32::try_from(WORKERS / AT_ONCE).unwrap());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0_usize;
    while start.elapsed() < duration {
        ticks.tick().await;
        let of = |number: usize| (number % WORKERS, event(number % WORKERS, (number / WORKERS) as u64));
        publish((number..number + AT_ONCE).map(of).collect()).await;
        number += AT_ONCE;
    }
    let rate = number as f64 / start.elapsed().as_secs_f64();
    println!("{rate:.0} heartbeats a second");
    assert!(
        rate > 490.0,
        "the machine is too busy to send {rate:.0} heartbeats a second"
    );
}

/// kombu's envelope on Redis.
fn envelope(event: &Value) -> String {
    json!({
        "body": STANDARD.encode(event.to_string()), "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"hostname": event["hostname"]},
        "properties": {"delivery_mode": 1, "delivery_info": {"exchange": "celeryev", "routing_key": "worker.heartbeat"},
            "priority": 0, "body_encoding": "base64", "delivery_tag": "5a2f5d0e-9e2b-4a3f-8b57-3f4a0d8d9a11"},
    })
    .to_string()
}

async fn beat_on_redis(host: &str, duration: Duration) {
    let mut stream = TcpStream::connect((host, 6379)).await.expect("Redis");
    let (mut replies, mut commands) = stream.split();
    // Nobody looks at the replies, but they must not fill the line.
    let drain = async { drop(tokio::io::copy(&mut replies, &mut tokio::io::sink()).await) };
    let beats = beat(duration, async |events| {
        let mut batch = String::new();
        for (_, event) in events {
            let payload = envelope(&event);
            let channel = "/0.celeryev/worker.heartbeat";
            let length = payload.len();
            batch += &format!(
                "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${length}\r\n{payload}\r\n",
                channel.len()
            );
        }
        commands.write_all(batch.as_bytes()).await.expect("published");
    });
    tokio::select! { () = drain => panic!("Redis hung up"), () = beats => {} }
}

async fn beat_on_rabbitmq(host: &str, duration: Duration) {
    let url = format!("amqp://guest:guest@{host}:5672/%2f");
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .expect("RabbitMQ");
    let channel = connection.create_channel().await.expect("a channel");
    let headers = FieldTable::default();
    beat(duration, async |events| {
        for (_, event) in events {
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_delivery_mode(1)
                .with_headers(headers.clone());
            let options = BasicPublishOptions::default();
            let key = "worker.heartbeat".into();
            channel
                .basic_publish(
                    "celeryev".into(),
                    key,
                    options,
                    event.to_string().as_bytes(),
                    properties,
                )
                .await
                .expect("published");
        }
    })
    .await;
}

/// Seconds of processor time, and MiB of resident memory.
fn costs(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("its memory");
    let rss: f64 = rss.trim().trim_end_matches(" kB").parse().expect("kB");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("its name").1.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("ticks");
    ((ticks(11) + ticks(12)) / TICKS, rss / 1024.0)
}

/// Percent of a core over a stretch, and the memory after it.
async fn measured(pid: u32, during: impl Future<Output = ()>) -> (f64, f64) {
    let (before, start) = (costs(pid).0, Instant::now());
    during.await;
    let (after, rss) = costs(pid);
    ((after - before) / start.elapsed().as_secs_f64() * 100.0, rss)
}

/// An operator on this broker, with and without heartbeats: percent of a core and MiB that they cost.
async fn cost(stage: &AppStage, what: &str, url: &str, beat: impl AsyncFn(Duration)) -> (f64, f64) {
    let workers = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mail"},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "mail"}},
            "template": {"metadata": {"labels": {"app": "mail"}},
                "spec": {"containers": [{"name": "main", "image": image("APP")}]}},
        },
    });
    let pool = json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "mail"},
        "spec": {"targetRef": {"name": "mail"}, "broker": {"url": url}, "mode": "Observe", "maxReplicas": 1000,
            "worker": {"concurrency": 4}},
    });
    stage.ns.apply(workers.to_string()).await;
    stage.ns.apply(pool.to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    sleep(SETTLE).await;
    let (idle, idle_rss) = measured(operator.pid(), sleep(STRETCH)).await;
    beat(SETTLE).await;
    let (busy, busy_rss) = measured(operator.pid(), beat(STRETCH)).await;
    let status = stage
        .ns
        .pool("mail")
        .await
        .expect("the pool")
        .status
        .unwrap_or_default();
    println!("{what}: idle {idle:.2} % {idle_rss:.1} MiB; {WORKERS} workers {busy:.2} % {busy_rss:.1} MiB");
    let running = status.work.map_or(0, |work| work.in_flight);
    assert_eq!(running, WORKERS as i64 / 2, "the heartbeats were heard");
    (busy - idle, busy_rss - idle_rss)
}

/// Writes the figures down and holds them against what was promised.
fn judge((cpu, memory): (f64, f64), broker: &str) {
    figures::record_in(
        "interrupt",
        &format!("heartbeat_cpu_percent{broker}"),
        (cpu * 100.0).round() / 100.0,
    );
    figures::record_in(
        "interrupt",
        &format!("heartbeat_mib{broker}"),
        (memory * 10.0).round() / 10.0,
    );
    assert!(cpu <= 3.0, "{cpu:.2} % of a core");
    assert!(memory <= 5.0, "{memory:.1} MiB");
}

async fn stage() -> AppStage {
    // It brings the CRD.
    drop(Namespace::with_pools("heartbeats").await);
    AppStage::new("heartbeats").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_workers_cost_little_on_redis() {
    let stage = stage().await;
    let redis = stage.redis.clone();
    let url = format!("redis://{redis}:6379/0");
    judge(
        cost(&stage, "Redis", &url, |duration| beat_on_redis(&redis, duration)).await,
        "",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_workers_cost_little_on_rabbitmq() {
    let stage = stage().await;
    let rabbit = stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    // A worker would declare the exchange and the queue; there is none.
    let exchange = json!({"type": "topic", "durable": true}).to_string();
    stage.manage(&rabbit, "PUT", "/exchanges/%2F/celeryev", &exchange).await;
    stage.manage(&rabbit, "PUT", "/queues/%2F/celery", "{}").await;
    let url = format!("amqp://{rabbit}:5672//");
    let costs = cost(&stage, "RabbitMQ", &url, |duration| beat_on_rabbitmq(&rabbit, duration)).await;
    judge(costs, "_rabbitmq");
}
