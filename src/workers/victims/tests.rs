use std::{cmp::Reverse, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::workers::pod::{Drain, Readiness};

const NOW: Moment = Duration::from_secs(1000);

/// A ready pod without a cost.
fn pod(name: &str) -> Pod {
    Pod {
        name: name.into(),
        readiness: Readiness::Ready,
        ..Pod::default()
    }
}

/// A pod that has been told to stop fetching from `celery`.
fn stopped(name: &str) -> Pod {
    Pod {
        drain: Some(Drain {
            pool: "mail".into(),
            queues: ["celery".to_owned()].into(),
            ..Drain::default()
        }),
        ..pod(name)
    }
}

/// The same when it holds nothing.
fn marked(name: &str) -> Pod {
    let mut pod = stopped(name);
    pod.cost = Some(FIRST);
    pod.drain.iter_mut().for_each(|drain| drain.empty = true);
    pod
}

/// A pod whose workers beat and run so many tasks.
fn beats(running: u32) -> PodWork {
    PodWork {
        running,
        fresh: true,
        idle_since: (running == 0).then_some(NOW - Duration::from_secs(10)),
        ..PodWork::default()
    }
}

/// The same when it answered just now: it runs and has reserved so many tasks, and fetches from `celery`, or not since.
fn tells(running: u32, reserved: u32, stopped_since: Option<Moment>) -> PodWork {
    let queue = stopped_since.is_none().then(|| "celery".to_owned());
    PodWork {
        told: Some(Told {
            consumes: queue.into_iter().collect(),
            stopped_since,
            asked: NOW - Duration::from_millis(500),
            running,
            reserved,
            ..Told::default()
        }),
        ..beats(running)
    }
}

/// Long enough ago to believe it.
fn long_since() -> Option<Moment> {
    Some(NOW - Duration::from_secs(5))
}

type Work = BTreeMap<String, PodWork>;

fn work<const N: usize>(all: [(&str, PodWork); N]) -> Work {
    all.map(|(name, work)| (name.to_owned(), work)).into()
}

fn look<'a>(pods: &'a [Pod], work: &'a Work, means: Means, to: u32) -> Look<'a> {
    Look {
        pool: "mail",
        pods,
        work,
        means,
        from: u32::try_from(pods.iter().filter(|pod| !pod.terminating).count()).unwrap(),
        to,
        graceful: None,
        now: NOW,
        fresh: Duration::from_secs(3),
    }
}

fn planned(pods: &[Pod], work: &Work, to: u32) -> Plan {
    plan(&look(pods, work, Means::RemoteControl, to))
}

fn marks(plan: &Plan) -> Vec<(&str, bool, Option<i32>)> {
    let state = |mark: &Mark| mark.drain.as_ref().is_some_and(|drain| drain.empty);
    plan.marks
        .iter()
        .map(|mark| (mark.pod.as_str(), state(mark), mark.cost))
        .collect()
}

fn stop() -> Stance {
    Stance::Stop(["celery".to_owned()].into())
}

#[test]
fn a_worker_is_asked_then_told_then_awaited_then_marked_and_then_it_may_go() {
    let pods = [pod("a")];
    let asked = planned(&pods, &work([("a", beats(0))]), 0);
    assert_eq!((marks(&asked), asked.allowed), (vec![], 1));
    assert_eq!(asked.attention, [("a".to_owned(), Stance::Watch)].into());

    let told = planned(&pods, &work([("a", tells(1, 2, None))]), 0);
    assert_eq!(marks(&told), [("a", false, None)], "its queues stand on it first");
    assert_eq!(told.marks[0].drain, stopped("a").drain);
    assert_eq!((told.attention["a"].clone(), told.allowed), (stop(), 1));

    let pods = [stopped("a")];
    for held in [
        tells(1, 0, long_since()),
        tells(0, 3, long_since()),
        tells(0, 0, None),
        beats(0),
    ] {
        let awaited = planned(&pods, &work([("a", held)]), 0);
        assert_eq!((marks(&awaited), awaited.allowed), (vec![], 1));
        assert_eq!(awaited.attention["a"], stop());
    }
    let just_now = Some(NOW - Duration::from_millis(1900));
    assert_eq!(
        planned(&pods, &work([("a", tells(0, 0, just_now))]), 0).allowed,
        1,
        "a fetch may be under way"
    );

    let empty = work([("a", tells(0, 0, long_since()))]);
    assert_eq!(marks(&planned(&pods, &empty, 0)), [("a", true, Some(FIRST))]);
    let gone = planned(&[marked("a")], &empty, 0);
    assert_eq!((marks(&gone), gone.allowed), (vec![], 0));
}

#[test]
fn an_old_answer_is_no_answer() {
    let mut old = tells(0, 0, long_since());
    old.told
        .iter_mut()
        .for_each(|told| told.asked = NOW - Duration::from_millis(3001));
    let plan = planned(&[marked("a")], &work([("a", old)]), 0);
    assert_eq!(plan.allowed, 1);
    assert_eq!(
        marks(&plan),
        [("a", false, None)],
        "it is not known to be empty any more"
    );
}

#[test]
fn who_is_to_stay_is_told_to_fetch_again_and_then_left_alone() {
    let own_cost = |mut pod: Pod| {
        pod.drain.iter_mut().for_each(|drain| drain.cost = Some(7));
        pod
    };
    let pods = [own_cost(marked("a"))];
    let back = planned(&pods, &work([("a", tells(0, 0, long_since()))]), 1);
    assert_eq!(back.attention["a"], Stance::Resume(["celery".to_owned()].into()));
    assert_eq!(marks(&back), [("a", false, Some(7))], "its own cost comes back at once");
    assert!(back.unfinished);

    let mut resumed = tells(0, 0, None);
    resumed.told.iter_mut().for_each(|told| told.resumed = true);
    let mut free = own_cost(stopped("a"));
    free.cost = Some(7);
    let done = planned(&[free], &work([("a", resumed)]), 1);
    assert_eq!(
        done.marks,
        [Mark {
            pod: "a".into(),
            drain: None,
            cost: Some(7)
        }]
    );
    assert!(done.attention.is_empty());

    let left_alone = planned(&[pod("a")], &work([("a", beats(3))]), 1);
    assert_eq!(
        left_alone,
        Plan {
            allowed: 1,
            ..Plan::default()
        }
    );
}

#[test]
fn idle_ones_go_before_busy_ones_and_never_more_than_are_to_go() {
    let pods = ["a", "b", "c", "d"].map(pod);
    let seen = work([
        ("a", tells(2, 0, None)),
        ("b", tells(1, 4, None)),
        ("c", tells(1, 1, None)),
        ("d", tells(0, 0, None)),
    ]);
    for (to, chosen) in [(3, vec!["d"]), (2, vec!["d", "c"]), (1, vec!["d", "c", "b"])] {
        let plan = planned(&pods, &seen, to);
        let stopped: Vec<_> = plan.marks.iter().map(|mark| mark.pod.as_str()).collect();
        assert_eq!(stopped, chosen, "to {to}");
        assert_eq!(plan.allowed, 4);
    }
}

#[test]
fn of_idle_ones_the_longest_idle_goes_and_one_that_became_idle_takes_the_place_of_a_busy_one() {
    let mut lately = tells(0, 0, None);
    lately.idle_since = Some(NOW - Duration::from_secs(3));
    let two = work([("a", lately), ("b", tells(0, 0, None))]);
    assert_eq!(planned(&["a", "b"].map(pod), &two, 1).marks[0].pod, "b");

    let swap = planned(
        &[stopped("a"), pod("b")],
        &work([("a", tells(1, 0, long_since())), ("b", beats(0))]),
        1,
    );
    assert_eq!(swap.attention["b"], Stance::Watch);
    assert!(matches!(swap.attention["a"], Stance::Resume(_)));
    // Between two short tasks nobody is idle: the one that was begun with stays chosen.
    let mut pauses = beats(0);
    pauses.idle_since = Some(NOW - Duration::from_secs(1));
    let short = planned(
        &[stopped("a"), pod("b")],
        &work([("a", tells(1, 0, long_since())), ("b", pauses)]),
        1,
    );
    assert_eq!(short.attention["a"], stop());
}

#[test]
fn silence_is_not_idleness() {
    let silent = PodWork::default();
    for (seen, readiness, may_go) in [
        (Some(silent.clone()), Readiness::Ready, false),
        (Some(silent), Readiness::NotReady, false),
        (None, Readiness::Ready, false),
        (None, Readiness::Booting, false),
        (None, Readiness::NotReady, true),
        (None, Readiness::Down, true),
        (None, Readiness::Pending, true),
        (None, Readiness::Unassigned, true),
    ] {
        let mut other = marked("a");
        (other.readiness, other.drain) = (
            readiness,
            Some(Drain {
                pool: "mail".into(),
                empty: true,
                ..Drain::default()
            }),
        );
        let mut all = work([("b", tells(1, 0, None))]);
        all.extend(seen.clone().map(|seen| ("a".to_owned(), seen)));
        let plan = planned(&[other, pod("b")], &all, 1);
        assert_eq!(plan.allowed == 1, may_go, "{readiness:?} {seen:?}");
    }
}

#[test]
fn a_busy_pod_that_is_not_ready_goes_first_whatever_its_cost_so_it_is_emptied_first() {
    let mut sick = pod("sick");
    sick.readiness = Readiness::NotReady;
    let seen = work([("sick", tells(1, 0, None)), ("idle", tells(0, 0, long_since()))]);
    let plan = planned(&[sick, marked("idle")], &seen, 1);
    assert_eq!(plan.allowed, 2);
    assert_eq!(plan.attention["sick"], stop());
    assert!(
        matches!(plan.attention["idle"], Stance::Resume(_)),
        "one is to go, not two"
    );
}

#[test]
fn without_remote_control_only_those_go_whose_beats_say_that_they_are_idle() {
    let pods = [pod("a"), pod("b"), pod("c")];
    let mut old = beats(0);
    old.fresh = false;
    let seen = work([("a", beats(1)), ("b", beats(0)), ("c", old)]);
    let first = plan(&look(&pods, &seen, Means::Heartbeats, 0));
    assert_eq!(marks(&first), [("b", true, Some(FIRST))]);
    assert!(first.attention.values().all(|stance| *stance == Stance::Watch));
    let pods = [pod("a"), marked("b"), pod("c")];
    assert_eq!(plan(&look(&pods, &seen, Means::Heartbeats, 0)).allowed, 2);
}

#[test]
fn a_worker_that_takes_no_questions_goes_when_its_beats_say_that_it_is_idle() {
    let deaf = |running| PodWork {
        deaf: true,
        ..beats(running)
    };
    assert_eq!(
        marks(&planned(&[pod("a")], &work([("a", deaf(0))]), 0)),
        [("a", true, Some(FIRST))]
    );
    assert_eq!(marks(&planned(&[pod("a")], &work([("a", deaf(1))]), 0)), []);
}

#[test]
fn where_nobody_is_heard_all_may_go() {
    let nobody = plan(&look(&[pod("a"), pod("b")], &work([]), Means::Nothing, 0));
    assert_eq!(marks(&nobody), [("a", true, Some(FIRST)), ("b", true, Some(FIRST))]);
}

#[test]
fn a_busy_pod_may_go_if_its_grace_period_covers_the_longest_task() {
    let grace = |name, seconds| Pod {
        grace: Duration::from_secs(seconds),
        ..pod(name)
    };
    let pods = [grace("a", 30), grace("b", 29)];
    let seen = work([("a", beats(1)), ("b", beats(1))]);
    let plan = plan(&Look {
        graceful: Some(Duration::from_secs(30)),
        ..look(&pods, &seen, Means::Heartbeats, 0)
    });
    assert_eq!(marks(&plan), [("a", true, Some(FIRST))]);
}

#[test]
fn nothing_goes_while_pods_of_two_templates_are_there() {
    let mut other = marked("b");
    other.owner = "another".into();
    let seen = work([("a", tells(0, 0, None)), ("b", tells(0, 0, long_since()))]);
    let plan = planned(&[pod("a"), other], &seen, 0);
    assert_eq!((plan.allowed, plan.waits_for.rollout), (2, true));
    assert!(matches!(plan.attention["b"], Stance::Resume(_)));
}

#[test]
fn a_pod_that_is_being_deleted_is_no_replica() {
    let leaving = Pod {
        terminating: true,
        ..marked("a")
    };
    let plan = planned(
        &[leaving, pod("b")],
        &work([("a", tells(3, 0, None)), ("b", beats(1))]),
        1,
    );
    assert_eq!(
        plan,
        Plan {
            allowed: 1,
            ..Plan::default()
        }
    );
}

#[test]
fn another_writer_of_the_cost_is_noticed() {
    let mut pod = marked("a");
    pod.cost = Some(50);
    let plan = planned(&[pod], &work([("a", tells(0, 0, long_since()))]), 0);
    assert_eq!(plan.conflict.as_deref(), Some("a"));
    assert_eq!(marks(&plan), [("a", true, Some(FIRST))], "it is written again first");
}

/// A pod with all that the ReplicaSet controller looks at.
#[derive(Clone, Debug)]
struct Ranked {
    pod: Pod,
    work: Option<PodWork>,
    /// Pods of the same owner on its node; restarts; seconds since it was created.
    rest: (u8, u8, u32),
}

impl Ranked {
    /// `ActivePodsWithRanks.Less` as a key: what sorts first goes first.
    fn rank(&self) -> impl Ord + use<> {
        (
            self.pod.readiness.class(),
            self.pod.cost.unwrap_or(0),
            Reverse(self.rest),
        )
    }

    /// What the worker said, believed to the letter.
    fn holds_nothing(&self) -> bool {
        match &self.work {
            None => self.pod.readiness.holds_nothing_if_silent(),
            Some(work) if work.deaf => work.fresh && work.running == 0,
            Some(work) => {
                let empty = |told: &Told| told.stopped_since.is_some() && told.running == 0 && told.reserved == 0;
                work.fresh && work.running == 0 && work.told.as_ref().is_some_and(empty)
            }
        }
    }
}

prop_compose! {
    fn any_work()(
        running in 0_u32..3, reserved in 0_u32..3, stopped in any::<bool>(), told in any::<bool>(), fresh in any::<bool>(),
        deaf in prop::bool::weighted(0.1),
    ) -> PodWork {
        let said = tells(running, reserved, stopped.then(long_since).flatten());
        PodWork { fresh, deaf, told: said.told.clone().filter(|_| told), ..said }
    }
}

prop_compose! {
    fn any_pod()(
        work in prop::option::of(any_work()), rest in any::<(u8, u8, u32)>(),
        readiness in prop::sample::select(vec![Readiness::Unassigned, Readiness::Pending, Readiness::Down,
            Readiness::Booting, Readiness::NotReady, Readiness::Ready, Readiness::Ready, Readiness::Ready]),
        cost in prop::sample::select(vec![None, None, Some(FIRST), Some(-7), Some(100)]),
        terminating in prop::bool::weighted(0.1), begun in any::<bool>(), empty in any::<bool>(),
    ) -> Ranked {
        let drain = begun.then(|| Drain { empty, ..stopped("").drain.unwrap() });
        let pod = Pod { readiness, cost, terminating, drain, ..Pod::default() };
        Ranked { pod, work, rest }
    }
}

proptest! {
    /// Whatever the pods and what is known of them: what a ReplicaSet removes, once the marks are written, holds nothing.
    #[test]
    fn no_pod_goes_that_may_hold_something(mut set in prop::collection::vec(any_pod(), 0..12), to in 0_u32..12) {
        for (number, ranked) in set.iter_mut().enumerate() {
            ranked.pod.name = format!("pod-{number}");
        }
        let known: Work = set.iter().filter_map(|one| Some((one.pod.name.clone(), one.work.clone()?))).collect();
        let mut last = None;
        for _ in 0..3 {
            let pods: Vec<_> = set.iter().map(|ranked| ranked.pod.clone()).collect();
            let plan = planned(&pods, &known, to);
            let stopping = plan.attention.values().filter(|stance| matches!(stance, Stance::Stop(_))).count();
            let there = pods.iter().filter(|pod| !pod.terminating).count();
            prop_assert!(stopping <= there.saturating_sub(to as usize), "more told to stop than are to go");
            for mark in &plan.marks {
                for ranked in set.iter_mut().filter(|ranked| ranked.pod.name == mark.pod) {
                    (ranked.pod.drain, ranked.pod.cost) = (mark.drain.clone(), mark.cost);
                }
            }
            let done = plan.marks.is_empty();
            last = Some((plan, there));
            if done {
                break;
            }
        }
        let Some((plan, there)) = last else { return Ok(()) };
        prop_assert!(plan.marks.is_empty(), "it comes to an end: {plan:?}");
        prop_assert!(plan.allowed >= to.min(u32::try_from(there).unwrap()));
        set.retain(|ranked| !ranked.pod.terminating);
        set.sort_by_key(Ranked::rank);
        for gone in set.iter().take(there.saturating_sub(plan.allowed as usize)) {
            prop_assert!(gone.holds_nothing(), "{gone:?} was removed by {plan:?}");
        }
    }
}
