//! What the state asks for, and what it reports. Data only: `effects.rs` performs it.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{input::Watched, ownership::Change, pool::Pool};
use crate::{
    api::Status,
    broker::{Address, PoolId, SamplerInput},
    drain::{Departed, Ordinals, Plan},
    kube::{CallError, Identity, Key, Target, TargetKey, watch::Scope},
    model::{Intent, PodIntents, Roster, SampleError, Tally},
    telemetry::{PoolEvent, PoolNumbers},
};

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Effect for one pool.
    Pool(PoolId, PoolEffect),
    /// The first lists of pools are complete, as far as they ever will be.
    Ready,
    /// A watch failed, and is retried.
    WatchFailed(Watched, Scope, CallError),
    /// Watch StatefulSets from now on: a pool has one as its target.
    WatchStatefulSets,
}

/// Effect for one pool. Those with an answer name its input.
#[derive(Debug)]
pub enum PoolEffect {
    /// Read the Secrets and ConfigMaps that the pool refers to: `Done::Resolved`.
    Resolve {
        /// Number of the request.
        asked: u64,
        /// Namespace of the Secrets and ConfigMaps.
        namespace: String,
        /// Pool with the references.
        pool: Box<Pool>,
    },
    /// Sample at this address, too.
    Sample {
        /// The broker.
        address: Arc<Address>,
        /// Pool, as its sampler is to know it.
        subscription: SamplerInput,
    },
    /// Send the sampler at this address an input for the pool.
    Tell {
        /// The broker.
        address: Arc<Address>,
        /// Input.
        subscription: SamplerInput,
    },
    /// Stop sampling at this address.
    Leave(Arc<Address>),
    /// Write the replicas, examine the pods, or both: `Done::Scaled`.
    Scale(Box<Job>),
    /// The write under way must see this count before it lowers anything.
    Counted(Arc<Tally>),
    /// Abort the write under way; whatever it has not done yet is not done. No answer comes.
    AbortScale,
    /// List the target's own pods: `Done::Listed`.
    ListPods {
        /// The target.
        target: TargetKey,
        /// Its UID.
        uid: String,
        /// Label selector of its pods.
        selector: String,
    },
    /// Protect these pods and no others: `Done::Protected`.
    Protect {
        /// Namespace of the pods.
        namespace: String,
        /// Label selector of the pods.
        selector: String,
        /// Names of the pods to protect.
        pods: BTreeSet<String>,
    },
    /// End the protection of all pods; no answer is awaited.
    Unprotect {
        /// Namespace of the pods.
        namespace: String,
        /// Label selector of the pods.
        selector: String,
    },
    /// Tell cordoned workers to fetch again, for as long as it takes.
    Uncordon(Box<Uncordon>),
    /// Stop that: a pool looks after the workers of this target again.
    AbortUncordon(TargetKey),
    /// Write the status: `Done::Published`.
    WriteStatus(Identity, Box<Status>),
    /// Publish an Event about the pool.
    Publish(Identity, PoolEvent),
    /// Write a note to the log and the metrics.
    Note(Key, Note),
    /// Set the pool's metrics.
    Numbers(Key, Box<PoolNumbers>),
    /// Remove the metrics of a deleted pool.
    Forget(Key),
}

/// Write of the replicas, examination of the draining pods, or both.
#[derive(Clone, Debug)]
pub struct Job {
    /// Number of the request, which its answer repeats.
    pub asked: u64,
    /// Name of the pool.
    pub pool: String,
    /// The target.
    pub target: TargetKey,
    /// Its UID: a new object of the same name must not be written.
    pub uid: String,
    /// Label selector of its pods.
    pub selector: String,
    /// How it numbers its pods and ends them, if it is a StatefulSet.
    pub ordinals: Ordinals,
    /// Names of the programs that run its workers.
    pub programs: &'static [&'static str],
    /// Number of replicas now.
    pub from: u32,
    /// Number of replicas decided on.
    pub to: u32,
    /// Whether the replicas are to be written, even if the number is the same.
    pub write: bool,
    /// Whether pods are draining, or may be: they are examined.
    pub unfinished: bool,
    /// Whether remote control was refused lately.
    pub refused: bool,
    /// Present intents for the pods.
    pub intents: PodIntents,
    /// Pods that are gone, and were told to stop.
    pub departed: Departed,
    /// Grace period that a busy pod needs to be removed as well.
    pub graceful: Option<Duration>,
    /// Whether a pod of the present template did not end by itself.
    pub overstays: bool,
    /// Whether tasks of a killed worker return to their queue at once.
    pub returned: bool,
    /// Age at which answers are too old.
    pub fresh: Duration,
    /// Newest count, with what the workers hold.
    pub tally: Arc<Tally>,
}

impl Job {
    /// Whether the target is as it was when this was decided: no fewer pods are there, and the same ones would go.
    pub fn fits(&self, target: &Target) -> bool {
        target.uid == self.uid && target.replicas == self.from && target.ordinals == self.ordinals
    }
}

/// Result of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Result for the replicas.
    pub replicas: ScaleOutcome,
    /// Plan from the last examination of the pods; `None`: there was none.
    pub plan: Option<Plan>,
}

/// Result of a write of the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScaleOutcome {
    /// The replicas were written.
    Written {
        /// The change.
        change: Change,
        /// Resource version that it led to.
        version: u64,
    },
    /// The write had no answer: it may have been carried out, or may still be.
    Unconfirmed {
        /// The change.
        change: Change,
        /// Reason why there was no answer.
        why: CallError,
    },
    /// Nothing was written: every pod above the decision may hold tasks.
    Held {
        /// Number of replicas above the decision.
        kept: u32,
    },
    /// There was nothing to write.
    None,
    /// The target has changed since the decision: nothing was written.
    Outdated,
    /// The write was refused.
    Failed(CallError),
    /// The pods could not be listed, or not be written to.
    Unseen(CallError),
}

/// Workers that are to fetch again, and where they are.
#[derive(Clone, Debug)]
pub struct Uncordon {
    /// Namespace and name of the pool.
    pub key: Key,
    /// The pool as it was.
    pub pool: Pool,
    /// Label selector of its target.
    pub selector: String,
    /// Address of its broker, if it was known.
    pub address: Option<Arc<Address>>,
    /// Cordoned pods, as far as this process knows, with the intent for each.
    pub stopped: BTreeMap<String, Intent>,
    /// Pods of the target in the latest list.
    pub roster: Roster,
    /// Whether only the workers are told: the marks on the pods belong to another pool.
    pub only_told: bool,
}

impl Uncordon {
    /// Target of these pods.
    pub fn target(&self) -> TargetKey {
        TargetKey {
            namespace: self.key.namespace.clone(),
            workload: self.pool.target.clone(),
        }
    }
}

/// Fact that a person or a dashboard may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The decision changed.
    Decided {
        /// Number of replicas.
        replicas: u32,
        /// Rule, as one word.
        rule: &'static str,
        /// Reason, as a sentence.
        sentence: String,
        /// Whether it only keeps the present replicas.
        held: bool,
    },
    /// The replicas were written.
    Scaled {
        /// Number before.
        from: u32,
        /// Number after; the same number if the operator only took ownership.
        to: u32,
        /// Rule of the decision.
        rule: &'static str,
        /// Sentence of the decision.
        sentence: String,
    },
    /// Replicas that another writer had changed were restored.
    Overwritten {
        /// Field manager of the other writer.
        manager: String,
        /// Number that it wrote.
        found: u32,
        /// Number that was restored.
        restored: u32,
    },
    /// A call for the target or its pods failed.
    ScaleFailed(CallError),
    /// The pods could not be listed.
    ListFailed(CallError),
    /// Busy pods could not be protected.
    ProtectFailed(CallError),
    /// The status was written.
    StatusWritten,
    /// The status could not be written.
    StatusFailed(CallError),
    /// A sample failed.
    SourceFailed(SampleError),
    /// The broker has changed.
    SourceChanged,
    /// The workers fetch from other queues than before: so many are counted from now on.
    QueuesLearned(usize),
    /// The next address of the broker URL is tried.
    NextAddress {
        /// Error of the present one.
        why: SampleError,
        /// Number of the next address, from 1.
        next: usize,
        /// Number of addresses.
        of: usize,
    },
    /// Number of waiting tasks that disappeared without being started.
    TasksVanished(u64),
    /// An earlier process left pods draining.
    PodsLeft,
}
