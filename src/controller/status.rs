//! Status of a pool, as a pure function of what is known of it. Conditions are computed afresh each time, so none is
//! left behind; only `lastTransitionTime` is taken from the status before.
//!
//! `Ready` is about the spec alone (it is valid, the target exists, the credentials can be read) and never about
//! transient state: a pipeline that waits for `Ready` must not wait for a broker's restart to end.
#![deny(clippy::disallowed_methods)]

mod degraded;
mod facts;
mod feasible;
mod known;
mod leaving;
mod numbers;
mod queues;

pub use degraded::{BEAT_RUNS_TWICE, BEAT_STOPS};
pub use facts::{BrokerAddress, Facts, Heard, Pods, SourceState};
pub use queues::SharedQueue;

use numbers::{count, estimates, held, queues, whole_second, wide, work};

use super::pool::DEGRADED_AFTER;
use crate::{
    api::{
        Condition,
        ConditionStatus::{self, False, True, Unknown},
        DecisionStatus, LastScale, Mode, QueueStatus, Status, Time, WorkStatus,
    },
    model::{SampleError, WorkloadKind, tame},
    scaling::{Decision, Rule},
};

/// Longest message, in bytes: the API server accepts longer texts, but nobody reads them.
const MESSAGE: usize = 1000;

/// Status from the facts; `before` is the object's present one.
pub fn status(facts: &Facts, before: Option<&Status>) -> Status {
    if let Some(before) = before.filter(|before| is_still_true(facts, before)) {
        return before.clone();
    }
    let counted = match &facts.source {
        SourceState::NotYet => None,
        SourceState::Read { tally, at } => Some((*tally, *at)),
        SourceState::Lost { last, .. } => *last,
    };
    let usable = facts.problem.is_none();
    let decision = facts.decision.filter(|_| usable);
    let conditions = conditions(facts, before);
    Status {
        observed_generation: Some(facts.generation),
        message: Some(summary(facts, decision, &conditions)),
        replicas: facts.target.map(|(replicas, _)| count(replicas)),
        ready_replicas: facts.target.map(|(_, ready)| count(ready)),
        // Without a decision it is the present number: nothing is changed.
        desired_replicas: match (decision, facts.target) {
            (Some(decision), _) => Some(count(decision.replicas)),
            (None, target) => target.map(|(replicas, _)| count(replicas)),
        },
        work: counted
            .filter(|(tally, _)| usable && !queues::are_untold(facts, tally))
            .map(|(tally, at)| WorkStatus {
                oldest_wait_seconds: decision
                    .and_then(|decision| decision.oldest_wait)
                    .filter(|_| tally.work.ready > 0)
                    .map(|wait| wide(wait.as_secs())),
                ..work(tally, at)
            }),
        queues: match counted.filter(|_| usable) {
            Some((tally, _)) => queues(tally),
            None => kept_queues(facts, before),
        },
        held: match counted.filter(|_| usable) {
            Some((tally, _)) => tally.later.held.map(held),
            // Kept until the broker has been read again.
            None => before.and_then(|before| before.held.clone()),
        },
        estimates: decision.and_then(|decision| decision.estimates).and_then(estimates),
        decision: decision.map(|decision| DecisionStatus {
            replicas: count(decision.replicas),
            rule: decision.rule.reason().to_owned(),
            message: sentence(facts, decision),
        }),
        last_scale: facts
            .last_scale
            .cloned()
            .map(|scale| LastScale {
                message: tame(&scale.message, MESSAGE),
                ..scale
            })
            .or_else(|| before.and_then(|before| before.last_scale.clone())),
        conditions,
    }
}

/// Queues that the workers named, as they were counted last: a process that begins anew counts them before any worker is
/// there to name them again.
fn kept_queues(facts: &Facts, before: Option<&Status>) -> Vec<QueueStatus> {
    let Some(learned) = facts.learned else {
        return Vec::new();
    };
    let before = before.into_iter().flat_map(|before| &before.queues);
    let kept = before.filter(|queue| learned.names().contains(&queue.name));
    kept.cloned().collect()
}

/// Whether the status before still counts: a process that just began, or a pool that moves to another
/// broker, knows nothing better for the moment in which the broker's first sample is awaited.
fn is_still_true(facts: &Facts, before: &Status) -> bool {
    let expected = facts.about_to_speak && matches!(facts.source, SourceState::NotYet);
    let quiet = facts.problem.is_none() && !facts.suspended;
    let replicas = facts.target.map(|(replicas, _)| count(replicas));
    let same = before.observed_generation == Some(facts.generation) && before.replicas == replicas;
    let worked = before
        .conditions
        .iter()
        .any(|condition| condition.kind == "Ready" && condition.reason == "Working");
    expected && quiet && same && worked
}

/// What keeps the pool from its target, else the decision's sentence, else the message of `Ready`.
fn summary(facts: &Facts, decision: Option<&Decision>, conditions: &[Condition]) -> String {
    let named = |kind: &str| conditions.iter().find(|condition| condition.kind == kind);
    let degraded = named("Degraded").filter(|degraded| degraded.status == True);
    match (degraded, decision) {
        (Some(degraded), _) => degraded.message.clone(),
        (None, Some(decision)) => sentence(facts, decision),
        (None, None) => named("Ready").map_or_else(String::new, |ready| ready.message.clone()),
    }
}

/// The decision's sentence, with the part of it that could not be carried out.
pub fn sentence(facts: &Facts, decision: &Decision) -> String {
    let mut text = decision.sentence.clone();
    if let Some(kept) = facts.kept {
        text = format!("{text} {}", leaving::kept(kept, facts.leaving));
    }
    if facts.mode == Mode::Observe {
        text = format!("{text} (Observe: nothing is written.)");
    }
    tame(&text, MESSAGE)
}

/// Condition before it gets its times.
struct ConditionSpec {
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
}

fn conditions(facts: &Facts, before: Option<&Status>) -> Vec<Condition> {
    let mut specs = vec![
        ready(facts),
        source(facts),
        queues::queues_match(facts),
        known::workers_known(facts),
        active(facts),
        limited(facts),
        feasible::feasible(facts),
        conflict(facts),
    ];
    specs.push(degraded::degraded(facts, &specs));
    specs.push(suspended(facts));
    // These exist only while they are True, as kstatus expects it.
    specs.extend([reconciling(facts), stalled(facts)].into_iter().flatten());
    specs.into_iter().map(|spec| dated(spec, facts, before)).collect()
}

/// Adds the times: `lastTransitionTime` moves only when the status does.
fn dated(spec: ConditionSpec, facts: &Facts, before: Option<&Status>) -> Condition {
    let same = before
        .and_then(|before| before.conditions.iter().find(|condition| condition.kind == spec.kind))
        .filter(|condition| condition.status == spec.status);
    Condition {
        kind: spec.kind.to_owned(),
        status: spec.status,
        observed_generation: Some(facts.generation),
        last_transition_time: same.map_or_else(
            || Time(whole_second(facts.now)),
            |condition| condition.last_transition_time.clone(),
        ),
        reason: spec.reason.to_owned(),
        message: tame(&spec.message, MESSAGE),
    }
}

fn condition(
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: impl Into<String>,
) -> ConditionSpec {
    ConditionSpec {
        kind,
        status,
        reason,
        message: message.into(),
    }
}

fn ready(facts: &Facts) -> ConditionSpec {
    match facts.problem {
        Some(problem) => condition("Ready", False, problem.reason, problem.message.clone()),
        None if facts.suspended => condition("Ready", True, "Suspended", SUSPENDED),
        None if matches!(facts.source, SourceState::NotYet) => {
            condition("Ready", Unknown, "Starting", "The broker has not been asked yet.")
        }
        None => condition("Ready", True, "Working", "The spec works."),
    }
}

fn source(facts: &Facts) -> ConditionSpec {
    let kind = "SourceAvailable";
    let which = match &facts.broker {
        BrokerAddress { number, of, .. } if *of > 1 => format!(" (address {number} of the {of} in the broker URL)"),
        _ => String::new(),
    };
    match &facts.source {
        _ if facts.problem.is_some() || facts.suspended => {
            condition(kind, Unknown, "NotAsked", "The broker is not asked.")
        }
        SourceState::NotYet => condition(kind, Unknown, "NotSampledYet", "The broker has not been asked yet."),
        SourceState::Read { tally, .. } => match tally.degraded {
            None => condition(kind, True, "Sampled", format!("The broker answers{which}.")),
            Some(why) => condition(
                kind,
                True,
                why.label(),
                format!(
                    "The broker answers{which}, but {}; what cannot be told apart is counted as work.",
                    named(why, facts)
                ),
            ),
        },
        SourceState::Lost { why, .. } => {
            let message = format!("The broker cannot be read{which}: {}.", named(*why, facts));
            condition(kind, False, why.label(), message)
        }
    }
}

/// Error text, with the address of the management API where that is meant.
fn named(why: SampleError, facts: &Facts) -> String {
    let text = why.to_string();
    match &facts.broker.management {
        Some(at) => text.replace("the management API", &format!("the management API at {at}")),
        None => text,
    }
}

fn active(facts: &Facts) -> ConditionSpec {
    let kind = "ScalingActive";
    if facts.problem.is_some() {
        return condition(kind, False, "NotReady", "The pool is not ready.");
    }
    if facts.suspended {
        return condition(kind, False, "Suspended", SUSPENDED);
    }
    if facts.mode == Mode::Observe {
        return condition(kind, False, "Observing", "`mode` is Observe: nothing is written.");
    }
    if let Some((why, _)) = facts.write_failed {
        return condition(
            kind,
            False,
            "WriteFailed",
            format!("The replicas could not be written: {why}."),
        );
    }
    match &facts.source {
        SourceState::NotYet => condition(kind, Unknown, "NotSampledYet", "The broker has not been asked yet."),
        SourceState::Read { tally, .. } if queues::are_untold(facts, tally) => condition(
            kind,
            Unknown,
            queues::NOT_TOLD,
            "It is not known yet which queues hold the work; the replicas are held.",
        ),
        SourceState::Read { .. } => condition(kind, True, "Scaling", "The replicas follow the work."),
        SourceState::Lost { age, .. } => match facts.decision.filter(|decision| decision.rule == Rule::Fallback) {
            Some(fallback) => condition(kind, False, "Fallback", fallback.sentence.clone()),
            None if *age < DEGRADED_AFTER => condition(
                kind,
                Unknown,
                "SourceLost",
                "The broker cannot be read; the replicas are held.",
            ),
            None => condition(
                kind,
                False,
                "SourceLost",
                "The broker cannot be read; nothing is scaled down.",
            ),
        },
    }
}

fn limited(facts: &Facts) -> ConditionSpec {
    let kind = "ScalingLimited";
    match facts
        .decision
        .filter(|_| facts.problem.is_none())
        .and_then(|decision| Some((decision, decision.limited?)))
    {
        Some((decision, Rule::Maximum)) => condition(
            kind,
            True,
            "Maximum",
            format!(
                "The work asks for {} replicas, more than `maxReplicas`.",
                decision.wanted
            ),
        ),
        Some((_, Rule::Minimum)) => condition(
            kind,
            True,
            "Minimum",
            "The work asks for fewer replicas than `minReplicas`.",
        ),
        Some((_, Rule::Schedule)) => condition(
            kind,
            True,
            "Schedule",
            "The work asks for fewer replicas than a schedule keeps.",
        ),
        Some((_, rule)) => condition(kind, True, rule.reason(), "`behavior` limits the step."),
        None => condition(kind, False, "WithinLimits", "No limit holds the replicas back."),
    }
}

fn conflict(facts: &Facts) -> ConditionSpec {
    let kind = "TargetConflict";
    let overwritten = facts.fought_by.map(|manager| {
        let message = format!(
            "`{manager}` keeps changing the target's replicas: {}",
            cure(manager, facts.kind)
        );
        ("ReplicasOverwritten", message)
    });
    match overwritten.or_else(|| leaving::cost_conflict(facts)) {
        Some((reason, message)) => condition(kind, True, reason, message),
        None => condition(
            kind,
            False,
            "NoConflict",
            "Nobody else keeps changing the target's replicas or its pods' deletion costs.",
        ),
    }
}

fn suspended(facts: &Facts) -> ConditionSpec {
    match facts.suspended {
        true => condition("Suspended", True, "Suspended", SUSPENDED),
        false => condition("Suspended", False, "NotSuspended", "`suspend` is false."),
    }
}

/// Message while the pool is suspended.
const SUSPENDED: &str = "`suspend` is true: nothing is counted, the replicas stay as they are.";

/// Fix for a conflict with this field manager.
fn cure(manager: &str, kind: WorkloadKind) -> String {
    let name = manager.to_ascii_lowercase();
    if name.contains("argo") {
        format!(
            "in its Argo CD Application, list `/spec/replicas` of this {kind} under `ignoreDifferences`, and \
             `RespectIgnoreDifferences=true` under `syncOptions`."
        )
    } else if name == "kube-controller-manager" {
        format!(
            "that is a HorizontalPodAutoscaler, perhaps made by a KEDA ScaledObject: delete the one that names this {kind}."
        )
    } else if name.starts_with("kubectl") {
        "set `suspend: true` on this pool before you scale by hand, and remove `spec.replicas` from the manifest that you \
         apply."
            .to_owned()
    } else {
        format!("remove `spec.replicas` from the {kind}'s manifest, and any other autoscaler.")
    }
}

fn reconciling(facts: &Facts) -> Option<ConditionSpec> {
    match facts.problem {
        Some(problem) if problem.wait => Some(condition("Reconciling", True, problem.reason, problem.message.clone())),
        None if !facts.suspended && matches!(facts.source, SourceState::NotYet) => Some(condition(
            "Reconciling",
            True,
            "Starting",
            "The broker has not been asked yet.",
        )),
        _ => None,
    }
}

fn stalled(facts: &Facts) -> Option<ConditionSpec> {
    let problem = facts.problem.filter(|problem| !problem.wait)?;
    Some(condition("Stalled", True, problem.reason, problem.message.clone()))
}

#[cfg(test)]
mod tests;
