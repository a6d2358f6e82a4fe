//! Common parts of the peers: their limits, what they know of a workload, and the rates they measure.
#![deny(clippy::disallowed_methods)]
use crate::sim::{Seconds, Seen, Workload};
use std::collections::VecDeque;

/// Limits of the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Minimum number of replicas.
    pub min: u32,
    /// Maximum number of replicas; wins over `min`.
    pub max: u32,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self { min: 1, max: 200 }
    }
}

impl PeerLimits {
    /// Nearest number of replicas that is allowed.
    pub fn clamp(self, replicas: u32) -> u32 {
        replicas.max(self.min).min(self.max)
    }
}

/// Knowledge of a peer before it starts, as a careful user would configure it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Given {
    /// Number of task slots of each worker (c).
    pub slots: f64,
    /// Wait target (T) in seconds.
    pub wait_target: Seconds,
    /// True mean task duration in seconds: better than what any user knows.
    pub mean_task: Seconds,
    /// Limits of the number of replicas.
    pub limits: PeerLimits,
}

impl Given {
    /// Knowledge taken from the workload.
    pub fn of(workload: &Workload, limits: PeerLimits) -> Self {
        Self {
            slots: f64::from(workload.slots.max(1)),
            wait_target: workload.wait_target,
            mean_task: mean_task(workload),
            limits,
        }
    }
}

/// Mean task duration of a workload in seconds; 0 if it has no tasks.
pub fn mean_task(workload: &Workload) -> Seconds {
    // Not `sum()`: of nothing that is -0, and what is divided by it negative.
    let sum = workload.tasks.iter().fold(0.0, |sum, task| sum + task.duration);
    sum / workload.tasks.len().max(1) as f64
}

/// Arrivals over time, for rates.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    /// Longest window that is asked for, in seconds.
    keep: Seconds,
    /// Times, and the number of tasks that had been published by then; oldest first.
    past: VecDeque<(Seconds, u64)>,
}

impl Arrivals {
    /// Arrivals for rates over windows of up to `keep` seconds.
    pub(crate) fn new(keep: Seconds) -> Self {
        // A workload starts with nothing published: so there is a rate from the first tick on.
        let past = VecDeque::from([(0.0, 0)]);
        Self { keep, past }
    }

    /// Takes in the counter.
    pub(crate) fn record(&mut self, seen: &Seen) {
        self.past.push_back((seen.now, seen.arrived));
        while self.past.front().is_some_and(|(at, _)| seen.now - at > self.keep) {
            self.past.pop_front();
        }
    }

    /// Number of tasks per second between the last tick and the oldest one within `window` seconds before it; 0 if
    /// there is none.
    pub(crate) fn rate(&self, window: Seconds) -> f64 {
        let Some(&(now, arrived)) = self.past.back() else {
            return 0.0;
        };
        let oldest = self.past.iter().find(|(at, _)| now - at <= window);
        match oldest {
            Some(&(at, before)) if now > at => arrived.saturating_sub(before) as f64 / (now - at),
            _ => 0.0,
        }
    }
}

/// Rounds up to a number of replicas; what is negative or no number is 0, what is too large the largest.
pub(crate) fn ceil(replicas: f64) -> u32 {
    // The cast saturates, and takes NaN to 0.
    replicas.ceil() as u32
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::sim::Task;

    /// Workload with 4 slots, T = 60 s, mean task 4 s.
    pub(crate) fn workload() -> Workload {
        let task = |arrival, duration| Task { arrival, duration };
        Workload {
            name: "test".to_owned(),
            wait_target: 60.0,
            slots: 4,
            tasks: vec![task(0.0, 2.0), task(1.0, 6.0)],
        }
    }

    /// View at `now` with `waiting` tasks and `replicas` ready pods.
    pub(crate) fn seen(now: Seconds, waiting: u64, replicas: u32) -> Seen {
        Seen {
            now,
            waiting,
            replicas,
            ready: replicas,
            ..Seen::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fixture::seen, *};

    #[test]
    fn the_mean_is_the_workloads() {
        let mut workload = fixture::workload();
        assert_eq!(mean_task(&workload), 4.0);
        workload.tasks.clear();
        assert_eq!(mean_task(&workload), 0.0);
    }

    #[test]
    fn the_maximum_wins() {
        assert_eq!(PeerLimits::default().clamp(0), 1);
        assert_eq!(PeerLimits::default().clamp(999), 200);
        assert_eq!(PeerLimits { min: 9, max: 5 }.clamp(7), 5);
    }

    #[test]
    fn odd_numbers_round_to_something() {
        let cases = [
            (0.0, 0),
            (0.1, 1),
            (3.0, 3),
            (-2.5, 0),
            (f64::NAN, 0),
            (f64::INFINITY, u32::MAX),
        ];
        for (replicas, rounded) in cases {
            assert_eq!(ceil(replicas), rounded, "{replicas}");
        }
    }

    #[test]
    fn a_rate_spans_at_most_its_window() {
        let mut arrivals = Arrivals::new(60.0);
        let mut view = |now, arrived| {
            let seen = Seen {
                arrived,
                ..seen(now, 0, 1)
            };
            arrivals.record(&seen);
            (arrivals.rate(60.0), arrivals.rate(20.0))
        };
        assert_eq!(view(0.0, 0), (0.0, 0.0));
        assert_eq!(view(20.0, 10), (0.5, 0.5)); // since the start
        assert_eq!(view(40.0, 10), (0.25, 0.0));
        assert_eq!(view(60.0, 70), (70.0 / 60.0, 3.0));
        assert_eq!(view(80.0, 70), (1.0, 0.0)); // 60 within 60 s: the view at 20 s still counts
        assert_eq!(view(900.0, 999), (0.0, 0.0)); // nothing to compare with
        assert_eq!(view(920.0, 998), (0.0, 0.0)); // a counter that falls
    }
}
