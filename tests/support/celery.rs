//! Real brokers and real Celery workers in pods, and a sampler of our own that counts what they hold.

mod pods;
mod watch;

use serde_json::{Value, json};
use taskworkerpool::{broker::Address, framework::celery::CeleryConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bed::{Namespace, PATIENCE, eventually, image};
use pods::{pod, server};
pub use watch::Watch;

const PROGRAM: &str = include_str!("../workload/load.py");
pub const README: &str = include_str!("../../README.md");

/// A namespace with a recording Redis (also a broker) and a pod that publishes.
pub struct Bench {
    pub space: Namespace,
    pub redis: String,
}

impl Bench {
    /// Everything that each test needs.
    pub async fn new(name: &str) -> Self {
        let space = Namespace::new(name).await;
        let stamp = README
            .split("```python\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let program = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "load"},
            "data": {"load.py": PROGRAM, "stamp.py": stamp.expect("the README's lines")},
        });
        space.apply(program.to_string()).await;
        space
            .apply(pod("client", &image("APP"), &["sleep", "infinity"], 1, json!({}), 0))
            .await;
        let redis = server(&space, "redis", &image("REDIS"), &REDIS, 6379).await;
        space.wait_ready("client").await;
        Self { space, redis }
    }

    /// Another Redis with these arguments: its address.
    pub async fn redis_with(&self, name: &str, more: &[&str]) -> String {
        let mut command = REDIS.to_vec();
        command.extend(more);
        server(&self.space, name, &image("REDIS"), &command, 6379).await
    }

    /// A RabbitMQ by its image's name, with these settings: its address.
    pub async fn rabbitmq(&self, name: &str, of: &str, settings: &str) -> String {
        let settings = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"50-test.conf": settings},
        });
        self.space.apply(settings.to_string()).await;
        server(&self.space, name, &image(of), &[], 5672).await
    }

    /// A command to the first Redis, from where nothing is counted.
    pub async fn redis_cli(&self, args: &[&str]) -> String {
        let mut all = vec!["redis-cli", "--raw"];
        all.extend(args);
        self.space.exec("deploy/redis", &all).await.trim().to_owned()
    }

    /// Starts so many workers (or changes their number).
    pub async fn workers(&self, app: &App, replicas: u32) {
        let mut command = vec!["python3", "-m", "celery", "-A", "load", "worker", "-l", "info"];
        command.extend(app.worker.split(' '));
        let two = format!("{0} -n a@%h & {0} -n b@%h & wait", command.join(" "));
        if app.two_nodes {
            command = vec!["sh", "-c", &two, "celery"];
        }
        self.space
            .apply(pod(
                &app.name,
                &image("APP"),
                &command,
                replicas,
                json!({"LOAD": app.load(self)}),
                app.grace,
            ))
            .await;
    }

    /// SIGTERM and, two seconds later, SIGKILL to every worker; no new ones.
    pub async fn kill(&self, app: &App) {
        let replicas = "--replicas=0";
        self.space
            .kubectl(&["scale", &format!("deployment/{}", app.name), replicas])
            .await;
        let selector = format!("app={}", app.name);
        let now = ["--grace-period=0", "--force", "--wait=true", "--ignore-not-found"];
        let mut args = vec!["delete", "pods", "-l", &selector];
        args.extend(now);
        self.space.kubectl(&args).await;
    }

    /// Publishes with the real client library.
    pub async fn publish(&self, app: &App, what: Value) {
        let load = format!("LOAD={}", app.load(self));
        let command = ["env", &load, "python3", "/load/load.py", &what.to_string()];
        self.space.exec("deploy/client", &command).await;
    }

    /// Waits until so many tasks of an application have started, by the tasks' own record.
    pub async fn wait_started(&self, app: &App, number: u64) {
        self.wait_recorded("started", app, number).await;
    }

    /// The same for those that have ended.
    pub async fn wait_ended(&self, app: &App, number: u64) {
        self.wait_recorded("ended", app, number).await;
    }

    async fn wait_recorded(&self, what: &str, app: &App, number: u64) {
        eventually(&format!("{} {what} {number} tasks", app.name), PATIENCE, async || {
            let seen = self.recorded(what, app).await;
            if seen == number { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// How many tasks of an application have `started` or `ended`.
    pub async fn recorded(&self, what: &str, app: &App) -> u64 {
        let key = format!("{what}:{}", app.name);
        let seen = self.redis_cli(&["-n", "15", "llen", &key]).await;
        seen.parse().expect("a number")
    }

    /// The name of an application's only pod.
    pub async fn pod_of(&self, app: &App) -> String {
        eventually(&format!("{} has one pod", app.name), PATIENCE, async || {
            let pods = self.space.pods(&format!("app={}", app.name)).await;
            let names: Vec<_> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
            <[String; 1]>::try_from(names).map_err(|names| format!("{names:?}"))
        })
        .await
        .concat()
    }

    /// A request to RabbitMQ's management API as guest: the answer.
    pub async fn manage(&self, server: &str, method: &str, path: &str, body: &str) -> String {
        eventually("RabbitMQ's management API answers", PATIENCE, async || {
            let ask = async {
                let mut stream = TcpStream::connect((server, 15672)).await?;
                let length = body.len();
                let request = format!(
                    "{method} /api{path} HTTP/1.1\r\nHost: rabbitmq\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\
                     Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(request.as_bytes()).await?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await?;
                std::io::Result::Ok(answer)
            };
            let answer = ask.await.map_err(|error| error.to_string())?;
            if answer.starts_with("HTTP/1.1 20") {
                Ok(answer)
            } else {
                Err(answer)
            }
        })
        .await
    }
}

/// No file, room for many databases.
const REDIS: [&str; 7] = [
    "redis-server",
    "--save",
    "",
    "--databases",
    "64",
    "--protected-mode",
    "no",
];

/// A Celery application: its broker, its queue, its way of acknowledging.
#[derive(Clone)]
pub struct App {
    /// Also the worker Deployment's.
    pub name: String,
    pub broker: String,
    pub queue: String,
    pub late: bool,
    pub quorum: bool,
    /// It says in each message when it was published, by the README's lines.
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

impl App {
    /// With early acknowledgement and a classic queue of its own name.
    pub fn new(name: &str, broker: &str) -> Self {
        Self {
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

    fn load(&self, bench: &Bench) -> String {
        json!({
            "name": self.name, "broker": self.broker, "queue": self.queue, "late": self.late, "options": self.options,
            "kind": if self.quorum { "quorum" } else { "classic" }, "record": format!("redis://{}/15", bench.redis),
            "stamped": self.stamped, "settings": self.settings,
        })
        .to_string()
    }

    /// What a pool says of it.
    pub fn config(&self) -> CeleryConfig {
        CeleryConfig {
            queues: vec![self.queue.clone()],
            target: self.name.clone(),
            ..CeleryConfig::default()
        }
    }

    /// A sampler of its broker URL, and of RabbitMQ's management API if one is given.
    pub fn watch(&self, management: Option<&str>) -> Watch {
        Watch::new(address(&self.broker, management), self.config())
    }
}

/// A broker URL as the operator reads it.
pub fn address(broker: &str, management: Option<&str>) -> Address {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut address = taskworkerpool::broker::url::parse(broker).expect("a broker URL");
    address.management = management.map(|url| taskworkerpool::broker::url::management(url).expect("its URL"));
    address
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
