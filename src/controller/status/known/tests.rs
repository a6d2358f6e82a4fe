use super::super::tests::{decision, tally, working};
use super::*;
use crate::{
    drain::{Plan, Unknown},
    framework::registry::row,
    model::{PodReport, SampleError},
    scaling::Rule,
};

/// Three ready pods, of which `heard` are heard and the others have not been for `seconds`.
fn heard(heard: u32, seconds: u64) -> Heard<'static> {
    Heard {
        ready: 3,
        heard,
        missing_for: (heard < 3).then(|| Duration::from_secs(seconds)),
        not_heard: vec!["mail-a", "mail-b"],
    }
}

/// The condition for this tally, and the message.
fn said(tally: &Tally, change: impl FnOnce(&mut Facts)) -> (String, String) {
    let decision = decision(Rule::Backlog);
    let mut facts = working(tally, &decision);
    change(&mut facts);
    let spec = workers_known(&facts);
    (format!("{:?}/{}", spec.status, spec.reason), spec.message)
}

#[test]
fn where_all_are_heard_it_is_true() {
    assert_eq!(said(&tally(), |_| ()).0, "True/AllKnown");
    let nobody = said(&tally(), |facts| facts.workers = Heard::default());
    assert_eq!(nobody.0, "True/NoWorkers");
    let foreign = Plan {
        foreign: vec!["migrate-1".into()],
        ..Plan::default()
    };
    let decision = decision(Rule::Backlog);
    let counted = tally();
    let facts = Facts {
        leaving: Some(&foreign),
        ..working(&counted, &decision)
    };
    assert!(workers_known(&facts).message.contains("`migrate-1`"));
}

#[test]
fn where_no_pod_can_be_known_the_grace_period_is_enough() {
    let blind = Tally {
        drain: DrainSupport::None,
        pods: Default::default(),
        ..tally()
    };
    let of = |graceful| {
        said(&blind, |facts| {
            (facts.workers, facts.graceful) = (heard(0, 300), graceful);
        })
    };
    assert_eq!(of(false).0, "False/NobodyHeard");
    assert_eq!(of(true).0, "True/CoveredByGracePeriod");
}

/// Two pods that are alive, and of which nothing was said lately.
fn stale(drain: DrainSupport, hearing: Hearing) -> Tally {
    let pod = PodReport {
        live: true,
        ..PodReport::default()
    };
    Tally {
        drain,
        hearing,
        pods: ["mail-a", "mail-b"].map(|name| (name.to_owned(), pod.clone())).into(),
        ..tally()
    }
}

#[test]
fn where_pods_are_known_together_alone_nobody_is_said_to_be_heard() {
    let stream = stale(DrainSupport::None, Hearing::Works);
    let (condition, message) = said(&stream, |facts| facts.framework = row("Taskiq"));
    assert_eq!(condition, "True/KnownTogether");
    assert!(!message.contains("heard"), "{message}");
}

#[test]
fn pods_that_are_alive_and_cannot_be_read_are_not_known() {
    let refused = Hearing::Refused { right: "hmget".into() };
    for (hearing, expected, words) in [
        (
            Hearing::Failing(SampleError::TooLarge),
            "False/HeartbeatsFail",
            "larger than",
        ),
        (refused, "False/HeartbeatsRefused", "(missing: hmget)"),
        (Hearing::Works, "True/AllKnown", "heard"),
    ] {
        let stale = stale(DrainSupport::ReportsOnly, hearing);
        let plan = Plan {
            unknown: vec![Unknown {
                pod: "mail-a".into(),
                why: Why::NotAnswered,
            }],
            ..Plan::default()
        };
        let (condition, message) = said(&stale, |facts| facts.framework = row("RQ"));
        assert_eq!(condition, expected);
        assert!(message.contains(words), "{message}");
        let decision = decision(Rule::Backlog);
        let drained = workers_known(&Facts {
            framework: row("RQ"),
            leaving: Some(&plan),
            ..working(&stale, &decision)
        });
        assert_eq!(
            drained.reason == "RemoteControlSilent",
            words == "heard",
            "{}",
            drained.message
        );
    }
}

#[test]
fn what_is_refused_is_not_said_to_be_missing() {
    let mut refused = tally();
    refused.hearing = Hearing::Refused {
        right: "smembers".into(),
    };
    let (condition, message) = said(&refused, |facts| {
        (facts.framework, facts.workers) = (row("RQ"), heard(0, 60));
    });
    assert_eq!(condition, "False/HeartbeatsRefused");
    assert!(
        message.contains("smembers") && !message.contains("no entry"),
        "{message}"
    );
}

#[test]
fn only_celery_users_are_told_of_tasks_with_an_eta() {
    for framework in ["Celery", "RQ", "Taskiq"].map(row) {
        let (_, message) = said(&tally(), |facts| {
            (facts.framework, facts.overstayed) = (framework, Some("mail-1-b"));
        });
        assert_eq!(message.contains("ETA"), framework.name == "Celery", "{message}");
        assert!(message.contains(framework.words.overstays), "{message}");
    }
}

#[test]
fn who_runs_tasks_itself_is_busy_and_not_lost_for_an_hour() {
    let silent = |solo: [bool; 2]| {
        let pods = ["mail-a", "mail-b"].into_iter().zip(solo).map(|(pod, solo)| {
            let work = PodReport {
                silent: Some(Duration::ZERO),
                solo,
                ..PodReport::default()
            };
            (pod.to_owned(), work)
        });
        Tally {
            pods: pods.collect(),
            ..tally()
        }
    };
    let of = |tally: &Tally, heard_, seconds| said(tally, |facts| facts.workers = heard(heard_, seconds));
    let (condition, message) = of(&silent([true, true]), 1, 300);
    assert_eq!(condition, "Unknown/WorkersBusy");
    assert!(message.contains("`mail-a`, `mail-b`"), "{message}");
    assert_eq!(of(&silent([true, true]), 1, 3601).0, "False/WorkersSilent");
    assert_eq!(of(&silent([true, false]), 1, 300).0, "False/WorkersSilent");
    assert_eq!(
        of(&silent([true, true]), 0, 300).0,
        "False/NobodyHeard",
        "there is a third one"
    );
}

#[test]
fn whom_nobody_hears_is_named_with_the_cause() {
    let with = |change: fn(&mut Tally)| {
        let mut tally = tally();
        change(&mut tally);
        tally
    };
    let right = || "`read` on the exchange `celeryev`".to_owned();
    for (tally, alive, seconds, reason, words) in [
        (with(|_| ()), 0, 60, "NobodyHeard", "keyPrefix"),
        (
            with(|_| ()),
            2,
            60,
            "WorkersSilent",
            "1 of 3 ready pods (`mail-a`, `mail-b`)",
        ),
        (
            with(|tally| tally.strangers = vec!["fixed@worker".into()]),
            0,
            15,
            "NodeNamesUnknown",
            "`fixed@worker`",
        ),
        (
            with(|tally| tally.hearing = Hearing::Failing(SampleError::NotReady)),
            0,
            15,
            "HeartbeatsFail",
            "not ready",
        ),
        (
            with(|tally| tally.control = Control::Failing(SampleError::Timeout)),
            0,
            15,
            "RemoteControlFails",
            "in time",
        ),
    ] {
        let (condition, message) = said(&tally, |facts| facts.workers = heard(alive, seconds));
        assert_eq!(condition, format!("False/{reason}"));
        assert!(message.contains(words) && message.contains("Graceful"), "{message}");
        let soon = said(&tally, |facts| facts.workers = heard(alive, seconds - 1));
        assert_eq!(soon.0, "Unknown/Starting", "it may just be starting");
    }
    let mut refused = tally();
    refused.hearing = Hearing::Refused { right: right() };
    let (condition, message) = said(&refused, |facts| facts.workers = heard(0, 60));
    assert_eq!(condition, "False/HeartbeatsRefused");
    assert!(message.contains(&right()), "{message}");
    // All answer all the same.
    assert_eq!(said(&refused, |_| ()).0, "True/AllKnown");
}

#[test]
fn every_framework_says_why_nobody_or_not_all_are_heard() {
    for framework in ["Celery", "RQ", "Taskiq"].map(row) {
        let words = framework.words;
        for (alive, reason, why) in [(0, "NobodyHeard", words.nobody), (2, "WorkersSilent", words.silent)] {
            let (condition, message) = said(&tally(), |facts| {
                (facts.framework, facts.workers) = (framework, heard(alive, 60));
            });
            assert_eq!(condition, format!("False/{reason}"), "{framework:?}");
            assert!(message.contains(why), "{framework:?}: {message}");
        }
    }
}

#[test]
fn what_the_pods_that_are_to_go_do_not_say_is_told() {
    for (why, reason, words) in [
        (Why::NotHeard, "WorkersSilent", "solo"),
        (Why::Silent, "WorkersSilent", "solo"),
        (Why::NotAnswered, "RemoteControlSilent", "are there"),
        (Why::Partly, "RemoteControlSilent", "larger"),
        (
            Why::Doubled {
                node: "celery@x".into(),
            },
            "NodeNamesUnknown",
            "`celery@x`",
        ),
    ] {
        let plan = Plan {
            unknown: vec![Unknown {
                pod: "mail-a".into(),
                why,
            }],
            ..Plan::default()
        };
        let (decision, counted) = (decision(Rule::Backlog), tally());
        let spec = workers_known(&Facts {
            leaving: Some(&plan),
            ..working(&counted, &decision)
        });
        assert_eq!((spec.status, spec.reason), (False, reason));
        let failing = Tally {
            control: Control::Failing(SampleError::Blocked),
            ..tally()
        };
        let hindered = workers_known(&Facts {
            leaving: Some(&plan),
            ..working(&failing, &decision)
        });
        let expected = if reason == "NodeNamesUnknown" {
            reason
        } else {
            "RemoteControlFails"
        };
        assert_eq!(hindered.reason, expected, "{}", hindered.message);
        assert!(
            spec.message.contains(words) && spec.message.contains("`mail-a`"),
            "{}",
            spec.message
        );
    }
}

#[test]
fn refusals_deaf_workers_and_pods_that_do_not_end_are_told() {
    let (condition, message) = said(&tally(), |facts| facts.refused = Some("`+sadd`"));
    assert_eq!(condition, "False/RemoteControlRefused");
    assert!(
        message.contains("(missing: `+sadd`)") && message.contains("heartbeats say"),
        "{message}"
    );
    let neither = Tally {
        hearing: Hearing::Refused {
            right: "`&/0.celeryev/*`".into(),
        },
        ..tally()
    };
    let (condition, message) = said(&neither, |facts| facts.refused = Some("`+sadd`"));
    assert_eq!(condition, "False/RemoteControlRefused");
    assert!(
        message.contains("`&/0.celeryev/*`") && message.contains("nothing is known"),
        "{message}"
    );
    let mut deaf = tally();
    let pod = PodReport {
        unresponsive: true,
        ..PodReport::default()
    };
    deaf.pods.insert("mail-1-a".into(), pod);
    assert_eq!(said(&deaf, |_| ()).0, "False/RemoteControlSilent");
    let (condition, message) = said(&tally(), |facts| facts.overstayed = Some("mail-1-b"));
    assert_eq!(condition, "True/AllKnown", "nobody relies on it");
    assert!(message.contains("`mail-1-b`") && message.contains("ETA"), "{message}");
    let (condition, message) = said(&tally(), |facts| {
        (facts.overstayed, facts.graceful) = (Some("mail-1-b"), true);
    });
    assert_eq!(condition, "False/StopIgnored");
    assert!(message.contains("`mail-1-b`") && message.contains("exec"), "{message}");
}

#[test]
fn it_is_unknown_while_nothing_is_known() {
    assert_eq!(said(&tally(), |facts| facts.suspended = true).0, "Unknown/Suspended");
    let unread = said(&tally(), |facts| facts.source = SourceState::NotYet);
    assert_eq!(unread.0, "Unknown/NotAsked");
}

#[test]
fn a_name_that_occurs_twice_has_another_cure_where_the_target_is_a_stateful_set() {
    let plan = Plan {
        unknown: vec![Unknown {
            pod: "mail-0".into(),
            why: Why::Doubled {
                node: "celery@mail-0".into(),
            },
        }],
        ..Plan::default()
    };
    let (decision, counted) = (decision(Rule::Backlog), tally());
    let said = |kind| {
        let facts = Facts {
            kind,
            leaving: Some(&plan),
            ..working(&counted, &decision)
        };
        workers_known(&facts)
            .message
            .contains("another StatefulSet of this name")
    };
    assert!(said(WorkloadKind::StatefulSet) && !said(WorkloadKind::Deployment));
}
