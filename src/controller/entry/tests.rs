use super::*;
use crate::{
    controller::target::MANAGER,
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

/// A Deployment at this version, with so many replicas, that this manager set.
fn target(version: u64, replicas: u32, owner: &str) -> Target {
    Target {
        uid: "deployment".into(),
        version,
        replicas,
        ready: replicas,
        rollout: false,
        owners: vec![owner.into()],
        selector: "app=mail".into(),
    }
}

/// A pool that has written 5 replicas, which led to version 10.
fn holding() -> Entry {
    let mut entry = mail();
    entry.look(&target(9, 1, "kubectl"), true, SECOND);
    (entry.hold.intended, entry.hold.version) = (Some(5), 10);
    entry
}

#[test]
fn replicas_that_are_not_ours_yet_are_written_even_if_the_number_is_right() {
    let mut entry = mail();
    let seen = target(3, 5, "kubectl");
    entry.look(&seen, true, SECOND);
    assert_eq!(entry.replicas(&seen), 5);
    assert!(entry.must_write(5));
    assert_eq!(entry.hold.overwritten, None, "adoption is no fight");
}

#[test]
fn replicas_that_are_ours_are_written_only_for_another_number() {
    let mut entry = mail();
    entry.look(&target(3, 5, MANAGER), true, SECOND);
    assert!(!entry.must_write(5));
    assert!(entry.must_write(6));
}

#[test]
fn what_was_seen_before_our_write_is_no_news() {
    let mut entry = holding();
    let old = target(9, 1, "kubectl");
    entry.look(&old, true, SECOND);
    assert_eq!(entry.hold.overwritten, None);
    assert_eq!(entry.replicas(&old), 5, "what we wrote counts");
    assert!(!entry.must_write(5));
}

#[test]
fn a_foreign_change_is_put_back_and_counted_once() {
    let mut entry = holding();
    let foreign = target(11, 2, "kubectl");
    for _ in 0..3 {
        entry.look(&foreign, true, SECOND);
    }
    assert_eq!(entry.hold.overwritten, Some(("kubectl".into(), 2)));
    assert_eq!(entry.hold.fights.len(), 1);
    assert_eq!(entry.replicas(&foreign), 5, "the decision starts from what we wrote");
    assert!(entry.must_write(5), "the same number must be written again");
}

#[test]
fn replicas_that_nobody_owns_were_taken_too() {
    let mut entry = holding();
    let dropped = Target {
        owners: vec![],
        ..target(11, 1, "")
    };
    entry.look(&dropped, true, SECOND);
    assert_eq!(entry.hold.overwritten, Some(("unknown".into(), 1)));
}

#[test]
fn another_deployment_of_the_same_name_starts_anew() {
    let mut entry = holding();
    let new = Target {
        uid: "another".into(),
        ..target(3, 1, "kubectl")
    };
    entry.look(&new, true, SECOND);
    assert_eq!((entry.hold.intended, entry.hold.version), (None, 0));
    assert_eq!(entry.replicas(&new), 1);
}

#[test]
fn a_pool_that_does_not_act_holds_nothing() {
    let mut entry = holding();
    let foreign = target(11, 2, "kubectl");
    entry.look(&foreign, false, SECOND);
    assert_eq!((entry.hold.intended, entry.hold.fights.len()), (None, 0));
    assert_eq!(entry.replicas(&foreign), 2);
}

#[test]
fn three_fights_in_ten_minutes_are_a_conflict_until_they_are_old() {
    let mut entry = mail();
    let fight = |entry: &mut Entry, at: u64, by: &str| {
        entry.hold.fights.push_back((Duration::from_secs(at), by.into()));
        entry.fought_by(Duration::from_secs(at))
    };
    assert_eq!(fight(&mut entry, 0, "a"), None);
    assert_eq!(fight(&mut entry, 300, "b"), None);
    assert_eq!(fight(&mut entry, 600, "c"), Some("c".into()));
    assert_eq!(entry.fought_by(Duration::from_secs(601)), None);
}

#[test]
fn fights_without_end_take_no_memory_without_end() {
    let mut entry = mail();
    for _ in 0..1000 {
        entry.hold.fights.push_back((SECOND, "a".into()));
        entry.fought_by(SECOND);
    }
    assert!(entry.hold.fights.len() <= 16);
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
