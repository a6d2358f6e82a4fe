//! A set-up's own namespace: Secret, workers, pool, and what else there is.

use serde_json::{Value, json};

use super::{
    set_up::SetUp,
    stage::{Place, ZooStage, code},
};
use crate::support::{
    bed::{Namespace, image},
    pods::merge,
};

/// Shorter than the longest tasks of most loads: who stops a worker that runs one cuts it off.
const GRACE: u32 = 10;

/// The workers' names: the Deployment, and its twin where there is one.
pub fn deployments(set_up: &SetUp) -> &'static [&'static str] {
    if set_up.twin { &["w", "v"] } else { &["w"] }
}

/// Everything of a set-up but the pools.
pub async fn workers(ns: &Namespace, stage: &ZooStage, set_up: &SetUp, place: &Place, replicas: i32) {
    let pod = pod(stage, set_up);
    let mut objects = vec![code(), secret(stage, place)];
    objects.extend(
        deployments(set_up)
            .iter()
            .map(|name| deployment(name, replicas, &pod).to_string()),
    );
    objects.extend(set_up.beside.iter().map(|object| filled(object, &pod).to_string()));
    ns.apply(objects.join("\n---\n")).await;
}

/// And these.
pub async fn pools(ns: &Namespace, stage: &ZooStage, set_up: &SetUp) {
    let pools = deployments(set_up)
        .iter()
        .map(|name| pool(name, stage, set_up).to_string());
    ns.apply(pools.collect::<Vec<_>>().join("\n---\n")).await;
}

/// What the application and the operator read the broker's URL from.
pub fn secret(stage: &ZooStage, place: &Place) -> String {
    let silent = stage.silent();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"},
        "stringData": {"app": place.app, "url": place.operator, "silent": silent},
    });
    secret.to_string()
}

/// What the application is told: `app/zoo.py` reads it.
pub fn settings(stage: &ZooStage, set_up: &SetUp) -> Value {
    let text = json!(set_up.app).to_string().replace("$RECORDS", &stage.records_url());
    let app: Value = serde_json::from_str(&text).expect("JSON");
    json!({"name": set_up.name, "records": stage.records_url(), "app": app, "crash": set_up.crash})
}

fn pod(stage: &ZooStage, set_up: &SetUp) -> Value {
    let env = json!([
        {"name": "SETTINGS", "value": settings(stage, set_up).to_string()},
        {"name": "BROKER", "valueFrom": {"secretKeyRef": {"name": "broker", "key": "app"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
    ]);
    let usual = json!({
        "name": "worker", "image": image("APP"), "imagePullPolicy": "IfNotPresent", "workingDir": "/zoo", "env": env,
        "volumeMounts": [{"name": "files", "mountPath": "/zoo"}],
    });
    let mut command = ["celery", "-A", "zoo", "worker", "-l", "info"]
        .map(str::to_owned)
        .to_vec();
    command.extend(set_up.worker.iter().cloned());
    let containers: Vec<Value> = match set_up.containers.as_slice() {
        [] => vec![json!({"command": command})],
        containers => containers.to_vec(),
    };
    let containers: Vec<Value> = containers
        .iter()
        .map(|container| {
            let mut whole = usual.clone();
            merge(&mut whole, container);
            whole
        })
        .collect();
    let mut pod = json!({
        "terminationGracePeriodSeconds": GRACE, "automountServiceAccountToken": false, "enableServiceLinks": false,
        "containers": containers, "volumes": [{"name": "files", "configMap": {"name": "zoo"}}],
    });
    merge(&mut pod, &set_up.pod);
    pod
}

fn deployment(name: &str, replicas: i32, pod: &Value) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}

fn pool(name: &str, stage: &ZooStage, set_up: &SetUp) -> Value {
    let mut spec = json!({
        "targetRef": {"name": name}, "maxReplicas": 3, "target": {"backlogPerReplica": 1}, "scaleDown": {"idleSeconds": 5},
        "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
        // The sooner it goes down, the more it has to be sure of.
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    });
    merge(&mut spec, &set_up.pool);
    let text = spec.to_string().replace("$MANAGEMENT", &stage.management());
    let spec: Value = serde_json::from_str(&text).expect("JSON");
    json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": name}, "spec": spec,
    })
}

/// `$POD` is the spec of a worker's pod, `$IMAGE` the application's image.
fn filled(object: &Value, pod: &Value) -> Value {
    match object {
        Value::String(text) if text == "$POD" => pod.clone(),
        Value::String(text) if text == "$IMAGE" => json!(image("APP")),
        Value::Array(all) => all.iter().map(|one| filled(one, pod)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), filled(value, pod)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}
