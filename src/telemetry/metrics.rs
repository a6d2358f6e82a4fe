//! Prometheus metrics. Labels are names of objects, queues or words of a fixed set, so their number is bounded.

mod pools;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use pools::PoolMetrics;
pub use pools::PoolNumbers;

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One label with a word of a fixed set.
type OneLabel = [(&'static str, &'static str); 1];
/// Two labels with words of a fixed set.
type TwoLabels = [(&'static str, &'static str); 2];
/// Counter that many tasks may add to.
type SharedCounter = Counter<u64, AtomicU64>;
/// Gauge of small numbers.
type SmallGauge = Gauge<u32, AtomicU32>;

/// Upper bounds of the durations of samples, in seconds: one takes milliseconds, and is given up after a few seconds.
const SAMPLES: [f64; 7] = [0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Direction of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

impl Direction {
    /// Label of the direction.
    fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// All metrics of the process; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    pools: PoolMetrics,
    watch_errors: Family<OneLabel, SharedCounter>,
    status_writes: SharedCounter,
    scale_writes: SharedCounter,
    leader: Family<[(&'static str, String); 1], SmallGauge>,
    api_calls: Family<TwoLabels, SharedCounter>,
    samples: Histogram,
}

impl Metrics {
    /// Metrics without pools and counts. `version` is the operator's.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        let build = Family::<[(&'static str, String); 1], SmallGauge>::default();
        build.get_or_create(&[("version", version.to_owned())]).set(1);
        registry.register("twp_build_info", "1, with the version of the operator", build);
        let pools = PoolMetrics::default();
        registry.register_collector(Box::new(pools.clone()));
        let mut metrics = Self {
            registry: Arc::default(),
            pools,
            watch_errors: Family::default(),
            status_writes: Counter::default(),
            scale_writes: Counter::default(),
            leader: Family::default(),
            api_calls: Family::default(),
            samples: Histogram::new(SAMPLES),
        };
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// Gives every metric its name and help (a full stop is added to the help, `_total` to a counter's name).
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "twp_watch_errors",
            "Failures of watches, by kind",
            self.watch_errors.clone(),
        );
        registry.register(
            "twp_status_writes",
            "Writes of a pool's status",
            self.status_writes.clone(),
        );
        registry.register(
            "twp_scale_writes",
            "Writes of a target's scale",
            self.scale_writes.clone(),
        );
        registry.register(
            "twp_api_calls",
            "Calls to the API server, by what they were for and what became of them",
            self.api_calls.clone(),
        );
        registry.register(
            "twp_source_sample_duration_seconds",
            "Seconds that the samples of brokers took, whatever came of them",
            self.samples.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "1 if this process holds the lease of this name",
            self.leader.clone(),
        );
    }

    /// Counts a call to the API server: its purpose, and its outcome.
    pub fn api_call(&self, class: &'static str, outcome: &'static str) {
        self.api_calls
            .get_or_create(&[("class", class), ("outcome", outcome)])
            .inc();
    }

    /// Replaces all numbers of a pool.
    pub fn pool(&self, namespace: &str, name: &str, numbers: PoolNumbers) {
        self.pools.set(namespace, name, numbers);
    }

    /// Removes all series of a pool.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.pools.forget(namespace, name);
    }

    /// Counts a failed sample of a pool (namespace and name); `kind` is the error's label.
    pub fn source_failed(&self, pool: (&str, &str), kind: &'static str) {
        self.pools.count(pool, ("twp_source_errors", vec![("kind", kind)]));
    }

    /// Counts a change of the target's replicas; `reason` is the rule that set them.
    pub fn scaled(&self, pool: (&str, &str), direction: Direction, reason: &'static str) {
        let labels = vec![("direction", direction.label()), ("reason", reason)];
        self.pools.count(pool, ("twp_scale_events", labels));
    }

    /// Counts a write of the target's replicas that failed.
    pub fn scale_failed(&self, pool: (&str, &str)) {
        self.pools.count(pool, ("twp_scale_errors", vec![]));
    }

    /// Counts a decision that kept the replicas although the work asks for others; `reason` is the rule that kept them.
    pub fn held(&self, pool: (&str, &str), reason: &'static str) {
        self.pools.count(pool, ("twp_decisions_held", vec![("reason", reason)]));
    }

    /// Counts a change of the target's replicas by another writer; `manager` is the name in `managedFields`.
    pub fn overwritten(&self, pool: (&str, &str), manager: &str) {
        let labels = vec![("manager", known_manager(manager))];
        self.pools.count(pool, ("twp_target_overwrites", labels));
    }

    /// Counts a failed watch; `kind` is the resource.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// Counts a sample, by its duration in seconds.
    pub fn sampled(&self, seconds: f64) {
        self.samples.observe(seconds);
    }

    /// Counts a status write.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Counts a scale write.
    pub fn scale_written(&self) {
        self.scale_writes.inc();
    }

    /// Records whether this process holds the lease of this name.
    pub fn leads(&self, lease: &str, leads: bool) {
        let labels = [("name", lease.to_owned())];
        self.leader.get_or_create(&labels).set(u32::from(leads));
    }

    /// All series in Prometheus' text format 0.0.4, which every scraper reads.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode_registry(&mut text, &self.registry)?;
        Ok(plain(&text))
    }
}

/// Name of a field manager as a label: bounded to well-known ones, else `other`.
fn known_manager(manager: &str) -> &'static str {
    const KNOWN: [&str; 8] = [
        "kubectl-client-side-apply",
        "kubectl",
        "helm",
        "argocd-controller",
        "kustomize-controller",
        "flux",
        "keda",
        // Also the HorizontalPodAutoscaler's.
        "kube-controller-manager",
    ];
    // `kubectl-edit`, `keda-operator` … count as their first word.
    let known = KNOWN.into_iter().find(|known| {
        let rest = manager.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    known.unwrap_or("other")
}

/// Converts OpenMetrics to Prometheus' older text format: there, a counter's HELP and TYPE also end in `_total`.
fn plain(open: &str) -> String {
    let counters: Vec<&str> = open
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                text.extend(["# ", what, " ", name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
