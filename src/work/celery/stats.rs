//! How many tasks a worker runs at a time, by its answer to remote control's `stats`: an object with much else in it.
//!
//! `pool.max-concurrency` is the size the pool began with, in every kind of pool. `pool.processes` (one for each slot;
//! not every kind has them) grows beyond it by `pool_grow`. With `--autoscale` the pool begins with the fewest, and
//! `autoscaler.max` is what it grows to when there is work. The largest of these is meant.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, de::IgnoredAny};

use super::wire;
use crate::work::Signal;

/// More than `worker.concurrency` may be is nobody's word.
const MOST: usize = 10_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stats {
    pool: Pool,
    autoscaler: Autoscaler,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pool {
    #[serde(rename = "max-concurrency")]
    max_concurrency: usize,
    processes: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Autoscaler {
    max: usize,
}

impl Stats {
    fn slots(&self) -> Option<u32> {
        let slots = self.pool.max_concurrency.max(self.pool.processes.len());
        let slots = slots.max(self.autoscaler.max);
        (1..=MOST).contains(&slots).then(|| u32::try_from(slots).ok())?
    }
}

/// What an answer's body says; `None`: it is no such answer.
pub(super) fn signals(body: &[u8]) -> Option<Vec<Signal>> {
    let answers: BTreeMap<Cow<str>, Stats> = serde_json::from_slice(body).ok()?;
    let told = answers.into_iter().filter_map(|(node, stats)| {
        let slots = stats.slots().filter(|_| wire::is_node_name(&node))?;
        let node = node.into_owned();
        Some(Signal::Slots { node, slots })
    });
    Some(told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Celery 5.7 answers, shortened.
    const PREFORK: &str = r#"{"celery@w1":{"total":{"nap":4},"pid":11,"clock":"7","uptime":20,
        "pool":{"implementation":"celery.concurrency.prefork:TaskPool","max-concurrency":3,"processes":[21,22,23],
         "max-tasks-per-child":"N/A","put-guarded-by-semaphore":false,"timeouts":[0,0],
         "writes":{"total":4,"avg":"0.25","all":"0.25","raw":"1, 1, 2","strategy":"fair","inqueues":{"total":3,"active":0}}},
        "broker":{"hostname":"redis","userid":null,"transport_options":{}},"prefetch_count":12,"rusage":{"utime":0.5}}}"#;

    fn slots(body: &str) -> Option<u32> {
        match signals(body.as_bytes()).unwrap_or_default().as_slice() {
            [Signal::Slots { node, slots }] if node == "celery@w1" => Some(*slots),
            _ => None,
        }
    }

    #[test]
    fn every_kind_of_pool_tells() {
        let of = |stats: &str| slots(&format!(r#"{{"celery@w1":{stats}}}"#));
        assert_eq!(slots(PREFORK), Some(3));
        assert_eq!(of(r#"{"pool":{"max-concurrency":4,"threads":0}}"#), Some(4));
        assert_eq!(
            of(r#"{"pool":{"max-concurrency":1,"processes":[1,2,3]}}"#),
            Some(3),
            "grown"
        );
        let scaled =
            r#"{"pool":{"max-concurrency":2,"processes":[1,2]},"autoscaler":{"max":8,"min":2,"current":2,"qty":0}}"#;
        assert_eq!(of(scaled), Some(8));
    }

    #[test]
    fn anything_else_says_nothing() {
        for stats in [
            "{}",
            "null",
            "[]",
            r#""N/A""#,
            r#"{"error":"KeyError('stats')"}"#,
            r#"{"pool":"N/A"}"#,
            r#"{"pool":{}}"#,
            r#"{"pool":{"max-concurrency":0}}"#,
            r#"{"pool":{"max-concurrency":-3}}"#,
            r#"{"pool":{"max-concurrency":2.5}}"#,
            r#"{"pool":{"max-concurrency":"3"}}"#,
            r#"{"pool":{"max-concurrency":10001}}"#,
            r#"{"pool":{"max-concurrency":99999999999999999999999}}"#,
        ] {
            assert_eq!(slots(&format!(r#"{{"celery@w1":{stats}}}"#)), None, "{stats}");
        }
        for body in ["", "[]", "3", r#"{"w\n1":{"pool":{"max-concurrency":3}}}"#] {
            assert_eq!(signals(body.as_bytes()).unwrap_or_default(), vec![], "{body}");
        }
    }
}
