use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;

/// A ready pod without a cost.
fn pod(name: &str) -> Pod {
    Pod {
        name: name.into(),
        ready: true,
        ..Pod::default()
    }
}

fn busy<const N: usize>(workers: [(&str, u32); N]) -> BTreeMap<String, PodWork> {
    workers.map(|(name, tasks)| (name.to_owned(), running(tasks))).into()
}

fn running(running: u32) -> PodWork {
    PodWork {
        running,
        ..PodWork::default()
    }
}

fn costs<const N: usize>(costs: [(&str, i32); N]) -> Vec<(String, i32)> {
    costs.map(|(name, cost)| (name.to_owned(), cost)).into()
}

#[test]
fn idle_pods_go_and_busy_ones_get_a_cost() {
    let pods = [pod("a"), pod("b"), pod("c")];
    let plan = plan(&pods, &busy([("a", 2), ("b", 0), ("c", 0)]), true, 3, 0);
    assert_eq!(plan.costs, costs([("a", KEEP)]));
    assert_eq!(plan.allowed, 1);
}

#[test]
fn only_costs_that_differ_are_written() {
    let with = |name, cost| Pod {
        cost: Some(cost),
        ..pod(name)
    };
    let pods = [with("a", KEEP), with("b", KEEP), with("c", 0), with("d", -5)];
    let busy = busy([("a", 2), ("b", 0), ("c", 0), ("d", 0)]);
    let plan = plan(&pods, &busy, true, 4, 2);
    assert_eq!(plan.costs, costs([("b", 0), ("d", 0)]));
    assert_eq!(plan.allowed, 2);
}

#[test]
fn a_pod_that_takes_another_task_is_not_written_again() {
    let pods = [
        Pod {
            cost: Some(KEEP),
            ..pod("a")
        },
        pod("b"),
    ];
    for tasks in [1, 2, u32::MAX] {
        let plan = plan(&pods, &busy([("a", tasks), ("b", 0)]), true, 2, 1);
        assert_eq!(plan.costs, costs([]), "{tasks} tasks");
    }
}

#[test]
fn a_ready_pod_that_says_nothing_stays() {
    let pods = [pod("a"), pod("b")];
    let plan = plan(&pods, &busy([("a", 0)]), true, 2, 0);
    assert_eq!(plan.costs, costs([("b", KEEP)]));
    assert_eq!(plan.allowed, 1);
}

#[test]
fn a_pod_that_starts_may_go() {
    let starting = Pod {
        ready: false,
        ..pod("b")
    };
    let plan = plan(&[pod("a"), starting], &busy([("a", 1)]), true, 2, 0);
    assert_eq!(plan.allowed, 1);
}

#[test]
fn a_busy_pod_that_is_not_ready_holds_all() {
    let sick = Pod {
        ready: false,
        ..pod("a")
    };
    let plan = plan(&[sick, pod("b")], &busy([("a", 1), ("b", 0)]), true, 2, 0);
    assert_eq!(plan.allowed, 2);
}

#[test]
fn a_terminating_pod_does_not_count() {
    let leaving = Pod {
        terminating: true,
        ..pod("a")
    };
    let plan = plan(&[leaving, pod("b")], &busy([("a", 3), ("b", 0)]), true, 1, 0);
    assert_eq!(plan, RemovalPlan::default());
}

#[test]
fn nothing_is_known_of_workers_that_are_not_heard() {
    let silent = plan(&[pod("a")], &busy([("a", 1)]), false, 1, 0);
    assert_eq!(silent, RemovalPlan::default());
}

#[test]
fn more_replicas_need_no_plan() {
    let plan = plan(&[pod("a")], &busy([("a", 1)]), true, 1, 3);
    assert_eq!((plan.costs, plan.allowed), (vec![], 3));
}

/// A pod with all that the ReplicaSet controller looks at.
#[derive(Clone, Debug)]
struct Ranked {
    pod: Pod,
    /// Tasks it runs, told by its worker (`None`: never heard, and it runs nothing that we could know of).
    tasks: Option<u32>,
    assigned: bool,
    /// 0 pending, 1 unknown, 2 running.
    phase: u8,
    /// Pods of the same owner on its node.
    neighbours: u8,
    /// Times (seconds) it became ready and was created; restarts.
    ready_since: u32,
    restarts: u8,
    created: u32,
}

impl Ranked {
    /// `ActivePodsWithRanks.Less` as a key: what sorts first goes first.
    fn rank(&self) -> impl Ord + use<> {
        let fragile = (self.assigned, self.phase, self.pod.ready, self.pod.cost.unwrap_or(0));
        let ready_since = if self.pod.ready { self.ready_since } else { 0 };
        let newer_first = (Reverse(ready_since), Reverse(self.restarts), Reverse(self.created));
        (fragile, Reverse(self.neighbours), newer_first)
    }

    fn runs_nothing(&self) -> bool {
        self.tasks == Some(0) || (self.tasks.is_none() && !self.pod.ready)
    }
}

prop_compose! {
    fn any_pod()(
        tasks in prop_oneof![Just(None), Just(Some(0)), (1_u32..5).prop_map(Some)],
        (assigned, phase, ready, terminating) in (any::<bool>(), 0_u8..3, prop::bool::weighted(0.9), prop::bool::weighted(0.1)),
        cost in prop_oneof![Just(None), (-200_i32..200).prop_map(Some)],
        neighbours in 0_u8..4, ready_since in 0_u32..100, restarts in 0_u8..3, created in 0_u32..100,
    ) -> Ranked {
        // Only a pod that runs on a node is ready.
        let (assigned, phase) = if ready { (true, 2) } else { (assigned, phase) };
        let pod = Pod { name: String::new(), ready, terminating, cost };
        Ranked { pod, tasks, assigned, phase, neighbours, ready_since, restarts, created }
    }
}

proptest! {
    /// Whatever the state of the pods: with the costs written, the ReplicaSet removes only pods that run nothing.
    #[test]
    fn no_busy_pod_goes(mut set in prop::collection::vec(any_pod(), 0..12), to in 0_u32..12) {
        for (number, ranked) in set.iter_mut().enumerate() {
            ranked.pod.name = format!("pod-{number}");
        }
        let pods: Vec<_> = set.iter().map(|ranked| ranked.pod.clone()).collect();
        let heard = set.iter().filter_map(|ranked| Some((ranked.pod.name.clone(), running(ranked.tasks?))));
        let busy: BTreeMap<_, _> = heard.collect();
        let from = u32::try_from(pods.iter().filter(|pod| !pod.terminating).count()).unwrap();
        let to = to.min(from);

        let plan = plan(&pods, &busy, true, from, to);
        prop_assert!((to..=from).contains(&plan.allowed));
        for (name, cost) in &plan.costs {
            set.iter_mut().filter(|ranked| ranked.pod.name == *name).for_each(|ranked| ranked.pod.cost = Some(*cost));
        }
        set.retain(|ranked| !ranked.pod.terminating);
        set.sort_by_key(Ranked::rank);
        let removed = from.saturating_sub(plan.allowed.max(to)) as usize;
        for gone in set.iter().take(removed) {
            prop_assert!(gone.runs_nothing(), "{gone:?} was removed by {plan:?}");
        }
        // And no more is kept than needs to be, unless a busy pod is exposed.
        let kept = set.iter().filter(|ranked| !ranked.runs_nothing());
        if kept.clone().all(|ranked| ranked.pod.ready) {
            let needed = u32::try_from(kept.count()).unwrap();
            prop_assert_eq!(plan.allowed, needed.max(to));
        }
    }
}
