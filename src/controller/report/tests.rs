use std::sync::Arc;

use super::*;
use crate::{
    api::{Condition, Time},
    controller::state::tests::Alone,
    model::{Consumers, Now, QueueTally, Tally, Work},
    scaling::Rule::{Backlog, Fallback, Unknown},
};

fn made(rule: Rule, replicas: u32) -> Decision {
    Decision {
        replicas,
        rule,
        sentence: "because".into(),
        limited: None,
        wanted: replicas,
        candidates: crate::scaling::Candidates::default(),
        estimates: None,
        oldest_wait: None,
        trouble: None,
        blocked: rule == Rule::BlockedQueue,
        decide_again_in: std::time::Duration::from_secs(1),
    }
}

fn told(before: Option<&Decision>, after: &Decision) -> Vec<PoolEvent> {
    decision(before, after)
        .and_then(|(_, event)| event)
        .into_iter()
        .collect()
}

fn with(kind: &str, status: ConditionStatus) -> Status {
    Status {
        conditions: vec![Condition {
            kind: kind.into(),
            status,
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            reason: "Why".into(),
            message: "why".into(),
        }],
        ..Status::default()
    }
}

/// Whether each Event of a change is a warning.
fn warnings(before: &Status, after: &Status) -> Vec<bool> {
    conditions(Some(before), after)
        .into_iter()
        .map(|event| matches!(event, PoolEvent::ConditionChanged { warns: true, .. }))
        .collect()
}

#[test]
fn the_beginning_and_the_end_of_a_fallback_are_events_and_nothing_else_is() {
    let (backlog, fallback, unknown) = (made(Backlog, 2), made(Fallback, 3), made(Unknown, 2));
    assert!(matches!(
        told(Some(&unknown), &fallback)[..],
        [PoolEvent::FallbackStarted { replicas: 3, .. }]
    ));
    assert!(matches!(
        told(Some(&fallback), &backlog)[..],
        [PoolEvent::FallbackEnded]
    ));
    let none = [
        (Some(&fallback), made(Fallback, 4)),
        (Some(&fallback), made(Fallback, 3)),
        (Some(&backlog), made(Backlog, 5)),
        (Some(&fallback), made(Unknown, 3)),
        (None, made(Backlog, 1)),
    ];
    for (before, after) in none {
        assert!(told(before, &after).is_empty(), "{before:?} to {after:?}");
    }
}

#[test]
fn a_condition_that_changes_its_status_is_an_event() {
    use ConditionStatus::{False, True, Unknown};
    for (kind, before, after, warns) in [
        ("Ready", True, False, vec![true]),
        ("Ready", False, True, vec![false]),
        ("SourceAvailable", True, False, vec![true]),
        ("TargetConflict", False, True, vec![true]),
        ("Ready", True, True, vec![]),
        ("Ready", True, Unknown, vec![]),
        ("ScalingLimited", False, True, vec![]),
        ("Suspended", False, True, vec![false]),
        ("Suspended", True, False, vec![false]),
    ] {
        assert_eq!(
            warnings(&with(kind, before), &with(kind, after)),
            warns,
            "{kind} {before:?} to {after:?}"
        );
    }
    assert_eq!(warnings(&Status::default(), &with("TargetConflict", True)), [true]);
    assert!(
        conditions(None, &with("Ready", False)).is_empty(),
        "nothing was known before"
    );
}

#[test]
fn trouble_is_told_when_it_begins_changes_and_ends() {
    use ConditionStatus::{False, True, Unknown};
    let with = |kind: &str, status, reason: &str| {
        let mut status = with(kind, status);
        status.conditions[0].reason = reason.into();
        status
    };
    for (before, after, warns) in [
        (
            with("QueuesMatch", True, "A"),
            with("QueuesMatch", False, "B"),
            vec![true],
        ),
        (
            with("QueuesMatch", False, "B"),
            with("QueuesMatch", False, "C"),
            vec![true],
        ),
        (
            with("QueuesMatch", False, "B"),
            with("QueuesMatch", True, "A"),
            vec![false],
        ),
        (
            with("QueuesMatch", Unknown, "U"),
            with("QueuesMatch", True, "A"),
            vec![],
        ),
        (Status::default(), with("QueuesMatch", True, "A"), vec![]),
        (Status::default(), with("QueuesMatch", False, "A"), vec![true]),
        (with("Ready", True, "A"), with("Ready", True, "B"), vec![]),
        (
            with("ScalingActive", True, "Scaling"),
            with("ScalingActive", False, "WriteFailed"),
            vec![true],
        ),
        (
            with("ScalingActive", False, "WriteFailed"),
            with("ScalingActive", True, "Scaling"),
            vec![false],
        ),
        (
            with("ScalingActive", True, "Scaling"),
            with("ScalingActive", False, "SourceLost"),
            vec![],
        ),
        (
            with("Degraded", False, "A"),
            with("Degraded", True, BEAT_STOPS),
            vec![true],
        ),
        (
            with("Degraded", False, "A"),
            with("Degraded", True, "QueueShared"),
            vec![],
        ),
    ] {
        assert_eq!(warnings(&before, &after), warns, "{before:?} to {after:?}");
    }
}

#[test]
fn what_the_broker_said_is_in_the_metrics_only_while_it_can_be_read() {
    use ConditionStatus::{False, True};
    let mut state = Alone::new(2).state;
    let tally = Tally {
        work: Work {
            in_flight: 2,
            scheduled: 4,
            ..Work::default()
        },
        queues: vec![QueueTally::none("celery")],
        ..Tally::default()
    };
    let now = Now {
        wall: jiff::Timestamp::UNIX_EPOCH,
        moment: Duration::ZERO,
    };
    state.samples.last = Some((Arc::new(tally), now));
    let of = |read| {
        let numbers = numbers(&state, None, None, &with("SourceAvailable", read));
        (
            numbers.queues.len(),
            numbers.in_flight,
            numbers.scheduled,
            numbers.oldest_wait,
        )
    };
    assert_eq!(of(True), (1, Some(2), 4, Some(0.0)));
    assert_eq!(of(False), (0, None, 0, None));
}

#[test]
fn a_pod_drains_from_the_first_word_to_its_workers_until_it_is_gone() {
    let mut state = Alone::new(4).state;
    let told = |pod: &str, intent: Intent| (pod.to_owned(), intent);
    // Of `mail-2` it is asked only what it holds, `mail-3` is to stay after all.
    state.drain.plan.intents = [
        told("mail-0", Intent::Cordon(Consumers::new())),
        told("mail-1", Intent::Cordon(Consumers::new())),
        told("mail-2", Intent::Report),
        told("mail-3", Intent::Uncordon(Consumers::new())),
    ]
    .into();
    assert_eq!(numbers(&state, None, None, &Status::default()).draining, 2);
}
