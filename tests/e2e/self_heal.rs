//! A pipeline that puts the replicas of its own manifest back every few seconds (Argo CD's `selfHeal`), while all workers are
//! busy. What it kills nobody can help; what must not be is that each of its writes kills again. `make verify` runs it: it
//! takes three minutes. Needs the test bed.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{bed::client, celery_stage::CeleryStage, figures, operator::Operator, stage::pool};

/// Tasks that are under way when it begins.
const TASKS: usize = 60;
/// Of each worker.
const THREADS: usize = 10;
/// How often it writes, and for how long.
const EVERY: Duration = Duration::from_secs(5);
const LASTS: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_self_healing_pipeline_kills_what_runs_once_and_not_again_and_again() {
    let stage = CeleryStage::new("selfheal", "redis").await;
    let threads = |spec: &mut serde_json::Value| {
        let command = spec["containers"][0]["command"].as_array_mut().expect("a command");
        command.extend(["-P", "threads"].map(|word| json!(word)));
    };
    stage
        .workers_like(&THREADS.to_string(), 5, &[("PREFETCH", "1")], threads)
        .await;
    let spec = json!({"target": {"backlogPerReplica": THREADS}, "maxReplicas": TASKS / THREADS});
    stage.ns.apply(pool("mail", spec).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.publish(&format!("[(n, 60) for n in range({TASKS})]")).await;
    stage.wait_started(TASKS).await;
    let writes = operator.metric("twp_scale_writes_total").await;

    let pods: Api<Pod> = Api::namespaced(client().await, &stage.ns.name);
    let mut seen = BTreeSet::new();
    let (began, mut written) = (Instant::now(), 0);
    while began.elapsed() < LASTS {
        if began.elapsed() >= EVERY * written {
            let patch = [
                "patch",
                "deployment/mail",
                "--type=merge",
                "--field-manager=argocd-controller",
            ];
            let patch = [&patch[..], &["-p", r#"{"spec":{"replicas":1}}"#]].concat();
            stage.ns.kubectl(&patch).await;
            written += 1;
        }
        let listed = pods
            .list(&kube::api::ListParams::default().labels("app=mail"))
            .await
            .expect("pods");
        seen.extend(listed.items.into_iter().filter_map(|pod| pod.metadata.name));
        sleep(Duration::from_millis(500)).await;
    }
    let writes = operator.metric("twp_scale_writes_total").await - writes;
    let message = stage
        .ns
        .wait_condition("mail", "TargetConflict", "True", "ReplicasOverwritten")
        .await;
    // Whoever still works ends within a task's time; whoever was killed never does.
    sleep(Duration::from_secs(70)).await;
    let (started, ended) = (stage.list("started").await.len(), stage.list("ended").await.len());
    println!(
        "{written} writes of the pipeline, {writes} of ours; {} pods, {} of {started} tasks cut off: {message}",
        seen.len(),
        started - ended
    );
    figures::record_in("controller", "self_heal.cut_off", started - ended);
    figures::record_in("controller", "self_heal.pods", seen.len());
    figures::record_in("controller", "self_heal.writes", writes);
    assert!(
        message.contains("argocd-controller") && message.contains("ignoreDifferences"),
        "{message}"
    );
    assert!(writes <= 10.0, "{writes} writes in {LASTS:?}");
}
