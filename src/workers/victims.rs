//! Which pods may go, and how to make sure that they are the ones that go. Pure.
//!
//! A ReplicaSet removes pods in this order (`ActivePodsWithRanks`, kubernetes `pkg/controller/controller_utils.go`):
//! unassigned, pending, *not ready*, *lower deletion cost*, more pods on the node, ready for a shorter time, more restarts,
//! younger. So among ready pods the annotation [`COST`] decides, and nothing protects a pod that is not ready.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use crate::work::PodWork;

/// The annotation that orders a ReplicaSet's ready pods; absent means 0.
pub const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The cost of a pod that must stay. The same for all, however much they run: no pod is written anew with each task.
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
}

/// Whether a pod must stay: it runs a task, or is ready and silent (it starts, or is too busy to say a word). A pod that
/// is not ready and was never heard is taken for one that starts or cannot start.
fn must_stay(pod: &Pod, busy: &BTreeMap<String, PodWork>) -> bool {
    busy.get(&pod.name).map_or(pod.ready, |work| work.running > 0)
}

/// Plans the way from `from` replicas down to `to`.
///
/// `busy` tells the tasks each heard worker runs, by pod name. If the workers do not announce themselves
/// (`workers_heard` is false), nothing is known about pods: no costs, and `to` is allowed (the decision does not go below
/// the work in flight then).
///
/// The pods to keep are as many as are ready and busy, for with the costs written all others go before them, however many
/// others there are. A busy pod that is *not* ready goes before idle ones whatever its cost: then nothing may go.
pub fn plan(pods: &[Pod], busy: &BTreeMap<String, PodWork>, workers_heard: bool, from: u32, to: u32) -> RemovalPlan {
    if !workers_heard || to >= from {
        return RemovalPlan {
            allowed: to,
            ..RemovalPlan::default()
        };
    }
    let (mut costs, mut keep, mut exposed) = (Vec::new(), 0_u32, false);
    for pod in pods.iter().filter(|pod| !pod.terminating) {
        let stays = must_stay(pod, busy);
        let cost = if stays { KEEP } else { 0 };
        if pod.cost.unwrap_or(0) != cost {
            costs.push((pod.name.clone(), cost));
        }
        keep = keep.saturating_add(u32::from(stays));
        exposed |= stays && !pod.ready;
    }
    let allowed = if exposed { from } else { keep.clamp(to, from) };
    RemovalPlan { costs, allowed }
}

#[cfg(test)]
mod tests;
