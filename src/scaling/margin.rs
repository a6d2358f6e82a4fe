//! Margin over the rate of arrivals, learned from the waits that really happened.
//!
//! The rate rule may keep fewer workers than the rate of arrivals needs on average, because a queue within the wait
//! target costs nothing. How many fewer is learned: after a wait near the target, and while little is known, it keeps
//! enough; the longer no wait has come near, the fewer it keeps. The deadline rule protects the target all the time.
//!
//! Where tasks wait too long although every pod that was ordered is there, the estimated service time is wrong (a hint
//! that nothing corrects, a kind of task that is new): then tasks are taken to last longer, bit by bit.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::time::Duration;

/// Seconds after which the weight of a wait has fallen to 37 %.
const FORGET: f64 = 600.0;
/// Share of the target below which waits are no reason for a larger margin, …
const FAR: f64 = 0.5;
/// … and from which the whole margin is kept.
const NEAR: f64 = 0.9;
/// Longest wait that is assumed before any was seen, as a share of the target.
const UNKNOWN: f64 = 1.0;
/// Longest wait that counts, as a share of the target: one disaster is forgotten within an hour.
const LONGEST: f64 = 2.0;

/// Seconds in which the factor rises by *e* while tasks are late: by a quarter each minute, …
const RISES: f64 = 60.0 / 0.223_143_551_314_209_7;
/// … up to this factor; afterwards its logarithm falls to 37 % in the same time.
const MOST: f64 = 2.0;
const CALMS: f64 = 300.0;

/// Longest recent wait, and the factor on the service time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Margin {
    /// Longest wait as a share of the target, forgotten bit by bit; and the time of that share.
    longest: Option<(f64, Moment)>,
    /// Logarithm of the factor by which tasks are taken to last longer.
    slower: f64,
}

impl Margin {
    /// Takes in how long the oldest task has waited so far. `complete`: every pod that was ordered is there.
    pub(crate) fn record(&mut self, wait: Duration, target: f64, complete: bool, now: Moment) {
        let share = (wait.as_secs_f64() / target.max(1e-3)).min(LONGEST);
        let passed = self.longest.map_or(0.0, |(_, at)| now.saturating_sub(at).as_secs_f64());
        if share <= NEAR {
            self.slower *= (-passed / CALMS).exp();
        } else if share > 1.0 && complete {
            self.slower = (self.slower + passed / RISES).min(MOST.ln());
        }
        self.longest = Some((self.longest(now).max(share), now));
    }

    /// Factor by which tasks are taken to last longer.
    pub(crate) fn slower(&self) -> f64 {
        self.slower.exp()
    }

    fn longest(&self, now: Moment) -> f64 {
        let (share, at) = self.longest.unwrap_or((UNKNOWN, now));
        share * (-now.saturating_sub(at).as_secs_f64() / FORGET).exp()
    }

    /// Number of workers beyond the need of the rate, as a share of it: between `lean` and `careful`.
    pub(crate) fn headroom(&self, lean: f64, careful: f64, now: Moment) -> f64 {
        let care = ((self.longest(now) - FAR) / (NEAR - FAR)).clamp(0.0, 1.0);
        lean * (1.0 - care) + careful * care
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn careful_at_first_and_leaner_with_time() {
        let mut margin = Margin::default();
        assert_eq!(margin.headroom(-0.2, 0.1, s(0)), 0.1);
        margin.record(s(0), 60.0, true, s(0));
        let at = |now| margin.headroom(-0.2, 0.1, s(now));
        assert_eq!(at(60), 0.1, "e^-0.1 is still above 0.9");
        assert!(at(100) < 0.1 && at(200) < at(100));
        assert_eq!(at(420), -0.2, "e^-0.7 is below 0.5");
    }

    #[test]
    fn while_tasks_are_late_they_are_taken_to_last_longer() {
        let mut margin = Margin::default();
        margin.record(s(70), 60.0, true, s(0));
        margin.record(s(70), 60.0, true, s(60));
        assert!((margin.slower() - 1.25).abs() < 1e-9);
        margin.record(s(70), 60.0, false, s(120));
        assert!((margin.slower() - 1.25).abs() < 1e-9, "pods are on their way");
        margin.record(s(70), 60.0, true, s(1000));
        assert!((margin.slower() - MOST).abs() < 1e-9);
        margin.record(s(10), 60.0, true, s(1000 + 3000));
        assert!(margin.slower() < 1.001);
    }

    #[test]
    fn a_near_miss_brings_care_back() {
        let mut margin = Margin::default();
        margin.record(s(1), 60.0, true, s(0));
        margin.record(s(20), 60.0, true, s(1000));
        assert_eq!(
            margin.headroom(-0.2, 0.1, s(1000)),
            -0.2,
            "a third of the target is far"
        );
        margin.record(s(55), 60.0, true, s(1001));
        assert_eq!(margin.headroom(-0.2, 0.1, s(1001)), 0.1);
        margin.record(s(3000), 60.0, true, s(1002));
        assert!(
            margin.headroom(-0.2, 0.1, s(1002 + 900)) < 0.1,
            "even a disaster is forgotten"
        );
    }
}
