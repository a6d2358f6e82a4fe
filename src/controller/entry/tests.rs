use super::*;
use crate::{
    controller::{hold::tests::target, target::MANAGER},
    work::{PodWork, Work, celery::CeleryConfig},
};

const SECOND: Duration = Duration::from_secs(1);

fn pool() -> Pool {
    let object = serde_json::json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "mail"},
        "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis"}},
    });
    crate::controller::validate::pool(&serde_json::from_value(object).unwrap()).unwrap()
}

/// A pool in namespace `shop`, with this number.
pub fn entry(id: SubscriberId, name: &str, target: &str, created: i64) -> Entry {
    let identity = Identity {
        key: Key {
            namespace: "shop".into(),
            name: name.into(),
        },
        uid: format!("uid-{name}"),
        generation: 1,
        created: Timestamp::from_second(created).unwrap(),
    };
    let pool = Pool {
        target: target.into(),
        celery: CeleryConfig::default(),
        ..pool()
    };
    Entry::new(id, identity, Ok(pool), None)
}

fn mail() -> Entry {
    entry(1, "mail", "mail-worker", 0)
}

#[test]
fn a_reading_ages_and_unknown_is_not_zero() {
    let mut entry = mail();
    let pool = pool();
    assert_eq!(
        entry.reading(&pool, SECOND),
        Reading::Unknown {
            why: SampleError::NotYet
        }
    );
    entry.samples.failing = Some((SampleError::Dns, SECOND));
    assert_eq!(entry.reading(&pool, SECOND), Reading::Unknown { why: SampleError::Dns });

    let work = Work {
        ready: 3,
        ..Work::default()
    };
    let tally = Arc::new(Tally {
        work: work.clone(),
        ..Tally::default()
    });
    let at = Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: SECOND,
    };
    entry.samples.last = Some((tally, at));
    let stale_after = pool.policy.stale_after();
    assert_eq!(entry.reading(&pool, SECOND + stale_after), Reading::Fresh(work.clone()));
    let age = stale_after + Duration::from_millis(1);
    assert_eq!(
        entry.reading(&pool, SECOND + age),
        Reading::Stale {
            work,
            age,
            why: Some(SampleError::Dns)
        }
    );
}

#[test]
fn a_count_stays_fresh_while_its_endpoint_rests() {
    let pool = pool();
    let mut entry = mail();
    let at = Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: SECOND,
    };
    entry.samples.last = Some((Arc::new(Tally::default()), at));
    entry.samples.rest = Duration::from_secs(9);
    let limit = SECOND + pool.policy.stale_after() + entry.samples.rest;
    assert!(matches!(entry.reading(&pool, limit), Reading::Fresh(_)));
    assert!(matches!(
        entry.reading(&pool, limit + Duration::from_millis(1)),
        Reading::Stale { .. }
    ));
}

fn running((name, running): (&str, u32)) -> (String, PodWork) {
    let pod = PodWork {
        running,
        ..PodWork::default()
    };
    (name.to_owned(), pod)
}

#[test]
fn an_observation_counts_busy_pods_and_the_time_to_the_next_task() {
    let mut entry = mail();
    let due = |second| Timestamp::from_second(second).unwrap();
    let tally = |next_due| {
        Arc::new(Tally {
            work: Work {
                next_due: Some(next_due),
                ..Work::default()
            },
            pods: [("a", 2), ("b", 0), ("c", 1)].map(running).into(),
            workers_heard: true,
            processed: Some(9),
            ..Tally::default()
        })
    };
    let now = Now {
        wall: due(100),
        moment: SECOND,
    };
    entry.samples.last = Some((tally(due(130)), now));
    let seen = entry.observe(&pool(), &target(1, 4, MANAGER), now);
    assert_eq!((seen.busy_pods, seen.workers_heard, seen.processed), (2, true, Some(9)));
    assert_eq!((seen.replicas, seen.ready), (4, 4));
    assert_eq!((seen.now, seen.wall), (SECOND, due(100)));
    assert_eq!(seen.next_due_in, Some(Duration::from_secs(30)));
    // Nobody of the four ready pods has been heard but these.
    let mut heard = (*tally(due(50))).clone();
    heard.pods.values_mut().take(1).for_each(|pod| pod.live = true);
    entry.samples.last = Some((Arc::new(heard), now));
    let mut graceful = pool();
    graceful.graceful = Some(SECOND);
    let silent = |entry: &Entry, pool: &Pool| entry.observe(pool, &target(1, 4, MANAGER), now).silent_pods;
    assert_eq!((silent(&entry, &pool()), silent(&entry, &graceful)), (3, 0));
    entry.leaving.overstayed = Some("a".into());
    assert_eq!(silent(&entry, &graceful), 3, "the user's word did not hold");
    entry.samples.last = Some((tally(due(50)), now));
    let overdue = entry.observe(&pool(), &target(1, 4, MANAGER), now);
    assert_eq!(overdue.next_due_in, Some(Duration::ZERO));
}

#[test]
fn backing_off_doubles_ends_and_spreads() {
    let most = Duration::from_secs(30);
    let wait = |failures, id| backoff(failures, SECOND, most, id);
    assert_eq!([wait(0, 0), wait(1, 0), wait(2, 0)], [SECOND, SECOND * 2, SECOND * 4]);
    assert_eq!([wait(5, 0), wait(u32::MAX, 0)], [most, most]);
    let waits: Vec<_> = (0..100).map(|id| wait(3, id)).collect();
    assert!(waits.iter().all(|wait| (SECOND * 8..=SECOND * 10).contains(wait)));
    let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
    assert!(distinct.len() > 50, "{} different waits", distinct.len());
}

#[test]
fn a_status_that_cannot_be_written_is_tried_less_and_less_often() {
    let mut said = Said::default();
    assert_eq!(
        said.wait(SECOND, SECOND * 100, 0),
        Duration::ZERO,
        "the first is due at once"
    );
    said.at = Some(SECOND * 100);
    let mut waits = Vec::new();
    for failures in [0, 1, 2, 3, 50] {
        said.failures = failures;
        waits.push(said.wait(SECOND, SECOND * 100, 0).as_secs());
    }
    assert_eq!(waits, [1, 1, 2, 4, 30]);
    assert_eq!(
        said.wait(SECOND * 60, SECOND * 100, 0),
        SECOND * 60,
        "numbers alone wait longer anyway"
    );
}

#[test]
fn at_another_source_nothing_goes_down_before_it_has_been_seen_for_as_long_as_after_a_restart() {
    let (pool, target) = (pool(), target(1, 4, MANAGER));
    let mut entry = mail();
    let at = |second| Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: SECOND * second,
    };
    let idle = |at| {
        let work = PodWork {
            live: true,
            fresh: true,
            ..PodWork::default()
        };
        (format!("pod-{at}"), work)
    };
    let tally = Arc::new(Tally {
        pods: (0..4).map(idle).collect(),
        workers_heard: true,
        ..Tally::default()
    });
    let replicas_at = |entry: &mut Entry, second| {
        entry.samples.last = Some((tally.clone(), at(second)));
        let seen = entry.observe(&pool, &target, at(second));
        let memory = std::mem::take(&mut entry.memory);
        let (memory, decision) = crate::scaling::decide(&pool.policy, memory, &seen);
        entry.memory = memory;
        let replicas = decision.replicas;
        entry.decision = Some((seen, decision));
        replicas
    };
    for second in 0..40 {
        assert_eq!(replicas_at(&mut entry, second), 4, "second {second}");
    }
    entry.begin_anew();
    for second in 40..80 {
        assert_eq!(replicas_at(&mut entry, second), 4, "second {second} at the new source");
    }
    assert!(replicas_at(&mut entry, 90) < 4);
}
