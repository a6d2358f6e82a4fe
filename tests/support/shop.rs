//! Real Celery workers: a namespace with a broker, a client and the application of `nap.py`, which records what it does.

use std::{collections::BTreeSet, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{
    bed::{Namespace, eventually, image},
    bystander::{Error, PROGRAM, Ping, Word, judge},
    operator::Operator,
    stage::broker,
};

const NAP: &str = include_str!("../workload/nap.py");
/// The client's own occupation.
const BYSTANDER: &str = "import bystander, nap; bystander.stand_by(nap.app, nap.records)";
/// Workers have to start, tasks to run, windows to pass.
pub const LONG: Duration = Duration::from_secs(300);

/// A namespace with a broker, a Redis for records, and the Celery application `nap`.
pub struct Shop {
    pub ns: Namespace,
    url: String,
    records: String,
}

impl Shop {
    pub async fn new(name: &str, kind: &str) -> Self {
        let ns = Namespace::with_pools(name).await;
        let (kind_image, port, args): (_, _, &[&str]) = match kind {
            "redis" => (
                image("REDIS"),
                6379,
                &["redis-server", "--protected-mode", "no", "--save", ""],
            ),
            _ => (image("RABBITMQ"), 5672, &[]),
        };
        ns.apply(broker(&kind_image, port, args)).await;
        let records = broker(
            &image("REDIS"),
            6379,
            &["redis-server", "--protected-mode", "no", "--save", ""],
        );
        ns.apply(records.replace("\"broker\"", "\"records\"")).await;
        ns.wait_ready("broker").await;
        ns.wait_ready("records").await;
        let (host, records) = (ns.cluster_ip("broker").await, ns.cluster_ip("records").await);
        let url = match kind {
            "redis" => format!("redis://{host}:6379/0"),
            _ => format!("amqp://guest:guest@{host}:5672//"),
        };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": url},
        });
        let code = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nap"},
            "data": {"nap.py": NAP, PROGRAM.0: PROGRAM.1},
        });
        ns.apply(format!("{secret}\n---\n{code}\n")).await;
        let shop = Self {
            ns,
            url,
            records: format!("redis://{records}:6379/0"),
        };
        let client = shop.deployment("client", 1, &["python3", "-c", BYSTANDER], 0);
        shop.ns.apply(client.to_string()).await;
        shop.ns.wait_ready("client").await;
        shop
    }

    /// The broker's.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn deployment(&self, name: &str, replicas: i32, command: &[&str], grace: i32) -> Value {
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
                            {"name": "BROKER", "value": self.url}, {"name": "RECORDS", "value": self.records},
                            {"name": "ACKS_LATE", "value": "1"},
                        ],
                        "volumeMounts": [{"name": "nap", "mountPath": "/nap"}],
                    }],
                    "volumes": [{"name": "nap", "configMap": {"name": "nap"}}],
                },
            }},
        })
    }

    pub async fn workers(&self, concurrency: &str, grace: i32) {
        self.workers_with(concurrency, grace, &[]).await;
    }

    /// With more in their environment: what `nap.py` reads from there.
    pub async fn workers_with(&self, concurrency: &str, grace: i32, environment: &[(&str, &str)]) {
        self.workers_like(concurrency, grace, environment, |_| {}).await;
    }

    /// And with something else in the spec of their pods.
    pub async fn workers_like(
        &self,
        concurrency: &str,
        grace: i32,
        environment: &[(&str, &str)],
        change: impl FnOnce(&mut Value),
    ) {
        let command = [
            "python3",
            "-m",
            "celery",
            "-A",
            "nap",
            "worker",
            "-l",
            "info",
            "-c",
            concurrency,
        ];
        let mut deployment = self.deployment("mail", 0, &command, grace);
        let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
        if let Some(all) = container["env"].as_array_mut() {
            all.extend(
                environment
                    .iter()
                    .map(|(name, value)| json!({"name": name, "value": value})),
            );
        }
        change(&mut deployment["spec"]["template"]["spec"]);
        self.ns.apply(deployment.to_string()).await;
    }

    /// Publishes naps with the real client library: number and seconds of each.
    pub async fn publish(&self, naps: &str) {
        let code = format!("import nap\nfor number, seconds in {naps}: nap.nap.delay(number, seconds)");
        self.ns.exec("deploy/client", &["python3", "-c", &code]).await;
    }

    /// Runs this in the client, which knows `nap`.
    pub async fn client(&self, code: &str) {
        let code = format!("import nap\n{code}");
        self.ns.exec("deploy/client", &["python3", "-c", &code]).await;
    }

    pub async fn list(&self, name: &str) -> Vec<String> {
        let text = self
            .ns
            .exec("deploy/records", &["redis-cli", "lrange", name, "0", "-1"])
            .await;
        text.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub async fn ended(&self) -> BTreeSet<String> {
        self.list("ended").await.into_iter().collect()
    }

    /// Waits until so many attempts have started; returns all of them: number, pod, time.
    pub async fn wait_started(&self, attempts: usize) -> Vec<String> {
        eventually(&format!("{attempts} tasks have started"), LONG, async || {
            let started = self.list("started").await;
            if started.len() >= attempts {
                Ok(started)
            } else {
                Err(format!("{started:?} have"))
            }
        })
        .await
    }

    /// Lets these tasks of `hold` (in `nap.py`) end.
    pub async fn release(&self, numbers: &[impl AsRef<str>]) {
        for number in numbers {
            let add = ["redis-cli", "sadd", "released", number.as_ref()];
            self.ns.exec("deploy/records", &add).await;
        }
    }

    pub async fn wait_ended(&self, tasks: usize) {
        eventually(&format!("{tasks} tasks have ended"), LONG, async || {
            let ended = self.ended().await.len();
            if ended >= tasks {
                Ok(())
            } else {
                Err(format!("{ended} have"))
            }
        })
        .await;
    }

    /// The application has not noticed the operator: its own pings have had every answer, and no worker has logged an ERROR.
    /// Of the pods that the test itself has killed nothing is expected.
    pub async fn undisturbed(&self, killed: &[&str], operator: &Operator) {
        let words: Vec<Word> = self.parsed("words").await;
        let pings: Vec<Ping> = self.parsed("pings").await;
        let errors: Vec<Error> = self.parsed("errors").await;
        let judged = judge(&words, &pings, false, |worker, _| killed.contains(&worker.pod.as_str()));
        assert!(!pings.is_empty(), "nobody has pinged");
        let wrong = (judged.wrong, errors);
        assert!(
            wrong.0.is_empty() && wrong.1.is_empty(),
            "{wrong:#?}\n{words:?}\n{}",
            operator.log()
        );
    }

    async fn parsed<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let lines = self.list(name).await;
        let parse =
            |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
        lines.iter().map(parse).collect()
    }
}
