//! A pool that leaves the names of its queues to its workers: two in each pod, which fetch from different ones.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    bed::{PATIENCE, eventually, throughout},
    celery_stage::{CeleryStage, LONG},
    operator::Operator,
    stage::pool,
};

/// What the two workers of a pod fetch from at first, and what the second one fetches from later: names that people give,
/// and that are no names of Kubernetes.
const FIRST: [&str; 2] = ["low prio", "mail.out:eu"];
const LATER: &str = "réports 2";

/// A worker's command: `-Q` takes names divided by commas.
fn worker(node: &str, queue: &str) -> Value {
    json!([
        "python3",
        "-m",
        "celery",
        "-A",
        "nap",
        "worker",
        "-l",
        "info",
        "-c",
        "1",
        "-n",
        format!("{node}@%h"),
        "-Q",
        queue
    ])
}

/// The workers' Deployment, with two containers.
fn workers(stage: &CeleryStage) -> Value {
    let mut deployment = stage.deployment("mail", 0, &[], 300);
    let containers = &mut deployment["spec"]["template"]["spec"]["containers"];
    let mut second = containers[0].clone();
    (containers[0]["command"], second["command"]) = (worker("a", FIRST[0]), worker("b", FIRST[1]));
    second["name"] = json!("second");
    containers.as_array_mut().expect("containers").push(second);
    deployment
}

/// Waits until these queues stand in the status, and no others.
async fn wait_queues(stage: &CeleryStage, queues: &[&str], operator: &Operator) {
    eventually(&format!("the pool counts {queues:?}"), LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let names: Vec<_> = status.queues.iter().map(|queue| queue.name.as_str()).collect();
        match names == queues {
            true => Ok(()),
            false => Err(format!("{names:?} {:?}\n{}", status.message, operator.log())),
        }
    })
    .await;
}

async fn wait_no_pods(stage: &CeleryStage) {
    eventually("no pod is left", LONG, async || {
        match stage.ns.pods("app=mail").await.len() {
            0 => Ok(()),
            pods => Err(format!("{pods} are")),
        }
    })
    .await;
}

async fn story(kind: &str) {
    let stage = CeleryStage::new("learned", kind).await;
    stage.ns.apply(workers(&stage).to_string()).await;
    let spec = json!({"queuesFrom": "Workers", "maxReplicas": 3, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}});
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let mut operator = Operator::start(&stage.ns.name).await;

    // Nobody has said anything: work that nobody knows of starts no worker, and the status says what does.
    let message = stage.ns.wait_condition("mail", "QueuesMatch", "False", "NotTold").await;
    assert!(message.contains("scale the target to 1 once"), "{message}");
    stage
        .client(&format!("nap.nap.apply_async((1, 0), queue={:?})", FIRST[1]))
        .await;
    throughout("nothing is ordered", Duration::from_secs(3), async || {
        match stage.ns.replicas("mail").await? {
            0 => Ok(()),
            replicas => Err(format!("{replicas} replicas")),
        }
    })
    .await;
    stage.ns.kubectl(&["scale", "deployment/mail", "--replicas=1"]).await;
    wait_queues(&stage, &FIRST, &operator).await;
    stage
        .ns
        .wait_condition("mail", "QueuesMatch", "True", "AsConfigured")
        .await;
    stage.wait_ended(1).await;
    stage.ns.wait_replicas("mail", 0).await;
    wait_no_pods(&stage).await;

    // Another process, and nobody to ask.
    operator.kill();
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    stage
        .client(&format!("nap.hold.apply_async((2,), queue={:?})", FIRST[1]))
        .await;
    stage.ns.wait_replicas("mail", 1).await;
    stage.wait_started(2).await;

    // The second worker gets another queue while it runs a task: what waits in the old one is not forgotten.
    let command =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/1/command", "value": worker("b", LATER)}]);
    stage.ns.change_pool("mail", json!({"minReplicas": 1})).await;
    stage
        .ns
        .kubectl(&["patch", "deployment/mail", "--type=json", "-p", &command.to_string()])
        .await;
    wait_queues(&stage, &[FIRST[0], FIRST[1], LATER], &operator).await;
    stage
        .client(&format!(
            "for number in range(10, 40): nap.nap.apply_async((number, 2), queue={LATER:?})"
        ))
        .await;
    eventually("they are counted, too", PATIENCE, async || {
        match stage.ns.replicas("mail").await? {
            3.. => Ok(()),
            replicas => Err(format!("{replicas} replicas\n{}", operator.log())),
        }
    })
    .await;
    stage
        .client(&format!("nap.nap.apply_async((3, 0), queue={:?})", FIRST[1]))
        .await;
    stage.release(&["2"]).await;
    stage.wait_ended(32).await;

    // The task in the queue that no worker fetches from any more is told of, once the others have gone and the last has said
    // so for a while. When the task is gone the queue is, too.
    let told = eventually("it is told of", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let found = status.conditions.iter().find(|one| one.reason == "QueueNotFetched");
        let found = found.map(|one| one.message.clone());
        found.ok_or_else(|| format!("{:?}\n{}", status.conditions, operator.log()))
    })
    .await;
    assert!(told.contains(FIRST[1]), "{told}");
    stage
        .client(&format!(
            "with nap.app.connection() as it: it.default_channel.queue_purge({:?})",
            FIRST[1]
        ))
        .await;
    wait_queues(&stage, &[FIRST[0], LATER], &operator).await;
    stage
        .ns
        .wait_condition("mail", "QueuesMatch", "True", "AsConfigured")
        .await;
    stage.undisturbed(&[], &operator).await;
}

#[tokio::test]
async fn workers_name_their_queues_to_a_pool_on_redis() {
    story("redis").await;
}

#[tokio::test]
async fn workers_name_their_queues_to_a_pool_on_rabbitmq() {
    story("rabbitmq").await;
}
