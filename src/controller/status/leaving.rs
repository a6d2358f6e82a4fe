//! Messages about draining pods.
#![deny(clippy::disallowed_methods)]

use super::{ConditionSpec, Facts, condition};
use crate::{api::ConditionStatus::True, drain::WaitsFor};

/// Sentence with the reason for the number of replicas above the decision.
pub(super) fn kept(kept: u32, waits_for: &WaitsFor) -> String {
    let WaitsFor {
        emptying,
        cordoning,
        tasks,
        busy,
        unknown,
        rollout,
    } = *waits_for;
    if rollout {
        return format!("{kept} kept: pods of two templates are there, and nobody can say which would go.");
    }
    let mut why = Vec::new();
    if emptying > 0 {
        why.push(format!(
            "{emptying} fetch no more and work off {}",
            count(tasks, "task")
        ));
    }
    if cordoning > 0 {
        why.push(format!("{cordoning} are told to fetch no more"));
    }
    if busy > 0 {
        why.push(format!("{busy} run tasks"));
    }
    if unknown > 0 {
        why.push(format!("{unknown} have not said that they run nothing"));
    }
    if why.is_empty() {
        why.push("their pods are being looked at".to_owned());
    }
    format!("{kept} kept: {}.", why.join(", "))
}

fn count(number: u32, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}

/// Condition while another writer changes the pods' deletion cost.
pub(super) fn cost_conflict(facts: &Facts) -> Option<ConditionSpec> {
    let pod = facts.cost_conflict.filter(|_| facts.problem.is_none())?;
    Some(condition(
        "DeletionCostConflict",
        True,
        "CostOverwritten",
        format!(
            "Another writer changed `controller.kubernetes.io/pod-deletion-cost` of the pod `{pod}`, which decides who goes \
             first: let only one of the two write it."
        ),
    ))
}
