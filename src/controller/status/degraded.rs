//! Condition `Degraded`: True whenever the promise is not kept, with the message of the condition that says why.
#![deny(clippy::disallowed_methods)]

use super::{ConditionSpec, Facts, SUSPENDED, SourceState, condition};
use crate::{
    api::ConditionStatus::{self, False, True},
    controller::pool::DEGRADED_AFTER,
};

/// Conditions that break the promise, the worst first.
const BROKEN: [(&str, ConditionStatus); 4] = [
    ("TargetConflict", True),
    ("WorkersKnown", False),
    ("QueuesMatch", False),
    ("TargetFeasible", False),
];

/// `others`: all other conditions.
pub(super) fn degraded(facts: &Facts, others: &[ConditionSpec]) -> ConditionSpec {
    let kind = "Degraded";
    if let Some(problem) = facts.problem {
        return condition(kind, True, problem.reason, problem.message.clone());
    }
    if facts.suspended {
        return condition(kind, False, "AsExpected", SUSPENDED);
    }
    let named = |kind: &str| others.iter().find(|other| other.kind == kind);
    if let SourceState::Lost { age, .. } = &facts.source
        && *age >= DEGRADED_AFTER
        && let Some(source) = named("SourceAvailable")
    {
        return condition(kind, True, "SourceLost", source.message.clone());
    }
    // One write that fails may be the API server's bad moment.
    let refused = facts.write_failed.filter(|(_, age)| *age >= DEGRADED_AFTER);
    let acts = |other: &&ConditionSpec| match other.reason {
        "WriteFailed" => refused.is_some(),
        reason => reason == "Fallback",
    };
    if let Some(active) = named("ScalingActive").filter(acts) {
        return condition(kind, True, active.reason, active.message.clone());
    }
    let found = BROKEN.iter().find_map(|(what, status)| {
        // The queue of a new application is created by its first task: nothing is wrong before its workers are there.
        let awaited = |other: &ConditionSpec| other.reason == "QueueMissing" && facts.workers.ready == 0;
        named(what).filter(|other| other.status == *status && !awaited(other))
    });
    if let Some(broken) = found {
        return condition(kind, True, broken.reason, broken.message.clone());
    }
    if let Some((reason, message)) = scheduler(facts) {
        return condition(kind, True, reason, message);
    }
    let message = match facts.source {
        SourceState::Read { .. } => "The broker answers, and nothing is known that keeps the pool from its target.",
        SourceState::NotYet => "The broker has not been asked yet.",
        SourceState::Lost { .. } => "The broker cannot be read; that counts as a fault once it has lasted 30 s.",
    };
    condition(kind, False, "AsExpected", message)
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
