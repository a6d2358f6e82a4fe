//! The fields of a target's pod that matter, and the marks that the operator writes on it. Pure.
//!
//! A ReplicaSet removes pods in this order (`ActivePodsWithRanks`, kubernetes `pkg/controller/controller_utils.go`):
//! unassigned, pending, *not ready*, *lower deletion cost*, more pods on the node, ready for a shorter time, more restarts,
//! younger. So the annotation [`COST`] decides among pods that are ready, and nothing protects a pod that is not.
//!
//! A StatefulSet removes the highest ordinals, whatever their state: nothing that is written on a pod changes that.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::disruption::Asks;
use crate::model::{Consumers, Workload, WorkloadKind};

/// Annotation that orders a ReplicaSet's ready pods; absent means 0.
pub const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Annotation with the state of the pod's drain: [`Drain`] as JSON.
pub const DRAIN: &str = "taskworkerpool.dev/drain";

/// Label of pods that are drained, so that one list finds them all; its value is `true`.
pub const DRAINING: &str = "taskworkerpool.dev/draining";

/// Cost of a pod that goes first: no other writer's is lower.
pub const FIRST: i32 = i32::MIN;

/// Pod of the target that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name of the pod.
    pub name: String,
    /// Its UID: a StatefulSet uses names again.
    pub uid: String,
    /// State of its containers.
    pub readiness: Readiness,
    /// Whether its phase is `Pending`, even if some of its containers run: a ReplicaSet removes it before those that
    /// are not ready.
    pub pending: bool,
    /// Time since which all the containers have run that run now, of those a worker may run in.
    pub began: Option<Timestamp>,
    /// Time at which the last of them began: what was heard before may have been said by another process.
    pub renewed: Option<Timestamp>,
    /// Time at which its node kills what still runs, if the pod is being deleted: then it counts as no replica any
    /// more.
    pub killed_at: Option<Timestamp>,
    /// UID of its ReplicaSet or StatefulSet. Pods of two ReplicaSets are there while a new template is rolled out.
    pub owner: String,
    /// Name of its ReplicaSet; empty if it has none.
    pub replica_set: String,
    /// Hash of its template, by which its Deployment names the ReplicaSet; the revision of a StatefulSet's.
    pub template_hash: String,
    /// Number at the end of its name, if a StatefulSet made it.
    pub ordinal: Option<u32>,
    /// Time that it may take to end once it is deleted (`terminationGracePeriodSeconds`).
    pub grace: Duration,
    /// Deletion cost, where it has one.
    pub cost: Option<i32>,
    /// State of its drain, while it is drained.
    pub drain: Option<Drain>,
    /// Annotations for node autoscalers.
    pub asks: Asks,
    /// Whether the first process of a worker's container is a shell that goes on beside it: it passes no signal on, so
    /// the worker is killed at the end of the grace period.
    pub shell: bool,
}

/// State of a pod's containers, in the order in which a ReplicaSet removes pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// No node has been found for the pod.
    Unassigned,
    /// None of its containers has run yet, and its node has had time to report one, or reports that none can.
    #[default]
    Pending,
    /// Its node was to start it within the last minute: it may run already, because a node reports that a moment later.
    Creating,
    /// The pod is not ready, and no container runs: it crashed, or its image is missing.
    Down,
    /// The pod is not ready, but its containers run, or may do so again, and began to within the last minute: it may
    /// fetch a task any moment.
    Booting,
    /// The pod is not ready, and its containers have run for longer.
    NotReady,
    /// The pod's `Ready` condition is `True`.
    Ready,
}

/// Time after which a container no longer counts as starting, and after which a node that has not reported a start will
/// not start it.
pub const BOOT: SignedDuration = SignedDuration::from_secs(60);

impl Readiness {
    fn class(self) -> u8 {
        match self {
            Self::Unassigned => 0,
            Self::Pending | Self::Creating => 1,
            Self::Down | Self::Booting | Self::NotReady => 2,
            Self::Ready => 3,
        }
    }

    /// Whether no worker runs in a pod of this state, whatever was heard of it before.
    pub(super) fn holds_nothing(self) -> bool {
        matches!(self, Self::Unassigned | Self::Pending | Self::Down)
    }
}

impl Pod {
    /// Whether the pod is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.killed_at.is_some()
    }

    /// Order of the ReplicaSet, which does not distinguish the reasons for not being ready.
    pub(super) fn class(&self) -> u8 {
        let class = self.readiness.class();
        if self.pending { class.min(1) } else { class }
    }

    /// Whether the pod belongs to another owner, and only the target's selector matches it: it is not of the StatefulSet
    /// with this UID; it has no ReplicaSet, or one that another Deployment has named.
    pub fn is_foreign(&self, target: &Workload, uid: &str) -> bool {
        match target.kind {
            WorkloadKind::StatefulSet => self.ordinal.is_none() || self.owner != uid,
            WorkloadKind::Deployment => self.is_of_another_deployment(&target.name),
        }
    }

    fn is_of_another_deployment(&self, deployment: &str) -> bool {
        let named_by = self.replica_set.strip_suffix(&self.template_hash);
        let named_by = named_by.and_then(|name| name.strip_suffix('-'));
        let named_by = named_by.filter(|_| !self.template_hash.is_empty());
        self.replica_set.is_empty() || named_by.is_some_and(|name| name != deployment)
    }
}

/// State of a pod's drain, as it stands on the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Drain {
    /// Name of the pool that drains the pod.
    pub pool: String,
    /// Queues that its workers fetched from, by node name: to these they return if it is to stay.
    pub queues: Consumers,
    /// Deletion cost that the pod had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<i32>,
    /// Whether the pod holds nothing any more, and has the lowest cost.
    #[serde(default)]
    pub empty: bool,
}

impl Drain {
    /// Whether any of its workers fetched from any queue.
    pub(super) fn fetched(&self) -> bool {
        self.queues.values().any(|queues| !queues.is_empty())
    }
}

/// Mark of a pod: label and annotations, in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Name of the pod.
    pub pod: String,
    /// Its UID: another pod of that name is not meant.
    pub uid: String,
    /// State of its drain; `None`: it stays.
    pub drain: Option<Drain>,
    /// Deletion cost; `None`: the default.
    pub cost: Option<i32>,
}
