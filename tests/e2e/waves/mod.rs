//! Measurements of scaling down without an interruption: long runs of real Celery workers under the operator beside KEDA's
//! figures on the same load, and what plain scaling does. `make bench-waves` runs them (two hours on two cores); what must
//! always hold is in `tests/e2e/interrupt`.
//!
//! | file | concept |
//! |---|---|
//! | `three_waves.rs` | three waves of tasks of half a minute, as KEDA was measured with |
//! | `thousands.rs` | ten thousand short tasks in bursts, through dozens of scale-downs |
//! | `contrast.rs` | the waves again: the same numbers of replicas, but nobody chooses who goes |
//! | `limit.rs` | thirty scale-downs beside a delivery limit, with and without the operator |
//! | `drain.rs` | from ten workers to four, on the machine as it is and beside four busy loops |
//! | `keda.rs` | KEDA's figures |
//! | `report.rs` | the tables, and `target/figures/interrupt.json` |
//!
//! Variables: `TWP_VARIANTS=redis-late,quorum-early` runs these variants only; `TWP_POOL='{"profile": "Economy"}'` goes over the
//! pools' specs; `TWP_AT_ONCE=2` runs so many at once; `TWP_TASKS=2000` shortens the thousands.

mod contrast;
mod drain;
mod keda;
mod limit;
mod report;
mod thousands;
mod three_waves;

use std::{env, future::Future, time::Duration};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};

use crate::{interrupt::proof::variant::Variant, support::pods::merge};

/// Runs begin so long after one another: workers that start at the same time slow each other down.
const STAGGER: Duration = Duration::from_secs(34);

/// What the pools of a measurement differ in, with `TWP_POOL` over it.
pub fn pool(usual: Value) -> Value {
    let mut pool = usual;
    let changes = env::var("TWP_POOL").unwrap_or_else(|_| "{}".to_owned());
    merge(&mut pool, &serde_json::from_str(&changes).expect("TWP_POOL is JSON"));
    pool
}

/// A number from the environment.
pub fn number(variable: &str, usual: usize) -> usize {
    let set = env::var(variable).ok();
    set.map_or(usual, |set| {
        set.parse().unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// Runs variants, a few at a time, in their order. One that fails says why and does not stop the others: the second value
/// names such variants.
pub async fn each<F, T>(variants: Vec<(Variant, Value)>, run: impl Fn(Variant, Value) -> F) -> (Vec<T>, Vec<String>)
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let wished = env::var("TWP_VARIANTS").ok();
    let wished: Option<Vec<_>> = wished.as_ref().map(|names| names.split(',').collect());
    let asked = |variant: &Variant| {
        wished
            .as_ref()
            .is_none_or(|names| names.contains(&variant.name().as_str()))
    };
    let variants: Vec<_> = variants.into_iter().filter(|(variant, _)| asked(variant)).collect();
    let at_once = number("TWP_AT_ONCE", 4);
    let runs = variants.into_iter().enumerate().map(|(place, (variant, plan))| {
        let name = variant.name();
        let running = run(variant, plan);
        async move {
            // The later ones begin when an earlier one ends, which staggers them by itself.
            tokio::time::sleep(STAGGER * if place < at_once { place as u32 } else { 0 }).await;
            println!("{name}: begins");
            match spawn_local(running).await {
                Ok(outcome) => Ok(outcome),
                Err(failed) => {
                    println!("{name}: failed: {failed}");
                    Err(name)
                }
            }
        }
    });
    // On this thread: a run only waits. As tasks of their own, so that a panic ends one run and no other.
    let all = stream::iter(runs).buffered(at_once).collect::<Vec<_>>();
    let outcomes = LocalSet::new().run_until(all).await;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => done.push(outcome),
            Err(name) => failed.push(name),
        }
    }
    (done, failed)
}

/// The plan of the waves.
pub fn plan(waves: u32, tasks: u32) -> Value {
    json!({"plan": "waves", "waves": waves, "tasks": tasks})
}
