//! Ten thousand tasks of a second or two, some of them much longer, in bursts: the pool goes up and down with each.

use serde_json::{Value, json};

use super::{each, number, pool, report};
use crate::interrupt::proof::{
    run::{Until, with_pool},
    variant::{Acks::*, Broker::*, Variant},
};
use std::time::Duration;

/// Both brokers, both moments of acknowledgement, Celery's prefetch and none. Slots cost nothing where tasks sleep;
/// processes do, so one variant alone has them.
fn variants() -> Vec<Variant> {
    let threads = |broker, acks| Variant::new(broker, acks).with_threads(16);
    vec![
        threads(Redis, Late),
        threads(Classic, Early),
        Variant::new(Quorum, Late).with_slots(8),
        threads(Redis, Early),
        threads(Redis, Late).with_prefetch(1),
        threads(Classic, Early).with_prefetch(1),
        threads(Quorum, Late).with_prefetch(1),
        threads(Redis, Early).with_prefetch(1),
    ]
}

/// Bursts of 830 tasks that would keep 8 workers busy for the time that tasks may wait, and lulls long enough for all of
/// them to go: at least three scale-downs each.
fn burst() -> Value {
    let tasks = number("TWP_TASKS", 10_000);
    let bursts = (tasks / 830).max(1);
    json!({
        "plan": "bursts", "tasks": tasks, "bursts": bursts, "every": 80, "within": 12, "median": 1.2, "sigma": 1.1,
        "longest": 120,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands() {
    let variants = variants().into_iter().map(|variant| (variant, burst())).collect();
    let (outcomes, failed) = each(variants, async |variant, plan| {
        let pool = pool(json!({"target": {"waitSeconds": 15}, "scaleDown": {"idleSeconds": 0}}));
        let until = Until {
            limit: Duration::from_secs(3000),
            ..Until::waves()
        };
        let (outcome, log) = with_pool(variant, &pool, plan, until).await;
        report::keep("thousands", &outcome, &log);
        let mut row = outcome.figures();
        row["tasks"] = json!(outcome.verdict.submitted);
        report::row("runs", row);
        outcome
    })
    .await;
    report::stranded();
    println!("{}", report::waves("Thousands of tasks in bursts", &outcomes));
    assert!(failed.is_empty(), "{failed:?}");
}
