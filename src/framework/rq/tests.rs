mod workers;

use std::sync::Arc;

use super::*;
use crate::{framework::fixture::Bench, model::Hearing};

const POD: &str = "mail-6d5f7c9b8-abcde";
const OTHER: &str = "mail-6d5f7c9b8-fghij";

/// A worker's entries, as RQ writes them.
fn worker(bench: &mut Bench, name: &str, host: &str, state: &str, done: &str) {
    let key = format!("rq:worker:{name}");
    bench
        .redis
        .sets
        .entry("rq:workers".into())
        .or_default()
        .insert(key.clone());
    bench.redis.hash(
        &key,
        &[
            ("state", state),
            ("hostname", host),
            ("queues", "q"),
            ("successful_job_count", done),
        ],
    );
}

fn bench() -> Bench {
    Bench::new(NAME, &["q"], "")
}

/// Ready, in flight, running, scheduled, due soon, unheld.
fn numbers(tally: &Tally) -> [u64; 6] {
    let work = &tally.work;
    [
        work.ready,
        work.in_flight,
        work.running,
        work.scheduled,
        work.due_soon,
        work.unheld.unwrap_or(99),
    ]
}

#[test]
fn work_is_counted_wherever_it_lies() {
    let mut bench = bench();
    let now = bench.now.wall.as_second();
    assert_eq!(numbers(&bench.count()), [0; 6], "nothing");
    bench.redis.push("rq:queue:q", &["old", "new"]);
    bench
        .redis
        .hash("rq:job:old", &[("enqueued_at", "2027-01-15T07:59:30.500000Z")]);
    let tally = bench.count();
    assert_eq!(numbers(&tally), [2, 0, 0, 0, 0, 0], "they wait");
    let since = tally.work.oldest.unwrap();
    assert_eq!(since.age(bench.now), Duration::from_millis(29_500));
    bench.redis.score("rq:wip:q", &[("a:1", now + 90), ("b:1", now + 60)]);
    assert_eq!(numbers(&bench.count()), [2, 2, 0, 0, 0, 0], "two run, somewhere");
    worker(&mut bench, "w", POD, "busy", "0");
    assert_eq!(numbers(&bench.count()), [2, 2, 1, 0, 0, 0], "one of them here");
    bench.redis.score("rq:wip:q", &[("dead:1", now - 1)]);
    assert_eq!(numbers(&bench.count()), [2, 3, 1, 0, 0, 1], "its worker was killed");
    bench
        .redis
        .score("rq:scheduled:q", &[("s", now + 20), ("t", now + 3_600)]);
    bench.redis.score("rq:deferred:q", &[("d", now - 500)]);
    let tally = bench.count();
    assert_eq!(numbers(&tally), [2, 3, 1, 3, 1, 1], "later");
    assert_eq!(tally.work.next_due.unwrap().as_second(), now + 20);
    assert_eq!(tally.queues[0].ready, 2);
}

#[test]
fn a_job_that_sticks_between_two_lists_is_counted_and_one_that_passes_is_not() {
    let mut bench = bench();
    bench.redis.push("rq:queue:q:intermediate", &["x"]);
    assert_eq!(numbers(&bench.count())[1], 0, "it has just come");
    bench.pass(4);
    bench
        .redis
        .lists
        .insert("rq:queue:q:intermediate".into(), vec!["y".into()]);
    assert_eq!(numbers(&bench.count())[1], 0, "another one");
    bench.pass(5);
    let tally = bench.count();
    assert_eq!((tally.work.in_flight, tally.work.unheld), (1, Some(1)));
    bench.redis.lists.clear();
    assert_eq!(numbers(&bench.count())[1], 0);
}

#[test]
fn a_pod_runs_what_its_workers_say() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "3");
    worker(&mut bench, "b", POD, "busy", "1");
    worker(&mut bench, "c", OTHER, "suspended", "0");
    let tally = bench.count();
    assert_eq!(tally.drain, DrainSupport::ReportsOnly);
    let of = |pod: &str| tally.pods[pod].clone();
    assert_eq!((of(POD).running, of(POD).idle_since), (1, None));
    assert_eq!((of(OTHER).running, of(OTHER).idle_since), (0, Some(bench.now.moment)));
    assert!(of(POD).live && of(POD).fresh && of(POD).tells && of(POD).silent.is_none());
    assert_eq!(
        (tally.slots, tally.processed, tally.workers_heard),
        (Some(1), Some(4), true)
    );
    assert_eq!(tally.fetches[POD].iter().collect::<Vec<_>>(), ["q"]);
    // A job that began and ended between two samples begins the time anew.
    let first = bench.now.moment;
    bench.pass(1);
    assert_eq!(bench.count().pods[OTHER].idle_since, Some(first));
    worker(&mut bench, "c", OTHER, "idle", "1");
    assert_eq!(bench.count().pods[OTHER].idle_since, Some(bench.now.moment));
}

#[test]
fn who_has_ended_or_was_killed_is_not_there_and_a_state_that_nobody_knows_is_no_evidence() {
    let mut bench = bench();
    worker(&mut bench, "ended", POD, "idle", "0");
    bench
        .redis
        .hash("rq:worker:ended", &[("death", "2027-01-15T07:59:30.500000Z")]);
    let killed = "rq:worker:killed".to_owned();
    bench.redis.sets.get_mut("rq:workers").unwrap().insert(killed);
    let tally = bench.count();
    assert!(tally.pods.is_empty() && !tally.workers_heard && tally.processed.is_none());
    worker(&mut bench, "new", POD, "draining", "0");
    assert_eq!(bench.count().pods[POD].running, 1);
    worker(&mut bench, "new", POD, "started", "0");
    assert_eq!(bench.count().pods[POD].running, 0);
}

#[test]
fn a_pod_of_another_name_is_known_once_the_pods_are_listed() {
    let mut bench = bench();
    worker(&mut bench, "a", "box-7", "idle", "0");
    bench.pods(&[], 1);
    let tally = bench.count();
    assert_eq!((tally.pods.len(), &*tally.strangers), (0, &["box-7".to_owned()][..]));
    bench.pods(&["box-7"], 1);
    let tally = bench.count();
    assert_eq!((tally.pods.len(), tally.strangers.len()), (1, 0));
}

#[test]
fn due_jobs_wait_and_those_that_no_worker_moves_keep_one_worker_and_are_told() {
    let mut bench = bench();
    let now = bench.now.wall.as_second();
    bench
        .redis
        .score("rq:scheduled:q", &[("a", now - 5), ("b", now - 5), ("c", now - 5)]);
    let tally = bench.count();
    assert_eq!(
        (numbers(&tally), tally.mismatch.clone()),
        ([3, 0, 0, 0, 0, 0], None),
        "a worker is to come"
    );
    assert_eq!(tally.work.next_due, None);
    worker(&mut bench, "w", POD, "idle", "0");
    assert_eq!(bench.count().work.ready, 3);
    bench.pass(60);
    let tally = bench.count();
    assert_eq!(numbers(&tally), [1, 0, 0, 2, 0, 0], "none of them has vanished");
    assert_eq!(tally.mismatch.as_ref().unwrap().0, "NoScheduler");
    bench.redis.texts.insert("rq:scheduler-lock:q".into());
    let tally = bench.count();
    assert_eq!((tally.work.ready, tally.mismatch.clone()), (3, None));
}

#[test]
fn while_rq_is_suspended_nothing_is_ready() {
    let mut bench = bench();
    bench.redis.push("rq:queue:q", &["a", "b"]);
    bench.redis.texts.insert("rq:suspended".into());
    let tally = bench.count();
    assert_eq!(tally.mismatch.as_ref().unwrap().0, "Suspended");
    assert_eq!((numbers(&tally), tally.queues[0].ready), ([0, 0, 0, 2, 0, 0], 2));
    // Neither what comes due nor what a killed worker left orders one: it would end at once.
    let now = bench.now.wall.as_second();
    bench.redis.score("rq:scheduled:q", &[("s", now + 10)]);
    bench
        .redis
        .score("rq:wip:q", &[("dead:1", now - 1), ("runs:1", now + 60)]);
    let tally = bench.count();
    assert_eq!(
        (numbers(&tally), tally.work.next_due),
        ([0, 1, 0, 4, 0, 0], None),
        "one job runs on"
    );
    bench.redis.texts.clear();
    let tally = bench.count();
    assert_eq!(numbers(&tally), [2, 2, 0, 1, 1, 1]);
    assert!(tally.work.next_due.is_some());
}

#[test]
fn a_worker_of_another_queue_keeps_its_pod_busy() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "0");
    worker(&mut bench, "b", POD, "busy", "0");
    bench.redis.hash("rq:worker:b", &[("queues", "reports")]);
    let tally = bench.count();
    assert_eq!((tally.pods[POD].running, tally.pods[POD].idle_since), (1, None));
    assert_eq!(tally.fetches[POD].iter().collect::<Vec<_>>(), ["q", "reports"]);
}

#[test]
fn a_busy_worker_whose_hash_expires_fell_silent_until_it_says_goodbye() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "0");
    worker(&mut bench, "b", POD, "busy", "0");
    bench
        .redis
        .hash("rq:worker:b", &[("last_heartbeat", "2027-01-15T07:59:00.000000Z")]);
    assert_eq!(bench.count().pods[POD].silent, None);
    let began = bench.now.moment;
    let hash = bench.redis.hashes.remove("rq:worker:b").unwrap();
    bench.pass(30);
    let silent = |tally: &Tally| tally.pods[POD].silent;
    let spoke = began - Duration::from_secs(60) - Duration::from_secs(5);
    assert_eq!(silent(&bench.count()), Some(spoke), "it may run its job still");
    bench.redis.sets.get_mut("rq:workers").unwrap().remove("rq:worker:b");
    bench.pass(3_000);
    assert_eq!(silent(&bench.count()), Some(spoke), "whoever gave it up");
    bench.redis.hashes.insert("rq:worker:b".into(), hash);
    bench
        .redis
        .hash("rq:worker:b", &[("death", "2027-01-15T08:00:00.000000Z")]);
    assert_eq!(silent(&bench.count()), None);
    // One that was idle has nothing to be asked for.
    bench.redis.hashes.remove("rq:worker:a");
    assert!(bench.count().pods.is_empty());
}

#[test]
fn while_a_worker_cannot_be_read_no_pod_is_known_to_be_idle() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "0");
    worker(&mut bench, "b", POD, "busy", "0");
    assert!(bench.count().pods[POD].fresh);
    worker(&mut bench, "c", OTHER, "idle", "0");
    let of_b = |query: &Query| matches!(query, Query::HashFields { key, .. } if key == "rq:worker:b");
    for _ in 0..2 {
        let tally = bench.count_but(of_b).unwrap();
        assert!(tally.pods.values().all(|pod| pod.live && !pod.fresh && !pod.tells));
        assert_eq!(tally.pods[POD].running, 1, "what it ran it may run still");
        assert!(matches!(tally.hearing, Hearing::Refused { .. }));
    }
    let named = |query: &Query| matches!(query, Query::SetMembers { .. });
    assert!(bench.count_but(named).unwrap().pods.values().all(|pod| !pod.fresh));
    assert!(bench.count().pods.values().all(|pod| pod.fresh));
}

#[test]
fn others_workers_are_read_once() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "0");
    worker(&mut bench, "other", "web-6d5f7c9b8-abcde", "idle", "0");
    let mut asked = || {
        let count = std::cell::Cell::new(0);
        let counting = |query: &Query| {
            count.set(count.get() + u32::from(matches!(query, Query::HashFields { .. })));
            false
        };
        bench.count_but(counting).unwrap();
        count.get()
    };
    assert_eq!([asked(), asked(), asked()], [2, 1, 1]);
}

#[test]
fn several_queues_and_another_prefix_are_read() {
    let mut bench = Bench::new(NAME, &["a", "b c"], "shop");
    bench.redis.push("shop:queue:a", &["1"]);
    bench.redis.push("shop:queue:b c", &["2", "3"]);
    bench.redis.push("rq:queue:a", &["not ours"]);
    let key = "shop:worker:w".to_owned();
    let workers = bench.redis.sets.entry("shop:workers".into()).or_default();
    workers.insert(key.clone());
    bench
        .redis
        .hash(&key, &[("state", "idle"), ("hostname", POD), ("queues", "a,b c")]);
    let tally = bench.count();
    assert_eq!(tally.queues.iter().map(|queue| queue.ready).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (tally.slots, tally.fetches[POD].len()),
        (Some(1), 2),
        "it is one worker"
    );
}

#[test]
fn workers_say_what_they_fetch_before_any_queue_is_counted() {
    let mut bench = Bench::new(NAME, &[], "");
    worker(&mut bench, "w", POD, "busy", "0");
    worker(&mut bench, "v", POD, "idle", "0");
    bench.redis.hash("rq:worker:v", &[("queues", "low prio,a.b")]);
    bench.redis.push("rq:queue:a.b", &["one"]);
    let now = bench.now.wall.as_second();
    bench.redis.score("rq:deferred:q", &[("d", now)]);
    let tally = bench.count();
    assert_eq!((numbers(&tally), tally.queues.len()), ([0, 0, 1, 0, 0, 0], 0));
    let told: Vec<_> = tally.fetches[POD].iter().map(String::as_str).collect();
    assert_eq!(told, ["a.b", "low prio", "q"]);
    bench.queues(&told);
    let tally = bench.count();
    assert_eq!(numbers(&tally), [1, 0, 1, 1, 0, 0]);
    let queues: Vec<_> = tally.queues.iter().map(|queue| (queue.ready, queue.not_due)).collect();
    assert_eq!(queues, [(1, 0), (0, 0), (0, 1)]);
}

#[test]
fn counts_must_be_read_and_workers_may_be_refused() {
    let mut bench = bench();
    worker(&mut bench, "w", POD, "idle", "0");
    let count = |bench: &mut Bench, refused: fn(&Query) -> bool| bench.count_but(refused);
    let result = count(&mut bench, |query| matches!(query, Query::ListLength { .. }));
    assert_eq!(result.unwrap_err(), SampleError::Permission);
    for refused in [
        (|query| matches!(query, Query::SetMembers { .. })) as fn(&Query) -> bool,
        |query| matches!(query, Query::HashFields { .. }),
    ] {
        let tally = count(&mut bench, refused).unwrap();
        assert_eq!((tally.degraded, tally.pods.len()), (Some(SampleError::Permission), 0));
    }
}

#[test]
fn equal_counts_are_the_same_allocation() {
    let mut bench = bench();
    worker(&mut bench, "w", POD, "busy", "0");
    let first = bench.count();
    bench.pass(1);
    assert!(Arc::ptr_eq(&first, &bench.count()));
}
