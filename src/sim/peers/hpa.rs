//! The Kubernetes HPA as far as KEDA uses it: one external metric with `AverageValue`.
//!
//! Upstream: kubernetes/kubernetes, `pkg/controller/podautoscaler/replica_calculator.go` and `horizontal.go`.
#![deny(clippy::disallowed_methods)]
use super::input::{PeerLimits, ceil};
use crate::sim::Seconds;
use std::collections::VecDeque;

/// Distance of the ratio of usage to target from 1 up to which nothing changes, in both directions (kubernetes
/// `pkg/controller/podautoscaler/config/v1alpha1/defaults.go`).
pub const TOLERANCE: f64 = 0.1;
/// Seconds between two ticks (same file).
pub const SYNC_PERIOD: Seconds = 15.0;

/// Number of replicas that `usage` asks for, at `target` of it for each replica (kubernetes `replica_calculator.go`,
/// `GetExternalPerPodMetricReplicas`). Usage and target have the same unit, here tasks or slots.
pub fn recommend(usage: f64, target: f64, replicas: u32) -> u32 {
    let ratio = usage / (target * f64::from(replicas));
    if (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio) {
        replicas
    } else {
        ceil(usage / target)
    }
}

/// Limit of one step up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Limit without `spec.behavior`: to twice the replicas, or to 4 (kubernetes `horizontal.go`,
    /// `calculateScaleUpLimit`).
    Stock,
    /// No limit: a user's `behavior.scaleUp` with a policy that never binds.
    Unlimited,
}

impl Ceiling {
    /// Largest number of replicas that a step from `replicas` may reach.
    pub fn limit(self, replicas: u32) -> u32 {
        match self {
            Self::Stock => replicas.saturating_mul(2).max(4),
            Self::Unlimited => u32::MAX,
        }
    }
}

/// Downscale stabilisation: the largest recommendation of a window counts (kubernetes `horizontal.go`,
/// `stabilizeRecommendationWithBehaviors`).
#[derive(Clone, Debug)]
pub struct Stabilisation {
    /// Length of the window in seconds.
    window: Seconds,
    /// Times and recommended replicas, oldest first.
    past: VecDeque<(Seconds, u32)>,
    /// Whether something has been recommended already.
    begun: bool,
}

impl Stabilisation {
    /// Stabilisation without recommendations; `window` in seconds.
    pub fn new(window: Seconds) -> Self {
        Self {
            window,
            past: VecDeque::new(),
            begun: false,
        }
    }

    /// Takes in what was recommended at `now` (seconds), with the present `replicas`; returns the largest of the
    /// window.
    pub fn stabilise(&mut self, now: Seconds, replicas: u32, recommended: u32) -> u32 {
        if !self.begun {
            // The replicas it finds count as its first recommendation (`recordInitialRecommendation`).
            self.begun = true;
            self.past.push_back((now, replicas));
        }
        self.past.retain(|(at, _)| now - at < self.window);
        self.past.push_back((now, recommended));
        // What is recommended now counts even if the window is 0.
        self.past.iter().map(|&(_, past)| past).max().unwrap_or(recommended)
    }
}

/// HPA with one metric.
#[derive(Clone, Debug)]
pub struct Hpa {
    /// Usage of each replica, in the unit of the usage.
    target: f64,
    /// Limits of the replicas; the HPA's own minimum is never 0.
    limits: PeerLimits,
    /// Limit of a step up.
    ceiling: Ceiling,
    /// Stabilisation of steps down.
    stabilisation: Stabilisation,
}

impl Hpa {
    /// HPA before its first tick; `target` in the unit of the usage, `window` in seconds.
    pub fn new(target: f64, limits: PeerLimits, ceiling: Ceiling, window: Seconds) -> Self {
        let min = limits.min.max(1);
        Self {
            target,
            limits: PeerLimits { min, ..limits },
            ceiling,
            stabilisation: Stabilisation::new(window),
        }
    }

    /// One tick: the replicas for this `usage`; `None` with 0 replicas, because the HPA is off then (kubernetes
    /// `horizontal.go`, `reconcileAutoscaler` and `convertDesiredReplicasWithRules`).
    pub fn sync(&mut self, now: Seconds, usage: f64, replicas: u32) -> Option<u32> {
        if replicas == 0 {
            return None;
        }
        if replicas != self.limits.clamp(replicas) {
            // Limits come first, at once and whatever the metric says.
            return Some(self.limits.clamp(replicas));
        }
        let recommended = recommend(usage, self.target, replicas);
        let stabilised = self.stabilisation.stabilise(now, replicas, recommended);
        let max = self.ceiling.limit(replicas).min(self.limits.max);
        Some(PeerLimits { max, ..self.limits }.clamp(stabilised))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommends_by_the_formula() {
        // usage, target for each replica, replicas -> recommended
        let table = [
            (0.0, 5.0, 3, 0),   // ratio 0
            (1.0, 5.0, 3, 1),   // ceil(0.2)
            (13.4, 5.0, 3, 3),  // ratio 0.893, ceil(2.68) = 3
            (9.9, 5.0, 3, 2),   // ratio 0.66, ceil(1.98)
            (13.5, 5.0, 3, 3),  // ratio 0.9: the edge counts as within
            (16.5, 5.0, 3, 3),  // ratio 1.1: the same
            (16.51, 5.0, 3, 4), // ceil(3.302)
            (90.0, 1.0, 100, 100),
            (89.0, 1.0, 100, 89),
            (110.0, 1.0, 100, 100),
            (111.0, 1.0, 100, 111),
            (2000.0, 4.0, 2, 500),
            (7.0, 0.5, 10, 14),
            (7.0, 2.0, 0, 4), // independent of the replicas
            (0.0, 2.0, 0, 0),
        ];
        for (usage, target, replicas, expected) in table {
            let recommended = recommend(usage, target, replicas);
            assert_eq!(recommended, expected, "{usage} / {target} with {replicas}");
        }
    }

    #[test]
    fn a_target_of_nothing_asks_for_everything() {
        assert_eq!(recommend(1.0, 0.0, 3), u32::MAX);
        assert_eq!(recommend(0.0, 0.0, 3), 0);
    }

    #[test]
    fn the_stock_ceiling_doubles() {
        let table = [(0, 4), (1, 4), (2, 4), (3, 6), (50, 100), (u32::MAX, u32::MAX)];
        for (replicas, limit) in table {
            assert_eq!(Ceiling::Stock.limit(replicas), limit, "{replicas}");
        }
        assert_eq!(Ceiling::Unlimited.limit(1), u32::MAX);
    }

    #[test]
    fn the_largest_of_the_window_counts() {
        let mut window = Stabilisation::new(60.0);
        assert_eq!(window.stabilise(0.0, 7, 2), 7); // what it found
        assert_eq!(window.stabilise(15.0, 7, 9), 9); // up at once
        assert_eq!(window.stabilise(30.0, 9, 3), 9);
        assert_eq!(window.stabilise(60.0, 9, 1), 9);
        assert_eq!(window.stabilise(75.0, 9, 1), 3); // the 9 is 60 s old
        assert_eq!(window.stabilise(90.0, 3, 1), 1);
        assert_eq!(window.stabilise(999.0, 5, 1), 1); // after a gap, what it finds says nothing
    }

    #[test]
    fn without_a_window_the_last_one_counts() {
        let mut window = Stabilisation::new(0.0);
        assert_eq!(window.stabilise(0.0, 7, 2), 2);
        assert_eq!(window.stabilise(15.0, 2, 1), 1);
    }

    fn hpa(ceiling: Ceiling, window: Seconds) -> Hpa {
        Hpa::new(4.0, PeerLimits { min: 0, max: 200 }, ceiling, window)
    }

    #[test]
    fn a_burst_takes_six_looks_from_2_to_100() {
        let mut hpa = hpa(Ceiling::Stock, 300.0);
        let mut replicas = 2;
        let mut path = Vec::new();
        for tick_number in 0..6 {
            replicas = hpa.sync(f64::from(tick_number) * SYNC_PERIOD, 400.0, replicas).unwrap();
            path.push(replicas);
        }
        assert_eq!(path, [4, 8, 16, 32, 64, 100]);
    }

    #[test]
    fn a_burst_takes_one_look_without_a_limit() {
        assert_eq!(hpa(Ceiling::Unlimited, 0.0).sync(0.0, 400.0, 2), Some(100));
        assert_eq!(hpa(Ceiling::Unlimited, 0.0).sync(0.0, 4e6, 2), Some(200));
    }

    #[test]
    fn limits_come_first() {
        assert_eq!(hpa(Ceiling::Stock, 300.0).sync(0.0, 0.0, 0), None);
        assert_eq!(hpa(Ceiling::Stock, 0.0).sync(0.0, 0.0, 1), Some(1)); // its own minimum is 1
        assert_eq!(hpa(Ceiling::Stock, 300.0).sync(0.0, 0.0, 500), Some(200));
        let limits = PeerLimits { min: 10, max: 20 };
        let mut low = Hpa::new(4.0, limits, Ceiling::Stock, 0.0);
        assert_eq!(low.sync(0.0, 400.0, 1), Some(10)); // not 4
        assert_eq!(low.sync(15.0, 0.0, 10), Some(10));
    }

    #[test]
    fn goes_down_after_the_window() {
        let mut hpa = hpa(Ceiling::Stock, 300.0);
        assert_eq!(hpa.sync(0.0, 40.0, 10), Some(10));
        assert_eq!(hpa.sync(285.0, 0.0, 10), Some(10));
        assert_eq!(hpa.sync(300.0, 0.0, 10), Some(1));
    }
}
