//! What reaches the task that makes passes: everything that can change a decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    apply::Outcome,
    pool::{Identity, Key, Pool, Problem},
    target::Target,
};
use crate::{
    api::Status,
    broker::{Address, Sampled, SubscriberId},
    workers::CallError,
};

/// A namespace, or all of them: the scope of a watch.
pub type Scope = Option<String>;

/// News.
#[derive(Debug)]
pub enum News {
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
    /// A pool's references have been read: its addresses, at least one.
    Resolved(SubscriberId, Result<Vec<Arc<Address>>, Problem>),
    /// Pools of a scope whose pods were on their way out when the process began.
    Draining(BTreeSet<Key>),
    /// A write to a target has ended.
    Wrote(SubscriberId, Outcome),
    /// A write of pods' protection has ended: the pods that are protected now.
    Protected(SubscriberId, Result<BTreeSet<String>, CallError>),
    /// A pool's pods have been listed: the target's own.
    Roll(SubscriberId, Result<BTreeMap<String, bool>, CallError>),
    /// A write of a status has ended.
    Published(SubscriberId, Result<Box<Status>, CallError>),
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
#[derive(Debug)]
pub struct PoolSeen {
    /// Which object.
    pub identity: Identity,
    /// The validated spec.
    pub pool: Result<Pool, Problem>,
    /// The stored status.
    pub status: Option<Status>,
}
