use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::{Condition, ConditionStatus, DecisionStatus, WorkStatus};

fn status() -> Status {
    Status {
        observed_generation: Some(1),
        replicas: Some(2),
        desired_replicas: Some(2),
        work: Some(WorkStatus {
            ready: 5,
            ..WorkStatus::default()
        }),
        decision: Some(DecisionStatus {
            replicas: 2,
            rule: "Backlog".into(),
            message: "5 outstanding.".into(),
        }),
        conditions: vec![Condition {
            kind: "Ready".into(),
            status: ConditionStatus::True,
            observed_generation: Some(1),
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            reason: "Working".into(),
            message: "The spec works.".into(),
        }],
        ..Status::default()
    }
}

fn changed(change: impl FnOnce(&mut Status)) -> Option<Duration> {
    let mut new = status();
    change(&mut new);
    due_after(Some(&status()), &new)
}

#[test]
fn the_first_status_is_written_at_once() {
    assert_eq!(due_after(None, &status()), Some(Duration::ZERO));
}

#[test]
fn what_says_nothing_new_is_not_written() {
    assert_eq!(changed(|_| ()), None);
    let sampled = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(changed(|new| new.work.as_mut().unwrap().sampled_at = sampled), None);
}

#[test]
fn a_changed_decision_or_condition_is_written_soon() {
    assert_eq!(changed(|new| new.observed_generation = Some(2)), Some(URGENT));
    assert_eq!(changed(|new| new.replicas = Some(3)), Some(URGENT));
    assert_eq!(changed(|new| new.desired_replicas = Some(3)), Some(URGENT));
    assert_eq!(
        changed(|new| new.decision.as_mut().unwrap().rule = "Idle".into()),
        Some(URGENT)
    );
    assert_eq!(
        changed(|new| new.conditions[0].status = ConditionStatus::False),
        Some(URGENT)
    );
    assert_eq!(changed(|new| new.conditions[0].reason = "Other".into()), Some(URGENT));
    assert_eq!(changed(|new| new.conditions.clear()), Some(URGENT));
}

#[test]
fn a_changed_number_or_text_can_wait() {
    assert_eq!(changed(|new| new.work.as_mut().unwrap().ready = 6), Some(NUMBERS));
    assert_eq!(changed(|new| new.ready_replicas = Some(1)), Some(NUMBERS));
    assert_eq!(
        changed(|new| new.decision.as_mut().unwrap().message = "6.".into()),
        Some(NUMBERS)
    );
    assert_eq!(
        changed(|new| new.conditions[0].message = "Other.".into()),
        Some(NUMBERS)
    );
}
