//! Real Celery workers: a namespace with a broker, a client and the application of `nap.py`, which records what it does.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    app::CLIENT,
    bed::{Namespace, eventually, image},
    bystander::{Error, PROGRAM, Ping, Word, judge},
    operator::Operator,
    pods::{self, Program, REDIS, server},
    records::Records,
};

pub const NAP: &str = include_str!("../workload/nap.py");
/// A bystander, and a client beside it that runs what it is asked for.
const CLIENTS: &str =
    "python3 -c 'import bystander, nap; bystander.stand_by(nap.app, nap.records)' & exec python3 client.py nap";
/// Workers have to start, tasks to run, windows to pass.
pub const LONG: Duration = Duration::from_secs(300);

/// A namespace with a broker, a Redis for records, and the Celery application `nap`.
pub struct CeleryStage {
    pub ns: Namespace,
    url: String,
    records_url: String,
    records: Records,
}

impl CeleryStage {
    pub async fn new(name: &str, kind: &str) -> Self {
        let ns = Namespace::with_pools(name).await;
        let broker = match kind {
            "redis" => server("broker", &image("REDIS"), &REDIS, &[6379]),
            _ => server("broker", &image("RABBITMQ"), &[], &[5672]),
        };
        let records = server("records", &image("REDIS"), &REDIS, &[6379]);
        let code = pods::files("nap", [("nap.py", NAP), ("client.py", CLIENT), PROGRAM]);
        ns.apply(format!("{code}\n---\n{broker}\n---\n{records}\n")).await;
        ns.wait_ready("broker").await;
        ns.wait_ready("records").await;
        let (host, records) = (ns.cluster_ip("broker").await, ns.cluster_ip("records").await);
        let url = match kind {
            "redis" => format!("redis://{host}:6379/0"),
            _ => format!("amqp://guest:guest@{host}:5672//"),
        };
        let records_url = format!("redis://{records}:6379/0");
        let stage = Self {
            ns,
            url,
            records: Records::connect(&records_url).await,
            records_url,
        };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": stage.url},
        });
        let client = stage.deployment("client", 1, &["sh", "-c", CLIENTS], 0);
        stage.ns.apply(format!("{secret}\n---\n{client}\n")).await;
        stage.ns.wait_ready("client").await;
        stage
    }

    /// The broker's.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn deployment(&self, name: &str, replicas: i32, command: &[&str], grace: u32) -> Value {
        let program = Program {
            name,
            image: &image("APP"),
            command,
            files: "nap",
            env: &[
                ("BROKER", &self.url),
                ("RECORDS", &self.records_url),
                ("ACKS_LATE", "1"),
                ("CLIENT", "nap"),
            ],
            replicas,
            grace,
        };
        program.deployment()
    }

    pub async fn workers(&self, concurrency: &str, grace: u32) {
        self.workers_with(concurrency, grace, &[]).await;
    }

    /// With more in their environment: what `nap.py` reads from there.
    pub async fn workers_with(&self, concurrency: &str, grace: u32, environment: &[(&str, &str)]) {
        self.workers_like(concurrency, grace, environment, |_| {}).await;
    }

    /// And with something else in the spec of their pods.
    pub async fn workers_like(
        &self,
        concurrency: &str,
        grace: u32,
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
        self.client(&format!(
            "for number, seconds in {naps}: nap.nap.delay(number, seconds)"
        ))
        .await;
    }

    /// Runs this in the client, which knows `nap`: what it printed.
    pub async fn client(&self, code: &str) -> String {
        let asked = json!({"code": format!("import nap\n{code}")});
        let said = self.records.ask("asked:nap", asked, 2 * LONG).await;
        said.unwrap_or_else(|failed| panic!("{code}: {failed}"))
    }

    pub async fn list(&self, name: &str) -> Vec<String> {
        self.records.lines(name).await
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
            let () = self
                .records
                .run(redis::cmd("SADD").arg("released").arg(number.as_ref()))
                .await;
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
        let words: Vec<Word> = self.records.list("words").await;
        let pings: Vec<Ping> = self.records.list("pings").await;
        let errors: Vec<Error> = self.records.list("errors").await;
        let judged = judge(&words, &pings, false, |worker, _| killed.contains(&worker.pod.as_str()));
        assert!(!pings.is_empty(), "nobody has pinged");
        let wrong = (judged.wrong, errors);
        assert!(
            wrong.0.is_empty() && wrong.1.is_empty(),
            "{wrong:#?}\n{words:?}\n{}",
            operator.log()
        );
    }
}
