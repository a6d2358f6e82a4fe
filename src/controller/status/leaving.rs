//! Messages about draining pods.
#![deny(clippy::disallowed_methods)]

use super::Facts;
use crate::{
    drain::{HeldBack, Plan, Until, WaitsFor},
    model::{count, form},
};

/// Sentence with the reason for the number of replicas above the decision.
pub(super) fn kept(kept: u32, plan: Option<&Plan>) -> String {
    let waits_for = plan.map_or_else(WaitsFor::default, |plan| plan.waits_for);
    let WaitsFor {
        emptying,
        cordoning,
        tasks,
        busy,
        unknown,
        rollout,
    } = waits_for;
    if rollout {
        return format!("{kept} more until the rollout ends.");
    }
    let mut why = Vec::new();
    if emptying > 0 {
        why.push(format!(
            "{emptying} {} drained ({} left)",
            form(emptying, "is", "are"),
            count(tasks, "task")
        ));
    }
    if cordoning > 0 {
        why.push(format!(
            "{cordoning} {} told to stop consuming",
            form(cordoning, "is", "are")
        ));
    }
    if busy > 0 {
        why.push(format!("{busy} {} tasks", form(busy, "runs", "run")));
    }
    if unknown > 0 {
        why.push(format!(
            "{unknown} {} not reported to be idle",
            form(unknown, "has", "have")
        ));
    }
    if let Some(HeldBack { by, until, pods }) = plan.and_then(|plan| plan.held_back.as_ref()) {
        let what = match until {
            Until::Goes => "go first",
            Until::Ends => "end",
            Until::IsReady => "be ready",
        };
        why.push(format!(
            "{pods} that may go {} for `{by}` to {what}",
            form(*pods, "waits", "wait")
        ));
    }
    match why.is_empty() {
        true => format!("{kept} more while their pods are examined."),
        false => format!("{kept} more for now: {}.", why.join(", ")),
    }
}

/// Reason and message while another writer changes the pods' deletion cost.
pub(super) fn cost_conflict(facts: &Facts) -> Option<(&'static str, String)> {
    let pod = facts.cost_conflict.filter(|_| facts.problem.is_none())?;
    Some((
        "DeletionCostOverwritten",
        format!(
            "Another writer changed `controller.kubernetes.io/pod-deletion-cost` of the pod `{pod}`, which decides who goes \
             first: let only one of the two write it."
        ),
    ))
}
