//! How lean to be: learned from the waits that were really seen.
//!
//! The rate rule may keep fewer workers than the rate of arrivals needs on average, because a queue within the wait
//! target costs nothing. How many fewer is learned: after a wait near the target, and while little is known, it keeps
//! enough; the longer nothing has come near, the leaner it gets. The deadline rule stands behind it all the time.
//!
//! Where tasks wait too long although every pod that was ordered is there, what is believed of the service time is wrong
//! (a hint that nothing corrects, a kind of task that is new): then tasks are taken to last longer, bit by bit.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::time::Duration;

/// A wait is forgotten to 37 % after this time.
const FORGET: f64 = 600.0;
/// Waits below this share of the target are no reason for care, …
const FAR: f64 = 0.5;
/// … and from this share on all care is taken.
const NEAR: f64 = 0.9;
/// Before anything was seen.
const UNKNOWN: f64 = 1.0;
/// Longer waits, as a share of the target, count as this: one disaster is forgotten within an hour.
const LONGEST: f64 = 2.0;

/// While tasks are late, they are taken to last longer by a quarter each minute, …
const RISES: f64 = 60.0 / 0.223_143_551_314_209_7;
/// … at most so many times as long; afterwards that is forgotten to 37 % in this time.
const MOST: f64 = 2.0;
const CALMS: f64 = 300.0;

/// The longest wait of late.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Margin {
    /// As a share of the target, forgotten bit by bit; and when that was so.
    longest: Option<(f64, Moment)>,
    /// The logarithm of the factor by which tasks are taken to last longer.
    slower: f64,
}

impl Margin {
    /// The oldest task has waited so long now. `complete`: every pod that was ordered is there.
    pub(crate) fn saw(&mut self, wait: Duration, target: f64, complete: bool, now: Moment) {
        let share = (wait.as_secs_f64() / target.max(1e-3)).min(LONGEST);
        let passed = self.longest.map_or(0.0, |(_, at)| now.saturating_sub(at).as_secs_f64());
        if share <= NEAR {
            self.slower *= (-passed / CALMS).exp();
        } else if share > 1.0 && complete {
            self.slower = (self.slower + passed / RISES).min(MOST.ln());
        }
        self.longest = Some((self.longest(now).max(share), now));
    }

    /// Tasks are taken to last so many times as long.
    pub(crate) fn slower(&self) -> f64 {
        self.slower.exp()
    }

    fn longest(&self, now: Moment) -> f64 {
        let (share, at) = self.longest.unwrap_or((UNKNOWN, now));
        share * (-now.saturating_sub(at).as_secs_f64() / FORGET).exp()
    }

    /// Between `lean` and `careful`: workers beyond the need of the rate, as a share of it.
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
        margin.saw(s(0), 60.0, true, s(0));
        let at = |now| margin.headroom(-0.2, 0.1, s(now));
        assert_eq!(at(60), 0.1, "e^-0.1 is still above 0.9");
        assert!(at(100) < 0.1 && at(200) < at(100));
        assert_eq!(at(420), -0.2, "e^-0.7 is below 0.5");
    }

    #[test]
    fn while_tasks_are_late_they_are_taken_to_last_longer() {
        let mut margin = Margin::default();
        margin.saw(s(70), 60.0, true, s(0));
        margin.saw(s(70), 60.0, true, s(60));
        assert!((margin.slower() - 1.25).abs() < 1e-9);
        margin.saw(s(70), 60.0, false, s(120));
        assert!((margin.slower() - 1.25).abs() < 1e-9, "pods are on their way");
        margin.saw(s(70), 60.0, true, s(1000));
        assert!((margin.slower() - MOST).abs() < 1e-9);
        margin.saw(s(10), 60.0, true, s(1000 + 3000));
        assert!(margin.slower() < 1.001);
    }

    #[test]
    fn a_near_miss_brings_care_back() {
        let mut margin = Margin::default();
        margin.saw(s(1), 60.0, true, s(0));
        margin.saw(s(20), 60.0, true, s(1000));
        assert_eq!(
            margin.headroom(-0.2, 0.1, s(1000)),
            -0.2,
            "a third of the target is far"
        );
        margin.saw(s(55), 60.0, true, s(1001));
        assert_eq!(margin.headroom(-0.2, 0.1, s(1001)), 0.1);
        margin.saw(s(3000), 60.0, true, s(1002));
        assert!(
            margin.headroom(-0.2, 0.1, s(1002 + 900)) < 0.1,
            "even a disaster is forgotten"
        );
    }
}
