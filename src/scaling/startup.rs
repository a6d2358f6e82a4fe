//! Pods on their way: when each was ordered, and how long pods take to become ready.
//!
//! Both are read off the target's two numbers: an order is a rise of `replicas`, and a rise of `ready` ends the oldest
//! orders. What counts for a decision is the whole way from the order to a worker that takes tasks, so scheduling,
//! image pulls and new nodes are in it.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::{collections::VecDeque, time::Duration};

/// Before anything was learned.
pub(crate) const PRIOR: Duration = Duration::from_secs(30);
/// The last start-ups count, about so many. Of pods ordered together the slowest come last: a few are not enough.
const KEPT: u32 = 100;
/// They are kept by the moment at which they came; so many moments at most.
const MOMENTS: usize = 64;
/// Orders are kept apart by their time, at most so many; older ones are merged.
const ORDERS: usize = 32;
/// A pod that is late is expected after this share of the start-up time, again and again.
const LATE: f64 = 0.25;
/// No pod counts as stuck sooner.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pods that became ready since then speak against that.
const LATELY: Duration = Duration::from_secs(300);
/// What another process learned weighs as much as so many pods.
const REMEMBERED: u32 = 3;
/// A pod is never expected sooner.
const SOONEST: f64 = 2.0;

/// What is known of pods that start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Startup {
    /// `replicas` and `ready` of the last look.
    last: Option<(u32, u32)>,
    /// Pods that are not ready yet, by the time of their order, oldest first.
    orders: VecDeque<Order>,
    /// How long the last ones took, oldest first.
    took: VecDeque<Took>,
    /// When pods that had been stuck began to become ready; until one that was ordered since has come.
    unstuck: Option<Moment>,
}

/// So many pods were ready so long after their order, at that moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Took {
    time: Duration,
    at: Moment,
    pods: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Order {
    at: Moment,
    pods: u32,
    /// We saw the number rise: the time is that of the order.
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
    /// Takes the target's numbers in. A rollout replaces pods on its own: it says nothing of orders.
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
            let Order { at, pods, seen } = *oldest;
            if pods == 0 {
                self.orders.pop_front();
            }
            if rose && seen && !rollout {
                self.came(at, came, now);
            }
        }
        self.forget();
        // Pods that were ready and are not any more, or that started before anybody looked.
        let unknown = starting.saturating_sub(self.ordered());
        if unknown > 0 {
            self.order(unknown, now, false);
        }
    }

    /// The oldest start-ups, once those after them are enough.
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
            _ => self.orders.push_back(Order { at: now, pods, seen }),
        }
        if self.orders.len() > ORDERS
            && let Some(oldest) = self.orders.pop_front()
            && let Some(next) = self.orders.front_mut()
        {
            next.pods = next.pods.saturating_add(oldest.pods);
        }
    }

    /// Pods are ready that were ordered together. Pods that had been stuck tell when the trouble was over, not how long
    /// pods take: all that were ordered before that count as one.
    fn came(&mut self, ordered: Moment, pods: u32, now: Moment) {
        if self.was_stuck(ordered) {
            return;
        }
        let time = now.saturating_sub(ordered);
        let late = time > patience(self.slowest().unwrap_or(PRIOR).as_secs_f64());
        self.unstuck = late.then_some(now);
        let pods = if late { 1 } else { pods };
        self.took.push_back(Took { time, at: now, pods });
    }

    /// A pod ordered then shared the trouble of those that had been stuck.
    fn was_stuck(&self, ordered: Moment) -> bool {
        self.unstuck.is_some_and(|over| ordered < over)
    }

    fn ordered(&self) -> u32 {
        self.orders.iter().fold(0, |sum, order| order.pods.saturating_add(sum))
    }

    /// The start-up time to reckon with, in seconds: this share of the pods is faster. Of pods ordered together the
    /// fastest come first and tell little: those on their way are reckoned in, unless that would make the guess of one
    /// that was far slower than the rest.
    pub(crate) fn seconds(&self, quantile: f64, now: Moment) -> f64 {
        let mut took: Vec<_> = self.took.iter().map(|took| (took.time, took.pods)).collect();
        took.sort_unstable();
        let alone = reached(&took, quantile, |_| 0.0).unwrap_or(PRIOR);
        let patience = patience(self.slowest().unwrap_or(PRIOR).as_secs_f64());
        let waiting = |time| {
            let ages = self.orders.iter().filter(|order| order.seen);
            let ages = ages.map(|order| (now.saturating_sub(order.at), order.pods));
            // Pods that are stuck tell nothing.
            let older = ages.filter(|(age, _)| (time..=patience).contains(age));
            older.map(|(_, pods)| f64::from(pods)).sum::<f64>()
        };
        let with_them = reached(&took, quantile, waiting).unwrap_or(Duration::MAX);
        with_them.min(alone.max(PRIOR)).as_secs_f64().max(SOONEST)
    }

    fn slowest(&self) -> Option<Duration> {
        self.took.iter().map(|took| took.time).max()
    }

    /// It was learned from pods and is no guess.
    pub(crate) fn is_known(&self) -> bool {
        !self.took.is_empty()
    }

    /// Begins with what another process learned.
    pub(crate) fn remember(&mut self, seconds: f64) {
        let took = Duration::try_from_secs_f64(seconds).unwrap_or(PRIOR);
        self.took = VecDeque::from([Took {
            time: took,
            at: Moment::ZERO,
            pods: REMEMBERED,
        }]);
    }

    /// Pods that should have been ready long ago, if more of them are than became ready lately: something keeps them
    /// (no room on the nodes, a missing image, a crash), and more of them would not help.
    pub(crate) fn stuck(&self, usual: f64, now: Moment) -> Option<u32> {
        let patience = patience(usual);
        let late = |order: &&Order| now.saturating_sub(order.at) > patience;
        let late = self
            .orders
            .iter()
            .filter(late)
            .fold(0, |sum, order| order.pods.saturating_add(sum));
        let lately = |took: &&Took| now.saturating_sub(took.at) < LATELY;
        let came = self
            .took
            .iter()
            .filter(lately)
            .fold(0, |sum, took| took.pods.saturating_add(sum));
        (late > 0 && late >= came).then_some(late)
    }

    /// How long until the next pod that does not come counts as stuck.
    pub(crate) fn stuck_in(&self, usual: f64, now: Moment) -> Option<Duration> {
        let patience = patience(usual);
        let left = |order: &Order| patience.checked_sub(now.saturating_sub(order.at));
        self.orders.iter().filter_map(left).min()
    }

    /// Pods are on their way.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Pods that had been stuck became ready lately, and none that was ordered since: the next may be stuck, too.
    pub(crate) fn recovers(&self, now: Moment) -> bool {
        self.unstuck.is_some_and(|at| now.saturating_sub(at) < LATELY)
    }

    /// When the pods on their way will be ready, soonest first.
    pub(crate) fn arriving(&self, usual: f64, now: Moment) -> Vec<Arriving> {
        let expected = |order: &Order| {
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

/// When this share of the pods has come, by Kaplan and Meier's estimator; `None`: not known. `took`: how long so many
/// pods took, fastest first; `waiting`: how many have not come although they have waited so long.
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

/// Pods that usually take so many seconds count as stuck after this.
fn patience(usual: f64) -> Duration {
    Duration::try_from_secs_f64(usual * 3.0)
        .unwrap_or_default()
        .max(PATIENCE)
}

#[cfg(test)]
mod tests;
