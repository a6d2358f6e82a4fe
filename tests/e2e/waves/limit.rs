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
        cell::{Acks::*, Broker::*, Cell},
        course::Follow,
        field::Field,
        run::Outcome,
        scene::Scene,
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
    let cell = || Cell::new(Quorum, Late).with_limit(3);
    // A backlog that never ends.
    let plan = json!({"plan": "steady", "every": 0, "tasks": number("TWP_TASKS", 6000), "shortest": 3, "longest": 6});
    let cells = vec![(cell(), plan.clone()), (cell().with_management(), plan)];
    let (rows, failed) = each(cells, async |cell, plan| {
        // Two cells of one kind; the one that knows the management API is the pool's.
        let pool = cell.management;
        let field = Field::new(cell).await;
        let follow = Follow::new(&field.ns);
        let operator = match pool {
            true => {
                field.pool(&json!({"minReplicas": MANY, "maxReplicas": MANY})).await;
                Some(Operator::start(&field.ns.name).await)
            }
            false => None,
        };
        field.desk.publish(plan).await;
        thirty(&field, operator.is_some()).await;
        let log = operator.as_ref().map(Operator::log).unwrap_or_default();
        // Nobody scales any more, and nothing is fetched any more: what is left is left in the queue.
        drop(operator);
        let remaining = remaining(&field).await;
        let records = field.desk.records().await;
        let course = follow.course();
        let verdict = Verdict::of(&records, &course.alive());
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
            "what": what, "broker": "quorum", "acks": "late", "delivery_limit": 3, "scale_downs": course.downs(),
            "submitted": verdict.submitted, "finished": ended.len(), "remaining": left.len(), "lost": lost.len(),
            "interrupted": verdict.interrupted, "rerun": verdict.rerun, "redelivered": verdict.redelivered,
            "returned": remaining.iter().filter(|(_, times)| *times > 0).count(),
            "most_returns": remaining.iter().map(|(_, times)| *times).max().unwrap_or(0),
        });
        let outcome = Outcome {
            cell: field.cell.clone(),
            pod_seconds: course.pod_seconds(clock()),
            verdict,
            course,
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
    let cells = rows.iter().map(|row| head.map(|key| row[key].to_string()));
    println!("{}", report::table("Thirty scale-downs, delivery limit 3", head, cells));
    assert!(failed.is_empty(), "{failed:?}");
}

/// Down and up, thirty times.
async fn thirty(field: &Field, pool: bool) {
    for round in 0..number("TWP_ROUNDS", 30) {
        size(field, pool, MANY).await;
        // All of them fetch, and have what they hold back.
        wait(field, "all workers hold tasks", |scene| {
            let holding = |held: u32| held >= field.cell.slots;
            let workers = scene.workers.iter().filter_map(|worker| worker.said.as_ref());
            workers.filter(|said| holding(said.held())).count() == MANY as usize
        })
        .await;
        size(field, pool, FEW).await;
        wait(field, "few workers are left", |scene| {
            scene.replicas == FEW && scene.workers.len() == FEW as usize
        })
        .await;
        println!("{}: {} scale-downs", field.ns.name, round + 1);
    }
}

async fn size(field: &Field, pool: bool, replicas: i32) {
    if pool {
        let size = json!({"minReplicas": replicas, "maxReplicas": replicas});
        field.ns.change_pool("w", size).await;
    } else {
        field.scale(replicas).await;
    }
}

async fn wait(field: &Field, what: &str, holds: impl Fn(&Scene) -> bool) {
    eventually(what, PATIENCE, async || {
        let scene = field.scene().await;
        if holds(&scene) {
            Ok(())
        } else {
            Err(format!("{scene:?}"))
        }
    })
    .await;
}

/// Has all workers stop fetching and work off what they hold: what is left in the queue, and how often each was returned.
async fn remaining(field: &Field) -> Vec<(u32, u32)> {
    let end = Instant::now() + PATIENCE;
    loop {
        let _done = field.deed("cancel", json!({})).await;
        sleep(Duration::from_secs(2)).await;
        let scene = field.scene().await;
        let empty = |said: &crate::interrupt::proof::scene::Said| said.queues.is_empty() && said.held() == 0;
        if scene
            .workers
            .iter()
            .all(|worker| worker.said.as_ref().is_some_and(empty))
        {
            break;
        }
        assert!(Instant::now() < end, "the workers still hold tasks: {scene:?}");
    }
    serde_json::from_value(field.deed("remaining", json!({})).await).expect("numbers and counts")
}
