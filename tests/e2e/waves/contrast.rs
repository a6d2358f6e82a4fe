//! The waves without a pool that acts: the operator only observes, and the number that it would write is set as people set
//! it. The replicas are the same; what is missing is that someone chooses who goes, and when.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{each, plan, pool, report};
use crate::{
    interrupt::proof::{
        history::Follow,
        run::{Outcome, Until, run},
        stage::RunStage,
        variant::{Acks::*, Broker::*, Variant},
    },
    support::operator::Operator,
};

const WHAT: &str = "the same replicas by kubectl scale";

#[tokio::test(flavor = "multi_thread")]
async fn contrast() {
    let variants = vec![
        (Variant::new(Redis, Late), plan(3, 420)),
        (Variant::new(Classic, Late).with_management(), plan(3, 420)),
        (Variant::new(Quorum, Early).with_management(), plan(2, 280)),
    ];
    let (outcomes, failed) = each(variants, async |variant, plan| {
        let stage = RunStage::new(variant).await;
        let follow = Follow::new(&stage.ns);
        let spec = json!({"minReplicas": 0, "target": {"waitSeconds": 60}, "mode": "Observe"});
        stage.pool(&pool(spec)).await;
        let operator = Operator::start(&stage.ns.name).await;
        let outcome = tokio::select! {
            outcome = run(&stage, &follow, plan, Until::waves()) => outcome,
            never = obey(&stage) => never,
        };
        report::keep("contrast", &outcome, &operator.log());
        let mut row = report::wave(&outcome);
        row["what"] = json!(WHAT);
        report::row("contrast", row);
        outcome
    })
    .await;
    println!("{}", report::waves(&format!("Waves, {WHAT} (/ KEDA's)"), &outcomes));
    assert!(failed.is_empty(), "{failed:?}");
}

/// Sets the replicas that the pool speaks of, for ever.
async fn obey(stage: &RunStage) -> Outcome {
    loop {
        let status = stage.ns.pool("w").await.ok().and_then(|pool| pool.status);
        let wished = status.and_then(|status| status.desired_replicas);
        let replicas = stage.ns.replicas("w").await.ok();
        match wished {
            Some(wished) if wished != replicas.unwrap_or(wished) => stage.scale(wished).await,
            _ => sleep(Duration::from_millis(500)).await,
        }
    }
}
