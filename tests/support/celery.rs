//! Celery applications.

use serde_json::{Value, json};
use taskworkerpool::{
    broker::Address,
    framework::celery::{self, CeleryConfig},
    model::Consumers,
};

use super::{
    app::{App, AppStage, Harness, Load},
    truth::Truth,
    watch::{Watch, address},
};

const PAGE: &str = include_str!("../../docs/celery.md");

fn harness() -> Harness {
    let mut blocks = PAGE.split("```python\n").skip(1);
    let stamp = blocks.next().and_then(|rest| rest.split("```").next());
    Harness {
        name: "celery",
        image: "APP",
        files: vec![
            ("load.py", include_str!("../workload/load.py").to_owned()),
            ("stamp.py", stamp.expect("the page's lines").to_owned()),
        ],
        imports: &["celery.app.amqp", "kombu.transport.redis", "kombu.transport.pyamqp"],
    }
}

/// A Celery application: its broker, its queue, its way of acknowledging.
#[derive(Clone)]
pub struct Celery<'a> {
    pub stage: &'a AppStage,
    pub name: String,
    pub broker: String,
    pub queue: String,
    pub late: bool,
    pub quorum: bool,
    /// It says in each message when it was published, by the lines of docs/celery.md.
    pub stamped: bool,
    pub options: Value,
    /// Celery's settings beside these.
    pub settings: Value,
    /// The worker's own arguments, by default two processes.
    pub worker: String,
    /// Two such workers in each pod.
    pub two_nodes: bool,
    pub grace: u32,
}

impl<'a> Celery<'a> {
    /// With early acknowledgement and a classic queue of its own name.
    pub fn new(stage: &'a AppStage, name: &str, broker: &str) -> Self {
        Self {
            stage,
            name: name.to_owned(),
            broker: broker.to_owned(),
            queue: format!("q-{name}"),
            late: false,
            quorum: false,
            stamped: false,
            options: json!({}),
            settings: json!({}),
            worker: "-c 2".to_owned(),
            two_nodes: false,
            grace: 5,
        }
    }

    fn load(&self) -> Value {
        json!({
            "name": self.name, "broker": self.broker, "queue": self.queue, "late": self.late, "options": self.options,
            "kind": if self.quorum { "quorum" } else { "classic" }, "record": self.stage.record(),
            "stamped": self.stamped, "settings": self.settings,
        })
    }

    /// What a pool says of it.
    pub fn config(&self) -> CeleryConfig {
        CeleryConfig {
            queues: vec![self.queue.clone()],
            target: self.name.as_str().into(),
            ..CeleryConfig::default()
        }
    }

    /// A sampler of its broker URL, and of RabbitMQ's management API if one is given.
    pub fn watch(&self, management: Option<&str>) -> Watch {
        watching(address(&self.broker, management), self.config())
    }
}

impl App for Celery<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, load: &[Load]) {
        self.stage.publish(&harness(), &self.load(), load).await;
    }

    async fn workers(&self, replicas: i32) {
        let mut command = vec!["python3", "-m", "celery", "-A", "load", "worker", "-l", "info"];
        command.extend(self.worker.split(' '));
        let two = format!("{0} -n a@%h & {0} -n b@%h & wait", command.join(" "));
        if self.two_nodes {
            command = vec!["sh", "-c", &two];
        }
        let pods = (replicas, self.grace);
        self.stage
            .workers(&harness(), &self.name, &command, &self.load(), pods)
            .await;
    }

    async fn truth(&self) -> Truth {
        self.stage.truth(&self.name).await
    }
}

/// A sampler for a pool that says this of its application.
pub fn watching(address: Address, mut config: CeleryConfig) -> Watch {
    config.broker = address.broker();
    Watch::new(address, celery::application(config, None))
}

/// The one worker of a pod fetches from this queue.
pub fn consumers(pod: &str, queue: &str) -> Consumers {
    [(format!("celery@{pod}"), [queue.to_owned()].into())].into()
}

/// The messages that a queue of the vhost `/` has ready, by a passive declare: what a scaler sees over AMQP.
pub async fn passive_count(rabbitmq: &str, queue: &str) -> u32 {
    let url = format!("amqp://guest:guest@{rabbitmq}:5672/%2f");
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    let passive = lapin::options::QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let found = channel
        .queue_declare(queue.into(), passive, Default::default())
        .await
        .expect("the queue");
    let count = found.message_count();
    let _closed = connection.close(200, "done".into()).await;
    count
}
