//! What is kept of workers, and what is forgotten.

use super::*;

const ELSEWHERE: &str = "web-6d5f7c9b8-abcde";

/// Number of workers that a sample looks at.
fn looked_at(bench: &mut Bench) -> u32 {
    let count = std::cell::Cell::new(0);
    let counting = |query: &Query| {
        count.set(count.get() + u32::from(matches!(query, Query::HashFields { .. })));
        false
    };
    bench.count_but(counting).unwrap();
    count.get()
}

#[test]
fn a_worker_whose_fields_have_no_end_is_one_that_cannot_be_read() {
    let long = "x".repeat(20_000);
    let many = "q,".repeat(300);
    for (host, queues) in [(&*long, "q"), (POD, &*long), (POD, &*many)] {
        let mut bench = bench();
        worker(&mut bench, "good", OTHER, "idle", "0");
        worker(&mut bench, "bad", host, "idle", "0");
        bench.redis.hash("rq:worker:bad", &[("queues", queues)]);
        let tally = bench.count();
        assert_eq!(tally.pods.keys().collect::<Vec<_>>(), [OTHER]);
        assert!(!tally.pods[OTHER].fresh, "it may be in any pod");
        assert_eq!(tally.degraded, Some(SampleError::TooLarge));
        assert!(bench.held().0 < 2_000);
    }
}

#[test]
fn invented_workers_take_no_more_than_is_allowed_and_are_not_known_to_be_idle() {
    let mut bench = bench();
    worker(&mut bench, "honest", POD, "idle", "0");
    let queues = |number: usize| {
        let names = (0..60).map(|name| format!("{number}-{name}-{}", "x".repeat(50)));
        names.collect::<Vec<_>>().join(",")
    };
    for number in 0..900 {
        let name = format!("w{number}");
        worker(&mut bench, &name, &format!("mail-6d5f7c9b8-{number:05}"), "idle", "0");
        let key = format!("rq:worker:{name}");
        bench.redis.hash(&key, &[("queues", &queues(number))]);
    }
    bench.allow(200_000);
    for _ in 0..3 {
        let tally = bench.count();
        let (held, full) = bench.held();
        assert!(full && (100_000..=200_000).contains(&held), "{held}");
        assert!(tally.pods.len() < 200 && tally.pods.values().all(|pod| !pod.fresh));
    }
    bench.redis.sets.clear();
    // The last tally has the names of the queues for one sample more.
    (0..2).for_each(|_| drop(bench.count()));
    assert_eq!(bench.held(), (0, false), "the room comes back");
}

#[test]
fn of_ten_thousand_workers_elsewhere_only_marks_are_kept() {
    let mut bench = bench();
    worker(&mut bench, "own", POD, "idle", "0");
    for number in 0..9_999 {
        worker(&mut bench, &number.to_string(), ELSEWHERE, "idle", "0");
    }
    let fresh = |tally: &Tally| tally.pods.get(POD).is_some_and(|pod| pod.fresh);
    let mut samples = 0;
    while !fresh(&bench.count()) {
        samples += 1;
        assert!(samples < 11, "not all of them are read at once");
    }
    assert!(samples > 5);
    assert!(bench.held().0 < 450_000, "{:?}", bench.held());
    assert_eq!(looked_at(&mut bench), 1);
    // While a pod is not heard one of them may have come into it, but they are many.
    bench.pods(&[POD, OTHER], 2);
    assert_eq!(looked_at(&mut bench), 51);
}

#[test]
fn a_name_that_begins_anew_in_a_pod_is_found() {
    let mut bench = bench();
    worker(&mut bench, "fixed", "vm-7", "idle", "0");
    for number in 0..200 {
        worker(&mut bench, &number.to_string(), ELSEWHERE, "idle", "0");
    }
    bench.pods(&[POD], 1);
    assert_eq!(*bench.count().strangers, ["vm-7".to_owned()]);
    worker(&mut bench, "fixed", POD, "busy", "0");
    let samples = (0..5).take_while(|_| !bench.count().workers_heard).count();
    assert!(samples < 5);
    assert_eq!(looked_at(&mut bench), 1, "all pods are heard");
    // In a pod that is heard as well, one whose hash was gone.
    worker(&mut bench, "second", ELSEWHERE, "idle", "0");
    bench.redis.hashes.remove("rq:worker:second");
    bench.count();
    worker(&mut bench, "second", POD, "busy", "0");
    assert_eq!(bench.count().pods[POD].running, 2);
}

#[test]
fn members_of_dead_workers_keep_nobody_from_being_known() {
    let mut bench = bench();
    worker(&mut bench, "own", POD, "idle", "0");
    for number in 0..3_000 {
        let dead = format!("rq:worker:{number}");
        bench.redis.sets.get_mut("rq:workers").unwrap().insert(dead);
    }
    (0..4).for_each(|_| drop(bench.count()));
    assert!(bench.count().pods[POD].fresh);
    assert_eq!(looked_at(&mut bench), 1_001, "those that are read again are bounded");
    worker(&mut bench, "2999", OTHER, "idle", "0");
    assert!((0..3).any(|_| bench.count().pods.len() == 2));
}

#[test]
fn an_idle_worker_that_was_killed_is_no_slot_beside_the_one_in_its_place() {
    let mut bench = bench();
    let told = |bench: &mut Bench, name: &str, birth: &str, heartbeat: &str| {
        let at = |time: &str| format!("2027-01-15T{time}.000000Z");
        let fields = [("birth", &*at(birth)), ("last_heartbeat", &*at(heartbeat))];
        bench.redis.hash(&format!("rq:worker:{name}"), &fields);
    };
    worker(&mut bench, "a", POD, "idle", "0");
    told(&mut bench, "a", "07:00:00", "07:58:00");
    assert_eq!(bench.count().slots, Some(1));
    // The container began anew; the hash of the first one stays for minutes.
    worker(&mut bench, "b", POD, "idle", "0");
    told(&mut bench, "b", "07:59:00", "07:59:00");
    assert_eq!(bench.count().slots, Some(1));
    worker(&mut bench, "c", POD, "idle", "0");
    told(&mut bench, "c", "07:59:05", "07:59:05");
    assert_eq!(bench.count().slots, Some(2), "two begin together");
    told(&mut bench, "a", "07:00:00", "07:59:30");
    assert_eq!(bench.count().slots, Some(3), "it lives");
}

#[test]
fn a_read_that_fails_forgets_nobody() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "idle", "0");
    worker(&mut bench, "b", OTHER, "busy", "0");
    let before = bench.count();
    let since = before.pods[POD].idle_since;
    bench.pass(1);
    let named = |query: &Query| matches!(query, Query::SetMembers { .. });
    let tally = bench.count_but(named).unwrap();
    assert!(tally.pods.len() == 2 && tally.pods.values().all(|pod| pod.live && !pod.fresh));
    assert_eq!(tally.slots, Some(1));
    bench.pass(1);
    assert_eq!(bench.count().pods[POD].idle_since, since);
}

#[test]
fn a_worker_that_vanished_is_told_once_though_the_clocks_differ() {
    let mut bench = bench();
    worker(&mut bench, "a", POD, "busy", "0");
    bench
        .redis
        .hash("rq:worker:a", &[("last_heartbeat", "2027-01-15T07:59:00.000000Z")]);
    bench.count();
    bench.redis.hashes.clear();
    let first = bench.count();
    assert!(first.pods[POD].silent.is_some());
    for nanoseconds in [3, 200] {
        bench.pass(1);
        bench.drift(Duration::from_nanos(nanoseconds));
        assert!(Arc::ptr_eq(&first, &bench.count()));
    }
}
