//! Another StatefulSet of the same name on the same database: its workers have the names of ours.

use std::time::Duration;

use serde_json::{Value, json};

use super::{replicas, set_with, size};
use crate::support::{
    bed::{Namespace, eventually, throughout},
    bystander::PROGRAM,
    celery_stage::{CeleryStage, LONG, NAP},
    operator::Operator,
    pods,
    stage::pool,
};

/// Time in which a pod that was believed to be idle would be gone.
const GONE: Duration = Duration::from_secs(20);

/// Two idle workers of the same names in a namespace of their own, which fetch from another queue.
async fn namesakes(stage: &CeleryStage) -> Namespace {
    let ns = Namespace::new("namesake").await;
    let mut set = set_with(stage, &["-c", "1", "-Q", "others"], 0);
    set["spec"]["replicas"] = json!(2);
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    let code = pods::files("nap", [("nap.py", NAP), PROGRAM]);
    ns.apply(format!("{code}\n---\n{set}\n")).await;
    ns.kubectl(&["rollout", "status", "statefulset/mail"]).await;
    ns
}

/// A solo worker answers nobody while it runs a task: whoever answers in its name is another.
fn solo(stage: &CeleryStage) -> Value {
    let mut set = set_with(stage, &["-P", "solo"], 0);
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set
}

#[tokio::test]
async fn a_namesakes_word_takes_no_busy_pod_away() {
    let stage = CeleryStage::new("namesakes", "redis").await;
    stage.ns.apply(solo(&stage).to_string()).await;
    stage.ns.apply(pool("mail", size(2)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.client("for number in range(2): nap.hold.delay(number)").await;
    stage.wait_started(2).await;
    let _others = namesakes(&stage).await;
    stage.ns.change_pool("mail", size(1)).await;
    eventually("the pool has seen enough to go down", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        match status.decision {
            Some(decision) if !["Minimum", "JustStarted"].contains(&decision.rule.as_str()) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    throughout("both are busy, and both stay", GONE, async || {
        match replicas(&stage).await.as_str() {
            "2" => Ok(()),
            other => Err(format!("{other}\n{}", operator.log())),
        }
    })
    .await;
    let status = stage.ns.pool("mail").await.expect("the pool").status;
    let conditions = status.map(|status| status.conditions).unwrap_or_default();
    let known = conditions.iter().find(|condition| condition.kind == "WorkersKnown");
    let known = known.map(|known| format!("{:?}", known.status));
    assert_ne!(known.as_deref(), Some("True"), "{conditions:?}");
    stage.release(&["0", "1"]).await;
    stage.wait_ended(2).await;
}
