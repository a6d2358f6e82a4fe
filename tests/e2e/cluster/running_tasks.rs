//! Running work: real Celery workers in pods, and nothing that they run is ever interrupted by the operator.

use std::time::{Duration, Instant};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::api::DeleteParams;
use serde_json::json;

use crate::support::{
    bed::{eventually, throughout},
    celery_stage::{CeleryStage, LONG},
    figures,
    operator::Operator,
    stage::pool,
};

#[tokio::test]
async fn of_ten_workers_only_idle_ones_are_removed() {
    let stage = CeleryStage::new("mixed", "redis").await;
    // A busy pod that is removed would be killed after 2 s: with late acknowledgement its task would start twice.
    stage.workers("1", 2).await;
    stage
        .ns
        .apply(
            pool(
                "mail",
                json!({"maxReplicas": 10, "worker": {"concurrency": 1}, "target": {"backlogPerReplica": 1}}),
            )
            .to_string(),
        )
        .await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.publish("[(n, 5) for n in range(6)]").await;
    stage.client("for number in range(6, 10): nap.hold.delay(number)").await;
    stage.ns.wait_replicas("mail", 10).await;
    stage.wait_ended(6).await;
    // 4 long ones run on.
    stage.ns.wait_replicas("mail", 4).await;
    assert_eq!(
        stage.ended().await.len(),
        6,
        "the long tasks still run when 6 workers have gone\n{}",
        operator.log()
    );
    stage.release(&["6", "7", "8", "9"]).await;
    stage.wait_ended(10).await;
    stage.ns.wait_replicas("mail", 0).await;
    let started = stage.list("started").await;
    let killed = started.len() - stage.list("ended").await.len();
    figures::record("killed", u64::try_from(killed).unwrap());
    assert_eq!(killed, 0, "{started:?}\n{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}

#[tokio::test]
async fn five_hundred_tasks_survive_a_killed_worker() {
    const TASKS: usize = 500;
    let stage = CeleryStage::new("killed", "rabbitmq").await;
    stage.workers("2", 30).await;
    stage
        .ns
        .apply(pool("mail", json!({"worker": {"concurrency": 2}})).to_string())
        .await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.publish("[(n, 0.5) for n in range(500)]").await;
    stage.ns.wait_replicas("mail", 5).await;
    stage.wait_ended(100).await;
    let pods = stage.ns.pods("app=mail").await;
    let victim = pods.iter().find(|pod| {
        pod.status
            .as_ref()
            .is_some_and(|status| status.phase.as_deref() == Some("Running"))
    });
    let victim = victim
        .and_then(|pod| pod.metadata.name.clone())
        .expect("a running worker");
    let now = DeleteParams::default().grace_period(0);
    stage
        .ns
        .api::<Pod>()
        .delete(&victim, &now)
        .await
        .expect("the worker is killed");
    // At most 10 tasks can run, on 5 workers: as long as more than that are unfinished no worker may go.
    let mut ended = 0;
    let end = Instant::now() + LONG;
    while ended < TASKS {
        assert!(
            Instant::now() < end,
            "awaited for {LONG:?}: {TASKS} tasks have ended; {ended} have\n{}",
            operator.log()
        );
        let replicas = stage
            .ns
            .api::<Deployment>()
            .get("mail")
            .await
            .expect("the workers")
            .spec
            .and_then(|spec| spec.replicas);
        ended = stage.ended().await.len();
        assert!(
            TASKS - ended <= 10 || replicas == Some(5),
            "{replicas:?} replicas, {ended} ended\n{}",
            operator.log()
        );
    }
    stage.ns.wait_replicas("mail", 0).await;
    assert_eq!(stage.ended().await.len(), TASKS);
    stage.undisturbed(&[&victim], &operator).await;
}

/// Three workers run a task each, and all of them are killed. Others take their places.
async fn killed(name: &str, environment: &[(&str, &str)]) -> (CeleryStage, Operator) {
    let stage = CeleryStage::new(name, "redis").await;
    stage.workers_with("1", 0, environment).await;
    // Without a window: whatever is not wanted any more goes at once, where nothing else keeps it.
    let spec = json!({"worker": {"concurrency": 1}, "maxReplicas": 4, "target": {"backlogPerReplica": 1},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}});
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.publish("[(n, 600) for n in range(3)]").await;
    stage.wait_started(3).await;
    stage
        .ns
        .kubectl(&["delete", "pod", "-l", "app=mail", "--grace-period=0", "--force"])
        .await;
    (stage, operator)
}

#[tokio::test]
async fn one_worker_stays_for_the_work_of_killed_ones() {
    let (stage, operator) = killed("unacked", &[]).await;
    // Redis gives the tasks back after the visibility timeout, an hour; until then only `unacked` knows of them.
    eventually("one worker stays, and it is said why", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let decision = status.decision.unwrap_or_default();
        let told = decision
            .message
            .starts_with("Keeping 1: 3 tasks of a dead or stopping worker");
        match stage.ns.replicas("mail").await? {
            1 if told && decision.rule == "Stranded" => Ok(()),
            replicas => Err(format!("{replicas} replicas, {decision:?}\n{}", operator.log())),
        }
    })
    .await;
    // Longer than a pod that became ready has to tell what its worker holds (60 s).
    throughout("it stays one", Duration::from_secs(65), async || {
        match stage.ns.replicas("mail").await? {
            1 => Ok(()),
            replicas => Err(format!("{replicas}\n{}", operator.log())),
        }
    })
    .await;
    // To zero by hand, and the operator comes later.
    drop(operator);
    stage.ns.kubectl(&["scale", "deploy/mail", "--replicas=0"]).await;
    eventually("nobody is there", LONG, async || {
        match stage.ns.pods("app=mail").await.len() {
            0 => Ok(()),
            pods => Err(format!("{pods} pods")),
        }
    })
    .await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_replicas("mail", 1).await;
    throughout("never more", Duration::from_secs(30), async || {
        match stage.ns.replicas("mail").await? {
            1 => Ok(()),
            replicas => Err(format!("{replicas}\n{}", operator.log())),
        }
    })
    .await;
    stage
        .ns
        .exec("deploy/broker", &["redis-cli", "del", "unacked", "unacked_index"])
        .await;
    stage.ns.wait_replicas("mail", 0).await;
}

#[tokio::test]
async fn the_work_of_killed_workers_runs_again_after_the_visibility_timeout() {
    // The second time they take no time.
    let environment = [("TRANSPORT", r#"{"visibility_timeout": 20}"#), ("AGAIN", "0")];
    let (stage, operator) = killed("visible", &environment).await;
    let begin = Instant::now();
    stage.wait_ended(3).await;
    let seconds = begin.elapsed().as_secs();
    println!("run again after {seconds} s");
    figures::record("visibility_timeout_of_20_s_runs_again_after_seconds", seconds);
    assert_eq!(stage.list("started").await.len(), 6, "{}", operator.log());
    stage.ns.wait_replicas("mail", 0).await;
}

#[tokio::test]
async fn the_slots_of_a_worker_are_known_before_any_task_has_run() {
    let stage = CeleryStage::new("slots", "redis").await;
    stage.workers("3", 0).await;
    let spec = json!({"minReplicas": 1, "maxReplicas": 1, "target": {"waitSeconds": 60}});
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    eventually("`celery worker -c 3` has 3 slots", LONG, async || {
        let estimates = stage.ns.pool("mail").await?.status.and_then(|status| status.estimates);
        match estimates.as_ref().and_then(|estimates| estimates.concurrency) {
            Some(3) => Ok(()),
            _ => Err(format!("{estimates:?}\n{}", operator.log())),
        }
    })
    .await;
    assert!(stage.list("started").await.is_empty());
    stage.undisturbed(&[], &operator).await;
}
