//! All that a status may say: what the controller knows of a pool. Data only.

use std::time::Duration;

use jiff::Timestamp;

use super::queues::SharedQueue;
use crate::{
    api::{LastScale, Mode},
    controller::{pool::Problem, target::Target},
    drain::Plan,
    framework::registry::Row,
    model::{PodIntents, SampleError, Tally},
    scaling::Decision,
};

/// What is known of a pool.
#[derive(Clone, Debug, Default)]
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
    /// What the Deployment says of the pods it lacks.
    pub pods: Pods<'a>,
    /// The target's workers run their framework's own scheduler.
    pub scheduler: bool,
    /// `spec.minReplicas`.
    pub min: u32,
    /// `spec.maxReplicas`.
    pub max: u32,
    /// The framework of the pool's application.
    pub framework: &'static Row,
    /// Another pool that counts the same queue.
    pub shared: Option<&'a SharedQueue>,
    /// How pods are looked after; `None`: not known, a process before this one may have told them something.
    pub attention: Option<&'a PodIntents>,
    /// The broker.
    pub source: Source<'a>,
    /// It is about to say its first word.
    pub about_to_speak: bool,
    /// Which broker.
    pub broker: Broker,
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
    /// This pod was removed and did not end by itself within its grace period.
    pub overstayed: Option<&'a str>,
    /// The pool says that the grace period covers a task.
    pub graceful: bool,
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

impl Heard<'_> {
    /// So many ready pods are not heard.
    pub fn missing(&self) -> u32 {
        self.ready.saturating_sub(self.heard)
    }
}

/// Pods that are ordered and not ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods<'a> {
    /// So many, for longer than they take; 0: none, or not for long.
    pub late: u32,
    /// The Deployment's own words, if it cannot make them or gives them up.
    pub why: Option<&'a str>,
}

impl<'a> Pods<'a> {
    /// Of this target, so many of whose pods are late.
    pub fn of(target: Option<&'a Target>, late: u32) -> Self {
        let missing = target.filter(|target| target.ready < target.replicas);
        let given_up = missing.and_then(|target| target.stuck.as_deref());
        let refused = missing.and_then(|target| target.failure.as_deref());
        Self {
            late,
            why: refused.or(given_up.filter(|_| late > 0)),
        }
    }
}

/// Which broker it is, as far as may be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broker {
    /// Which of its URL's addresses is in use, from 1.
    pub number: usize,
    /// So many are in its URL.
    pub of: usize,
    /// Host and port of the management API.
    pub management: Option<String>,
}

/// What is known of the broker.
#[derive(Clone, Debug, Default)]
pub enum Source<'a> {
    /// Not asked yet.
    #[default]
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
