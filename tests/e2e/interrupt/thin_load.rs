//! Thin load: ten workers with four slots and one long task each, and the next one comes to each before that has ended.
//! Three workers could do all of it, but no worker is ever idle: only who empties workers on purpose gets rid of the others.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    interrupt::proof::{
        history::Follow,
        run::watch,
        stage::RunStage,
        stranded::Lookout,
        variant::{Acks, Broker, Variant},
        verdict::Verdict,
    },
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::Operator,
    },
};

const WORKERS: usize = 10;
/// Seconds between two tasks.
const EVERY: f64 = 4.5;
/// In seconds; longer than it takes until each worker has got another one.
const SHORTEST: u64 = 50;
const LONGEST: u64 = 55;
/// Seconds for stopping a worker and for looking again when it is empty.
const GRACE: u64 = 5;
/// A decision for no more sees the surplus; it is for 3 to 6, as it judges the margin from moment to moment.
const FEW: i32 = 6;

#[tokio::test]
async fn workers_that_are_never_idle_go_within_the_longest_tasks_time() {
    assert!(SHORTEST as f64 > EVERY * WORKERS as f64);
    // RabbitMQ goes round: each of the workers gets the same share. Redis has no such order.
    let variant = Variant::new(Broker::Classic, Acks::Late).with_slots(4).with_prefetch(1);
    let stage = RunStage::new(variant).await;
    let follow = Follow::new(&stage.ns);
    stage.pool(&json!({"minReplicas": WORKERS})).await;
    let operator = Operator::start(&stage.ns.name).await;
    eventually("ten workers fetch", PATIENCE, async || {
        let snapshot = stage.snapshot().await;
        if snapshot.is_settled(WORKERS as i32) {
            Ok(())
        } else {
            Err(format!("{snapshot:?}"))
        }
    })
    .await;
    let client = stage.client.clone();
    let plan = json!({
        "plan": "steady", "first": WORKERS, "tasks": 60, "every": EVERY, "shortest": SHORTEST, "longest": LONGEST,
    });
    let _publishing = tokio::spawn(async move { client.publish(plan).await });
    eventually("each worker runs a task", PATIENCE, async || {
        let started = stage.client.records().await.started;
        let pods: BTreeSet<_> = started.iter().map(|start| &start.pod).collect();
        if pods.len() == WORKERS {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    })
    .await;
    stage.ns.change_pool("w", json!({"minReplicas": 0})).await;
    // How long a task takes is not known before the first one has ended.
    let wanted = eventually("the surplus is seen", PATIENCE, async || {
        let decision = stage.ns.pool("w").await?.status.and_then(|status| status.decision);
        match decision {
            Some(decision) if decision.replicas <= FEW => Ok(decision.replicas),
            other => Err(format!("{other:?}\n{}", operator.log())),
        }
    })
    .await;
    let begin = Instant::now();
    let deadline = Duration::from_secs(LONGEST + GRACE);
    let replicas = eventually("the replicas are what the decision wants", deadline, async || {
        let decision = stage.ns.pool("w").await?.status.and_then(|status| status.decision);
        let replicas = stage.ns.replicas("w").await?;
        match decision {
            Some(decision) if decision.replicas == replicas && replicas <= FEW => Ok(replicas),
            other => Err(format!("{replicas} replicas, {other:?}\n{}", operator.log())),
        }
    })
    .await;
    let took = begin.elapsed().as_secs();
    let mut lookout = Lookout::default();
    watch(&stage, &mut lookout).await;
    let verdict = Verdict::of(&stage.client.records().await, &follow.history().alive());
    let figures = json!({
        "workers": WORKERS, "wanted": wanted, "replicas": replicas, "seconds": took, "longest_task": LONGEST,
        "interrupted": verdict.interrupted, "rerun": verdict.rerun, "stranded_workers": lookout.stranded.len(),
    });
    figures::record_in("interrupt", "thin_load", figures);
    let undisturbed = (verdict.interrupted, verdict.rerun, follow.history().sigkilled());
    assert_eq!(undisturbed, (0, 0, 0), "{}\n{}", verdict.short(), operator.log());
    assert!(
        lookout.stranded.is_empty(),
        "{:?}\n{}",
        lookout.stranded,
        operator.log()
    );
}
