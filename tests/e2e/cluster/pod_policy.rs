//! The admission policy of the chart: what the operator's account may write on pods, and that this is enough.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{
    cluster::rights::grant,
    support::{
        bed::{Namespace, PATIENCE, eventually},
        celery_stage::CeleryStage,
        operator::Operator,
        stage::pool,
    },
};

/// What `kubectl apply` installs.
const INSTALL: &str = include_str!("../../../deploy/install.yaml");

/// The installed policy, for the account `op` of this namespace. It goes with the namespace, also when the test fails.
async fn install(ns: &Namespace) {
    let uid = ["get", "namespace", &ns.name, "-o", "jsonpath={.metadata.uid}"];
    let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": ns.name, "uid": ns.kubectl(&uid).await}]);
    let account = format!("system:serviceaccount:{}:op", ns.name);
    let all = INSTALL
        .replace("system:serviceaccount:twp-system:twp-operator", &account)
        .replace("twp-operator.twp-system", &format!("policy-{}", ns.name));
    let policy = all
        .split("\n---\n")
        .filter(|object| object.contains("\nkind: ValidatingAdmissionPolicy"));
    let policy: Vec<String> = policy
        .map(|object| {
            let mut object: Value = serde_saphyr::from_str(object).expect("YAML");
            object["metadata"]["ownerReferences"] = owner.clone();
            object.to_string()
        })
        .collect();
    assert_eq!(policy.len(), 2, "a policy and its binding");
    ns.apply(policy.join("\n---\n")).await;
}

/// The pods of this namespace, as the account of this kubeconfig reaches them.
async fn pods_as(ns: &Namespace, kubeconfig: &str) -> Api<Pod> {
    let file = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.expect("a usable kubeconfig")).expect("a client");
    Api::namespaced(client, &ns.name)
}

/// Would merge this into a pod; the API server's words if it is refused.
async fn patch(pods: &Api<Pod>, pod: &str, patch: &Value) -> Result<(), String> {
    let dry_run = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let done = pods.patch(pod, &dry_run, &Patch::Strategic(patch)).await;
    done.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_operators_account_writes_its_marks_on_pods_and_nothing_else() {
    let stage = CeleryStage::new("marks", "redis").await;
    let ns = &stage.ns;
    stage.workers("1", 2).await;
    let options = grant(ns, &[(ns, "")]).await;
    install(ns).await;
    let kubeconfig = options.kubeconfig.clone().expect("its own");
    let own = pods_as(ns, &kubeconfig).await;

    let pods = ns.pods("app=client").await;
    let client = pods[0].metadata.name.clone().expect("a name");
    let image = |image: &str| json!({"spec": {"containers": [{"name": "main", "image": image}]}});
    eventually(
        "the policy is known to the API server",
        PATIENCE,
        async || match patch(&own, &client, &image("other")).await {
            Err(said) if said.contains("may not change what a pod runs") => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    )
    .await;
    let refused = [
        (json!({"metadata": {"labels": {"app": "other"}}}), "labels"),
        (json!({"metadata": {"labels": {"app": null}}}), "labels"),
        (json!({"metadata": {"labels": {"more": "x"}}}), "labels"),
        (json!({"metadata": {"annotations": {"more": "x"}}}), "annotations"),
        (json!({"metadata": {"finalizers": ["twp.test/more"]}}), "finalizers"),
        (
            json!({"metadata": {"ownerReferences": [{"$patch": "replace"}]}}),
            "owners",
        ),
    ];
    for (change, part) in refused {
        let said = patch(&own, &client, &change).await.expect_err("it is refused");
        assert!(
            said.contains("TaskWorkerPool's operator may") && said.contains(part),
            "{change}: {said}"
        );
    }
    let others = image("localhost/other:1").to_string();
    ns.kubectl(&[
        "patch",
        "pod",
        &client,
        "--type",
        "strategic",
        "-p",
        &others,
        "--dry-run=server",
    ])
    .await;

    // All that the operator does with pods goes by it.
    let spec = json!({
        "maxReplicas": 3, "worker": {"concurrency": 1}, "target": {"backlogPerReplica": 1},
        "protectFromDisruption": true,
    });
    ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start_with(&ns.name, options).await;
    stage.client("for number in range(3): nap.hold.delay(number)").await;
    stage.wait_started(3).await;
    stage.release(&["0", "1"]).await;
    ns.wait_replicas("mail", 1).await;
    assert_eq!(stage.ended().await.len(), 2, "only idle ones went\n{}", operator.log());
    eventually("the busy one is protected", PATIENCE, async || {
        let pods = ns.pods("app=mail").await;
        let protected = pods.iter().filter(|pod| {
            let annotations = pod.metadata.annotations.clone().unwrap_or_default();
            annotations.contains_key("karpenter.sh/do-not-disrupt")
        });
        match protected.count() {
            0 => Err(format!("{pods:?}\n{}", operator.log())),
            _ => Ok(()),
        }
    })
    .await;
    stage.release(&["2"]).await;
    ns.wait_replicas("mail", 0).await;
    assert!(!operator.log().contains("could not be"), "{}", operator.log());
}
