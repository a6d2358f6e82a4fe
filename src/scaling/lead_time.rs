//! Lead time: how long before a scheduled task comes due its worker is ordered.
//!
//! The time is learned from two measurements: how long pods take to become ready, and how long it took from an order at
//! zero replicas to the first worker's first heartbeat (without a readiness probe a pod is ready seconds before its
//! worker takes tasks). The longer of both counts, plus a reserve: a worker that is too early costs seconds of a pod,
//! one that is too late breaks a promise.
#![deny(clippy::disallowed_methods)]
use super::{Moment, Observation, startup::Startup};
use crate::model::WAKE_AHEAD;
use std::{collections::VecDeque, time::Duration};

/// Share of the pods that become ready within the time that is used.
const QUANTILE: f64 = 0.9;
/// Time from a ready pod to a worker that takes tasks, where only the pod was seen.
const UNTIL_IT_TAKES: Duration = Duration::from_secs(10);
/// Time from a worker's first heartbeat until it takes tasks.
const UNTIL_IT_FETCHES: Duration = Duration::from_secs(5);
/// Bounds of the lead time: on a busy node the same pod may take three times as long.
const RANGE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(600));
/// Unit to which times are rounded up, so that sentences stay the same.
const STEP: u64 = 5;
/// Number of first heartbeats that are kept.
const KEPT: usize = 5;

/// Times from an order at zero replicas to the first worker's first heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LeadTime {
    /// Time of the order, until the first heartbeat.
    ordered: Option<Moment>,
    /// Whether the last observation had no replicas.
    at_zero: bool,
    took: VecDeque<Duration>,
}

impl LeadTime {
    /// Takes in an observation.
    pub(crate) fn observe(&mut self, seen: &Observation) {
        if seen.replicas == 0 || seen.rollout {
            self.ordered = None;
        } else if self.at_zero && !seen.workers_heard {
            self.ordered = Some(seen.now);
        }
        self.at_zero = seen.replicas == 0;
        if let Some(ordered) = self.ordered.filter(|_| seen.workers_heard) {
            self.ordered = None;
            self.took.push_back(seen.now.saturating_sub(ordered));
            if self.took.len() > KEPT {
                self.took.pop_front();
            }
        }
    }

    /// Lead time.
    pub(crate) fn time(&self, startup: &Startup, now: Moment) -> Duration {
        let ready = startup.is_known().then(|| startup.seconds(QUANTILE, now));
        let ready = ready.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(RANGE.1));
        let ready = ready.map(|time| time.saturating_add(UNTIL_IT_TAKES));
        let heard = self.took.iter().max().map(|time| time.saturating_add(UNTIL_IT_FETCHES));
        let Some(time) = ready.max(heard) else {
            return WAKE_AHEAD;
        };
        let steps = time.clamp(RANGE.0, RANGE.1).as_secs_f64() / STEP as f64;
        Duration::from_secs(steps.ceil() as u64 * STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{at, s},
        *,
    };

    fn starts(ahead: &mut LeadTime, startup: &mut Startup, begin: f64, ready: f64, heard: f64) {
        let mut look = |seen: Observation| {
            startup.take(seen.replicas, seen.ready, seen.rollout, seen.now);
            ahead.observe(&seen);
        };
        look(at(begin, 0).unheard());
        look(at(begin + 1., 1).ready_pods(0).unheard());
        look(at(begin + 1. + ready, 1).unheard());
        look(at(begin + 1. + heard, 1));
    }

    #[test]
    fn the_longer_way_counts_and_something_on_top() {
        for (ready, heard, time) in [
            (2., 4., 20.),   // the least
            (2., 14., 20.),  // 14 + 5
            (20., 21., 30.), // 20 + 10
            (3000., 3000., 600.),
        ] {
            let (mut ahead, mut startup) = (LeadTime::default(), Startup::default());
            assert_eq!(ahead.time(&startup, s(0.)), WAKE_AHEAD, "nothing is known");
            starts(&mut ahead, &mut startup, 0., ready, heard);
            assert_eq!(ahead.time(&startup, s(9999.)), s(time), "{ready} {heard}");
        }
    }

    #[test]
    fn the_slowest_of_the_last_five_counts() {
        let (mut ahead, startup) = (LeadTime::default(), Startup::default());
        for (n, heard) in [31., 3., 3., 3., 3., 3.].into_iter().enumerate() {
            starts(&mut ahead, &mut Startup::default(), n as f64 * 100., 1., heard);
            let time = if n < 5 { 40. } else { 20. };
            assert_eq!(ahead.time(&startup, s(0.)), s(time), "{n}");
        }
        // One worker that was heard all the time, and one that never was.
        ahead.observe(&at(700., 0));
        ahead.observe(&at(701., 1));
        ahead.observe(&at(800., 0).unheard());
        ahead.observe(&at(801., 1).unheard());
        ahead.observe(&at(900., 0).unheard());
        assert_eq!(ahead.time(&startup, s(0.)), s(20.));
    }
}
