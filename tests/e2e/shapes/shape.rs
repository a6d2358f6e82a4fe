//! A shape's objects, as its file has them, with what the test bed has in the place of what a chart names.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::stage::{ShapeStage, TOKEN};
use crate::support::{
    bed::image,
    pods::merge,
    stage::{CANARY, ENCODED},
};

pub struct Shape {
    /// The file's, the workers' and the pool's.
    pub name: &'static str,
    /// Where its tasks are published, from inside of the namespace.
    broker: &'static str,
    pub queue: &'static str,
    /// Words by which the operator refuses it, if no pool can say it.
    pub refused: Option<&'static str>,
}

impl Shape {
    const fn new(name: &'static str, broker: &'static str) -> Self {
        Self {
            name,
            broker,
            queue: "celery",
            refused: None,
        }
    }

    const fn refused(self, words: &'static str) -> Self {
        Self {
            refused: Some(words),
            ..self
        }
    }

    const fn queue(self, queue: &'static str) -> Self {
        Self { queue, ..self }
    }
}

pub static SHAPES: [Shape; 12] = [
    Shape::new("url-in-secret", "redis://broker:6379/1"),
    Shape::new("secret-as-environment", "redis://broker:6379/2"),
    Shape::new("redis-parts", "redis://shop:$ENCODED@redis:6379/3"),
    Shape::new("rabbitmq-parts", "amqp://shop:$ENCODED@rabbitmq:5672/shop%2Feu"),
    Shape::new("config-map-joined", "redis://:$TOKEN@redis:6379/4"),
    Shape::new("cluster-operator", "amqp://default_user_k3:$TOKEN@rabbitmq:5672//"),
    Shape::new("sentinel", "").refused("Sentinel and other transports are not read"),
    // The same server without TLS: the test's client does not know the certificates.
    Shape::new("tls-by-setting", "redis://redis-tls:6380/0"),
    Shape::new("shell", "redis://broker:6379/5"),
    Shape::new("sidecar-first", "redis://broker:6379/6"),
    Shape::new("stateful-set", "redis://broker:6379/7"),
    Shape::new("many-queues", "redis://broker:6379/8").queue("queue-7"),
];

impl Shape {
    pub fn broker(&self) -> String {
        self.broker.replace("$ENCODED", ENCODED).replace("$TOKEN", TOKEN)
    }

    /// All of them as they are applied.
    pub fn objects(&self, stage: &ShapeStage) -> Vec<Value> {
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/e2e/shapes/charts/{}.yaml", self.name));
        let text = std::fs::read_to_string(file).expect("the shape's file");
        let text = text
            .replace("$PASSWORD", CANARY)
            .replace("$TOKEN", TOKEN)
            .replace("$NAMESPACE", &stage.ns().name);
        let documents = text.split("\n---\n");
        let mut objects: Vec<Value> = documents
            .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{}: {error}", self.name)))
            .collect();
        for object in &mut objects {
            match object["kind"].as_str() {
                Some("Deployment" | "StatefulSet") => fill(&mut object["spec"]["template"]["spec"], stage),
                Some("TaskWorkerPool") => merge(&mut object["spec"], &in_a_hurry()),
                _ => {}
            }
        }
        objects
    }
}

/// Nothing but how soon workers go that have no work.
fn in_a_hurry() -> Value {
    json!({"scaleDown": {"idleSeconds": 0}, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}})
}

/// The bed's images, and in them the application.
fn fill(pod: &mut Value, stage: &ShapeStage) {
    add(pod, "volumes", json!({"name": "shop", "configMap": {"name": "shop"}}));
    for container in pod["containers"].as_array_mut().expect("containers") {
        container["imagePullPolicy"] = json!("IfNotPresent");
        if container["name"] != "worker" {
            container["image"] = json!(image("REDIS"));
            continue;
        }
        container["image"] = json!(image("APP"));
        container["workingDir"] = json!("/shop");
        add(container, "volumeMounts", json!({"name": "shop", "mountPath": "/shop"}));
        add(container, "env", json!({"name": "RECORDS", "value": stage.records()}));
        add(
            container,
            "env",
            json!({"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}),
        );
    }
}

fn add(to: &mut Value, list: &str, item: Value) {
    match &mut to[list] {
        Value::Array(items) => items.push(item),
        none => *none = json!([item]),
    }
}
