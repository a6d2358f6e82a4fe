//! Everything that can change a decision: input from the watches, the brokers and the controller's own effects. Data
//! only.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    effect::Outcome,
    pool::{Pool, Problem},
};
use crate::{
    api::Status,
    broker::{Address, PoolId, Sampled},
    kube::{CallError, Identity, Key, Target, TargetKey, watch::Scope},
    model::WorkloadKind,
};

/// Input of the event loop.
#[derive(Debug)]
pub enum Input {
    /// This process leads: it acts on what it has seen so far.
    Leads,
    /// Present state of a pool.
    Pool(Box<PoolSeen>),
    /// A pool was deleted.
    PoolGone(Key),
    /// All pools of a scope have been listed: others of the scope are gone.
    PoolsListed(Scope, Vec<Key>),
    /// Present state of a Deployment or StatefulSet.
    Target(TargetKey, Box<Target>),
    /// A Deployment or StatefulSet was deleted.
    TargetGone(TargetKey),
    /// All targets of one kind in a scope have been listed.
    TargetsListed(WorkloadKind, Scope, Vec<Key>),
    /// A watch failed.
    WatchFailed(Watched, Scope, CallError),
    /// A pool's sample.
    Sampled(Sampled),
    /// Pools of a scope whose pods were draining when the process began.
    Draining(BTreeSet<Key>),
    /// An effect of this pool has ended.
    Done(PoolId, Done),
}

/// Result of an effect. Effects that may outlive their purpose repeat the number of the request.
#[derive(Clone, Debug)]
pub enum Done {
    /// The pool's references have been read: its addresses, at least one.
    Resolved(u64, Result<Vec<Arc<Address>>, Problem>),
    /// The target was written, or its pods were examined.
    Scaled(u64, Box<Outcome>),
    /// The protection of pods was written: the pods that are protected now.
    Protected(Result<BTreeSet<String>, CallError>),
    /// The target's own pods, and whether each is ready.
    Listed(Result<BTreeMap<String, bool>, CallError>),
    /// The status was written.
    Published(Result<Box<Status>, CallError>),
}

/// Kind of watched object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// TaskWorkerPools.
    Pools,
    /// Deployments or StatefulSets.
    Targets(WorkloadKind),
}

/// Pool as the watch shows it.
#[derive(Clone, Debug)]
pub struct PoolSeen {
    /// Identity of the object.
    pub identity: Identity,
    /// Validated spec.
    pub pool: Result<Pool, Problem>,
    /// Stored status.
    pub status: Option<Status>,
}
