//! Messages about draining pods.
#![deny(clippy::disallowed_methods)]

use super::Facts;
use crate::drain::{HeldBack, Plan, WaitsFor};

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
            "{} drained ({} left)",
            verb(emptying, "is", "are"),
            count(tasks, "task")
        ));
    }
    if cordoning > 0 {
        why.push(format!("{} told to stop consuming", verb(cordoning, "is", "are")));
    }
    if busy > 0 {
        why.push(format!("{} tasks", verb(busy, "runs", "run")));
    }
    if unknown > 0 {
        why.push(format!("{} not reported to be idle", verb(unknown, "has", "have")));
    }
    if let Some(HeldBack { by, pods }) = plan.and_then(|plan| plan.held_back.as_ref()) {
        why.push(format!(
            "{} for `{by}` to go first",
            verb(*pods, "idle one waits", "idle ones wait")
        ));
    }
    match why.is_empty() {
        true => format!("{kept} more while their pods are examined."),
        false => format!("{kept} more for now: {}.", why.join(", ")),
    }
}

/// `1 runs`, `2 run`.
fn verb(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn count(number: u32, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
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
