#[cfg(feature = "sim")]
mod hours;

use super::*;
use crate::api::{Condition, ConditionStatus, DecisionStatus, Time, WorkStatus};

fn status() -> Status {
    Status {
        observed_generation: Some(1),
        replicas: Some(2),
        desired_replicas: Some(2),
        work: Some(WorkStatus {
            waiting: 5,
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

fn changed(change: impl FnOnce(&mut Status)) -> Option<Due> {
    let mut new = status();
    change(&mut new);
    due(Some(&status()), &new)
}

#[test]
fn the_first_status_is_written_at_once() {
    assert_eq!(due(None, &status()), Some(Due::First));
}

#[test]
fn what_says_nothing_new_is_not_written() {
    assert_eq!(changed(|_| ()), None);
    let sampled = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(changed(|new| new.work.as_mut().unwrap().sampled_at = sampled), None);
}

#[test]
fn a_changed_number_of_replicas_or_condition_is_written_soon() {
    assert_eq!(changed(|new| new.observed_generation = Some(2)), Some(Due::Urgent));
    assert_eq!(changed(|new| new.replicas = Some(3)), Some(Due::Urgent));
    assert_eq!(changed(|new| new.desired_replicas = Some(3)), Some(Due::Urgent));
    assert_eq!(
        changed(|new| new.conditions[0].status = ConditionStatus::False),
        Some(Due::Urgent)
    );
    assert_eq!(
        changed(|new| new.conditions[0].reason = "Other".into()),
        Some(Due::Urgent)
    );
    assert_eq!(changed(|new| new.conditions.clear()), Some(Due::Urgent));
}

#[test]
fn a_changed_number_text_or_rule_can_wait() {
    assert_eq!(
        changed(|new| new.decision.as_mut().unwrap().rule = "Window".into()),
        Some(Due::Numbers)
    );
    assert_eq!(
        changed(|new| new.work.as_mut().unwrap().waiting = 6),
        Some(Due::Numbers)
    );
    assert_eq!(changed(|new| new.ready_replicas = Some(1)), Some(Due::Numbers));
    assert_eq!(
        changed(|new| new.decision.as_mut().unwrap().message = "6.".into()),
        Some(Due::Numbers)
    );
    assert_eq!(
        changed(|new| new.conditions[0].message = "Other.".into()),
        Some(Due::Numbers)
    );
}

/// How often a pool is asked.
const TICK: Duration = Duration::from_millis(100);

/// Ages of the numbers and writes per second, with this number of busy pools, each asked ten times a second for a
/// while.
fn busy(pools: usize) -> (Duration, usize) {
    let mut turns = Turns::default();
    let mut written = vec![(Moment::ZERO, None); pools];
    let (mut oldest, mut seconds) = (Duration::ZERO, vec![0_usize; 201]);
    for tick in 0..2000_u32 {
        let now = TICK * tick;
        for (last, turn) in &mut written {
            if turns.wait(Due::Numbers, *last, turn, now).is_zero() {
                oldest = oldest.max(now.saturating_sub(*last));
                *last = now;
                seconds[usize::try_from(now.as_secs()).unwrap()] += 1;
            }
        }
    }
    (oldest, seconds.into_iter().max().unwrap())
}

#[test]
fn numbers_are_fresh_and_the_writes_of_all_pools_have_a_limit() {
    for (pools, limit) in [(1, 5), (100, 5), (1000, 50)] {
        let (oldest, most) = busy(pools);
        assert!(oldest <= Duration::from_secs(limit) + TICK, "{pools} pools: {oldest:?}");
        assert!(most <= 21, "{pools} pools: {most} in a second");
    }
}

#[test]
fn one_pool_leaves_others_their_turns() {
    let mut turns = Turns::default();
    let mut turn = None;
    let first = turns.wait(Due::Numbers, Moment::ZERO, &mut turn, Moment::ZERO);
    assert_eq!(first, NUMBERS);
    let other = turns.wait(Due::Numbers, Moment::ZERO, &mut None, NUMBERS);
    assert!(other < Duration::from_millis(100), "{other:?}");
}

#[test]
fn what_is_urgent_waits_for_nobody() {
    let mut turns = Turns::default();
    for _ in 0..200 {
        turns.wait(Due::Numbers, Moment::ZERO, &mut None, Moment::ZERO);
    }
    let mut turn = Some(NUMBERS);
    let urgent = turns.wait(Due::Urgent, Moment::ZERO, &mut turn, Moment::ZERO);
    assert_eq!((urgent, turn), (Duration::ZERO, None));
}
