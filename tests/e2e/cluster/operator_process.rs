//! The operator's own life: killed, ended, cut off, short of rights.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{operator::Operator, stage::Stage};

#[tokio::test]
async fn killed_in_the_middle_of_a_scale_up_and_started_again_it_ends_up_the_same() {
    let stage = Stage::redis("killed").await;
    for pool in ["a", "b", "c", "d", "e"] {
        stage.workers(pool, 0).await;
        stage.pool(pool, json!({})).await;
    }
    let mut first = Operator::start(&stage.ns.name).await;
    for pool in ["a", "b", "c", "d", "e"] {
        stage.ns.wait_working(pool).await;
    }
    stage.publish(30).await;
    // As soon as the first has its number: others may be under way.
    stage.ns.wait_replicas("a", 3).await;
    first.kill();
    stage.publish(10).await;
    let _second = Operator::start(&stage.ns.name).await;
    for pool in ["a", "b", "c", "d", "e"] {
        stage.ns.wait_replicas(pool, 4).await;
    }
}

#[tokio::test]
async fn sigterm_ends_it_cleanly_within_five_seconds() {
    let stage = Stage::redis("sigterm").await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({})).await;
    let mut operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    let asked = Instant::now();
    let status = operator.stop().await;
    assert!(status.success(), "{status}");
    // The one time that is promised: after it the kubelet's patience may be short.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(operator.log().contains("ended"), "{}", operator.log());
}
