//! The states of a real RabbitMQ with real Celery workers, as recorded, and the truth about them.

use super::*;
use crate::framework::celery::Workers;
use crate::framework::celery::{BrokerKind, CeleryPool, tests::*};
use crate::model::KeepAlive;

type QueueReply = Result<Reply, SampleError>;

const DEPTH_0: QueueReply = depth(0);

const fn depth(ready: u64) -> QueueReply {
    Ok(Reply::Depth { ready, consumers: None })
}

const fn totals(ready: u64, unacked: u64) -> QueueReply {
    Ok(Reply::Totals { ready, unacked })
}

/// A sample of one queue; without totals there is no management API.
fn sample(depth: QueueReply, totals: Option<QueueReply>, workers: &Workers) -> Result<Tally, SampleError> {
    let broker = BrokerKind::RabbitMq {
        management: totals.is_some(),
    };
    let mut celery = CeleryPool::new(config(broker, &["celery"]));
    let reads = celery.asks(workers, None, now());
    let replies: Vec<_> = reads
        .iter()
        .map(|read| match read {
            Ask::Read(Query::QueueDepth { .. }) => depth.clone(),
            Ask::Read(Query::QueueTotals { .. }) => totals.clone().unwrap(),
            _ => Ok(Reply::Asked),
        })
        .collect();
    celery.tally(&reads, &replies, workers, None, now())
}

fn count(depth: QueueReply, totals: Option<QueueReply>, workers: &Workers) -> (u64, u64, u64, u64) {
    counts(&sample(depth, totals, workers).unwrap().work)
}

/// Two workers with two tasks each, which have answered.
fn busy(early: bool, reserved: u32) -> Workers {
    let mut all = workers(&[2, 2]);
    for n in 0..2 {
        answers(&mut all, n, Inspect::Active, 2, if early { 2 } else { 0 });
        answers(&mut all, n, Inspect::Reserved, reserved, 0);
        answers(&mut all, n, Inspect::Scheduled, 0, 0);
    }
    all
}

#[test]
fn forty_tasks_two_workers_every_way_of_prefetching() {
    // Classic and quorum alike: ready, unacknowledged, early, prefetched in each worker; 4 run, 40 are outstanding.
    for (ready, unacked, early, reserved) in [
        (20, 16, true, 8),
        (24, 16, false, 6),
        (32, 4, true, 2),
        (36, 4, false, 0),
    ] {
        let all = busy(early, reserved);
        let truth = (ready, 40 - ready, 4, 0);
        assert_eq!(count(depth(ready), Some(totals(ready, unacked)), &all), truth);
        assert_eq!(count(depth(ready), None, &all), truth, "by the workers' word alone");
        let (ready, in_flight, ..) = count(depth(ready), Some(totals(ready, unacked)), &workers(&[2, 2]));
        assert!(ready + in_flight >= 40, "before they answered: never fewer");
    }
    assert_eq!(count(DEPTH_0, Some(totals(0, 0)), &workers(&[2])), (0, 2, 2, 0));
}

#[test]
fn totals_of_a_fresh_quorum_queue_lag_and_ready_does_not() {
    assert_eq!(count(depth(40), Some(totals(0, 0)), &Workers::default()), (40, 0, 0, 0));
}

#[test]
fn countdowns_in_a_workers_memory() {
    let mut all = workers(&[0]);
    let work = |all: &Workers, totals| sample(DEPTH_0, totals, all).unwrap().work;
    assert_eq!(work(&all, None).stay, Some(KeepAlive::Unreported));
    for (due, stay) in [(Some(300), None), (None, Some(KeepAlive::UnknownDue))] {
        schedules(&mut all, 0, 30, due);
        for totals in [Some(totals(0, 30)), None] {
            let work = work(&all, totals);
            assert_eq!(counts(&work), (0, 0, 0, 30));
            assert_eq!((work.stay, work.next_due), (stay, due.map(wall)));
        }
    }
    // Three prefetched beside them.
    assert_eq!(count(DEPTH_0, Some(totals(0, 33)), &all), (0, 3, 0, 30));
    // A queue blocked by countdowns that the prefetch limit lets nobody take.
    answers(&mut all, 0, Inspect::Scheduled, 1, 0);
    assert_eq!(count(depth(34), Some(totals(34, 1)), &all), (34, 0, 0, 1));
    // Old answers are not counted.
    let mut later = Workers::default();
    let before = now().moment.saturating_sub(std::time::Duration::from_secs(31));
    later.heard(&node(0), 0, 0, EVERY, before);
    let answer = crate::framework::celery::Inspection {
        tasks: 30,
        acknowledged: 0,
        due: None,
    };
    later.inspected(&node(0), Inspect::Scheduled, answer, before, before);
    later.heard(&node(0), 0, 0, EVERY, now().moment);
    assert_eq!(count(DEPTH_0, Some(totals(0, 30)), &later), (0, 30, 0, 0));
}

#[test]
fn what_may_fail() {
    use SampleError::{Management, Permission, Timeout};
    let nobody = Workers::default();
    let missing = sample(Ok(Reply::Missing), Some(Err(Management)), &nobody).unwrap();
    assert!(missing.queues[0].missing);
    assert_eq!((missing.work.ready, missing.degraded), (0, None));

    // What has numbers somewhere is not missing, nor what the API knows without numbers.
    let there = sample(Ok(Reply::Missing), Some(totals(7, 2)), &nobody).unwrap();
    assert_eq!((counts(&there.work), there.queues[0].missing), ((7, 2, 0, 0), false));
    let not_ready = Err(SampleError::NotReady);
    assert_eq!(
        sample(Ok(Reply::Missing), Some(not_ready.clone()), &nobody).map(|_| ()),
        not_ready.map(|_| ())
    );
    // A queue that the API does not show is not a queue without messages in flight.
    let hidden = sample(depth(0), Some(Ok(Reply::Missing)), &busy(true, 8)).unwrap();
    assert_eq!((hidden.work.in_flight, hidden.degraded), (20, Some(Management)));

    let by_totals = sample(Err(Permission), Some(totals(7, 2)), &nobody).unwrap();
    assert_eq!(counts(&by_totals.work), (7, 2, 0, 0));
    assert!(
        sample(Err(Permission), Some(Ok(Reply::Missing)), &nobody)
            .unwrap()
            .queues[0]
            .missing
    );

    assert_eq!(sample(Err(Permission), None, &nobody), Err(Permission));
    assert_eq!(sample(Err(Permission), Some(Err(Management)), &nobody), Err(Permission));
    assert_eq!(sample(Err(Timeout), Some(totals(7, 2)), &nobody), Err(Timeout));
    assert_eq!(sample(Ok(Reply::Asked), None, &nobody), Err(SampleError::Protocol));
    assert_eq!(
        sample(depth(1), Some(Ok(Reply::Asked)), &nobody),
        Err(SampleError::Protocol)
    );

    let by_workers = sample(depth(20), Some(Err(Management)), &busy(true, 8)).unwrap();
    assert_eq!(counts(&by_workers.work), (20, 20, 4, 0));
    assert_eq!(by_workers.degraded, Some(Management));
}

#[test]
fn a_refused_question_keeps_one_worker() {
    let mut celery = CeleryPool::new(config(BrokerKind::RabbitMq { management: false }, &["celery"]));
    let all = workers(&[0]);
    let reads = celery.asks(&all, None, now());
    let replies: Vec<_> = (reads.iter())
        .map(|read| match read {
            Ask::Read(Query::QueueDepth { .. }) => DEPTH_0,
            _ => Ok(Reply::Refused { right: String::new() }),
        })
        .collect();
    let mut work = |workers: &Workers| celery.tally(&reads, &replies, workers, None, now()).unwrap().work;
    assert_eq!(work(&all).stay, Some(KeepAlive::Refused));
    assert_eq!(work(&Workers::default()).stay, None, "there is none");
}

#[test]
fn what_an_earlier_process_remembered_counts_from_the_first_sample_on() {
    let held = crate::model::Delayed {
        tasks: 20,
        due: wall(90),
    };
    let mut celery =
        CeleryPool::new(config(BrokerKind::RabbitMq { management: false }, &["celery"])).remembering(Some(held));
    let nobody = Workers::default();
    let reads = celery.asks(&nobody, None, now());
    let first = celery.tally(&reads, &[depth(21)], &nobody, None, now()).unwrap();
    assert_eq!(
        (counts(&first.work), first.work.next_due),
        ((1, 0, 0, 20), Some(wall(90)))
    );
    assert_eq!(first.later.held, Some(held));
    let second = celery.tally(&reads, &[depth(5)], &nobody, Some(&first), now()).unwrap();
    assert_eq!(
        (counts(&second.work), second.queues[0].ready),
        ((0, 0, 0, 5), 5),
        "the rest was purged"
    );
}

fn asked(management: bool, workers: &Workers, last: Option<&Tally>) -> Vec<Inspect> {
    let mut celery = CeleryPool::new(config(BrokerKind::RabbitMq { management }, &["celery"]));
    // What a worker is, is asked whatever the broker.
    let traits = [Inspect::Stats, Inspect::ActiveQueues];
    let reads = celery.asks(workers, last, now()).into_iter();
    reads
        .filter_map(|read| match read {
            Ask::Inspect { method, .. } => Some(method).filter(|method| !traits.contains(method)),
            _ => None,
        })
        .collect()
}

#[test]
fn whom_to_ask_what() {
    use Inspect::{Active, Reserved, Scheduled};
    assert_eq!(asked(true, &Workers::default(), None), []);
    assert_eq!(asked(false, &workers(&[0]), None), [Scheduled, Reserved]);
    assert_eq!(asked(true, &workers(&[0]), None), [Scheduled]);
    assert_eq!(asked(true, &workers(&[1]), None), [Scheduled, Active]);
    let degraded = Tally {
        degraded: Some(SampleError::Management),
        ..Tally::default()
    };
    assert_eq!(asked(true, &workers(&[0]), Some(&degraded)), [Scheduled, Reserved]);
}
