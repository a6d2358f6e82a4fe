use super::*;
use crate::{
    controller::ownership::tests::target,
    kube::{Key, MANAGER},
    model::{PodReport, Work},
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
pub fn pool_state(id: PoolId, name: &str, target: &str, created: i64) -> PoolState {
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
        ..pool()
    };
    PoolState::new(id, identity, Ok(pool), None)
}

/// One pool, alone with its target, that ours is already: what happens to it, at which second.
pub struct Alone {
    pub state: PoolState,
    pub targets: Targets,
    turns: Turns,
}

impl Alone {
    /// Pool with this number of replicas, all ready.
    pub fn new(replicas: u32) -> Self {
        let mut targets = Targets::default();
        let state = mail();
        targets.insert(state.target().unwrap(), target(1, replicas, MANAGER));
        Self {
            state,
            targets,
            turns: Turns::default(),
        }
    }

    pub fn on(&mut self, input: PoolInput, second: u64) -> Vec<PoolEffect> {
        let mut shared = Shared {
            targets: &self.targets,
            older: None,
            uncordons: false,
            queue: None,
            turns: &mut self.turns,
        };
        self.state.on(input, &mut shared, at(second))
    }

    /// What is being read leads there.
    pub fn resolved(&mut self, addresses: Vec<Arc<Address>>, second: u64) -> Vec<PoolEffect> {
        let asked = self.state.tasks.resolving.expect("a question");
        self.on(PoolInput::Done(Done::Resolved(asked, Ok(addresses))), second)
    }

    pub fn sample(&mut self, result: Result<Tally, SampleError>, second: u64) -> Vec<PoolEffect> {
        let sampled = Sampled {
            id: self.state.id,
            result: result.map(Arc::new),
            at: at(second).moment,
            took: Duration::ZERO,
            rest: Duration::ZERO,
        };
        self.on(PoolInput::Sampled(sampled), second)
    }
}

fn at(second: u64) -> Now {
    Now {
        wall: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        moment: Duration::from_secs(second),
    }
}

fn mail() -> PoolState {
    pool_state(1, "mail", "mail-worker", 0)
}

#[test]
fn a_reading_ages_and_unknown_is_not_zero() {
    let mut state = mail();
    let pool = pool();
    assert_eq!(
        state.reading(&pool, SECOND),
        Reading::Unknown {
            why: SampleError::NotYet
        }
    );
    state.samples.failing = Some((SampleError::Dns, SECOND));
    assert_eq!(state.reading(&pool, SECOND), Reading::Unknown { why: SampleError::Dns });

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
    state.samples.last = Some((tally, at));
    let stale_after = pool.policy.stale_after();
    assert_eq!(state.reading(&pool, SECOND + stale_after), Reading::Fresh(work.clone()));
    let age = stale_after + Duration::from_millis(1);
    assert_eq!(
        state.reading(&pool, SECOND + age),
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
    let mut state = mail();
    let at = Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: SECOND,
    };
    state.samples.last = Some((Arc::new(Tally::default()), at));
    state.samples.rest = Duration::from_secs(9);
    let limit = SECOND + pool.policy.stale_after() + state.samples.rest;
    assert!(matches!(state.reading(&pool, limit), Reading::Fresh(_)));
    assert!(matches!(
        state.reading(&pool, limit + Duration::from_millis(1)),
        Reading::Stale { .. }
    ));
}

fn running((name, running): (&str, u32)) -> (String, PodReport) {
    let pod = PodReport {
        running,
        ..PodReport::default()
    };
    (name.to_owned(), pod)
}

#[test]
fn an_observation_counts_busy_pods_and_the_time_to_the_next_task() {
    let mut state = mail();
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
    state.samples.last = Some((tally(due(130)), now));
    let seen = state.observe(&pool(), &target(1, 4, MANAGER), now);
    assert_eq!((seen.busy_pods, seen.workers_heard, seen.processed), (2, true, Some(9)));
    assert!(!seen.reports_often, "no pod tells");
    assert_eq!((seen.replicas, seen.ready), (4, 4));
    assert_eq!((seen.now, seen.wall), (SECOND, due(100)));
    assert_eq!(seen.next_due_in, Some(Duration::from_secs(30)));
    // Nobody of the four ready pods has been heard but these.
    let mut heard = (*tally(due(50))).clone();
    heard.pods.values_mut().take(1).for_each(|pod| pod.live = true);
    state.samples.last = Some((Arc::new(heard), now));
    let mut graceful = pool();
    graceful.graceful = Some(SECOND);
    let silent = |state: &PoolState, pool: &Pool| state.observe(pool, &target(1, 4, MANAGER), now).silent_pods;
    assert_eq!((silent(&state, &pool()), silent(&state, &graceful)), (3, 0));
    state.drain.overstayed = Some("a".into());
    assert_eq!(silent(&state, &graceful), 3, "the user's word did not hold");
    state.samples.last = Some((tally(due(50)), now));
    let overdue = state.observe(&pool(), &target(1, 4, MANAGER), now);
    assert_eq!(overdue.next_due_in, Some(Duration::ZERO));
}

#[test]
fn backing_off_doubles_ends_and_spreads() {
    let most = Duration::from_secs(30);
    let wait = |failures: u32, id| {
        let mut backoff = Backoff::default();
        let pauses = (0..=failures.min(99)).map(|_| backoff.failed(SECOND, most));
        scattered(pauses.last().unwrap(), id)
    };
    assert_eq!([wait(0, 0), wait(1, 0), wait(2, 0)], [SECOND, SECOND * 2, SECOND * 4]);
    assert_eq!([wait(5, 0), wait(u32::MAX, 0)], [most, most]);
    let waits: Vec<_> = (0..100).map(|id| wait(3, id)).collect();
    assert!(waits.iter().all(|wait| (SECOND * 8..=SECOND * 10).contains(wait)));
    let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
    assert!(distinct.len() > 50, "{} different waits", distinct.len());
}

#[test]
fn a_status_that_cannot_be_written_is_tried_less_and_less_often() {
    let mut said = StatusThrottle::default();
    assert_eq!(
        said.wait(SECOND, SECOND * 100, 0),
        Duration::ZERO,
        "the first is due at once"
    );
    said.at = Some(SECOND * 100);
    let mut waits = Vec::new();
    for failures in [0, 1, 2, 3, 50] {
        said.backoff.succeeded();
        for _ in 0..failures {
            said.backoff.failed(FIRST, MOST);
        }
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
    let mut state = mail();
    let at = |second| Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: SECOND * second,
    };
    let idle = |at| {
        let work = PodReport {
            live: true,
            fresh: true,
            ..PodReport::default()
        };
        (format!("pod-{at}"), work)
    };
    let tally = Arc::new(Tally {
        pods: (0..4).map(idle).collect(),
        workers_heard: true,
        ..Tally::default()
    });
    let replicas_at = |state: &mut PoolState, second| {
        state.samples.last = Some((tally.clone(), at(second)));
        let seen = state.observe(&pool, &target, at(second));
        let memory = std::mem::take(&mut state.memory);
        let (memory, decision) = crate::scaling::decide(&pool.policy, memory, &seen);
        state.memory = memory;
        let replicas = decision.replicas;
        state.decision = Some((seen, decision));
        replicas
    };
    for second in 0..40 {
        assert_eq!(replicas_at(&mut state, second), 4, "second {second}");
    }
    state.begin_anew();
    for second in 40..80 {
        assert_eq!(replicas_at(&mut state, second), 4, "second {second} at the new source");
    }
    assert!(replicas_at(&mut state, 90) < 4);
}
