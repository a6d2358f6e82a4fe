//! The states of a real Redis with real Celery workers, as recorded, and the truth about them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::framework::celery::{BrokerKind, tests::*};
use crate::framework::celery::{CeleryPool, Workers};
use crate::model::scan::MessageKind;

mod unheld;

/// What a Redis database holds: the lists' and the hash's scans by key.
#[derive(Clone, Default)]
struct Database {
    keys: BTreeMap<String, Scan>,
    sets: BTreeMap<String, Vec<String>>,
}

impl Database {
    fn with(mut self, key: &str, scan: Scan) -> Self {
        self.keys.insert(key.into(), scan);
        self
    }

    fn answer(&self, read: &Ask) -> Result<Reply, SampleError> {
        let scan = |key: &str| Reply::Scan(Arc::new(self.keys.get(key).cloned().unwrap_or_default()));
        match read {
            Ask::Read(Query::ScanList { key, .. }) => Ok(scan(key)),
            Ask::Read(Query::ScanHash { hash, index, .. }) if *index == format!("{hash}_index") => Ok(scan(hash)),
            Ask::Read(Query::SetMembers { key }) => Ok(Reply::Members(self.sets.get(key).cloned().unwrap_or_default())),
            Ask::Inspect { .. } | Ask::Tell { .. } => Ok(Reply::Asked),
            _ => Err(SampleError::Protocol),
        }
    }
}

/// Scan of due messages and of some with due times, all read, all for one routing key of the default exchange.
fn held(queue: &str, due: u64, later: &[i64]) -> Scan {
    kinds(&[("", queue, due, later)])
}

fn kinds(kinds: &[(&str, &str, u64, &[i64])]) -> Scan {
    let mut scan = Scan::default();
    for (exchange, key, due, later) in kinds {
        let mut etas: Vec<_> = later.iter().map(|seconds| wall(*seconds)).collect();
        etas.sort_unstable();
        let count = due + etas.len() as u64;
        scan.total += count;
        let kind = MessageKind { count, etas };
        scan.kinds.insert(((*exchange).into(), (*key).into()), kind);
    }
    scan
}

/// A list of due messages with this oldest one.
fn headed(due: u64, seen: u64, published: Option<i64>, eta: Option<i64>) -> Scan {
    let oldest = Oldest {
        seen: std::time::Duration::from_secs(seen),
        published: published.map(wall),
        eta: eta.map(wall),
    };
    Scan {
        oldest: Some(oldest),
        ..held("celery", due, &[])
    }
}

#[test]
fn since_when_the_oldest_task_waits() {
    let since = |lists: &[(&str, Scan)]| {
        let with = |database: Database, (key, scan): &(&str, Scan)| database.with(key, scan.clone());
        let database = lists.iter().fold(Database::default(), with);
        sample(&redis(&["celery"]), &database, &Workers::default(), None)
            .work
            .oldest
    };
    let (seen, told) = (
        |at| Some(Since::Seen(std::time::Duration::from_secs(at))),
        |at| Some(Since::Published(wall(at))),
    );
    let one = |published, eta| since(&[("celery", headed(3, 70, published, eta))]);
    assert_eq!(since(&[]), None);
    assert_eq!(one(None, None), seen(70));
    assert_eq!(one(Some(-45), None), told(-45));
    assert_eq!(one(Some(1), None), seen(70), "from the future");
    assert_eq!(one(Some(-40_000_000), None), seen(70), "from another clock");
    assert_eq!(one(Some(-900), Some(-20)), told(-20), "due for 20 s");
    assert_eq!(one(None, Some(-20)), told(-20));
    assert_eq!(one(Some(-900), Some(20)), None, "not due yet");

    // Of all lists the one that has waited longest; the tests' moment is 100 s.
    let urgent = "celery\x06\x163";
    let both = |seen, published| {
        since(&[
            ("celery", headed(3, seen, None, None)),
            (urgent, headed(1, 99, published, None)),
        ])
    };
    assert_eq!(both(70, Some(-31)), told(-31));
    assert_eq!(both(70, Some(-29)), seen(70));
    assert_eq!(both(70, None), seen(70));
}

fn sample(config: &CeleryConfig, database: &Database, workers: &Workers, last: Option<&Tally>) -> Tally {
    next_sample(&mut CeleryPool::new(config.clone()), database, workers, last)
}

fn next_sample(celery: &mut CeleryPool, database: &Database, workers: &Workers, last: Option<&Tally>) -> Tally {
    let reads = celery.asks(workers, last, now());
    let replies: Vec<_> = reads.iter().map(|read| database.answer(read)).collect();
    celery.tally(&reads, &replies, workers, last, now()).unwrap()
}

/// Two messages of the exchange `tasks`, which are held.
fn held_by_an_exchange() -> Database {
    Database::default().with("unacked", kinds(&[("tasks", "report.daily", 2, &[])]))
}

fn redis(queues: &[&str]) -> CeleryConfig {
    config(BrokerKind::Redis { db: 0 }, queues)
}

fn count(database: Database, workers: &Workers) -> (u64, u64, u64, u64) {
    counts(&sample(&redis(&["celery"]), &database, workers, None).work)
}

/// Workers with two tasks each, which have told how they acknowledge.
fn busy(n: usize, early: bool) -> Workers {
    let mut all = workers(&vec![2; n]);
    (0..n).for_each(|n| answers(&mut all, n, Inspect::Active, 2, if early { 2 } else { 0 }));
    all
}

#[test]
fn forty_tasks_two_workers_every_way_of_prefetching() {
    // Prefetch 4 and 1, early and late: waiting, unacknowledged, early; 4 run, 40 are outstanding.
    for (waiting, unacked, early) in [(20, 16, true), (24, 16, false), (32, 4, true), (36, 4, false)] {
        let database = Database::default()
            .with("celery", held("celery", waiting, &[]))
            .with("unacked", held("celery", unacked, &[]));
        assert_eq!(count(database.clone(), &busy(2, early)), (waiting, 40 - waiting, 4, 0));
        // Before the workers answered: never fewer.
        let (ready, in_flight, ..) = count(database, &workers(&[2, 2]));
        assert!(ready + in_flight >= 40);
    }
}

#[test]
fn an_empty_list_and_busy_workers() {
    let database = Database::default().with("unacked", held("celery", 14, &[]));
    assert_eq!(count(database, &busy(2, true)), (0, 18, 4, 0));
    // Early acknowledgement: in no key at all, told or not.
    assert_eq!(count(Database::default(), &workers(&[2])), (0, 2, 2, 0));
    assert_eq!(count(Database::default(), &busy(1, true)), (0, 2, 2, 0));
    // `--disable-prefetch`, late: the two that run are the two unacknowledged.
    let database = Database::default()
        .with("celery", held("celery", 8, &[]))
        .with("unacked", held("celery", 2, &[]));
    assert_eq!(count(database, &busy(1, false)), (8, 2, 2, 0));
}

#[test]
fn priorities_are_four_lists() {
    let database = Database::default()
        .with("celery", held("celery", 6, &[]))
        .with("celery\u{6}\u{16}3", held("celery", 6, &[]))
        .with("celery\u{6}\u{16}6", held("celery", 6, &[]))
        .with("celery\u{6}\u{16}9", held("celery", 2, &[]));
    assert_eq!(count(database, &Workers::default()), (20, 0, 0, 0));

    let custom = CeleryConfig {
        priority_steps: vec![0, 5, 5],
        separator: Some(":".into()),
        key_prefix: "shop:".into(),
        ..redis(&["celery"])
    };
    let database = Database::default()
        .with("shop:celery", held("celery", 1, &[]))
        .with("shop:celery:5", held("celery", 2, &[]))
        .with("shop:unacked", held("celery", 4, &[]))
        .with("celery", held("celery", 100, &[]));
    let tally = sample(&custom, &database, &Workers::default(), None);
    assert_eq!(counts(&tally.work), (3, 4, 0, 0));
}

#[test]
fn countdowns_without_a_worker_are_not_due() {
    let database = Database::default().with("celery", held("celery", 0, &[300; 30]));
    let tally = sample(&redis(&["celery"]), &database, &Workers::default(), None);
    assert_eq!(counts(&tally.work), (0, 0, 0, 30));
    assert_eq!((tally.work.due_soon, tally.work.next_due), (0, Some(wall(300))));
    assert_eq!(tally.work.outstanding(), 0);

    let database = Database::default().with("celery", held("celery", 2, &[-60, 0, 30, 31]));
    let work = sample(&redis(&["celery"]), &database, &Workers::default(), None).work;
    assert_eq!(counts(&work), (4, 0, 0, 2), "what came due is ready");
    assert_eq!((work.due_soon, work.next_due), (1, Some(wall(30))));
}

#[test]
fn five_hundred_countdowns_in_one_worker() {
    let database = Database::default().with("unacked", held("celery", 0, &[300; 500]));
    let tally = sample(&redis(&["celery"]), &database, &workers(&[0]), None);
    assert_eq!(counts(&tally.work), (0, 0, 0, 500));
    assert_eq!(tally.work.stay, None, "stopping the worker hands them back");
    // 10 countdowns and 10 immediate tasks: 9 wait, 11 unacknowledged are 10 later and 1 prefetched.
    let database = Database::default()
        .with("celery", held("celery", 9, &[]))
        .with("unacked", held("celery", 1, &[300; 10]));
    assert_eq!(count(database, &workers(&[0])), (9, 1, 0, 10));
}

#[test]
fn killed_and_draining_workers_leave_their_messages_counted() {
    let killed = Database::default().with("unacked", held("celery", 4, &[]));
    assert_eq!(count(killed, &Workers::default()), (0, 4, 0, 0));
    let mut draining = busy(1, true);
    draining.left(&node(0), now().moment);
    let database = Database::default()
        .with("celery", held("celery", 3, &[]))
        .with("unacked", held("celery", 4, &[]));
    assert_eq!(count(database, &draining), (3, 4, 0, 0));
}

#[test]
fn bindings_of_named_exchanges_are_asked_for_in_the_next_sample() {
    let mut database = Database::default().with(
        "unacked",
        kinds(&[
            ("", "mail", 1, &[]),
            ("tasks", "report.daily", 2, &[]),
            ("tasks", "x", 4, &[]),
        ]),
    );
    let members = [
        "report.#\u{6}\u{16}^report\\..*?$\u{6}\u{16}reports",
        "x\u{6}\u{16}^x$\u{6}\u{16}other",
    ];
    let members = members.map(str::to_owned).to_vec();
    database.sets.insert("_kombu.binding.tasks".into(), members);
    let mut celery = CeleryPool::new(redis(&["mail", "reports"]));
    let first = next_sample(&mut celery, &database, &Workers::default(), None);
    assert_eq!(first.work.in_flight, 7, "owners unknown: counted");
    let second = next_sample(&mut celery, &database, &Workers::default(), Some(&first));
    assert_eq!(second.work.in_flight, 3);
}

#[test]
fn a_failed_read_is_an_error_or_is_told() {
    let mut celery = CeleryPool::new(redis(&["celery"]));
    let all = workers(&[1]);
    let last = next_sample(&mut celery, &held_by_an_exchange(), &all, None);
    // The separator is looked for once a minute.
    let later = Now {
        moment: now().moment + Duration::from_secs(60),
        ..now()
    };
    let reads = celery.asks(&all, Some(&last), later);
    let good: Vec<_> = reads.iter().map(|read| Database::default().answer(read)).collect();
    assert_eq!(
        reads[0],
        Ask::Read(Query::SetMembers {
            key: "_kombu.binding.celery".into()
        })
    );
    let mut unbound = good.clone();
    unbound[0] = Err(SampleError::Permission);
    let tally = celery.tally(&reads, &unbound, &all, None, now()).unwrap();
    assert_eq!(tally.degraded, None, "the separator is as it comes");
    for n in 1..reads.len() {
        let mut replies = good.clone();
        replies[n] = Err(SampleError::Permission);
        let tally = celery.tally(&reads, &replies, &all, None, now());
        match reads[n] {
            Ask::Read(Query::ScanList { .. }) | Ask::Read(Query::ScanHash { .. }) => {
                assert_eq!(tally, Err(SampleError::Permission))
            }
            _ => assert_eq!(tally.unwrap().degraded, Some(SampleError::Permission)),
        }
        replies[n] = Ok(Reply::Missing);
        let tally = celery.tally(&reads, &replies, &all, None, now());
        assert!(tally == Err(SampleError::Protocol) || matches!(reads[n], Ask::Inspect { .. } | Ask::Tell { .. }));
    }
    assert_eq!(
        celery.tally(&reads, &good[..3], &all, None, now()),
        Err(SampleError::NotYet)
    );
    assert!(celery.tally(&[], &[], &all, None, now()).is_err());
}

#[test]
fn the_reads_of_a_quiet_pool() {
    let reads = CeleryPool::new(redis(&["a", "b"])).asks(&workers(&[0]), Some(&Tally::default()), now());
    let key = |read: &Ask| match read {
        Ask::Read(Query::ScanList { key, .. }) => Some(key.clone()),
        Ask::Read(Query::ScanHash { hash, index, .. }) => Some(format!("{hash}+{index}")),
        // Seldom: the separator, and what the workers are.
        Ask::Read(Query::SetMembers { .. }) | Ask::Inspect { .. } => None,
        other => Some(format!("{other:?}")),
    };
    let keys: Vec<_> = reads.iter().filter_map(key).collect();
    let steps = |queue: &str| {
        let others = (1..10).map(|step| format!("{queue}\u{6}\u{16}{step}"));
        std::iter::once(queue.to_owned()).chain(others).collect::<Vec<_>>()
    };
    let mut truth = [steps("a"), steps("b")].concat();
    truth.push("unacked+unacked_index".into());
    assert_eq!(keys, truth);
}

#[test]
fn the_separator_is_the_applications_where_the_pool_does_not_say_it() {
    let mut database = Database::default().with("celery:3", headed(7, 0, None, None));
    let counted = |celery: &mut CeleryPool, database: &Database| {
        let reads = celery.asks(&Workers::default(), None, now());
        let replies: Vec<_> = reads.iter().map(|read| database.answer(read)).collect();
        celery
            .tally(&reads, &replies, &Workers::default(), None, now())
            .unwrap()
            .work
            .ready
    };
    let mut celery = CeleryPool::new(redis(&["celery"]));
    assert_eq!(counted(&mut celery, &database), 0, "nothing shows it");
    for (member, ready) in [
        ("celery\u{6}\u{16}\u{6}\u{16}celery", 0),
        ("celery", 0),
        ("other::celery", 0),
        ("celery::celery", 7),
    ] {
        database
            .sets
            .insert("_kombu.binding.celery".into(), vec![member.to_owned()]);
        let mut celery = CeleryPool::new(redis(&["celery"]));
        counted(&mut celery, &database);
        assert_eq!(counted(&mut celery, &database), ready, "{member:?}");
    }
    let said = CeleryConfig {
        separator: Some("/".into()),
        ..redis(&["celery"])
    };
    let mut celery = CeleryPool::new(said);
    counted(&mut celery, &database);
    assert_eq!(counted(&mut celery, &database), 0, "the pool's word");
}

proptest! {
    #[test]
    fn pools_that_share_a_database_add_up_to_it(
        queues in prop::collection::vec((0..50_u64, prop::collection::vec(-100..1_000_i64, 0..20)), 1..6),
        unread in 0..100_u64,
        strangers in 0..20_u64,
        odd in 0..5_u64,
    ) {
        let names: Vec<_> = (0..queues.len()).map(|n| format!("q{n}")).collect();
        let mut all: Vec<_> = names.iter().zip(&queues).map(|(name, (due, later))| ("", &**name, *due, &**later)).collect();
        all.push(("", "stranger", strangers, &[]));
        all.push(("", "", odd, &[]));
        let mut scan = kinds(&all);
        scan.kinds.retain(|_, kind| kind.count > 0);
        let looked = scan.total;
        scan.total += unread;
        let database = Database::default().with("unacked", scan);
        let works: Vec<_> = names
            .iter()
            .map(|name| sample(&redis(&[name]), &database, &Workers::default(), None).work)
            .collect();
        let sum: u64 = works.iter().map(|work| work.in_flight + work.scheduled).sum();
        let pools = queues.len() as u64;
        if strangers == 0 {
            prop_assert!(sum >= looked + unread, "{} < {}", sum, looked + unread);
        }
        if looked > odd {
            prop_assert!(sum <= looked + unread + 4 * pools, "{} > {}", sum, looked + unread);
        }
        if unread == 0 && odd == 0 {
            prop_assert_eq!(sum, looked - strangers);
        }
    }

    #[test]
    fn any_split_of_the_work_adds_up(
        lists in prop::collection::vec((0..1_000_u64, prop::collection::vec(-100..1_000_i64, 0..20)), 4),
        (unacked, later) in (0..1_000_u64, prop::collection::vec(1..1_000_i64, 0..20)),
        active in prop::collection::vec(0..20_u32, 0..5),
    ) {
        let mut database = Database::default().with("unacked", held("celery", unacked, &later));
        let mut total = unacked + later.len() as u64;
        for (step, (due, etas)) in ["", "\u{6}\u{16}3", "\u{6}\u{16}6", "\u{6}\u{16}9"].iter().zip(&lists) {
            database = database.with(&format!("celery{step}"), held("celery", *due, etas));
            total += due + etas.len() as u64;
        }
        let running: u64 = active.iter().map(|n| u64::from(*n)).sum();
        let work = sample(&redis(&["celery"]), &database, &workers(&active), None).work;
        prop_assert_eq!(work.ready + work.in_flight + work.scheduled, total + running);
        prop_assert!(work.running <= work.in_flight && work.due_soon <= work.scheduled);
        prop_assert_eq!(work.next_due.is_some(), work.scheduled > 0);
    }
}

#[test]
fn what_lies_deeper_than_a_look_is_due_as_much_as_what_was_seen() {
    let deep = |total: u64, due: u64, later: usize| {
        let mut list = held("celery", due, &vec![9_000_000; later]);
        list.total = total;
        let database = Database::default().with("celery", list);
        let tally = sample(&redis(&["celery"]), &database, &Workers::default(), None);
        (tally.work.ready, tally.work.scheduled)
    };
    // Nothing that was seen is due: one worker finds out about the rest.
    assert_eq!(deep(5_000, 0, 2_000), (1, 4_999));
    assert_eq!(deep(30_000, 0, 2_000), (1, 29_999));
    assert_eq!(deep(4_000, 1_500, 500), (3_000, 1_000));
    assert_eq!(deep(4_000, 1_999, 1), (3_998, 2));
    assert_eq!(deep(2_000, 0, 2_000), (0, 2_000), "all of it was seen");
    assert_eq!(deep(4_000, 2_000, 0), (4_000, 0));
    // A look that was cut short says nothing of the rest.
    assert_eq!(deep(4_000, 0, 4), (3_996, 4));
}
