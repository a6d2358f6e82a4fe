//! Plans where less can be known or done than usual, or more is allowed.

use super::*;

#[test]
fn what_can_be_done_follows_from_what_is_refused() {
    for (support, refused, left) in [
        (DrainSupport::ReportsOnly, false, DrainSupport::ReportsOnly),
        (DrainSupport::StopFetching, true, DrainSupport::ReportsOnly),
        (DrainSupport::StopFetching, false, DrainSupport::StopFetching),
        (DrainSupport::None, true, DrainSupport::None),
    ] {
        assert_eq!(support.unless(refused), left);
    }
}

#[test]
fn without_remote_control_only_those_go_whose_beats_say_that_they_are_idle() {
    let pods = [pod("a"), pod("b"), pod("c")];
    let mut old = beats(0);
    (old.fresh, old.idle_since) = (false, None);
    let seen = work([("a", beats(1)), ("b", beats(0)), ("c", old)]);
    let first = plan(&plan_input(&pods, &seen, DrainSupport::ReportsOnly, 0));
    assert_eq!(marks(&first), [("b", true, Some(FIRST))]);
    assert!(first.intents.values().all(|intent| *intent == Intent::Report));
    let pods = [pod("a"), marked("b"), pod("c")];
    assert_eq!(plan(&plan_input(&pods, &seen, DrainSupport::ReportsOnly, 0)).allowed, 2);
}

/// Said of every pod that is listed, whether it runs or not.
#[test]
fn where_no_single_pod_is_known_those_that_never_ran_go_while_others_work() {
    let working = PodReport {
        live: true,
        ..PodReport::default()
    };
    let of = |name, readiness| Pod { readiness, ..pod(name) };
    let pods = [
        pod("a"),
        of("b", Readiness::Unassigned),
        of("c", Readiness::Down),
        of("d", Readiness::NotReady),
    ];
    let seen = work(["a", "b", "c", "d"].map(|name| (name, working.clone())));
    let first = plan(&plan_input(&pods, &seen, DrainSupport::None, 1));
    assert_eq!(marks(&first), [("b", true, Some(FIRST)), ("c", true, Some(FIRST))]);
    assert!(first.unknown.is_empty());
    let empty = |pod: Pod| Pod {
        cost: Some(FIRST),
        drain: marked("b").drain,
        ..pod
    };
    let pods = pods.map(|pod| {
        if pod.readiness < Readiness::NotReady {
            empty(pod)
        } else {
            pod
        }
    });
    assert_eq!(plan(&plan_input(&pods, &seen, DrainSupport::None, 1)).allowed, 2);
    // Together they are idle.
    let seen = work(["a", "b", "c", "d"].map(|name| (name, beats(0))));
    let idle = plan(&plan_input(&pods, &seen, DrainSupport::None, 0));
    assert_eq!(marks(&idle), [("d", true, Some(FIRST)), ("a", true, Some(FIRST))]);
}

#[test]
fn a_worker_that_takes_no_questions_goes_when_its_beats_say_that_it_is_idle() {
    let deaf = |running| PodReport {
        unresponsive: true,
        ..beats(running)
    };
    assert_eq!(
        marks(&planned(&[pod("a")], &work([("a", deaf(0))]), 0)),
        [("a", true, Some(FIRST))]
    );
    assert_eq!(marks(&planned(&[pod("a")], &work([("a", deaf(1))]), 0)), []);
    // As long as its intent is in force it is known that it does not answer.
    let marked = planned(&[marked("a")], &work([("a", deaf(0))]), 0);
    assert_eq!((marked.allowed, marked.intents["a"].clone()), (0, Intent::Report));
}

#[test]
fn where_nobody_is_heard_nobody_goes_and_everybody_is_asked() {
    let pods = [pod("a"), pod("b")];
    let nobody = planned(&pods, &work([]), 0);
    assert_eq!(
        (marks(&nobody), nobody.allowed, nobody.waits_for.unknown),
        (vec![], 2, 2)
    );
    let both = ["a", "b"].map(|pod| (pod.to_owned(), Intent::Report));
    assert_eq!(nobody.intents, both.into());
    // The pods have been asked for long.
    let why = Why::NotHeard;
    let unknown = ["a", "b"].map(|pod| Unknown {
        pod: pod.into(),
        why: why.clone(),
    });
    assert_eq!(nobody.unknown, unknown);
    let just_now = PodIntents::new();
    let first = plan(&PlanInput {
        intents: &just_now,
        ..plan_input(&pods, &work([]), DrainSupport::StopFetching, 0)
    });
    assert_eq!(first.unknown, [], "an answer may still come");
    assert_eq!(
        plan(&plan_input(&pods, &work([]), DrainSupport::ReportsOnly, 0)).allowed,
        2
    );
}

#[test]
fn who_answers_one_question_and_not_another_stays() {
    let partly = PodReport {
        partly: true,
        ..beats(0)
    };
    let plan = planned(&[marked("a")], &work([("a", partly)]), 0);
    assert_eq!((plan.allowed, plan.unknown[0].why.clone()), (1, Why::Partly));
}

#[test]
fn a_name_that_several_workers_share_proves_nothing() {
    let shared = PodReport {
        doubled: Some("celery@a".into()),
        ..tells(0, 0, long_since())
    };
    let plan = planned(&[marked("a")], &work([("a", shared)]), 0);
    assert_eq!(plan.allowed, 1);
    assert_eq!(
        plan.unknown[0].why,
        Why::Doubled {
            node: "celery@a".into()
        }
    );
    assert_eq!(
        plan.intents["a"],
        resume(),
        "an order to one would be carried out by all of that name"
    );
}

#[test]
fn one_silent_worker_of_a_pod_keeps_it_until_its_containers_begin_anew() {
    let heard = NOW - Duration::from_secs(100);
    let one = PodReport {
        silent: Some(heard),
        ..tells(0, 0, long_since())
    };
    let begins = |ago: u64| Pod {
        began: Some(Timestamp::UNIX_EPOCH + (NOW - Duration::from_secs(ago))),
        ..marked("a")
    };
    for (pod, allowed) in [(marked("a"), 1), (begins(120), 1), (begins(100), 1), (begins(80), 0)] {
        assert_eq!(planned(&[pod], &work([("a", one.clone())]), 0).allowed, allowed);
    }
}

#[test]
fn a_task_that_comes_due_while_its_worker_ends_is_held() {
    let schedules = |due: Option<u64>, asked| {
        let mut pod = tells(0, 0, long_since());
        pod.report.iter_mut().for_each(|report| {
            report.scheduled = 1;
            report.due = due.map(|due| now().wall + Duration::from_secs(due));
            report.scheduled_asked = NOW - Duration::from_secs(asked);
        });
        let pods = [Pod {
            grace: Duration::from_secs(30),
            ..marked("a")
        }];
        planned(&pods, &work([("a", pod)]), 0).allowed == 0
    };
    assert!(schedules(Some(46), 1));
    assert!(!schedules(Some(45), 1), "15 s and the grace period");
    assert!(!schedules(None, 1), "who knows when");
    assert!(!schedules(Some(46), 6), "asked before it stopped");
}

/// Its later task is locked on Redis for the visibility timeout if its worker is killed.
#[test]
fn a_later_task_is_held_by_a_worker_that_does_not_end_by_itself() {
    let mut later = tells(0, 0, long_since());
    later.report.iter_mut().for_each(|report| {
        report.scheduled = 3;
        report.due = Some(now().wall + Duration::from_secs(3600));
    });
    let seen = work([("a", later)]);
    let kept = |shell, overstays, returned| {
        let pods = [Pod { shell, ..marked("a") }];
        let plan = plan(&PlanInput {
            overstays,
            returned,
            ..plan_input(&pods, &seen, DrainSupport::StopFetching, 0)
        });
        (plan.allowed, plan.waits_for.tasks)
    };
    assert_eq!(kept(false, false, false), (0, 0), "it gives them back");
    assert_eq!((kept(true, false, false), kept(false, true, false)), ((1, 3), (1, 3)));
    assert_eq!(kept(true, true, true), (0, 0), "RabbitMQ has them back at once");
}

#[test]
fn pods_of_others_are_named_and_left_alone() {
    let of = |name: &str, replica_set: &str| Pod {
        replica_set: replica_set.into(),
        owner: replica_set.into(),
        ..pod(name)
    };
    // A Job's pod, one without an owner, and one of another Deployment with the same labels.
    let job = of("migrate", "");
    let web = of("web", "web-6d5f7c9b8");
    let mut own = marked("a");
    own.owner = "mail-6d5f7c9b8".into();
    let pods = [own, of("b", "mail-6d5f7c9b8"), job, web];
    let seen = work([("a", tells(0, 0, long_since())), ("b", beats(1))]);
    let plan = plan(&PlanInput {
        from: 2,
        ..plan_input(&pods, &seen, DrainSupport::StopFetching, 1)
    });
    assert_eq!((plan.allowed, plan.waits_for.rollout), (1, false));
    assert_eq!(plan.foreign, ["migrate", "web"]);
    assert_eq!(plan.own, ["a", "b"].map(|pod| (pod.to_owned(), true)).into());
    assert!(plan.marks.is_empty());
    // A ReplicaSet of another name may have been adopted: its owner is unknown.
    let adopted = of("c", "old");
    assert!(!adopted.is_foreign(mail(), ""));
}

#[test]
fn a_pod_that_does_not_end_by_itself_is_told_of() {
    let ending = |left: u64| Pod {
        killed_at: Some(now().wall + Duration::from_secs(left)),
        began: Some(Timestamp::UNIX_EPOCH),
        grace: Duration::from_secs(30),
        ..pod("a")
    };
    let many = |from, pods: Vec<Pod>| {
        plan(&PlanInput {
            graceful: Some(Duration::from_secs(30)),
            from,
            ..plan_input(&pods, &work([]), DrainSupport::StopFetching, 0)
        })
    };
    let made_anew = |owner: &str| Pod {
        owner: owner.into(),
        ..pod("b")
    };
    assert_eq!(many(1, vec![ending(1)]).overstayed, None, "others are about to be made");
    assert_eq!(
        many(1, vec![ending(1), made_anew("another")]).overstayed,
        None,
        "it is of an older template"
    );
    assert_eq!(many(1, vec![ending(1), made_anew("")]).overstayed.as_deref(), Some("a"));
    let graceful = |pod| many(0, vec![pod]);
    let early = graceful(ending(10));
    let ends = |left| Some(now().wall + Duration::from_secs(left));
    assert_eq!((early.overstayed, early.ends), (None, ends(10)), "it is watched");
    assert_eq!(graceful(ending(1)).overstayed.as_deref(), Some("a"));
    let removed = |pod: Pod| {
        plan(&PlanInput {
            from: 0,
            ..plan_input(&[pod], &work([]), DrainSupport::StopFetching, 0)
        })
    };
    let by_hand = removed(ending(1));
    assert_eq!(
        (by_hand.overstayed, by_hand.ends),
        (None, None),
        "the pool has not removed it"
    );
    let empty = removed(Pod {
        drain: marked("a").drain,
        ..ending(1)
    });
    assert_eq!((empty.overstayed.as_deref(), empty.ends), (Some("a"), ends(1)));
}

#[test]
fn a_busy_pod_may_go_if_its_grace_period_covers_the_longest_task() {
    let grace = |name, seconds| Pod {
        grace: Duration::from_secs(seconds),
        ..pod(name)
    };
    let pods = [grace("a", 30), grace("b", 29)];
    let seen = work([("a", beats(1)), ("b", beats(1))]);
    let plan = plan(&PlanInput {
        graceful: Some(Duration::from_secs(30)),
        ..plan_input(&pods, &seen, DrainSupport::ReportsOnly, 0)
    });
    assert_eq!(marks(&plan), [("a", true, Some(FIRST))]);
}
