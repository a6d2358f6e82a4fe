//! Workers that are not known by a beat under their pod's own name.

use super::*;

/// A pool whose workers are named as Open edX names them.
fn named_otherwise() -> (CeleryPool, Workers) {
    let mut workers = Workers::default();
    for pod in ["aaaa0", "aaaa1"] {
        workers.heard(
            &format!("celery@edx.lms.core.default.{MAIL}{pod}"),
            1,
            7,
            EVERY,
            now().moment,
        );
    }
    let celery = CeleryPool::new(config(BrokerKind::Redis { db: 0 }, &["celery"]));
    (celery, workers)
}

fn tallied(celery: &mut CeleryPool, workers: &Workers) -> (Vec<Ask>, Tally) {
    let reads = celery.asks(workers, None, now());
    let empty = std::sync::Arc::<crate::model::Scan>::default();
    let reply = |read: &Ask| match read {
        Ask::Read(Query::ScanList { .. }) | Ask::Read(Query::ScanHash { .. }) => Ok(Reply::Scan(empty.clone())),
        Ask::Read(Query::SetMembers { .. }) => Ok(Reply::Members(Vec::new())),
        _ => Ok(Reply::Asked),
    };
    let replies: Vec<_> = reads.iter().map(reply).collect();
    let tally = celery.tally(&reads, &replies, workers, None, now()).unwrap();
    (reads, tally)
}

fn roster(pods: &[&str], ready: u32) -> Roster {
    Roster {
        pods: std::sync::Arc::new(pods.iter().map(|pod| format!("{MAIL}{pod}")).collect()),
        ready,
    }
}

#[test]
fn workers_of_other_names_are_the_pools_once_its_pods_are_known() {
    let (mut celery, workers) = named_otherwise();
    celery.roster(roster(&[], 2));
    let (_, before) = tallied(&mut celery, &workers);
    assert_eq!((before.work.running, before.pods.len()), (0, 0));
    assert_eq!(before.strangers.len(), 2, "they look like the target's");
    celery.roster(roster(&["aaaa0", "aaaa1"], 2));
    let (_, after) = tallied(&mut celery, &workers);
    assert_eq!((after.work.running, after.pods.len(), after.strangers.len()), (2, 2, 0));
    assert!(after.pods.values().all(|pod| pod.live && pod.running == 1));
    // Another node is found when it is new.
    let mut more = workers.clone();
    more.heard(&format!("b@{MAIL}aaaa1-2"), 3, 7, EVERY, now().moment);
    let (_, third) = tallied(&mut celery, &more);
    assert_eq!(third.work.running, 5);
}

#[test]
fn as_long_as_ready_pods_are_not_heard_everybody_is_asked_who_is_there() {
    let asks = |ready: u32, workers: &Workers| {
        let mut celery = CeleryPool::new(config(BrokerKind::RabbitMq { management: false }, &["celery"]));
        celery.roster(roster(&["aaaa0", "aaaa1"], ready));
        let ping = |read: &Ask| {
            matches!(
                read,
                Ask::Inspect {
                    method: Inspect::Ping,
                    ..
                }
            )
        };
        let first = celery.asks(workers, None, now()).iter().any(ping);
        assert!(!celery.asks(workers, None, now()).iter().any(ping), "not twice at once");
        first
    };
    assert!(asks(2, &workers(&[0])) && asks(1, &Workers::default()));
    assert!(!asks(2, &workers(&[0, 0])) && !asks(0, &Workers::default()));
}

#[test]
fn a_worker_that_does_not_beat_is_asked_and_counted_by_its_answers() {
    let mut celery = CeleryPool::new(config(BrokerKind::Redis { db: 0 }, &["celery"]));
    celery.roster(roster(&["aaaa0"], 1));
    let mut silent = Workers::default();
    silent.take(
        &WorkerSignal::Pong {
            node: node(0),
            asked: now().moment,
        },
        now().moment,
    );
    let (reads, there) = tallied(&mut celery, &silent);
    assert!(there.pods[&format!("{MAIL}aaaa0")].live && there.workers_heard);
    let of = |read: &Ask| match read {
        Ask::Inspect { method, mailbox } if mailbox.nodes == [node(0)] => Some(*method),
        _ => None,
    };
    let asked: Vec<_> = reads.iter().filter_map(of).collect();
    use Inspect::{Active, ActiveQueues, Reserved, Stats};
    assert_eq!(asked, [Reserved, Active, Stats, ActiveQueues], "reserved before active");
    answers(&mut silent, 0, Active, 1, 1);
    let (_, told) = tallied(&mut celery, &silent);
    assert_eq!(counts(&told.work), (0, 1, 1, 0), "an early task is in no key");
}

#[test]
fn how_it_stands_with_the_subscription_reaches_the_pool() {
    let (mut celery, mut workers) = named_otherwise();
    let failing = crate::model::Hearing::Failing(SampleError::TooManyConnections);
    workers.listens(&celery.listen(), &failing);
    assert_eq!(tallied(&mut celery, &workers).1.hearing, failing);
}

#[test]
fn a_question_to_everybody_carries_no_separator_of_the_pools() {
    let config = CeleryConfig {
        separator: Some(":".into()),
        ..config(BrokerKind::Redis { db: 0 }, &["celery"])
    };
    let mut celery = CeleryPool::new(config);
    celery.roster(roster(&[], 2));
    let (reads, _) = tallied(&mut celery, &workers(&[0]));
    let of = |wanted| {
        reads.iter().find_map(|read| match read {
            Ask::Inspect { method, mailbox } if *method == wanted => {
                Some((mailbox.nodes.len(), mailbox.separator.clone()))
            }
            _ => None,
        })
    };
    // Perhaps nobody is there, and it would be wrong when the first one comes.
    assert_eq!(of(Inspect::Ping), Some((0, None)));
    assert_eq!(of(Inspect::Stats), Some((1, Some(":".into()))));
}

#[test]
fn who_fetches_the_pools_queues_under_another_name_is_a_stranger() {
    let mut workers = Workers::default();
    for (node, queue) in [("fixed@worker", "celery"), ("celery@web-6d5f7c9b8-aaaaa", "other")] {
        workers.heard(node, 1, 7, EVERY, now().moment);
        workers.told_queues(node, &[queue.to_owned()].into(), now().moment, now().moment);
    }
    let mut celery = CeleryPool::new(config(BrokerKind::Redis { db: 0 }, &["celery"]));
    celery.roster(roster(&["aaaa0"], 1));
    assert_eq!(tallied(&mut celery, &workers).1.strangers, ["fixed@worker"]);
}

#[test]
fn workers_say_what_they_fetch_before_any_queue_is_counted() {
    for broker in [BrokerKind::Redis { db: 0 }, BrokerKind::RabbitMq { management: true }] {
        let mut celery = CeleryPool::new(config(broker, &[]));
        let mut all = workers(&[1]);
        let since = now().moment + Duration::from_secs(10);
        all.heard(&node(0), 1, 102, EVERY, since);
        all.told_queues(&node(0), &["a.b", "low prio"].map(str::to_owned).into(), since, since);
        celery.attend(watched(), Moment::ZERO);
        let before = at_later(&mut celery, &all, since);
        assert_eq!((before.queues.len(), before.work.ready, before.work.running), (0, 0, 1));
        let told: Vec<_> = before.fetches[&format!("{MAIL}aaaa0")].iter().cloned().collect();
        celery.queues(told);
        let after = at_later(&mut celery, &all, since);
        let counted: Vec<_> = after
            .queues
            .iter()
            .map(|queue| (queue.queue.as_str(), queue.ready))
            .collect();
        assert!(counted.iter().map(|(queue, _)| *queue).eq(["a.b", "low prio"]));
        assert!(counted.iter().all(|(_, ready)| *ready > 0));
        assert!(
            !celery
                .asks(&all, Some(&after), Now { moment: since, ..now() })
                .iter()
                .any(is_question),
            "it goes on"
        );
    }
}

fn is_question(ask: &Ask) -> bool {
    matches!(ask, Ask::Inspect { .. })
}

/// Tally at this moment; each list and each queue holds one message.
fn at_later(celery: &mut CeleryPool, workers: &Workers, moment: Moment) -> Tally {
    let now = Now { moment, ..now() };
    let reads = celery.asks(workers, None, now);
    let one = std::sync::Arc::new(crate::model::Scan {
        total: 1,
        ..crate::model::Scan::default()
    });
    let reply = |read: &Ask| match read {
        Ask::Read(Query::ScanList { .. }) => Ok(Reply::Scan(one.clone())),
        Ask::Read(Query::ScanHash { .. }) => Ok(Reply::Scan(Default::default())),
        Ask::Read(Query::SetMembers { .. }) => Ok(Reply::Members(Vec::new())),
        Ask::Read(Query::QueueDepth { .. }) => Ok(Reply::Depth {
            ready: 1,
            consumers: Some(1),
        }),
        Ask::Read(Query::QueueTotals { .. }) => Ok(Reply::Totals { ready: 1, unacked: 0 }),
        _ => Ok(Reply::Asked),
    };
    let replies: Vec<_> = reads.iter().map(reply).collect();
    celery.tally(&reads, &replies, workers, None, now).unwrap()
}
