//! StatefulSets: the highest ordinals go, and nothing changes that.

use super::*;
use crate::model::{Workload, WorkloadKind};

/// Like this pod, and with this ordinal.
fn at(ordinal: u32, pod: Pod) -> Pod {
    Pod {
        name: format!("mail-{ordinal}"),
        owner: "set".into(),
        replica_set: String::new(),
        template_hash: String::new(),
        ordinal: Some(ordinal),
        ..pod
    }
}

/// An emptied one, as it stands after its mark was written.
fn empty(ordinal: u32) -> Pod {
    let pod = at(ordinal, marked(""));
    Pod { cost: None, ..pod }
}

/// Plan for a StatefulSet that numbers its pods from here, and the pods' reports.
fn planned(pods: &[Pod], reports: &[(u32, PodReport)], replicas: (u32, u32), start: u32) -> Plan {
    let ordinals = Ordinals {
        start,
        one_by_one: false,
    };
    planned_with(pods, reports, replicas, (ordinals, DrainSupport::StopFetching))
}

fn planned_with(
    pods: &[Pod],
    reports: &[(u32, PodReport)],
    (from, to): (u32, u32),
    (ordinals, support): (Ordinals, DrainSupport),
) -> Plan {
    let target = Workload {
        kind: WorkloadKind::StatefulSet,
        name: "mail".into(),
    };
    let work = reports
        .iter()
        .map(|(ordinal, report)| (format!("mail-{ordinal}"), report.clone()));
    let work: BTreeMap<_, _> = work.collect();
    let cordon = |pod: &Pod| {
        let intent = PodIntent {
            intent: Intent::Cordon(consumers(&["celery"])),
            since: Moment::ZERO,
        };
        (pod.name.clone(), intent)
    };
    // What is told stands on the pod before.
    let intents: PodIntents = pods.iter().filter(|pod| pod.drain.is_some()).map(cordon).collect();
    plan(&PlanInput {
        target: &target,
        ordinals,
        from,
        intents: &intents,
        ..plan_input(pods, &work, support, to)
    })
}

fn idle() -> PodReport {
    tells(0, 0, Some(NOW - Duration::from_secs(5)))
}

fn busy() -> PodReport {
    tells(1, 0, Some(NOW - Duration::from_secs(5)))
}

fn cordoned(plan: &Plan) -> Vec<&str> {
    let told = plan.intents.iter();
    let told = told.filter(|(_, intent)| matches!(intent, Intent::Cordon(_)));
    told.map(|(pod, _)| pod.as_str()).collect()
}

#[test]
fn only_the_highest_ordinals_are_told_and_marks_have_no_cost() {
    let pods: Vec<_> = (0..4).map(|ordinal| at(ordinal, stopped(""))).collect();
    // The lowest are idle: a Deployment would take those.
    let reports = [(0, idle()), (1, idle()), (2, busy()), (3, idle())];
    let plan = planned(&pods, &reports, (4, 2), 0);
    assert_eq!(cordoned(&plan), ["mail-2", "mail-3"]);
    assert_eq!(plan.allowed, 4, "the mark does not stand yet");
    let mark = plan.marks.iter().find(|mark| mark.pod == "mail-3").unwrap();
    assert_eq!(mark.cost, None);
    assert!(mark.drain.as_ref().unwrap().empty);
    assert_eq!(plan.conflict, None);
}

#[test]
fn a_busy_one_holds_back_those_below_it_and_no_others() {
    let pods = [at(0, stopped("")), empty(1), empty(2), at(3, stopped("")), empty(4)];
    let reports = [(0, idle()), (1, idle()), (2, idle()), (3, busy()), (4, idle())];
    let plan = planned(&pods, &reports, (5, 1), 0);
    assert_eq!(plan.allowed, 4, "the highest goes at once");
    let held_back = HeldBack {
        by: "mail-3".into(),
        until: Until::Goes,
        pods: 2,
    };
    assert_eq!(plan.held_back, Some(held_back));
    assert_eq!(plan.waits_for.emptying, 1);
    let all = planned(&pods[..3], &reports[..3], (3, 0), 0);
    assert_eq!((all.allowed, all.held_back), (1, None), "mail-0 has no mark yet");
}

#[test]
fn ordinals_count_from_the_first_and_what_is_below_it_goes_anyway() {
    let pods = [at(2, stopped("")), at(5, stopped("")), empty(6), empty(7)];
    let reports = [(2, busy()), (5, busy()), (6, idle()), (7, idle())];
    let plan = planned(&pods, &reports, (3, 1), 5);
    assert_eq!(plan.allowed, 1);
    assert_eq!(
        cordoned(&plan),
        ["mail-2", "mail-6", "mail-7"],
        "mail-2 is about to be removed"
    );
}

#[test]
fn what_the_stateful_set_has_still_to_remove_stays_told() {
    // The replicas were lowered to two: the third waits for its turn.
    let pods = [at(0, pod("")), at(1, pod("")), empty(2)];
    let plan = planned(&pods, &[(2, idle())], (2, 2), 0);
    assert_eq!(cordoned(&plan), ["mail-2"]);
    assert_eq!((plan.marks.len(), plan.allowed), (0, 2));
    // It is wanted again before that: it fetches again.
    let plan = planned(&pods, &[(2, idle())], (2, 3), 0);
    assert!(matches!(plan.intents["mail-2"], Intent::Uncordon(_)));
}

#[test]
fn pods_of_others_are_left_alone() {
    let other = Pod {
        owner: "another".into(),
        ..at(7, pod(""))
    };
    let of_a_deployment = Pod {
        name: "mail-6d5f7c9b8-abcde".into(),
        ..pod("")
    };
    let pods = [empty(0), empty(1), other, of_a_deployment];
    let plan = planned(&pods, &[(0, idle()), (1, idle())], (2, 1), 0);
    assert_eq!((plan.allowed, plan.foreign.len()), (1, 2));
}

#[test]
fn where_pods_end_one_by_one_each_goes_at_its_turn() {
    let ordinals = Ordinals {
        start: 0,
        one_by_one: true,
    };
    let report = beats(0);
    let reports: Vec<_> = (0..4).map(|ordinal| (ordinal, report.clone())).collect();
    let idle = |ordinal: u32| {
        let mut pod = at(ordinal, pod(""));
        pod.drain = Some(Drain {
            pool: "mail".into(),
            empty: true,
            ..Drain::default()
        });
        pod
    };
    let pods: Vec<_> = (0..4).map(idle).collect();
    let planned = |pods: &[Pod]| planned_with(pods, &reports, (4, 0), (ordinals, DrainSupport::ReportsOnly));
    let allowed = |pods: &[Pod]| planned(pods).allowed;
    let held_back = |by: &str, until| {
        Some(HeldBack {
            by: by.to_owned(),
            until,
            pods: 4,
        })
    };
    assert_eq!(
        allowed(&pods),
        3,
        "the next one takes a task before the first has ended"
    );
    let mut ends = pods.clone();
    let killed_at = Some(now().wall + Duration::from_secs(30));
    ends.push(Pod { killed_at, ..idle(4) });
    assert_eq!(allowed(&ends), 4, "its turn comes when that has ended");
    assert_eq!(planned(&ends).held_back, held_back("mail-4", Until::Ends));
    let mut boots = pods.clone();
    boots[1].readiness = Readiness::NotReady;
    assert_eq!(allowed(&boots), 4, "its turn comes when those below it are ready");
    assert_eq!(planned(&boots).held_back, held_back("mail-1", Until::IsReady));
    let mut broken = pods.clone();
    broken[3].readiness = Readiness::Down;
    assert_eq!(allowed(&broken), 3, "its own readiness keeps nothing");
    // Where all go at once, nothing waits for a turn.
    let parallel = (Ordinals::default(), DrainSupport::ReportsOnly);
    assert_eq!(planned_with(&pods, &reports, (4, 0), parallel).allowed, 0);
    // One that was told to stop fetches again once its container is started anew.
    let told: Vec<_> = (0..4).map(empty).collect();
    let reports: Vec<_> = (0..4).map(|ordinal| (ordinal, self::idle())).collect();
    let stopping = (ordinals, DrainSupport::StopFetching);
    assert_eq!(planned_with(&told, &reports, (4, 0), stopping).allowed, 3);
}

#[test]
fn what_a_process_said_before_this_one_began_is_not_believed() {
    let pods = [at(0, stopped("")), empty(1)];
    let reports = [(0, idle()), (1, idle())];
    assert_eq!(planned(&pods, &reports, (2, 1), 0).allowed, 1);
    let mut reborn = pods.clone();
    // It answered half a second ago; a node's clock may be wrong by five seconds.
    reborn[1].renewed = Some(now().wall - Duration::from_secs(4));
    assert_eq!(planned(&reborn, &reports, (2, 1), 0).allowed, 2);
    reborn[1].renewed = Some(now().wall - Duration::from_secs(7));
    assert_eq!(planned(&reborn, &reports, (2, 1), 0).allowed, 1);
    // By its heartbeats it has been idle for ten seconds: the process before was.
    let beats = [(0, beats(0)), (1, beats(0))];
    let by_beats =
        |pods: &[Pod]| planned_with(pods, &beats, (2, 1), (Ordinals::default(), DrainSupport::ReportsOnly)).allowed;
    assert_eq!(by_beats(&reborn), 1);
    reborn[1].renewed = Some(now().wall - Duration::from_secs(6));
    assert_eq!(by_beats(&reborn), 2);
}

#[test]
fn a_pod_whose_name_was_told_to_stop_is_told_to_fetch_again() {
    let target = Workload {
        kind: WorkloadKind::StatefulSet,
        name: "mail".into(),
    };
    let queues = consumers(&["celery"]);
    let cordon = PodIntent {
        intent: Intent::Cordon(queues.clone()),
        since: Moment::ZERO,
    };
    let told: PodIntents = [("mail-1".to_owned(), cordon)].into();
    let planned = |pods: &[Pod], intents: &PodIntents, departed: &Departed, later: u64| {
        let mut now = now();
        now.moment += Duration::from_secs(later);
        plan(&PlanInput {
            target: &target,
            intents,
            departed,
            now,
            ..plan_input(pods, &Reports::new(), DrainSupport::StopFetching, 2)
        })
    };
    // It went: what it was told is remembered for as long as it may arrive, and the pods are looked at.
    let alone = [at(0, pod(""))];
    let gone = planned(&alone, &told, &NOBODY, 0);
    assert_eq!(gone.departed.keys().collect::<Vec<_>>(), ["mail-1"]);
    assert!(gone.unfinished && gone.intents.is_empty());
    let later = planned(&alone, &PodIntents::new(), &gone.departed, 29);
    assert_eq!(later.departed, gone.departed);
    let long_after = planned(&alone, &PodIntents::new(), &gone.departed, 30);
    assert!(long_after.departed.is_empty() && !long_after.unfinished);
    // Another one has its name: before the pods were listed without it, or after.
    let both = [at(0, pod("")), at(1, pod(""))];
    for (intents, departed) in [(&told, &NOBODY), (&PodIntents::new(), &gone.departed)] {
        let plan = planned(&both, intents, departed, 1);
        assert_eq!(plan.intents.get("mail-1"), Some(&Intent::Uncordon(queues.clone())));
        let mark = plan.marks.iter().find(|mark| mark.pod == "mail-1").unwrap();
        assert_eq!(mark.drain.as_ref().unwrap().queues, queues, "until it is seen to fetch");
        assert!(plan.departed.is_empty() && !plan.intents.contains_key("mail-0"));
    }
}
