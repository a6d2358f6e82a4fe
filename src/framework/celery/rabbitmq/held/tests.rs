//! The life of twenty tasks that come due in 90 s.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::framework::celery::tests::wall;

fn at(seconds: u64) -> Now {
    Now {
        wall: wall(i64::try_from(seconds).unwrap()),
        moment: Duration::from_secs(1_000 + seconds),
    }
}

fn held(tasks: u64, due: i64) -> Option<Delayed> {
    Some(Delayed { tasks, due: wall(due) })
}

/// A series of samples, what each says and what comes out.
struct Story {
    later: DelayedTasks,
    ready: u64,
}

impl Story {
    fn new() -> Self {
        Self {
            later: DelayedTasks::default(),
            ready: 0,
        }
    }

    fn remembering(held: Option<Delayed>) -> Self {
        Self {
            later: DelayedTasks {
                held,
                ..DelayedTasks::default()
            },
            ready: 0,
        }
    }

    /// Sample while workers are heard and fetch; `told`: the number of tasks that they say they hold, and when the
    /// first is due.
    fn working(&mut self, seconds: u64, ready: u64, told: Option<(u64, Option<i64>)>) -> HeldCounts {
        let told = told.map(|(tasks, due)| (tasks, due.map(wall)));
        self.next(seconds, ready, (true, true), told)
    }

    fn nobody(&mut self, seconds: u64, ready: u64) -> HeldCounts {
        self.next(seconds, ready, (false, false), None)
    }

    fn next(
        &mut self,
        seconds: u64,
        ready: u64,
        (heard, fetches): (bool, bool),
        told: Option<(u64, Option<jiff::Timestamp>)>,
    ) -> HeldCounts {
        let seen = HeldSample {
            ready,
            before: self.ready,
            heard,
            fetches,
            refused: false,
        };
        let answered = told.map_or(0, |(tasks, _)| tasks);
        let found = find(&seen, told, answered, self.later, at(seconds));
        (self.later, self.ready) = (found.later, ready);
        found
    }
}

/// (ready, scheduled)
fn counts(found: HeldCounts) -> (u64, u64) {
    (found.ready, found.scheduled)
}

const TWENTY: Option<(u64, Option<i64>)> = Some((20, Some(90)));

/// One that went to zero and got its messages back.
fn asleep() -> Story {
    let mut story = Story::new();
    story.working(0, 0, TWENTY);
    story.nobody(5, 0);
    story.nobody(6, 20);
    story
}

#[test]
fn to_zero_and_back() {
    let mut story = Story::new();
    assert_eq!(counts(story.nobody(0, 20)), (20, 0), "at first nobody knows");
    assert_eq!(counts(story.working(8, 20, None)), (20, 0));
    let fetched = story.working(9, 0, None);
    assert_eq!((counts(fetched), fetched.stay), ((0, 0), Some(KeepAlive::Unreported)));
    assert_eq!(fetched.later.fetched, Some(at(9).moment), "only later answers count");
    let told = story.working(11, 0, TWENTY);
    assert_eq!(
        (counts(told), told.stay, told.later.held),
        ((0, 20), None, held(20, 90))
    );
    // The worker stops: it gives them back when it exits.
    assert_eq!(counts(story.nobody(20, 0)), (0, 20), "on their way");
    assert_eq!(counts(story.nobody(21, 13)), (0, 20));
    assert_eq!(counts(story.nobody(22, 20)), (0, 20), "there");
    assert_eq!(story.later.held, held(20, 90));
    // A worker starts ahead of time.
    assert_eq!(counts(story.working(60, 20, None)), (0, 20));
    assert_eq!(
        counts(story.working(62, 20, Some((0, None)))),
        (0, 20),
        "it has not fetched them"
    );
    assert_eq!(counts(story.working(63, 0, None)), (0, 0));
    assert_eq!(counts(story.working(66, 0, TWENTY)), (0, 20));
    assert_eq!(story.working(92, 0, Some((0, None))).later.held, None, "they run");
}

#[test]
fn what_is_above_is_due_at_once() {
    let mut story = asleep();
    assert_eq!(counts(story.nobody(10, 21)), (1, 20));
    assert_eq!(counts(story.working(20, 21, None)), (1, 20));
    assert_eq!(counts(story.working(22, 0, TWENTY)), (0, 20));
    assert_eq!(counts(story.nobody(30, 20)), (0, 20));
}

#[test]
fn what_is_gone_is_not_waited_for() {
    let mut story = asleep();
    assert_eq!(
        counts(story.nobody(10, 5)),
        (0, 5),
        "purged, expired or taken by others"
    );
    assert_eq!(counts(story.nobody(11, 15)), (10, 5), "these are others");
    // Before they have come back fewer say nothing, for a minute.
    let mut story = Story::new();
    story.working(0, 0, TWENTY);
    assert_eq!(counts(story.nobody(5, 3)), (0, 20));
    assert_eq!(counts(story.nobody(64, 3)), (0, 20));
    assert_eq!(counts(story.nobody(65, 3)), (0, 3));
    assert_eq!(counts(story.nobody(70, 20)), (17, 3), "too late");
}

#[test]
fn when_the_time_has_come_nothing_is_assumed() {
    let mut story = asleep();
    assert_eq!(counts(story.nobody(89, 20)), (0, 20));
    assert_eq!(counts(story.nobody(90, 20)), (20, 0));
    assert_eq!(story.later.held, None);
}

#[test]
fn one_that_was_told_to_fetch_no_more_keeps_what_it_has() {
    let mut story = Story::new();
    story.working(0, 0, TWENTY);
    for seconds in [5, 80] {
        let drained = story.next(seconds, 0, (true, false), None);
        assert_eq!((counts(drained), drained.in_memory), ((0, 20), 20));
    }
    assert_eq!(
        counts(story.next(81, 2, (true, false), None)),
        (0, 20),
        "two of them, or two others: soon seen"
    );
    assert_eq!(counts(story.nobody(83, 22)), (2, 20));
}

#[test]
fn some_in_memory_and_some_in_the_queue() {
    let mut story = Story::remembering(held(20, 90));
    let some = story.working(0, 14, Some((6, Some(95))));
    assert_eq!((counts(some), some.later.held), ((0, 20), held(20, 90)));
    let more = story.working(1, 30, Some((6, Some(40))));
    assert_eq!((counts(more), more.later.held), ((16, 20), held(20, 40)));
    let fewer = story.working(2, 0, Some((6, Some(95))));
    assert_eq!(
        (counts(fewer), fewer.later.held),
        ((0, 6), held(6, 95)),
        "the others are gone"
    );
}

#[test]
fn without_a_due_time_one_worker_stays() {
    let mut story = Story::new();
    let undated = story.working(0, 0, Some((3, None)));
    assert_eq!((undated.stay, undated.later.held), (Some(KeepAlive::UnknownDue), None));
    assert_eq!(counts(undated), (0, 3));
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_invented(
        samples in prop::collection::vec((0_u64..30, any::<bool>(), any::<bool>(), prop::option::of((0_u64..30, 0_i64..200))), 1..30),
    ) {
        let mut story = Story::new();
        let mut told_most = 0;
        for (n, (ready, heard, fetches, told)) in samples.into_iter().enumerate() {
            let told = told.filter(|_| heard && fetches).map(|(tasks, due)| (tasks, Some(wall(due))));
            told_most = told_most.max(told.map_or(0, |(tasks, _)| tasks));
            let found = story.next(n as u64 * 7, ready, (heard, fetches), told);
            prop_assert!(found.ready <= ready);
            prop_assert!(found.ready + found.scheduled >= ready, "every message is one or the other");
            prop_assert!(found.ready + told_most >= ready, "no more than a worker ever said");
            prop_assert!(found.in_memory <= found.scheduled);
            if let Some(held) = found.later.held {
                prop_assert!(held.tasks > 0 && held.tasks <= found.scheduled.max(told_most));
            }
        }
    }
}
