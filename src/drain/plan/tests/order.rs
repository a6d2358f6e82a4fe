//! Whatever the pods: what a ReplicaSet removes holds nothing.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;

/// Pod with all fields that the ReplicaSet controller compares.
#[derive(Clone, Debug)]
struct Ranked {
    pod: Pod,
    work: Option<PodReport>,
    /// Number of pods of the same owner on its node; restarts; seconds since it was created.
    rest: (u8, u8, u32),
}

impl Ranked {
    /// `ActivePodsWithRanks.Less` as a key: what sorts first goes first.
    fn rank(&self) -> impl Ord + use<> {
        (self.pod.class(), self.pod.cost.unwrap_or(0), Reverse(self.rest))
    }

    /// Whether the pod holds nothing by its worker's report, taken literally.
    fn holds_nothing(&self) -> bool {
        match &self.work {
            work if self.pod.readiness.holds_nothing() && work.as_ref().is_none_or(|work| !work.live) => true,
            None => false,
            Some(work) if work.silent.is_some() || !work.live => false,
            Some(work) if work.unresponsive => work.fresh && work.running == 0,
            Some(work) => {
                let empty = |report: &WorkerReport| {
                    report.stopped_since.is_some()
                        && report.running == 0
                        && report.reserved == 0
                        && report.scheduled == 0
                };
                work.fresh && work.running == 0 && work.report.as_ref().is_some_and(empty)
            }
        }
    }
}

prop_compose! {
    fn any_work()(
        running in 0_u32..3, reserved in 0_u32..3, stopped in any::<bool>(), answered in any::<bool>(), fresh in any::<bool>(),
        deaf in prop::bool::weighted(0.1), live in prop::bool::weighted(0.9), silent in prop::bool::weighted(0.1),
        scheduled in 0_u32..2,
    ) -> PodReport {
        let said = tells(running, reserved, stopped.then(long_since).flatten());
        let report = said.report.clone().filter(|_| answered).map(|report| WorkerReport { scheduled, ..report });
        PodReport { fresh, unresponsive: deaf, live, silent: silent.then_some(NOW), report, ..said }
    }
}

prop_compose! {
    fn any_pod()(
        work in prop::option::of(any_work()), rest in any::<(u8, u8, u32)>(),
        readiness in prop::sample::select(vec![Readiness::Unassigned, Readiness::Pending, Readiness::Creating, Readiness::Down,
            Readiness::Booting, Readiness::NotReady, Readiness::Ready, Readiness::Ready, Readiness::Ready]),
        cost in prop::sample::select(vec![None, None, Some(FIRST), Some(-7), Some(100)]),
        terminating in prop::bool::weighted(0.1), pending in prop::bool::weighted(0.1), begun in any::<bool>(), empty in any::<bool>(),
    ) -> Ranked {
        let drain = begun.then(|| Drain { empty, ..stopped("").drain.unwrap() });
        let killed_at = terminating.then_some(Timestamp::UNIX_EPOCH);
        let pod = Pod { readiness, pending, cost, killed_at, drain, ..pod("") };
        Ranked { pod, work, rest }
    }
}

#[test]
fn a_pending_pod_with_a_busy_worker_goes_before_one_that_crashed() {
    // The image of a sidecar is still pulled: the ReplicaSet removes the pod before all that are not pending.
    let pulling = Pod {
        readiness: Readiness::NotReady,
        pending: true,
        ..pod("a")
    };
    let crashed = Pod {
        readiness: Readiness::Down,
        ..marked("b")
    };
    let seen = work([("a", tells(1, 0, None))]);
    let plan = planned(&[pulling.clone(), crashed.clone()], &seen, 1);
    assert_eq!((plan.allowed, plan.intents["a"].clone()), (2, stop()));
    let running = Pod {
        pending: false,
        ..pulling
    };
    assert_eq!(
        planned(&[running, crashed], &seen, 1).allowed,
        1,
        "of two that are not ready the cost decides"
    );
}

proptest! {
    /// Whatever the pods and what is known of them: a pod that a ReplicaSet removes, once the marks are written, holds
    /// nothing.
    #[test]
    fn no_pod_goes_that_may_hold_something(mut set in prop::collection::vec(any_pod(), 0..12), to in 0_u32..12) {
        for (number, ranked) in set.iter_mut().enumerate() {
            ranked.pod.name = format!("pod-{number}");
        }
        let known: Reports = set.iter().filter_map(|one| Some((one.pod.name.clone(), one.work.clone()?))).collect();
        let mut last = None;
        for _ in 0..3 {
            let pods: Vec<_> = set.iter().map(|ranked| ranked.pod.clone()).collect();
            let plan = planned(&pods, &known, to);
            let stopping = plan.intents.values().filter(|intent| matches!(intent, Intent::Cordon(_))).count();
            let there = pods.iter().filter(|pod| !pod.is_terminating()).count();
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
        set.retain(|ranked| !ranked.pod.is_terminating());
        set.sort_by_key(Ranked::rank);
        for gone in set.iter().take(there.saturating_sub(plan.allowed as usize)) {
            prop_assert!(gone.holds_nothing(), "{gone:?} was removed by {plan:?}");
        }
    }
}

#[test]
fn what_the_replica_set_has_still_to_remove_stays_marked_whatever_is_known_of_it() {
    let pods = ["a", "b"].map(pod).into_iter().chain([marked("c")]).collect::<Vec<_>>();
    let lowered = |known: &Reports, to| {
        let plan_input = PlanInput {
            from: 2,
            ..plan_input(&pods, known, DrainSupport::StopFetching, to)
        };
        plan(&plan_input)
    };
    // A new operator has heard nothing of it.
    let known = work([("a", beats(1)), ("b", beats(2))]);
    let kept = lowered(&known, 2);
    assert_eq!((marks(&kept), kept.allowed, kept.unfinished), (vec![], 2, true));
    assert_eq!(kept.intents, [("c".to_owned(), stop())].into());

    let further = lowered(&known, 1);
    assert_eq!((marks(&further), further.allowed), (vec![], 2));
    assert_eq!(further.intents["c"], stop());
    assert_eq!(further.intents["a"], Intent::Report, "one more has to go");

    let back = lowered(&known, 3);
    assert_eq!(marks(&back), [("c", false, None)]);
    assert_eq!(back.intents["c"], resume());
}
