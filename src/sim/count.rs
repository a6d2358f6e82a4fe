//! Counters of a run.
#![deny(clippy::disallowed_methods)]
use super::{Run, Seconds, Waits};

/// Seconds after a step down within which a step up is an oscillation.
const OSCILLATION: Seconds = 300.0;
/// Seconds within which a reversal is a flap.
const FLAP: Seconds = 120.0;
/// Seconds of an hour.
pub(super) const HOUR: Seconds = 3600.0;

/// Change of the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScaleChange {
    Up,
    Down,
}

/// Results of the run, and what the counting needs to know of its past.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) run: Run,
    last: Option<(ScaleChange, Seconds)>,
    last_down: Option<Seconds>,
}

impl Counters {
    /// Counts a tick that changed the number of replicas.
    pub(super) fn scaled(&mut self, from: u32, to: u32, now: Seconds) {
        let change = if to > from { ScaleChange::Up } else { ScaleChange::Down };
        let within = |since: Option<Seconds>, limit| since.is_some_and(|since| now - since <= limit);
        let reversed = self.last.filter(|(last, _)| *last != change).map(|(_, at)| at);
        self.run.actions += 1;
        self.run.flaps += u32::from(within(reversed, FLAP));
        self.run.oscillations += u32::from(change == ScaleChange::Up && within(self.last_down, OSCILLATION));
        self.last = Some((change, now));
        if change == ScaleChange::Down {
            self.last_down = Some(now);
        }
    }

    /// Counts a pod that existed until now.
    pub(super) fn pod_existed(&mut self, created: Seconds, now: Seconds) {
        self.run.pod_hours += (now - created) / HOUR;
    }

    /// Counts a task that was interrupted.
    pub(super) fn killed(&mut self, started: Seconds, now: Seconds) {
        self.run.killed += 1;
        self.run.wasted_hours += (now - started) / HOUR;
    }
}

impl Waits {
    /// Distribution of these waits, in seconds; `target`: wait from which a task is late. Without waits all is 0.
    pub fn of(mut waits: Vec<Seconds>, target: Seconds) -> Self {
        waits.sort_by(f64::total_cmp);
        let tasks = waits.len();
        let percentile = |share: f64| {
            let at = (share * tasks as f64) as usize;
            waits.get(at.min(tasks.saturating_sub(1))).copied().unwrap_or_default()
        };
        let late = tasks - waits.partition_point(|wait| *wait <= target);
        Self {
            p50: percentile(0.5),
            p95: percentile(0.95),
            p99: percentile(0.99),
            max: percentile(1.0),
            late: late as f64 / tasks.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_elements_of_the_sorted_waits() {
        let waits = Waits::of((0..200).rev().map(f64::from).collect(), 189.0);
        let expected = Waits {
            p50: 100.0,
            p95: 190.0,
            p99: 198.0,
            max: 199.0,
            late: 0.05,
        };
        assert_eq!(waits, expected);
        assert_eq!(Waits::of(vec![], 1.0), Waits::default());
        assert_eq!(Waits::of(vec![3.0], 3.0).late, 0.0);
    }

    #[test]
    fn reversals_count_by_how_soon_they_come() {
        let mut count = Counters::default();
        let mut replicas = 5;
        // Down; up after 120 s: both. Up again, still within 300 s of the down. Down at once: a flap. Up after 301 s.
        for (at, to) in [(0.0, 4), (120.0, 6), (300.0, 7), (300.0, 5), (601.0, 6)] {
            count.scaled(replicas, to, at);
            replicas = to;
        }
        assert_eq!((count.run.actions, count.run.oscillations, count.run.flaps), (5, 2, 2));
    }
}
