//! The wait target: how many, why, what is told, and back to zero.

use serde_json::{Value, json};

use crate::support::stage::{Stage, message};
use crate::support::{
    bed::{PATIENCE, eventually},
    operator::Operator,
};

#[tokio::test(flavor = "multi_thread")]
async fn waiting_tasks_get_the_workers_that_start_them_in_time_and_zero_comes_after_the_idle_time() {
    let stage = Stage::redis("wait").await;
    stage.workers("mail", 0).await;
    let spec = json!({
        "target": {"waitSeconds": 60}, "maxReplicas": 50, "scaleDown": {"idleSeconds": 5},
        "worker": {"concurrency": 4, "expectedTaskMilliseconds": 6000},
    });
    stage.pool("mail", spec).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;

    // A replica that is ready after 30 s starts 4 tasks and then 4 every 6 s: about 22 within 57 s. The log has each decision;
    // the status may show the next one already.
    stage.publish(400).await;
    let first = eventually("replicas for 400 tasks", PATIENCE, async || {
        let log = operator.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .map(|line| line.get("fields").unwrap_or(&line).clone())
            .find(|fields| fields["message"] == "scaled")
            .ok_or(log)
    })
    .await;
    let replicas = first["to"].as_u64().expect("a number");
    assert!((15..=30).contains(&replicas), "{first}");
    assert_eq!(first["rule"], "Deadline");
    let why = first["why"].as_str().expect("a sentence");
    assert!(why.contains("400 tasks must start within 60 s"), "{why}");
    eventually("they are there, and the status says why", PATIENCE, async || {
        let seen = stage.ns.replicas("mail").await?;
        let decision = stage.ns.pool("mail").await?.status.and_then(|status| status.decision);
        match decision.filter(|decision| !decision.message.is_empty()) {
            Some(_) if seen >= 15 => Ok(()),
            decision => Err(format!("{seen} replicas, {decision:?}")),
        }
    })
    .await;

    stage.purge().await;
    stage.ns.wait_replicas("mail", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_waited_before_the_operator_started_are_as_old_as_they_say() {
    let stage = Stage::redis("old").await;
    stage.workers("mail", 0).await;
    let mut late = message("celery");
    late["headers"]["enqueued_at"] = json!(jiff::Timestamp::now().as_second() - 300);
    let mut connection = stage.connection().await;
    let () = redis::cmd("LPUSH")
        .arg("celery")
        .arg(late.to_string())
        .query_async(&mut connection)
        .await
        .expect("LPUSH");
    // Young ones behind it.
    stage.publish(3).await;
    stage.pool("mail", json!({"target": {"waitSeconds": 60}})).await;
    let _operator = Operator::start(&stage.ns.name).await;
    eventually("a task has waited for 300 s", PATIENCE, async || {
        let work = stage.ns.pool("mail").await?.status.and_then(|status| status.work);
        match work.as_ref().and_then(|work| work.oldest_wait_seconds) {
            Some(300..400) => Ok(()),
            _ => Err(format!("{work:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_without_a_wait_target_is_refused_and_so_are_two_targets() {
    let stage = Stage::redis("targets").await;
    for (spec, field) in [
        (json!({"profile": "Economy"}), "profile"),
        (json!({"target": {"waitSeconds": 30, "backlogPerReplica": 3}}), "target"),
    ] {
        let pool = crate::support::stage::pool("mail", spec).to_string();
        let said = stage.ns.try_kubectl(&["apply", "-f", "-"], &pool).await.unwrap_err();
        assert!(said.contains(field), "{said}");
    }
}
