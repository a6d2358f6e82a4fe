mod order;
mod ordinals;
mod support;

use std::{sync::LazyLock, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{
    drain::{
        Ordinals,
        pod::{Drain, Readiness},
    },
    model::{Consumers, Now, Workload},
};

const NOW: Moment = Duration::from_secs(1000);

fn now() -> Now {
    Now {
        wall: Timestamp::UNIX_EPOCH + NOW,
        moment: NOW,
    }
}

/// Ready pod without a cost.
fn pod(name: &str) -> Pod {
    Pod {
        name: name.into(),
        readiness: Readiness::Ready,
        replica_set: "mail-6d5f7c9b8".into(),
        template_hash: "6d5f7c9b8".into(),
        ..Pod::default()
    }
}

/// Queues that the one worker of a pod fetches from.
fn consumers(queues: &[&str]) -> Consumers {
    let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    [("its@worker".to_owned(), queues)].into()
}

/// Pod that has been told to stop fetching from `celery`.
fn stopped(name: &str) -> Pod {
    Pod {
        drain: Some(Drain {
            pool: "mail".into(),
            queues: consumers(&["celery"]),
            ..Drain::default()
        }),
        ..pod(name)
    }
}

/// The same pod when it holds nothing.
fn marked(name: &str) -> Pod {
    let mut pod = stopped(name);
    pod.cost = Some(FIRST);
    pod.drain.iter_mut().for_each(|drain| drain.empty = true);
    pod
}

/// Report of a pod whose workers beat and run this number of tasks.
fn beats(running: u32) -> PodReport {
    PodReport {
        running,
        live: true,
        fresh: true,
        tells: true,
        idle_since: (running == 0).then_some(NOW - Duration::from_secs(10)),
        ..PodReport::default()
    }
}

/// The same when it answered just now: it runs and has reserved this number of tasks, and fetches from `celery`, or not
/// since.
fn tells(running: u32, reserved: u32, stopped_since: Option<Moment>) -> PodReport {
    let queues: &[&str] = if stopped_since.is_none() { &["celery"] } else { &[] };
    PodReport {
        report: Some(WorkerReport {
            consumes: consumers(queues),
            stopped_since,
            asked: NOW - Duration::from_millis(500),
            scheduled_asked: NOW - Duration::from_millis(500),
            running,
            reserved,
            ..WorkerReport::default()
        }),
        ..beats(running)
    }
}

/// Intents as they ought to be for every pod, given before any answer.
fn settled_intents() -> &'static PodIntents {
    static ALL: LazyLock<PodIntents> = LazyLock::new(|| {
        let numbered = (0..12).map(|number| format!("pod-{number}"));
        let named = ["a", "b", "c", "d", "sick", "idle"].map(str::to_owned);
        let pod_intent = PodIntent {
            intent: Intent::Report,
            since: Moment::ZERO,
        };
        numbered.chain(named).map(|pod| (pod, pod_intent.clone())).collect()
    });
    &ALL
}

/// The target.
fn mail() -> &'static Workload {
    static MAIL: LazyLock<Workload> = LazyLock::new(|| "mail".into());
    &MAIL
}

/// Time that is long enough ago.
fn long_since() -> Option<Moment> {
    Some(NOW - Duration::from_secs(5))
}

/// No pod has gone.
static NOBODY: Departed = Departed::new();

type Reports = BTreeMap<String, PodReport>;

fn work<const N: usize>(all: [(&str, PodReport); N]) -> Reports {
    all.map(|(name, work)| (name.to_owned(), work)).into()
}

fn plan_input<'a>(pods: &'a [Pod], work: &'a Reports, support: DrainSupport, to: u32) -> PlanInput<'a> {
    PlanInput {
        pool: "mail",
        target: mail(),
        uid: "set",
        ordinals: Ordinals::default(),
        pods,
        work,
        intents: settled_intents(),
        departed: &NOBODY,
        support,
        from: u32::try_from(pods.iter().filter(|pod| !pod.is_terminating()).count()).unwrap(),
        to,
        graceful: None,
        overstays: false,
        returned: true,
        now: now(),
        fresh: Duration::from_secs(3),
    }
}

fn planned(pods: &[Pod], work: &Reports, to: u32) -> Plan {
    plan(&plan_input(pods, work, DrainSupport::StopFetching, to))
}

fn marks(plan: &Plan) -> Vec<(&str, bool, Option<i32>)> {
    let state = |mark: &Mark| mark.drain.as_ref().is_some_and(|drain| drain.empty);
    plan.marks
        .iter()
        .map(|mark| (mark.pod.as_str(), state(mark), mark.cost))
        .collect()
}

fn stop() -> Intent {
    Intent::Cordon(consumers(&["celery"]))
}

fn resume() -> Intent {
    Intent::Uncordon(consumers(&["celery"]))
}

#[test]
fn a_worker_is_asked_then_told_then_awaited_then_marked_and_then_it_may_go() {
    let pods = [pod("a")];
    let asked = planned(&pods, &work([("a", beats(0))]), 0);
    assert_eq!((marks(&asked), asked.allowed), (vec![], 1));
    assert_eq!(asked.intents, [("a".to_owned(), Intent::Report)].into());

    let told = planned(&pods, &work([("a", tells(1, 2, None))]), 0);
    assert_eq!(marks(&told), [("a", false, None)], "its queues stand on it first");
    assert_eq!(told.marks[0].drain, stopped("a").drain);
    assert_eq!((told.intents["a"].clone(), told.allowed), (stop(), 1));

    let pods = [stopped("a")];
    for held in [
        tells(1, 0, long_since()),
        tells(0, 3, long_since()),
        tells(0, 0, None),
        beats(0),
    ] {
        let awaited = planned(&pods, &work([("a", held)]), 0);
        assert_eq!((marks(&awaited), awaited.allowed), (vec![], 1));
        assert_eq!(awaited.intents["a"], stop());
    }
    let just_now = Some(NOW - Duration::from_millis(1900));
    assert_eq!(
        planned(&pods, &work([("a", tells(0, 0, just_now))]), 0).allowed,
        1,
        "a fetch may be under way"
    );

    let empty = work([("a", tells(0, 0, long_since()))]);
    let marked_now = planned(&pods, &empty, 0);
    assert_eq!(marks(&marked_now), [("a", true, Some(FIRST))]);
    assert_eq!(marked_now.allowed, 1, "the ReplicaSet controller has not seen it yet");
    let gone = planned(&[marked("a")], &empty, 0);
    assert_eq!((marks(&gone), gone.allowed), (vec![], 0));
}

#[test]
fn an_old_answer_is_no_answer() {
    let mut old = tells(0, 0, long_since());
    old.report
        .iter_mut()
        .for_each(|report| report.asked = NOW - Duration::from_millis(3001));
    let plan = planned(&[marked("a")], &work([("a", old)]), 0);
    assert_eq!(plan.allowed, 1);
    assert_eq!(
        marks(&plan),
        [("a", false, None)],
        "it is not known to be empty any more"
    );
}

#[test]
fn what_was_told_under_another_wish_is_not_believed() {
    let other = PodIntent {
        intent: stop(),
        since: Duration::from_secs(1),
    };
    let intents = [("a".to_owned(), other)].into();
    let mut resumed = tells(0, 0, None);
    resumed.report.iter_mut().for_each(|report| report.resumed = true);
    for (pod, said, to) in [(marked("a"), tells(0, 0, long_since()), 0), (stopped("a"), resumed, 1)] {
        let (pods, work) = ([pod], work([("a", said)]));
        let known = planned(&pods, &work, to);
        let plan = plan(&PlanInput {
            intents: &intents,
            ..plan_input(&pods, &work, DrainSupport::StopFetching, to)
        });
        assert_ne!(plan, known);
        assert_eq!((plan.allowed, plan.unfinished), (1, true));
        assert!(plan.marks.iter().all(|mark| mark.drain.is_some()));
    }
}

#[test]
fn a_wish_of_the_same_kind_is_the_same_wish() {
    let wish = |intent: Intent| BTreeMap::from([("a".to_owned(), intent)]);
    let first = dated_intents(&PodIntents::new(), &wish(stop()), NOW);
    let wider = Intent::Cordon(consumers(&["celery", "mail"]));
    let later = NOW + Duration::from_secs(1);
    assert_eq!(dated_intents(&first, &wish(wider), later)["a"].since, NOW);
    assert_eq!(dated_intents(&first, &wish(Intent::Report), later)["a"].since, later);
    assert_eq!(dated_intents(&first, &BTreeMap::new(), later), PodIntents::new());
}

#[test]
fn who_is_to_stay_is_told_to_fetch_again_and_then_left_alone() {
    let own_cost = |mut pod: Pod| {
        pod.drain.iter_mut().for_each(|drain| drain.cost = Some(7));
        pod
    };
    let pods = [own_cost(marked("a"))];
    let back = planned(&pods, &work([("a", tells(0, 0, long_since()))]), 1);
    assert_eq!(back.intents["a"], resume());
    assert_eq!(marks(&back), [("a", false, Some(7))], "its own cost comes back at once");
    assert!(back.unfinished);

    let mut resumed = tells(0, 0, None);
    resumed.report.iter_mut().for_each(|report| report.resumed = true);
    let mut free = own_cost(stopped("a"));
    free.cost = Some(7);
    let done = planned(&[free], &work([("a", resumed)]), 1);
    assert_eq!(
        done.marks,
        [Mark {
            pod: "a".into(),
            uid: String::new(),
            drain: None,
            cost: Some(7)
        }]
    );
    assert!(done.intents.is_empty());

    let left_alone = planned(&[pod("a")], &work([("a", beats(3))]), 1);
    assert_eq!(
        left_alone,
        Plan {
            allowed: 1,
            own: [("a".to_owned(), true)].into(),
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
    assert_eq!(swap.intents["b"], Intent::Report);
    assert!(matches!(swap.intents["a"], Intent::Uncordon(_)));
    // Between two short tasks no pod is idle: the one that was begun with stays chosen.
    let mut pauses = beats(0);
    pauses.idle_since = Some(NOW - Duration::from_secs(1));
    let short = planned(
        &[stopped("a"), pod("b")],
        &work([("a", tells(1, 0, long_since())), ("b", pauses)]),
        1,
    );
    assert_eq!(short.intents["a"], stop());
}

#[test]
fn what_is_said_of_those_that_are_to_go_is_what_they_said() {
    let pods = [stopped("a"), stopped("b"), stopped("c"), pod("d")];
    let seen = work([
        ("a", tells(0, 0, None)),
        ("b", tells(1, 2, long_since())),
        ("c", beats(0)),
        ("d", tells(2, 1, None)),
    ]);
    let said = WaitsFor {
        emptying: 1,
        cordoning: 1,
        busy: 1,
        unknown: 1,
        tasks: 6,
        rollout: false,
    };
    assert_eq!(
        planned(&pods, &seen, 0).waits_for,
        said,
        "told to fetch no more is not fetching no more"
    );
}

#[test]
fn silence_is_not_idleness() {
    // The pod was heard ten seconds ago.
    let silent = PodReport {
        silent: Some(NOW - Duration::from_secs(10)),
        ..PodReport::default()
    };
    for (seen, readiness, may_go) in [
        (Some(silent.clone()), Readiness::Ready, false),
        (Some(silent.clone()), Readiness::NotReady, false),
        (Some(silent.clone()), Readiness::Down, true),
        (Some(silent), Readiness::Pending, true),
        (Some(beats(0)), Readiness::Ready, false),
        (None, Readiness::Ready, false),
        (None, Readiness::Booting, false),
        (None, Readiness::NotReady, false),
        (None, Readiness::Down, true),
        (None, Readiness::Creating, false),
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
    assert_eq!(plan.intents["sick"], stop());
    assert!(
        matches!(plan.intents["idle"], Intent::Uncordon(_)),
        "one is to go, not two"
    );
}

#[test]
fn nothing_goes_while_pods_of_two_templates_are_there() {
    let mut other = marked("b");
    other.owner = "another".into();
    let seen = work([("a", tells(0, 0, None)), ("b", tells(0, 0, long_since()))]);
    let pods = [pod("a"), other.clone()];
    let plan = planned(&pods, &seen, 1);
    assert_eq!((plan.allowed, plan.waits_for.rollout), (2, true));
    assert!(matches!(plan.intents["b"], Intent::Uncordon(_)));
    // Down to none it does not matter which goes first: once all hold nothing they may.
    assert_eq!(planned(&pods, &seen, 0).intents["a"], stop());
    assert_eq!(planned(&pods, &seen, 0).allowed, 2);
    let empty = work([("a", tells(0, 0, long_since())), ("b", tells(0, 0, long_since()))]);
    assert_eq!(planned(&[marked("a"), other], &empty, 0).allowed, 0);
}

#[test]
fn a_pod_that_is_being_deleted_is_no_replica() {
    let leaving = Pod {
        killed_at: Some(Timestamp::UNIX_EPOCH),
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
            ends: Some(Timestamp::UNIX_EPOCH),
            allowed: 1,
            own: [("b".to_owned(), true)].into(),
            ..Plan::default()
        }
    );
}

#[test]
fn no_more_are_on_their_way_out_at_once_than_can_be_looked_after() {
    let pods: Vec<_> = (0..200).map(|number| pod(&format!("pod-{number}"))).collect();
    let all = pods.iter().map(|pod| (pod.name.clone(), beats(0))).collect();
    let plan = planned(&pods, &all, 0);
    assert_eq!((plan.intents.len(), plan.allowed), (64, 200));
}

#[test]
fn another_writer_of_the_cost_is_noticed() {
    let mut pod = marked("a");
    pod.cost = Some(50);
    let plan = planned(&[pod], &work([("a", tells(0, 0, long_since()))]), 0);
    assert_eq!(plan.conflict.as_deref(), Some("a"));
    assert_eq!(marks(&plan), [("a", true, Some(FIRST))], "it is written again first");
}
