use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    api::{QueueStatus, Status},
    broker::url,
    controller::{
        input::PoolSeen,
        ownership::tests::target,
        pool::{Text, UrlSource},
        state::{PoolInput, tests::Alone},
    },
    framework::registry::row,
    model::{PodReport, QueueTally, Work},
    scaling::Rule,
};

/// A pool of this many replicas that leaves the names of its queues to its workers, linked to its broker; what the sampler
/// was given first.
fn told(replicas: u32, stored: Option<Status>) -> (Alone, Vec<PoolEffect>) {
    let mut alone = Alone::new(replicas);
    leave_to_workers(alone.state.pool.as_mut().unwrap());
    alone.state.learned = LearnedQueues::remembered(stored.as_ref());
    alone.state.stored = stored;
    alone.on(PoolInput::Wake, 0);
    let addresses = url::all("redis://redis").unwrap().into_iter().map(Arc::new).collect();
    let effects = alone.resolved(addresses, 0);
    (alone, effects)
}

fn leave_to_workers(pool: &mut Pool) {
    (pool.app.told, pool.app.queues) = (true, Vec::new());
}

/// Count of these queues, while these pods fetch from these.
fn tally(queues: &[(&str, u64)], pods: &[(&str, &[&str])]) -> Tally {
    let live = PodReport {
        live: true,
        fresh: true,
        ..PodReport::default()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let waiting = |(queue, ready): &(&str, u64)| QueueTally {
        ready: *ready,
        ..QueueTally::none(*queue)
    };
    Tally {
        work: Work {
            ready: queues.iter().map(|(_, ready)| ready).sum(),
            ..Work::default()
        },
        queues: queues.iter().map(waiting).collect(),
        pods: pods.iter().map(|(pod, _)| ((*pod).to_owned(), live.clone())).collect(),
        fetches: pods
            .iter()
            .map(|(pod, names)| ((*pod).to_owned(), Arc::new(set(names))))
            .collect(),
        workers_heard: !pods.is_empty(),
        ..Tally::default()
    }
}

/// Queues that the sampler is to count from now on, if it was told.
fn counts(effects: &[PoolEffect]) -> Option<Vec<String>> {
    effects.iter().find_map(|effect| match effect {
        PoolEffect::Tell {
            subscription: SamplerInput::Queues { queues, .. },
            ..
        } => Some(queues.clone()),
        _ => None,
    })
}

/// Replicas that are written.
fn writes(effects: &[PoolEffect]) -> Vec<u32> {
    let write = |effect: &PoolEffect| match effect {
        PoolEffect::Scale(job) => Some(job.to),
        _ => None,
    };
    effects.iter().filter_map(write).collect()
}

fn decided(alone: &Alone) -> (u32, Rule) {
    let (_, decision) = alone.state.decision.as_ref().unwrap();
    (decision.replicas, decision.rule)
}

#[test]
fn before_a_worker_has_named_a_queue_the_replicas_stay() {
    let (mut alone, _) = told(3, None);
    for second in [1, 100, 500] {
        let effects = alone.sample(Ok(tally(&[], &[])), second);
        assert_eq!((counts(&effects), writes(&effects)), (None, vec![]));
        assert_eq!(
            decided(&alone),
            (3, Rule::Unknown),
            "that nothing is counted is no sign of no work"
        );
        let numbers = effects.iter().find_map(|effect| match effect {
            PoolEffect::Numbers(_, numbers) => Some((numbers.in_flight, numbers.source_up)),
            _ => None,
        });
        assert_eq!(numbers, Some((None, Some(true))), "nor is it one in the metrics");
    }
}

#[test]
fn the_sampler_counts_what_the_workers_name_and_goes_on_without_a_new_beginning() {
    let (mut alone, _) = told(1, None);
    alone.sample(Ok(tally(&[], &[])), 1);
    let effects = alone.sample(Ok(tally(&[], &[("p-1", &["b", "a"])])), 2);
    assert_eq!(counts(&effects), Some(vec!["a".into(), "b".into()]));
    assert_eq!(decided(&alone), (1, Rule::Unknown), "they have not been counted");
    let two: &[(&str, &[&str])] = &[("p-1", &["b", "a"])];
    let effects = alone.sample(Ok(tally(&[("a", 0), ("b", 7)], two)), 3);
    assert_eq!(counts(&effects), None);
    assert!(!matches!(decided(&alone).1, Rule::Unknown));
    let effects = alone.sample(Ok(tally(&[("a", 0), ("b", 7)], &[("p-1", &["a", "b", "c"])])), 4);
    assert_eq!(counts(&effects), Some(vec!["a".into(), "b".into(), "c".into()]));
    let goes_on = |effect: &PoolEffect| !matches!(effect, PoolEffect::Leave(_) | PoolEffect::Sample { .. });
    assert!(effects.iter().all(goes_on));
    assert!(alone.state.samples.last.is_some());
}

#[test]
fn a_queue_that_no_worker_names_any_more_is_counted_for_a_minute() {
    let (mut alone, _) = told(1, None);
    alone.sample(Ok(tally(&[], &[("p-1", &["a", "b"])])), 1);
    let fewer = || Ok(tally(&[("a", 1), ("b", 0)], &[("p-1", &["a"])]));
    let changed: Vec<_> = (2..70)
        .filter(|second| counts(&alone.sample(fewer(), *second)).is_some())
        .collect();
    assert_eq!(changed, [62]);
    // What workers say that an earlier process may have told to stop is no evidence.
    alone.sample(Ok(tally(&[("a", 1)], &[("p-1", &["a", "b"])])), 70);
    alone.state.drain.left = true;
    assert!((71..300).all(|second| counts(&alone.sample(fewer(), second)).is_none()));
}

#[test]
fn a_new_process_counts_what_the_status_names_before_it_hears_a_worker() {
    let queue = |name: &str| QueueStatus {
        name: name.to_owned(),
        ..QueueStatus::default()
    };
    let stored = Status {
        queues: vec![queue("a"), queue("b c")],
        ..Status::default()
    };
    let (mut alone, effects) = told(0, Some(stored.clone()));
    let pool = alone.state.pool.clone().unwrap();
    assert_eq!(alone.state.queues(&pool), ["a", "b c"]);
    assert!(effects.iter().any(|effect| matches!(effect, PoolEffect::Sample { .. })));
    alone.sample(Ok(tally(&[("a", 0), ("b c", 5)], &[])), 1);
    assert!(decided(&alone).0 > 0, "what waits there starts workers");
    let seen = PoolState::new(9, alone.state.identity.clone(), Ok(pool), Some(stored.clone()));
    assert_eq!(seen.learned.names().len(), 2);
    let named = Alone::new(0).state;
    let named = PoolState::new(9, named.identity, named.pool, Some(stored));
    assert!(named.learned.names().is_empty(), "the pool names them itself");
}

/// A worker can only name its queues once somebody has started it.
#[test]
fn who_starts_a_worker_before_any_queue_is_known_is_let_do_so() {
    let (mut alone, _) = told(0, None);
    let key = alone.state.target().unwrap();
    alone.sample(Ok(tally(&[], &[])), 1);
    alone.targets.insert(key.clone(), target(2, 1, "kubectl"));
    let effects = alone.on(PoolInput::Wake, 2);
    assert_eq!(decided(&alone), (1, Rule::Unknown));
    assert_eq!(writes(&effects), [1], "it is taken over as it is");
    assert!(alone.state.ownership.conflicts.is_empty());
    // Once they are known, the pool decides.
    let (mut alone, _) = told(0, None);
    alone
        .state
        .learned
        .learn(&tally(&[], &[("p-1", &["a"])]), false, Duration::ZERO);
    alone.sample(Ok(tally(&[("a", 0)], &[])), 1);
    alone.targets.insert(key, target(2, 1, "kubectl"));
    alone.on(PoolInput::Wake, 2);
    assert_eq!(alone.state.ownership.overwritten, Some(("kubectl".to_owned(), 1)));
}

#[test]
fn other_workers_are_asked_anew_and_the_same_ones_are_not() {
    let after = |change: fn(&mut Pool)| {
        let (mut alone, _) = told(1, None);
        alone.sample(Ok(tally(&[], &[("p-1", &["a"])])), 1);
        let mut pool = alone.state.pool.clone().unwrap();
        change(&mut pool);
        let seen = PoolSeen {
            identity: alone.state.identity.clone(),
            pool: Ok(pool),
            status: None,
        };
        alone.on(PoolInput::Spec(Box::new(seen)), 2);
        alone.state.learned.names().len()
    };
    assert_eq!(after(|pool| pool.policy.max = 99), 1);
    assert_eq!(
        after(|pool| pool.source.url = UrlSource::Whole(Text::Plain("redis://new".into()))),
        1
    );
    assert_eq!(after(|pool| pool.target = "other".into()), 0);
    assert_eq!(after(|pool| pool.app.framework = row("RQ")), 0);
    assert_eq!(
        after(|pool| (pool.app.told, pool.app.queues) = (false, vec!["x".into()])),
        0
    );
}

#[test]
fn a_pool_that_leaves_the_names_to_its_workers_begins_with_its_own() {
    let mut alone = Alone::new(0);
    alone.state.stored = Some(Status {
        queues: vec![QueueStatus {
            name: "mail".into(),
            ..QueueStatus::default()
        }],
        ..Status::default()
    });
    let mut pool = alone.state.pool.clone().unwrap();
    leave_to_workers(&mut pool);
    let seen = PoolSeen {
        identity: alone.state.identity.clone(),
        pool: Ok(pool),
        status: None,
    };
    alone.on(PoolInput::Spec(Box::new(seen)), 1);
    assert_eq!(alone.state.learned.names().iter().collect::<Vec<_>>(), ["mail"]);
}
