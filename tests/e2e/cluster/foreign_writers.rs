//! Others at the same Deployment: people, pipelines, rollouts, another pool.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace as KubeNamespace;
use kube::Api;
use serde_json::json;
use taskworkerpool::api::ConditionStatus;

use crate::support::{
    bed::{PATIENCE, eventually, throughout},
    operator::Operator,
    stage::{Stage, workers},
};

/// A pool `mail` that has scaled its Deployment to 3 replicas.
async fn three(name: &str) -> (Stage, Operator) {
    let stage = Stage::redis(name).await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({})).await;
    stage.publish(30).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_replicas("mail", 3).await;
    (stage, operator)
}

#[tokio::test]
async fn replicas_scaled_by_hand_are_put_back_and_named_in_an_event() {
    let (stage, _operator) = three("scale").await;
    stage.ns.kubectl(&["scale", "deployment/mail", "--replicas=1"]).await;
    stage
        .ns
        .wait_event(&["ReplicasOverwritten", "kubectl", "1 replicas", "put back to 3"])
        .await;
    stage.ns.wait_replicas("mail", 3).await;
}

#[tokio::test]
async fn an_apply_that_drops_the_replicas_is_put_back_and_named_in_an_event() {
    let (stage, _operator) = three("apply").await;
    let mut without = workers("mail", 0);
    without["spec"].as_object_mut().unwrap().remove("replicas");
    stage.ns.apply(without.to_string()).await;
    stage.ns.wait_event(&["ReplicasOverwritten", "put back to 3"]).await;
    stage.ns.wait_replicas("mail", 3).await;
}

/// In the order of docs/adopt.md.
#[tokio::test]
async fn a_manifest_that_forgets_the_replicas_takes_no_worker_away() {
    let (stage, _operator) = three("forget").await;
    let mut manifest = workers("mail", 3);
    stage.ns.change_pool("mail", json!({"mode": "Observe"})).await;
    stage
        .ns
        .wait_condition("mail", "ScalingActive", "False", "Observing")
        .await;
    stage.ns.apply(manifest.to_string()).await;
    manifest["spec"].as_object_mut().unwrap().remove("replicas");
    let last_applied = ["apply", "set-last-applied", "--create-annotation=true", "-f", "-"];
    let forgotten = stage.ns.try_kubectl(&last_applied, &manifest.to_string()).await;
    forgotten.expect("what was applied last");
    stage.ns.change_pool("mail", json!({"mode": "Act"})).await;
    manifest["spec"]["minReadySeconds"] = json!(1);
    let keeps = stays(&stage, 3, "nobody takes a worker away");
    tokio::join!(keeps, stage.ns.apply(manifest.to_string()));
    let spec = stage.ns.deployment("mail").await.expect("the Deployment").spec;
    assert_eq!(spec.and_then(|spec| spec.min_ready_seconds), Some(1), "it was applied");
}

#[tokio::test]
async fn whoever_keeps_taking_the_replicas_is_named_in_a_condition() {
    let (stage, _operator) = three("fight").await;
    for replicas in ["1", "2", "4"] {
        stage
            .ns
            .kubectl(&["scale", "deployment/mail", "--replicas", replicas])
            .await;
        let found = format!("{replicas} replicas");
        stage
            .ns
            .wait_event(&["ReplicasOverwritten", &found, "put back to 3"])
            .await;
    }
    let message = stage
        .ns
        .wait_condition("mail", "TargetConflict", "True", "ReplicasOverwritten")
        .await;
    assert!(message.contains("kubectl"), "{message}");
}

#[tokio::test]
async fn a_suspended_pool_lets_go_and_takes_up_again() {
    let (stage, _operator) = three("suspend").await;
    stage.ns.change_pool("mail", json!({"suspend": true})).await;
    stage
        .ns
        .wait_condition("mail", "ScalingActive", "False", "Suspended")
        .await;
    stage.ns.kubectl(&["scale", "deployment/mail", "--replicas=1"]).await;
    stays(&stage, 1, "a suspended pool leaves the replicas alone").await;

    stage.ns.change_pool("mail", json!({"suspend": false})).await;
    stage.ns.wait_replicas("mail", 3).await;
}

#[tokio::test]
async fn an_observing_pool_decides_and_writes_nothing() {
    let stage = Stage::redis("observe").await;
    stage.workers("mail", 1).await;
    stage.pool("mail", json!({"mode": "Observe"})).await;
    stage.publish(30).await;
    let operator = Operator::start(&stage.ns.name).await;
    eventually("the pool says that it would run 3 replicas", PATIENCE, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let seen = status.desired_replicas;
        if seen == Some(3) {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    stays(&stage, 1, "an observing pool leaves the replicas alone").await;
    assert_eq!(operator.metric("twp_scale_writes_total").await, 0.0);
}

async fn stays(stage: &Stage, replicas: i32, what: &str) {
    throughout(what, Duration::from_secs(5), async || {
        match stage.ns.replicas("mail").await? {
            seen if seen == replicas => Ok(()),
            seen => Err(format!("{seen} replicas")),
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_pools_on_one_deployment_the_older_acts_and_the_younger_follows_it() {
    let (stage, _operator) = three("two").await;
    // Creation times have whole seconds; of equally old ones the name decides.
    stage
        .pool(
            "younger",
            json!({"targetRef": {"name": "mail"}, "target": {"backlogPerReplica": 30}}),
        )
        .await;
    let message = stage
        .ns
        .wait_condition("younger", "Stalled", "True", "TargetTaken")
        .await;
    assert!(
        message.contains("`mail`"),
        "the message names the older pool: {message}"
    );
    stays(&stage, 3, "the older pool's number counts").await;

    stage
        .ns
        .change_pool("younger", json!({"target": {"backlogPerReplica": 6}}))
        .await;
    stage.ns.delete("twp/mail").await;
    stage.ns.wait_replicas("mail", 5).await;
    eventually("the younger pool is stalled no more", PATIENCE, async || {
        let status = stage.ns.pool("younger").await?.status.unwrap_or_default();
        let stalled = status.conditions.iter().find(|condition| condition.kind == "Stalled");
        match stalled {
            Some(stalled) if stalled.status == ConditionStatus::True => Err(stalled.message.clone()),
            _ => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_down_while_a_rollout_makes_progress() {
    // Of the profile that watches least long before anything goes.
    let stage = Stage::redis("rollout").await;
    stage.workers("mail", 0).await;
    let spec = json!({"minReplicas": 3, "target": {"waitSeconds": 60}, "profile": "Economy"});
    stage.pool("mail", spec).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_replicas("mail", 3).await;
    // A new template that never becomes ready, and pods of the old one that may not go before: a rollout that lasts.
    let change = json!({"spec": {
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": {"version": "2"}}},
    }});
    let change = change.to_string();
    stage.ns.kubectl(&["patch", "deployment/mail", "-p", &change]).await;
    stage.ns.change_pool("mail", json!({"minReplicas": 0})).await;
    eventually("the pool holds because of the rollout", PATIENCE, async || {
        let decision = stage.ns.pool("mail").await?.status.unwrap_or_default().decision;
        match decision {
            Some(decision) if decision.rule == "Rollout" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // Longer than nothing goes down after a start: 15 s with this profile.
    throughout("no replica goes", Duration::from_secs(20), async || {
        match stage.ns.replicas("mail").await? {
            3 => Ok(()),
            seen => Err(format!("{seen} replicas\n{}", operator.log())),
        }
    })
    .await;
    // Pods that are not ready may go: now it comes to its end. (To undo it would not end it: none of these pods is ever
    // ready, so that Kubernetes would keep the one of the new template, too.)
    let change = json!({"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}}).to_string();
    stage.ns.kubectl(&["patch", "deployment/mail", "-p", &change]).await;
    stage.ns.wait_replicas("mail", 0).await;
}

#[tokio::test]
async fn a_deleted_namespace_is_gone_at_once() {
    let (stage, operator) = three("gone").await;
    stage
        .ns
        .kubectl(&["delete", "namespace", &stage.ns.name, "--wait=false"])
        .await;
    let namespaces: Api<KubeNamespace> = Api::all(stage.ns.client.clone());
    eventually("the namespace is gone", PATIENCE, async || {
        match namespaces.get_opt(&stage.ns.name).await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    eventually("the pool's series are gone", PATIENCE, async || {
        let metrics = operator.metrics().await;
        let series = metrics.lines().find(|line| line.contains(&stage.ns.name));
        series.map_or(Ok(()), |series| Err(series.to_owned()))
    })
    .await;
}
