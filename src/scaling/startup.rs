//! Start-up of pods: when each was ordered, and how long pods take to become ready.
//!
//! Both are read from the target's two numbers: an order is a rise of `replicas`, and a rise of `ready` ends the oldest
//! orders. What counts for a decision is the whole way from the order to a worker that takes tasks, so scheduling,
//! image pulls and new nodes are in it.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::{collections::VecDeque, time::Duration};

/// Start-up time before anything was learned.
pub(crate) const PRIOR: Duration = Duration::from_secs(30);
/// Number of latest start-ups that count, approximately. Of pods ordered together the slowest come last: a few are not
/// enough.
const KEPT: u32 = 100;
/// Largest number of moments under which start-ups are kept.
const MOMENTS: usize = 64;
/// Largest number of orders that are kept apart by their time; older ones are merged.
const ORDERS: usize = 32;
/// Share of the start-up time after which a late pod is expected, again and again.
const LATE: f64 = 0.25;
/// Shortest time after which a pod counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Period in which pods that became ready are evidence that none is stuck.
const LATELY: Duration = Duration::from_secs(300);
/// Weight of what another process learned, in pods.
const REMEMBERED: u32 = 3;
/// Shortest expected time of a pod's start-up, in seconds.
const SOONEST: f64 = 2.0;

/// Knowledge of pods that start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Startup {
    /// Values of `replicas` and `ready` at the last observation.
    last: Option<(u32, u32)>,
    /// Pods that are not ready yet, by the time of their order, oldest first.
    orders: VecDeque<PodOrder>,
    /// Durations of the last start-ups, oldest first.
    took: VecDeque<StartupTime>,
    /// Time when pods that had been stuck began to become ready; until one that was ordered since has come.
    unstuck: Option<Moment>,
}

/// Number of pods that became ready, their time since the order, and the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct StartupTime {
    time: Duration,
    at: Moment,
    pods: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct PodOrder {
    at: Moment,
    pods: u32,
    /// Whether the rise of the number was seen: then the time is that of the order.
    seen: bool,
}

/// Pods that will be ready at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arriving {
    /// Seconds from now.
    pub(crate) after: f64,
    pub(crate) pods: u32,
}

impl Startup {
    /// Takes in the target's numbers. A rollout replaces pods on its own: it says nothing about orders.
    pub(crate) fn take(&mut self, replicas: u32, ready: u32, rollout: bool, now: Moment) {
        let starting = replicas.saturating_sub(ready);
        if self.last.is_none() {
            // What another process learned counts from here on.
            self.took.iter_mut().for_each(|took| took.at = now);
        }
        let (had, was_ready) = self.last.replace((replicas, ready)).unwrap_or((replicas, ready));
        if replicas > had {
            self.order(replicas - had, now, true);
        }
        // Kubernetes takes back the newest of the pods that are not ready first.
        let mut back = had.saturating_sub(replicas);
        while back > 0
            && let Some(newest) = self.orders.back_mut()
        {
            let gone = newest.pods.min(back);
            newest.pods -= gone;
            back -= gone;
            if newest.pods == 0 {
                self.orders.pop_back();
            }
        }
        let rose = ready > was_ready;
        let mut over = self.ordered().saturating_sub(starting);
        while over > 0
            && let Some(oldest) = self.orders.front_mut()
        {
            let came = oldest.pods.min(over);
            oldest.pods -= came;
            over -= came;
            let PodOrder { at, pods, seen } = *oldest;
            if pods == 0 {
                self.orders.pop_front();
            }
            if rose && seen && !rollout {
                self.came(at, came, now);
            }
        }
        self.forget();
        // Pods that were ready and are not any more, or that started before the first observation.
        let unknown = starting.saturating_sub(self.ordered());
        if unknown > 0 {
            self.order(unknown, now, false);
        }
    }

    /// Forgets the oldest start-ups, once those after them are enough.
    fn forget(&mut self) {
        while let Some(oldest) = self.took.front()
            && (self.known().saturating_sub(oldest.pods) >= KEPT || self.took.len() > MOMENTS)
        {
            self.took.pop_front();
        }
    }

    fn known(&self) -> u32 {
        self.took.iter().fold(0, |sum, took| took.pods.saturating_add(sum))
    }

    fn order(&mut self, pods: u32, now: Moment, seen: bool) {
        match self.orders.back_mut() {
            Some(last) if last.at == now && last.seen == seen => last.pods = last.pods.saturating_add(pods),
            _ => self.orders.push_back(PodOrder { at: now, pods, seen }),
        }
        if self.orders.len() > ORDERS
            && let Some(oldest) = self.orders.pop_front()
            && let Some(next) = self.orders.front_mut()
        {
            next.pods = next.pods.saturating_add(oldest.pods);
        }
    }

    /// Takes in pods that are ready and were ordered together. Pods that had been stuck show when the trouble was over,
    /// not how long pods take: all that were ordered before that count as one.
    fn came(&mut self, ordered: Moment, pods: u32, now: Moment) {
        if self.was_stuck(ordered) {
            return;
        }
        let time = now.saturating_sub(ordered);
        let late = time > patience(self.slowest().unwrap_or(PRIOR).as_secs_f64());
        self.unstuck = late.then_some(now);
        let pods = if late { 1 } else { pods };
        self.took.push_back(StartupTime { time, at: now, pods });
    }

    /// Whether a pod ordered then shared the trouble of those that had been stuck.
    fn was_stuck(&self, ordered: Moment) -> bool {
        self.unstuck.is_some_and(|over| ordered < over)
    }

    fn ordered(&self) -> u32 {
        self.orders.iter().fold(0, |sum, order| order.pods.saturating_add(sum))
    }

    /// Start-up time to use, in seconds: this share of the pods is faster. Of pods ordered together the fastest come
    /// first and show little: those on their way are included, unless that would let one very slow pod decide.
    pub(crate) fn seconds(&self, quantile: f64, now: Moment) -> f64 {
        let mut took: Vec<_> = self.took.iter().map(|took| (took.time, took.pods)).collect();
        took.sort_unstable();
        let alone = reached(&took, quantile, |_| 0.0).unwrap_or(PRIOR);
        let patience = patience(self.slowest().unwrap_or(PRIOR).as_secs_f64());
        let waiting = |time| {
            let ages = self.orders.iter().filter(|order| order.seen);
            let ages = ages.map(|order| (now.saturating_sub(order.at), order.pods));
            // Pods that are stuck show nothing.
            let older = ages.filter(|(age, _)| (time..=patience).contains(age));
            older.map(|(_, pods)| f64::from(pods)).sum::<f64>()
        };
        let with_them = reached(&took, quantile, waiting).unwrap_or(Duration::MAX);
        with_them.min(alone.max(PRIOR)).as_secs_f64().max(SOONEST)
    }

    fn slowest(&self) -> Option<Duration> {
        self.took.iter().map(|took| took.time).max()
    }

    /// Whether it was learned from pods and is no guess.
    pub(crate) fn is_known(&self) -> bool {
        !self.took.is_empty()
    }

    /// Begins with what another process learned.
    pub(crate) fn remember(&mut self, seconds: f64) {
        let took = Duration::try_from_secs_f64(seconds).unwrap_or(PRIOR);
        self.took = VecDeque::from([StartupTime {
            time: took,
            at: Moment::ZERO,
            pods: REMEMBERED,
        }]);
    }

    /// Number of pods that should have been ready long ago, if it is more than the number that became ready recently:
    /// something keeps them (no room on the nodes, a missing image, a crash), and more of them would not help.
    pub(crate) fn stuck(&self, usual: f64, now: Moment) -> Option<u32> {
        let patience = patience(usual);
        let late = |order: &&PodOrder| now.saturating_sub(order.at) > patience;
        let late = self
            .orders
            .iter()
            .filter(late)
            .fold(0, |sum, order| order.pods.saturating_add(sum));
        let lately = |took: &&StartupTime| now.saturating_sub(took.at) < LATELY;
        let came = self
            .took
            .iter()
            .filter(lately)
            .fold(0, |sum, took| took.pods.saturating_add(sum));
        (late > 0 && late >= came).then_some(late)
    }

    /// Time until the next pod that does not come counts as stuck.
    pub(crate) fn stuck_in(&self, usual: f64, now: Moment) -> Option<Duration> {
        let patience = patience(usual);
        let left = |order: &PodOrder| patience.checked_sub(now.saturating_sub(order.at));
        self.orders.iter().filter_map(left).min()
    }

    /// Whether pods are on their way.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Whether pods that had been stuck became ready recently, and none that was ordered since: the next may be stuck,
    /// too.
    pub(crate) fn recovers(&self, now: Moment) -> bool {
        self.unstuck.is_some_and(|at| now.saturating_sub(at) < LATELY)
    }

    /// Pods on their way and the time until they will be ready, soonest first.
    pub(crate) fn arriving(&self, usual: f64, now: Moment) -> Vec<Arriving> {
        let expected = |order: &PodOrder| {
            let age = now.saturating_sub(order.at).as_secs_f64();
            // What was stuck together comes together.
            let usual = match self.was_stuck(order.at) {
                true => usual.min(PRIOR.as_secs_f64()),
                false => usual,
            };
            Arriving {
                after: if age <= usual {
                    (usual - age).max(SOONEST)
                } else {
                    usual * LATE
                },
                pods: order.pods,
            }
        };
        let mut arriving: Vec<_> = self.orders.iter().map(expected).collect();
        arriving.sort_by(|a, b| a.after.total_cmp(&b.after));
        arriving
    }
}

/// Time by which this share of the pods has come, by Kaplan and Meier's estimator; `None`: not known. `took`: durations
/// and number of pods, fastest first; `waiting`: number of pods that have not come although they have waited for this
/// time.
fn reached(took: &[(Duration, u32)], share: f64, waiting: impl Fn(Duration) -> f64) -> Option<Duration> {
    let mut left = took.iter().map(|(_, pods)| f64::from(*pods)).sum::<f64>();
    let mut missing = 1.0;
    for (time, pods) in took {
        let pods = f64::from(*pods);
        missing *= 1.0 - pods / (left + waiting(*time));
        left -= pods;
        if missing <= 1.0 - share {
            return Some(*time);
        }
    }
    None
}

/// Time after which a pod counts as stuck; `usual`: seconds that pods usually take.
fn patience(usual: f64) -> Duration {
    Duration::try_from_secs_f64(usual * 3.0)
        .unwrap_or_default()
        .max(PATIENCE)
}

#[cfg(test)]
mod tests;
