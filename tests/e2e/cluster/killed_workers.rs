//! Pods that others stop, and workers that die: nothing is lost that Celery can keep, and the pool goes on counting right.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::api::EvictParams;
use serde_json::{Value, json};

use crate::support::{
    bed::eventually,
    celery_stage::{CeleryStage, LONG},
    figures,
    operator::Operator,
    stage::pool,
};

/// Ends all of Celery's processes in a pod at once, as nothing else but SIGKILL does.
const KILL: &str = "
import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    try: command = open(f'/proc/{pid}/cmdline').read()
    except OSError: continue
    if 'celery' in command: os.kill(int(pid), 9)
";

/// Of the profile that watches least long before anything goes.
fn spec(min: u32, max: u32, slots: u32) -> Value {
    json!({
        "minReplicas": min, "maxReplicas": max, "worker": {"concurrency": slots}, "target": {"waitSeconds": 60},
        "profile": "Economy",
    })
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// The worker's pods that run and have not been told to end.
async fn running(stage: &CeleryStage) -> Vec<String> {
    let pods = stage.ns.pods("app=mail").await.into_iter();
    pods.filter(is_running).filter_map(|pod| pod.metadata.name).collect()
}

/// Waits until so many workers have said that they take tasks.
async fn ready(stage: &CeleryStage, workers: usize) {
    let what = format!("{workers} workers have been ready");
    eventually(&what, LONG, async || match stage.list("ready").await.len() {
        seen if seen >= workers => Ok(()),
        seen => Err(format!("{seen} have")),
    })
    .await;
}

/// A hundred tasks are published while three idle workers die one after another: which of them were never seen again.
async fn idle_workers_are_killed(kind: &str) -> BTreeSet<String> {
    let stage = CeleryStage::new("idle", kind).await;
    let transport = match kind {
        "redis" => r#"{"visibility_timeout": 10}"#,
        _ => "{}",
    };
    // Otherwise the worker is the first process, which no signal from within ends.
    let share = |spec: &mut Value| spec["shareProcessNamespace"] = json!(true);
    stage.workers_like("1", 30, &[("TRANSPORT", transport)], share).await;
    stage.ns.apply(pool("mail", spec(3, 3, 1)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    ready(&stage, 3).await;
    let publishing = stage.client("nap.publish([(n * 0.1, 0.05) for n in range(100)])");
    let killing = async {
        // The publisher takes its time to start, and some of it must have come when the first worker dies.
        stage.wait_started(1).await;
        for pod in running(&stage).await {
            // What runs the command may not live to tell.
            let _said = stage
                .ns
                .try_kubectl(&["exec", &pod, "--", "python3", "-c", KILL], "")
                .await;
        }
    };
    tokio::join!(publishing, killing);
    // Their containers start again.
    ready(&stage, 6).await;
    // Nothing that was counted of the dead keeps a worker.
    stage.ns.change_pool("mail", json!({"minReplicas": 0})).await;
    eventually("no work is left, and no workers", LONG, async || {
        let replicas = stage.ns.replicas("mail").await?;
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        match replicas {
            0 => Ok(()),
            _ => Err(format!("{replicas}: {:?}\n{}", status.decision, operator.log())),
        }
    })
    .await;
    let ended = stage.ended().await;
    let all = (0..100).map(|number| number.to_string());
    all.filter(|number| !ended.contains(number)).collect()
}

#[tokio::test]
async fn idle_workers_killed_on_redis_swallow_one_task_each_at_most() {
    let missing = idle_workers_are_killed("redis").await;
    figures::record("idle_workers_killed.redis_swallowed_of_100", missing.len());
    // What a `BRPOP` has been given is nowhere else until the worker has noted it: Celery cannot keep it.
    assert!(missing.len() <= 3, "{missing:?}");
}

#[tokio::test]
async fn idle_workers_killed_on_rabbitmq_lose_nothing() {
    let missing = idle_workers_are_killed("rabbitmq").await;
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_task_out_of_memory_keeps_no_worker_and_harms_no_other() {
    let stage = CeleryStage::new("memory", "redis").await;
    let environment = [("AGAIN", "0"), ("TRANSPORT", r#"{"visibility_timeout": 20}"#)];
    let limit = |spec: &mut Value| spec["containers"][0]["resources"] = json!({"limits": {"memory": "256Mi"}});
    stage.workers_like("2", 60, &environment, limit).await;
    stage.ns.apply(pool("mail", spec(0, 1, 2)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.client("nap.hold.delay(0)").await;
    stage.wait_started(1).await;
    stage.client("nap.grow.delay(1)").await;
    eventually("the kernel has ended what was too large", LONG, async || {
        let pods = stage.ns.pods("app=mail").await;
        let statuses = pods
            .into_iter()
            .filter_map(|pod| pod.status?.container_statuses)
            .flatten();
        let restarts: i32 = statuses.map(|status| status.restart_count).sum();
        let log = stage
            .ns
            .try_kubectl(&["logs", "deploy/mail"], "")
            .await
            .unwrap_or_default();
        // One process (cgroup v1, or `singleProcessOOMKill`), or the whole container.
        match restarts > 0 || log.contains("WorkerLostError") {
            true => Ok(()),
            false => Err(log),
        }
    })
    .await;
    // One task is held back or runs again: its worker stays.
    stage.release(&["0"]).await;
    eventually("the other task has ended", LONG, async || {
        let ended = stage.ended().await;
        match ended.contains("0") {
            true => Ok(()),
            false => Err(format!("{ended:?}\n{}", operator.log())),
        }
    })
    .await;
    stage.ns.wait_replicas("mail", 0).await;
}

#[tokio::test]
async fn an_evicted_worker_ends_its_task_and_another_takes_its_place() {
    let stage = CeleryStage::new("evicted", "redis").await;
    stage.workers("1", 300).await;
    stage.ns.apply(pool("mail", spec(0, 1, 1)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.client("for number in range(2): nap.hold.delay(number)").await;
    stage.wait_started(1).await;
    let [victim] = running(&stage).await.try_into().expect("one worker");
    let evicted = stage.ns.api::<Pod>().evict(&victim, &EvictParams::default()).await;
    evicted.expect("the API evicts it");
    // The other task begins on another pod; the first one still runs, and both are counted.
    stage.wait_started(2).await;
    eventually("the task of the evicted worker is counted", LONG, async || {
        let work = stage.ns.pool("mail").await?.status.and_then(|status| status.work);
        match work {
            Some(work) if work.in_flight == 2 => Ok(()),
            other => Err(format!("{other:?}\n{}", operator.log())),
        }
    })
    .await;
    stage.release(&["0", "1"]).await;
    stage.wait_ended(2).await;
    let started = stage.list("started").await;
    assert_eq!(started.len(), 2, "each once: {started:?}\n{}", operator.log());
    stage.ns.wait_replicas("mail", 0).await;
    stage.undisturbed(&[], &operator).await;
}
