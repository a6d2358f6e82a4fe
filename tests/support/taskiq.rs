//! taskiq applications.

use serde_json::{Value, json};

use super::{
    app::{App, AppStage, Harness, Load},
    truth::Truth,
    watch::Watch,
};

fn harness() -> Harness {
    Harness {
        name: "taskiq",
        image: "TASKIQ",
        files: vec![("taskiq_load.py", include_str!("../workload/taskiq_load.py").to_owned())],
        imports: &["taskiq", "taskiq_redis"],
    }
}

/// A taskiq application: a list or a stream, and its workers.
pub struct Taskiq<'a> {
    pub stage: &'a AppStage,
    pub name: String,
    pub broker: String,
    /// `list` or `stream`.
    pub kind: &'static str,
    pub queue: String,
    /// The broker object's own options.
    pub options: Value,
    /// Tasks that a worker runs at a time.
    pub slots: u32,
    /// In seconds.
    pub grace: u32,
}

impl<'a> Taskiq<'a> {
    /// In this database of the stage's Redis, with a queue of its own name.
    pub fn new(stage: &'a AppStage, name: &str, kind: &'static str, db: u8) -> Self {
        Self {
            stage,
            name: name.to_owned(),
            broker: format!("redis://{}/{db}", stage.redis),
            kind,
            queue: format!("q-{name}"),
            options: json!({}),
            slots: 2,
            grace: 5,
        }
    }

    fn load(&self) -> Value {
        json!({
            "name": self.name, "broker": self.broker, "queue": self.queue, "record": self.stage.record(),
            "kind": self.kind, "options": self.options,
        })
    }

    pub fn watch(&self) -> Watch {
        Watch::of(
            "Taskiq",
            &self.broker,
            std::slice::from_ref(&self.queue),
            ("", &self.name),
        )
    }
}

impl App for Taskiq<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, load: &[Load]) {
        self.stage.publish(&harness(), &self.load(), load).await;
    }

    async fn workers(&self, replicas: i32) {
        let slots = self.slots.to_string();
        let command = [
            "taskiq",
            "worker",
            "--workers",
            "1",
            "--max-async-tasks",
            &slots,
            "taskiq_load:broker",
        ];
        let pods = (replicas, self.grace);
        self.stage
            .workers(&harness(), &self.name, &command, &self.load(), pods)
            .await;
    }

    async fn truth(&self) -> Truth {
        self.stage.truth(&self.name).await
    }
}
