//! Brokers whose address a chart carries by parts, in the shapes of real charts: what a Secret holds goes where
//! its owner wants it, and nowhere else.

use serde_json::{Value, json};

use crate::support::{
    operator::{Operator, Options},
    stage::{CANARY, Stage},
};

fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn key(kind: &str, name: &str, key: &str) -> Value {
    json!({ kind: {"name": name, "key": key} })
}

/// A pool by the parts of its broker, beside a target with no replicas.
async fn pool(stage: &Stage, name: &str, parts: Value) {
    stage.workers(name, 0).await;
    stage.pool(name, json!({"broker": {"parts": parts}})).await;
}

#[tokio::test]
async fn each_shape_of_a_chart_is_read_and_a_password_goes_to_no_foreign_host() {
    let stage = Stage::redis("parts").await;
    let host = &stage.host;
    // Bitnami's chart: the password alone. RabbitMQ's and other operators' Secrets: all in one. Django charts: a ConfigMap.
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "env"},
        "data": {"REDIS_HOST": host, "REDIS_PORT": "6379", "REDIS_DB": "0"}});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        secret("redis", json!({"redis-password": format!("{CANARY}\n")})),
        secret("whole", json!({"host": host, "port": "6379", "username": "default", "password": CANARY})),
        map,
    ]});
    stage.ns.apply(objects.to_string()).await;
    let password = key("secretKeyRef", "redis", "redis-password");
    let whole = |part: &str| key("secretKeyRef", "whole", part);
    let env = |part: &str| key("configMapKeyRef", "env", part);
    pool(
        &stage,
        "bitnami",
        json!({"scheme": "redis", "host": "broker", "passwordFrom": password}),
    )
    .await;
    pool(
        &stage,
        "whole",
        json!({"scheme": "redis", "hostFrom": whole("host"), "portFrom": whole("port"), "userFrom": whole("username"),
            "passwordFrom": whole("password")}),
    )
    .await;
    // An address in a ConfigMap is not the Secret's owner's wish: whoever writes pools may have any.
    pool(
        &stage,
        "foreign",
        json!({"scheme": "redis", "hostFrom": env("REDIS_HOST"), "portFrom": env("REDIS_PORT"),
            "databaseFrom": env("REDIS_DB"), "passwordFrom": password}),
    )
    .await;
    // Nor is a password his to send as the user.
    pool(
        &stage,
        "as-user",
        json!({"scheme": "redis", "hostFrom": env("REDIS_HOST"), "userFrom": password}),
    )
    .await;
    let options = Options {
        log_level: Some("trace".to_owned()),
        ..Options::default()
    };
    let operator = Operator::start_with(&stage.ns.name, options).await;
    stage.publish(30).await;

    stage.ns.wait_working("whole").await;
    stage.ns.wait_replicas("whole", 3).await;
    // A Service of the pool's own namespace is asked; its name means nothing outside of the cluster, where this operator is.
    stage
        .ns
        .wait_condition("bitnami", "SourceAvailable", "False", "HostNotFound")
        .await;
    let line = format!("taskworkerpool.dev/hosts: {host}");
    for name in ["foreign", "as-user"] {
        let said = stage.ns.wait_condition(name, "Stalled", "True", "HostNotAllowed").await;
        assert!(said.contains(&line), "it says the line to add: {said}");
        assert_eq!(stage.ns.replicas(name).await, Ok(0));
    }

    // The owner of the Secret says that it may go there.
    let mut annotated = secret("redis", json!({"redis-password": CANARY}));
    annotated["metadata"]["annotations"] = json!({"taskworkerpool.dev/hosts": format!("other.example, {host}")});
    stage.ns.apply(annotated.to_string()).await;
    stage.ns.wait_replicas("foreign", 3).await;
    stage.assert_discreet(&operator).await;
}
