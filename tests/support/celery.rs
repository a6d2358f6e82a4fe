//! Real brokers and real Celery workers in pods, and a sampler of our own that counts what they hold.

mod pods;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use taskworkerpool::{
    broker::{Address, Clock, Kind, RabbitMqEndpoint, RedisEndpoint, Sampled, SamplerHandle, Subscription, spawn},
    work::{
        SampleError, Tally,
        celery::{BrokerKind, Celery, CeleryConfig},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

use super::bed::{Namespace, PATIENCE, eventually, image};
use pods::{pod, server};

/// A count must be right within this time of the last change.
const SETTLES: Duration = Duration::from_secs(180);
/// So many equal samples in a row are no accident …
const IN_A_ROW: usize = 4;
/// … and so many more must follow.
const STAYS: usize = 8;

const PROGRAM: &str = include_str!("../workload/load.py");
const README: &str = include_str!("../../README.md");

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
        let command = [
            "python3", "-m", "celery", "-A", "load", "worker", "-l", "info", "-c", "2",
        ];
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
        let what = format!("{} started {number} tasks", app.name);
        eventually(&what, PATIENCE, async || {
            let key = format!("started:{}", app.name);
            let seen = self.redis_cli(&["-n", "15", "llen", &key]).await;
            if seen == number.to_string() { Ok(()) } else { Err(seen) }
        })
        .await;
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
            grace: 5,
        }
    }

    fn load(&self, bench: &Bench) -> String {
        json!({
            "name": self.name, "broker": self.broker, "queue": self.queue, "late": self.late, "options": self.options,
            "kind": if self.quorum { "quorum" } else { "classic" }, "record": format!("redis://{}/15", bench.redis),
            "stamped": self.stamped,
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

/// One pool's sampler, as the controller runs it, and everything it said.
pub struct Watch {
    samples: Arc<Mutex<Vec<Sampled>>>,
    news: Arc<Notify>,
    _sampler: SamplerHandle,
}

impl Watch {
    /// Samples from now on, every 500 ms.
    pub fn new(address: Address, mut config: CeleryConfig) -> Self {
        let (out, mut incoming) = mpsc::channel(16);
        let clock = Clock::start();
        config.broker = match address.kind {
            Kind::Redis { db } => BrokerKind::Redis { db },
            Kind::RabbitMq { .. } => BrokerKind::RabbitMq {
                management: address.management.is_some(),
            },
        };
        let sampler = match address.kind {
            Kind::Redis { .. } => spawn(RedisEndpoint::new(address), clock, out),
            Kind::RabbitMq { .. } => spawn(RabbitMqEndpoint::new(address), clock, out),
        };
        sampler.send(Subscription::Add {
            id: 1,
            framework: Box::new(Celery::new(config)),
            period: Duration::from_millis(500),
        });
        let samples = Arc::new(Mutex::new(Vec::new()));
        let news = Arc::new(Notify::new());
        let (into, tell) = (samples.clone(), news.clone());
        tokio::spawn(async move {
            while let Some(sample) = incoming.recv().await {
                into.lock().expect("the samples").push(sample);
                tell.notify_one();
            }
        });
        Self {
            samples,
            news,
            _sampler: sampler,
        }
    }

    /// Everything it said so far.
    pub fn history(&self) -> Vec<Sampled> {
        self.samples.lock().expect("the samples").clone()
    }

    /// Waits until its samples hold what is expected, several times in a row; then they must go on so.
    pub async fn settles(&self, what: &str, holds: impl Fn(&Tally) -> bool) -> Arc<Tally> {
        match self.settled(holds).await {
            (true, Some(Sampled { result: Ok(tally), .. })) => tally,
            (_, seen) => panic!("{what}: awaited for {SETTLES:?}, or it did not stay so; seen last: {seen:#?}"),
        }
    }

    /// The same as a verdict, with the sample that spoke last.
    pub async fn settled(&self, holds: impl Fn(&Tally) -> bool) -> (bool, Option<Sampled>) {
        let (mut seen, mut in_a_row) = (self.history().len(), 0);
        let end = Instant::now() + SETTLES;
        loop {
            let Some(sample) = self.after(seen, end).await else {
                // Nothing new at the end: what was said last tells more than that.
                return (false, self.history().pop());
            };
            let sample = Some(sample);
            seen += 1;
            let right = matches!(&sample, Some(Sampled { result: Ok(tally), .. }) if holds(tally));
            if right {
                in_a_row += 1;
            } else if in_a_row >= IN_A_ROW || Instant::now() >= end {
                return (false, sample);
            } else {
                in_a_row = 0;
            }
            if in_a_row == IN_A_ROW + STAYS {
                return (true, sample);
            }
        }
    }

    /// Waits for a sample that fails in a way that lasts, and says why.
    pub async fn fails(&self) -> SampleError {
        let lasting = |error| !matches!(error, SampleError::NotYet);
        self.fails_as(lasting).await.expect("a sample that fails")
    }

    /// Waits for a sample that fails in one of these ways.
    pub async fn fails_as(&self, way: impl Fn(SampleError) -> bool) -> Option<SampleError> {
        let end = Instant::now() + SETTLES;
        let mut seen = 0;
        while let Some(sample) = self.after(seen, end).await {
            seen += 1;
            match sample.result {
                Err(error) if way(error) => return Some(error),
                _ if Instant::now() >= end => return None,
                _ => {}
            }
        }
        None
    }

    /// The sample with this number, as soon as it is there.
    async fn after(&self, number: usize, end: Instant) -> Option<Sampled> {
        loop {
            let news = self.news.notified();
            if let Some(sample) = self.samples.lock().expect("the samples").get(number) {
                return Some(sample.clone());
            }
            if timeout(
                end.saturating_duration_since(Instant::now()) + Duration::from_secs(5),
                news,
            )
            .await
            .is_err()
            {
                return None;
            }
        }
    }
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
