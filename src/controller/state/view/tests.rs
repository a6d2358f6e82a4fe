use std::time::Duration;

use super::*;
use crate::{
    controller::state::{PoolInput, tests::Alone},
    model::{PodIntent, SampleError, Work, WorkerReport},
    view::State,
};

/// A pool that works, with its view if it is on.
fn alone(on: bool, tally: Tally) -> Alone {
    let mut alone = Alone::new(3);
    if on {
        alone.state.view = Some(Box::new(crate::view::PoolView::new(&alone.state.identity.key)));
    }
    alone.on(PoolInput::Wake, 100);
    let address = crate::broker::url::addresses(
        "redis://:geheim@redis.shop:6379/0",
        crate::model::UrlDialect::Kombu,
        false,
    );
    alone.resolved(address.unwrap().into_iter().map(std::sync::Arc::new).collect(), 100);
    alone.sample(Ok(tally), 101);
    alone
}

fn report(running: u32) -> PodReport {
    PodReport {
        running,
        live: true,
        fresh: true,
        ..PodReport::default()
    }
}

fn at(second: u64) -> Now {
    Now {
        wall: jiff::Timestamp::UNIX_EPOCH,
        moment: Duration::from_secs(second),
    }
}

fn busy() -> Tally {
    let asked = WorkerReport {
        reserved: 2,
        ..WorkerReport::default()
    };
    let reports = [
        ("a", report(4)),
        (
            "b",
            PodReport {
                report: Some(asked),
                ..report(0)
            },
        ),
        ("c", report(0)),
        (
            "d",
            PodReport {
                live: false,
                silent: Some(Duration::from_secs(70)),
                ..report(0)
            },
        ),
    ];
    Tally {
        work: Work {
            ready: 40,
            in_flight: 6,
            running: 4,
            ..Work::default()
        },
        workers_heard: true,
        pods: reports.map(|(name, report)| (name.to_owned(), report)).into(),
        ..Tally::default()
    }
}

#[test]
fn where_it_is_off_nothing_is_kept() {
    let alone = alone(false, busy());
    assert!(alone.state.view.is_none() && alone.state.whole(None, at(101)).is_none());
    assert_eq!(size_of_val(&alone.state.view), size_of::<usize>());
}

#[test]
fn what_is_told_is_shown() {
    let alone = alone(true, busy());
    let whole = alone.state.whole(None, at(101)).unwrap();
    let text = serde_json::to_string(&whole.json()).unwrap();
    let pool: types::OnePool = serde_json::from_str(&text).unwrap();
    let pool = pool.pool;
    assert!(pool.state < State::Idle, "{:?}", pool.state);
    assert_eq!(pool.work.as_ref().map(|work| work.waiting), Some(40));
    assert!(
        pool.candidates.iter().filter(|one| one.chosen).count() == 1,
        "{:?}",
        pool.candidates
    );
    assert_eq!(pool.broker.map(|broker| broker.host).as_deref(), Some("redis.shop"));
    assert_eq!(pool.framework, "Celery");
    let detail = pool.detail.unwrap();
    assert!(!detail.decisions.is_empty() && detail.decisions[0].to == pool.replicas.wanted.unwrap());
    assert_eq!(detail.history.waiting.last(), Some(&Some(40)));
    assert!(!text.contains("geheim"), "no credential");
}

/// Each second a task arrives, and each ten seconds one is taken on.
#[test]
fn arrivals_are_shown_and_not_known_while_the_broker_cannot_be_read() {
    let counted = |second: u64| Tally {
        work: Work {
            ready: 40 + (second - 101) - (second - 101) / 10,
            ..busy().work
        },
        processed: Some(second / 10),
        ..busy()
    };
    let mut alone = alone(true, counted(101));
    for second in 102..=240 {
        // The last count before was at 152 s.
        let lost = (153..=160).contains(&second);
        alone.sample(
            if lost {
                Err(SampleError::Timeout)
            } else {
                Ok(counted(second))
            },
            second,
        );
    }
    let whole = alone.state.whole(None, at(240)).unwrap();
    let arrived = whole.json().pool.detail.unwrap().history.arrived;
    // The points begin at 90, 120, 150, 180, 210, and 240 s.
    let whole_points: Vec<_> = arrived[..5].to_vec();
    let [first, second, lost, fourth, fifth] = whole_points[..] else {
        panic!()
    };
    assert_eq!((first, lost), (None, None));
    for known in [second, fourth, fifth] {
        assert!((28..=32).contains(&known.unwrap()), "{arrived:?}");
    }
}

#[test]
fn each_pod_in_one_word() {
    let mut alone = alone(true, busy());
    let listed = ["a", "b", "c", "d", "e", "f"].map(|pod| (pod.to_owned(), pod != "f"));
    alone.state.roster.listed(listed.into(), Duration::from_secs(101));
    let intent = PodIntent {
        intent: Intent::Cordon(BTreeMap::new()),
        since: Duration::ZERO,
    };
    let starts = |ready| {
        let target = alone.state.target().unwrap();
        let mut target = alone.targets.get(&target).unwrap().clone();
        target.ready = ready;
        alone.state.pods(Some(&target))
    };
    let words = |pods: &[PodSeen]| pods.iter().map(|pod| (pod.name.clone(), pod.state)).collect::<Vec<_>>();
    use PodState::*;
    let expected = [
        ("d", Silent),
        ("e", Silent),
        ("a", Busy),
        ("b", Reserved),
        ("f", Starting),
        ("c", Idle),
    ];
    assert_eq!(
        words(&starts(2)),
        expected.map(|(name, state)| (name.to_owned(), state))
    );
    assert!(
        words(&starts(3)).iter().all(|(_, state)| *state != Starting),
        "all are ready by now"
    );
    let silent = starts(2).remove(0);
    assert_eq!(
        (silent.running, silent.since),
        (None, Some(Duration::from_secs(70))),
        "not zero: unknown"
    );
    alone.state.drain.intents = [("a".to_owned(), intent)].into();
    let draining = alone.state.pods(None).into_iter().find(|pod| pod.name == "a").unwrap();
    assert_eq!((draining.state, draining.running), (Draining, Some(4)));
}
