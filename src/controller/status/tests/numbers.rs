//! The numbers and texts of a status.
use super::*;
use crate::{
    controller::state,
    model::{Delayed, DelayedTasks},
};

#[test]
fn a_pool_with_a_problem_shows_no_old_numbers() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let problem = Problem::invalid("no");
    let status = status(
        &Facts {
            problem: Some(&problem),
            ..working(&tally, &backlog)
        },
        None,
    );
    assert_eq!((status.work, status.decision), (None, None));
    assert_eq!((status.replicas, status.ready_replicas), (Some(4), Some(3)));
    assert_eq!(status.desired_replicas, Some(4), "what is there is left alone");
    assert_eq!(status.message.as_deref(), Some("no"));
}

#[test]
fn the_numbers_are_those_of_the_count_and_the_decision() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let status = status(&working(&tally, &backlog), None);
    let work = status.work.unwrap();
    assert_eq!(
        (work.waiting, work.in_flight, work.scheduled, work.oldest_wait_seconds),
        (12, 3, 1, Some(4))
    );
    assert_eq!(work.running, 2, "of those in flight");
    assert_eq!(
        status.message.as_deref(),
        Some("15 outstanding at 4 each need 4."),
        "why it is so"
    );
    assert_eq!(work.sampled_at.unwrap().0, at(99));
    assert_eq!(
        (status.desired_replicas, status.decision.unwrap().rule),
        (Some(4), "Backlog".into())
    );
}

#[test]
fn what_is_not_due_is_remembered_until_the_broker_has_been_read_again() {
    let held = Delayed {
        tasks: 20,
        due: at(500),
    };
    let tally = Tally {
        later: DelayedTasks {
            held: Some(held),
            ..DelayedTasks::default()
        },
        ..tally()
    };
    let backlog = decision(Rule::Backlog);
    let facts = working(&tally, &backlog);
    let first = status(&facts, None);
    assert_eq!(state::held(Some(&first)), Some(held), "another process reads it");
    let unread = Facts {
        source: SourceState::NotYet,
        ..facts
    };
    assert_eq!(status(&unread, Some(&first)).held, first.held);
    let none = super::tally();
    assert_eq!(status(&working(&none, &backlog), Some(&first)).held, None);
    assert_eq!(state::held(Some(&Status::default())), None);
}

#[test]
fn numbers_beyond_the_schema_end_at_its_bounds() {
    let tally = Tally {
        work: Work {
            ready: u64::MAX,
            ..Work::default()
        },
        ..Tally::default()
    };
    let backlog = decision(Rule::Backlog);
    let facts = Facts {
        target: Some((u32::MAX, 0)),
        ..working(&tally, &backlog)
    };
    let status = status(&facts, None);
    assert_eq!(status.work.unwrap().waiting, 9_007_199_254_740_991);
    assert_eq!(status.replicas, Some(i32::MAX));
}

#[test]
fn the_sentence_says_what_was_left_undone() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let kept = Facts {
        kept: Some(2),
        mode: Mode::Observe,
        ..working(&tally, &backlog)
    };
    let said = sentence(&kept, &backlog);
    assert!(said.starts_with("15 outstanding at 4 each need 4. 2 more"), "{said}");
    assert!(said.ends_with("(Observe: nothing is written.)"), "{said}");
}

#[test]
fn the_last_change_is_kept_over_a_restart() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let scale = LastScale {
        from: 1,
        to: 4,
        at: Time(at(50)),
        message: "why".into(),
    };
    let before = status(
        &Facts {
            last_scale: Some(&scale),
            ..working(&tally, &backlog)
        },
        None,
    );
    let after = status(&working(&tally, &backlog), Some(&before));
    assert_eq!(after.last_scale, Some(scale));
}

#[test]
fn long_texts_are_cut_between_characters_and_turn_nothing_around() {
    let long = format!("\u{202e}{}", "ä".repeat(2000));
    let (tally, backlog) = (
        tally(),
        Decision {
            sentence: format!("x{long}"),
            ..decision(Rule::Backlog)
        },
    );
    let scale = LastScale {
        from: 1,
        to: 4,
        at: Time(at(50)),
        message: format!("x{long}"),
    };
    let problem = Problem::invalid(long.clone());
    let broken = status(
        &Facts {
            problem: Some(&problem),
            ..working(&tally, &backlog)
        },
        None,
    );
    let works = status(
        &Facts {
            last_scale: Some(&scale),
            ..working(&tally, &backlog)
        },
        None,
    );
    for text in [
        message(&broken, "Ready"),
        works.decision.unwrap().message,
        works.last_scale.unwrap().message,
    ] {
        assert!((MESSAGE - 1..=MESSAGE).contains(&text.len()), "{} bytes", text.len());
        assert!(!text.contains('\u{202e}'), "{text}");
    }
}
