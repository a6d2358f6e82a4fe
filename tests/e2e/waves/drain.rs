//! From ten workers to the four that are needed: on the machine as it is, and with four busy loops on it, one after the
//! other in one run.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    interrupt::proof::{
        stage::RunStage,
        variant::{Acks::*, Broker::*, Variant},
    },
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::Operator,
    },
};

const WORKERS: i32 = 10;
const NEEDED: usize = 4;
const LOOPS: usize = 4;
/// A task is longer than all of it.
const LENGTH: u32 = 600;
/// No drain takes so long, whatever the machine does.
const FOR_EVER: Duration = Duration::from_secs(300);

/// Processes that do nothing, as fast as they can.
struct Loops(Vec<Child>);

impl Loops {
    fn start(count: usize) -> Self {
        let busy = || {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .expect("a loop")
        };
        Self((0..count).map(|_| busy()).collect())
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _gone = child.kill();
            let _ended = child.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drain() {
    let idle = drained(0).await;
    let busy = drained(LOOPS).await;
    let seconds = |took: Duration| (took.as_secs_f64() * 10.0).round() / 10.0;
    let ratio = (busy.0.as_secs_f64() / idle.0.as_secs_f64() * 100.0).round() / 100.0;
    println!("from {WORKERS} to {NEEDED} workers: {idle:?} on the machine as it is, {busy:?} beside {LOOPS} loops");
    let drain = json!({
        "idle_seconds": seconds(idle.0), "loops_seconds": seconds(busy.0), "ratio": ratio, "said_beside_loops": busy.1,
    });
    figures::record_in("real", "drain", drain);
    assert!(idle.0.max(busy.0) < FOR_EVER, "it ends");
    assert!(
        ratio <= 3.0 || !busy.1.is_empty(),
        "it takes {ratio} times as long, and nobody says why"
    );
}

/// How long it takes, and what `WorkersKnown` said meanwhile, where it was not True.
async fn drained(loops: usize) -> (Duration, Vec<String>) {
    let stage = RunStage::new(Variant::new(Quorum, Late).with_slots(1).with_prefetch(1)).await;
    let spec = json!({"minReplicas": WORKERS, "target": {"backlogPerReplica": 1}, "worker": {"concurrency": 1},
        "scaleDown": {"idleSeconds": 5}});
    stage.pool(&spec).await;
    let _operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_replicas("w", WORKERS).await;
    stage.ns.wait_ready("w").await;
    let plan =
        json!({"plan": "steady", "tasks": NEEDED, "every": 0, "shortest": LENGTH, "longest": LENGTH, "first": NEEDED});
    stage.client.publish(plan).await;
    eventually("the long tasks run", PATIENCE, async || {
        match stage.client.count("started").await {
            NEEDED => Ok(()),
            seen => Err(format!("{seen} of them")),
        }
    })
    .await;
    let _loops = Loops::start(loops);
    // All workers have been heard, and what they run is known.
    stage.ns.wait_condition("w", "WorkersKnown", "True", "AllKnown").await;
    let (begin, mut said) = (Instant::now(), Vec::new());
    stage.ns.change_pool("w", json!({"minReplicas": 0})).await;
    while begin.elapsed() < FOR_EVER && stage.ns.replicas("w").await != Ok(NEEDED as i32) {
        let status = stage.ns.pool("w").await.ok().and_then(|pool| pool.status);
        let known = status.into_iter().flat_map(|status| status.conditions);
        let known = known.filter(|condition| condition.kind == "WorkersKnown" && condition.reason != "AllKnown");
        for condition in known {
            if said.last() != Some(&condition.reason) {
                said.push(condition.reason);
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    (begin.elapsed(), said)
}
