//! What a pass tells: one log line for each changed decision, the Events that go with a change, the pool's metrics.

use super::{
    entry::Entry,
    pool::{Identity, Pool},
    status::{BEAT_RUNS_TWICE, BEAT_STOPS},
    target::Target,
};
use crate::{
    api::{Condition, ConditionStatus, Status},
    scaling::{Decision, Rule},
    telemetry::{Metrics, PoolEvent, PoolNumbers},
};

/// Logs a changed decision and says which Events it is worth.
pub fn decision(identity: &Identity, before: Option<&Decision>, after: &Decision, metrics: &Metrics) -> Vec<PoolEvent> {
    if before.is_some_and(|before| same(before, after)) {
        return Vec::new();
    }
    let key = &identity.key;
    tracing::info!(
        namespace = key.namespace,
        name = key.name,
        replicas = after.replicas,
        rule = after.rule.reason(),
        why = after.sentence,
        "decided"
    );
    if matches!(
        after.rule,
        Rule::Stale | Rule::Unknown | Rule::Rollout | Rule::JustStarted | Rule::BlockedQueue
    ) {
        metrics.held(after.rule.reason());
    }
    let fell_back = before.is_some_and(|before| before.rule == Rule::Fallback);
    match after.rule {
        Rule::Fallback if !fell_back => {
            vec![PoolEvent::FallbackStarted {
                replicas: after.replicas,
                why: after.sentence.clone(),
            }]
        }
        Rule::Fallback | Rule::Stale | Rule::Unknown => Vec::new(),
        _ if fell_back => vec![PoolEvent::FallbackEnded],
        _ => Vec::new(),
    }
}

/// A decision that leaves everything as it is, for the same reason, is not worth a line.
fn same(before: &Decision, after: &Decision) -> bool {
    before.replicas == after.replicas && before.rule.family() == after.rule.family()
}

/// The Events that changed conditions are worth: those that a person must know of.
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
                // From one trouble to another is news as well.
                Some(old) if old.status == condition.status => !good && old.reason != condition.reason,
                // What only began to be known, and is well, is none.
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

/// Those whose changes a person must know of; what `Degraded` says is said by another, but for its own reasons.
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

/// Conditions that are there when all is well, too.
const ALWAYS: [&str; 2] = ["QueuesMatch", "WorkersKnown"];

/// The status of this condition while all is well.
fn wished(kind: &str) -> ConditionStatus {
    match kind {
        "Ready" | "SourceAvailable" | "QueuesMatch" | "WorkersKnown" | "TargetFeasible" | "ScalingActive" => {
            ConditionStatus::True
        }
        _ => ConditionStatus::False,
    }
}

/// Tells of waiting tasks that nobody took.
pub fn vanished(identity: &Identity, tasks: u64) {
    let key = &identity.key;
    tracing::warn!(
        namespace = key.namespace,
        name = key.name,
        tasks,
        "waiting tasks vanished without being started"
    );
}

/// Sets the pool's metrics.
pub fn numbers(entry: &Entry, pool: Option<&Pool>, target: Option<&Target>, status: &Status, metrics: &Metrics) {
    let key = &entry.identity.key;
    let tally = entry.samples.last.as_ref().map(|(tally, _)| tally);
    let decision = entry.decision.as_ref().map(|(_, decision)| decision);
    let replicas = target.map_or(0, |target| target.replicas);
    metrics.pool(
        &key.namespace,
        &key.name,
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
            source_up: entry.samples.failing.is_none() && tally.is_some(),
            fallback: decision.is_some_and(|decision| decision.rule == Rule::Fallback),
            conditions: status
                .conditions
                .iter()
                .filter_map(|condition| Some((fixed(&condition.kind)?, word(condition.status))))
                .collect(),
        },
    );
}

/// The condition types that are metrics labels.
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
