//! Reports about a pool: a note for each changed decision, the Events that go with a change, the metrics. Pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use super::{
    effect::Note,
    pool::Pool,
    state::PoolState,
    status::{BEAT_RUNS_TWICE, BEAT_STOPS},
};
use crate::{
    api::{Condition, ConditionStatus, Status},
    drain::Plan,
    kube::Target,
    model::{Intent, Tally},
    scaling::{Decision, Rule, TargetRule},
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
    let old = |condition: &Condition| before.conditions.iter().find(|old| old.kind == condition.kind);
    after
        .conditions
        .iter()
        .filter(|condition| is_told(old(condition), condition) && condition.status != ConditionStatus::Unknown)
        .filter(|condition| {
            let good = is_well(condition);
            match old(condition) {
                // An earlier version did not publish it.
                None => !good,
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
            warns: !is_well(condition) && condition.kind != "Suspended",
        })
        .collect()
}

/// Whether a person must know of a change of this condition: `Degraded` repeats another one, except for its own reasons,
/// and `ScalingActive` follows others, except where writes fail.
fn is_told(old: Option<&Condition>, condition: &Condition) -> bool {
    let of = |reason: &str| condition.reason == reason || old.is_some_and(|old| old.reason == reason);
    match condition.kind.as_str() {
        "Ready" | "SourceAvailable" | "QueuesMatch" | "WorkersKnown" | "TargetFeasible" | "TargetConflict"
        | "Suspended" => true,
        "ScalingActive" => of("WriteFailed"),
        "Degraded" => of(BEAT_STOPS) || of(BEAT_RUNS_TWICE),
        _ => false,
    }
}

/// Whether a condition is as it should be.
pub fn is_well(condition: &Condition) -> bool {
    condition.status == wished(&condition.kind)
}

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
    // What the broker said is unknown once it can no longer be read: no series, instead of old numbers.
    let read = status
        .conditions
        .iter()
        .any(|condition| condition.kind == "SourceAvailable" && condition.status == ConditionStatus::True);
    let uncounted = |tally: &Tally| pool.is_some_and(|pool| PoolState::counts_nothing(pool, tally));
    let last = state.samples.last.as_ref().map(|(tally, _)| tally);
    let tally = last.filter(|tally| read && !uncounted(tally));
    let decision = state.decision.as_ref().map(|(_, decision)| decision);
    let replicas = target.map_or(0, |target| target.replicas);
    let learned = decision.and_then(|decision| decision.estimates);
    let suspended = pool.is_none_or(|pool| pool.policy.suspended);
    // Neither asked nor expected to answer: an alert on 0 means a broker that is lost.
    let asked = !suspended && (state.samples.failing.is_some() || last.is_some());
    PoolNumbers {
        desired: decision.map_or(replicas, |decision| decision.replicas),
        current: replicas,
        ready: target.map_or(0, |target| target.ready),
        draining: u32::try_from(told(&state.drain.plan)).unwrap_or(u32::MAX),
        min: pool.map_or(0, |pool| pool.policy.min),
        max: pool.map_or(0, |pool| pool.policy.max),
        queues: tally
            .into_iter()
            .flat_map(|tally| &tally.queues)
            .map(|queue| (queue.queue.clone(), queue.ready))
            .collect(),
        in_flight: tally.map(|tally| tally.work.in_flight),
        scheduled: tally.map_or(0, |tally| tally.work.scheduled),
        oldest_wait: match tally {
            Some(tally) if tally.work.ready > 0 => decision.and_then(|decision| decision.oldest_wait).map(seconds),
            tally => tally.map(|_| 0.0),
        },
        wait_target: pool.and_then(|pool| match pool.policy.target {
            TargetRule::Wait(wait) => Some(seconds(wait.within)),
            TargetRule::Backlog(_) => None,
        }),
        in_time: learned.and_then(|learned| learned.in_time),
        task_seconds: learned.and_then(|learned| learned.task),
        arrivals: learned.map(|learned| learned.rate),
        source_up: asked.then(|| state.samples.failing.is_none() && last.is_some()),
        fallback: decision.is_some_and(|decision| decision.rule == Rule::Fallback),
        conditions: status
            .conditions
            .iter()
            .filter(|condition| !is_well(condition))
            .filter_map(|condition| Some((fixed(&condition.kind)?, word(condition.status))))
            .collect(),
    }
}

/// Number of pods whose workers are told to fetch no more, from then until they are gone: also those that are empty and
/// wait for others.
fn told(plan: &Plan) -> usize {
    let intents = plan.intents.values();
    intents.filter(|intent| matches!(intent, Intent::Cordon(_))).count()
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
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
        "TargetFeasible",
        "TargetConflict",
        "Suspended",
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
