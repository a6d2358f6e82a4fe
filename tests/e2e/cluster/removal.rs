//! Who goes when there are too many: workers whose grace period covers their tasks, pods whose deletion cost someone else
//! writes, too, and pods that the ReplicaSet is slow to remove.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    cluster::admission::Policy,
    support::{
        bed::{Namespace, eventually, throughout},
        celery_stage::{CeleryStage, LONG},
        operator::Operator,
        stage::pool,
    },
};

/// Two workers of one slot with a task each, which ends when it is released. The pools are of the profile that watches
/// least long before anything goes.
async fn two_busy_workers(name: &str, spec: Value) -> (CeleryStage, Operator) {
    let stage = CeleryStage::new(name, "redis").await;
    stage.workers("1", 60).await;
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.client("for number in range(2): nap.hold.delay(number)").await;
    stage.wait_started(2).await;
    (stage, operator)
}

#[tokio::test]
async fn a_busy_worker_may_go_where_its_grace_period_covers_its_task() {
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 2, "worker": {"concurrency": 1, "maxTaskSeconds": 60},
        "target": {"waitSeconds": 60}, "profile": "Economy", "scaleDown": {"idleSeconds": 0, "removal": "Graceful"},
    });
    let (stage, operator) = two_busy_workers("graceful", spec).await;
    stage
        .ns
        .change_pool("mail", json!({"minReplicas": 1, "maxReplicas": 1}))
        .await;
    // Nobody waits for a task's end …
    stage.ns.wait_replicas("mail", 1).await;
    eventually("one of them has been told to end", LONG, async || {
        let pods = stage.ns.pods("app=mail").await;
        let ending = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some());
        match (pods.len(), ending.count()) {
            (2, 1) => Ok(()),
            seen => Err(format!("{seen:?}\n{}", operator.log())),
        }
    })
    .await;
    // … which comes within the grace period.
    assert!(stage.ended().await.is_empty(), "both tasks still run");
    stage.release(&["0", "1"]).await;
    stage.wait_ended(2).await;
    let started = stage.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}

/// Whatever is written as the deletion cost of a pod of this namespace, it becomes 5.
struct Meddler(Policy);

impl Meddler {
    async fn new(ns: &Namespace) -> Self {
        let spec = json!({
            "reinvocationPolicy": "Never",
            "matchConditions": [{"name": "has-a-cost", "expression":
                "has(object.metadata.annotations) && 'controller.kubernetes.io/pod-deletion-cost' in object.metadata.annotations"}],
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.metadata{annotations: {'controller.kubernetes.io/pod-deletion-cost': '5'}}}"}}],
        });
        let meddler = Self(Policy::new(ns, "MutatingAdmissionPolicy", "UPDATE", spec, json!({})).await);
        // The API server learns of it a moment later.
        let cost = [
            "annotate",
            "pods",
            "-l",
            "app=records",
            "controller.kubernetes.io/pod-deletion-cost=1",
            "--overwrite",
        ];
        eventually("the other writer is at work", LONG, async || {
            ns.kubectl(&cost).await;
            let pods = ns.pods("app=records").await;
            let costs = pods.iter().filter_map(|pod| pod.metadata.annotations.as_ref());
            let costs: Vec<_> = costs
                .filter_map(|all| all.get("controller.kubernetes.io/pod-deletion-cost"))
                .collect();
            match !costs.is_empty() && costs.iter().all(|cost| *cost == "5") {
                true => Ok(()),
                false => Err(format!("{costs:?}")),
            }
        })
        .await;
        meddler
    }
}

#[tokio::test]
async fn another_writer_of_the_deletion_cost_is_named_and_nobody_goes_meanwhile() {
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 2, "worker": {"concurrency": 1},
        "target": {"waitSeconds": 60}, "profile": "Economy", "scaleDown": {"idleSeconds": 0},
    });
    let (stage, operator) = two_busy_workers("meddler", spec).await;
    let meddler = Meddler::new(&stage.ns).await;
    stage.release(&["0"]).await;
    stage
        .ns
        .change_pool("mail", json!({"minReplicas": 1, "maxReplicas": 1}))
        .await;
    let said = stage
        .ns
        .wait_condition("mail", "TargetConflict", "True", "DeletionCostOverwritten")
        .await;
    assert!(said.contains("mail-"), "it names the pod: {said}");
    // Kubernetes might choose the busy one.
    throughout("both workers stay", Duration::from_secs(10), async || {
        match stage.ns.replicas("mail").await? {
            2 => Ok(()),
            seen => Err(format!("{seen}\n{}", operator.log())),
        }
    })
    .await;
    meddler.0.goes().await;
    stage.ns.wait_replicas("mail", 1).await;
    stage.release(&["1"]).await;
    stage.wait_ended(2).await;
    let started = stage.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}

#[tokio::test]
async fn what_the_replica_set_is_slow_to_remove_is_not_called_back() {
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 2, "worker": {"concurrency": 1},
        "target": {"waitSeconds": 60}, "profile": "Economy", "scaleDown": {"idleSeconds": 0},
    });
    let (stage, operator) = two_busy_workers("slow", spec).await;
    // The ReplicaSet's deletions are refused, as if it had not come to them yet.
    let refusal = json!({"validations": [{"expression":
        "oldObject.metadata.labels['app'] != 'mail' || namespaceObject.status.phase == 'Terminating'"}]});
    let deny = json!({"validationActions": ["Deny"]});
    let policy = Policy::new(&stage.ns, "ValidatingAdmissionPolicy", "DELETE", refusal, deny).await;
    eventually("pods cannot be deleted", LONG, async || {
        let delete = ["delete", "pods", "-l", "app=mail", "--dry-run=server"];
        match stage.ns.try_kubectl(&delete, "").await {
            Err(refused) if refused.contains("ValidatingAdmissionPolicy") => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    stage.release(&["0"]).await;
    stage
        .ns
        .change_pool("mail", json!({"minReplicas": 1, "maxReplicas": 1}))
        .await;
    stage.ns.wait_replicas("mail", 1).await;
    // Only its cost keeps the ReplicaSet from taking the busy one.
    throughout("the empty one stays marked", Duration::from_secs(8), async || {
        let first = i32::MIN.to_string();
        let pods = stage.ns.pods("app=mail").await;
        let costs = pods.iter().filter_map(|pod| pod.metadata.annotations.as_ref());
        let costs = costs.filter_map(|all| all.get("controller.kubernetes.io/pod-deletion-cost"));
        match (pods.len(), costs.filter(|cost| **cost == first).count()) {
            (2, 1) => Ok(()),
            seen => Err(format!("{seen:?}\n{}", operator.log())),
        }
    })
    .await;
    policy.goes().await;
    eventually("it goes", LONG, async || match stage.ns.pods("app=mail").await.len() {
        1 => Ok(()),
        seen => Err(format!("{seen} pods")),
    })
    .await;
    stage.release(&["1"]).await;
    stage.wait_ended(2).await;
    let started = stage.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}
