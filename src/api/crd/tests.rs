//! What the API server accepts and refuses, by the same CEL rules that it evaluates.

use kube::core::cel::validate_cel_schema;
use serde_json::{Value, json};

use crate::api::TaskWorkerPoolSpec;

/// The smallest spec with these fields changed or added; `null` takes one out.
fn spec(changes: Value) -> Value {
    let mut spec = json!({
        "targetRef": {"kind": "Deployment", "name": "mail-worker"},
        "broker": {"url": "redis://redis:6379/0"},
        "queues": ["celery"], "minReplicas": 0, "maxReplicas": 10,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(spec.as_object_mut().unwrap().remove(name)),
            value => spec[name] = value.clone(),
        }
    }
    spec
}

/// Messages of the rules that are broken.
fn refusals(changes: Value) -> Vec<String> {
    match validate_cel_schema::<TaskWorkerPoolSpec>(&spec(changes), None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[test]
fn what_can_work_is_accepted() {
    let secret = json!({"secretKeyRef": {"name": "django-env", "key": "CELERY_BROKER_URL"}});
    let map = json!({"configMapKeyRef": {"name": "settings", "key": "url"}});
    for good in [
        json!({}),
        json!({"broker": {"url": "rediss://user@redis:6379/0", "keyPrefix": "shop:"}}),
        json!({"broker": {"urlFrom": secret, "management": {"urlFrom": map}, "keyPrefix": "shop:"}}),
        json!({"broker": {"url": "amqp://rabbitmq//", "management": {"url": "http://rabbitmq:15672"}, "keyPrefix": ""}}),
        json!({"broker": {"url": "pyamqp://rabbitmq//", "management": {"url": "http://rabbitmq:15672"}}}),
        json!({"broker": {"url": "amqps://rabbitmq//", "tls": {"caFrom": map, "clientCertFrom": secret, "clientKeyFrom": secret}}}),
        json!({"minReplicas": 10, "fallback": {"replicas": 10, "afterSeconds": 1}}),
        json!({"queues": ["a", "b", "c"]}),
        json!({"queues": null, "queuesFrom": "Workers"}),
    ] {
        assert_eq!(refusals(good.clone()), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_field_and_the_fix() {
    let secret = json!({"secretKeyRef": {"name": "a", "key": "b"}});
    let both = json!({"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}});
    let one_url = "must set exactly one of `url` and `urlFrom`";
    let one_source = "must set exactly one of `url`, `urlFrom` and `parts`";
    let by_parts = |parts: Value| json!({"broker": {"parts": parts}});
    let one_ref = "must set exactly one of `secretKeyRef` and `configMapKeyRef`";
    let no_password = "must not carry a password: put the URL in a Secret and use `urlFrom`";
    let amqp = |more: Value| {
        let mut broker = json!({"url": "amqp://rabbitmq//"});
        for (name, value) in more.as_object().unwrap() {
            broker[name] = value.clone();
        }
        json!({"broker": broker})
    };
    for (bad, why) in [
        (json!({"broker": {}}), one_source),
        (
            json!({"broker": {"url": "redis://redis", "urlFrom": secret}}),
            one_source,
        ),
        (
            json!({"broker": {"url": "redis://redis", "parts": {"scheme": "redis", "host": "r"}}}),
            one_source,
        ),
        (
            by_parts(json!({"scheme": "redis"})),
            "exactly one of `host` and `hostFrom`",
        ),
        (
            by_parts(json!({"scheme": "redis", "host": "r", "virtualHost": "v"})),
            "`virtualHost` must not be set with Redis",
        ),
        (
            by_parts(json!({"scheme": "amqp", "host": "r", "database": 1})),
            "`database` must not be set with RabbitMQ",
        ),
        (
            by_parts(json!({"scheme": "amqp", "host": "r", "user": "u", "userFrom": secret})),
            "both `user` and `userFrom`",
        ),
        (
            by_parts(json!({"scheme": "redis", "host": "r",
                "passwordFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}})),
            "`passwordFrom` must name a key of a Secret",
        ),
        (json!({"broker": {"url": "redis://:pw@redis:6379/0"}}), no_password),
        (json!({"broker": {"url": "amqp://user:p/w#@rabbitmq//"}}), no_password),
        (json!({"broker": {"urlFrom": {}}}), one_ref),
        (json!({"broker": {"urlFrom": both}}), one_ref),
        (amqp(json!({"management": {}})), one_url),
        (
            amqp(json!({"management": {"url": "http://a:b@rabbitmq:15672"}})),
            no_password,
        ),
        (
            amqp(json!({"tls": {"clientCertFrom": secret}})),
            "`tls.clientKeyFrom` must be set",
        ),
        (
            amqp(json!({"tls": {"clientKeyFrom": secret}})),
            "`tls.clientCertFrom` must be set",
        ),
        (amqp(json!({"tls": {"caFrom": {}}})), one_ref),
        (
            amqp(json!({"keyPrefix": "shop:"})),
            "`broker.keyPrefix` must not be set with RabbitMQ",
        ),
        (
            json!({"broker": {"url": "redis://redis", "management": {"url": "http://rabbitmq:15672"}}}),
            "`broker.management` must not be set with Redis",
        ),
        (
            json!({"minReplicas": 11}),
            "`minReplicas` must be less than or equal to `maxReplicas`",
        ),
        (
            json!({"fallback": {"replicas": 11, "afterSeconds": 1}}),
            "`fallback.replicas` must be less than or equal to `maxReplicas`",
        ),
        (
            json!({"queues": ["a"], "queuesFrom": "Workers"}),
            "`queuesFrom` must not be set with `queues`: leave one of them out",
        ),
        (
            json!({"queues": ["a", "b", "a"]}),
            "`queues` must not name a queue twice",
        ),
    ] {
        let said = refusals(bad.clone());
        assert_eq!(said.len(), 1, "{bad}: {said:?}");
        assert!(said[0].contains(why), "{bad}: {said:?}");
    }
}

#[test]
fn a_refused_password_is_not_quoted() {
    let said = refusals(json!({"broker": {"url": "redis://:pw-canary@redis:6379/0"}}));
    assert!(!said.concat().contains("canary"), "{said:?}");
}
