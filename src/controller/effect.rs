//! What the state asks of the world, and what it tells. Data only: `effects.rs` performs it.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    input::{Scope, Watched},
    ownership::Change,
    pool::{Identity, Key, Pool},
};
use crate::{
    api::Status,
    broker::{Address, PoolId, SamplerInput},
    drain::Plan,
    kube::CallError,
    model::{Intent, PodIntents, Roster, SampleError, Tally},
    telemetry::{PoolEvent, PoolNumbers},
};

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// For one pool.
    Pool(PoolId, PoolEffect),
    /// The first lists of pools are complete, as far as they ever will be.
    Ready,
    /// A watch failed, and is tried again.
    WatchFailed(Watched, Scope, CallError),
}

/// Something to do for one pool. Those that end with an answer say with which.
#[derive(Debug)]
pub enum PoolEffect {
    /// Read what the pool refers to: `Done::Resolved`.
    Resolve {
        /// The number of the question.
        asked: u64,
        /// Where its Secrets and ConfigMaps are.
        namespace: String,
        /// What it refers to.
        pool: Box<Pool>,
    },
    /// Sample at this address, too.
    Sample {
        /// The broker.
        address: Arc<Address>,
        /// The pool, as its sampler is to know it.
        subscription: SamplerInput,
    },
    /// Tell the sampler at this address something of the pool.
    Tell {
        /// The broker.
        address: Arc<Address>,
        /// What.
        subscription: SamplerInput,
    },
    /// Sample there no more.
    Leave(Arc<Address>),
    /// Write the replicas, look at the pods, or both: `Done::Scaled`.
    Scale(Box<Job>),
    /// The write under way is to see this count before it lowers anything.
    Counted(Arc<Tally>),
    /// Whatever the write under way has not done yet is not to be done. No answer comes.
    AbortScale,
    /// List the target's own pods: `Done::Listed`.
    ListPods {
        /// The target.
        target: Key,
        /// Its pods' label selector.
        selector: String,
    },
    /// Protect these pods and no others: `Done::Protected`.
    Protect {
        /// Where.
        namespace: String,
        /// The pods' label selector.
        selector: String,
        /// Which.
        pods: BTreeSet<String>,
    },
    /// Protect none any more: nobody waits for an answer.
    Unprotect {
        /// Where.
        namespace: String,
        /// The pods' label selector.
        selector: String,
    },
    /// Have workers that were told to stop fetch again, for as long as it takes.
    Uncordon(Box<Uncordon>),
    /// A pool sees to the workers of this target again.
    AbortUncordon(Key),
    /// Write the status: `Done::Published`.
    WriteStatus(Identity, Box<Status>),
    /// Publish an Event about the pool.
    Publish(Identity, PoolEvent),
    /// Say it in the log and in the metrics.
    Note(Key, Note),
    /// The pool's numbers, for the metrics.
    Numbers(Key, Box<PoolNumbers>),
    /// The pool is gone, and its numbers with it.
    Forget(Key),
}

/// A write of the replicas, a look at the pods on their way out, or both.
#[derive(Clone, Debug)]
pub struct Job {
    /// The number of the question: its answer has it.
    pub asked: u64,
    /// The pool's name.
    pub pool: String,
    /// The Deployment.
    pub target: Key,
    /// Its UID: a new one of the same name is not ours to write.
    pub uid: String,
    /// Its pods' label selector.
    pub selector: String,
    /// Its replicas now.
    pub from: u32,
    /// The replicas decided on.
    pub to: u32,
    /// They are to be written, even if the number is the same.
    pub write: bool,
    /// Pods are on their way out, or may be: they are looked after.
    pub unfinished: bool,
    /// Remote control was refused lately.
    pub refused: bool,
    /// How pods have been looked after until now.
    pub attention: PodIntents,
    /// A busy pod may go as well if its grace period is at least this.
    pub graceful: Option<Duration>,
    /// A pod of the present template did not end by itself.
    pub overstays: bool,
    /// What a killed worker held is back in its queue at once.
    pub returned: bool,
    /// Answers to older questions are old.
    pub fresh: Duration,
    /// The newest count: what the workers hold.
    pub tally: Arc<Tally>,
}

/// What a job did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// To the replicas.
    pub replicas: ScaleOutcome,
    /// What the last look at the pods showed; `None`: there was none.
    pub plan: Option<Plan>,
}

/// What was done to the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScaleOutcome {
    /// They were written.
    Written {
        /// What was written.
        change: Change,
        /// The resource version that it led to.
        version: u64,
    },
    /// The write had no answer: it may have been carried out, or still be.
    Unconfirmed {
        /// What was to be written.
        change: Change,
        /// Why there was no answer.
        why: CallError,
    },
    /// Nothing was written: every pod above the decision may hold tasks.
    Held {
        /// So many more than decided on.
        kept: u32,
    },
    /// There was nothing to write.
    None,
    /// The target is another one than this was decided on: nothing was written.
    Outdated,
    /// The write was refused.
    Failed(CallError),
    /// The pods could not be looked at, or not be written to.
    Unseen(CallError),
}

/// Whose workers are to fetch again, and where.
#[derive(Clone, Debug)]
pub struct Uncordon {
    /// The pool's own name.
    pub key: Key,
    /// The pool as it was.
    pub pool: Pool,
    /// Its target's label selector.
    pub selector: String,
    /// Its broker, if it was known.
    pub address: Option<Arc<Address>>,
    /// The pods that were told to stop, as far as this process knows, and what is to be done about it.
    pub stopped: BTreeMap<String, Intent>,
    /// The target's pods, as they were listed last.
    pub roster: Roster,
    /// They are told, and no more: somebody else sees to what stands on the pods.
    pub only_told: bool,
}

impl Uncordon {
    /// The target whose pods it is about.
    pub fn target(&self) -> Key {
        Key {
            namespace: self.key.namespace.clone(),
            name: self.pool.target.clone(),
        }
    }
}

/// Something that a person or a dashboard may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// Another decision.
    Decided {
        /// The replicas.
        replicas: u32,
        /// Why, as one word.
        rule: &'static str,
        /// Why, as a sentence.
        sentence: String,
        /// It only keeps what there is.
        held: bool,
    },
    /// The replicas were written.
    Scaled {
        /// Before.
        from: u32,
        /// After; the same number when they only became ours.
        to: u32,
        /// The decision's rule.
        rule: &'static str,
        /// The decision's sentence.
        sentence: String,
    },
    /// Another writer's replicas were put back.
    Overwritten {
        /// Their field manager.
        manager: String,
        /// What they wrote.
        found: u32,
        /// What stands there again.
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
    /// The broker is another one now.
    SourceChanged,
    /// The next address of the broker URL is tried.
    NextAddress {
        /// Why.
        why: SampleError,
        /// Which.
        next: usize,
        /// Of how many.
        of: usize,
    },
    /// Waiting tasks went without being started.
    TasksVanished(u64),
    /// A process before this one left pods on their way out.
    PodsLeft,
}
