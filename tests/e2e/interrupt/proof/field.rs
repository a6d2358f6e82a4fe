//! The namespace that a run takes place in: a broker, a Redis for the records, the desk, and workers at zero.

use std::time::Duration;

use serde_json::{Value, json};

use super::{cell::Broker, cell::Cell, desk::Desk, run::merge};
use crate::support::bed::{Namespace, image};

const APP: [(&str, &str); 3] = [
    ("nap.py", include_str!("../app/nap.py")),
    ("plans.py", include_str!("../app/plans.py")),
    ("desk.py", include_str!("../app/desk.py")),
];
const REDIS: [&str; 5] = ["redis-server", "--protected-mode", "no", "--save", ""];

pub struct Field {
    pub ns: Namespace,
    pub cell: Cell,
    pub desk: Desk,
    /// The broker's address.
    host: String,
}

impl Field {
    /// With no pool yet: its objects are ready, its workers (the Deployment `w`) at zero.
    pub async fn new(cell: Cell) -> Self {
        let ns = Namespace::with_pools(&format!("no-{}", cell.name())).await;
        let code: serde_json::Map<_, _> = APP
            .map(|(name, text)| (name.to_owned(), json!(text)))
            .into_iter()
            .collect();
        let code = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": code});
        let servers = match cell.broker {
            Broker::Redis => server("broker", &image("REDIS"), &REDIS, &[6379]),
            _ => server("broker", &image("RABBITMQ"), &[], &[5672, 15672]),
        };
        let records = server("records", &image("REDIS"), &REDIS, &[6379]);
        ns.apply(format!("{code}\n---\n{servers}\n---\n{records}\n")).await;
        ns.wait_ready("records").await;
        ns.wait_ready("broker").await;
        let (host, records) = (ns.cluster_ip("broker").await, ns.cluster_ip("records").await);
        let desk = Desk::new(&records).await;
        let field = Self { ns, cell, desk, host };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": field.url()},
        });
        let client = ["python3", "/nap/desk.py"].map(str::to_owned);
        let client = field.deployment("desk", 1, &client, &records, 0);
        let workers = field.deployment("w", 0, &field.cell.command(), &records, field.cell.grace);
        field
            .ns
            .apply(format!("{secret}\n---\n{client}\n---\n{workers}\n"))
            .await;
        field.ns.wait_ready("desk").await;
        if let Some(deliveries) = field.cell.limit {
            let set = field.deed("limit", json!({"deliveries": deliveries})).await;
            assert_eq!(set, Value::Null);
        }
        field
    }

    fn url(&self) -> String {
        match self.cell.broker {
            Broker::Redis => format!("redis://{}:6379/0", self.host),
            _ => format!("amqp://guest:guest@{}:5672//", self.host),
        }
    }

    /// What the desk does at once.
    pub async fn deed(&self, deed: &str, with: Value) -> Value {
        let done = self.desk.ask(deed, with, Duration::from_secs(60)).await;
        done.unwrap_or_else(|failed| panic!("{deed}: {failed}"))
    }

    /// The pool `w`: up to 10 replicas, everything else as it is by default; `changes` go over its spec.
    pub async fn pool(&self, changes: &Value) {
        let mut spec = json!({
            "targetRef": {"name": "w"}, "queues": ["tasks"], "maxReplicas": 10,
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
        });
        if self.cell.management {
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
    fn deployment(&self, name: &str, replicas: u32, command: &[String], records: &str, grace: u32) -> Value {
        let settings = json!({
            "broker": self.url(), "records": format!("redis://{records}:6379"), "client": name == "desk",
            "quorum": self.cell.broker == Broker::Quorum, "late": self.cell.acks == super::cell::Acks::Late,
            "prefetch": self.cell.prefetch,
        });
        let labels = json!({"app": name});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": grace, "automountServiceAccountToken": false, "enableServiceLinks": false,
                    "containers": [{
                        "name": name, "image": image("APP"), "imagePullPolicy": "IfNotPresent", "command": command,
                        "workingDir": "/nap",
                        "env": [
                            {"name": "SETTINGS", "value": settings.to_string()},
                            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
                        ],
                        "volumeMounts": [{"name": "app", "mountPath": "/nap"}],
                    }],
                    "volumes": [{"name": "app", "configMap": {"name": "app"}}],
                },
            }},
        })
    }
}

/// A server of one pod with a Service of the same name, ready when it takes connections.
fn server(name: &str, image: &str, args: &[&str], ports: &[u16]) -> String {
    let labels = json!({"app": name});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "enableServiceLinks": false,
                "containers": [{
                    "name": name, "image": image, "imagePullPolicy": "IfNotPresent", "args": args,
                    "env": [{"name": "ERL_MAX_PORTS", "value": "65536"}],
                    "readinessProbe": {"tcpSocket": {"port": ports[0]}, "periodSeconds": 1},
                }],
            },
        }},
    });
    let ports = ports
        .iter()
        .map(|port| json!({"name": format!("port-{port}"), "port": port}));
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": ports.collect::<Vec<_>>()},
    });
    format!("{deployment}\n---\n{service}")
}
