use super::*;

const NODE: &str = "celery@mail-6d5f7c9b8-aaaa0";

/// Workers beat every 2 s.
const EVERY: Duration = Duration::from_secs(2);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn queues(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A worker that beat at 100 s, after 7 tasks.
fn one() -> Workers {
    let mut workers = Workers::default();
    workers.heard(NODE, 0, 7, EVERY, at(100));
    workers
}

fn worker(workers: &Workers) -> &Worker {
    workers.live(at(110)).next().unwrap().1
}

fn tasks(tasks: u32) -> Inspection {
    Inspection {
        tasks,
        ..Inspection::default()
    }
}

#[test]
fn a_worker_has_stopped_since_the_first_of_an_unbroken_row_of_answers() {
    let mut workers = one();
    let stopped = |workers: &Workers| worker(workers).stopped_since;
    let mut tell = |names: &[&str], asked| {
        workers.told_queues(NODE, &queues(names), at(asked), at(asked));
        workers.clone()
    };
    assert_eq!(stopped(&tell(&["mail"], 100)), None);
    assert_eq!(stopped(&tell(&[], 102)), Some(at(102)));
    assert_eq!(stopped(&tell(&[], 104)), Some(at(102)));
    assert_eq!(stopped(&tell(&["mail"], 106)), None, "it fetches again");
    assert_eq!(stopped(&tell(&[], 105)), None, "an older answer comes late");
    assert_eq!(stopped(&tell(&[], 108)), Some(at(108)), "from here, not from before");
}

#[test]
fn an_older_answer_does_not_replace_a_newer_one() {
    let mut workers = one();
    workers.inspected(NODE, Inspect::Reserved, tasks(0), at(104), at(104));
    workers.inspected(NODE, Inspect::Reserved, tasks(3), at(102), at(102));
    workers.told_queues(NODE, &queues(&["mail"]), at(104), at(104));
    workers.told_queues(NODE, &queues(&[]), at(102), at(102));
    let worker = worker(&workers);
    assert_eq!(worker.inspections.get(&Inspect::Reserved), Some(&(at(104), tasks(0))));
    assert_eq!(worker.queues, Some((at(104), queues(&["mail"]).into())));
}

#[test]
fn what_was_answered_is_void_once_a_worker_begins_anew() {
    let restarted = |workers: &mut Workers| workers.heard(NODE, 0, 2, EVERY, at(105));
    let connected_again = |workers: &mut Workers| {
        workers.heard(NODE, 0, 7, EVERY, at(105));
        let node = NODE.to_owned();
        workers.take(&WorkerSignal::Online { node }, at(105));
    };
    for begins in [restarted as fn(&mut Workers), connected_again] {
        let mut workers = one();
        workers.told_queues(NODE, &queues(&[]), at(102), at(102));
        workers.inspected(NODE, Inspect::Active, tasks(0), at(102), at(102));
        begins(&mut workers);
        let after = worker(&workers);
        assert_eq!((&after.queues, after.stopped_since), (&None, None));
        assert!(after.inspections.is_empty());
        // The answers to what was asked before arrive still.
        workers.told_queues(NODE, &queues(&[]), at(104), at(104));
        workers.inspected(NODE, Inspect::Active, tasks(0), at(104), at(104));
        assert_eq!(worker(&workers).stopped_since, None);
        assert!(worker(&workers).inspections.is_empty());
        workers.told_queues(NODE, &queues(&[]), at(106), at(106));
        assert_eq!(worker(&workers).stopped_since, Some(at(106)));
    }
}

#[test]
fn a_worker_is_idle_since_its_first_beat_without_a_task() {
    let mut workers = one();
    let idle = |workers: &Workers| worker(workers).idle_since;
    let mut beats = |active, processed, seconds| {
        workers.heard(NODE, active, processed, EVERY, at(seconds));
        workers.clone()
    };
    assert_eq!(idle(&beats(0, 7, 102)), Some(at(100)));
    assert_eq!(
        idle(&beats(0, 8, 104)),
        Some(at(104)),
        "a task came and went between two beats"
    );
    assert_eq!(idle(&beats(1, 9, 106)), None);
    assert_eq!(idle(&beats(0, 9, 108)), Some(at(108)));
    assert_eq!(
        idle(&beats(0, 0, 109)),
        Some(at(109)),
        "a new process that has run nothing"
    );
}

#[test]
fn nobody_was_asked_later_than_now_and_those_that_do_not_beat_are_known_by_their_answers() {
    let mut workers = one();
    let node = NODE.to_owned();
    let (queues, asked) = (queues(&[]), at(9_999));
    workers.take(&WorkerSignal::Queues { node, queues, asked }, at(103));
    assert_eq!(worker(&workers).stopped_since, Some(at(103)));
    workers.came("celery@stranger", at(103));
    workers.left("celery@stranger", at(103));
    assert_eq!(workers.live(at(103)).count(), 1, "a greeting alone is nothing");
    workers.inspected("celery@silent", Inspect::Active, tasks(1), at(103), at(104));
    let silent = |workers: &Workers, now| {
        workers
            .live(at(now))
            .any(|(node, worker)| node == "celery@silent" && worker.active == 1)
    };
    assert!(silent(&workers, 118) && !silent(&workers, 119));
    let before = |workers: &Workers| {
        workers
            .all()
            .find(|(node, _)| *node == "celery@silent")
            .unwrap()
            .1
            .clone()
    };
    assert!(!before(&workers).beats(at(104)) && before(&workers).is_fresh(at(104)));
    workers.take(
        &WorkerSignal::Pong {
            node: "celery@there".into(),
            asked: at(105),
        },
        at(106),
    );
    assert!(
        workers
            .live(at(106))
            .any(|(node, worker)| node == "celery@there" && !worker.is_fresh(at(106)))
    );
}

#[test]
fn what_a_silent_worker_has_taken_on_is_told_by_its_counters() {
    let mut workers = Workers::default();
    let told = |processed| Stats {
        processed: Some(processed),
        ..Stats::default()
    };
    let taken = |workers: &Workers| workers.all().next().unwrap().1.taken;
    workers.told_stats(NODE, &told(40), at(100), at(100));
    assert_eq!(taken(&workers), 0, "before it was known");
    workers.told_stats(NODE, &told(43), at(105), at(105));
    assert_eq!(taken(&workers), 3);
    workers.inspected(NODE, Inspect::Active, tasks(0), at(106), at(106));
    assert_eq!(taken(&workers), 3);
    workers.told_stats(NODE, &told(1), at(107), at(107));
    assert_eq!(taken(&workers), 4, "a new process");
}

#[test]
fn nobody_answers_one_question_twice() {
    let mut workers = one();
    for asked in [101, 102] {
        workers.inspected(NODE, Inspect::Active, tasks(0), at(asked), at(103));
    }
    assert!(!worker(&workers).is_doubled(at(103)));
    workers.inspected(NODE, Inspect::Active, tasks(1), at(102), at(103));
    assert!(worker(&workers).is_doubled(at(103)), "another worker of that name");
    assert_eq!(worker(&workers).inspections.get(&Inspect::Active).unwrap().1.tasks, 1);
}

#[test]
fn a_slow_heartbeat_is_no_silence() {
    let mut workers = Workers::default();
    let minute = Duration::from_secs(60);
    workers.heard(NODE, 1, 7, minute, at(100));
    let state = |workers: &Workers, now| {
        let worker = workers.all().next().unwrap().1;
        (worker.is_live(at(now)), worker.is_fresh(at(now)))
    };
    assert_eq!(state(&workers, 220), (true, true));
    assert_eq!(state(&workers, 280), (true, false));
    assert_eq!(state(&workers, 281), (false, false));
    // What it runs is told by its answers meanwhile.
    assert!(!workers.all().next().unwrap().1.tells(at(110)) && worker(&one()).tells(at(101)));
    workers.inspected(NODE, Inspect::Active, tasks(3), at(130), at(130));
    assert_eq!(workers.all().next().unwrap().1.active, 3);
    workers.heard(NODE, 1, 7, Duration::from_secs(9_999_999), at(300));
    assert_eq!(state(&workers, 1201), (false, false), "nobody beats so seldom");
}

fn silent(workers: &Workers, host_prefix: &str, now: Moment) -> usize {
    workers
        .on(host_prefix)
        .filter(|(_, worker)| !worker.is_live(now))
        .count()
}

#[test]
fn one_that_falls_silent_is_remembered_for_a_day_and_begins_anew_when_it_is_back() {
    let mut workers = one();
    workers.heard(NODE, 0, 9, EVERY, at(101));
    workers.told_queues(NODE, &queues(&[]), at(101), at(101));
    let both = |workers: &Workers, now| (workers.live(now).count(), silent(workers, "mail-", now));
    assert_eq!(both(&workers, at(113)), (1, 0));
    for (now, expected) in [
        (116, (1, 0)),
        (117, (0, 1)),
        (101 + 86_400, (0, 1)),
        (102 + 86_400, (0, 0)),
    ] {
        workers.prune(at(now));
        assert_eq!(both(&workers, at(now)), expected, "{now}");
    }
    let mut workers = one();
    workers.heard(NODE, 0, 9, EVERY, at(101));
    workers.told_queues(NODE, &queues(&[]), at(101), at(101));
    workers.heard(NODE, 0, 30, EVERY, at(200));
    let back = workers.live(at(200)).next().unwrap().1;
    assert_eq!((back.taken, back.idle_since, &back.queues), (0, Some(at(200)), &None));
    workers.left(NODE, at(202));
    workers.inspected(NODE, Inspect::Active, tasks(0), at(201), at(203));
    assert_eq!(
        both(&workers, at(203)),
        (0, 1),
        "it said goodbye, and had answered before"
    );
    workers.prune(at(203 + 3600));
    assert_eq!(both(&workers, at(203 + 3600)), (0, 0));
}

#[test]
fn of_very_many_the_silent_are_forgotten_first() {
    let mut workers = Workers::default();
    for number in 0..9_000 {
        workers.heard(&format!("celery@mail-{number}"), 0, 0, EVERY, at(100));
    }
    workers.heard(NODE, 0, 0, EVERY, at(120));
    workers.prune(at(120));
    assert_eq!((workers.live(at(120)).count(), silent(&workers, "", at(120))), (1, 0));
}

#[test]
fn what_one_worker_takes_is_no_more_than_is_reckoned() {
    let inspections = 4 * size_of::<(Inspect, (Moment, Inspection))>();
    // A node of the tree may be half empty; the allocator wants its share of each piece.
    let slot = 2 * (size_of::<NodeName>() + size_of::<Box<Worker>>());
    let pieces = 3 * 16;
    let one = size_of::<Worker>() + inspections + slot + pieces;
    assert!(one <= EACH, "{one} bytes");
}

fn stats() -> Stats {
    Stats {
        slots: Some(4),
        processed: Some(7),
        ..Stats::default()
    }
}

#[test]
fn ten_thousand_workers_of_one_broker_are_known_with_all_that_they_say() {
    let mut workers = Workers::default();
    let from = queues(&["celery", "mail", "reports", "a-queue-with-a-long-name"]);
    let node = |number| format!("celery@the-worker-of-a-shop-6d5f7c9b8-{number:05}");
    for number in 0..10_000 {
        workers.heard(&node(number), 1, 0, EVERY, at(100));
        workers.told_queues(&node(number), &from, at(100), at(100));
        workers.told_stats(&node(number), &stats(), at(100), at(100));
        for method in [Inspect::Active, Inspect::Reserved, Inspect::Scheduled] {
            workers.inspected(&node(number), method, tasks(1), at(100), at(100));
        }
    }
    workers.prune(at(101));
    assert_eq!(workers.live(at(101)).count(), 10_000);
    let known = |worker: &Worker| worker.queues.is_some() && worker.stats.is_some();
    assert!(workers.all().all(|(_, worker)| known(worker)));
    assert!(!workers.was_full(), "{} bytes", workers.held());
}

/// Bytes of names that are really there.
fn letters(workers: &Workers) -> usize {
    let nodes = workers.all().map(|(node, _)| node.len()).sum::<usize>();
    let mut sets: Vec<_> = workers.all().filter_map(|(_, worker)| worker.queues.as_ref()).collect();
    sets.dedup_by_key(|(_, queues)| Arc::as_ptr(queues));
    nodes
        + sets
            .iter()
            .flat_map(|(_, set)| set.iter())
            .map(String::len)
            .sum::<usize>()
}

#[test]
fn a_flood_of_names_and_queues_takes_no_more_than_is_allowed() {
    for most in [MOST, 1 << 20] {
        let mut workers = Workers::default();
        workers.allow(most);
        let long = "x".repeat(240);
        for number in 0..30_000 {
            let node = format!("{long}@{number}");
            workers.heard(&node, 1, 0, EVERY, at(100));
            if number % 3 == 0 {
                let from = (0..15).map(|name| format!("{long}{number}-{name}")).collect();
                workers.told_queues(&node, &from, at(100), at(100));
            }
            assert!(workers.held() <= most);
        }
        let (before, count) = (workers.held(), workers.all().count());
        assert!(letters(&workers) + count * EACH <= most, "{}", letters(&workers));
        assert!(workers.was_full() && !workers.was_full());
        workers.prune(at(101));
        assert_eq!(
            (workers.held(), workers.all().count()),
            (before, count),
            "it was reckoned right"
        );
        // Names that are held say what they run still, and room comes back.
        workers.heard(&format!("{long}@0"), 7, 1, EVERY, at(102));
        assert_eq!(workers.get(&format!("{long}@0")).unwrap().active, 7);
        workers.prune(at(116));
        assert_eq!(workers.all().count(), 0, "the silent go");
        workers.prune(at(116));
        assert_eq!(workers.held(), 0);
        workers.heard(NODE, 0, 0, EVERY, at(116));
        assert_eq!(workers.live(at(116)).count(), 1);
    }
}

#[test]
fn where_room_is_scarce_the_silent_one_of_two_in_a_pod_is_not_forgotten() {
    let mut workers = Workers::default();
    workers.heard("a@mail-0", 1, 0, EVERY, at(100));
    workers.heard("a@mail-1", 1, 0, EVERY, at(100));
    workers.heard("b@mail-0", 0, 0, EVERY, at(200));
    workers.allow(workers.held());
    workers.prune(at(201));
    let known: Vec<_> = workers.all().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(
        known,
        ["a@mail-0", "b@mail-0"],
        "the pod of a single silent worker is unknown as it is"
    );
}

#[test]
fn nobody_who_is_not_known_says_what_it_fetches_from() {
    let mut workers = one();
    workers.told_queues("celery@forged", &queues(&["mail"]), at(101), at(101));
    assert!(workers.get("celery@forged").is_none());
}
