//! A status: its conditions in each situation.
mod broken;
mod contract;
mod leaving;
mod numbers;
mod queues;

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{
    controller::pool::Problem,
    model::{QueueTally, SampleError, Tally, Work},
    scaling::Decision,
    view,
};

const GENERATION: i64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn tally() -> Tally {
    Tally {
        work: Work {
            ready: 12,
            in_flight: 3,
            running: 2,
            scheduled: 1,
            ..Work::default()
        },
        ..Tally::default()
    }
}

pub(super) fn decision(rule: Rule) -> Decision {
    Decision {
        replicas: 4,
        rule,
        sentence: "15 outstanding at 4 each need 4.".into(),
        limited: None,
        wanted: 4,
        candidates: crate::scaling::Candidates::default(),
        estimates: None,
        oldest_wait: Some(Duration::from_secs(4)),
        trouble: None,
        blocked: rule == Rule::BlockedQueue,
        decide_again_in: Duration::from_secs(1),
    }
}

/// A pool that works, at second 100.
pub(super) fn working<'a>(tally: &'a Tally, decision: &'a Decision) -> Facts<'a> {
    Facts {
        generation: GENERATION,
        problem: None,
        suspended: false,
        mode: Mode::Act,
        target: Some((4, 3)),
        source: SourceState::Read { tally, at: at(99) },
        decision: Some(decision),
        kept: None,
        leaving: None,
        refused: None,
        workers: Heard {
            ready: 3,
            heard: 3,
            ..Heard::default()
        },
        overstayed: None,
        graceful: false,
        cost_conflict: None,
        fought_by: None,
        write_failed: None,
        last_scale: None,
        now: at(100),
        ..Facts::default()
    }
}

fn lost(age: u64) -> SourceState<'static> {
    SourceState::Lost {
        why: SampleError::Refused,
        age: Duration::from_secs(age),
        last: None,
    }
}

/// The conditions as `Type=Status/Reason`, in one line.
fn line(status: &Status) -> String {
    let one = |c: &Condition| format!("{}={:?}/{}", c.kind, c.status, c.reason);
    status.conditions.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn message(status: &Status, kind: &str) -> String {
    let found = status.conditions.iter().find(|condition| condition.kind == kind);
    found
        .unwrap_or_else(|| panic!("no {kind} in {}", line(status)))
        .message
        .clone()
}

/// The table of the status contract: what stands in each situation.
#[test]
fn each_situation_has_its_conditions() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let missing = Problem::waiting("SecretNotFound", "Secret `a` does not exist.");
    let invalid = Problem::invalid("`queues` must name 1 to 64 queues");
    let works = || working(&tally, &backlog);
    let table = [
        (
            "just created",
            Facts {
                source: SourceState::NotYet,
                decision: None,
                ..works()
            },
            "Ready=Unknown/Starting SourceAvailable=Unknown/NotSampledYet QueuesMatch=Unknown/NotSampledYet WorkersKnown=Unknown/NotAsked \
             ScalingActive=Unknown/NotSampledYet ScalingLimited=False/WithinLimits TargetFeasible=Unknown/NotSampledYet TargetConflict=False/NoConflict \
             Degraded=False/AsExpected Suspended=False/NotSuspended Reconciling=True/Starting",
        ),
        (
            "working",
            works(),
            "Ready=True/Working SourceAvailable=True/Sampled QueuesMatch=True/AsConfigured WorkersKnown=True/AllKnown \
             ScalingActive=True/Scaling ScalingLimited=False/WithinLimits TargetFeasible=True/Feasible TargetConflict=False/NoConflict \
             Degraded=False/AsExpected Suspended=False/NotSuspended",
        ),
        (
            "broker lost a moment ago",
            Facts {
                source: lost(29),
                ..works()
            },
            "Ready=True/Working SourceAvailable=False/ConnectionRefused QueuesMatch=Unknown/NotSampledYet WorkersKnown=Unknown/NotAsked \
             ScalingActive=Unknown/SourceLost ScalingLimited=False/WithinLimits TargetFeasible=Unknown/SourceLost TargetConflict=False/NoConflict \
             Degraded=False/AsExpected Suspended=False/NotSuspended",
        ),
        (
            "broker lost for long",
            Facts {
                source: lost(30),
                ..works()
            },
            "Ready=True/Working SourceAvailable=False/ConnectionRefused QueuesMatch=Unknown/NotSampledYet WorkersKnown=Unknown/NotAsked \
             ScalingActive=False/SourceLost ScalingLimited=False/WithinLimits TargetFeasible=Unknown/SourceLost TargetConflict=False/NoConflict \
             Degraded=True/SourceLost Suspended=False/NotSuspended",
        ),
        (
            "a Secret is missing",
            Facts {
                problem: Some(&missing),
                ..works()
            },
            "Ready=False/SecretNotFound SourceAvailable=Unknown/NotAsked QueuesMatch=Unknown/NotAsked WorkersKnown=Unknown/NotAsked \
             ScalingActive=False/NotReady ScalingLimited=False/WithinLimits TargetFeasible=Unknown/NotAsked TargetConflict=False/NoConflict \
             Degraded=True/SecretNotFound Suspended=False/NotSuspended Reconciling=True/SecretNotFound",
        ),
        (
            "the spec cannot work",
            Facts {
                problem: Some(&invalid),
                ..works()
            },
            "Ready=False/InvalidSpec SourceAvailable=Unknown/NotAsked QueuesMatch=Unknown/NotAsked WorkersKnown=Unknown/NotAsked \
             ScalingActive=False/NotReady ScalingLimited=False/WithinLimits TargetFeasible=Unknown/NotAsked TargetConflict=False/NoConflict \
             Degraded=True/InvalidSpec Suspended=False/NotSuspended Stalled=True/InvalidSpec",
        ),
        (
            "suspended",
            Facts {
                suspended: true,
                ..works()
            },
            "Ready=True/Suspended SourceAvailable=Unknown/NotAsked QueuesMatch=Unknown/NotAsked WorkersKnown=Unknown/Suspended \
             ScalingActive=False/Suspended ScalingLimited=False/WithinLimits TargetFeasible=Unknown/NotAsked TargetConflict=False/NoConflict \
             Degraded=False/AsExpected Suspended=True/Suspended",
        ),
        (
            "observing",
            Facts {
                mode: Mode::Observe,
                ..works()
            },
            "Ready=True/Working SourceAvailable=True/Sampled QueuesMatch=True/AsConfigured WorkersKnown=True/AllKnown \
             ScalingActive=False/Observing ScalingLimited=False/WithinLimits TargetFeasible=True/Feasible TargetConflict=False/NoConflict \
             Degraded=False/AsExpected Suspended=False/NotSuspended",
        ),
        (
            "the write is refused",
            Facts {
                write_failed: Some(("no rights", Duration::from_secs(30))),
                ..works()
            },
            "Ready=True/Working SourceAvailable=True/Sampled QueuesMatch=True/AsConfigured WorkersKnown=True/AllKnown \
             ScalingActive=False/WriteFailed ScalingLimited=False/WithinLimits TargetFeasible=True/Feasible TargetConflict=False/NoConflict \
             Degraded=True/WriteFailed Suspended=False/NotSuspended",
        ),
        (
            "others write, too",
            Facts {
                fought_by: Some("argocd"),
                ..works()
            },
            "Ready=True/Working SourceAvailable=True/Sampled QueuesMatch=True/AsConfigured WorkersKnown=True/AllKnown \
             ScalingActive=True/Scaling ScalingLimited=False/WithinLimits TargetFeasible=True/Feasible TargetConflict=True/ReplicasOverwritten \
             Degraded=True/ReplicasOverwritten Suspended=False/NotSuspended",
        ),
    ];
    for (situation, facts, expected) in table {
        assert_eq!(line(&status(&facts, None)), expected, "{situation}");
    }
}

#[test]
fn a_limit_is_named() {
    let tally = tally();
    for (limit, reason) in [
        (Rule::Maximum, "Maximum"),
        (Rule::Minimum, "Minimum"),
        (Rule::Schedule, "Schedule"),
        (Rule::Behavior, "Behavior"),
    ] {
        let decision = Decision {
            limited: Some(limit),
            wanted: 99,
            ..decision(limit)
        };
        let status = status(&working(&tally, &decision), None);
        assert!(
            line(&status).contains(&format!("ScalingLimited=True/{reason}")),
            "{}",
            line(&status)
        );
        assert!(line(&status).contains("Ready=True/Working"));
    }
}

#[test]
fn fallback_and_a_blocked_queue_are_conditions_while_they_last() {
    let tally = Tally {
        queues: vec![
            QueueTally {
                ready: 5,
                ..QueueTally::none("mail")
            },
            QueueTally::none("reports"),
        ],
        ..tally()
    };
    let (fallback, blocked) = (decision(Rule::Fallback), decision(Rule::BlockedQueue));
    let facts = Facts {
        source: lost(300),
        ..working(&tally, &fallback)
    };
    let lost = line(&status(&facts, None));
    assert!(
        lost.contains("ScalingActive=False/Fallback") && lost.contains("Degraded=True/"),
        "{lost}"
    );
    let stuck = status(&working(&tally, &blocked), None);
    let said = message(&stuck, "TargetFeasible");
    assert!(said.contains("`mail`") && !said.contains("reports"), "{said}");
    let backlog = decision(Rule::Backlog);
    let after = line(&status(&working(&tally, &backlog), Some(&stuck)));
    assert!(
        after.contains("TargetFeasible=True/") && !after.contains("Fallback"),
        "nothing stale is left: {after}"
    );
}

#[test]
fn a_count_that_lacks_something_says_so_and_stays_available() {
    let tally = Tally {
        degraded: Some(SampleError::Permission),
        ..tally()
    };
    let backlog = decision(Rule::Backlog);
    let status = status(&working(&tally, &backlog), None);
    assert!(line(&status).contains("SourceAvailable=True/PermissionDenied"));
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let time = |status: &Status, kind: &str| {
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.kind == kind)
            .unwrap();
        found.last_transition_time.0.as_second()
    };
    let first = status(&working(&tally, &backlog), None);
    let second = status(
        &Facts {
            now: at(200),
            source: lost(1),
            ..working(&tally, &backlog)
        },
        Some(&first),
    );
    assert_eq!((time(&second, "Ready"), time(&second, "SourceAvailable")), (100, 200));
    // Another reason and message, the same status: no transition.
    let other = SourceState::Lost {
        why: SampleError::Timeout,
        age: Duration::from_secs(2),
        last: None,
    };
    let third = status(
        &Facts {
            now: at(300),
            source: other,
            ..working(&tally, &backlog)
        },
        Some(&second),
    );
    assert_eq!((time(&third, "SourceAvailable"), time(&third, "Ready")), (200, 100));
    assert!(line(&third).contains("SourceAvailable=False/Timeout"));
    let again = status(
        &Facts {
            now: at(400),
            ..working(&tally, &backlog)
        },
        Some(&third),
    );
    assert_eq!(time(&again, "SourceAvailable"), 400);
}

#[test]
fn whatever_is_known_the_conditions_are_well_formed() {
    let (tally, backlog, fallback, blocked) = (
        tally(),
        decision(Rule::Backlog),
        decision(Rule::Fallback),
        decision(Rule::BlockedQueue),
    );
    let problems = [
        None,
        Some(Problem::invalid("no")),
        Some(Problem::waiting("Missing", "wait")),
    ];
    let sources = [
        SourceState::NotYet,
        SourceState::Read {
            tally: &tally,
            at: at(1),
        },
        lost(1),
        lost(100),
    ];
    let mut seen = 0;
    for problem in &problems {
        for source in &sources {
            for (decision, suspended) in [(&backlog, false), (&fallback, false), (&blocked, true)] {
                for mode in [Mode::Act, Mode::Observe] {
                    let (problem, source) = (problem.as_ref(), source.clone());
                    let facts = Facts {
                        problem,
                        source,
                        suspended,
                        mode,
                        ..working(&tally, decision)
                    };
                    well_formed(&status(&facts, None), problem);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 72);
}

fn well_formed(status: &Status, problem: Option<&Problem>) {
    let line = line(status);
    let mut kinds: Vec<_> = status.conditions.iter().map(|condition| &condition.kind).collect();
    let all = kinds.len();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), all, "each once: {line}");
    for condition in &status.conditions {
        assert!(!condition.reason.is_empty() && !condition.message.is_empty(), "{line}");
        assert!(condition.reason.chars().all(char::is_alphanumeric), "{line}");
        assert_eq!(condition.observed_generation, Some(GENERATION));
        let only_true = ["Reconciling", "Stalled"].contains(&condition.kind.as_str());
        assert!(!only_true || condition.status == True, "{line}");
    }
    assert!(!(line.contains("Stalled") && line.contains("Reconciling")), "{line}");
    assert_eq!(
        line.contains("Ready=False"),
        problem.is_some(),
        "Ready speaks of the spec alone: {line}"
    );
    assert_eq!(status.observed_generation, Some(GENERATION));
}

/// What people are shown once: the view must know each reason that follows from the broker, and no other.
#[test]
fn what_is_unknown_for_want_of_the_broker_follows_from_it_and_nothing_else_does() {
    let (tally, decision) = (tally(), decision(Rule::Backlog));
    let unknown = |facts: &Facts| {
        let told = status(facts, None).conditions.into_iter();
        let unknown = told.filter(|one| one.status == Unknown && one.kind != "SourceAvailable");
        unknown.collect::<Vec<_>>()
    };
    let problem = Problem::invalid("`queues` is wrong.");
    let working = || working(&tally, &decision);
    for (problem, source) in [
        (None, SourceState::NotYet),
        (None, lost(5)),
        (None, lost(600)),
        (Some(&problem), SourceState::NotYet),
    ] {
        let found = unknown(&Facts {
            problem,
            source,
            ..working()
        });
        assert!(
            found.len() >= 2 && found.iter().all(view::waits_for_source),
            "{found:?}"
        );
    }
    let begins = unknown(&Facts {
        workers: Heard {
            ready: 2,
            missing_for: Some(Duration::from_secs(1)),
            ..Heard::default()
        },
        ..working()
    });
    assert!(
        begins.iter().any(|one| one.kind == "WorkersKnown") && !begins.iter().any(view::waits_for_source),
        "{begins:?}"
    );
}
