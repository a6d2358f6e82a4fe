//! Three waves of 140 tasks of half a minute: the very load that KEDA was measured with, cell by cell.

use serde_json::{Value, json};

use super::{each, plan, pool, report};
use crate::{
    interrupt::proof::{
        cell::{Acks::*, Broker::*, Cell},
        run::{Outcome, Until, with_pool},
    },
    support::figures,
};

/// RabbitMQ with the management API, as KEDA had it, and without.
fn cells() -> Vec<(Cell, Value)> {
    vec![
        (Cell::new(Redis, Late), plan(3, 420)),
        (Cell::new(Redis, Early), plan(3, 420)),
        (Cell::new(Classic, Late).with_management(), plan(3, 420)),
        (Cell::new(Classic, Early).with_management(), plan(3, 420)),
        (Cell::new(Quorum, Late).with_management(), plan(3, 420)),
        (Cell::new(Quorum, Early).with_management(), plan(2, 280)),
        (Cell::new(Classic, Late), plan(2, 280)),
        (Cell::new(Quorum, Late).with_limit(3), plan(3, 420)),
        (Cell::new(Redis, Late).with_prefetch(1), plan(1, 100)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn waves() {
    let cells = cells();
    report::assert_distinct(cells.iter().map(|(cell, _)| cell.name()));
    let (outcomes, failed) = each(cells, async |cell, plan| {
        let pool = pool(json!({"minReplicas": 0, "target": {"waitSeconds": 60}}));
        let (outcome, log) = with_pool(cell, &pool, plan, Until::waves()).await;
        report::keep("waves", &outcome, &log);
        report::row("waves", report::wave(&outcome));
        outcome
    })
    .await;
    report::stranded();
    let short = outcomes.iter().map(|Outcome { cell, verdict, pod_seconds, .. }| {
        json!({
            "cell": cell.name(), "broker": cell.broker.name(), "acks": cell.acks.name(), "finished": verdict.finished,
            "interrupted": verdict.interrupted, "twice": verdict.rerun, "pod_seconds": pod_seconds.round(),
        })
    });
    figures::record_in("real", "waves", short.collect::<Value>());
    println!(
        "{}",
        report::waves("Waves of tasks of half a minute (ours / KEDA's)", &outcomes)
    );
    assert!(failed.is_empty(), "{failed:?}");
}
