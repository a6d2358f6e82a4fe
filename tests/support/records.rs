//! A Redis in the cluster in which an application records, and through which its clients are asked.

use std::time::Duration;

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::bed::{PATIENCE, eventually, unique};

#[derive(Clone)]
pub struct Records(MultiplexedConnection);

impl Records {
    /// By the Redis's URL.
    pub async fn connect(url: &str) -> Self {
        // Patient: the machine is busy.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(Duration::from_secs(60)))
            .set_connection_timeout(Some(Duration::from_secs(20)));
        let connection = eventually("a connection to the records", PATIENCE, async || {
            let client = redis::Client::open(url).map_err(|error| error.to_string())?;
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            connection.map_err(|error| error.to_string())
        });
        Self(connection.await)
    }

    /// One command: its answer.
    pub async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let said = self.try_run(command).await;
        said.unwrap_or_else(|error| panic!("the records: {error}"))
    }

    async fn try_run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, String> {
        let said = command.query_async(&mut self.0.clone()).await;
        said.map_err(|error| error.to_string())
    }

    /// Adds a line to a list.
    pub async fn push(&self, list: &str, line: &Value) {
        let mut push = redis::cmd("RPUSH");
        let () = self.run(push.arg(list).arg(line.to_string())).await;
    }

    /// The length of a list.
    pub async fn count(&self, list: &str) -> usize {
        self.run(redis::cmd("LLEN").arg(list)).await
    }

    /// The lines of a list.
    pub async fn lines(&self, list: &str) -> Vec<String> {
        self.run(redis::cmd("LRANGE").arg(list).arg(0).arg(-1)).await
    }

    /// A list, each line of which is JSON.
    pub async fn list<T: DeserializeOwned>(&self, list: &str) -> Vec<T> {
        parsed(&self.lines(list).await)
    }

    /// The same where the connection may break.
    pub async fn try_list<T: DeserializeOwned>(&self, list: &str) -> Result<Vec<T>, String> {
        let lines: Vec<String> = self.try_run(redis::cmd("LRANGE").arg(list).arg(0).arg(-1)).await?;
        Ok(parsed(&lines))
    }

    /// Puts a request into a list, and waits for the answer to it: what was done, or what went wrong.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        list: &str,
        mut asked: Value,
        patience: Duration,
    ) -> Result<T, String> {
        let ticket = format!("answer:{}", unique());
        asked["answer"] = json!(ticket);
        self.push(list, &asked).await;
        let end = Instant::now() + patience;
        loop {
            let said: Option<String> = self.run(redis::cmd("LPOP").arg(&ticket)).await;
            if let Some(said) = said {
                let mut said: Value = serde_json::from_str(&said).expect("JSON");
                if let Some(failed) = said["failed"].as_str() {
                    return Err(failed.to_owned());
                }
                return serde_json::from_value(said["done"].take()).map_err(|error| error.to_string());
            }
            if Instant::now() > end {
                return Err(format!("no answer in {patience:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn parsed<T: DeserializeOwned>(lines: &[String]) -> Vec<T> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    lines.iter().map(parse).collect()
}
