//! Worker pod autoscaler of practo: a backlog target, a floor from the arrival rate, and a long pause after any step.
//!
//! Upstream: practo/k8s-worker-pod-autoscaler, `pkg/controller/controller.go` (`GetDesiredWorkers`,
//! `convertDesiredReplicasWithRules`) and `pkg/controller/scale_operation.go` (the pause).
#![deny(clippy::disallowed_methods)]
use super::input::{Arrivals, Given, PeerLimits, ceil};
use crate::sim::{Scaler, Seconds, Seen};

/// Seconds of the default `scaleDownDelay`.
pub const DELAY: Seconds = 600.0;
/// Smallest share of the replicas for which a step is made.
const TOLERANCE: f64 = 0.1;
/// Seconds over which it measures its rate.
const RATE_WINDOW: Seconds = 60.0;

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WpaSettings {
    /// `targetMessagesPerWorker`, for each slot.
    pub target: f64,
    /// `scaleDownDelay` in seconds.
    pub delay: Seconds,
    /// `maxDisruption`: the largest step down, as a share of the replicas.
    pub max_disruption: f64,
}

impl WpaSettings {
    /// Settings with a disruption of 100 %, the default; `target` in tasks for each slot, `delay` in seconds.
    pub const fn new(target: f64, delay: Seconds) -> Self {
        Self {
            target,
            delay,
            max_disruption: 1.0,
        }
    }

    /// Name in tables.
    pub fn name(&self) -> String {
        let mut name = format!("WPA target {}c, {} s", self.target, self.delay);
        if self.max_disruption != 1.0 {
            name += &format!(", disruption {}", self.max_disruption);
        }
        name
    }
}

/// The autoscaler.
#[derive(Clone, Debug)]
pub struct Wpa {
    settings: WpaSettings,
    given: Given,
    arrivals: Arrivals,
    /// Time of the last step in any direction.
    last_step: Option<Seconds>,
}

impl Wpa {
    /// Peer with these settings.
    pub fn new(settings: WpaSettings, given: Given) -> Self {
        Self {
            settings,
            given,
            arrivals: Arrivals::new(RATE_WINDOW),
            last_step: None,
        }
    }

    /// Number of replicas that it would have (wpa `GetDesiredWorkers`).
    fn desired(&self, seen: &Seen) -> u32 {
        let WpaSettings {
            target, max_disruption, ..
        } = self.settings;
        let rate = self.arrivals.rate(RATE_WINDOW);
        // secondsToProcessOneJob is of a worker, which here works on as many tasks as it has slots.
        let floor = ceil(rate * self.given.mean_task / self.given.slots);
        let max = self.given.limits.max;
        let min = floor.max(self.given.limits.min);

        let replicas = seen.replicas;
        let step = ceil(f64::from(replicas) * max_disruption);
        // Also right if `min` is more than `max`: then it is `max`.
        let rules = |wished: u32, step: u32| PeerLimits { min, max }.clamp(wished.max(replicas.saturating_sub(step)));

        let messages = seen.waiting.saturating_add(seen.in_flight);
        let wished = ceil(messages as f64 / (target * self.given.slots));
        if replicas == 0 {
            rules(wished, step)
        } else if messages > 0 {
            let change = f64::from(wished.abs_diff(replicas)) / f64::from(replicas);
            rules(if change <= TOLERANCE { replicas } else { wished }, step)
        } else if rate > 0.0 {
            rules(min, step)
        } else {
            // All workers are idle: for that, disruption has no limit.
            rules(0, replicas)
        }
    }
}

impl Scaler for Wpa {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        20.0
    }

    fn phase(&self) -> Seconds {
        3.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        if seen.broker_down {
            return None;
        }
        self.arrivals.record(seen);
        let desired = self.desired(seen);
        // The pause counts from the last step of either kind (`GetScaleOperation`).
        let rested = self.last_step.is_none_or(|at| seen.now - at > self.settings.delay);
        if desired == seen.replicas || (desired < seen.replicas && !rested) {
            return None;
        }
        self.last_step = Some(seen.now);
        Some(desired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::fixture::{seen, workload};

    fn wpa_within(limits: PeerLimits, settings: WpaSettings) -> Wpa {
        Wpa::new(settings, Given::of(&workload(), limits))
    }

    fn wpa() -> Wpa {
        wpa_within(PeerLimits::default(), WpaSettings::new(2.0, 120.0))
    }

    /// View with `arrived` tasks since the start, so that there is a rate.
    fn arriving(arrived: u64, seen: Seen) -> Seen {
        Seen { arrived, ..seen }
    }

    #[test]
    fn follows_the_backlog() {
        // waiting, in flight, replicas -> wanted, at 8 tasks a worker
        let table = [
            (80, 0, 2, Some(10)),
            (73, 8, 2, Some(11)), // ceil(81 / 8)
            (80, 8, 10, None),    // 11: a tenth more is too little
            (81, 8, 10, Some(12)),
            (72, 0, 10, None), // 9: a tenth less as well
            (64, 0, 10, Some(8)),
            (8, 0, 9, Some(1)),
            (0, 1, 9, Some(1)),
            (9999, 0, 9, Some(200)),
            (9, 0, 0, Some(2)),
            (0, 0, 0, Some(1)), // its minimum
        ];
        for (waiting, in_flight, replicas, wanted) in table {
            let view = Seen {
                in_flight,
                ..seen(3.0, waiting, replicas)
            };
            assert_eq!(wpa().tick(&view), wanted, "{waiting} + {in_flight} with {replicas}");
        }
    }

    #[test]
    fn the_rate_sets_a_floor() {
        // 10 a second of 4 s with 4 slots: 10 workers.
        assert_eq!(wpa().tick(&arriving(200, seen(20.0, 8, 20))), Some(10));
        assert_eq!(wpa().tick(&arriving(200, seen(20.0, 0, 20))), Some(10));
        assert_eq!(wpa().tick(&arriving(200, seen(20.0, 0, 0))), Some(10));
        assert_eq!(wpa().tick(&arriving(201, seen(20.0, 0, 20))), Some(11)); // ceil(10.05)
        assert_eq!(wpa().tick(&seen(20.0, 0, 20)), Some(1));
        // A floor above the maximum is the maximum.
        assert_eq!(wpa().tick(&arriving(80_000, seen(20.0, 0, 20))), Some(200));
    }

    #[test]
    fn disruption_limits_the_step_down() {
        let settings = WpaSettings {
            max_disruption: 0.25,
            ..WpaSettings::new(2.0, 120.0)
        };
        let wpa = || wpa_within(PeerLimits { min: 0, max: 200 }, settings);
        assert_eq!(wpa().tick(&seen(3.0, 8, 10)), Some(7)); // by ceil(2.5)
        assert_eq!(wpa().tick(&arriving(2, seen(20.0, 0, 10))), Some(7)); // it is active
        assert_eq!(wpa().tick(&seen(3.0, 0, 10)), Some(0)); // all idle
    }

    #[test]
    fn down_waits_for_the_pause() {
        let mut wpa = wpa();
        assert_eq!(wpa.tick(&seen(3.0, 16, 10)), Some(2)); // no step yet
        assert_eq!(wpa.tick(&seen(23.0, 80, 2)), Some(10)); // up never waits
        assert_eq!(wpa.tick(&seen(143.0, 16, 10)), None); // 120 s is not more than 120 s
        assert_eq!(wpa.tick(&seen(163.0, 16, 10)), Some(2));
        assert_eq!(wpa.tick(&seen(183.0, 8, 2)), None); // also after a step down
    }

    #[test]
    fn does_nothing_without_a_broker() {
        let down = Seen {
            broker_down: true,
            ..seen(3.0, 0, 10)
        };
        assert_eq!(wpa().tick(&down), None);
    }
}
