//! One word for a pool, to sort by: the worst first.
#![deny(clippy::disallowed_methods)]

use super::types::State;
use crate::api::{ConditionStatus, Status};

/// What the word depends on, beside the status.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Wait target in seconds.
    pub wait_seconds: Option<u64>,
    /// Whether replicas are written.
    pub acts: bool,
}

/// Word for a pool with this status, which has only conditions that are not as they should be.
pub fn state(status: &Status, promise: Promise) -> State {
    let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
    let is = |kind: &str, wanted| condition(kind).is_some_and(|condition| condition.status == wanted);
    let work = status.work.as_ref();
    let waits = work.and_then(|work| work.oldest_wait_seconds);
    let late = |wait: i64| {
        promise
            .wait_seconds
            .is_some_and(|target| u64::try_from(wait).is_ok_and(|wait| wait > target))
    };
    let limit = condition("ScalingLimited").filter(|limited| limited.status == ConditionStatus::True);
    if is("Suspended", ConditionStatus::True) {
        State::Suspended
    } else if is("Ready", ConditionStatus::False) {
        State::Broken
    } else if is("Degraded", ConditionStatus::True) {
        State::Degraded
    } else if waits.is_some_and(late) {
        State::Late
    } else if condition("SourceAvailable").is_some() || work.is_none() {
        State::Unknown
    } else if limit.is_some_and(|limited| limited.reason != "Minimum" && limited.reason != "Schedule") {
        State::Limited
    } else if promise.acts && status.desired_replicas != status.replicas || status.ready_replicas < status.replicas {
        State::Scaling
    } else if work.is_some_and(|work| work.waiting > 0 || work.in_flight > 0) {
        State::Working
    } else {
        State::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus::*, Time, WorkStatus};

    const ACTS: Promise = Promise {
        wait_seconds: Some(60),
        acts: true,
    };

    /// A pool at rest, with these conditions.
    fn status(wrong: &[(&str, ConditionStatus, &str)]) -> Status {
        Status {
            replicas: Some(2),
            ready_replicas: Some(2),
            desired_replicas: Some(2),
            work: Some(WorkStatus::default()),
            conditions: wrong
                .iter()
                .map(|(kind, status, reason)| Condition {
                    kind: (*kind).into(),
                    status: *status,
                    observed_generation: None,
                    last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
                    reason: (*reason).into(),
                    message: String::new(),
                })
                .collect(),
            ..Status::default()
        }
    }

    fn waits(seconds: i64) -> Status {
        let work = WorkStatus {
            waiting: 5,
            oldest_wait_seconds: Some(seconds),
            ..WorkStatus::default()
        };
        Status {
            work: Some(work),
            ..status(&[])
        }
    }

    #[test]
    fn one_word_for_each() {
        let scaled = |wanted| Status {
            desired_replicas: Some(wanted),
            ..status(&[])
        };
        let observes = Promise { acts: false, ..ACTS };
        for (what, status, promise, word) in [
            ("rests", status(&[]), ACTS, State::Idle),
            ("tasks wait", waits(60), ACTS, State::Working),
            ("longer than they may", waits(61), ACTS, State::Late),
            (
                "nobody said how long",
                waits(61),
                Promise {
                    wait_seconds: None,
                    ..ACTS
                },
                State::Working,
            ),
            ("wants more", scaled(3), ACTS, State::Scaling),
            ("only observes", scaled(3), observes, State::Idle),
            (
                "pods start",
                Status {
                    ready_replicas: Some(1),
                    ..status(&[])
                },
                observes,
                State::Scaling,
            ),
            (
                "its maximum",
                status(&[("ScalingLimited", True, "Maximum")]),
                ACTS,
                State::Limited,
            ),
            (
                "its minimum",
                status(&[("ScalingLimited", True, "Minimum")]),
                ACTS,
                State::Idle,
            ),
            (
                "unread",
                status(&[("SourceAvailable", False, "Timeout")]),
                ACTS,
                State::Unknown,
            ),
            ("new", Status::default(), ACTS, State::Unknown),
            (
                "degraded",
                status(&[("Degraded", True, "SourceLost"), ("SourceAvailable", False, "Timeout")]),
                ACTS,
                State::Degraded,
            ),
            (
                "broken",
                status(&[("Ready", False, "InvalidSpec"), ("Degraded", True, "InvalidSpec")]),
                ACTS,
                State::Broken,
            ),
            (
                "suspended",
                status(&[("Suspended", True, "Suspended")]),
                ACTS,
                State::Suspended,
            ),
        ] {
            assert_eq!(state(&status, promise), word, "{what}");
        }
    }

    #[test]
    fn the_worst_comes_first() {
        use State::*;
        let mut all = [
            Suspended, Idle, Working, Scaling, Limited, Unknown, Late, Degraded, Broken,
        ];
        all.sort();
        assert_eq!(
            all,
            [
                Broken, Degraded, Late, Unknown, Limited, Scaling, Working, Idle, Suspended
            ]
        );
    }
}
