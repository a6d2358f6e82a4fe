//! RQ applications.

use serde_json::{Value, json};

use super::{
    app::{App, AppStage, Harness, Load},
    truth::Truth,
    watch::Watch,
};

fn harness() -> Harness {
    Harness {
        name: "rq",
        image: "RQ",
        files: vec![("rq_load.py", include_str!("../workload/rq_load.py").to_owned())],
        // Not rq itself: it reads its key prefix when it is imported.
        imports: &["redis"],
    }
}

/// An RQ application: its broker, its queues, its workers.
pub struct Rq<'a> {
    pub stage: &'a AppStage,
    pub name: String,
    pub broker: String,
    /// The first one is published to.
    pub queues: Vec<String>,
    /// `RQ_KEY_PREFIX`; empty: RQ's own.
    pub prefix: String,
    /// The program and its own arguments.
    pub worker: String,
    /// In seconds.
    pub grace: u32,
}

impl<'a> Rq<'a> {
    /// In this database of the stage's Redis, with one queue of its own name.
    pub fn new(stage: &'a AppStage, name: &str, db: u8) -> Self {
        Self {
            stage,
            name: name.to_owned(),
            broker: format!("redis://{}/{db}", stage.redis),
            queues: vec![format!("q-{name}")],
            prefix: String::new(),
            worker: "worker".to_owned(),
            grace: 30,
        }
    }

    fn load(&self) -> Value {
        json!({
            "name": self.name, "broker": self.broker, "queue": self.queues[0], "record": self.stage.record(),
            "prefix": self.prefix,
        })
    }

    pub fn watch(&self) -> Watch {
        Watch::of("RQ", &self.broker, &self.queues, (&self.prefix, &self.name))
    }
}

impl App for Rq<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, load: &[Load]) {
        self.stage.publish(&harness(), &self.load(), load).await;
    }

    async fn workers(&self, replicas: i32) {
        let prefix = format!(
            "RQ_KEY_PREFIX={}",
            if self.prefix.is_empty() { "rq" } else { &self.prefix }
        );
        let mut command = vec!["env", &prefix, "rq"];
        command.extend(self.worker.split(' '));
        command.extend(["-u", &self.broker]);
        command.extend(self.queues.iter().map(String::as_str));
        let pods = (replicas, self.grace);
        self.stage
            .workers(&harness(), &self.name, &command, &self.load(), pods)
            .await;
    }

    async fn truth(&self) -> Truth {
        self.stage.truth(&self.name).await
    }
}
