//! Causes that keep the wait target from being met.
#![deny(clippy::disallowed_methods)]
use std::time::Duration;

/// Cause that keeps the wait target from being met, where more workers would not help, or would come too late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Pods that were ordered long ago are not ready.
    PodsNotReady {
        /// Number of pods.
        pods: u32,
    },
    /// Tasks run and none finishes.
    NothingFinishes,
    /// Pods start more slowly than tasks may wait: work that comes as a surprise waits longer.
    SlowerThanTarget {
        /// Start-up time of pods.
        startup: Duration,
        /// Share of the tasks started in the last hours that had waited no longer than the target.
        in_time: Option<f64>,
    },
    /// Busy workers have fetched tasks that others, which are free, could run: those wait too long.
    HeldByWorkers {
        /// Share of the tasks that started in time, as above.
        in_time: f64,
    },
    /// Too many tasks wait too long, for a reason that is not known.
    TasksLate {
        /// Share of the tasks that started in time, as above.
        in_time: f64,
    },
}

impl Trouble {
    /// Reason of the condition `TargetFeasible`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::PodsNotReady { .. } => "PodsNotReady",
            Self::NothingFinishes => "NothingFinishes",
            Self::SlowerThanTarget { .. } => "PodsStartTooSlowly",
            Self::HeldByWorkers { .. } => "TasksHeldByWorkers",
            Self::TasksLate { .. } => "TasksLate",
        }
    }
}
