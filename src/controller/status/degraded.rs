//! The condition `Degraded`: True whenever the promise is not kept, with the words of the condition that says why.
#![deny(clippy::disallowed_methods)]

use super::{Facts, Source, Wish, wish};
use crate::{
    api::ConditionStatus::{self, False, True},
    controller::pool::DEGRADED_AFTER,
};

/// What breaks the promise, the worst first.
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
pub(super) fn degraded(facts: &Facts, others: &[Wish]) -> Wish {
    let kind = "Degraded";
    if let Some(problem) = facts.problem {
        return wish(kind, True, problem.reason, problem.message.clone());
    }
    if facts.suspended {
        return wish(kind, False, "AsExpected", "Nothing is broken.");
    }
    if let Source::Lost { age, .. } = &facts.source
        && *age >= DEGRADED_AFTER
        && let Some(source) = others.iter().find(|other| other.kind == "SourceAvailable")
    {
        return wish(kind, True, "SourceLost", source.message.clone());
    }
    let found = BROKEN.iter().find_map(|(what, status)| {
        let is_it = |other: &&Wish| {
            let named = if *what == "WriteFailed" {
                other.reason
            } else {
                other.kind
            };
            // A new application's queue is made by its first task: nothing is wrong before its workers are there.
            let awaited = other.reason == "QueueMissing" && facts.workers.ready == 0;
            named == *what && other.status == *status && !awaited
        };
        others.iter().find(is_it)
    });
    if let Some(broken) = found {
        return wish(kind, True, broken.reason, broken.message.clone());
    }
    match scheduler(facts) {
        Some((reason, message)) => wish(kind, True, reason, message),
        None => wish(kind, False, "AsExpected", "Nothing is broken."),
    }
}

/// The workers run their framework's own scheduler, which is to run once, and always.
fn scheduler(facts: &Facts) -> Option<(&'static str, &'static str)> {
    match facts.scheduler {
        true if facts.min == 0 => Some((BEAT_STOPS, facts.framework.words.scheduler_stops)),
        true if facts.max > 1 => Some((BEAT_RUNS_TWICE, facts.framework.words.scheduler_runs_twice)),
        _ => None,
    }
}

/// Reasons that no other condition has.
pub const BEAT_STOPS: &str = "BeatStopsAtZero";
/// As above.
pub const BEAT_RUNS_TWICE: &str = "BeatRunsTwice";
