//! Who goes when there are too many: workers whose grace period covers their tasks, and pods whose deletion cost someone
//! else writes, too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    shop::{LONG, Shop},
    stage::pool,
    support::{
        bed::{Namespace, eventually, kubectl, throughout},
        operator::Operator,
    },
};

/// Two workers of one slot with a task each, which ends when it is released. The pools are of the profile that watches
/// least long before anything goes.
async fn two_busy_workers(name: &str, spec: Value) -> (Shop, Operator) {
    let shop = Shop::new(name, "redis").await;
    shop.workers("1", 60).await;
    shop.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start(&shop.ns.name).await;
    shop.client("for number in range(2): nap.hold.delay(number)").await;
    shop.wait_started(2).await;
    (shop, operator)
}

#[tokio::test]
async fn a_busy_worker_may_go_where_its_grace_period_covers_its_task() {
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 2, "worker": {"concurrency": 1, "maxTaskSeconds": 60},
        "target": {"waitSeconds": 60}, "profile": "Economy", "scaleDown": {"idleSeconds": 0, "removal": "Graceful"},
    });
    let (shop, operator) = two_busy_workers("graceful", spec).await;
    shop.ns
        .change_pool("mail", json!({"minReplicas": 1, "maxReplicas": 1}))
        .await;
    // Nobody waits for a task's end …
    shop.ns.wait_replicas("mail", 1).await;
    eventually("one of them has been told to end", LONG, async || {
        let pods = shop.ns.pods("app=mail").await;
        let ending = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some());
        match (pods.len(), ending.count()) {
            (2, 1) => Ok(()),
            seen => Err(format!("{seen:?}\n{}", operator.log())),
        }
    })
    .await;
    // … which comes within the grace period.
    assert!(shop.ended().await.is_empty(), "both tasks still run");
    shop.release(&["0", "1"]).await;
    shop.wait_ended(2).await;
    let started = shop.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
}

/// Whatever is written as the deletion cost of a pod of this namespace, it becomes 5.
struct Meddler(String);

impl Meddler {
    async fn new(ns: &Namespace) -> Self {
        let name = format!("meddler-{}", ns.name);
        let uid = ["get", "namespace", &ns.name, "-o", "jsonpath={.metadata.uid}"];
        // It goes with the namespace, also when the test fails.
        let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": ns.name, "uid": ns.kubectl(&uid).await}]);
        let metadata = json!({"name": name, "ownerReferences": owner});
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]},
                    ],
                },
                "matchConditions": [{"name": "has-a-cost", "expression":
                    "has(object.metadata.annotations) && 'controller.kubernetes.io/pod-deletion-cost' in object.metadata.annotations"}],
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                    "Object{metadata: Object.metadata{annotations: {'controller.kubernetes.io/pod-deletion-cost': '5'}}}"}}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": metadata, "spec": {"policyName": name},
        });
        ns.apply(format!("{policy}\n---\n{binding}\n")).await;
        let meddler = Self(name);
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

    async fn goes(&self) {
        for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
            kubectl(&["delete", kind, &self.0], "").await.expect("it is deleted");
        }
    }
}

#[tokio::test]
async fn another_writer_of_the_deletion_cost_is_named_and_nobody_goes_meanwhile() {
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 2, "worker": {"concurrency": 1},
        "target": {"waitSeconds": 60}, "profile": "Economy", "scaleDown": {"idleSeconds": 0},
    });
    let (shop, operator) = two_busy_workers("meddler", spec).await;
    let meddler = Meddler::new(&shop.ns).await;
    shop.release(&["0"]).await;
    shop.ns
        .change_pool("mail", json!({"minReplicas": 1, "maxReplicas": 1}))
        .await;
    let said = shop
        .ns
        .wait_condition("mail", "DeletionCostConflict", "True", "CostOverwritten")
        .await;
    assert!(said.contains("mail-"), "it names the pod: {said}");
    // Kubernetes might choose the busy one.
    throughout("both workers stay", Duration::from_secs(10), async || {
        match shop.ns.replicas("mail").await? {
            2 => Ok(()),
            seen => Err(format!("{seen}\n{}", operator.log())),
        }
    })
    .await;
    meddler.goes().await;
    shop.ns.wait_replicas("mail", 1).await;
    shop.release(&["1"]).await;
    shop.wait_ended(2).await;
    let started = shop.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
}
