use super::*;
use crate::framework::fixture::Bench;

fn bench() -> Bench {
    Bench::new(NAME, &["q"], "")
}

fn group(name: &str, pending: u64, lag: Option<u64>, last: &str) -> StreamGroup {
    StreamGroup {
        name: name.into(),
        consumers: 1,
        pending,
        lag,
        last_delivered: last.into(),
    }
}

fn stream(bench: &mut Bench, groups: Vec<StreamGroup>, ids: &[&str]) {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    bench.redis.streams.insert("q".into(), (groups, ids));
}

/// Ready and in flight.
fn numbers(tally: &Tally) -> (u64, u64) {
    (tally.work.ready, tally.work.in_flight)
}

#[test]
fn a_list_shows_what_waits_and_nothing_of_the_workers() {
    let mut bench = bench();
    bench.pods(&["p"], 1);
    assert_eq!(numbers(&bench.count()), (0, 0));
    bench.redis.push("q", &["{}", "{}", "{}"]);
    let tally = bench.count();
    assert_eq!((numbers(&tally), tally.queues[0].ready), ((3, 0), 3));
    assert!(tally.pods.is_empty() && !tally.workers_heard);
    assert_eq!(tally.drain, DrainSupport::None);
}

#[test]
fn a_stream_shows_what_was_not_delivered_and_what_was_not_acknowledged() {
    let mut bench = bench();
    let old = "1799999990000-0";
    stream(
        &mut bench,
        vec![group("taskiq", 0, Some(2), "0-0")],
        &[old, "1799999995000-0"],
    );
    let tally = bench.count();
    assert_eq!(numbers(&tally), (2, 0), "nobody has come yet");
    assert_eq!(tally.work.oldest.unwrap().age(bench.now).as_secs(), 10);
    stream(
        &mut bench,
        vec![group("taskiq", 1, Some(1), old)],
        &[old, "1799999995000-0"],
    );
    let tally = bench.count();
    assert_eq!(numbers(&tally), (1, 1));
    assert_eq!(tally.work.oldest.unwrap().age(bench.now).as_secs(), 5);
    stream(
        &mut bench,
        vec![group("taskiq", 2, Some(0), "1799999995000-0")],
        &[old, "1799999995000-0"],
    );
    assert_eq!((numbers(&bench.count()), bench.count().work.oldest), ((0, 2), None));
    stream(
        &mut bench,
        vec![group("taskiq", 0, Some(0), "1799999995000-0")],
        &[old, "1799999995000-0"],
    );
    assert_eq!(numbers(&bench.count()), (0, 0), "a stream does not shrink");
}

#[test]
fn where_redis_does_not_tell_the_lag_entries_are_counted_up_to_a_hundred() {
    let mut bench = bench();
    let ids: Vec<String> = (10..40).map(|at| format!("17999999900{at}-0")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    stream(&mut bench, vec![group("taskiq", 3, None, "1799999990019-0")], &ids);
    assert_eq!(numbers(&bench.count()), (20, 3));
    let many: Vec<String> = (100..400).map(|at| format!("1799999990{at}-0")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    stream(&mut bench, vec![group("taskiq", 3, None, "0-0")], &many);
    assert_eq!(numbers(&bench.count()), (100, 3));
    stream(&mut bench, vec![group("taskiq", 3, Some(300), "0-0")], &many);
    assert_eq!(numbers(&bench.count()), (300, 3));
    stream(&mut bench, vec![group("taskiq", 3, None, "0-0")], &many);
    assert_eq!(
        numbers(&bench.count()),
        (300, 3),
        "nothing vanished because nobody tells any more"
    );
    stream(&mut bench, vec![group("taskiq", 0, None, "1799999990999-0")], &many);
    assert_eq!(numbers(&bench.count()), (0, 0));
}

#[test]
fn pods_are_idle_together_while_nothing_is_pending() {
    let mut bench = bench();
    bench.pods(&["a", "b"], 2);
    stream(&mut bench, vec![group("taskiq", 1, Some(0), "5-0")], &["5-0"]);
    let tally = bench.count();
    assert_eq!(tally.pods.len(), 2);
    assert!(
        tally
            .pods
            .values()
            .all(|pod| pod.live && !pod.fresh && pod.idle_since.is_none())
    );
    stream(&mut bench, vec![group("taskiq", 0, Some(0), "5-0")], &["5-0"]);
    let first = bench.now.moment;
    assert!(
        bench
            .count()
            .pods
            .values()
            .all(|pod| pod.fresh && pod.idle_since == Some(first))
    );
    bench.pass(3);
    assert!(bench.count().pods.values().all(|pod| pod.idle_since == Some(first)));
    stream(&mut bench, vec![group("taskiq", 0, Some(1), "5-0")], &["5-0", "6-0"]);
    assert!(
        bench.count().pods.values().all(|pod| !pod.fresh),
        "it is about to be delivered"
    );
    stream(&mut bench, vec![group("taskiq", 0, Some(0), "6-0")], &["5-0", "6-0"]);
    bench.pass(1);
    let later = bench.now.moment;
    assert!(bench.count().pods.values().all(|pod| pod.idle_since == Some(later)));
}

#[test]
fn a_stream_without_a_group_wakes_one_worker_which_makes_it() {
    let mut bench = bench();
    stream(&mut bench, vec![], &["1-0", "2-0"]);
    let tally = bench.count();
    assert_eq!(
        (numbers(&tally), tally.mismatch.as_ref().unwrap().0),
        ((1, 0), "NoConsumerGroup")
    );
}

#[test]
fn of_several_groups_the_usual_one_counts() {
    let mut bench = bench();
    stream(
        &mut bench,
        vec![group("audit", 0, Some(9), "0-0"), group("taskiq", 1, Some(0), "9-0")],
        &["9-0"],
    );
    let tally = bench.count();
    assert_eq!((numbers(&tally), tally.mismatch.clone()), ((0, 1), None));
    stream(&mut bench, vec![group("workers", 2, Some(0), "9-0")], &["9-0"]);
    assert_eq!(
        (numbers(&bench.count()), bench.count().mismatch.clone()),
        ((0, 2), None)
    );
    stream(
        &mut bench,
        vec![group("a", 2, Some(0), "9-0"), group("b", 0, Some(0), "9-0")],
        &["9-0"],
    );
    assert_eq!(bench.count().mismatch.as_ref().unwrap().0, "SeveralConsumerGroups");
    // One that a client made and nobody reads does not matter; what others hold keeps the pods.
    let unread = StreamGroup {
        consumers: 0,
        ..group("taskiq", 0, Some(7), "0-0")
    };
    bench.pods(&["p"], 1);
    stream(&mut bench, vec![unread, group("workers", 0, Some(0), "9-0")], &["9-0"]);
    let tally = bench.count();
    assert_eq!(
        (numbers(&tally), tally.mismatch.clone(), tally.pods["p"].fresh),
        ((0, 0), None, true)
    );
    stream(
        &mut bench,
        vec![group("taskiq", 0, Some(0), "9-0"), group("audit", 1, Some(0), "9-0")],
        &["9-0"],
    );
    let tally = bench.count();
    assert_eq!((numbers(&tally), tally.pods["p"].fresh), ((0, 0), false));
}

#[test]
fn a_key_may_become_another_type() {
    let mut bench = bench();
    bench.redis.push("q", &["{}"]);
    assert_eq!(numbers(&bench.count()), (1, 0));
    bench.redis.lists.clear();
    stream(&mut bench, vec![group("taskiq", 4, Some(0), "9-0")], &["9-0"]);
    assert_eq!(numbers(&bench.count()), (0, 4));
    bench.redis.streams.clear();
    assert_eq!(numbers(&bench.count()), (0, 0), "it was deleted");
    bench.redis.push("q", &["{}", "{}"]);
    assert_eq!(numbers(&bench.count()), (2, 0));
    bench.redis.lists.clear();
    stream(&mut bench, vec![group("taskiq", 1, Some(0), "9-0")], &["9-0"]);
    bench.count();
    bench.redis.streams.clear();
    bench.redis.push("q", &["{}"]);
    assert_eq!(numbers(&bench.count()), (1, 0), "a stream that became a list at once");
    let of_no_kind = |bench: &mut Bench| {
        stream(bench, vec![], &[]);
        bench.count_but(|_| false)
    };
    assert_eq!(of_no_kind(&mut bench), Err(SampleError::WrongType), "both say so");
}

#[test]
fn several_queues_add_up_and_what_is_refused_is_an_error() {
    let mut bench = Bench::new(NAME, &["q", "list"], "");
    stream(&mut bench, vec![group("taskiq", 1, Some(1), "8-0")], &["8-0", "9-0"]);
    bench.redis.push("list", &["{}", "{}"]);
    let tally = bench.count();
    assert_eq!(numbers(&tally), (3, 1));
    assert_eq!(tally.queues.iter().map(|queue| queue.ready).collect::<Vec<_>>(), [1, 2]);
    let refused = bench.count_but(|query| matches!(query, Query::StreamGroups { .. }));
    assert_eq!(refused.unwrap_err(), SampleError::Permission);
}

/// What a failed look costs: entries of this number at most come in one reply.
fn too_large(most_that_fit: u16) -> impl Fn(&Query) -> Option<SampleError> {
    move |query| match query {
        Query::StreamAfter { most, .. } if *most > most_that_fit => Some(SampleError::TooLarge),
        _ => None,
    }
}

#[test]
fn entries_that_are_too_large_are_counted_as_far_as_they_come() {
    let mut bench = bench();
    let ids = ["1-0", "2-0", "3-0", "4-0", "5-0"];
    stream(&mut bench, vec![group("taskiq", 0, None, "0-0")], &ids);
    let ready = |bench: &mut Bench, fit| numbers(&bench.count_failing(too_large(fit)).unwrap()).0;
    let seen: Vec<u64> = (0..12).map(|_| ready(&mut bench, 3)).collect();
    assert_eq!(
        seen,
        [1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3],
        "half as many each time, then one more"
    );
    let seen: Vec<u64> = (0..4).map(|_| ready(&mut bench, 100)).collect();
    assert_eq!(seen.last(), Some(&5), "{seen:?}");
}

#[test]
fn a_number_that_redis_tells_stands_whatever_is_too_large() {
    let mut bench = bench();
    let ids = ["1-0", "2-0", "3-0"];
    let mut ready = |lag, last: &str| {
        stream(&mut bench, vec![group("taskiq", 0, lag, last)], &ids);
        let tally = bench.count_failing(too_large(0)).unwrap();
        assert_eq!(tally.work.oldest, None);
        tally.work.ready
    };
    assert_eq!(ready(Some(300), "0-0"), 300);
    assert_eq!(ready(Some(3), "0-0"), 3, "it falls");
    assert_eq!(ready(Some(1), "2-0"), 1);
}

#[test]
fn a_single_entry_that_is_too_large_is_not_asked_for_each_time() {
    let mut bench = bench();
    stream(&mut bench, vec![group("taskiq", 0, Some(2), "0-0")], &["1-0", "2-0"]);
    let asked = std::cell::Cell::new(0);
    let mut count = |seconds| {
        bench.pass(seconds);
        let fails = |query: &Query| {
            asked.set(asked.get() + u32::from(matches!(query, Query::StreamAfter { .. })));
            too_large(0)(query)
        };
        assert_eq!(bench.count_failing(fails).unwrap().work.ready, 2);
        asked.get()
    };
    assert_eq!([count(0), count(1), count(58), count(1)], [1, 1, 1, 2]);
}

#[test]
fn a_failed_read_forgets_nothing() {
    let mut bench = bench();
    let many: Vec<String> = (100..400).map(|at| format!("1799999990{at}-0")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    stream(&mut bench, vec![group("taskiq", 0, Some(300), "0-0")], &many);
    assert_eq!(numbers(&bench.count()), (300, 0));
    stream(&mut bench, vec![group("taskiq", 0, None, "0-0")], &many);
    bench.count_but(|_| true).unwrap_err();
    assert_eq!(numbers(&bench.count()), (300, 0));
}

#[test]
fn what_came_and_was_done_between_two_counts_is_no_idleness() {
    let mut bench = bench();
    bench.pods(&["a"], 1);
    let mut idle_since = |last| {
        stream(&mut bench, vec![group("taskiq", 0, Some(0), last)], &[last]);
        bench.pass(1);
        let since = bench.count().pods["a"].idle_since.unwrap();
        (bench.now.moment - since).as_secs()
    };
    assert_eq!([idle_since("1-0"), idle_since("1-0"), idle_since("1-0")], [0, 1, 2]);
    assert_eq!([idle_since("2-0"), idle_since("2-0")], [0, 1]);
    // Also where the count itself failed.
    stream(&mut bench, vec![group("taskiq", 0, Some(1), "3-0")], &["3-0"]);
    bench
        .count_but(|query| matches!(query, Query::StreamAfter { .. }))
        .unwrap_err();
    stream(&mut bench, vec![group("taskiq", 0, Some(0), "3-0")], &["3-0"]);
    assert_eq!(bench.count().pods["a"].idle_since, Some(bench.now.moment));
}

#[test]
fn a_group_that_was_renamed_is_told_once_ready_workers_leave_it_alone() {
    let mut bench = bench();
    let mut told = |ready, seconds, lag, last, rival_lag| {
        bench.pods(&["p"], ready);
        bench.pass(seconds);
        let groups = vec![
            group("taskiq", 0, Some(lag), last),
            group("workers", 0, Some(rival_lag), "9-0"),
        ];
        stream(&mut bench, groups, &["7-0", "8-0", "9-0"]);
        let tally = bench.count();
        assert_eq!(tally.work.ready, lag, "it is counted all the same");
        tally.mismatch.as_ref().map(|(reason, _)| *reason)
    };
    assert_eq!(
        [told(0, 0, 3, "6-0", 0), told(0, 600, 3, "6-0", 0)],
        [None; 2],
        "nobody is there"
    );
    assert_eq!(
        [told(1, 1, 3, "6-0", 0), told(1, 119, 2, "7-0", 0)],
        [None; 2],
        "it is read"
    );
    assert_eq!(
        [told(1, 1, 2, "7-0", 0), told(1, 119, 2, "7-0", 1)],
        [None; 2],
        "so is nobody else's"
    );
    assert_eq!([told(1, 1, 2, "7-0", 0), told(1, 119, 2, "7-0", 0)], [None; 2]);
    assert_eq!(told(1, 1, 3, "7-0", 0), Some("SeveralConsumerGroups"));
    assert_eq!(told(1, 1, 0, "9-0", 0), None);
}
