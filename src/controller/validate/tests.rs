//! From a spec to a pool, and what is wrong with one.
mod address;

use serde_json::{Value, json};

use super::*;
use crate::api::Mode;
use crate::broker::Secret;

/// A password with every character that URLs, shells and YAML trip over.
const CANARY: &str = "ca/na:ry@%#pw";
const CANARY_ENCODED: &str = "ca%2Fna%3Ary%40%25%23pw";

fn object(spec: Value) -> TaskWorkerPool {
    serde_json::from_value(json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1",
        "kind": "TaskWorkerPool",
        "metadata": {"name": "mail", "namespace": "shop", "uid": "u-1", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": spec,
    }))
    .unwrap()
}

/// The smallest spec with these fields added or changed.
fn with(changes: Value) -> TaskWorkerPool {
    let mut spec = json!({"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}});
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    object(spec)
}

fn good(changes: Value) -> Pool {
    pool(&with(changes)).unwrap()
}

fn said(changes: Value) -> String {
    let problem = pool(&with(changes)).unwrap_err();
    assert_eq!((problem.reason, problem.wait), ("InvalidSpec", false));
    problem.message
}

fn secret() -> Value {
    json!({"secretKeyRef": {"name": "django-env", "key": "CELERY_BROKER_URL"}})
}

fn texts(url: &str) -> Texts {
    Texts {
        url: Secret::new(url),
        ca: None,
        identity: None,
        management: None,
    }
}

#[test]
fn the_status_of_a_pool_that_nobody_has_seen_is_none() {
    let crd = crate::api::crd().unwrap();
    let new = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"];
    let new: Status = serde_json::from_value(new.clone()).unwrap();
    assert_eq!(published(Some(new)), None);
    let written = Status {
        observed_generation: Some(1),
        ..Status::default()
    };
    assert_eq!(published(Some(written.clone())), Some(written));
}

/// A name without a row would be Celery.
#[test]
fn each_framework_of_the_schema_has_a_row_of_its_own() {
    let crd = crate::api::crd().unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let names = spec["properties"]["framework"]["enum"].as_array().unwrap();
    assert!(names.len() > 2);
    for name in names {
        let name = name.as_str().unwrap();
        assert_eq!(registry::row(name).name, name);
    }
}

#[test]
fn the_smallest_pool_gets_the_defaults() {
    let pool = good(json!({}));
    assert_eq!(pool.target, "mail-worker".into());
    assert_eq!(
        pool.source.url,
        UrlSource::Whole(Text::Plain("redis://redis:6379/0".into()))
    );
    assert_eq!(
        (pool.app.framework.name, &*pool.app.queues),
        ("Celery", &["celery".to_owned()][..])
    );
    assert!(pool.app.options.is_null());
    for (framework, queue) in [("RQ", "default"), ("Taskiq", "taskiq")] {
        let pool = good(json!({"framework": framework}));
        assert_eq!(
            (pool.app.framework.name, &*pool.app.queues),
            (framework, &[queue.to_owned()][..])
        );
    }
    for framework in ["Celery", "RQ"] {
        let app = good(json!({"framework": framework, "queuesFrom": "Workers"})).app;
        assert!(app.told && app.queues.is_empty());
    }
    assert_eq!((pool.policy.min, pool.policy.max), (0, 10));
    let wait = Wait {
        within: Duration::from_secs(60),
        hint: None,
        tuning: Profile::Balanced.tuning(),
    };
    assert_eq!((pool.policy.target, pool.policy.slots), (TargetRule::Wait(wait), None));
    assert_eq!(pool.policy.idle, Duration::from_secs(60));
    assert_eq!(pool.policy.period, Duration::from_millis(500));
    assert_eq!(pool.policy.fallback, None);
    assert_eq!(pool.policy.schedules, []);
    assert!(!pool.policy.suspended);
    assert_eq!(pool.mode, Mode::Act);
}

#[test]
fn every_field_arrives() {
    let pool = good(json!({
        "broker": {"urlFrom": secret(), "keyPrefix": "shop:", "tls": {"caFrom": secret(), "clientCertFrom": secret(), "clientKeyFrom": secret(), "serverName": "r"}},
        "framework": "Celery", "queues": ["mail", "reports"],
        "celery": {"prioritySteps": [0, 255], "separator": ":", "unackedKey": "u", "unackedIndexKey": "i", "controlExchange": "c", "eventExchange": "e", "heartbeatChannel": "h"},
        "minReplicas": 1, "maxReplicas": 20, "target": {"backlogPerReplica": 7}, "worker": {"concurrency": 3},
        "scaleDown": {"idleSeconds": 9}, "fallback": {"replicas": 5, "afterSeconds": 6}, "suspend": true, "mode": "Observe", "sampleMilliseconds": 250,
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 8, "selectPolicy": "Min", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
                     "scaleDown": {"selectPolicy": "Disabled"}},
    }));
    assert!(matches!(pool.source.url, UrlSource::Whole(Text::From(_))));
    assert!(pool.source.ca.is_some() && pool.source.identity.is_some());
    assert_eq!(pool.source.server_name.as_deref(), Some("r"));
    let app = &pool.app;
    assert_eq!(
        (app.framework.name, &*app.key_prefix, &*app.target.name),
        ("Celery", "shop:", "mail-worker")
    );
    assert_eq!(app.queues, ["mail", "reports"]);
    let options = json!({"prioritySteps": [0, 255], "separator": ":", "unackedKey": "u", "unackedIndexKey": "i",
        "controlExchange": "c", "eventExchange": "e", "heartbeatChannel": "h"});
    assert_eq!(app.options, options);
    let policy = &pool.policy;
    assert_eq!(
        (policy.min, policy.max, policy.target, policy.slots),
        (1, 20, TargetRule::Backlog(7), Some(3))
    );
    assert_eq!((policy.idle.as_secs(), policy.period.as_millis()), (9, 250));
    let fallback = policy.fallback.as_ref().unwrap();
    assert_eq!((fallback.replicas, fallback.after.as_secs()), (5, 6));
    let up = policy.behavior.up.as_ref().unwrap();
    assert_eq!((up.window, up.select), (Some(Duration::from_secs(8)), Select::Min));
    assert_eq!((up.policies[0].kind, up.policies[0].value), (PolicyType::Percent, 100));
    assert_eq!(policy.behavior.down.as_ref().unwrap().select, Select::Disabled);
    assert!(policy.suspended);
    assert_eq!(pool.mode, Mode::Observe);
}

#[test]
fn the_wait_target_its_profile_and_the_hint_arrive() {
    let wished = good(json!({
        "target": {"waitSeconds": 30}, "profile": "Economy", "worker": {"expectedTaskMilliseconds": 2500},
    }));
    let wait = Wait {
        within: Duration::from_secs(30),
        hint: Some(Duration::from_millis(2500)),
        tuning: Profile::Economy.tuning(),
    };
    assert_eq!(wished.policy.target, TargetRule::Wait(wait));
    let both = json!({"target": {"waitSeconds": 30, "backlogPerReplica": 3}});
    assert!(
        pool(&with(both))
            .unwrap_err()
            .message
            .contains("exactly one of `waitSeconds` and `backlogPerReplica`")
    );
}

#[test]
fn schedules_arrive_and_are_in_utc_unless_they_say_so() {
    let office = json!({"name": "office", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "timeZone": "Europe/Berlin", "minReplicas": 2});
    let night = json!({"name": "night", "start": "0 22 * * *", "end": "0 6 * * *", "minReplicas": 1});
    let new = |name, start, end, zone, min| crate::scaling::Schedule::new(name, start, end, zone, min).unwrap();
    assert_eq!(
        good(json!({"schedules": [office, night]})).policy.schedules,
        [
            new("office", "0 8 * * 1-5", "0 18 * * 1-5", "Europe/Berlin", 2),
            new("night", "0 22 * * *", "0 6 * * *", "UTC", 1),
        ]
    );
}

#[test]
fn a_schedule_that_cannot_work_names_the_field_and_the_fix() {
    let schedule = |field: &str, value: Value| {
        let mut one = json!({"name": "b", "start": "0 8 * * *", "end": "0 18 * * *", "minReplicas": 2});
        one[field] = value;
        json!({"schedules": [{"name": "a", "start": "0 8 * * *", "end": "0 18 * * *", "minReplicas": 2}, one]})
    };
    for (changes, part) in [
        (
            schedule("name", json!("a")),
            "`schedules[1].name` must not repeat an earlier schedule's",
        ),
        (
            schedule("name", json!("")),
            "`schedules[1].name` must be 1 to 63 letters",
        ),
        (
            schedule("start", json!("8:00")),
            "`schedules[1].start` must be a cron expression of five fields",
        ),
        (
            schedule("start", json!("0 0 30 2 *")),
            "`schedules[1].start` must name a date that exists",
        ),
        (
            schedule("end", json!("0 24 * * *")),
            "`schedules[1].end` must be a cron expression",
        ),
        (
            schedule("end", json!("0 8 * * *")),
            "`schedules[1].end` must differ from `start`",
        ),
        (
            schedule("timeZone", json!("CEST")),
            "`schedules[1].timeZone` must be a name of the IANA",
        ),
        (
            schedule("minReplicas", json!(0)),
            "`schedules[1].minReplicas` must be at least 1",
        ),
        (
            schedule("minReplicas", json!(-1)),
            "`schedules[1].minReplicas` must not be negative",
        ),
        (
            json!({"schedules": vec![schedule("name", json!("b"))["schedules"][0].clone(); 17]}),
            "`schedules` must be at most 16",
        ),
    ] {
        let message = said(changes);
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn what_cannot_work_names_the_field_and_the_fix() {
    let both = json!({"url": "redis://redis", "urlFrom": secret()});
    for (changes, part) in [
        (json!({"queues": []}), "`queues` must name 1 to 64 queues"),
        (json!({"queues": vec!["q"; 65]}), "`queues` must name 1 to 64 queues"),
        (json!({"queues": ["a", ""]}), "`queues[1]` must be 1 to 255 bytes long"),
        (
            json!({"queues": ["ä".repeat(128)]}),
            "`queues[0]` must be 1 to 255 bytes long",
        ),
        (json!({"queues": ["a\nb"]}), "without control characters"),
        (json!({"queues": ["a", "b", "a"]}), "`queues[2]` must not repeat"),
        (
            json!({"queues": ["a"], "queuesFrom": "Workers"}),
            "`queuesFrom` must not be set with `queues`: leave one of them out",
        ),
        (
            json!({"framework": "Taskiq", "queuesFrom": "Workers"}),
            "`queuesFrom` must not be set with `framework: Taskiq`, whose workers do not say what they fetch: name the queues \
             in `queues`",
        ),
        (
            json!({"minReplicas": 11}),
            "`minReplicas` must be less than or equal to `maxReplicas`",
        ),
        (json!({"minReplicas": -1}), "`minReplicas` must not be negative"),
        (
            json!({"broker": {}}),
            "`broker` must set exactly one of `url`, `urlFrom` and `parts`",
        ),
        (
            json!({"broker": both}),
            "`broker` must set exactly one of `url`, `urlFrom` and `parts`",
        ),
        (
            json!({"broker": {"url": "redis://:pw@redis"}}),
            "`broker.url` must not carry a password",
        ),
        (
            json!({"broker": {"url": "amqp://r//", "management": {"url": "http://a:b@r:15672"}}}),
            "`broker.management.url` must not carry a password",
        ),
        (
            json!({"broker": {"url": "amqp://r//", "management": {}}}),
            "`broker.management` must set exactly one of `url` and `urlFrom`",
        ),
        (
            json!({"broker": {"url": "rediss://r", "tls": {"clientCertFrom": secret()}}}),
            "`broker.tls.clientCertFrom` and `clientKeyFrom` must be set together",
        ),
        (
            json!({"framework": "RQ", "celery": {"separator": ":"}}),
            "`celery` must not be set with another `framework`",
        ),
        (
            json!({"framework": "Taskiq", "broker": {"url": "redis://r", "keyPrefix": "x"}}),
            "`broker.keyPrefix` must not be set with `framework: Taskiq`",
        ),
        (
            json!({"celery": {"prioritySteps": [256]}}),
            "`celery.prioritySteps` must be numbers from 0 to 255",
        ),
        (
            json!({"scaleDown": {"idleSeconds": -1}}),
            "`scaleDown.idleSeconds` must not be negative",
        ),
        (
            json!({"fallback": {"replicas": -1}}),
            "`fallback.replicas` must not be negative",
        ),
        (
            json!({"worker": {"concurrency": -1}, "target": {"backlogPerReplica": 1}}),
            "`worker.concurrency` must not",
        ),
        (
            json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": -1}}}),
            "`behavior.stabilizationWindowSeconds` must not be negative",
        ),
    ] {
        let said = said(changes.clone());
        assert!(said.contains(part), "{changes}: {said}");
    }
}
