//! Latency steps, as Judoscale and HireFire take them: the age of the oldest task, two thresholds, fixed steps.
//!
//! Upstream: the documentation of Judoscale (`docs/tuning-your-application`) and HireFire (Job Queue Latency); both are
//! closed. The pauses between steps follow Judoscale's advice to go up no faster than a pod starts.
#![deny(clippy::disallowed_methods)]
use super::input::Given;
use crate::sim::{Scaler, Seconds, Seen};

/// Seconds between steps up.
const UP_PAUSE: Seconds = 60.0;
/// Seconds between any step and a step down.
const DOWN_PAUSE: Seconds = 120.0;
/// Lower threshold, as a share of the upper one.
const DOWN: f64 = 0.2;

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencySettings {
    /// Upper threshold, as a share of the wait target; the lower one is a fifth of it.
    pub up: f64,
    /// Number of replicas that a step up adds; one down takes 1.
    pub step: u32,
}

impl LatencySettings {
    /// Name in tables.
    pub fn name(&self) -> String {
        format!("latency step +{} above {}T", self.step, self.up)
    }
}

/// The scaler.
#[derive(Clone, Debug)]
pub struct Latency {
    settings: LatencySettings,
    given: Given,
    last_up: Option<Seconds>,
    last_down: Option<Seconds>,
}

impl Latency {
    /// Peer with these settings.
    pub fn new(settings: LatencySettings, given: Given) -> Self {
        Self {
            settings,
            given,
            last_up: None,
            last_down: None,
        }
    }
}

impl Scaler for Latency {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        10.0
    }

    fn phase(&self) -> Seconds {
        5.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        if seen.broker_down {
            return None;
        }
        let rested = |last: Option<Seconds>, pause| last.is_none_or(|at| seen.now - at >= pause);
        let (limits, replicas) = (self.given.limits, seen.replicas);
        let up = self.settings.up * self.given.wait_target;
        if seen.oldest_wait > up && rested(self.last_up, UP_PAUSE) {
            let wanted = limits.clamp(replicas.saturating_add(self.settings.step));
            if wanted > replicas {
                self.last_up = Some(seen.now);
                return Some(wanted);
            }
        }
        let calm = rested(self.last_up, DOWN_PAUSE) && rested(self.last_down, DOWN_PAUSE);
        if seen.oldest_wait < DOWN * up && calm {
            let wanted = limits.clamp(replicas.saturating_sub(1));
            if wanted < replicas {
                self.last_down = Some(seen.now);
                return Some(wanted);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::{
        PeerLimits,
        fixture::{seen, workload},
    };

    /// Peer that goes up by 3 above 15 s, down below 3 s.
    fn latency(limits: PeerLimits) -> Latency {
        Latency::new(LatencySettings { up: 0.25, step: 3 }, Given::of(&workload(), limits))
    }

    fn old(now: Seconds, oldest_wait: Seconds, replicas: u32) -> Seen {
        Seen {
            oldest_wait,
            ..seen(now, 1, replicas)
        }
    }

    #[test]
    fn between_the_thresholds_nothing_happens() {
        for (age, wanted) in [
            (15.1, Some(8)),
            (15.0, None),
            (3.0, None),
            (2.9, Some(4)),
            (0.0, Some(4)),
        ] {
            assert_eq!(latency(PeerLimits::default()).tick(&old(5.0, age, 5)), wanted, "{age}");
        }
    }

    #[test]
    fn up_once_a_minute() {
        let mut latency = latency(PeerLimits::default());
        assert_eq!(latency.tick(&old(5.0, 99.0, 5)), Some(8));
        assert_eq!(latency.tick(&old(55.0, 99.0, 8)), None);
        assert_eq!(latency.tick(&old(65.0, 99.0, 8)), Some(11));
    }

    #[test]
    fn down_two_minutes_after_a_step() {
        let mut latency = latency(PeerLimits::default());
        assert_eq!(latency.tick(&old(5.0, 99.0, 5)), Some(8));
        assert_eq!(latency.tick(&old(115.0, 0.0, 8)), None);
        assert_eq!(latency.tick(&old(125.0, 0.0, 8)), Some(7));
        assert_eq!(latency.tick(&old(235.0, 0.0, 7)), None);
        assert_eq!(latency.tick(&old(245.0, 0.0, 7)), Some(6));
        assert_eq!(latency.tick(&old(255.0, 99.0, 6)), Some(9)); // up does not wait for a step down
    }

    #[test]
    fn stays_within_its_limits() {
        assert_eq!(latency(PeerLimits::default()).tick(&old(5.0, 0.0, 1)), None);
        assert_eq!(latency(PeerLimits::default()).tick(&old(5.0, 99.0, 199)), Some(200));
        assert_eq!(latency(PeerLimits::default()).tick(&old(5.0, 99.0, 200)), None);
        let zero = || latency(PeerLimits { min: 0, max: 200 });
        assert_eq!(zero().tick(&old(5.0, 0.0, 1)), Some(0));
        assert_eq!(zero().tick(&old(5.0, 0.0, 0)), None);
        assert_eq!(zero().tick(&old(5.0, 99.0, 0)), Some(3));
    }

    #[test]
    fn does_nothing_without_a_broker() {
        let down = Seen {
            broker_down: true,
            ..old(5.0, 0.0, 5)
        };
        assert_eq!(latency(PeerLimits::default()).tick(&down), None);
    }
}
