//! `podManagementPolicy: OrderedReady`: pods end one by one, and none while one below is not ready. A pod that waits for its
//! turn after the number was lowered takes a task as soon as its container is started again.

use std::time::Duration;

use serde_json::json;

use super::{replicas, set_with, size};
use crate::support::{
    bed::{eventually, throughout},
    celery_stage::{CeleryStage, LONG},
    operator::Operator,
    stage::pool,
};

#[tokio::test]
async fn no_pod_is_given_up_before_its_turn() {
    let stage = CeleryStage::new("turns", "redis").await;
    let mut set = set_with(&stage, &["-c", "1"], 0);
    set["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"exec": {"command": ["sh", "-c", "test -e /tmp/ready && ! test -e /tmp/unready"]}, "periodSeconds": 1});
    // Its first process ends by a signal, so that its container can be started again from within.
    set["spec"]["template"]["spec"]["shareProcessNamespace"] = json!(true);
    stage.ns.apply(set.to_string()).await;
    stage.ns.apply(pool("mail", size(3)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage
        .ns
        .wait_condition("mail", "WorkersKnown", "True", "AllKnown")
        .await;
    stage.ns.kubectl(&["rollout", "status", "statefulset/mail"]).await;

    stage.ns.exec("mail-0", &["touch", "/tmp/unready"]).await;
    stage.ns.change_pool("mail", size(1)).await;
    eventually("the sentence names the pod that is not ready", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let said = status.decision.map(|decision| decision.message).unwrap_or_default();
        match said.contains("2 that may go wait for `mail-0` to be ready.") {
            true => Ok(()),
            false => Err(format!("{said}\n{}", operator.log())),
        }
    })
    .await;
    // The highest is started again, and there is work for it: more than the lowest takes.
    stage.client("for number in range(4): nap.hold.delay(number)").await;
    stage.wait_started(1).await;
    stage.ns.exec("mail-2", &["sh", "-c", "kill -9 -1"]).await;
    eventually("the highest runs a task", LONG, async || {
        let started = stage.list("started").await;
        match started.iter().any(|line| line.contains("mail-2")) {
            true => Ok(()),
            false => Err(format!("{started:?}")),
        }
    })
    .await;
    throughout("the number stays", Duration::from_secs(8), async || {
        match replicas(&stage).await.as_str() {
            "3" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    stage.ns.exec("mail-0", &["rm", "/tmp/unready"]).await;
    throughout(
        "a busy one stays when its turn has come",
        Duration::from_secs(8),
        async || match replicas(&stage).await.as_str() {
            "3" => Ok(()),
            other => Err(other.to_owned()),
        },
    )
    .await;
    stage.release(&["0", "1", "2", "3"]).await;
    stage.wait_ended(4).await;
    eventually("one is left", LONG, async || match replicas(&stage).await.as_str() {
        "1" => Ok(()),
        other => Err(format!("{other}\n{}", operator.log())),
    })
    .await;
    let all = stage.list("started").await;
    assert_eq!(all.len(), 4, "each once: {all:?}");
}
