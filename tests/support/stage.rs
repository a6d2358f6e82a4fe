//! What most of these tests begin with: a namespace with a broker, workers that cost nothing, and a pool.

use base64::{Engine, engine::general_purpose::STANDARD};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::support::{
    bed::{Namespace, PATIENCE, eventually, image, unique},
    operator::Operator,
    pods::server,
};

/// The broker's password: it must never be seen anywhere. With all that may go wrong in a URL.
pub const CANARY: &str = "c4n4ry/:@%#pw";
/// The same as a URL carries it.
pub const ENCODED: &str = "c4n4ry%2F%3A%40%25%23pw";

/// A namespace with a Redis and a Secret `broker` whose key `url` leads to it.
pub struct Stage {
    pub ns: Namespace,
    /// The broker's address, which the machine and the pods reach.
    pub host: String,
}

impl Stage {
    /// Redis with the canary for a password, in a cluster that knows pools.
    pub async fn redis(name: &str) -> Self {
        Self::redis_in(Namespace::with_pools(name).await).await
    }

    /// The same in this namespace.
    pub async fn redis_in(ns: Namespace) -> Self {
        let args = ["redis-server", "--requirepass", CANARY, "--save", ""];
        ns.apply(server("broker", &image("REDIS"), &args, &[6379]).to_string())
            .await;
        ns.wait_ready("broker").await;
        let host = ns.cluster_ip("broker").await;
        let stage = Self { ns, host };
        // kube-proxy may be a moment behind.
        eventually("Redis answers at its ClusterIP", PATIENCE, async || {
            stage.connect().await.map(drop)
        })
        .await;
        stage.secret("broker", &stage.url()).await;
        stage
    }

    /// The broker URL as it ought to be.
    pub fn url(&self) -> String {
        format!("redis://:{ENCODED}@{}:6379/0", self.host)
    }

    /// A Secret with a broker URL, made or changed.
    pub async fn secret(&self, name: &str, url: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"url": url},
        });
        self.ns.apply(secret.to_string()).await;
    }

    /// Workers that are never scheduled: they cost nothing, and only their number is looked at.
    pub async fn workers(&self, name: &str, replicas: i32) {
        self.ns.apply(workers(name, replicas).to_string()).await;
    }

    /// A pool `name` on the Deployment `name`; `spec` replaces fields of the usual spec.
    pub async fn pool(&self, name: &str, spec: Value) {
        self.ns.apply(pool(name, spec).to_string()).await;
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let client = redis::Client::open(self.url()).map_err(|error| error.to_string())?;
        let connection = client.get_multiplexed_async_connection().await;
        connection.map_err(|error| error.to_string())
    }

    /// A connection to the Redis.
    pub async fn connection(&self) -> MultiplexedConnection {
        eventually("a connection to Redis", PATIENCE, async || self.connect().await).await
    }

    /// Publishes so many tasks at once, in one command.
    pub async fn publish(&self, tasks: usize) {
        let mut connection = self.connection().await;
        publish(&mut connection, "celery", tasks).await;
    }

    /// Takes all waiting tasks away, as if they were done.
    pub async fn purge(&self) {
        let mut connection = self.connection().await;
        let () = redis::cmd("DEL")
            .arg("celery")
            .query_async(&mut connection)
            .await
            .expect("DEL");
    }

    /// No credential may be seen in what the operator wrote, to its log, the API server or Prometheus.
    pub async fn assert_discreet(&self, operator: &Operator) {
        let places = [
            ("its log", operator.log()),
            ("its metrics", operator.metrics().await),
            ("the pools", self.ns.kubectl(&["get", "twp", "-o", "yaml"]).await),
            ("the Events", self.ns.kubectl(&["get", "events", "-o", "yaml"]).await),
        ];
        let secrets = [
            CANARY.to_owned(),
            ENCODED.to_owned(),
            STANDARD.encode(CANARY),
            STANDARD.encode(ENCODED),
            STANDARD.encode(self.url()),
        ];
        for (place, text) in &places {
            for secret in &secrets {
                let line = text.lines().find(|line| line.contains(secret.as_str()));
                assert!(line.is_none(), "the password {secret} is in {place}: {line:?}");
            }
        }
    }
}

/// One command, so that the broker shows all of them or none.
pub async fn publish(connection: &mut MultiplexedConnection, queue: &str, tasks: usize) {
    let mut command = redis::cmd("LPUSH");
    command.arg(queue);
    for _ in 0..tasks {
        command.arg(message(queue).to_string());
    }
    let () = command.query_async(connection).await.expect("LPUSH");
}

/// A task as kombu writes it.
pub fn message(queue: &str) -> Value {
    let id = unique();
    json!({
        "body": STANDARD.encode(r#"[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]"#),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "mail.tasks.nothing", "id": id, "eta": null, "expires": null, "retries": 0},
        "properties": {
            "correlation_id": id, "delivery_mode": 2, "priority": 0, "body_encoding": "base64", "delivery_tag": id,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    })
}

/// Workers that no node takes.
pub fn workers(name: &str, replicas: i32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
                "nodeSelector": {"twp.test/nowhere": "true"},
                "containers": [{"name": "worker", "image": image("REDIS"), "imagePullPolicy": "IfNotPresent",
                    "args": ["sleep", "infinity"]}],
            }},
        },
    })
}

/// A pool: 10 tasks a replica, at most 5 replicas, gone as soon as there is no work.
pub fn pool(name: &str, changes: Value) -> Value {
    let mut spec = json!({
        "targetRef": {"name": name},
        "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
        "maxReplicas": 5,
        "target": {"backlogPerReplica": 10},
        "scaleDown": {"idleSeconds": 0},
    });
    for (field, value) in changes.as_object().cloned().unwrap_or_default() {
        spec[field] = value;
    }
    json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": name}, "spec": spec,
    })
}
