//! Deadline rule: the fewest pods that start every waiting task before its deadline.
//!
//! A task that arrived at *x* must start by *x* + *Te*, where *Te* is the wait target less a margin. By the moment *h*
//! from now *D(h)* = *A(now + h − Te) − B* tasks must have started: see [`super::flow`]. A new pod cannot help before
//! it has started: what the existing pods cannot manage by then must be caught up shortly after; it is neither ignored
//! nor a reason to order too many.
#![deny(clippy::disallowed_methods)]
use super::{Moment, flow::Flow, supply::Supply};
use std::time::Duration;

/// Number of deadlines that are checked, spread evenly.
const POINTS: u32 = 24;
/// Time to catch up with overdue tasks, after a start-up, as a share of the target.
const CATCH_UP: f64 = 0.25;
/// Seconds beyond the last deadline that are also checked, with the present rate of arrivals.
const LOOK_AHEAD: [f64; 2] = [15.0, 30.0];

/// Deadlines of the tasks that wait and that will arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deadlines {
    /// Wait target, in seconds.
    pub(crate) target: f64,
    /// Wait target less a margin, in seconds.
    pub(crate) within: f64,
    /// Number of tasks that arrive in a second.
    pub(crate) rate: f64,
    /// Seconds between two counts.
    pub(crate) period: f64,
}

/// Result of the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Need {
    /// Number of pods.
    pub(crate) pods: f64,
    /// Whether there are tasks for which no order comes in time.
    pub(crate) overdue: bool,
}

impl Need {
    fn raise(&mut self, other: Need) {
        if other.pods > self.pods {
            *self = other;
        }
    }
}

/// Smallest number of pods; more than the maximum means that even the maximum is not enough.
pub(crate) fn need(flow: &Flow, supply: &Supply, deadlines: &Deadlines, now: Moment) -> Need {
    let Deadlines {
        target,
        within,
        rate,
        period,
    } = *deadlines;
    let waiting = flow.waiting();
    let new_pods_help = supply.startup + (CATCH_UP * target).max(2.0 * period);
    let mut need = Need::default();
    let mut overdue = 0.0_f64;
    let mut point = |tasks: f64, h: f64| {
        let possible = if h < new_pods_help {
            supply.existing(h)
        } else {
            f64::INFINITY
        };
        let startable = supply.startable(tasks, h);
        if startable > possible {
            overdue = overdue.max(tasks);
        }
        need.raise(Need {
            pods: supply.needed(startable.min(possible), h),
            overdue: false,
        });
    };
    if waiting > 0.0 {
        let started = flow.started();
        for n in 1..POINTS {
            let h = within * f64::from(n) / f64::from(POINTS);
            let age = Duration::from_secs_f64((within - h).max(0.0));
            // Before the first count nothing has arrived.
            let arrived = now.checked_sub(age).map_or(started, |at| flow.arrived_by(at));
            point(arrived - started, h);
        }
    }
    point(waiting, within.max(period));
    if waiting > 0.0 || rate > 0.0 {
        for further in LOOK_AHEAD {
            let h = new_pods_help.max(within) + further;
            point(waiting + rate * (h - within), h);
        }
    }
    if overdue > 0.0 {
        need.raise(Need {
            pods: supply.needed(supply.startable(overdue, new_pods_help), new_pods_help),
            overdue: true,
        });
    }
    need
}
