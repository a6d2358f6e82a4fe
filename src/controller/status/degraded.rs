//! Condition `Degraded`: True whenever the promise is not kept, with the message of the condition that says why.
#![deny(clippy::disallowed_methods)]

use super::{ConditionSpec, Facts, SourceState, condition};
use crate::{
    api::ConditionStatus::{self, False, True},
    controller::pool::DEGRADED_AFTER,
};

/// Conditions that break the promise, the worst first.
const BROKEN: [(&str, ConditionStatus); 7] = [
    ("TargetConflict", True),
    ("WriteFailed", False),
    ("WorkersKnown", False),
    ("QueuesMatch", False),
    ("QueueBlocked", True),
    ("TargetFeasible", False),
    ("Fallback", True),
];

/// `others`: all other conditions.
pub(super) fn degraded(facts: &Facts, others: &[ConditionSpec]) -> ConditionSpec {
    let kind = "Degraded";
    if let Some(problem) = facts.problem {
        return condition(kind, True, problem.reason, problem.message.clone());
    }
    if facts.suspended {
        return condition(kind, False, "AsExpected", "Nothing is broken.");
    }
    if let SourceState::Lost { age, .. } = &facts.source
        && *age >= DEGRADED_AFTER
        && let Some(source) = others.iter().find(|other| other.kind == "SourceAvailable")
    {
        return condition(kind, True, "SourceLost", source.message.clone());
    }
    let found = BROKEN.iter().find_map(|(what, status)| {
        let is_it = |other: &&ConditionSpec| {
            let named = if *what == "WriteFailed" {
                other.reason
            } else {
                other.kind
            };
            // The queue of a new application is created by its first task: nothing is wrong before its workers are
            // there.
            let awaited = other.reason == "QueueMissing" && facts.workers.ready == 0;
            named == *what && other.status == *status && !awaited
        };
        others.iter().find(is_it)
    });
    if let Some(broken) = found {
        return condition(kind, True, broken.reason, broken.message.clone());
    }
    match scheduler(facts) {
        Some((reason, message)) => condition(kind, True, reason, message),
        None => condition(kind, False, "AsExpected", "Nothing is broken."),
    }
}

/// Problem with the framework's own scheduler, of which exactly one must run, always.
fn scheduler(facts: &Facts) -> Option<(&'static str, &'static str)> {
    let scheduler = facts.framework.scheduler.as_ref().filter(|_| facts.scheduler)?;
    match facts.min {
        0 => Some((BEAT_STOPS, scheduler.stops)),
        _ if facts.max > 1 => Some((BEAT_RUNS_TWICE, scheduler.runs_twice)),
        _ => None,
    }
}

/// Reason of a scheduler that stops at zero replicas; no other condition has it.
pub const BEAT_STOPS: &str = "BeatStopsAtZero";
/// Reason of several schedulers.
pub const BEAT_RUNS_TWICE: &str = "BeatRunsTwice";
