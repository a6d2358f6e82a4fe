//! How long before a scheduled task comes due its worker is ordered.
//!
//! Known is how long pods take to become ready, and how long it took from an order at zero until the first worker was
//! heard: without a readiness probe a pod is ready seconds before its worker takes tasks. The longer of both counts, and
//! something on top; who is too early loses seconds of a pod, who is too late breaks a promise.
#![deny(clippy::disallowed_methods)]
use super::{Moment, Observation, startup::Startup};
use crate::model::WAKE_AHEAD;
use std::{collections::VecDeque, time::Duration};

/// So many of ten pods become ready sooner.
const QUANTILE: f64 = 0.9;
/// From a ready pod to a worker that takes tasks, where only the pod was seen.
const UNTIL_IT_TAKES: Duration = Duration::from_secs(10);
/// From a worker's first beat until it takes tasks.
const UNTIL_IT_FETCHES: Duration = Duration::from_secs(5);
/// However fast or slow pods start: on a busy node the same pod takes three times as long.
const RANGE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(600));
/// Times are rounded up to this, so that sentences stay the same.
const STEP: u64 = 5;
/// The last first words count.
const KEPT: usize = 5;

/// What is known of the way from an order at zero to the first worker's first word.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ahead {
    /// When it was ordered, if it has not been heard yet.
    ordered: Option<Moment>,
    /// There were no replicas at the last look.
    at_zero: bool,
    took: VecDeque<Duration>,
}

impl Ahead {
    /// Takes an observation in.
    pub(crate) fn look(&mut self, seen: &Observation) {
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

    /// So long.
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

    fn starts(ahead: &mut Ahead, startup: &mut Startup, begin: f64, ready: f64, heard: f64) {
        let mut look = |seen: Observation| {
            startup.take(seen.replicas, seen.ready, seen.rollout, seen.now);
            ahead.look(&seen);
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
            let (mut ahead, mut startup) = (Ahead::default(), Startup::default());
            assert_eq!(ahead.time(&startup, s(0.)), WAKE_AHEAD, "nothing is known");
            starts(&mut ahead, &mut startup, 0., ready, heard);
            assert_eq!(ahead.time(&startup, s(9999.)), s(time), "{ready} {heard}");
        }
    }

    #[test]
    fn the_slowest_of_the_last_five_counts() {
        let (mut ahead, startup) = (Ahead::default(), Startup::default());
        for (n, heard) in [31., 3., 3., 3., 3., 3.].into_iter().enumerate() {
            starts(&mut ahead, &mut Startup::default(), n as f64 * 100., 1., heard);
            let time = if n < 5 { 40. } else { 20. };
            assert_eq!(ahead.time(&startup, s(0.)), s(time), "{n}");
        }
        // One that was heard all the time, and one that never was.
        ahead.look(&at(700., 0));
        ahead.look(&at(701., 1));
        ahead.look(&at(800., 0).unheard());
        ahead.look(&at(801., 1).unheard());
        ahead.look(&at(900., 0).unheard());
        assert_eq!(ahead.time(&startup, s(0.)), s(20.));
    }
}
