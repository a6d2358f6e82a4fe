//! Reports about a pool: a note for each changed decision, the Events that go with a change, the metrics. Pure.
#![deny(clippy::disallowed_methods)]

use super::{
    effect::Note,
    pool::Pool,
    state::PoolState,
    status::{BEAT_RUNS_TWICE, BEAT_STOPS},
};
use crate::{
    api::{Condition, ConditionStatus, Status},
    kube::Target,
    scaling::{Decision, Rule},
    telemetry::{PoolEvent, PoolNumbers},
};

/// Reports for a changed decision: a note, and perhaps an Event.
pub fn decision(before: Option<&Decision>, after: &Decision) -> Option<(Note, Option<PoolEvent>)> {
    if before.is_some_and(|before| same(before, after)) {
        return None;
    }
    let note = Note::Decided {
        replicas: after.replicas,
        rule: after.rule.reason(),
        sentence: after.sentence.clone(),
        held: matches!(
            after.rule,
            Rule::Stale | Rule::Unknown | Rule::Rollout | Rule::JustStarted | Rule::BlockedQueue
        ),
    };
    let fell_back = before.is_some_and(|before| before.rule == Rule::Fallback);
    let event = match after.rule {
        Rule::Fallback if !fell_back => Some(PoolEvent::FallbackStarted {
            replicas: after.replicas,
            why: after.sentence.clone(),
        }),
        Rule::Fallback | Rule::Stale | Rule::Unknown => None,
        _ if fell_back => Some(PoolEvent::FallbackEnded),
        _ => None,
    };
    Some((note, event))
}

/// Whether a decision keeps everything as it is for the same reason: it is not worth a log line.
fn same(before: &Decision, after: &Decision) -> bool {
    before.replicas == after.replicas && before.rule.is_like(after.rule)
}

/// Events for changed conditions that a person must know of.
pub fn conditions(before: Option<&Status>, after: &Status) -> Vec<PoolEvent> {
    let Some(before) = before else { return Vec::new() };
    after
        .conditions
        .iter()
        .filter(|condition| is_told(condition) && condition.status != ConditionStatus::Unknown)
        .filter(|condition| {
            let good = condition.status == wished(&condition.kind);
            match before.conditions.iter().find(|old| old.kind == condition.kind) {
                None => !(good && ALWAYS.contains(&condition.kind.as_str())),
                // A change from one problem to another is news as well.
                Some(old) if old.status == condition.status => !good && old.reason != condition.reason,
                // A condition that only became known, and is good, is none.
                Some(old) => !(good && old.status == ConditionStatus::Unknown && condition.kind != "Ready"),
            }
        })
        .map(|condition| PoolEvent::ConditionChanged {
            reason: condition.reason.clone(),
            kind: condition.kind.clone(),
            status: word(condition.status).to_owned(),
            message: condition.message.clone(),
            warns: condition.status != wished(&condition.kind),
        })
        .collect()
}

/// Whether a person must know of changes of this condition; `Degraded` repeats another one, except for its own reasons.
fn is_told(condition: &Condition) -> bool {
    let told = [
        "Ready",
        "SourceAvailable",
        "QueuesMatch",
        "WorkersKnown",
        "QueueBlocked",
        "TargetFeasible",
        "TargetConflict",
    ];
    let own = [BEAT_STOPS, BEAT_RUNS_TWICE].contains(&condition.reason.as_str());
    told.contains(&condition.kind.as_str()) || (condition.kind == "Degraded" && own)
}

/// Conditions that also exist while all is well.
const ALWAYS: [&str; 2] = ["QueuesMatch", "WorkersKnown"];

/// Status of this condition while all is well.
fn wished(kind: &str) -> ConditionStatus {
    match kind {
        "Ready" | "SourceAvailable" | "QueuesMatch" | "WorkersKnown" | "TargetFeasible" | "ScalingActive" => {
            ConditionStatus::True
        }
        _ => ConditionStatus::False,
    }
}

/// Metrics of the pool.
pub fn numbers(state: &PoolState, pool: Option<&Pool>, target: Option<&Target>, status: &Status) -> PoolNumbers {
    let tally = state.samples.last.as_ref().map(|(tally, _)| tally);
    let decision = state.decision.as_ref().map(|(_, decision)| decision);
    let replicas = target.map_or(0, |target| target.replicas);
    PoolNumbers {
        desired: decision.map_or(replicas, |decision| decision.replicas),
        current: replicas,
        min: pool.map_or(0, |pool| pool.policy.min),
        max: pool.map_or(0, |pool| pool.policy.max),
        queues: tally
            .into_iter()
            .flat_map(|tally| &tally.queues)
            .map(|queue| (queue.queue.clone(), queue.ready))
            .collect(),
        in_flight: tally.map(|tally| tally.work.in_flight),
        scheduled: tally.map(|tally| tally.work.scheduled),
        source_up: state.samples.failing.is_none() && tally.is_some(),
        fallback: decision.is_some_and(|decision| decision.rule == Rule::Fallback),
        conditions: status
            .conditions
            .iter()
            .filter_map(|condition| Some((fixed(&condition.kind)?, word(condition.status))))
            .collect(),
    }
}

/// Condition types that are metrics labels.
pub fn fixed(kind: &str) -> Option<&'static str> {
    [
        "Ready",
        "SourceAvailable",
        "ScalingActive",
        "ScalingLimited",
        "Degraded",
        "QueuesMatch",
        "WorkersKnown",
        "QueueBlocked",
        "TargetFeasible",
        "Fallback",
        "TargetConflict",
        "DeletionCostConflict",
        "Reconciling",
        "Stalled",
    ]
    .into_iter()
    .find(|fixed| *fixed == kind)
}

fn word(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}

#[cfg(test)]
mod tests;
