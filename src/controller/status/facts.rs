//! All that a status may say: what the controller knows of a pool. Data only.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{LastScale, Mode},
    controller::pool::Problem,
    scaling::Decision,
    work::{SampleError, Tally},
    workers::Plan,
};

/// What is known of a pool.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The generation of the spec.
    pub generation: i64,
    /// What keeps the pool from working.
    pub problem: Option<&'a Problem>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.mode`.
    pub mode: Mode,
    /// The target's `spec.replicas` and ready replicas.
    pub target: Option<(u32, u32)>,
    /// The broker.
    pub source: Source<'a>,
    /// The last decision.
    pub decision: Option<&'a Decision>,
    /// Fewer replicas were decided on than could be reached, because so many pods run tasks or are not known to be idle.
    pub kept: Option<u32>,
    /// What the pods do that are to go, where that was looked at.
    pub leaving: Option<&'a Plan>,
    /// The right that is missing, if the broker's permissions keep us from asking and telling workers.
    pub refused: Option<&'a str>,
    /// Who of the ready pods is heard.
    pub workers: Heard<'a>,
    /// This pod was stopped while it may have run tasks, and did not end by itself within its grace period.
    pub overstayed: Option<&'a str>,
    /// Another writer changed the deletion cost of this pod.
    pub cost_conflict: Option<&'a str>,
    /// Others changed the target's replicas three times in ten minutes: the last one's field manager.
    pub fought_by: Option<&'a str>,
    /// The last write to the target failed: why.
    pub write_failed: Option<&'a str>,
    /// The last change the operator made.
    pub last_scale: Option<&'a LastScale>,
    /// The wall clock, for transition times.
    pub now: Timestamp,
}

/// Who of the ready pods is heard, by heartbeats or answers.
#[derive(Clone, Debug, Default)]
pub struct Heard<'a> {
    /// So many pods are ready.
    pub ready: u32,
    /// So many of them are heard.
    pub heard: u32,
    /// For how long some have not been; `None`: all are.
    pub missing_for: Option<Duration>,
    /// Names of those, once they have been listed.
    pub not_heard: Vec<&'a str>,
}

/// What is known of the broker.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// Not asked yet.
    NotYet,
    /// Read lately.
    Read {
        /// The last count.
        tally: &'a Tally,
        /// When it was taken.
        at: Timestamp,
    },
    /// Cannot be read.
    Lost {
        /// Why.
        why: SampleError,
        /// For how long.
        age: Duration,
        /// The last count, if there was one, and when it was taken.
        last: Option<(&'a Tally, Timestamp)>,
    },
}
