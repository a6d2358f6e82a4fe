//! The namespace that a run takes place in: a broker, a Redis for the records, the client, and workers at zero.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    client::Client,
    variant::{Acks, Broker, Variant},
};
use crate::support::{
    bed::{Namespace, image},
    pods::{self, Program, REDIS, merge, server},
};

const APP: [(&str, &str); 3] = [
    ("nap.py", include_str!("../app/nap.py")),
    ("plans.py", include_str!("../app/plans.py")),
    ("client.py", include_str!("../app/client.py")),
];

pub struct RunStage {
    pub ns: Namespace,
    pub variant: Variant,
    pub client: Client,
    /// The broker's address.
    host: String,
}

impl RunStage {
    /// With no pool yet: its objects are ready, its workers (the Deployment `w`) at zero.
    pub async fn new(variant: Variant) -> Self {
        let ns = Namespace::with_pools(&format!("no-{}", variant.name())).await;
        let code = pods::files("nap", APP);
        let servers = match variant.broker {
            Broker::Redis => server("broker", &image("REDIS"), &REDIS, &[6379]),
            _ => server("broker", &image("RABBITMQ"), &[], &[5672, 15672]),
        };
        let records = server("records", &image("REDIS"), &REDIS, &[6379]);
        ns.apply(format!("{code}\n---\n{servers}\n---\n{records}\n")).await;
        ns.wait_ready("records").await;
        ns.wait_ready("broker").await;
        let (host, records) = (ns.cluster_ip("broker").await, ns.cluster_ip("records").await);
        let client = Client::new(&records).await;
        let stage = Self {
            ns,
            variant,
            client,
            host,
        };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": stage.url()},
        });
        let client = stage.deployment("client", 1, &["python3", "/nap/client.py"], &records, 0);
        let command = stage.variant.command();
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let workers = stage.deployment("w", 0, &command, &records, stage.variant.grace);
        stage
            .ns
            .apply(format!("{secret}\n---\n{client}\n---\n{workers}\n"))
            .await;
        stage.ns.wait_ready("client").await;
        if let Some(deliveries) = stage.variant.limit {
            let set = stage.call("limit", json!({"deliveries": deliveries})).await;
            assert_eq!(set, Value::Null);
        }
        stage
    }

    fn url(&self) -> String {
        match self.variant.broker {
            Broker::Redis => format!("redis://{}:6379/0", self.host),
            _ => format!("amqp://guest:guest@{}:5672//", self.host),
        }
    }

    /// What the client does at once.
    pub async fn call(&self, call: &str, with: Value) -> Value {
        let done = self.client.ask(call, with, Duration::from_secs(60)).await;
        done.unwrap_or_else(|failed| panic!("{call}: {failed}"))
    }

    /// The pool `w`: up to 10 replicas, everything else as it is by default; `changes` go over its spec.
    pub async fn pool(&self, changes: &Value) {
        let mut spec = json!({
            "targetRef": {"name": "w"}, "queues": ["tasks"], "maxReplicas": 10,
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
        });
        if self.variant.management {
            spec["broker"]["management"] = json!({"url": format!("http://{}:15672", self.host)});
        }
        merge(&mut spec, changes);
        let pool = json!({
            "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "w"}, "spec": spec,
        });
        self.ns.apply(pool.to_string()).await;
    }

    /// What people do who have no pool: the workers are scaled, and Kubernetes chooses who goes.
    pub async fn scale(&self, replicas: i32) {
        let replicas = format!("--replicas={replicas}");
        self.ns.kubectl(&["scale", "deployment/w", &replicas]).await;
    }

    /// Python, with the application at /nap.
    fn deployment(&self, name: &str, replicas: i32, command: &[&str], records: &str, grace: u32) -> Value {
        let settings = json!({
            "broker": self.url(), "records": format!("redis://{records}:6379"), "client": name == "client",
            "quorum": self.variant.broker == Broker::Quorum, "late": self.variant.acks == Acks::Late,
            "prefetch": self.variant.prefetch,
        });
        let program = Program {
            name,
            image: &image("APP"),
            command,
            files: "nap",
            env: &[("SETTINGS", &settings.to_string())],
            replicas,
            grace,
        };
        program.deployment()
    }
}
