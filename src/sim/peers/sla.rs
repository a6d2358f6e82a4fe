//! Hybrid of Laravel Queue Autoscale: the largest of rate, forecast and drain.
//!
//! Upstream: gophpeek/laravel-queue-autoscale, `src/Scaling/Calculators/BacklogDrainCalculator.php` (the drain),
//! defaults in `config/queue-autoscale.php`. Its workers work on one task at a time; ours on as many as they have slots.
#![deny(clippy::disallowed_methods)]
use super::input::{Arrivals, Given, ceil};
use crate::sim::{Scaler, Seconds, Seen};

/// Seconds over which the present rate is measured.
const SHORT: Seconds = 60.0;
/// Seconds over which the rate is measured that the trend starts from.
const LONG: Seconds = 300.0;
/// Seconds between the two: the distance of the middles of the windows, about.
const APART: Seconds = 150.0;
/// Seconds that it forecasts ahead.
const AHEAD: Seconds = 60.0;
/// Seconds after a step up within which it does not step down.
const DOWN_PAUSE: Seconds = 60.0;

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlaSettings {
    /// `breach_threshold`: share of the wait target from which it drains.
    pub threshold: f64,
    /// Largest number of replicas that one tick removes.
    pub down: u32,
}

impl SlaSettings {
    /// Name in tables.
    pub fn name(&self) -> String {
        format!("SLA-hybrid {}, down {}", self.threshold, self.down)
    }
}

/// Number of parallel tasks that drain the backlog in time (laravel-queue-autoscale `BacklogDrainCalculator.php`,
/// `calculateRequiredWorkers`); `age`, `wait_target` and `mean_task` in seconds.
pub fn drain(backlog: u64, age: Seconds, wait_target: Seconds, mean_task: Seconds, threshold: f64) -> f64 {
    // Upstream caps it at 1.5, which changes nothing.
    let progress = age / wait_target;
    if backlog == 0 || progress < threshold {
        return 0.0;
    }
    let left = wait_target - age;
    let rounds = if left > 0.0 {
        // So many tasks one after the other, each worker.
        (left / mean_task).max(1.0)
    } else {
        mean_task.max(0.1)
    };
    let urgency = match progress {
        p if p >= 1.0 => 3.0,
        p if p >= 0.9 => 2.0,
        p if p >= 0.8 => 1.5,
        _ => 1.2,
    };
    backlog as f64 / rounds * urgency
}

/// The scaler.
#[derive(Clone, Debug)]
pub struct Sla {
    settings: SlaSettings,
    given: Given,
    arrivals: Arrivals,
    last_up: Option<Seconds>,
}

impl Sla {
    /// Peer with these settings.
    pub fn new(settings: SlaSettings, given: Given) -> Self {
        Self {
            settings,
            given,
            arrivals: Arrivals::new(LONG),
            last_up: None,
        }
    }

    /// Number of replicas that it would have.
    fn wanted(&self, seen: &Seen) -> u32 {
        let Given {
            slots,
            wait_target,
            mean_task,
            limits,
        } = self.given;
        let (short, long) = (self.arrivals.rate(SHORT), self.arrivals.rate(LONG));
        let forecast = short + (short - long) / APART * AHEAD;
        // By Little's law; a falling rate forecasts less than the steady one, which then counts.
        let busy = short.max(forecast) * mean_task;
        let draining = drain(
            seen.waiting,
            seen.oldest_wait,
            wait_target,
            mean_task,
            self.settings.threshold,
        );
        limits.clamp(ceil(busy.max(draining) / slots))
    }
}

impl Scaler for Sla {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        5.0
    }

    fn phase(&self) -> Seconds {
        4.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        if seen.broker_down {
            return None;
        }
        self.arrivals.record(seen);
        let wanted = self.wanted(seen);
        if wanted > seen.replicas {
            self.last_up = Some(seen.now);
            return Some(wanted);
        }
        let rested = self.last_up.is_none_or(|at| seen.now - at > DOWN_PAUSE);
        let lowest = seen.replicas.saturating_sub(self.settings.down);
        (wanted < seen.replicas && rested).then(|| wanted.max(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::{
        PeerLimits,
        fixture::{seen, workload},
    };

    fn sla(down: u32) -> Sla {
        let settings = SlaSettings { threshold: 0.5, down };
        Sla::new(settings, Given::of(&workload(), PeerLimits::default()))
    }

    #[test]
    fn drains_more_the_later_it_is() {
        // 100 tasks of 4 s; age -> tasks at a time, with T = 60 s
        let table = [
            (0.0, 0.0),
            (29.9, 0.0),  // less than half
            (30.0, 16.0), // 100 / (30 / 4) * 1.2
            (48.0, 50.0), // 100 / (12 / 4) * 1.5
            (54.0, 100.0 / 1.5 * 2.0),
            (58.0, 200.0), // less than one task's time is left
            (60.0, 75.0),  // 100 / 4 * 3
            (600.0, 75.0),
        ];
        for (age, expected) in table {
            assert_eq!(drain(100, age, 60.0, 4.0, 0.5), expected, "{age}");
        }
        assert_eq!(drain(0, 60.0, 60.0, 4.0, 0.5), 0.0);
        assert_eq!(drain(100, 12.0, 60.0, 4.0, 0.2), 10.0); // 100 / 12 * 1.2
        assert_eq!(drain(1, 60.0, 60.0, 0.01, 0.5), 30.0); // a task time of 0.1 s at least
    }

    #[test]
    fn follows_the_rate_and_its_trend() {
        let view = |now, arrived| Seen {
            arrived,
            ..seen(now, 0, 1)
        };
        let mut steady = sla(1);
        assert_eq!(steady.tick(&view(10.0, 100)), Some(10)); // 10 a second of 4 s, 4 slots
        let mut rising = sla(1);
        assert_eq!(rising.tick(&view(240.0, 0)), None);
        // 10 a second now, 2 before: 10 + 8 / 150 * 60 = 13.2 to come.
        assert_eq!(rising.tick(&view(300.0, 600)), Some(14));
        let mut falling = sla(1);
        falling.tick(&view(240.0, 2400));
        // 2 a second now, 8.4 before: the forecast is negative.
        assert_eq!(falling.tick(&view(300.0, 2520)), Some(2));
    }

    #[test]
    fn drains_a_backlog() {
        let late = Seen {
            oldest_wait: 30.0,
            ..seen(300.0, 100, 1)
        };
        assert_eq!(sla(1).tick(&late), Some(4)); // 16 at a time, 4 slots
    }

    #[test]
    fn down_a_minute_after_up_and_by_its_step() {
        let late = |now, replicas| Seen {
            oldest_wait: 30.0,
            ..seen(now, 250, replicas)
        };
        let mut slow = sla(1);
        assert_eq!(slow.tick(&late(4.0, 2)), Some(10));
        assert_eq!(slow.tick(&seen(64.0, 0, 10)), None); // 60 s is not more than 60 s
        assert_eq!(slow.tick(&seen(69.0, 0, 10)), Some(9));
        assert_eq!(slow.tick(&seen(74.0, 0, 9)), Some(8));
        assert_eq!(sla(100).tick(&seen(4.0, 0, 10)), Some(1)); // no up yet
        assert_eq!(sla(1).tick(&seen(4.0, 0, 1)), None);
        assert_eq!(sla(1).tick(&seen(4.0, 0, 0)), Some(1)); // its minimum
    }

    #[test]
    fn does_nothing_without_a_broker() {
        let down = Seen {
            broker_down: true,
            ..seen(4.0, 0, 10)
        };
        assert_eq!(sla(1).tick(&down), None);
    }
}
