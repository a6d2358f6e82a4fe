//! Whatever breaks the promise is said, and `Degraded` says it, too.
use super::*;
use crate::{controller::ownership::tests::target, scaling::Trouble};

/// `Degraded` and its text.
fn degraded(facts: &Facts) -> (String, String) {
    let status = status(facts, None);
    let found = status.conditions.iter().find(|one| one.kind == "Degraded").unwrap();
    (format!("{:?}/{}", found.status, found.reason), found.message.clone())
}

#[test]
fn a_blocked_queue_is_told_whatever_is_wished() {
    let tally = Tally {
        queues: vec![QueueTally {
            ready: 5,
            ..QueueTally::none("mail")
        }],
        ..tally()
    };
    let blocked = Decision {
        blocked: true,
        ..decision(Rule::Maximum)
    };
    let (reason, text) = degraded(&working(&tally, &blocked));
    assert_eq!(reason, "True/NothingStarts");
    assert!(text.contains("`mail`"), "{text}");
}

#[test]
fn a_beat_that_stops_or_runs_twice_is_told() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    for (scheduler, min, max, reason) in [
        (true, 0, 1, "True/BeatStopsAtZero"),
        (true, 0, 5, "True/BeatStopsAtZero"),
        (true, 1, 5, "True/BeatRunsTwice"),
        (true, 1, 1, "False/AsExpected"),
        (false, 0, 5, "False/AsExpected"),
    ] {
        let facts = Facts {
            scheduler,
            min,
            max,
            ..working(&tally, &backlog)
        };
        assert_eq!(degraded(&facts).0, reason, "{scheduler} {min} {max}");
    }
}

#[test]
fn pods_that_are_not_ready_are_told_with_what_the_deployment_says_of_them() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let with = |late, why| Facts {
        pods: Pods { late, why },
        ..working(&tally, &backlog)
    };
    let (reason, text) = degraded(&with(2, Some("exceeded quota: tiny")));
    assert_eq!(reason, "True/PodsNotReady");
    assert!(text.starts_with("2 of the ordered replicas are not ready"), "{text}");
    assert!(
        text.ends_with("The Deployment says: \"exceeded quota: tiny\""),
        "{text}"
    );
    let of_a_set = Facts {
        kind: crate::model::WorkloadKind::StatefulSet,
        ..with(2, Some("quota"))
    };
    assert!(degraded(&of_a_set).1.ends_with("The StatefulSet says: \"quota\""));
    let (reason, text) = degraded(&with(0, Some("exceeded quota: tiny")));
    assert_eq!(reason, "True/PodsNotReady");
    assert!(text.starts_with("Ordered replicas cannot be made."), "{text}");
    assert_eq!(degraded(&with(0, None)).0, "False/AsExpected");
    let learned = Decision {
        trouble: Some(Trouble::PodsNotReady { pods: 3 }),
        ..decision(Rule::Deadline)
    };
    let (reason, text) = degraded(&working(&tally, &learned));
    assert_eq!(reason, "True/PodsNotReady");
    assert!(
        !text.contains("Only few"),
        "the sentence says it where it is so: {text}"
    );
}

#[test]
fn a_lost_broker_breaks_the_promise_after_a_while_with_its_own_words() {
    let backlog = decision(Rule::Backlog);
    let counted = tally();
    let lost = |age| Facts {
        source: lost(age),
        broker: BrokerAddress {
            number: 2,
            of: 3,
            management: None,
        },
        ..working(&counted, &backlog)
    };
    assert_eq!(degraded(&lost(29)).0, "False/AsExpected");
    let (reason, text) = degraded(&lost(30));
    assert_eq!(reason, "True/SourceLost");
    assert_eq!(text, message(&status(&lost(30), None), "SourceAvailable"));
    assert!(
        text.contains("(address 2 of the 3 in the broker URL): the broker refuses"),
        "{text}"
    );
}

#[test]
fn the_management_api_is_named_where_it_is_what_fails() {
    let tally = Tally {
        degraded: Some(SampleError::Management),
        ..tally()
    };
    let backlog = decision(Rule::Backlog);
    let facts = Facts {
        broker: BrokerAddress {
            management: Some("rabbitmq.shop.svc:15672".into()),
            ..BrokerAddress::default()
        },
        ..working(&tally, &backlog)
    };
    let text = message(&status(&facts, None), "SourceAvailable");
    assert!(text.contains("the management API at rabbitmq.shop.svc:15672"), "{text}");
}

#[test]
fn every_condition_is_a_metric() {
    let tally = tally();
    let blocked = Decision {
        blocked: true,
        trouble: Some(Trouble::NothingFinishes),
        ..decision(Rule::Fallback)
    };
    let problem = [Problem::invalid("no"), Problem::waiting("Missing", "wait")];
    for problem in [None, Some(&problem[0]), Some(&problem[1])] {
        let facts = Facts {
            problem,
            fought_by: Some("argocd"),
            cost_conflict: Some("pod"),
            ..working(&tally, &blocked)
        };
        for condition in status(&facts, None).conditions {
            let kind = condition.kind;
            assert_eq!(crate::controller::report::fixed(&kind), Some(&*kind));
        }
    }
}

#[test]
fn what_is_still_true_stays_while_the_brokers_first_word_is_awaited() {
    let (tally, backlog) = (tally(), decision(Rule::Backlog));
    let stored = status(&working(&tally, &backlog), None);
    let began = || Facts {
        source: SourceState::NotYet,
        decision: None,
        about_to_speak: true,
        now: at(500),
        ..working(&tally, &backlog)
    };
    assert_eq!(status(&began(), Some(&stored)), stored, "nothing to write");
    let moved = |facts: Facts| line(&status(&facts, Some(&stored)));
    for (what, facts) in [
        (
            "for long",
            Facts {
                about_to_speak: false,
                ..began()
            },
        ),
        (
            "another spec",
            Facts {
                generation: 8,
                ..began()
            },
        ),
        (
            "other replicas",
            Facts {
                target: Some((9, 3)),
                ..began()
            },
        ),
    ] {
        assert!(moved(facts).contains("SourceAvailable=Unknown/NotSampledYet"), "{what}");
    }
}

#[test]
fn what_the_deployment_says_is_quoted_where_pods_are_missing() {
    let missing = |ready, failure: Option<&str>, stuck: Option<&str>| crate::kube::Target {
        ready,
        failure: failure.map(str::to_owned),
        stuck: stuck.map(str::to_owned),
        ..target(1, 3, "twp-operator")
    };
    let why = |target: &crate::kube::Target, late| Pods::of(Some(target), late).why.map(str::to_owned);
    let quota = missing(2, Some("exceeded quota"), Some("progress deadline exceeded"));
    assert_eq!(why(&quota, 0), Some("exceeded quota".into()), "a refusal at once");
    let stuck = missing(2, None, Some("progress deadline exceeded"));
    assert_eq!(
        (why(&stuck, 0), why(&stuck, 1)),
        (None, Some("progress deadline exceeded".into()))
    );
    assert_eq!(why(&missing(3, Some("exceeded quota"), None), 1), None, "all are ready");
}
