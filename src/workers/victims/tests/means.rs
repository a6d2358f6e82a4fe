//! Where less can be known or done than usual, or more is allowed.

use super::*;

#[test]
fn what_can_be_done_follows_from_what_is_heard_and_what_is_refused() {
    let heard = |control_refused| Tally {
        pods: work([("a", beats(0))]),
        control_refused,
        ..Tally::default()
    };
    for (tally, refused, means) in [
        (Tally::default(), true, Means::Nothing),
        (heard(true), false, Means::Heartbeats),
        (heard(false), true, Means::Heartbeats),
        (heard(false), false, Means::RemoteControl),
    ] {
        assert_eq!(Means::of(&tally, refused), means);
    }
}

#[test]
fn without_remote_control_only_those_go_whose_beats_say_that_they_are_idle() {
    let pods = [pod("a"), pod("b"), pod("c")];
    let mut old = beats(0);
    old.fresh = false;
    let seen = work([("a", beats(1)), ("b", beats(0)), ("c", old)]);
    let first = plan(&look(&pods, &seen, Means::Heartbeats, 0));
    assert_eq!(marks(&first), [("b", true, Some(FIRST))]);
    assert!(first.stances.values().all(|stance| *stance == Stance::Watch));
    let pods = [pod("a"), marked("b"), pod("c")];
    assert_eq!(plan(&look(&pods, &seen, Means::Heartbeats, 0)).allowed, 2);
}

#[test]
fn a_worker_that_takes_no_questions_goes_when_its_beats_say_that_it_is_idle() {
    let deaf = |running| PodWork {
        deaf: true,
        ..beats(running)
    };
    assert_eq!(
        marks(&planned(&[pod("a")], &work([("a", deaf(0))]), 0)),
        [("a", true, Some(FIRST))]
    );
    assert_eq!(marks(&planned(&[pod("a")], &work([("a", deaf(1))]), 0)), []);
}

#[test]
fn where_nobody_is_heard_all_may_go() {
    let nobody = plan(&look(&[pod("a"), pod("b")], &work([]), Means::Nothing, 0));
    assert_eq!(marks(&nobody), [("a", true, Some(FIRST)), ("b", true, Some(FIRST))]);
}

#[test]
fn a_busy_pod_may_go_if_its_grace_period_covers_the_longest_task() {
    let grace = |name, seconds| Pod {
        grace: Duration::from_secs(seconds),
        ..pod(name)
    };
    let pods = [grace("a", 30), grace("b", 29)];
    let seen = work([("a", beats(1)), ("b", beats(1))]);
    let plan = plan(&Look {
        graceful: Some(Duration::from_secs(30)),
        ..look(&pods, &seen, Means::Heartbeats, 0)
    });
    assert_eq!(marks(&plan), [("a", true, Some(FIRST))]);
}
