//! World in which a policy is tried: how pods start and stop, and what goes wrong. By default nothing does.
#![deny(clippy::disallowed_methods)]
use super::{Seconds, random::Random};

/// Everything about the surroundings that a policy cannot choose.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// Median of the time from a pod's creation to its being ready, in seconds; lognormal.
    pub start_up: Seconds,
    /// Standard deviation of the logarithm of that time; 0: all pods take the median.
    pub start_up_sigma: f64,
    /// Start-up times as they were recorded, in the order of the pods' creation; those of further pods are drawn.
    pub start_ups: Vec<Seconds>,
    /// Termination grace period in seconds: what still runs then is killed.
    pub grace: Seconds,
    /// Number of pods that are ready when a run begins; `None`: as many as the work that arrives at first needs, and
    /// one more.
    pub first_pods: Option<u32>,
    /// Minimum number of replicas, whatever the policy wants.
    pub min: u32,
    /// Maximum number of replicas; counts over `min`.
    pub max: u32,
    /// Celery's `worker_prefetch_multiplier`: number of tasks that a pod may hold for each of its slots, the running
    /// ones included (with `early_ack` only those that wait on the pod). 0: a pod takes a task only when it can run it.
    pub prefetch: u32,
    /// Whether tasks are acknowledged when they start: then one that is killed is lost, not delivered again.
    pub early_ack: bool,
    /// Age in seconds of what is known of tasks ([`Seen`](super::Seen): `waiting` to `completed`, `oldest_wait`). Pods
    /// are seen as they are.
    pub metric_lag: Seconds,
    /// Seconds after their delivery until tasks of a killed pod wait again (Redis). 0: at once, as with RabbitMQ.
    pub visibility_timeout: Seconds,
    /// Limit of the nodes' room for pods; `None`: they have room for all.
    pub nodes: Option<NodeLimit>,
    /// Periods in which the broker cannot be read. The workers go on: only the policy sees nothing.
    pub outages: Vec<Span>,
    /// Times at which the workers' counter of completed tasks starts again from 0.
    pub counter_resets: Vec<Seconds>,
    /// Times at which all waiting tasks are dropped.
    pub purges: Vec<Seconds>,
    /// Periods in which pods that would become ready crash instead, and start again at its end.
    pub crash_loops: Vec<Span>,
    /// Seconds between a worker's reports of what it runs and has taken on ([`Seen`](super::Seen): `running`, `taken`,
    /// `idle`), the first one half of that after it became ready; Celery's heartbeat is 2 s. 0: all of it is known at
    /// once.
    pub heartbeat: Seconds,
    /// Whether the workers do not count: [`Seen::uncounted`](super::Seen::uncounted).
    pub no_counter: bool,
    /// Whether tasks carry the time when they were published: [`Seen::stamped`](super::Seen::stamped).
    pub stamped: bool,
}

/// Period from `from` on, until before `to`; seconds of the workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// First moment of the period.
    pub from: Seconds,
    /// First moment after the period.
    pub to: Seconds,
}

impl Span {
    fn contains(&self, at: Seconds) -> bool {
        self.from <= at && at < self.to
    }
}

/// Nodes of a cluster that has to buy more of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeLimit {
    /// Number of pods that fit on the nodes that are there.
    pub room: u32,
    /// Seconds by which a pod becomes ready later if it is created while `room` others exist.
    pub delay: Seconds,
}

impl Default for World {
    fn default() -> Self {
        Self {
            start_up: 25.0,
            start_up_sigma: 0.25,
            start_ups: Vec::new(),
            grace: 30.0,
            first_pods: None,
            min: 1,
            max: 200,
            prefetch: 0,
            early_ack: false,
            metric_lag: 0.0,
            visibility_timeout: 0.0,
            nodes: None,
            outages: Vec::new(),
            counter_resets: Vec::new(),
            purges: Vec::new(),
            crash_loops: Vec::new(),
            heartbeat: 0.0,
            no_counter: false,
            stamped: false,
        }
    }
}

impl World {
    /// Start-up time of the pod of this number. Recorded, or drawn from seed and number alone, so that all policies
    /// meet the same pods.
    pub(super) fn start_up_of(&self, seed: u64, pod: usize) -> Seconds {
        if let Some(recorded) = self.start_ups.get(pod) {
            return *recorded;
        }
        // Above the streams of the workloads, which may have the same seed.
        const STREAM: u64 = 1 << 32;
        let mut random = Random::new(seed, STREAM + pod as u64);
        self.start_up * random.normal(0.0, self.start_up_sigma).exp()
    }

    /// Mean time from a pod's creation to its being ready, in seconds.
    pub fn mean_start_up(&self) -> Seconds {
        self.start_up * (self.start_up_sigma * self.start_up_sigma / 2.0).exp()
    }

    /// Seconds by which a pod takes longer that is created beside this number of others.
    pub(super) fn node_delay(&self, others: usize) -> Seconds {
        match self.nodes {
            Some(nodes) if others >= nodes.room as usize => nodes.delay,
            _ => 0.0,
        }
    }

    /// End of the crash loop of a pod that would be ready now.
    pub(super) fn crashes_until(&self, now: Seconds) -> Option<Seconds> {
        let span = self.crash_loops.iter().find(|span| span.contains(now))?;
        Some(span.to)
    }

    /// Whether the broker cannot be read now.
    pub(super) fn blind(&self, now: Seconds) -> bool {
        self.outages.iter().any(|span| span.contains(now))
    }

    /// Number of replicas within the limits.
    pub(super) fn clamp(&self, replicas: u32) -> u32 {
        // Not `clamp`, which panics when the limits contradict each other.
        replicas.max(self.min).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ups_have_the_median_and_depend_on_seed_and_number() {
        let world = World::default();
        let mut drawn: Vec<f64> = (0..4001).map(|pod| world.start_up_of(1, pod)).collect();
        assert_eq!(drawn[5], world.start_up_of(1, 5));
        assert_ne!(drawn[5], world.start_up_of(2, 5));
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[2000] - 25.0).abs() < 0.5, "{}", drawn[2000]);
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((mean / world.mean_start_up() - 1.0).abs() < 0.01, "{mean}");
        let exactly = World {
            start_up_sigma: 0.0,
            ..world
        };
        assert_eq!(exactly.start_up_of(1, 5), 25.0);
        let recorded = World {
            start_ups: vec![3.0, 4.0],
            ..exactly
        };
        assert_eq!([0, 1, 2].map(|pod| recorded.start_up_of(1, pod)), [3.0, 4.0, 25.0]);
    }

    #[test]
    fn limits_that_contradict_each_other_give_the_maximum() {
        let world = World {
            min: 5,
            max: 3,
            ..World::default()
        };
        assert_eq!([0, 4, 9].map(|n| world.clamp(n)), [3; 3]);
    }

    #[test]
    fn spans_end_before_their_end() {
        let span = Span { from: 10.0, to: 20.0 };
        let world = World {
            outages: vec![span],
            crash_loops: vec![span],
            ..World::default()
        };
        assert_eq!(
            [9.9, 10.0, 19.9, 20.0].map(|t| world.blind(t)),
            [false, true, true, false]
        );
        assert_eq!(world.crashes_until(15.0), Some(20.0));
        assert_eq!(world.crashes_until(20.0), None);
    }
}
