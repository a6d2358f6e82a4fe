use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    api::{TaskWorkerPool, Time},
    controller::{examine::Reached, pool::Problem, validate},
    doctor::Level,
    kube::{CallError, SlimDeployment},
    model::{PodReport, QueueTally, SampleError},
};

fn key() -> Key {
    Key {
        namespace: "shop".to_owned(),
        name: "mail".to_owned(),
    }
}

fn pool() -> Pool {
    let object: TaskWorkerPool = serde_json::from_value(json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "mail"},
        "spec": {
            "targetRef": {"name": "mail"}, "maxReplicas": 5, "queues": ["mail"],
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
        },
    }))
    .unwrap();
    validate::pool(&object).unwrap()
}

fn target(owners: &[&str], command: &[&str], grace: u32) -> Target {
    let fields: Vec<_> = owners
        .iter()
        .map(|owner| json!({"manager": owner, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}))
        .collect();
    let object: SlimDeployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "mail", "namespace": "shop", "uid": "u-1", "managedFields": fields},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "mail"}},
            "template": {"spec": {"terminationGracePeriodSeconds": grace, "containers": [{"command": command}]}},
        },
        "status": {"readyReplicas": 1},
    }))
    .unwrap();
    Target::read(&object).unwrap().1
}

fn condition(kind: &str, status: ConditionStatus, reason: &str, message: &str) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status,
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn reached(result: Result<(), SampleError>) -> Reached {
    Reached {
        host: "redis".to_owned(),
        port: 6379,
        encrypted: false,
        result,
    }
}

/// A pool with which all is well.
fn well() -> Examined {
    use ConditionStatus::{False, True};
    let pod = PodReport {
        live: true,
        ..PodReport::default()
    };
    let tally = Tally {
        queues: vec![QueueTally {
            ready: 12,
            ..QueueTally::none("mail")
        }],
        pods: BTreeMap::from([("mail-1".to_owned(), pod)]),
        hearing: Hearing::Works,
        fetches: BTreeMap::from([("mail-1".to_owned(), Arc::default())]),
        slots: Some(4),
        workers_heard: true,
        ..Tally::default()
    };
    Examined {
        pool: Some(Ok(pool())),
        conditions: vec![
            condition("Ready", True, "Working", "The spec works."),
            condition("SourceAvailable", True, "Sampled", "The broker answers."),
            condition("QueuesMatch", True, "AsConfigured", "As it should be."),
            condition("WorkersKnown", True, "AllKnown", "All ready pods are heard or answer."),
            condition("TargetFeasible", True, "Feasible", "Nothing keeps it."),
            condition("Degraded", False, "AsExpected", "All is well."),
        ],
        target: Some(target(&["twp-operator"], &["celery", "worker"], 30)),
        addresses: vec![reached(Ok(()))],
        broker: "Redis",
        tally: Some(Arc::new(tally)),
        ..Examined::default()
    }
}

/// The same, and one condition says something else.
fn but(kind: &str, status: ConditionStatus, reason: &str) -> Examined {
    let mut seen = well();
    seen.conditions.retain(|condition| condition.kind != kind);
    seen.conditions.push(condition(kind, status, reason, "It is told why."));
    seen
}

fn told(seen: &Examined) -> Vec<Finding> {
    findings(&key(), seen, None).unwrap()
}

fn of(level: Level, findings: &[Finding]) -> Vec<&str> {
    let these = findings.iter().filter(|finding| finding.level == level);
    these.map(|finding| finding.what.as_str()).collect()
}

#[test]
fn where_all_is_well_it_is_said_what_was_seen() {
    let findings = told(&well());
    let all = of(Level::Ok, &findings);
    assert_eq!(all.len(), findings.len(), "{findings:#?}");
    for what in [
        "Pool",
        "Target",
        "References",
        "DNS",
        "TCP",
        "Authentication",
        "Queue",
        "Heartbeats",
        "Workers",
        "Queues",
    ] {
        assert!(all.contains(&what), "{what}: {findings:#?}");
    }
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    for part in [
        "`shop/mail` is valid",
        "`mail`: 12 waiting",
        "1 of 1 ready pods",
        "runs 4 at a time",
        "the operator's alone",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn each_condition_is_one_finding_with_its_own_words() {
    use ConditionStatus::{False, True};
    for (seen, what) in [
        (but("Ready", False, "TargetMissing"), "Target"),
        (but("Ready", False, "TargetTaken"), "Target"),
        (but("Ready", False, "ReferenceMissing"), "References"),
        (but("Ready", False, "ReferenceForbidden"), "References"),
        (but("Ready", False, "HostNotAllowed"), "Broker"),
        (but("Ready", False, "InvalidSpec"), "Pool"),
        (but("QueuesMatch", False, "WorkersUseOtherQueues"), "Queues"),
        (but("WorkersKnown", False, "NodeNamesUnknown"), "Workers"),
        (but("TargetFeasible", False, "PodsNotReady"), "Pods"),
        (but("Degraded", True, BEAT_STOPS), "Beat"),
    ] {
        let findings = told(&seen);
        assert_eq!(of(Level::Wrong, &findings), [what], "{findings:#?}");
        let wrong = findings.iter().find(|finding| finding.is_wrong()).unwrap();
        assert_eq!(wrong.text, "It is told why.");
    }
}

#[test]
fn what_the_broker_refuses_is_told_once() {
    let with = |change: fn(&mut Tally), reason| {
        let mut seen = but("WorkersKnown", ConditionStatus::False, reason);
        let mut tally = (**seen.tally.as_ref().unwrap()).clone();
        change(&mut tally);
        seen.tally = Some(Arc::new(tally));
        told(&seen)
    };
    let beats = with(
        |tally| {
            tally.hearing = Hearing::Refused {
                right: "&/0.celeryev/*".to_owned(),
            };
        },
        "HeartbeatsRefused",
    );
    assert_eq!(of(Level::Wrong, &beats), ["Heartbeats"], "{beats:#?}");
    let text: String = beats.iter().map(|finding| format!("{finding}\n")).collect();
    assert!(
        text.contains("missing: &/0.celeryev/*") && text.contains("docs/redis.md"),
        "{text}"
    );
    let control = with(
        |tally| {
            tally.control = Control::Refused {
                right: "+publish".to_owned(),
            };
        },
        "RemoteControlRefused",
    );
    assert_eq!(of(Level::Wrong, &control), ["Remote control"], "{control:#?}");
}

#[test]
fn what_comes_after_a_failure_is_not_called_wrong() {
    use ConditionStatus::{False, Unknown};
    let mut seen = but("SourceAvailable", False, "ConnectionRefused");
    seen.conditions
        .retain(|condition| !["WorkersKnown", "QueuesMatch"].contains(&condition.kind.as_str()));
    seen.conditions.push(condition(
        "WorkersKnown",
        Unknown,
        "NotAsked",
        "The broker is not read.",
    ));
    seen.addresses = vec![reached(Err(SampleError::Refused))];
    (seen.tally, seen.failing) = (None, Some(SampleError::Refused));
    let findings = told(&seen);
    assert_eq!(of(Level::Wrong, &findings), ["TCP"], "{findings:#?}");
    assert!(
        !findings.iter().any(|finding| finding.what == "Workers"),
        "{findings:#?}"
    );
}

#[test]
fn a_grace_period_is_compared_with_the_longest_task() {
    let examined = |grace, command: &[&str], longest| {
        let mut seen = well();
        seen.target = Some(target(&["twp-operator"], command, grace));
        let findings = findings(&key(), &seen, longest).unwrap();
        let found = findings.into_iter().find(|finding| finding.what == "Grace period");
        found.map(|finding| finding.level)
    };
    assert_eq!(examined(30, &["celery", "worker"], Some(600)), Some(Level::Wrong));
    assert_eq!(examined(600, &["celery", "worker"], Some(600)), Some(Level::Ok));
    assert_eq!(
        examined(30, &["celery", "worker", "--time-limit", "3600"], None),
        Some(Level::Unknown)
    );
    assert_eq!(
        examined(30, &["sh", "-c", "celery worker --time-limit=90.5"], None),
        Some(Level::Unknown)
    );
    assert_eq!(examined(90, &["celery", "worker", "--time-limit=90"], None), None);
    assert_eq!(examined(30, &["celery", "worker"], None), None);
}

#[test]
fn who_writes_the_replicas_is_named() {
    let text = |owners: &[&str]| {
        let mut seen = well();
        seen.target = Some(target(owners, &[], 30));
        let found = told(&seen)
            .into_iter()
            .find(|finding| finding.what == "Replicas")
            .unwrap();
        (found.level, found.text)
    };
    assert_eq!(text(&["twp-operator"]).0, Level::Ok);
    let (level, said) = text(&["twp-operator", "argocd-controller"]);
    assert!(level == Level::Unknown && said.contains("argocd-controller"), "{said}");
    let (level, said) = text(&["kube-controller-manager"]);
    assert!(level == Level::Ok && said.contains("kube-controller-manager"), "{said}");
    let mut seen = well();
    seen.stored = Some(crate::api::Status {
        conditions: vec![condition(
            "TargetConflict",
            ConditionStatus::True,
            "ReplicasOverwritten",
            "`x` keeps changing it.",
        )],
        ..crate::api::Status::default()
    });
    assert_eq!(of(Level::Wrong, &told(&seen)), ["Replicas"]);
}

#[test]
fn a_pool_that_is_not_there_or_cannot_be_read_is_no_finding() {
    let said = |seen: &Examined| findings(&key(), seen, None).unwrap_err();
    assert!(said(&Examined::default()).contains("there is no TaskWorkerPool `mail`"));
    let seen = Examined {
        unseen: vec![(POOLS, CallError::Refused { code: 403 })],
        ..Examined::default()
    };
    assert!(said(&seen).contains("403"));
    let seen = Examined {
        pool: Some(Err(Problem::invalid("`queues[0]` is wrong"))),
        conditions: vec![condition(
            "Ready",
            ConditionStatus::False,
            "InvalidSpec",
            "`queues[0]` is wrong",
        )],
        ..Examined::default()
    };
    assert_eq!(of(Level::Wrong, &told(&seen)), ["Pool"]);
}
