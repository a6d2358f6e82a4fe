//! What single inputs lead to: faults that were found in the controller before it was a state machine.
use std::sync::Arc;

use serde_json::json;

use super::super::*;
use crate::{
    broker::{Sampled, SamplerInput, url},
    controller::{
        effect::{Job, Outcome, ScaleOutcome},
        fixture,
        input::Done,
        ownership::Change,
    },
    drain::Plan,
    model::{DrainSupport, Intent, PodIntent, PodReport, Tally, Work},
};

/// A fleet with pools, each with a broker and three workers of its own name.
pub(super) struct Bench {
    pub(super) fleet: Fleet,
    pub(super) second: u64,
}

impl Bench {
    pub(super) fn new(pools: &[&str]) -> Self {
        let mut bench = Self {
            fleet: Fleet::leading([None]),
            second: 100,
        };
        for name in pools {
            bench.on(fixture::target(name, 3, 1));
        }
        bench.on(fixture::listed(pools));
        for name in pools {
            bench.on(fixture::pool(name, &spec(name)));
            bench.answers(name);
        }
        bench
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: jiff::Timestamp::from_second(i64::try_from(self.second).unwrap()).unwrap(),
            moment: Duration::from_secs(self.second),
        }
    }

    pub(super) fn on(&mut self, input: Input) -> Vec<Effect> {
        let now = self.now();
        self.fleet.on(input, now)
    }

    pub(super) fn id(&self, name: &str) -> PoolId {
        self.fleet.pools.id(&fixture::key(name)).unwrap()
    }

    /// Sample with this number of waiting tasks, and three idle workers.
    pub(super) fn sample(&mut self, name: &str, waiting: u64) -> Vec<Effect> {
        self.sample_of(name, waiting, [0; 3])
    }

    /// Sample with this number of waiting tasks, and three workers with these running tasks.
    pub(super) fn sample_of(&mut self, name: &str, waiting: u64, running: [u32; 3]) -> Vec<Effect> {
        let work = |number: usize| {
            let work = PodReport {
                live: true,
                fresh: true,
                tells: true,
                running: running[number],
                ..PodReport::default()
            };
            (format!("{name}-{number}"), work)
        };
        let tally = Tally {
            work: Work {
                ready: waiting,
                ..Work::default()
            },
            pods: (0..3).map(work).collect(),
            workers_heard: true,
            slots: Some(1),
            processed: Some(7),
            drain: DrainSupport::StopFetching,
            ..Tally::default()
        };
        let sampled = Sampled {
            id: self.id(name),
            result: Ok(Arc::new(tally)),
            at: self.now().moment,
            took: Duration::ZERO,
            rest: Duration::ZERO,
        };
        self.on(Input::Sampled(sampled))
    }

    /// Sample without waiting tasks, and three workers with these running tasks; the references are read where that is
    /// asked for.
    pub(super) fn idle_of(&mut self, name: &str, running: [u32; 3]) -> Vec<Effect> {
        let effects = self.sample_of(name, 0, running);
        self.resolved(name, effects)
    }

    /// These effects and, where one of them is to read the references, what follows from those.
    pub(super) fn resolved(&mut self, name: &str, mut effects: Vec<Effect>) -> Vec<Effect> {
        if has(&effects, |effect| matches!(effect, PoolEffect::Resolve { .. })) {
            effects.extend(self.answers(name));
        }
        effects
    }

    /// Idle until fewer replicas are wanted: that job.
    pub(super) fn until_down(&mut self, name: &str) -> Job {
        for _ in 0..300 {
            self.second += 1;
            let effects = self.idle_of(name, [0; 3]);
            if let Some(job) = jobs(&effects).pop() {
                assert!(job.to < job.from, "{job:?}");
                return job;
            }
        }
        panic!("it never goes down");
    }

    pub(super) fn ended(&mut self, name: &str, replicas: ScaleOutcome, plan: Option<Plan>) -> Vec<Effect> {
        let id = self.id(name);
        let asked = self.fleet.pools.get(id).unwrap().tasks.writing.unwrap_or_default();
        self.on(Input::Done(
            id,
            Done::Scaled(asked, Box::new(Outcome { replicas, plan })),
        ))
    }

    /// The references that are being read lead to a broker.
    pub(super) fn answers(&mut self, name: &str) -> Vec<Effect> {
        let id = self.id(name);
        let addresses = url::all("redis://redis").unwrap().into_iter().map(Arc::new).collect();
        let asked = self.fleet.pools.get(id).and_then(|state| state.tasks.resolving);
        let Some(asked) = asked else { return Vec::new() };
        self.on(Input::Done(id, Done::Resolved(asked, Ok(addresses))))
    }
}

pub(super) fn spec(target: &str) -> serde_json::Value {
    json!({"targetRef": {"name": target}, "broker": {"urlFrom": {"secretKeyRef": {"name": "env", "key": "url"}}},
        "target": {"backlogPerReplica": 10}, "maxReplicas": 50, "profile": "Responsive", "scaleDown": {"idleSeconds": 5}})
}

pub(super) fn jobs(effects: &[Effect]) -> Vec<Job> {
    let job = |effect: &Effect| match effect {
        Effect::Pool(_, PoolEffect::Scale(job)) => Some((**job).clone()),
        _ => None,
    };
    effects.iter().filter_map(job).collect()
}

pub(super) fn has(effects: &[Effect], what: impl Fn(&PoolEffect) -> bool) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Pool(_, effect) if what(effect)))
}

#[test]
fn looks_that_fail_do_not_hold_up_a_rise() {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    for _ in 0..8 {
        let failed = ScaleOutcome::Unseen(CallError::Refused { code: 403 });
        bench.ended("mail", failed, None);
        bench.second += 60;
        bench.sample("mail", 0);
    }
    bench.ended("mail", ScaleOutcome::Unseen(CallError::Timeout), None);
    let effects = bench.sample("mail", 300);
    assert_eq!(jobs(&effects).first().map(|job| job.to), Some(30), "{effects:?}");
}

#[test]
fn a_rise_does_not_wait_for_a_look_that_is_under_way() {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    let effects = bench.sample("mail", 300);
    assert!(has(&effects, |effect| matches!(effect, PoolEffect::AbortScale)));
    assert_eq!(jobs(&effects).first().map(|job| job.to), Some(30), "{effects:?}");
    assert!(jobs(&bench.sample("mail", 310)).is_empty(), "one write at a time");
}

#[test]
fn pods_that_a_process_before_left_on_their_way_out_are_looked_after() {
    for known_before in [true, false] {
        let mut bench = Bench {
            fleet: Fleet::leading([None]),
            second: 100,
        };
        let left = || Input::Draining([fixture::key("mail")].into());
        bench.on(fixture::target("mail", 3, 1));
        bench.on(fixture::listed(&["mail"]));
        if known_before {
            bench.on(left());
        }
        bench.on(fixture::pool("mail", &spec("mail")));
        if !known_before {
            bench.on(left());
        }
        let mut effects = bench.answers("mail");
        effects.extend(bench.sample("mail", 30));
        let looks = jobs(&effects);
        assert!(looks.iter().any(|job| job.unfinished), "{known_before}: {looks:?}");
        // And whoever needs workers does not wait for that.
        let effects = bench.sample("mail", 300);
        assert!(has(&effects, |effect| matches!(effect, PoolEffect::AbortScale)));
        assert_eq!(
            jobs(&effects).first().map(|job| (job.to, job.unfinished)),
            Some((30, true))
        );
    }
}

/// One pod was told to stop.
pub(super) fn stopping(name: &str) -> Plan {
    let stop = Intent::Cordon([(format!("celery@{name}-0"), ["celery".to_owned()].into())].into());
    Plan {
        intents: [(format!("{name}-0"), stop)].into(),
        unfinished: true,
        ..Plan::default()
    }
}

#[test]
fn workers_that_were_told_to_stop_are_given_back_where_the_pool_leaves_them() {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
    let mut moved = spec("mail");
    moved["broker"] = json!({"url": "redis://other"});
    let Input::Pool(mut seen) = fixture::pool("mail", &moved) else {
        panic!("a pool");
    };
    seen.identity.generation = 2;
    let effects = bench.on(Input::Pool(seen));
    let there = |effect: &PoolEffect| {
        matches!(effect, PoolEffect::Uncordon(left) if left.only_told && left.selector == "app=mail"
            && left.stopped.contains_key("mail-0") && left.address.as_ref().is_some_and(|address| address.host == "redis"))
    };
    assert!(has(&effects, there), "{effects:?}");
    let id = bench.id("mail");
    assert!(
        bench.fleet.pools.get(id).unwrap().drain.left,
        "their marks are looked for"
    );
}

#[test]
fn what_comes_of_a_job_for_the_old_target_says_nothing_of_the_new_one() {
    let mut bench = Bench::new(&["mail"]);
    bench.on(fixture::target("other", 3, 1));
    bench.sample("mail", 300);
    let id = bench.id("mail");
    let state = bench.fleet.pools.get_mut(id).unwrap();
    let asked = state.tasks.writing.unwrap();
    state.disruption.written = Some(["mail-0".to_owned()].into());
    let Input::Pool(mut seen) = fixture::pool("mail", &spec("other")) else {
        panic!("a pool");
    };
    seen.identity.generation = 2;
    let mut effects = bench.on(Input::Pool(seen));
    assert!(has(&effects, |effect| matches!(effect, PoolEffect::AbortScale)));
    let unprotected =
        |effect: &PoolEffect| matches!(effect, PoolEffect::Unprotect { selector, .. } if selector == "app=mail");
    assert!(has(&effects, unprotected), "{effects:?}");
    effects.extend(bench.answers("mail"));
    effects.extend(bench.sample("mail", 300));
    let job = jobs(&effects).pop().unwrap_or_else(|| panic!("{effects:?}"));
    assert_eq!(job.target, fixture::target_key("other"));
    let change = Change {
        from: 3,
        to: 30,
        kept: 0,
    };
    let written = ScaleOutcome::Written { change, version: 99 };
    let outcome = Outcome {
        replicas: written,
        plan: None,
    };
    bench.on(Input::Done(id, Done::Scaled(asked, Box::new(outcome))));
    let state = bench.fleet.pools.get(id).unwrap();
    assert_eq!(state.tasks.writing, Some(job.asked), "the new job is under way still");
    assert_eq!(state.last_scale, None);
}

#[test]
fn the_old_targets_workers_are_given_back_whatever_becomes_of_the_new_one() {
    let mut bench = Bench::new(&["mail"]);
    bench.on(fixture::target("other", 3, 1));
    bench.until_down("mail");
    bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
    let Input::Pool(mut seen) = fixture::pool("mail", &spec("other")) else {
        panic!("a pool");
    };
    seen.identity.generation = 2;
    let mut effects = bench.on(Input::Pool(seen));
    for _ in 0..30 {
        bench.second += 1;
        effects.extend(bench.sample("mail", 100));
    }
    let given_back =
        |effect: &PoolEffect| matches!(effect, PoolEffect::Uncordon(pods) if pods.pool.target == "mail".into());
    assert!(has(&effects, given_back), "{effects:?}");
    assert!(!has(&effects, |effect| matches!(effect, PoolEffect::AbortUncordon(_))));
}

/// A pool of the same target that is made meanwhile, under the same name or another, tells them what to do alone.
#[test]
fn workers_are_given_back_no_longer_than_until_another_pool_sees_to_them() {
    for name in ["mail", "post"] {
        let mut bench = Bench::new(&["mail"]);
        bench.until_down("mail");
        bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
        let effects = bench.on(Input::PoolGone(fixture::key("mail")));
        assert!(
            has(&effects, |effect| matches!(effect, PoolEffect::Uncordon(_))),
            "{effects:?}"
        );
        let aborts = |effect: &PoolEffect| matches!(effect, PoolEffect::AbortUncordon(target) if *target == fixture::target_key("mail"));
        let mut effects = bench.on(fixture::pool(name, &spec("mail")));
        effects = bench.resolved(name, effects);
        assert!(!has(&effects, aborts), "{name}: it can tell them nothing yet");
        let effects = bench.sample(name, 30);
        assert!(has(&effects, aborts), "{name}: {effects:?}");
        let looks = jobs(&effects);
        assert!(looks.iter().any(|job| job.unfinished), "{name}: {looks:?}");
        bench.ended(name, ScaleOutcome::None, Some(Plan::default()));
        assert!(!has(&bench.sample(name, 31), aborts), "{name}: once");
    }
}

#[test]
fn the_minimum_holds_although_nobody_shows_where_the_broker_is() {
    let mut bench = Bench::new(&[]);
    bench.on(fixture::target("mail", 0, 1));
    bench.on(fixture::listed(&["mail"]));
    let mut spec = spec("mail");
    spec["minReplicas"] = json!(2);
    let effects = bench.on(fixture::pool("mail", &spec));
    assert!(has(&effects, |effect| matches!(effect, PoolEffect::Resolve { .. })));
    assert!(jobs(&effects).is_empty(), "the broker may speak at once: {effects:?}");
    let mut woken = 0;
    let mut effects = Vec::new();
    while jobs(&effects).is_empty() {
        let due = bench.fleet.next_wake().unwrap();
        bench.second = due.as_secs() + 1;
        effects = bench.on(fixture::listed(&["mail"]));
        woken += 1;
        assert!(woken < 5, "{effects:?}");
    }
    assert_eq!(jobs(&effects)[0].to, 2);
    assert!(bench.second < 110, "{}", bench.second);
}

#[test]
fn a_standby_knows_what_there_is_and_does_nothing_until_it_leads() {
    let mut bench = Bench {
        fleet: Fleet::new([None]),
        second: 100,
    };
    let mut effects = Vec::new();
    for name in ["mail", "gone", "moved"] {
        effects.extend(bench.on(fixture::target(name, 3, 1)));
        effects.extend(bench.on(fixture::pool(name, &spec(name))));
    }
    effects.extend(bench.on(fixture::listed(&["mail", "gone", "moved"])));
    let Input::Pool(mut seen) = fixture::pool("moved", &spec("elsewhere")) else {
        unreachable!()
    };
    seen.identity.generation = 2;
    effects.extend(bench.on(Input::Pool(seen)));
    effects.extend(bench.on(Input::PoolGone(fixture::key("gone"))));
    let keys = ["mail", "moved"].map(fixture::key);
    effects.extend(bench.on(Input::PoolsListed(None, keys.to_vec())));
    bench.second += 100;
    effects.extend(bench.on(fixture::target("mail", 4, 1)));
    assert!(matches!(effects[..], [Effect::Ready]), "{effects:?}");
    assert_eq!(bench.fleet.next_wake(), None);

    let effects = bench.on(Input::Leads);
    let read: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Pool(id, PoolEffect::Resolve { pool, .. }) => Some((*id, pool.target.clone())),
            _ => None,
        })
        .collect();
    let [mail, moved] = ["mail", "moved"].map(|name| bench.id(name));
    let expected = [(mail, "mail".into()), (moved, "elsewhere".into())];
    assert_eq!(read, expected, "both at once, as they are now: {effects:?}");
}

#[test]
fn a_pool_that_is_the_younger_one_now_tells_workers_nothing_more() {
    let mut bench = Bench::new(&["mail", "old"]);
    bench.until_down("mail");
    let effects = bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
    let attends = |some: bool| {
        move |effect: &PoolEffect| {
            matches!(effect, PoolEffect::Tell { subscription: SamplerInput::Intend { intents, .. }, .. }
                if intents.is_empty() != some)
        }
    };
    assert!(has(&effects, attends(true)), "{effects:?}");
    let told: PodIntent = bench.fleet.pools.get(bench.id("mail")).unwrap().drain.intents["mail-0"].clone();
    assert!(matches!(told.intent, Intent::Cordon(_)));
    let Input::Pool(mut seen) = fixture::pool("old", &spec("mail")) else {
        panic!("a pool");
    };
    (seen.identity.generation, seen.identity.created) = (2, jiff::Timestamp::UNIX_EPOCH);
    let effects = bench.on(Input::Pool(seen));
    assert!(has(&effects, attends(false)), "{effects:?}");
}

#[test]
fn one_failed_watch_and_one_refused_namespace_keep_nobody_waiting() {
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    let ready = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Ready));
    let mut bench = Bench {
        fleet: Fleet::leading([a.clone(), b.clone()]),
        second: 0,
    };
    let refused = |scope: &Scope| Input::WatchFailed(Watched::Pools, scope.clone(), CallError::Refused { code: 403 });
    assert!(!ready(&bench.on(refused(&b))));
    assert!(ready(&bench.on(Input::PoolsListed(a.clone(), Vec::new()))));
    let mut bench = Bench {
        fleet: Fleet::leading([a.clone(), b.clone()]),
        second: 0,
    };
    assert!(!ready(&bench.on(refused(&a))));
    assert!(!ready(&bench.on(refused(&b))), "the CRD is not there");
    assert!(ready(&bench.on(Input::PoolsListed(b, Vec::new()))));
    let failed = Input::WatchFailed(Watched::Pools, a, CallError::Timeout);
    assert!(
        bench
            .on(failed)
            .iter()
            .all(|effect| matches!(effect, Effect::WatchFailed(..)))
    );
}
