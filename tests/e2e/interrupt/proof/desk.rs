//! The recording Redis, and through it `app/desk.py`: it publishes, and asks workers and broker, in the cluster.

use std::{collections::BTreeMap, time::Duration};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::verdict::Records;
use crate::support::bed::{PATIENCE, eventually, unique};

/// Results asked for at a time.
const CHUNK: usize = 500;

#[derive(Clone)]
pub struct Desk {
    records: MultiplexedConnection,
    /// Celery's result backend is another database of the same Redis.
    results: MultiplexedConnection,
}

impl Desk {
    /// By the recording Redis's address.
    pub async fn new(host: &str) -> Self {
        Self {
            records: connect(host, 0).await,
            results: connect(host, 1).await,
        }
    }

    /// Has a deed done (a function of `app/desk.py`): its result, or what went wrong.
    pub async fn ask<T: DeserializeOwned>(&self, deed: &str, with: Value, patience: Duration) -> Result<T, String> {
        let ticket = format!("answer:{}", unique());
        let request = json!({"deed": deed, "with": with, "answer": ticket});
        let mut records = self.records.clone();
        let mut asked = redis::cmd("RPUSH");
        asked.arg("asked").arg(request.to_string());
        let () = asked
            .query_async(&mut records)
            .await
            .map_err(|error| error.to_string())?;
        let end = Instant::now() + patience;
        loop {
            let mut said = redis::cmd("LPOP");
            let said: Option<String> = said
                .arg(&ticket)
                .query_async(&mut records)
                .await
                .map_err(|error| error.to_string())?;
            if let Some(said) = said {
                let mut said: Value = serde_json::from_str(&said).expect("JSON");
                if let Some(failed) = said["failed"].as_str() {
                    return Err(failed.to_owned());
                }
                return serde_json::from_value(said["done"].take()).map_err(|error| error.to_string());
            }
            if Instant::now() > end {
                return Err(format!("no answer to {deed} in {patience:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Publishes a plan of `app/plans.py`: the number of its tasks, when all of them are published.
    pub async fn publish(&self, plan: Value) -> usize {
        let hour = Duration::from_secs(3600);
        let published = self.ask("publish", plan, hour).await;
        published.unwrap_or_else(|failed| panic!("publish: {failed}"))
    }

    /// The length of a list of records: `submitted`, `started`, `ended`.
    pub async fn count(&self, list: &str) -> usize {
        let mut count = redis::cmd("LLEN");
        count
            .arg(list)
            .query_async(&mut self.records.clone())
            .await
            .expect("LLEN")
    }

    /// A list of records.
    async fn list<T: DeserializeOwned>(&self, list: &str) -> Vec<T> {
        let mut range = redis::cmd("LRANGE");
        range.arg(list).arg(0).arg(-1);
        let lines: Vec<String> = range.query_async(&mut self.records.clone()).await.expect("LRANGE");
        let parse =
            |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{list}: {line}: {error}"));
        lines.iter().map(parse).collect()
    }

    /// Both records of all tasks.
    pub async fn records(&self) -> Records {
        let mut records = Records {
            submitted: self.list("submitted").await,
            started: self.list("started").await,
            ended: self.list("ended").await,
            results: BTreeMap::new(),
        };
        for tasks in records.submitted.chunks(CHUNK) {
            let mut command = redis::cmd("MGET");
            for task in tasks {
                command.arg(format!("celery-task-meta-{}", task.id));
            }
            let found: Vec<Option<String>> = command.query_async(&mut self.results.clone()).await.expect("MGET");
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

async fn connect(host: &str, database: u8) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(60)));
    eventually("a connection to the records", PATIENCE, async || {
        let client =
            redis::Client::open(format!("redis://{host}:6379/{database}")).map_err(|error| error.to_string())?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        connection.map_err(|error| error.to_string())
    })
    .await
}
