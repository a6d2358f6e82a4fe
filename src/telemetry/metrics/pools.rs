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
    metrics::gauge::ConstGauge,
};

/// Number of queues of one pool that have a series of their own; the others are added up as `other`.
const QUEUES: usize = 64;

/// Current numbers of one pool. `None` and absent queues are unknown: they have no series, which is not 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolNumbers {
    /// Number of replicas that the operator decided on.
    pub desired: u32,
    /// Number of replicas in the target's `spec.replicas`.
    pub current: u32,
    /// Minimum number of replicas: `spec.minReplicas`, with schedules.
    pub min: u32,
    /// Maximum number of replicas: `spec.maxReplicas`.
    pub max: u32,
    /// Number of ready tasks by queue.
    pub queues: Vec<(String, u64)>,
    /// Number of tasks that are delivered and not finished.
    pub in_flight: Option<u64>,
    /// Number of tasks that are not due yet.
    pub scheduled: Option<u64>,
    /// Whether the broker answered the last sample.
    pub source_up: bool,
    /// Whether the number of replicas comes from `spec.fallback`.
    pub fallback: bool,
    /// Conditions: type and status (`True`, `False`, `Unknown`).
    pub conditions: Vec<(&'static str, &'static str)>,
}

/// Namespace and name.
type PoolKey = (String, String);
/// Label names and values of one series.
type SeriesLabels<'a> = Vec<(&'static str, &'a str)>;

/// Numbers of all pools.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolMetrics(Arc<Mutex<BTreeMap<PoolKey, PoolNumbers>>>);

impl PoolMetrics {
    /// Replaces a pool's numbers.
    pub(super) fn set(&self, namespace: &str, name: &str, numbers: PoolNumbers) {
        self.with(|pools| pools.insert((namespace.to_owned(), name.to_owned()), numbers));
    }

    /// Forgets a pool.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.with(|pools| pools.remove(&(namespace.to_owned(), name.to_owned())));
    }

    /// Access to the map. A panic elsewhere leaves a complete map behind (each change is one insert or remove), so
    /// poison is no harm.
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<PoolKey, PoolNumbers>) -> T) -> T {
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
        gauges.number("twp_pool_min_replicas", "Fewest replicas the pool allows", |p| p.min)?;
        gauges.number("twp_pool_max_replicas", "Most replicas the pool allows", |p| p.max)?;
        gauges.number("twp_source_up", "1 if the broker answered the last sample", |p| {
            u32::from(p.source_up)
        })?;
        gauges.number("twp_fallback_active", "1 while the fallback sets the replicas", |p| {
            u32::from(p.fallback)
        })?;
        gauges.write("twp_pool_in_flight_tasks", "Tasks delivered and not finished", |pool| {
            pool.in_flight.map(|tasks| (vec![], tasks)).into_iter().collect()
        })?;
        gauges.write("twp_pool_scheduled_tasks", "Tasks that are not due yet", |pool| {
            pool.scheduled.map(|tasks| (vec![], tasks)).into_iter().collect()
        })?;
        gauges.write("twp_queue_backlog", "Tasks that wait for a worker", |pool| {
            let backlog = backlog(&pool.queues);
            backlog
                .into_iter()
                .map(|(queue, tasks)| (vec![("queue", queue)], tasks))
                .collect()
        })?;
        gauges.write(
            "twp_pool_condition",
            "1 for the status that a condition has now",
            |pool| {
                let conditions = pool.conditions.iter();
                conditions
                    .map(|&(kind, status)| (vec![("type", kind), ("status", status)], 1_u32))
                    .collect()
            },
        )
    }
}

/// Writer of gauges, with one series for each pool or more.
struct Gauges<'a, 'e> {
    pools: &'a BTreeMap<PoolKey, PoolNumbers>,
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Gauges<'_, '_> {
    /// Writes exactly one series for each pool.
    fn number(&mut self, name: &str, help: &str, value: fn(&PoolNumbers) -> u32) -> fmt::Result {
        self.write(name, help, |pool| vec![(vec![], value(pool))])
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
        for ((namespace, pool), numbers) in self.pools {
            for (more, value) in series(numbers) {
                let mut labels: SeriesLabels<'_> = vec![("namespace", namespace), ("name", pool)];
                labels.extend(more);
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Number of ready tasks by queue: the first [`QUEUES`] of the pool, the rest together. No name occurs twice
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
