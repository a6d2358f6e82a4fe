//! Everything that can change a decision: what the watches, the brokers and the controller's own effects say. Data only.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    effect::Outcome,
    pool::{Identity, Key, Pool, Problem},
    target::Target,
};
use crate::{
    api::Status,
    broker::{Address, PoolId, Sampled},
    kube::CallError,
};

/// A namespace, or all of them: the scope of a watch.
pub type Scope = Option<String>;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// This process leads: what it has seen until now it acts on.
    Leads,
    /// A pool as it is now.
    Pool(Box<PoolSeen>),
    /// A pool was deleted.
    PoolGone(Key),
    /// All pools of a scope have been listed: those not among them are gone.
    PoolsListed(Scope, Vec<Key>),
    /// A Deployment as it is now.
    Target(Key, Box<Target>),
    /// A Deployment was deleted.
    TargetGone(Key),
    /// All Deployments of a scope have been listed.
    TargetsListed(Scope, Vec<Key>),
    /// A watch failed.
    WatchFailed(Watched, Scope, CallError),
    /// A pool's sample.
    Sampled(Sampled),
    /// Pools of a scope whose pods were on their way out when the process began.
    Draining(BTreeSet<Key>),
    /// An effect of this pool has ended.
    Done(PoolId, Done),
}

/// What became of an effect. Of those that may be outlived by what they were for, with the number of the question.
#[derive(Clone, Debug)]
pub enum Done {
    /// The pool's references have been read: its addresses, at least one.
    Resolved(u64, Result<Vec<Arc<Address>>, Problem>),
    /// A write to the target, or a look at its pods.
    Scaled(u64, Box<Outcome>),
    /// A write of pods' protection: the pods that are protected now.
    Protected(Result<BTreeSet<String>, CallError>),
    /// The target's own pods, and whether each is ready.
    Listed(Result<BTreeMap<String, bool>, CallError>),
    /// A write of the status.
    Published(Result<Box<Status>, CallError>),
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// TaskWorkerPools.
    Pools,
    /// Deployments.
    Targets,
}

/// A pool as the watch shows it.
#[derive(Clone, Debug)]
pub struct PoolSeen {
    /// Which object.
    pub identity: Identity,
    /// The validated spec.
    pub pool: Result<Pool, Problem>,
    /// The stored status.
    pub status: Option<Status>,
}
