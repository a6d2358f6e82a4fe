//! The short version of the long runs: a few hundred tasks on each kind of broker, and a pool that goes up and down with
//! them. Every task must run once, from its start to its end.

use std::time::Duration;

use serde_json::json;

use crate::{
    interrupt::proof::{
        run::{Until, with_pool},
        variant::{Acks, Broker, Variant},
    },
    support::figures,
};

const DOWNS: usize = 3;

#[tokio::test]
async fn redis_late_processes() {
    every_task_runs_once(Variant::new(Broker::Redis, Acks::Late)).await;
}

#[tokio::test]
async fn classic_early_threads() {
    every_task_runs_once(Variant::new(Broker::Classic, Acks::Early).with_threads(2)).await;
}

#[tokio::test]
async fn quorum_late_processes() {
    every_task_runs_once(Variant::new(Broker::Quorum, Acks::Late).with_limit(3)).await;
}

async fn every_task_runs_once(variant: Variant) {
    // A few dozen seconds of work for a handful of workers, then nothing: with some long tasks that hold workers on.
    let plan = json!({
        "plan": "bursts", "bursts": 4, "tasks": 400, "every": 40, "within": 8, "median": 0.8, "sigma": 1.1, "longest": 25,
    });
    let pool = json!({"maxReplicas": 5, "target": {"waitSeconds": 15}, "scaleDown": {"idleSeconds": 0}});
    let until = Until {
        quiet: Duration::from_secs(60),
        limit: Duration::from_secs(240),
        tail: Duration::from_secs(15),
    };
    let (name, broker) = (variant.name(), variant.broker);
    let (outcome, log) = with_pool(variant, &pool, plan, until).await;
    println!(
        "{name}: {}\n{}\n{}",
        outcome.verdict.short(),
        outcome.figures(),
        outcome.replicas()
    );
    figures::record_in("interrupt", &format!("short.{name}"), outcome.figures());
    assert!(outcome.verdict.is_clean(), "{}\n{log}", outcome.verdict.short());
    // What a worker gives back when it is told to end was fetched by one that should have been emptied first: 8 tasks, or
    // as many as it holds. What is on its way to a worker in the moment in which it is told to fetch no more is given back,
    // too, without ever reaching it: by kombu on Redis (a fetch lasts a second), by a quorum queue itself.
    let allowed = match broker {
        Broker::Classic => 0,
        Broker::Redis | Broker::Quorum => outcome.history.downs(),
    };
    let redelivered = outcome.verdict.redelivered;
    assert!(redelivered <= allowed, "{}\n{log}", outcome.verdict.short());
    assert!(outcome.stranded.is_empty(), "stranded: {:?}\n{log}", outcome.stranded);
    assert!(outcome.history.downs() >= DOWNS, "{}\n{log}", outcome.replicas());
    assert_eq!(outcome.history.sigkilled(), 0, "{:?}", outcome.history.pods);
}
