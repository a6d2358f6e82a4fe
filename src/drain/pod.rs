//! What matters of a target's pod, and what the operator writes on it. Pure.
//!
//! A ReplicaSet removes pods in this order (`ActivePodsWithRanks`, kubernetes `pkg/controller/controller_utils.go`):
//! unassigned, pending, *not ready*, *lower deletion cost*, more pods on the node, ready for a shorter time, more restarts,
//! younger. So the annotation [`COST`] decides among pods that are ready, and nothing protects a pod that is not.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::disruption::Asks;
use crate::model::Consumers;

/// The annotation that orders a ReplicaSet's ready pods; absent means 0.
pub const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The annotation that says how far the pod is on its way out: [`Drain`] as JSON.
pub const DRAIN: &str = "taskworkerpool.dev/drain";

/// The label that pods on their way out carry, so that one list finds them all; its value is `true`.
pub const DRAINING: &str = "taskworkerpool.dev/draining";

/// The cost of a pod that goes first: no other writer's is lower.
pub const FIRST: i32 = i32::MIN;

/// A pod of the target that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub readiness: Readiness,
    /// Its phase is `Pending`, even if some of its containers run: a ReplicaSet removes it before those that are not ready.
    pub pending: bool,
    /// Since when all the containers have run that run now, as far as they are a worker's.
    pub began: Option<Timestamp>,
    /// It is being deleted: it counts as no replica any more. Its node kills what still runs at this time.
    pub killed_at: Option<Timestamp>,
    /// Its ReplicaSet's UID. Pods of two ReplicaSets are there while a new template is rolled out.
    pub owner: String,
    /// Its ReplicaSet's name; empty if it has none.
    pub replica_set: String,
    /// The hash of its template, by which its Deployment names the ReplicaSet.
    pub template_hash: String,
    /// How long it may take to end once it is deleted (`terminationGracePeriodSeconds`).
    pub grace: Duration,
    /// Its deletion cost, where it has one.
    pub cost: Option<i32>,
    /// It is on its way out.
    pub drain: Option<Drain>,
    /// What it says to node autoscalers.
    pub asks: Asks,
    /// The first process of a worker's container is a shell that goes on beside it: it hands no signal on, so the worker is
    /// killed at the end of the grace period.
    pub shell: bool,
}

/// How far a pod has come, in the order in which a ReplicaSet removes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// No node has been found for it.
    Unassigned,
    /// None of its containers has run yet, for longer than a node takes to tell of it, or the node says that none can.
    #[default]
    Pending,
    /// Its node was to start it within the last minute: it may run already, for a node tells a moment later.
    Creating,
    /// It is not ready, and no container runs: it crashed, or its image is missing.
    Down,
    /// It is not ready, but its containers run, or may do so again, and began to within the last minute: it may fetch a
    /// task any moment.
    Booting,
    /// It is not ready, and its containers have run for longer.
    NotReady,
    /// Its `Ready` condition is `True`.
    Ready,
}

/// A container that has not run for longer is starting, and a node that has not told for longer will not start it.
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

    /// No worker runs in a pod like this, whatever was heard of it before.
    pub(super) fn holds_nothing(self) -> bool {
        matches!(self, Self::Unassigned | Self::Pending | Self::Down)
    }
}

impl Pod {
    /// It is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.killed_at.is_some()
    }

    /// The ReplicaSet's own order: it does not tell the reasons for not being ready apart.
    pub(super) fn class(&self) -> u8 {
        let class = self.readiness.class();
        if self.pending { class.min(1) } else { class }
    }

    /// It belongs to somebody else, and only the Deployment's selector matches it: it has no ReplicaSet, or one that
    /// another Deployment has named.
    pub fn is_foreign(&self, deployment: &str) -> bool {
        let named_by = self.replica_set.strip_suffix(&self.template_hash);
        let named_by = named_by.and_then(|name| name.strip_suffix('-'));
        let named_by = named_by.filter(|_| !self.template_hash.is_empty());
        self.replica_set.is_empty() || named_by.is_some_and(|name| name != deployment)
    }
}

/// How far a pod is on its way out, as it stands on the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Drain {
    /// The pool that wishes it.
    pub pool: String,
    /// The queues that its workers fetched from, by node name: to these they return if it is to stay.
    pub queues: Consumers,
    /// The deletion cost that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<i32>,
    /// It holds nothing any more, and has the lowest cost.
    #[serde(default)]
    pub empty: bool,
}

impl Drain {
    /// Any of its workers fetched from any queue.
    pub(super) fn fetched(&self) -> bool {
        self.queues.values().any(|queues| !queues.is_empty())
    }
}

/// What is to stand on a pod: both in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The pod's name.
    pub pod: String,
    /// How far it is on its way out; `None`: it stays.
    pub drain: Option<Drain>,
    /// Its deletion cost; `None`: the default.
    pub cost: Option<i32>,
}
