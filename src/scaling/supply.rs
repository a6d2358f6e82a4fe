//! Supply: the number of waiting tasks that a number of pods can start within a time.
//!
//! An idle slot starts a task at once, and every slot is free again once in a service time. A pod that is not ready yet
//! does the same from then on. `1 +` in the formula makes it right for tasks of a second and of ten minutes alike.
#![deny(clippy::disallowed_methods)]
use super::startup::Arriving;

/// Number of pods that means that none would be enough.
const NEVER: f64 = 1e9;
/// Part of a task below which a difference is a rounding error.
const HAIR: f64 = 1e-6;

/// Existing pods, and what new ones would add.
#[derive(Clone, Debug)]
pub(crate) struct Supply {
    /// Number of task slots of a pod.
    pub(crate) slots: f64,
    /// Number of ready pods.
    pub(crate) ready: f64,
    /// Number of tasks in their slots.
    pub(crate) running: f64,
    /// Number of tasks that workers have fetched and do not run: they came first, and no other worker can start them.
    pub(crate) fetched: f64,
    /// Number of pods whose workers may hold those.
    pub(crate) holders: f64,
    /// Number of tasks that arrive in a second.
    pub(crate) rate: f64,
    /// Seconds a task takes.
    pub(crate) service: f64,
    /// Seconds until a pod that is ordered now takes tasks.
    pub(crate) startup: f64,
    /// Pods on their way, soonest first.
    pub(crate) arriving: Vec<Arriving>,
}

impl Supply {
    /// Smallest number of pods that start `tasks` within `within` seconds.
    pub(crate) fn needed(&self, tasks: f64, within: f64) -> f64 {
        if tasks <= 0.0 {
            return 0.0;
        }
        let turns = within / self.service;
        let ready = self.needed_of_ready(tasks, turns);
        if ready <= self.ready {
            return ready;
        }
        let mut left = tasks - self.of_ready(turns);
        if left <= HAIR {
            return self.ready;
        }
        let mut pods = self.ready;
        for arriving in &self.arriving {
            let each = self.from(arriving.after, within);
            if each <= 0.0 {
                break;
            }
            let number = f64::from(arriving.pods);
            if left <= each * number + HAIR {
                return pods + left / each;
            }
            (left, pods) = (left - each * number, pods + number);
        }
        if left <= HAIR {
            return pods;
        }
        let each = self.from(self.startup, within);
        // Pods on their way that come too late count as ordered: new ones come on top.
        let ordered: f64 = self.ready + self.arriving.iter().map(|a| f64::from(a.pods)).sum::<f64>();
        if each <= 0.0 {
            return NEVER;
        }
        pods.max(ordered) + left / each
    }

    /// Number of the tasks that must start within `within` seconds and that any worker can start by then. What a worker
    /// has fetched beyond that waits for it alone, however many others there are. But what arrives meanwhile would
    /// queue up behind that, too, if no other worker were free.
    pub(crate) fn startable(&self, tasks: f64, within: f64) -> f64 {
        let theirs = self.room_of_holders() + self.slots * self.holders * within / self.service;
        let hoarded = (tasks.min(self.fetched) - theirs).max(0.0);
        tasks - (hoarded - self.rate * within).max(0.0)
    }

    /// Number of slots that what has been fetched will fill at once.
    pub(crate) fn room_of_holders(&self) -> f64 {
        (self.slots * self.holders - self.running).max(0.0)
    }

    /// Number of tasks that all existing and starting pods start within `within` seconds.
    pub(crate) fn existing(&self, within: f64) -> f64 {
        let arriving = |a: &Arriving| f64::from(a.pods) * self.from(a.after, within);
        self.of_ready(within / self.service) + self.arriving.iter().map(arriving).sum::<f64>()
    }

    /// Number of tasks that one pod starts within `within` seconds if it is ready after `after` seconds.
    fn from(&self, after: f64, within: f64) -> f64 {
        match within >= after {
            true => self.slots * (1.0 + (within - after) / self.service),
            false => 0.0,
        }
    }

    fn of_ready(&self, turns: f64) -> f64 {
        (self.slots * self.ready - self.running).max(0.0) + self.slots * self.ready * turns
    }

    /// As [`Self::needed`], with ready pods only.
    fn needed_of_ready(&self, tasks: f64, turns: f64) -> f64 {
        let all_busy = tasks / (self.slots * turns);
        let some_idle = (tasks + self.running) / (self.slots * (1.0 + turns));
        all_busy.min(some_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(ready: f64, running: f64, arriving: &[(f64, u32)]) -> Supply {
        Supply {
            slots: 4.0,
            ready,
            running,
            fetched: 0.0,
            holders: 0.0,
            rate: 0.0,
            service: 5.0,
            startup: 30.0,
            arriving: arriving
                .iter()
                .map(|(after, pods)| Arriving {
                    after: *after,
                    pods: *pods,
                })
                .collect(),
        }
    }

    #[test]
    fn ready_pods_turn_over_once_in_a_service_time() {
        let busy = supply(2.0, 8.0, &[]);
        assert_eq!(busy.existing(10.0), 16.0);
        assert_eq!(busy.needed(16.0, 10.0), 2.0);
        assert_eq!(busy.needed(8.0, 10.0), 1.0);
        let idle = supply(2.0, 0.0, &[]);
        assert_eq!(idle.existing(10.0), 24.0);
        assert_eq!(idle.needed(24.0, 10.0), 2.0);
    }

    #[test]
    fn pods_on_their_way_come_first_and_new_ones_need_a_start_up() {
        let some = supply(1.0, 4.0, &[(5.0, 1), (20.0, 2)]);
        // by 40 s: 32 + 4 × 8 + 2 × 4 × 5 = 104, and each new one 4 × 3
        assert_eq!(some.existing(40.0), 104.0);
        assert_eq!(some.needed(104.0, 40.0), 4.0);
        assert_eq!(some.needed(128.0, 40.0), 6.0);
        assert!(some.needed(200.0, 15.0) >= NEVER, "nothing new comes that soon");
    }

    #[test]
    fn what_a_worker_has_fetched_nobody_else_can_start() {
        let hoards = Supply {
            fetched: 148.0,
            holders: 1.0,
            ..supply(4.0, 4.0, &[])
        };
        // In 10 s its 4 slots are free twice.
        assert_eq!(hoards.startable(148.0, 10.0), 8.0);
        assert_eq!(hoards.needed(8.0, 10.0), 1.0);
        assert_eq!(hoards.startable(5.0, 10.0), 5.0, "it can itself");
        assert_eq!(hoards.startable(158.0, 10.0), 18.0, "ten more that anybody can");
        let busy = Supply {
            rate: 0.2,
            ..hoards.clone()
        };
        assert_eq!(busy.startable(148.0, 10.0), 10.0, "two arrive meanwhile");
        let shared = Supply {
            fetched: 12.0,
            holders: 4.0,
            ..hoards
        };
        assert_eq!(shared.startable(30.0, 10.0), 30.0, "the usual case: nothing is hoarded");
        let free = Supply { running: 0.0, ..shared };
        assert_eq!(free.startable(30.0, 0.0), 30.0, "free slots start them at once");
    }

    #[test]
    fn what_it_says_is_enough() {
        let some = supply(3.0, 7.0, &[(3.0, 2), (12.0, 1)]);
        for tasks in 1..400 {
            let (tasks, within) = (f64::from(tasks), 35.0);
            let needed = some.needed(tasks, within);
            if needed > 6.0 {
                let new = (needed - 6.0) * some.from(30.0, within);
                assert!((some.existing(within) + new - tasks).abs() < 1e-9, "{tasks}");
            } else if needed > 3.0 {
                assert!(some.existing(within) >= tasks - 1e-9, "{tasks}");
            }
        }
    }
}
