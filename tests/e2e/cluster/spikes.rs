//! From zero: how long from a publish to the write that shows the right number, and that it is one write.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt, watcher};
use lapin::{BasicProperties, Connection, ConnectionProperties, options::*, types::FieldTable};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{
    bed::{Namespace, PATIENCE, eventually, image},
    figures,
    operator::Operator,
    pods::server,
    stage::{Stage, message, publish},
};

const SPIKES: usize = 20;
/// On RabbitMQ each costs a minute: that messages vanish of which no worker takes any is doubted for a while. `TWP_SPIKES`
/// says another number.
const FEW: usize = 2;

/// Every change of a Deployment's `spec.replicas`, as the watch shows it.
fn changes(ns: &Namespace, deployment: &str) -> mpsc::UnboundedReceiver<(Instant, i32)> {
    let (tell, told) = mpsc::unbounded_channel();
    let config = watcher::Config::default().fields(&format!("metadata.name={deployment}"));
    let mut objects = watcher(ns.api::<Deployment>(), config)
        .default_backoff()
        .applied_objects()
        .boxed();
    tokio::spawn(async move {
        let mut last = None;
        while let Ok(Some(object)) = objects.try_next().await {
            let replicas = object.spec.and_then(|spec| spec.replicas).unwrap_or(1);
            if last != Some(replicas) {
                last = Some(replicas);
                let _gone = tell.send((Instant::now(), replicas));
            }
        }
    });
    told
}

/// What the next change is.
async fn next(changes: &mut mpsc::UnboundedReceiver<(Instant, i32)>, what: &str) -> (Instant, i32) {
    let change = tokio::time::timeout(PATIENCE, changes.recv()).await;
    change.unwrap_or_else(|_| panic!("awaited: {what}")).expect("the watch")
}

/// Spikes from zero: each must be one write straight to 3. Records how long each took.
async fn spikes(ns: &Namespace, broker: &str, rounds: usize, spike: impl AsyncFn(), purge: impl AsyncFn()) {
    let mut changes = changes(ns, "mail");
    assert_eq!(next(&mut changes, "the first look").await.1, 0);
    let (mut times, mut most) = (Vec::new(), 0);
    for round in 0..rounds {
        spike().await;
        let published = Instant::now();
        let mut writes = 0;
        loop {
            let (at, replicas) = next(&mut changes, &format!("spike {round} on {broker} leads to 3 replicas")).await;
            writes += 1;
            if replicas == 3 {
                let took = at.saturating_duration_since(published).as_millis();
                times.push(u64::try_from(took).unwrap());
                break;
            }
        }
        most = most.max(writes);
        assert_eq!(writes, 1, "spike {round} on {broker}: one write straight to 3");
        purge().await;
        assert_eq!(
            next(&mut changes, "back at zero").await.1,
            0,
            "spike {round} on {broker}: one write to 0"
        );
        // The write to zero follows a sample: the next spike comes at another point between two samples each time, so
        // that the rounds cover the 500 ms evenly.
        let point = 500 * (round * 7 % rounds) / rounds;
        tokio::time::sleep(Duration::from_millis(u64::try_from(point).unwrap())).await;
    }
    figures::record(&format!("{broker}.first_write_ms"), spread(times));
    figures::record(&format!("{broker}.writes_to_peak"), most);
}

#[tokio::test]
async fn from_zero_on_redis_every_spike_is_one_write() {
    let stage = Stage::redis("spikes").await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({"maxReplicas": 3})).await;
    let _operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    let connection = stage.connection().await;
    let spike = async || publish(&mut connection.clone(), "celery", 30).await;
    let purge = async || {
        let () = redis::cmd("DEL")
            .arg("celery")
            .query_async(&mut connection.clone())
            .await
            .expect("DEL");
    };
    spikes(&stage.ns, "redis", SPIKES, spike, purge).await;
}

#[tokio::test]
async fn from_zero_on_rabbitmq_every_spike_is_one_write() {
    let ns = Namespace::with_pools("rabbit").await;
    let broker = server("broker", &image("RABBITMQ"), &[], &[5672]);
    ns.apply(broker.to_string()).await;
    ns.wait_ready("broker").await;
    let url = format!("amqp://guest:guest@{}:5672//", ns.cluster_ip("broker").await);
    // lapin takes the vhost / written out.
    let full = url.replace("5672//", "5672/%2f");
    let connection = eventually("RabbitMQ answers", PATIENCE, async || {
        let connection = Connection::connect(&full, ConnectionProperties::default()).await;
        connection.map_err(|error| error.to_string())
    })
    .await;
    let channel = connection.create_channel().await.expect("a channel");
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("celery".into(), durable, FieldTable::default())
        .await
        .expect("the queue");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": url},
    });
    ns.apply(secret.to_string()).await;
    ns.apply(crate::support::stage::workers("mail", 0).to_string()).await;
    // One transaction for each spike: without it a sample may see the first two of thirty messages and ask for two.
    channel.tx_select().await.expect("transactions");
    // And so that any three of them already ask for 3: one replica each, at most 3.
    let spec = json!({"maxReplicas": 3, "target": {"backlogPerReplica": 1}});
    ns.apply(crate::support::stage::pool("mail", spec).to_string()).await;
    let _operator = Operator::start(&ns.name).await;
    ns.wait_working("mail").await;
    let spike = async || {
        for _ in 0..30 {
            let body = message("celery").to_string();
            let properties = BasicProperties::default();
            let sent = channel.basic_publish(
                "".into(),
                "celery".into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                properties,
            );
            sent.await.expect("a publish");
        }
        channel.tx_commit().await.expect("the spike");
    };
    let purge = async || {
        channel
            .queue_purge("celery".into(), QueuePurgeOptions::default())
            .await
            .expect("a purge");
    };
    let rounds = std::env::var("TWP_SPIKES").map_or(FEW, |rounds| rounds.parse().expect("a number"));
    spikes(&ns, "rabbitmq", rounds, spike, purge).await;
}

/// Median and maximum, as the figures list them.
fn spread(mut values: Vec<u64>) -> serde_json::Value {
    values.sort_unstable();
    let median = values.get(values.len() / 2).copied();
    serde_json::json!({"median": median, "max": values.last()})
}
