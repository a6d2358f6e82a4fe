//! Properties of a worker, from its answer to remote control's `stats`: an object with many other fields.
//!
//! * *How many tasks it runs at a time*: `pool.max-concurrency` is the size the pool began with, in every kind of pool.
//!   `pool.processes` (one for each slot; not every kind has them) grows beyond it by `pool_grow`. With `--autoscale` the
//!   pool begins with the fewest, and `autoscaler.max` is what it grows to when there is work. The largest of these is meant.
//! * *Whether it runs tasks itself*, and says nothing meanwhile: `pool.implementation` is `celery.concurrency.solo:TaskPool`.
//! * *How many tasks it has taken on*: the sum of `total`, by task name.
//! * *How many messages it may hold unacknowledged*: `prefetch_count`; 0 is no limit. It is `worker_prefetch_multiplier` for each slot,
//!   and one more for each task with an ETA that it holds.
//! * *How its application uses the broker*: `broker.transport_options`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};

use super::{
    BrokerOptions,
    lenient::Lenient,
    wire,
    workers::{Stats, WorkerSignal},
};
use crate::model::Moment;

/// Largest number of slots: `worker.concurrency` may not be larger.
const MOST: usize = 10_000;

/// Largest number of priority steps.
const MOST_STEPS: usize = 256;

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatsAnswer {
    pool: PoolStats,
    autoscaler: Autoscaler,
    total: Total,
    broker: BrokerStats,
    prefetch_count: Lenient<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolStats {
    implementation: Lenient<String>,
    #[serde(rename = "max-concurrency")]
    max_concurrency: usize,
    processes: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Autoscaler {
    max: usize,
}

/// Sum of the counters of all task names; an answer without them has no sum.
#[derive(Default)]
struct Total(Option<u64>);

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TotalVisitor)
    }
}

struct TotalVisitor;

impl<'de> de::Visitor<'de> for TotalVisitor {
    type Value = Total;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counters by name")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Total, A::Error> {
        let mut sum = 0_u64;
        while let Some((_, count)) = map.next_entry::<IgnoredAny, u64>()? {
            sum = sum.saturating_add(count);
        }
        Ok(Total(Some(sum)))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Total, E> {
        Ok(Total(None))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BrokerStats {
    transport_options: TransportOptions,
}

/// Fields of `broker_transport_options`. A field of another form than kombu accepts counts as missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TransportOptions {
    priority_steps: Lenient<Vec<u8>>,
    sep: Lenient<String>,
}

impl StatsAnswer {
    fn stats(self) -> Option<Stats> {
        // An answer without any of it is an error.
        let slots = self.slots()?;
        let pool = self.pool.implementation.0.unwrap_or_default();
        let options = self.broker.transport_options;
        Some(Stats {
            slots: Some(slots),
            processed: self.total.0,
            solo: pool.starts_with("celery.concurrency.solo:"),
            prefetch: self.prefetch_count.0,
            application: BrokerOptions {
                priority_steps: options.priority_steps.0.filter(|steps| steps.len() <= MOST_STEPS),
                separator: options.sep.0.filter(|sep| (1..=16).contains(&sep.len())),
            },
        })
    }

    fn slots(&self) -> Option<u32> {
        let slots = self.pool.max_concurrency.max(self.pool.processes.len());
        let slots = slots.max(self.autoscaler.max);
        (1..=MOST).contains(&slots).then(|| u32::try_from(slots).ok())?
    }
}

/// Content of an answer's body; `None`: it is no such answer.
pub(super) fn signal(body: &[u8], asked: Moment) -> Option<WorkerSignal> {
    let (node, answer) = wire::answer_of_one::<StatsAnswer>(body)?;
    let stats = answer.stats()?;
    Some(WorkerSignal::Stats { node, stats, asked })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of Celery 5.7, shortened.
    const PREFORK: &str = r#"{"celery@w1":{"total":{"nap":4},"pid":11,"clock":"7","uptime":20,
        "pool":{"implementation":"celery.concurrency.prefork:TaskPool","max-concurrency":3,"processes":[21,22,23],
         "max-tasks-per-child":"N/A","put-guarded-by-semaphore":false,"timeouts":[0,0],
         "writes":{"total":4,"avg":"0.25","all":"0.25","raw":"1, 1, 2","strategy":"fair","inqueues":{"total":3,"active":0}}},
        "broker":{"hostname":"redis","userid":null,"transport_options":{}},"prefetch_count":12,"rusage":{"utime":0.5}}}"#;

    fn slots(body: &str) -> Option<u32> {
        told(body)?.slots
    }

    fn told(body: &str) -> Option<Stats> {
        match signal(body.as_bytes(), Moment::ZERO)? {
            WorkerSignal::Stats { node, stats, .. } if node == "celery@w1" => Some(stats),
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
    fn what_a_worker_has_taken_on_and_how_its_application_uses_the_broker_is_told() {
        let stats = told(PREFORK).unwrap();
        assert_eq!(
            (stats.processed, stats.prefetch, stats.application),
            (Some(4), Some(12), BrokerOptions::default())
        );
        let unlimited = PREFORK.replace(r#""prefetch_count":12"#, r#""prefetch_count":0"#);
        assert_eq!(told(&unlimited).unwrap().prefetch, Some(0));
        for none in ["null", "-1", "1.5", r#""12""#, "99999999999"] {
            let body = PREFORK.replace(r#""prefetch_count":12"#, &format!(r#""prefetch_count":{none}"#));
            assert_eq!(told(&body).unwrap().prefetch, None, "{none}");
        }
        assert!(!stats.solo && told(&PREFORK.replace("prefork", "solo")).unwrap().solo);
        let of = |broker: &str| {
            let body = format!(
                r#"{{"celery@w1":{{"pool":{{"max-concurrency":1}},"total":{{"a":2,"b":3}},"broker":{broker}}}}}"#
            );
            told(&body).map(|stats| {
                (
                    stats.processed,
                    stats.application.priority_steps,
                    stats.application.separator,
                )
            })
        };
        assert_eq!(
            of(r#"{"transport_options":{"sep":":","priority_steps":[0,1,2],"queue_order_strategy":"priority"}}"#),
            Some((Some(5), Some(vec![0, 1, 2]), Some(":".into())))
        );
        assert_eq!(
            of(r#"{"transport_options":{"sep":7,"priority_steps":"all"}}"#),
            Some((Some(5), None, None))
        );
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
            assert_eq!(signal(body.as_bytes(), Moment::ZERO), None, "{body}");
        }
    }
}
