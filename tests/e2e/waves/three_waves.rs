//! Three waves of 140 tasks of half a minute: the very load that KEDA was measured with, variant by variant.

use serde_json::{Value, json};

use super::{each, plan, pool, report};
use crate::{
    interrupt::proof::{
        run::{Outcome, Until, with_pool},
        variant::{Acks::*, Broker::*, Variant},
    },
    support::figures,
};

/// RabbitMQ with the management API, as KEDA had it, and without.
fn variants() -> Vec<(Variant, Value)> {
    vec![
        (Variant::new(Redis, Late), plan(3, 420)),
        (Variant::new(Redis, Early), plan(3, 420)),
        (Variant::new(Classic, Late).with_management(), plan(3, 420)),
        (Variant::new(Classic, Early).with_management(), plan(3, 420)),
        (Variant::new(Quorum, Late).with_management(), plan(3, 420)),
        (Variant::new(Quorum, Early).with_management(), plan(2, 280)),
        (Variant::new(Classic, Late), plan(2, 280)),
        (Variant::new(Quorum, Late).with_limit(3), plan(3, 420)),
        (Variant::new(Redis, Late).with_prefetch(1), plan(1, 100)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn waves() {
    let variants = variants();
    report::assert_distinct(variants.iter().map(|(variant, _)| variant.name()));
    let (outcomes, failed) = each(variants, async |variant, plan| {
        let pool = pool(json!({"minReplicas": 0, "target": {"waitSeconds": 60}}));
        let (outcome, log) = with_pool(variant, &pool, plan, Until::waves()).await;
        report::keep("waves", &outcome, &log);
        report::row("waves", report::wave(&outcome));
        outcome
    })
    .await;
    report::stranded();
    let short = outcomes.iter().map(|Outcome { variant, verdict, pod_seconds, .. }| {
        json!({
            "cell": variant.name(), "broker": variant.broker.name(), "acks": variant.acks.name(), "finished": verdict.finished,
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
