//! An application whose tasks take their time and record what becomes of them: one implementation for each framework. And the
//! stage that all of them share: a namespace with brokers, a Redis for the records, and pods.
//!
//! A framework brings a [`Harness`] and what it says in `LOAD`; its program reads `LOAD` (`name`, `queue` and `record` at least),
//! publishes what its argument says, a JSON list of [`Load`]s, and records as [`Truth`] has it, one JSON object a line, in the
//! lists `published:NAME`, `started:NAME` and `ended:NAME` of the Redis `record`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use super::{
    bed::{Namespace, PATIENCE, eventually, image},
    pods::{self, Program},
    records::Records,
    truth::Truth,
};

/// An application of any framework.
pub trait App {
    /// Also the worker Deployment's.
    fn name(&self) -> &str;

    /// Publishes with the framework's own client library.
    async fn publish(&self, load: &[Load]);

    /// Starts so many workers, or changes their number.
    async fn workers(&self, replicas: i32);

    /// What the tasks themselves have recorded so far.
    async fn truth(&self) -> Truth;

    /// Waits until exactly so many attempts have started.
    async fn wait_started(&self, number: usize) {
        let what = format!("{} started {number} tasks", self.name());
        eventually(&what, PATIENCE, async || match self.truth().await.started.len() {
            seen if seen == number => Ok(()),
            seen => Err(seen.to_string()),
        })
        .await;
    }

    /// The same for those that have ended.
    async fn wait_ended(&self, number: usize) {
        let what = format!("{} ended {number} tasks", self.name());
        eventually(&what, PATIENCE, async || match self.truth().await.ended.len() {
            seen if seen == number => Ok(()),
            seen => Err(seen.to_string()),
        })
        .await;
    }
}

/// Tasks of one length that are published together.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Load {
    #[serde(default = "one")]
    pub tasks: u32,
    pub seconds: f64,
    /// They are due in so many seconds, not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countdown: Option<f64>,
    /// What only one program knows: a priority, a serializer …
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

fn one() -> u32 {
    1
}

impl Load {
    /// So many tasks of so many seconds.
    pub fn new(tasks: u32, seconds: impl Into<f64>) -> Self {
        Self {
            tasks,
            seconds: seconds.into(),
            countdown: None,
            more: Map::new(),
        }
    }

    /// So many tasks that last longer than any test.
    pub fn endless(tasks: u32) -> Self {
        Self::new(tasks, 600)
    }

    pub fn due_in(self, seconds: u32) -> Self {
        Self {
            countdown: Some(seconds.into()),
            ..self
        }
    }

    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
}

/// What a framework brings to the stage.
pub struct Harness {
    /// The framework's, in lower case: the client pod is `client-NAME`.
    pub name: &'static str,
    /// The bed's name of the image with its Python.
    pub image: &'static str,
    /// Its files, which are at `/NAME`; the first one publishes.
    pub files: Vec<(&'static str, String)>,
    /// The modules that its client imports once, not each time that something is published.
    pub imports: &'static [&'static str],
}

/// Runs what a test asks for, with the modules that are its arguments.
pub const CLIENT: &str = include_str!("../workload/client.py");

/// A namespace with a recording Redis, which is also a broker, and whatever applications bring.
pub struct AppStage {
    pub ns: Namespace,
    /// The Redis's address.
    pub redis: String,
    /// The frameworks whose files and client are there.
    harnesses: Mutex<BTreeSet<&'static str>>,
}

impl AppStage {
    /// Everything that each test needs.
    pub async fn new(name: &str) -> Self {
        Self::on(Namespace::new(name).await).await
    }

    /// The same, in a cluster that knows pools.
    pub async fn with_pools(name: &str) -> Self {
        Self::on(Namespace::with_pools(name).await).await
    }

    async fn on(ns: Namespace) -> Self {
        let mut stage = Self {
            ns,
            redis: String::new(),
            harnesses: Mutex::default(),
        };
        stage.redis = stage.redis_with("redis", &[]).await;
        stage
    }

    /// Another Redis with these arguments: its address.
    pub async fn redis_with(&self, name: &str, more: &[&str]) -> String {
        let args = [&pods::REDIS[..], &["--databases", "64"], more].concat();
        self.server(name, "REDIS", &args, 6379).await
    }

    /// A RabbitMQ by its image's name, with these settings: its address.
    pub async fn rabbitmq(&self, name: &str, image: &str, settings: &str) -> String {
        self.ns
            .apply(pods::files(name, [("50-test.conf", settings)]).to_string())
            .await;
        self.server(name, image, &[], 5672).await
    }

    /// A broker's address, as soon as it takes connections.
    async fn server(&self, name: &str, of: &str, args: &[&str], port: u16) -> String {
        let mut objects = pods::server(name, &image(of), args, &[port, port - 1, 15672]);
        // Certificates and RabbitMQ's settings, where a test has some.
        let pod = &mut objects["items"][0]["spec"]["template"]["spec"];
        pod["volumes"] = json!([
            {"name": "tls", "secret": {"secretName": "tls", "optional": true}},
            {"name": "settings", "configMap": {"name": name, "optional": true}},
        ]);
        pod["containers"][0]["volumeMounts"] = json!([
            {"name": "tls", "mountPath": "/tls"}, {"name": "settings", "mountPath": "/etc/rabbitmq/conf.d"},
        ]);
        self.ns.apply(objects.to_string()).await;
        self.ns.wait_ready(name).await;
        let ip = self.ns.cluster_ip(name).await;
        eventually(&format!("{name} takes connections"), PATIENCE, async || {
            let connected = TcpStream::connect((ip.as_str(), port)).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
        ip
    }

    /// A command to the first Redis, from where nothing is counted.
    pub async fn redis_cli(&self, args: &[&str]) -> String {
        let all = [&["redis-cli", "--raw"], args].concat();
        self.ns.exec("deploy/redis", &all).await.trim().to_owned()
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

    /// Where tasks record.
    pub fn record(&self) -> String {
        format!("redis://{}/15", self.redis)
    }

    /// Starts so many workers of an application, or changes their number.
    pub async fn workers(
        &self,
        of: &Harness,
        name: &str,
        command: &[&str],
        load: &Value,
        (replicas, grace): (i32, u32),
    ) {
        self.bring(of).await;
        let program = Program {
            name,
            image: &image(of.image),
            command,
            files: of.name,
            env: &[("LOAD", &load.to_string())],
            replicas,
            grace,
        };
        self.ns.apply(program.deployment().to_string()).await;
    }

    /// Publishes by a framework's client pod.
    pub async fn publish(&self, of: &Harness, settings: &Value, load: &[Load]) {
        self.bring(of).await;
        let asked = json!({
            "program": format!("/{}/{}", of.name, of.files[0].0), "load": settings.to_string(),
            "argument": json!(load).to_string(),
        });
        let records = Records::connect(&self.record()).await;
        let published = records
            .ask::<String>(&format!("asked:{}", of.name), asked, PATIENCE)
            .await;
        published.unwrap_or_else(|failed| panic!("publish: {failed}"));
    }

    /// A framework's files and its client, once.
    async fn bring(&self, of: &Harness) {
        let mut there = self.harnesses.lock().await;
        if !there.insert(of.name) {
            return;
        }
        let files = of.files.iter().map(|(name, text)| (*name, text.as_str()));
        let files = pods::files(of.name, files.chain([("client.py", CLIENT)]));
        let script = format!("/{}/client.py", of.name);
        let client = Program {
            name: &format!("client-{}", of.name),
            image: &image(of.image),
            command: &[&["python3", &script], of.imports].concat(),
            files: of.name,
            env: &[("RECORDS", &self.record()), ("CLIENT", of.name)],
            replicas: 1,
            grace: 0,
        };
        self.ns.apply(format!("{files}\n---\n{}", client.deployment())).await;
    }

    /// SIGKILL to every worker of an application; no new ones.
    pub async fn kill(&self, name: &str) {
        let deployment = format!("deployment/{name}");
        self.ns.kubectl(&["scale", &deployment, "--replicas=0"]).await;
        let selector = format!("app={name}");
        let pods = ["delete", "pods", "-l", &selector];
        let now = ["--grace-period=0", "--force", "--wait=true", "--ignore-not-found"];
        self.ns.kubectl(&[pods, now].concat()).await;
    }

    /// The name of an application's only pod.
    pub async fn pod_of(&self, name: &str) -> String {
        eventually(&format!("{name} has one pod"), PATIENCE, async || {
            let pods = self.ns.pods(&format!("app={name}")).await;
            let names: Vec<_> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
            <[String; 1]>::try_from(names).map_err(|names| format!("{names:?}"))
        })
        .await
        .concat()
    }

    /// What the tasks of an application have recorded.
    pub async fn truth(&self, name: &str) -> Truth {
        // A connection of its own: some tests break all that there are.
        eventually("the records are read", PATIENCE, async || {
            let records = Records::connect(&self.record()).await;
            Ok(Truth {
                published: records.try_list(&format!("published:{name}")).await?,
                started: records.try_list(&format!("started:{name}")).await?,
                ended: records.try_list(&format!("ended:{name}")).await?,
                ..Truth::default()
            })
        })
        .await
    }
}
