//! Thirty scale-downs of workers that hold tasks back, and a quorum queue that drops what was given back three times: by
//! `kubectl scale`, and by a pool whose largest size goes down and up.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use super::{each, number, report};
use crate::{
    interrupt::proof::{
        history::Follow,
        run::Outcome,
        snapshot::Snapshot,
        stage::RunStage,
        variant::{Acks::*, Broker::*, Variant},
        verdict::Verdict,
    },
    support::{
        bed::{clock, eventually},
        operator::Operator,
    },
};

const MANY: i32 = 6;
const FEW: i32 = 2;
/// Enough for a drain: each worker has 8 tasks of 3 to 6 s for two slots.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn limit() {
    let variant = || Variant::new(Quorum, Late).with_limit(3);
    // A backlog that never ends.
    let plan = json!({"plan": "steady", "every": 0, "tasks": number("TWP_TASKS", 6000), "shortest": 3, "longest": 6});
    let variants = vec![(variant(), plan.clone()), (variant().with_management(), plan)];
    let (rows, failed) = each(variants, async |variant, plan| {
        // Two variants of one kind; the one that knows the management API is the pool's.
        let pool = variant.management;
        let stage = RunStage::new(variant).await;
        let follow = Follow::new(&stage.ns);
        let operator = match pool {
            true => {
                stage.pool(&json!({"minReplicas": MANY, "maxReplicas": MANY})).await;
                Some(Operator::start(&stage.ns.name).await)
            }
            false => None,
        };
        stage.client.publish(plan).await;
        thirty(&stage, operator.is_some()).await;
        let log = operator.as_ref().map(Operator::log).unwrap_or_default();
        // Nobody scales any more, and nothing is fetched any more: what is left is left in the queue.
        drop(operator);
        let remaining = remaining(&stage).await;
        let records = stage.client.records().await;
        let history = follow.history();
        let verdict = Verdict::of(&records, &history.alive());
        let left: BTreeSet<u32> = remaining.iter().map(|(number, _)| *number).collect();
        let ended: BTreeSet<u32> = records.ended.iter().map(|end| end.number).collect();
        let numbers = records.submitted.iter().map(|task| task.number);
        let lost: Vec<_> = numbers
            .filter(|number| !left.contains(number) && !ended.contains(number))
            .collect();
        let what = if pool {
            "the pool's largest size, down and up"
        } else {
            "kubectl scale, down and up"
        };
        let row = json!({
            "what": what, "broker": "quorum", "acks": "late", "delivery_limit": 3, "scale_downs": history.downs(),
            "submitted": verdict.submitted, "finished": ended.len(), "remaining": left.len(), "lost": lost.len(),
            "interrupted": verdict.interrupted, "rerun": verdict.rerun, "redelivered": verdict.redelivered,
            "returned": remaining.iter().filter(|(_, times)| *times > 0).count(),
            "most_returns": remaining.iter().map(|(_, times)| *times).max().unwrap_or(0),
        });
        let outcome = Outcome {
            variant: stage.variant.clone(),
            pod_seconds: history.pod_seconds(clock()),
            verdict,
            history,
            stranded: vec![],
        };
        report::keep("limit", &outcome, &log);
        report::row("contrast", row.clone());
        row
    })
    .await;
    let head = [
        "what",
        "scale_downs",
        "submitted",
        "finished",
        "remaining",
        "lost",
        "interrupted",
        "redelivered",
        "returned",
        "most_returns",
    ];
    let variants = rows.iter().map(|row| head.map(|key| row[key].to_string()));
    println!(
        "{}",
        report::table("Thirty scale-downs, delivery limit 3", head, variants)
    );
    assert!(failed.is_empty(), "{failed:?}");
}

/// Down and up, thirty times.
async fn thirty(stage: &RunStage, pool: bool) {
    for round in 0..number("TWP_ROUNDS", 30) {
        size(stage, pool, MANY).await;
        // All of them fetch, and have what they hold back.
        wait(stage, "all workers hold tasks", |snapshot| {
            let holding = |held: u32| held >= stage.variant.slots;
            let workers = snapshot.workers.iter().filter_map(|worker| worker.said.as_ref());
            workers.filter(|said| holding(said.held())).count() == MANY as usize
        })
        .await;
        size(stage, pool, FEW).await;
        wait(stage, "few workers are left", |snapshot| {
            snapshot.replicas == FEW && snapshot.workers.len() == FEW as usize
        })
        .await;
        println!("{}: {} scale-downs", stage.ns.name, round + 1);
    }
}

async fn size(stage: &RunStage, pool: bool, replicas: i32) {
    if pool {
        let size = json!({"minReplicas": replicas, "maxReplicas": replicas});
        stage.ns.change_pool("w", size).await;
    } else {
        stage.scale(replicas).await;
    }
}

async fn wait(stage: &RunStage, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    eventually(what, PATIENCE, async || {
        let snapshot = stage.snapshot().await;
        if holds(&snapshot) {
            Ok(())
        } else {
            Err(format!("{snapshot:?}"))
        }
    })
    .await;
}

/// Has all workers stop fetching and work off what they hold: what is left in the queue, and how often each was returned.
async fn remaining(stage: &RunStage) -> Vec<(u32, u32)> {
    let end = Instant::now() + PATIENCE;
    loop {
        let _done = stage.call("cancel", json!({})).await;
        sleep(Duration::from_secs(2)).await;
        let snapshot = stage.snapshot().await;
        let empty = |said: &crate::interrupt::proof::snapshot::Said| said.queues.is_empty() && said.held() == 0;
        if snapshot
            .workers
            .iter()
            .all(|worker| worker.said.as_ref().is_some_and(empty))
        {
            break;
        }
        assert!(Instant::now() < end, "the workers still hold tasks: {snapshot:?}");
    }
    serde_json::from_value(stage.call("remaining", json!({})).await).expect("numbers and counts")
}
