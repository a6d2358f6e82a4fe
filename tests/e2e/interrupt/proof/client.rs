//! The recording Redis, and through it `app/client.py`: it publishes, and asks workers and broker, in the cluster.

use std::{collections::BTreeMap, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::verdict;
use crate::support::records::Records;

/// Results asked for at a time.
const CHUNK: usize = 500;

#[derive(Clone)]
pub struct Client {
    records: Records,
    /// Celery's result backend is another database of the same Redis.
    results: Records,
}

impl Client {
    /// By the recording Redis's address.
    pub async fn new(host: &str) -> Self {
        Self {
            records: Records::connect(&format!("redis://{host}:6379/0")).await,
            results: Records::connect(&format!("redis://{host}:6379/1")).await,
        }
    }

    /// Calls a function of `app/client.py`: its result, or what went wrong.
    pub async fn ask<T: DeserializeOwned>(&self, call: &str, with: Value, patience: Duration) -> Result<T, String> {
        let request = json!({"call": call, "with": with});
        let said = self.records.ask("asked", request, patience).await;
        said.map_err(|failed| format!("{call}: {failed}"))
    }

    /// Publishes a plan of `app/plans.py`: the number of its tasks, when all of them are published.
    pub async fn publish(&self, plan: Value) -> usize {
        let hour = Duration::from_secs(3600);
        let published = self.ask("publish", plan, hour).await;
        published.unwrap_or_else(|failed| panic!("publish: {failed}"))
    }

    /// The length of a list of records: `submitted`, `started`, `ended`.
    pub async fn count(&self, list: &str) -> usize {
        self.records.count(list).await
    }

    /// Both records of all tasks.
    pub async fn records(&self) -> verdict::Records {
        let mut records = verdict::Records {
            submitted: self.records.list("submitted").await,
            started: self.records.list("started").await,
            ended: self.records.list("ended").await,
            results: BTreeMap::new(),
        };
        for tasks in records.submitted.chunks(CHUNK) {
            let mut command = redis::cmd("MGET");
            for task in tasks {
                command.arg(format!("celery-task-meta-{}", task.id));
            }
            let found: Vec<Option<String>> = self.results.run(&command).await;
            for (task, found) in tasks.iter().zip(found) {
                let Some(found) = found else { continue };
                let found: Value = serde_json::from_str(&found).expect("a result");
                let status = found["status"].as_str().unwrap_or_default();
                records.results.insert(task.number, status.to_owned());
            }
        }
        records
    }
}
