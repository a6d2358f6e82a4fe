//! Facts for a status: all that the controller knows of a pool. Data only.

use std::time::Duration;

use jiff::Timestamp;

use super::queues::SharedQueue;
use crate::{
    api::{LastScale, Mode},
    controller::{learned::LearnedQueues, pool::Problem},
    drain::Plan,
    framework::registry::FrameworkRow,
    kube::Target,
    model::{PodIntents, SampleError, Tally, WorkloadKind},
    scaling::Decision,
};

/// Facts about a pool.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Generation of the spec.
    pub generation: i64,
    /// Problem that keeps the pool from working.
    pub problem: Option<&'a Problem>,
    /// Whether the pool is suspended (`spec.suspend`).
    pub suspended: bool,
    /// `spec.mode`.
    pub mode: Mode,
    /// Kind of the target.
    pub kind: WorkloadKind,
    /// Number of the target's replicas (`spec.replicas`), and of its ready ones.
    pub target: Option<(u32, u32)>,
    /// State of the pods that are not ready.
    pub pods: Pods<'a>,
    /// Whether the target's workers run their framework's own scheduler.
    pub scheduler: bool,
    /// `spec.minReplicas`.
    pub min: u32,
    /// `spec.maxReplicas`.
    pub max: u32,
    /// Framework of the pool's application.
    pub framework: &'static FrameworkRow,
    /// Queues that the workers named, where the pool leaves that to them or is not known.
    pub learned: Option<&'a LearnedQueues>,
    /// Queues of them that hold tasks, and that no worker has fetched from for long.
    pub left_behind: Vec<&'a str>,
    /// Another pool that counts the same queue.
    pub shared: Option<&'a SharedQueue>,
    /// Intents for the pods; `None`: not known, an earlier process may have told them something.
    pub intents: Option<&'a PodIntents>,
    /// State of the broker.
    pub source: SourceState<'a>,
    /// Whether its first sample is awaited any moment.
    pub about_to_speak: bool,
    /// Address of the broker.
    pub broker: BrokerAddress,
    /// Latest decision.
    pub decision: Option<&'a Decision>,
    /// Number of replicas above the decision that are kept because their pods run tasks or are not known to be idle.
    pub kept: Option<u32>,
    /// Plan for the draining pods, where they were examined.
    pub leaving: Option<&'a Plan>,
    /// Right that is missing, if the broker's permissions refuse commands to workers.
    pub refused: Option<&'a str>,
    /// Ready pods that are heard.
    pub workers: Heard<'a>,
    /// Pod that was removed and did not end by itself within its grace period.
    pub overstayed: Option<&'a str>,
    /// Whether the pool says that the grace period covers a task.
    pub graceful: bool,
    /// Pod whose deletion cost another writer changed.
    pub cost_conflict: Option<&'a str>,
    /// Field manager of the last of three changes of the target's replicas by others in ten minutes.
    pub fought_by: Option<&'a str>,
    /// Error of the last write to the target, and the time for which all have failed.
    pub write_failed: Option<(&'a str, Duration)>,
    /// Latest change by the operator.
    pub last_scale: Option<&'a LastScale>,
    /// Wall-clock time, for transition times.
    pub now: Timestamp,
}

/// Ready pods that are heard, by heartbeats or answers.
#[derive(Clone, Debug, Default)]
pub struct Heard<'a> {
    /// Number of ready pods.
    pub ready: u32,
    /// Number of them that are heard.
    pub heard: u32,
    /// Time for which some have not been heard; `None`: all are.
    pub missing_for: Option<Duration>,
    /// Names of those, once they have been listed.
    pub not_heard: Vec<&'a str>,
}

impl Heard<'_> {
    /// Number of ready pods that are not heard.
    pub fn missing(&self) -> u32 {
        self.ready.saturating_sub(self.heard)
    }
}

/// Pods that are ordered and not ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods<'a> {
    /// Number of pods that take longer than usual; 0: none, or not for long.
    pub late: u32,
    /// The target's own message, if it cannot create pods or gives up.
    pub why: Option<&'a str>,
}

impl<'a> Pods<'a> {
    /// State of this target, with this number of late pods.
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

/// Address of the broker, as far as it may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Number of the address in use within the URL, from 1.
    pub number: usize,
    /// Number of addresses in the URL.
    pub of: usize,
    /// Host and port of the management API.
    pub management: Option<String>,
}

/// State of the broker.
#[derive(Clone, Debug, Default)]
pub enum SourceState<'a> {
    /// Not asked yet.
    #[default]
    NotYet,
    /// Read lately.
    Read {
        /// Latest count.
        tally: &'a Tally,
        /// Time of the count.
        at: Timestamp,
    },
    /// It cannot be read.
    Lost {
        /// Error.
        why: SampleError,
        /// Time for which it could not be read.
        age: Duration,
        /// Latest count, if there was one, and its time.
        last: Option<(&'a Tally, Timestamp)>,
    },
}
