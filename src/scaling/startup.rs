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
/// The last start-ups count, at most so many.
const KEPT: usize = 20;
/// Orders are kept apart by their time, at most so many; older ones are merged.
const ORDERS: usize = 32;
/// A pod that is late is expected after this share of the start-up time, again and again.
const LATE: f64 = 0.25;
/// No pod counts as stuck sooner.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pods that became ready since then speak against that.
const LATELY: Duration = Duration::from_secs(300);
/// What another process learned weighs as much as so many pods.
const REMEMBERED: usize = 3;
/// A pod is never expected sooner.
const SOONEST: f64 = 2.0;

/// What is known of pods that start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Startup {
    /// `replicas` and `ready` of the last look.
    last: Option<(u32, u32)>,
    /// Pods that are not ready yet, by the time of their order, oldest first.
    orders: VecDeque<Order>,
    /// How long the last ones took and when they were ready, oldest first.
    took: VecDeque<(Duration, Moment)>,
    /// When pods that had been stuck began to become ready; until one that was ordered since has come.
    unstuck: Option<Moment>,
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
        while self.took.len() > KEPT {
            self.took.pop_front();
        }
        // Pods that were ready and are not any more, or that started before anybody looked.
        let unknown = starting.saturating_sub(self.ordered());
        if unknown > 0 {
            self.order(unknown, now, false);
        }
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
        let took = now.saturating_sub(ordered);
        let late = took > patience(self.seconds(1.0));
        self.unstuck = late.then_some(now);
        let count = if late { 1 } else { KEPT.min(pods as usize) };
        self.took.extend(std::iter::repeat_n((took, now), count));
    }

    /// A pod ordered then shared the trouble of those that had been stuck.
    fn was_stuck(&self, ordered: Moment) -> bool {
        self.unstuck.is_some_and(|over| ordered < over)
    }

    fn ordered(&self) -> u32 {
        self.orders.iter().fold(0, |sum, order| order.pods.saturating_add(sum))
    }

    /// The start-up time to reckon with, in seconds: this share of the last pods was faster.
    pub(crate) fn seconds(&self, quantile: f64) -> f64 {
        let mut took: Vec<_> = self.took.iter().map(|(took, _)| *took).collect();
        took.sort_unstable();
        let usual = took.get((took.len() as f64 * quantile) as usize).or(took.last());
        usual.copied().unwrap_or(PRIOR).as_secs_f64().max(SOONEST)
    }

    /// It was learned from pods and is no guess.
    pub(crate) fn is_known(&self) -> bool {
        !self.took.is_empty()
    }

    /// Begins with what another process learned.
    pub(crate) fn remember(&mut self, seconds: f64) {
        let took = Duration::try_from_secs_f64(seconds).unwrap_or(PRIOR);
        self.took = std::iter::repeat_n((took, Moment::ZERO), REMEMBERED).collect();
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
        let lately = |(_, at): &&(Duration, Moment)| now.saturating_sub(*at) < LATELY;
        let came = self.took.iter().filter(lately).count();
        (late > 0 && late as usize >= came).then_some(late)
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

/// Pods that usually take so many seconds count as stuck after this.
fn patience(usual: f64) -> Duration {
    Duration::try_from_secs_f64(usual * 3.0)
        .unwrap_or_default()
        .max(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The orders, as time and pods.
    fn orders(startup: &Startup) -> Vec<(u64, u32)> {
        startup
            .orders
            .iter()
            .map(|order| (order.at.as_secs(), order.pods))
            .collect()
    }

    fn took(startup: &Startup) -> Vec<u64> {
        startup.took.iter().map(|(took, _)| took.as_secs()).collect()
    }

    #[test]
    fn pods_that_never_come_are_stuck_unless_others_came() {
        let mut startup = Startup::default();
        startup.take(2, 2, false, s(0));
        startup.take(5, 2, false, s(10));
        assert_eq!(startup.stuck(20.0, s(70)), None);
        assert_eq!(startup.stuck(20.0, s(71)), Some(3));
        startup.take(5, 4, false, s(72));
        assert_eq!(startup.stuck(20.0, s(100)), None, "two came, one is late");
        assert_eq!(startup.stuck(20.0, s(400)), Some(1), "two came long ago");
    }

    #[test]
    fn what_another_process_learned_is_known() {
        let mut startup = Startup::default();
        startup.remember(42.0);
        assert!(startup.is_known());
        assert_eq!(startup.seconds(0.6), 42.0);
    }

    #[test]
    fn a_rise_of_ready_ends_the_oldest_orders() {
        let mut startup = Startup::default();
        startup.take(2, 2, false, s(0));
        assert!(
            !startup.is_known(),
            "pods that were there before nobody looked say nothing"
        );
        startup.take(5, 2, false, s(10));
        startup.take(6, 2, false, s(15));
        startup.take(6, 4, false, s(30));
        assert_eq!(took(&startup), [20, 20]);
        assert_eq!(orders(&startup), [(10, 1), (15, 1)]);
        startup.take(6, 6, false, s(40));
        assert_eq!(took(&startup), [20, 20, 30, 25]);
        assert!(startup.orders.is_empty());
        assert_eq!(startup.seconds(0.75), 30.0);
    }

    #[test]
    fn the_newest_go_first_when_the_number_falls() {
        let mut startup = Startup::default();
        startup.take(0, 0, false, s(0));
        startup.take(4, 0, false, s(0));
        startup.take(8, 0, false, s(5));
        startup.take(3, 0, false, s(6));
        assert_eq!(orders(&startup), [(0, 3)]);
        startup.take(1, 1, false, s(9));
        assert_eq!(took(&startup), [9]);
    }

    #[test]
    fn arrivals_are_expected_by_age_and_late_ones_soon() {
        let mut startup = Startup::default();
        startup.take(0, 0, false, s(0));
        startup.take(1, 0, false, s(0));
        startup.take(3, 0, false, s(20));
        let at = |now| {
            startup
                .arriving(startup.seconds(0.75), s(now))
                .iter()
                .map(|a| (a.after, a.pods))
                .collect::<Vec<_>>()
        };
        assert_eq!(at(20), [(10.0, 1), (30.0, 2)]);
        assert_eq!(at(29), [(2.0, 1), (21.0, 2)]);
        assert_eq!(at(40), [(7.5, 1), (10.0, 2)]);
    }

    #[test]
    fn the_end_of_a_blockage_teaches_little() {
        let mut startup = Startup::default();
        startup.take(0, 0, false, s(0));
        startup.take(9, 0, false, s(0));
        startup.take(9, 9, false, s(20));
        startup.take(15, 9, false, s(100));
        startup.take(20, 9, false, s(150));
        startup.take(20, 11, false, s(700));
        assert!(startup.recovers(s(700)) && !startup.recovers(s(1000)));
        let usual = startup.seconds(0.6);
        assert_eq!(usual, 20.0, "two that were stuck count as one");
        assert_eq!(
            startup.arriving(usual, s(701)),
            [4, 5].map(|pods| Arriving { after: 5.0, pods })
        );
        startup.take(24, 20, false, s(703));
        assert_eq!(took(&startup).len(), 10, "those that were stuck with them do not count");
        startup.take(24, 24, false, s(733));
        assert_eq!(took(&startup)[9..], [600, 30, 30, 30, 30]);
        assert!(!startup.recovers(s(733)), "what was ordered since has come");
    }

    #[test]
    fn pods_that_are_as_slow_again_are_believed() {
        let mut startup = Startup::default();
        for hour in [0, 3600, 7200] {
            startup.take(0, 0, false, s(hour));
            startup.take(9, 0, false, s(hour));
            startup.take(9, 9, false, s(hour + 200));
        }
        assert_eq!(took(&startup), [200; 19]);
    }

    #[test]
    fn what_was_stuck_comes_soon_however_long_pods_take() {
        let mut startup = Startup::default();
        startup.take(0, 0, false, s(0));
        startup.take(5, 0, false, s(0));
        startup.take(5, 1, false, s(600));
        let usual = startup.seconds(0.6);
        assert_eq!(usual, 600.0, "nothing else is known");
        assert_eq!(startup.arriving(usual, s(601)), [Arriving { after: 7.5, pods: 4 }]);
    }

    #[test]
    fn a_rollout_teaches_nothing_and_lost_pods_are_on_their_way_again() {
        let mut startup = Startup::default();
        startup.take(3, 3, false, s(0));
        startup.take(3, 1, true, s(10));
        assert_eq!(orders(&startup), [(10, 2)]);
        startup.take(3, 3, true, s(100));
        assert!(!startup.is_known());
    }
}
