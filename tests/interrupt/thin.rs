//! Thin load: ten workers with four slots and one long task each, and a new one for each that ends. Three workers could do
//! all of it, but no worker is ever idle: only who empties workers on purpose gets rid of the others.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    proof::{
        cell::{Acks, Broker, Cell},
        course::Follow,
        field::Field,
        run::watch,
        stranded::Lookout,
        verdict::Verdict,
    },
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::Operator,
    },
};

const WORKERS: usize = 10;
/// No task takes longer, in seconds.
const LONGEST: u64 = 60;
/// What the decision takes: the pool must have been too large for two windows.
const DECISION: u64 = 30;

#[tokio::test]
async fn workers_that_are_never_idle_go_within_the_longest_tasks_time() {
    let field = Field::new(Cell::new(Broker::Redis, Acks::Late).with_slots(4).with_prefetch(1)).await;
    let follow = Follow::new(&field.ns);
    field.pool(&json!({"minReplicas": WORKERS})).await;
    let operator = Operator::start(&field.ns.name).await;
    eventually("ten workers fetch", PATIENCE, async || {
        let scene = field.scene().await;
        if scene.is_settled(WORKERS as i32) {
            Ok(())
        } else {
            Err(format!("{scene:?}"))
        }
    })
    .await;
    // Redis gives a task to the worker that has waited longest: each gets one. From then on about ten run at any time.
    let desk = field.desk.clone();
    let plan = json!({
        "plan": "steady", "first": WORKERS, "tasks": 60, "every": 4.5, "shortest": 30, "longest": LONGEST,
    });
    let _publishing = tokio::spawn(async move { desk.publish(plan).await });
    eventually("each worker runs a task", PATIENCE, async || {
        let started = field.desk.records().await.started;
        let pods: BTreeSet<_> = started.iter().map(|start| &start.pod).collect();
        if pods.len() == WORKERS {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    })
    .await;
    field.ns.change_pool("w", json!({"minReplicas": 0})).await;
    let begin = Instant::now();
    let deadline = Duration::from_secs(DECISION + LONGEST);
    // A decision for half of them or fewer is one that sees the surplus; it is for 3 or 4, as it judges the margin.
    let replicas = eventually("the replicas are what the decision wants", deadline, async || {
        let status = field.ns.pool("w").await?.status.unwrap_or_default();
        let (wanted, replicas) = (
            status.decision.map(|decision| decision.replicas),
            field.ns.replicas("w").await?,
        );
        match wanted {
            Some(wanted) if wanted == replicas && wanted <= WORKERS as i32 / 2 => Ok(replicas),
            _ => Err(format!("{replicas} replicas, {wanted:?} wanted\n{}", operator.log())),
        }
    })
    .await;
    let took = begin.elapsed().as_secs();
    let mut lookout = Lookout::default();
    watch(&field, &mut lookout).await;
    let verdict = Verdict::of(&field.desk.records().await, &follow.course().alive());
    let figures = json!({
        "workers": WORKERS, "replicas": replicas, "seconds": took, "longest_task": LONGEST,
        "interrupted": verdict.interrupted, "rerun": verdict.rerun, "stranded_workers": lookout.stranded.len(),
    });
    figures::record_in("interrupt", "thin_load", figures);
    let undisturbed = (verdict.interrupted, verdict.rerun, follow.course().sigkilled());
    assert_eq!(undisturbed, (0, 0, 0), "{}\n{}", verdict.short(), operator.log());
    assert!(
        lookout.stranded.is_empty(),
        "{:?}\n{}",
        lookout.stranded,
        operator.log()
    );
}
