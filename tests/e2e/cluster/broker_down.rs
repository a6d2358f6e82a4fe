//! A broker that is away for a while: nothing is scaled down on a guess, it is said, and it ends by itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    bed::throughout,
    operator::{Operator, Options},
    stage::Stage,
};

async fn started(name: &str, spec: Value) -> (Stage, Operator) {
    let stage = Stage::redis(name).await;
    stage.workers("mail", 0).await;
    stage.pool("mail", spec).await;
    let options = Options {
        log_level: Some("trace".to_owned()),
        ..Options::default()
    };
    let operator = Operator::start_with(&stage.ns.name, options).await;
    stage.ns.wait_working("mail").await;
    (stage, operator)
}

async fn stop(stage: &Stage) {
    stage.ns.kubectl(&["scale", "deployment/broker", "--replicas=0"]).await;
}

async fn start_again(stage: &Stage) {
    stage.ns.kubectl(&["scale", "deployment/broker", "--replicas=1"]).await;
    stage.ns.wait_ready("broker").await;
}

#[tokio::test]
async fn with_a_broker_down_the_workers_stay_and_the_fallback_comes() {
    let (stage, operator) = started("down", json!({"fallback": {"replicas": 4, "afterSeconds": 40}})).await;
    stage.publish(20).await;
    stage.ns.wait_replicas("mail", 2).await;
    stop(&stage).await;

    stage.ns.wait_condition("mail", "Degraded", "True", "SourceLost").await;
    stage.ns.wait_replicas("mail", 4).await;
    stage
        .ns
        .wait_condition("mail", "ScalingActive", "False", "Fallback")
        .await;
    stage.ns.wait_event(&["FallbackStarted"]).await;

    start_again(&stage).await;
    stage.publish(50).await;
    stage.ns.wait_replicas("mail", 5).await;
    stage.ns.wait_condition("mail", "Degraded", "False", "AsExpected").await;
    stage.ns.wait_event(&["FallbackEnded"]).await;
    stage.assert_discreet(&operator).await;
}

#[tokio::test]
async fn with_a_broker_down_and_no_fallback_the_number_is_held() {
    // Of the profile that watches least long before anything goes: 15 s, and the windows are shorter.
    let spec = json!({"minReplicas": 2, "target": {"waitSeconds": 60}, "profile": "Economy"});
    let (stage, operator) = started("held", spec).await;
    stage.ns.wait_replicas("mail", 2).await;
    stop(&stage).await;
    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "False", "ConnectionRefused")
        .await;
    stage.ns.change_pool("mail", json!({"minReplicas": 0})).await;
    throughout("the replicas are held", Duration::from_secs(35), async || {
        match stage.ns.replicas("mail").await? {
            2 => Ok(()),
            seen => Err(format!("{seen} replicas\n{}", operator.log())),
        }
    })
    .await;
    stage.ns.wait_condition("mail", "Degraded", "True", "SourceLost").await;

    // It comes back with nothing in it: now that is the truth, and after the usual windows it is acted on.
    start_again(&stage).await;
    stage.ns.wait_replicas("mail", 0).await;
    stage.assert_discreet(&operator).await;
}

#[tokio::test]
async fn a_pool_at_zero_stays_there_while_the_broker_is_down_and_wakes_when_it_is_back() {
    let (stage, operator) = started("zero", json!({})).await;
    stop(&stage).await;
    stage.ns.wait_condition("mail", "Degraded", "True", "SourceLost").await;
    assert_eq!(stage.ns.replicas("mail").await, Ok(0));
    start_again(&stage).await;
    stage.publish(30).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage.assert_discreet(&operator).await;
}
