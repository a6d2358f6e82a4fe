//! Knative pod autoscaler: concurrency over a long and a short window, and a panic mode.
//!
//! Upstream: knative/serving, `pkg/autoscaler/scaling/autoscaler.go` (`Scale`), defaults in
//! `pkg/autoscaler/config/config.go`. Work that waits counts as concurrency, as Knative's activator would count it.
#![deny(clippy::disallowed_methods)]
use super::input::{Given, ceil};
use crate::sim::{Scaler, Seconds, Seen};
use std::collections::VecDeque;

/// Seconds of `stable-window`.
const STABLE_WINDOW: Seconds = 60.0;
/// Seconds of the panic window: `panic-window-percentage` 10 of the stable one.
const PANIC_WINDOW: Seconds = 6.0;
/// `panic-threshold-percentage`, as a factor of the ready pods.
const PANIC_THRESHOLD: f64 = 2.0;
/// `max-scale-up-rate`, as a factor of the ready pods.
const MAX_UP: f64 = 1000.0;
/// `max-scale-down-rate`, as a divisor of the ready pods.
const MAX_DOWN: f64 = 2.0;

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KpaSettings {
    /// `container-concurrency-target-percentage`: the share of a worker's slots that should be in use.
    pub utilisation: f64,
}

impl KpaSettings {
    /// Name in tables.
    pub fn name(&self) -> String {
        format!("KPA u {}", self.utilisation)
    }
}

/// The autoscaler.
#[derive(Clone, Debug)]
pub struct Kpa {
    settings: KpaSettings,
    given: Given,
    /// Times, and the number of tasks that waited or were in flight; oldest first.
    past: VecDeque<(Seconds, f64)>,
    /// Whether there was a tick before.
    begun: bool,
    panic: Option<Panic>,
}

/// Panic mode, while the load is far above the capacity.
#[derive(Clone, Copy, Debug)]
struct Panic {
    /// Time when the load was last that high.
    last: Seconds,
    /// Largest number of replicas that it recommended since: no fewer until the panic is over.
    most: u32,
}

impl Kpa {
    /// Peer with these settings.
    pub fn new(settings: KpaSettings, given: Given) -> Self {
        Self {
            settings,
            given,
            past: VecDeque::new(),
            begun: false,
            panic: None,
        }
    }

    /// Mean concurrency of the last `window` seconds.
    fn mean(&self, now: Seconds, window: Seconds) -> f64 {
        let recent = self.past.iter().filter(|(at, _)| now - at < window);
        let (ticks, sum) = recent.fold((0.0, 0.0), |(ticks, sum), (_, tasks)| (ticks + 1.0, sum + tasks));
        sum / f64::max(ticks, 1.0)
    }

    /// Enters or leaves the panic mode.
    fn feel(&mut self, now: Seconds, overrun: bool) {
        match &mut self.panic {
            Some(panic) if overrun => panic.last = now,
            Some(panic) if now - panic.last > STABLE_WINDOW => self.panic = None,
            None if overrun => self.panic = Some(Panic { last: now, most: 0 }),
            _ => {}
        }
    }
}

impl Scaler for Kpa {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        2.0
    }

    fn phase(&self) -> Seconds {
        1.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        if seen.broker_down {
            return None;
        }
        let now = seen.now;
        if !self.begun && seen.ready > 1 {
            // It starts in panic, so as not to scale down before it knows anything (`newAutoscaler`).
            let most = seen.ready;
            self.panic = Some(Panic { last: now, most });
        }
        self.begun = true;
        self.past.retain(|(at, _)| now - at < STABLE_WINDOW);
        self.past.push_back((now, seen.waiting as f64 + seen.in_flight as f64));

        let target = self.given.slots * self.settings.utilisation;
        let ready = f64::from(seen.ready.max(1));
        let stable = (self.mean(now, STABLE_WINDOW) / target).ceil();
        let short = (self.mean(now, PANIC_WINDOW) / target).ceil();
        let bounded = |pods: f64| ceil(pods.max((ready / MAX_DOWN).floor()).min((ready * MAX_UP).ceil()));

        self.feel(now, short / ready >= PANIC_THRESHOLD);
        let desired = match &mut self.panic {
            Some(panic) => {
                panic.most = panic.most.max(bounded(stable)).max(bounded(short));
                panic.most
            }
            None => bounded(stable),
        };
        Some(self.given.limits.clamp(desired))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::{
        PeerLimits,
        fixture::{seen, workload},
    };

    /// Peer with a target of 2 tasks for each pod.
    fn kpa(limits: PeerLimits) -> Kpa {
        Kpa::new(KpaSettings { utilisation: 0.5 }, Given::of(&workload(), limits))
    }

    /// Ticks every 2 s from `from` to before `to`; returns the last recommendation.
    fn run_ticks(kpa: &mut Kpa, from: u32, to: u32, waiting: u64, replicas: u32) -> Option<u32> {
        let times = (from..to).step_by(2);
        times
            .map(|now| kpa.tick(&seen(f64::from(now), waiting, replicas)))
            .last()
            .flatten()
    }

    #[test]
    fn follows_the_mean() {
        let mut kpa = kpa(PeerLimits::default());
        assert_eq!(run_ticks(&mut kpa, 1, 61, 2, 1), Some(1));
        // 15 ticks of 2 and 15 of 3: a mean of 2.5 is 2 pods; the last three, 3 each, are too, which is twice 1.
        assert_eq!(run_ticks(&mut kpa, 61, 91, 3, 1), Some(2));
        assert!(kpa.panic.is_some());
    }

    #[test]
    fn counts_tasks_in_flight() {
        let running = Seen {
            in_flight: 5,
            ..seen(1.0, 2, 4)
        };
        let mut kpa = kpa(PeerLimits::default());
        kpa.begun = true; // without its first panic
        assert_eq!(kpa.tick(&running), Some(4)); // ceil(7 / 2)
    }

    #[test]
    fn panics_at_twice_what_is_ready() {
        let mut calm = kpa(PeerLimits::default());
        run_ticks(&mut calm, 1, 61, 8, 4);
        // Over 6 s (3 ticks): (8 + 8 + 25) / 3 / 2 = 6.8, 7 pods, less than twice 4; over 60 s 4.3.
        let mut calmer = calm.clone();
        calmer.panic = None;
        assert_eq!(calmer.tick(&seen(61.0, 25, 4)), Some(5));
        // (8 + 8 + 30) / 3 / 2 = 7.7, 8 pods.
        calm.panic = None;
        assert_eq!(calm.tick(&seen(61.0, 30, 4)), Some(8));
    }

    #[test]
    fn a_panic_only_goes_up_and_ends_after_a_minute() {
        let mut kpa = kpa(PeerLimits::default());
        assert_eq!(kpa.tick(&seen(1.0, 40, 1)), Some(20));
        // Nothing waits: (40 + 0) / 2 / 2 = 10 and 40 / 3 / 2 = 7 pods are still twice 1, then no longer.
        assert_eq!(run_ticks(&mut kpa, 3, 67, 0, 1), Some(20)); // at 65 s: 60 s since the run_ticks at 5 s
        assert_eq!(kpa.tick(&seen(67.0, 0, 1)), Some(1));
        assert!(kpa.panic.is_none());
    }

    #[test]
    fn a_panic_takes_the_larger_mean() {
        let mut kpa = kpa(PeerLimits::default());
        run_ticks(&mut kpa, 1, 55, 40, 20);
        kpa.panic = None;
        // 27 ticks of 40: a mean of 38.6 over 28, 20 pods. Over 6 s (40 + 40 + 0) / 3 / 2 = 13.3, 14 pods, twice 7.
        assert_eq!(kpa.tick(&seen(55.0, 0, 7)), Some(20));
        assert!(kpa.panic.is_some());
    }

    #[test]
    fn halves_at_most() {
        let mut kpa = kpa(PeerLimits { min: 0, max: 200 });
        kpa.begun = true;
        assert_eq!(kpa.tick(&seen(1.0, 0, 9)), Some(4));
        assert_eq!(kpa.tick(&seen(3.0, 0, 1)), Some(0));
        assert_eq!(kpa.tick(&seen(5.0, 0, 0)), Some(0));
    }

    #[test]
    fn grows_a_thousandfold_at_most() {
        let mut kpa = kpa(PeerLimits { min: 0, max: 9999 });
        assert_eq!(kpa.tick(&seen(1.0, 1_000_000, 0)), Some(1000)); // as if 1 were ready
    }

    #[test]
    fn starts_in_panic() {
        let mut kpa = kpa(PeerLimits::default());
        assert_eq!(run_ticks(&mut kpa, 1, 63, 0, 9), Some(9));
        assert_eq!(kpa.tick(&seen(63.0, 0, 9)), Some(4));
    }

    #[test]
    fn does_nothing_without_a_broker() {
        let down = Seen {
            broker_down: true,
            ..seen(3.0, 0, 10)
        };
        assert_eq!(kpa(PeerLimits::default()).tick(&down), None);
    }
}
