//! Scale-down stabilization: fewer replicas only when no recent recommendation asked for more.
//!
//! A clear surplus (at least 20 % and at least 2 replicas) goes after [`SURPLUS_WINDOW`], about one pod start-up: the
//! break-even between keeping a pod and starting another. A small one, which may be noise, waits [`TRIM_WINDOW`].
#![deny(clippy::disallowed_methods)]
use super::{Behavior, Moment, Policy, Rules, TargetRule, history::History};
use std::time::Duration;

/// Duration for which a clear surplus is kept.
pub const SURPLUS_WINDOW: Duration = Duration::from_secs(30);
/// Duration for which a small surplus is kept; nothing goes down for as long after a start or a gap in the readings.
pub const TRIM_WINDOW: Duration = Duration::from_secs(60);

/// Shortest time after a start or a gap in the readings in which nothing goes down, however short the windows are.
const GUARD_AT_LEAST: Duration = Duration::from_secs(15);

/// Recommendations (what the work asks for, within the limits) of the last windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recommendations {
    /// Maxima, for the way down.
    highs: History,
    /// Minima for `behavior.scaleUp.stabilizationWindowSeconds`, kept as maxima of the complement.
    lows: History,
}

/// Result of the windows for a step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stabilized {
    /// Smallest number of replicas that the windows allow.
    pub(crate) floor: u32,
    /// Time until the floor may change by itself.
    pub(crate) next_change: Option<Duration>,
}

impl Recommendations {
    /// Takes in a recommendation.
    pub(crate) fn record(&mut self, recommended: u32, now: Moment, policy: &Policy) {
        let behavior = &policy.behavior;
        self.highs.record_peak(recommended, now, policy.guard());
        match window(behavior.up.as_ref()) {
            Some(window) => self.lows.record_peak(!recommended, now, window),
            None => self.lows = History::default(),
        }
    }

    /// Smallest recommendation of the window for the way up, and the time until it may change by itself.
    pub(crate) fn lowest(&self, now: Moment, behavior: &Behavior) -> (u32, Option<Duration>) {
        let window = window(behavior.up.as_ref()).unwrap_or_default();
        let lowest = self.lows.at(window, now).map_or(u32::MAX, |complement| !complement);
        (lowest, self.lows.next_change(window, now))
    }

    /// Lowest number that the recommendations let `replicas` go down to: by the user's own window if there is one, else
    /// by the two of the policy.
    pub(crate) fn stabilized(&self, replicas: u32, now: Moment, policy: &Policy) -> Stabilized {
        let behavior = &policy.behavior;
        let by = |window| Stabilized {
            floor: self.highs.at(window, now).unwrap_or(replicas),
            next_change: self.highs.next_change(window, now),
        };
        if let Some(window) = window(behavior.down.as_ref()) {
            return by(window);
        }
        let (surplus, trim) = policy.windows();
        let (surplus, trim) = (by(surplus), by(trim));
        let next_change = surplus.next_change.into_iter().chain(trim.next_change).min();
        let chosen = if clear_surplus(replicas, surplus.floor) {
            surplus
        } else {
            trim
        };
        Stabilized { next_change, ..chosen }
    }
}

impl Policy {
    /// Durations for which a clear surplus and a small one are kept.
    fn windows(&self) -> (Duration, Duration) {
        match &self.target {
            TargetRule::Backlog(_) => (SURPLUS_WINDOW, TRIM_WINDOW),
            TargetRule::Wait(wait) => (wait.tuning.surplus, wait.tuning.trim),
        }
    }

    /// Window that applies to a step from `replicas` down to `recommended`.
    pub(crate) fn window_for(&self, replicas: u32, recommended: u32) -> Duration {
        let (surplus, trim) = self.windows();
        let ours = if clear_surplus(replicas, recommended) {
            surplus
        } else {
            trim
        };
        window(self.behavior.down.as_ref()).unwrap_or(ours)
    }

    /// Time for which `replicas` must have stayed before a step down to `to`. Pods that still start have been paid for:
    /// they get the time to become useful.
    pub(crate) fn pause(&self, replicas: u32, to: u32, all_ready: bool) -> Duration {
        let (_, trim) = self.windows();
        match window(self.behavior.down.as_ref()).is_some() || clear_surplus(replicas, to) {
            true => Duration::ZERO,
            false if all_ready => trim,
            false => trim.max(SURPLUS_WINDOW),
        }
    }

    /// Duration of fresh readings that is needed before anything goes down: then every window is full.
    pub(crate) fn guard(&self) -> Duration {
        let (_, trim) = self.windows();
        let users = window(self.behavior.down.as_ref()).unwrap_or_default();
        users.max(trim).max(GUARD_AT_LEAST)
    }
}

fn window(rules: Option<&Rules>) -> Option<Duration> {
    rules.and_then(|rules| rules.window)
}

fn clear_surplus(replicas: u32, recommended: u32) -> bool {
    replicas.saturating_sub(recommended) >= replicas.div_ceil(5).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_surplus_is_clear_from_20_percent_and_two_replicas_on() {
        for (replicas, recommended, clear) in [
            (10, 8, true),
            (10, 9, false),
            (11, 9, false),
            (11, 8, true),
            (3, 1, true),
            (2, 1, false),
            (2, 0, true),
            (1, 0, false),
            (100, 81, false),
            (100, 80, true),
            (5, 9, false),
            (u32::MAX, 0, true),
        ] {
            assert_eq!(
                clear_surplus(replicas, recommended),
                clear,
                "{replicas} -> {recommended}"
            );
        }
    }

    #[test]
    fn a_small_surplus_waits_longer_than_a_clear_one() {
        let mut recommendations = Recommendations::default();
        let none = crate::scaling::fixture::pool(0, 100, 10);
        recommendations.record(10, s(0), &none);
        recommendations.record(9, s(100), &none);
        assert_eq!(
            recommendations.stabilized(10, s(135), &none).floor,
            10,
            "one of ten: the trim window"
        );
        assert_eq!(recommendations.stabilized(10, s(160), &none).floor, 9);
        recommendations.record(5, s(200), &none);
        assert_eq!(recommendations.stabilized(10, s(229), &none).floor, 9);
        assert_eq!(
            recommendations.stabilized(10, s(230), &none).floor,
            5,
            "half: the surplus window"
        );
    }

    #[test]
    fn without_a_window_of_its_own_the_way_up_is_free() {
        let mut recommendations = Recommendations::default();
        recommendations.record(3, s(0), &crate::scaling::fixture::pool(0, 9, 1));
        assert_eq!(recommendations.lowest(s(0), &Behavior::default()), (u32::MAX, None));
    }
}
