//! KEDA: an HPA from 1 on, and a poll of its own every 30 s between 0 and 1.
//!
//! Upstream: kedacore/keda, `pkg/scaling/executor/scale_scaledobjects.go` (0 and 1), `controllers/keda/hpa.go` (the HPA
//! it makes), `pkg/scalers/redis_scaler.go` and `pkg/scalers/rabbitmq_scaler.go` (the metrics). The [`Load::Formula`] is
//! what an expert writes into `advanced.scalingModifiers.formula`, given the mean task time.
#![deny(clippy::disallowed_methods)]
use super::{
    hpa::{Ceiling, Hpa, SYNC_PERIOD},
    input::{Arrivals, Given},
};
use crate::sim::{Scaler, Seconds, Seen};

/// Seconds of `cooldownPeriod` (keda `pkg/scaling/executor/scale_executor.go`).
pub const COOLDOWN: Seconds = 300.0;
/// Seconds of the HPA's downscale stabilisation (kubernetes `podautoscaler/config/v1alpha1/defaults.go`).
pub const WINDOW: Seconds = 300.0;
/// Seconds over which the formula takes its rate.
const RATE_WINDOW: Seconds = 60.0;

/// Tasks that count (keda `rabbitmq_scaler.go`, `excludeUnacknowledged`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Waiting tasks and those in flight (Q + F).
    All,
    /// Waiting tasks (Q).
    Ready,
}

/// Load that each replica should have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Number of tasks for each slot.
    PerSlot(f64, Metric),
    /// Number of tasks for each replica, whatever the workload.
    Tasks(f64, Metric),
    /// Number of slots that are needed, divided by the slots of a replica: to drain what waits within this share of the
    /// wait target, or for what arrives.
    Formula(f64),
}

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KedaSettings {
    /// Load that each replica should have.
    pub load: Load,
    /// Limit of one step up.
    pub ceiling: Ceiling,
    /// Seconds of the downscale stabilisation.
    pub window: Seconds,
    /// Seconds without a task before it goes to zero, if the minimum is 0.
    pub cooldown: Seconds,
}

/// Redis scaler with its defaults (keda `pkg/scalers/redis_scaler.go`, `listLength`).
pub const REDIS_DEFAULT: KedaSettings = KedaSettings::stock(Load::Tasks(5.0, Metric::Ready), WINDOW);
/// RabbitMQ scaler with its defaults, over HTTP (keda `pkg/scalers/rabbitmq_scaler.go`, mode `QueueLength`).
pub const RABBITMQ_DEFAULT: KedaSettings = KedaSettings::stock(Load::Tasks(20.0, Metric::All), WINDOW);

impl KedaSettings {
    /// Settings with the HPA's own limit upwards; `window` in seconds.
    pub const fn stock(load: Load, window: Seconds) -> Self {
        Self {
            load,
            ceiling: Ceiling::Stock,
            window,
            cooldown: COOLDOWN,
        }
    }

    /// Settings without a limit upwards; `window` in seconds.
    pub const fn unlimited(load: Load, window: Seconds) -> Self {
        Self {
            ceiling: Ceiling::Unlimited,
            ..Self::stock(load, window)
        }
    }

    /// Name in tables.
    pub fn name(&self) -> String {
        if *self == REDIS_DEFAULT {
            return "KEDA default Redis (5, Q)".to_owned();
        }
        if *self == RABBITMQ_DEFAULT {
            return "KEDA default RabbitMQ (20, Q+F)".to_owned();
        }
        let load = match self.load {
            Load::PerSlot(tasks, Metric::All) => format!("target {tasks}c"),
            Load::PerSlot(tasks, Metric::Ready) => format!("target {tasks}c of Q"),
            Load::Tasks(tasks, Metric::All) => format!("target {tasks}"),
            Load::Tasks(tasks, Metric::Ready) => format!("target {tasks} of Q"),
            Load::Formula(share) => format!("formula φ {share}"),
        };
        let ceiling = match self.ceiling {
            Ceiling::Stock => "stock",
            Ceiling::Unlimited => "unlimited-up",
        };
        let mut name = format!("KEDA {load} {ceiling}, {} s", self.window);
        if self.cooldown != COOLDOWN {
            name += &format!(", cooldown {} s", self.cooldown);
        }
        name
    }
}

/// KEDA and its HPA.
#[derive(Clone, Debug)]
pub struct Keda {
    settings: KedaSettings,
    given: Given,
    hpa: Hpa,
    arrivals: Arrivals,
    /// Number of ticks.
    ticks: u64,
    /// Time when a poll last found something to do (`status.lastActiveTime`).
    last_active: Option<Seconds>,
}

impl Keda {
    /// Peer with these settings.
    pub fn new(settings: KedaSettings, given: Given) -> Self {
        let target = match settings.load {
            Load::PerSlot(tasks, _) => tasks * given.slots,
            Load::Tasks(tasks, _) => tasks,
            Load::Formula(_) => given.slots,
        };
        Self {
            settings,
            given,
            hpa: Hpa::new(target, given.limits, settings.ceiling, settings.window),
            arrivals: Arrivals::new(RATE_WINDOW),
            ticks: 0,
            last_active: None,
        }
    }

    /// Metric, in tasks or slots.
    fn usage(&self, seen: &Seen) -> f64 {
        let waiting = seen.waiting as f64;
        match self.settings.load {
            Load::PerSlot(_, Metric::All) | Load::Tasks(_, Metric::All) => waiting + seen.in_flight as f64,
            Load::PerSlot(_, Metric::Ready) | Load::Tasks(_, Metric::Ready) => waiting,
            Load::Formula(share) => {
                let drain = waiting * self.given.mean_task / (share * self.given.wait_target);
                drain.max(self.arrivals.rate(RATE_WINDOW) * self.given.mean_task)
            }
        }
    }

    /// Poll between 0 and 1 (keda `scale_scaledobjects.go`, `RequestScale`).
    fn poll(&mut self, seen: &Seen, usage: f64) -> Option<u32> {
        let limits = self.given.limits;
        let active = usage > 0.0;
        if active {
            self.last_active = Some(seen.now);
        }
        if seen.replicas == 0 {
            // A minimum counts also without a task.
            return (active || limits.min > 0).then(|| limits.clamp(1));
        }
        // If nothing was ever active there is nothing to cool down from.
        let cooled = self.last_active.is_none_or(|at| seen.now - at > self.settings.cooldown);
        (!active && limits.min == 0 && cooled).then_some(0)
    }
}

impl Scaler for Keda {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        SYNC_PERIOD
    }

    fn phase(&self) -> Seconds {
        7.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        // 30 s is two ticks of the HPA; it polls as soon as it starts.
        let polls = self.ticks.is_multiple_of(2);
        self.ticks += 1;
        if seen.broker_down {
            // An error is no metric for the HPA, and neither active nor inactive for KEDA.
            return None;
        }
        self.arrivals.record(seen);
        let usage = self.usage(seen);
        let polled = if polls { self.poll(seen, usage) } else { None };
        polled.or_else(|| self.hpa.sync(seen.now, usage, seen.replicas))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::{
        PeerLimits,
        fixture::{seen, workload},
    };

    fn keda(settings: KedaSettings, min: u32) -> Keda {
        Keda::new(settings, Given::of(&workload(), PeerLimits { min, max: 200 }))
    }

    fn busy(now: Seconds, waiting: u64, in_flight: u64, replicas: u32) -> Seen {
        Seen {
            in_flight,
            ..seen(now, waiting, replicas)
        }
    }

    #[test]
    fn counts_what_its_metric_says() {
        let all = KedaSettings::unlimited(Load::PerSlot(1.5, Metric::All), 0.0);
        assert_eq!(keda(all, 1).tick(&busy(7.0, 30, 31, 2)), Some(11)); // ceil(61 / 6)
        let ready = KedaSettings::unlimited(Load::PerSlot(1.5, Metric::Ready), 0.0);
        assert_eq!(keda(ready, 1).tick(&busy(7.0, 30, 31, 2)), Some(5)); // 30 / 6
        assert_eq!(keda(REDIS_DEFAULT, 1).tick(&busy(7.0, 13, 31, 2)), Some(3)); // ceil(13 / 5)
        assert_eq!(keda(RABBITMQ_DEFAULT, 1).tick(&busy(7.0, 13, 31, 2)), Some(2)); // 44 / 40: within 10 %
        assert_eq!(keda(RABBITMQ_DEFAULT, 1).tick(&busy(7.0, 13, 32, 2)), Some(3)); // ceil(45 / 20)
    }

    #[test]
    fn the_formula_drains_or_keeps_up() {
        let formula = KedaSettings::unlimited(Load::Formula(0.5), 0.0);
        // 300 tasks of 4 s in 30 s: 40 slots, 10 replicas.
        assert_eq!(keda(formula, 1).tick(&busy(7.0, 300, 99, 2)), Some(10));
        // 12 a second since the start: 48 slots, 12 replicas.
        let arrived = Seen {
            arrived: 120,
            ..seen(10.0, 75, 2)
        };
        assert_eq!(keda(formula, 1).tick(&arrived), Some(12));
    }

    #[test]
    fn the_stock_hpa_doubles_and_holds() {
        let mut keda = keda(KedaSettings::stock(Load::PerSlot(1.0, Metric::All), 60.0), 1);
        assert_eq!(keda.tick(&busy(7.0, 392, 8, 2)), Some(4));
        assert_eq!(keda.tick(&busy(22.0, 384, 16, 4)), Some(8));
        assert_eq!(keda.tick(&busy(37.0, 0, 4, 8)), Some(16)); // on to the 100 of 15 s ago
        assert_eq!(keda.tick(&busy(97.0, 0, 4, 16)), Some(1));
    }

    #[test]
    fn wakes_at_a_poll() {
        let settings = KedaSettings::stock(Load::PerSlot(1.0, Metric::All), 300.0);
        let mut zero = keda(settings, 0);
        assert_eq!(zero.tick(&seen(7.0, 0, 0)), None);
        assert_eq!(zero.tick(&seen(22.0, 99, 0)), None); // no poll
        assert_eq!(zero.tick(&seen(37.0, 99, 0)), Some(1));
        assert_eq!(zero.tick(&seen(52.0, 99, 1)), Some(4)); // by the HPA
        assert_eq!(keda(settings, 3).tick(&seen(7.0, 0, 0)), Some(3));
    }

    #[test]
    fn sleeps_after_the_cooldown() {
        let mut keda = keda(KedaSettings::stock(Load::PerSlot(1.0, Metric::All), 300.0), 0);
        assert_eq!(keda.tick(&busy(7.0, 0, 4, 1)), Some(1)); // active
        assert_eq!(keda.tick(&busy(22.0, 0, 4, 1)), Some(1)); // no poll: does not count as active
        for tick in 2..=20 {
            let now = 7.0 + 15.0 * f64::from(tick);
            assert_eq!(keda.tick(&seen(now, 0, 1)), Some(1), "{now}"); // at 307 s it is 300 s, not more
        }
        assert_eq!(keda.tick(&seen(322.0, 0, 1)), Some(1)); // no poll
        assert_eq!(keda.tick(&seen(337.0, 0, 1)), Some(0));
    }

    #[test]
    fn sleeps_at_once_if_it_was_never_active() {
        let settings = KedaSettings::stock(Load::PerSlot(1.0, Metric::All), 300.0);
        assert_eq!(keda(settings, 0).tick(&seen(7.0, 0, 2)), Some(0));
        assert_eq!(keda(settings, 1).tick(&seen(7.0, 0, 2)), Some(2)); // the window
    }

    #[test]
    fn says_nothing_without_a_broker() {
        let mut keda = keda(KedaSettings::unlimited(Load::PerSlot(1.0, Metric::All), 0.0), 0);
        let down = |now| Seen {
            broker_down: true,
            ..seen(now, 0, 5)
        };
        assert_eq!(keda.tick(&down(7.0)), None);
        assert_eq!(keda.tick(&down(22.0)), None);
        assert_eq!(keda.tick(&seen(37.0, 40, 5)), Some(10));
    }
}
