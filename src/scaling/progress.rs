//! Blocked queue: work waits, the workers are there, and nothing starts.
//!
//! More workers would not help a queue that none of them takes from (a wrong queue name, a paused consumer, a full
//! result backend), so it must not run the pool up to its maximum.
#![deny(clippy::disallowed_methods)]
use super::{Moment, Observation, Work};
use std::time::Duration;

/// Time without a start after which the queue counts as blocked: several heartbeats and a slow first task.
const PATIENCE: Duration = Duration::from_secs(15);

/// Time since which nothing starts although it could.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    stuck_since: Option<Moment>,
    processed: Option<u64>,
    replicas: u32,
}

impl Progress {
    /// Takes in a fresh count. `processed` is a sum over live workers: it falls when one leaves, which means nothing;
    /// only a rise is progress. New replicas get their own time to begin.
    pub(crate) fn take(&mut self, work: &Work, seen: &Observation) {
        let could_start = work.ready > 0 && work.running == 0 && seen.workers_heard && seen.ready > 0;
        let flat = match (self.processed, seen.processed) {
            (Some(before), Some(now)) => now <= before && self.replicas == seen.replicas,
            _ => false,
        };
        let since = self.stuck_since.filter(|_| flat).unwrap_or(seen.now);
        *self = Self {
            stuck_since: (could_start && seen.processed.is_some()).then_some(since),
            processed: seen.processed,
            replicas: seen.replicas,
        };
    }

    /// Whether nothing has started for too long.
    pub(crate) fn blocked(&self, now: Moment) -> bool {
        self.remaining(now).is_some_and(|left| left.is_zero())
    }

    /// Time until the queue counts as blocked if nothing starts; `None`: nothing is stuck.
    pub(crate) fn remaining(&self, now: Moment) -> Option<Duration> {
        let stuck = now.saturating_sub(self.stuck_since?);
        Some(PATIENCE.saturating_sub(stuck))
    }
}
