//! The right to see StatefulSets is taken away while the operator runs: it knows an old number then, and must not write it. A
//! watch that is open goes on for minutes, so this is a part of `make verify`.

use std::time::Duration;

use serde_json::json;

use crate::{
    cluster::rights::{bind, grant, grant_stateful_sets},
    support::{
        bed::{eventually, throughout},
        celery_stage::{CeleryStage, LONG},
        operator::Operator,
        stage::pool,
    },
};

/// Time after which the API server ends a watch, and some more.
const WATCHED: Duration = Duration::from_secs(400);

/// Enough for five replicas, ten each.
const TASKS: usize = 45;

#[tokio::test]
async fn what_can_no_longer_be_seen_is_not_written() {
    let stage = CeleryStage::new("withdrawn", "redis").await;
    let mut set = stage.deployment(
        "mail",
        0,
        &["python3", "-m", "celery", "-A", "nap", "worker", "-c", "1"],
        0,
    );
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("mail");
    stage.ns.apply(set.to_string()).await;
    let options = grant(&stage.ns, &[(&stage.ns, "")]).await;
    grant_stateful_sets(&stage.ns).await;
    let spec = json!({"targetRef": {"kind": "StatefulSet", "name": "mail"}, "minReplicas": 1, "maxReplicas": 5});
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start_with(&stage.ns.name, options).await;
    stage
        .ns
        .wait_condition("mail", "WorkersKnown", "True", "AllKnown")
        .await;

    stage.ns.kubectl(&["delete", "rolebinding", "sets"]).await;
    eventually("the pool says that it cannot see its target", WATCHED, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let ready = status
            .conditions
            .into_iter()
            .find(|condition| condition.kind == "Ready");
        match ready {
            Some(ready) if ready.reason == "TargetUnreadable" => Ok(()),
            other => Err(format!("{other:?}\n{}", operator.log())),
        }
    })
    .await;
    // Somebody else raises the number; there is work, and each of the pods takes some.
    stage.ns.kubectl(&["scale", "statefulset/mail", "--replicas=3"]).await;
    stage.ns.kubectl(&["rollout", "status", "statefulset/mail"]).await;
    stage
        .client(&format!("for number in range({TASKS}): nap.hold.delay(number)"))
        .await;
    let number = || async {
        let number = ["get", "statefulset", "mail", "-o", "jsonpath={.spec.replicas}"];
        stage.ns.kubectl(&number).await
    };
    throughout("nothing is written", Duration::from_secs(20), async || {
        match number().await.as_str() {
            "3" => Ok(()),
            other => Err(format!("{other}\n{}", operator.log())),
        }
    })
    .await;

    // It is given back, and the pool acts again.
    bind(&stage.ns, "sets").await;
    eventually("the target follows the work again", LONG, async || {
        match number().await.as_str() {
            "3" => Err(operator.log()),
            _ => Ok(()),
        }
    })
    .await;
    let numbers: Vec<_> = (0..TASKS).map(|number| number.to_string()).collect();
    stage.release(&numbers).await;
    stage.wait_ended(TASKS).await;
}
