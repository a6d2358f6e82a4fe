//! Which pods may go, and how to make sure that they are the ones that go. Pure.
//!
//! A ReplicaSet removes pods in this order (`ActivePodsWithRanks`, kubernetes `pkg/controller/controller_utils.go`):
//! unassigned, pending, *not ready*, *lower deletion cost*, more pods on the node, ready for a shorter time, more restarts,
//! younger. So among ready pods the annotation [`COST`] decides, and nothing protects a pod that is not ready.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

/// The annotation that orders a ReplicaSet's ready pods; absent means 0.
pub const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The cost of a pod that must stay, plus one for each task it runs, so that the busiest would go last.
const KEEP: i32 = 100;

/// A pod of the target that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its `Ready` condition is `True`.
    pub ready: bool,
    /// It is being deleted: it counts as no replica any more.
    pub terminating: bool,
    /// Its deletion cost, where it has one.
    pub cost: Option<i32>,
}

/// What to do so that only pods that run nothing go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovalPlan {
    /// Deletion costs to write first: pod and cost, only where they differ from what it has. 0 is the default.
    pub costs: Vec<(String, i32)>,
    /// The lowest number of replicas that removes only pods that run nothing, once the costs are written; within
    /// `to..=from` of the call.
    pub allowed: u32,
    /// Ready pods of which no worker was heard (it starts, or is too busy to say a word): they are kept like busy ones.
    pub unheard: u32,
}

/// What a pod does, as far as anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It runs no task.
    Nothing,
    /// It runs so many tasks.
    Tasks(u32),
    /// Ready and silent: it may run something.
    Unknown,
}

impl Doing {
    /// A pod that is not ready and was never heard is taken for one that starts or cannot start.
    fn of(pod: &Pod, busy: &BTreeMap<String, u32>) -> Self {
        match busy.get(&pod.name) {
            Some(0) => Self::Nothing,
            Some(tasks) => Self::Tasks(*tasks),
            None if pod.ready => Self::Unknown,
            None => Self::Nothing,
        }
    }

    /// The deletion cost it should have.
    fn cost(self) -> i32 {
        match self {
            Self::Nothing => 0,
            Self::Tasks(tasks) => KEEP.saturating_add(i32::try_from(tasks).unwrap_or(i32::MAX)),
            Self::Unknown => KEEP,
        }
    }
}

/// Plans the way from `from` replicas down to `to`, for a Deployment.
///
/// `busy` tells the tasks each heard worker runs, by pod name. If the workers do not announce themselves
/// (`workers_heard` is false), nothing is known about pods: no costs, and `to` is allowed (the decision does not go below
/// the work in flight then).
///
/// The pods to keep are as many as are ready and busy, for with the costs written all others go before them, however many
/// others there are. A busy pod that is *not* ready goes before idle ones whatever its cost: then nothing may go.
pub fn plan(pods: &[Pod], busy: &BTreeMap<String, u32>, workers_heard: bool, from: u32, to: u32) -> RemovalPlan {
    if !workers_heard || to >= from {
        return RemovalPlan {
            allowed: to,
            ..RemovalPlan::default()
        };
    }
    let (mut costs, mut keep, mut unheard, mut exposed) = (Vec::new(), 0_u32, 0_u32, false);
    for pod in pods.iter().filter(|pod| !pod.terminating) {
        let doing = Doing::of(pod, busy);
        let cost = doing.cost();
        if pod.cost.unwrap_or(0) != cost {
            costs.push((pod.name.clone(), cost));
        }
        keep = keep.saturating_add(u32::from(doing != Doing::Nothing));
        unheard = unheard.saturating_add(u32::from(doing == Doing::Unknown));
        exposed |= doing != Doing::Nothing && !pod.ready;
    }
    let allowed = if exposed { from } else { keep.clamp(to, from) };
    RemovalPlan {
        costs,
        allowed,
        unheard,
    }
}

/// Plans the same for a StatefulSet, which removes the pod with the highest ordinal first, whatever its state or cost.
pub fn plan_ordered(
    pods: &[Pod],
    busy: &BTreeMap<String, u32>,
    workers_heard: bool,
    from: u32,
    to: u32,
) -> RemovalPlan {
    if !workers_heard || to >= from {
        return RemovalPlan {
            allowed: to,
            ..RemovalPlan::default()
        };
    }
    let (mut allowed, mut unheard) = (to, 0_u32);
    for pod in pods.iter().filter(|pod| !pod.terminating) {
        let doing = Doing::of(pod, busy);
        unheard = unheard.saturating_add(u32::from(doing == Doing::Unknown));
        if doing != Doing::Nothing {
            // Where `spec.ordinals.start` is not 0 fewer would do; a name without ordinal is none of the set's.
            allowed = allowed.max(ordinal(&pod.name).map_or(from, |ordinal| ordinal.saturating_add(1)));
        }
    }
    RemovalPlan {
        costs: Vec::new(),
        allowed: allowed.min(from),
        unheard,
    }
}

/// The number at the end of a StatefulSet pod's name.
fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests;
