//! Numbers of each pool. A pool is one entry of a map, written out when Prometheus asks: when it is forgotten, no
//! series of it is left.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Number of queues of one pool that have a series of their own; the others are added up as `other`.
const QUEUES: usize = 64;

/// Current numbers of one pool. `None` and absent queues are unknown: they have no series, which is not 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolNumbers {
    /// Number of replicas that the operator decided on.
    pub desired: u32,
    /// Number of replicas in the target's `spec.replicas`.
    pub current: u32,
    /// Number of the target's replicas that are ready.
    pub ready: u32,
    /// Number of pods whose workers are told to fetch no more: no series for 0.
    pub draining: u32,
    /// Minimum number of replicas, `spec.minReplicas`: no series for 0.
    pub min: u32,
    /// Maximum number of replicas: `spec.maxReplicas`.
    pub max: u32,
    /// Number of waiting tasks by queue.
    pub queues: Vec<(String, u64)>,
    /// Number of tasks that are delivered and not finished.
    pub in_flight: Option<u64>,
    /// Number of tasks that are not due yet: no series for 0.
    pub scheduled: u64,
    /// Seconds that the oldest waiting task has waited.
    pub oldest_wait: Option<f64>,
    /// Wait target in seconds.
    pub wait_target: Option<f64>,
    /// Share of the tasks of the last hours that started in time, 0 to 1.
    pub in_time: Option<f64>,
    /// Duration of a task in seconds, as learned.
    pub task_seconds: Option<f64>,
    /// Number of tasks that arrive in a second, as learned.
    pub arrivals: Option<f64>,
    /// Whether the broker answered the last sample; `None`: it is not asked.
    pub source_up: Option<bool>,
    /// Whether the number of replicas comes from `spec.fallback`: a series only while it does.
    pub fallback: bool,
    /// Conditions that are not as they should be: type and status (`True`, `False`, `Unknown`).
    pub conditions: Vec<(&'static str, &'static str)>,
}

/// Namespace and name.
type PoolKey = (String, String);
/// Label names and values of one series.
type SeriesLabels<'a> = Vec<(&'static str, &'a str)>;

/// Counter of a pool: its name without `_total`, and its labels.
type CounterKey = (&'static str, Vec<(&'static str, &'static str)>);

/// What is known of one pool: its numbers, once they are, and what was counted.
#[derive(Clone, Debug, Default)]
struct PoolSeries {
    numbers: Option<PoolNumbers>,
    counters: BTreeMap<CounterKey, u64>,
}

/// Numbers and counters of all pools.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolMetrics(Arc<Mutex<BTreeMap<PoolKey, PoolSeries>>>);

/// Counters of the pools, with their help.
pub(super) const COUNTERS: [(&str, &str); 5] = [
    ("twp_source_errors", "Samples that failed, by kind of error"),
    ("twp_scale_events", "Changes of the target's replicas"),
    ("twp_scale_errors", "Writes of the target's replicas that failed"),
    (
        "twp_decisions_held",
        "Decisions that kept the replicas although the work asks for others",
    ),
    (
        "twp_target_overwrites",
        "Times that another manager changed the target's replicas",
    ),
];

impl PoolMetrics {
    /// Replaces a pool's numbers.
    pub(super) fn set(&self, namespace: &str, name: &str, numbers: PoolNumbers) {
        self.with(|pools| {
            let pool = pools.entry((namespace.to_owned(), name.to_owned())).or_default();
            pool.numbers = Some(numbers);
        });
    }

    /// Adds one to a counter of a pool.
    pub(super) fn count(&self, (namespace, name): (&str, &str), counter: CounterKey) {
        self.with(|pools| {
            let pool = pools.entry((namespace.to_owned(), name.to_owned())).or_default();
            *pool.counters.entry(counter).or_default() += 1;
        });
    }

    /// Forgets a pool.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.with(|pools| pools.remove(&(namespace.to_owned(), name.to_owned())));
    }

    /// Access to the map. A panic elsewhere leaves a complete map behind (each change is one insert or remove), so
    /// poison is no harm.
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<PoolKey, PoolSeries>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector for PoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // A copy, so that a slow scrape never holds up the controller.
        let pools = self.with(|pools| pools.clone());
        let mut gauges = Gauges {
            pools: &pools,
            encoder: &mut encoder,
        };
        gauges.number("twp_pool_desired_replicas", "Replicas the operator decided on", |p| {
            p.desired
        })?;
        gauges.number("twp_pool_current_replicas", "Replicas the target is set to", |p| {
            p.current
        })?;
        gauges.number("twp_pool_ready_replicas", "Replicas that are ready", |p| p.ready)?;
        gauges.number("twp_pool_max_replicas", "Upper limit of replicas", |p| p.max)?;
        gauges.maybe(
            "twp_pool_min_replicas",
            "Lower limit of replicas, where it is not 0",
            |p| some(p.min),
        )?;
        gauges.maybe(
            "twp_pool_draining_pods",
            "Pods whose workers are told to fetch no more, while there are any",
            |p| some(p.draining),
        )?;
        gauges.maybe(
            "twp_source_up",
            "1 if the broker answered the last sample; absent while it is not asked",
            |p| p.source_up.map(u32::from),
        )?;
        gauges.maybe(
            "twp_fallback_active",
            "1 while the fallback sets the replicas, else absent",
            |p| some(u32::from(p.fallback)),
        )?;
        gauges.maybe(
            "twp_pool_oldest_wait_seconds",
            "Seconds that the oldest waiting task has waited",
            |p| p.oldest_wait,
        )?;
        gauges.maybe(
            "twp_pool_wait_target_seconds",
            "Wait target of the pool in seconds",
            |p| p.wait_target,
        )?;
        gauges.maybe(
            "twp_pool_tasks_in_time_ratio",
            "Share of the tasks of the last hours that started within the wait target, 0 to 1",
            |p| p.in_time,
        )?;
        gauges.maybe(
            "twp_pool_task_seconds",
            "Duration of a task in seconds, as learned",
            |p| p.task_seconds,
        )?;
        gauges.maybe(
            "twp_pool_arrivals_per_second",
            "Tasks that arrive in a second, as learned",
            |p| p.arrivals,
        )?;
        gauges.maybe("twp_pool_in_flight_tasks", "Tasks delivered and not finished", |p| {
            p.in_flight
        })?;
        gauges.maybe(
            "twp_pool_scheduled_tasks",
            "Tasks that are not due yet, while there are any",
            |p| Some(p.scheduled).filter(|tasks| *tasks > 0),
        )?;
        gauges.write(
            "twp_queue_waiting_tasks",
            "Tasks that wait in the queue and are due",
            |pool| {
                let backlog = backlog(&pool.queues);
                backlog
                    .into_iter()
                    .map(|(queue, tasks)| (vec![("queue", queue)], tasks))
                    .collect()
            },
        )?;
        gauges.write(
            "twp_pool_condition",
            "1 for each condition that is not as it should be, with its status",
            |pool| {
                let conditions = pool.conditions.iter();
                conditions
                    .map(|&(kind, status)| (vec![("type", kind), ("status", status)], 1_u32))
                    .collect()
            },
        )?;
        COUNTERS.iter().try_for_each(|(name, help)| gauges.counter(name, help))
    }
}

/// Small numbers that are not 0.
fn some(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number > 0)
}

/// Writer of gauges and counters, with any number of series for each pool.
struct Gauges<'a, 'e> {
    pools: &'a BTreeMap<PoolKey, PoolSeries>,
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Gauges<'_, '_> {
    /// Writes exactly one series for each pool.
    fn number(&mut self, name: &str, help: &str, value: fn(&PoolNumbers) -> u32) -> fmt::Result {
        self.write(name, help, |pool| vec![(vec![], value(pool))])
    }

    /// Writes at most one series for each pool.
    fn maybe<N>(&mut self, name: &str, help: &str, value: fn(&PoolNumbers) -> Option<N>) -> fmt::Result
    where
        N: EncodeGaugeValue + Copy,
        ConstGauge<N>: EncodeMetric,
    {
        self.write(name, help, |pool| {
            value(pool).map(|value| (vec![], value)).into_iter().collect()
        })
    }

    /// Writes a counter of the pools.
    fn counter(&mut self, name: &'static str, help: &str) -> fmt::Result {
        let help = format!("{help}.");
        let mut metric = self.encoder.encode_descriptor(name, &help, None, MetricType::Counter)?;
        for ((namespace, pool), series) in self.pools {
            for ((_, more), value) in series.counters.iter().filter(|((of, _), _)| *of == name) {
                let mut labels: SeriesLabels<'_> = vec![("namespace", namespace), ("name", pool)];
                labels.extend(more);
                ConstCounter::new(*value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// Writes any number of series for each pool; each with the labels that come after `namespace` and `name`.
    fn write<N, F>(&mut self, name: &str, help: &str, series: F) -> fmt::Result
    where
        N: EncodeGaugeValue + Copy,
        F: for<'p> Fn(&'p PoolNumbers) -> Vec<(SeriesLabels<'p>, N)>,
        ConstGauge<N>: EncodeMetric,
    {
        // The registry ends its help texts in a full stop; a collector's are written as they are.
        let help = format!("{help}.");
        let kind = ConstGauge::<u32>::new(0).metric_type();
        let mut metric = self.encoder.encode_descriptor(name, &help, None, kind)?;
        for ((namespace, pool), known) in self.pools {
            for (more, value) in known.numbers.iter().flat_map(&series) {
                let mut labels: SeriesLabels<'_> = vec![("namespace", namespace), ("name", pool)];
                labels.extend(more);
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Number of waiting tasks by queue: the first [`QUEUES`] of the pool, the rest together. No name occurs twice
/// (Prometheus would refuse the whole scrape).
fn backlog(queues: &[(String, u64)]) -> BTreeMap<&str, u64> {
    let mut backlog = BTreeMap::<&str, u64>::new();
    for (queue, tasks) in queues {
        let known = backlog.len() < QUEUES || backlog.contains_key(queue.as_str());
        let sum = backlog.entry(if known { queue } else { "other" }).or_default();
        *sum = sum.saturating_add(*tasks);
    }
    backlog
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queues_share_one_series() {
        let queues: Vec<_> = (0..70).map(|n| (format!("q{n:02}"), 1)).collect();
        let backlog = backlog(&queues);
        assert_eq!(backlog.len(), QUEUES + 1);
        assert_eq!(backlog.get("other"), Some(&6));
    }

    #[test]
    fn a_queue_named_twice_is_one_series() {
        let queues = [("a".to_owned(), 1), ("a".to_owned(), u64::MAX)];
        assert_eq!(backlog(&queues), BTreeMap::from([("a", u64::MAX)]));
    }
}
