//! What all set-ups stand on: one broker of each kind, a Redis for the records, and the applications' clients.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::set_up::{Broker, SetUp};
use crate::support::{
    bed::{Namespace, PATIENCE, eventually, image},
    bystander,
    pods::{self, Program, REDIS, server},
    records::Records,
};

/// Enough databases for all set-ups, each with two.
const DATABASES: [&str; 2] = ["--databases", "128"];

const APP: [(&str, &str); 3] = [
    bystander::PROGRAM,
    ("zoo.py", include_str!("app/zoo.py")),
    ("clients.py", include_str!("app/clients.py")),
];

pub struct ZooStage {
    pub ns: Namespace,
    redis: String,
    rabbitmq: String,
    records: String,
    /// Takes connections and never says a word.
    silent: TcpListener,
}

/// Where a set-up's application and the operator find the broker.
#[derive(Clone, Debug)]
pub struct Place {
    /// The application's URL.
    pub app: String,
    /// The operator's.
    pub operator: String,
}

impl ZooStage {
    pub async fn new() -> Self {
        let ns = Namespace::with_pools("zoo-stage").await;
        let redis = [&REDIS[..], &DATABASES].concat();
        let servers = [
            server("redis", &image("REDIS"), &redis, &[6379]),
            server("records", &image("REDIS"), &redis, &[6379]),
            server("rabbitmq", &image("RABBITMQ"), &[], &[5672, 15672]),
        ];
        let objects = servers.map(|server| server.to_string()).join("\n---\n");
        ns.apply(format!("{}\n---\n{objects}", code())).await;
        for server in ["records", "redis", "rabbitmq"] {
            ns.wait_ready(server).await;
        }
        let stage = Self {
            redis: ns.cluster_ip("redis").await,
            rabbitmq: ns.cluster_ip("rabbitmq").await,
            records: ns.cluster_ip("records").await,
            silent: TcpListener::bind("127.0.0.1:0").await.expect("a port"),
            ns,
        };
        for (host, port) in [(&stage.records, 6379), (&stage.redis, 6379), (&stage.rabbitmq, 15672)] {
            // kube-proxy may be a moment behind.
            eventually(&format!("{host}:{port} takes connections"), PATIENCE, async || {
                let connected = TcpStream::connect((host.as_str(), port)).await;
                connected.map(drop).map_err(|error| error.to_string())
            })
            .await;
        }
        stage.ns.apply(stage.clients().to_string()).await;
        stage.ns.wait_ready("clients").await;
        stage
    }

    /// What the workers and the clients record to.
    pub fn records_url(&self) -> String {
        format!("redis://{}:6379/0", self.records)
    }

    pub async fn records(&self) -> Records {
        Records::connect(&self.records_url()).await
    }

    fn clients(&self) -> Value {
        let program = Program {
            name: "clients",
            image: &image("APP"),
            command: &["python3", "/zoo/clients.py"],
            files: "zoo",
            env: &[("RECORDS", &self.records_url())],
            replicas: 1,
            grace: 0,
        };
        program.deployment()
    }

    /// A place on the brokers that nobody else has: the set-up's number is its database, its name its virtual host.
    pub async fn place(&self, number: usize, set_up: &SetUp) -> Place {
        let place = match set_up.broker {
            Broker::Redis => self.database(number * 2, set_up).await,
            Broker::RabbitMq => self.virtual_host(set_up).await,
        };
        match &set_up.elsewhere {
            None => place,
            Some(elsewhere) => {
                let host = match elsewhere.redis.as_slice() {
                    [] => self.redis.clone(),
                    args => self.server_of_its_own(&set_up.name, args, &elsewhere.say).await,
                };
                let operator = elsewhere.url.replace("$HOST", &host);
                Place { operator, ..place }
            }
        }
    }

    /// Another Redis: its address.
    async fn server_of_its_own(&self, name: &str, args: &[String], say: &[String]) -> String {
        let name = format!("redis-{name}");
        let args: Vec<_> = REDIS.into_iter().chain(args.iter().map(String::as_str)).collect();
        let server = server(&name, &image("REDIS"), &args, &[6379]);
        self.ns.apply(server.to_string()).await;
        self.ns.wait_ready(&name).await;
        for line in say {
            let command: Vec<_> = line.split(' ').collect();
            self.ns.exec(&format!("deploy/{name}"), &command).await;
        }
        self.ns.cluster_ip(&name).await
    }

    async fn database(&self, number: usize, set_up: &SetUp) -> Place {
        let host = &self.redis;
        let app = format!("redis://{host}:6379/{number}");
        let Some(rights) = &set_up.rights else {
            return Place {
                operator: app.clone(),
                app,
            };
        };
        let user = &set_up.name;
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(user).arg("reset").arg("on").arg(">secret");
        for rule in &rights.acl {
            command.arg(rule.replace("$DB", &number.to_string()));
        }
        let () = Records::connect(&app).await.run(&command).await;
        Place {
            operator: format!("redis://{user}:secret@{host}:6379/{number}"),
            app,
        }
    }

    async fn virtual_host(&self, set_up: &SetUp) -> Place {
        let (host, name) = (&self.rabbitmq, &set_up.name);
        let users = set_up
            .rights
            .iter()
            .map(|rights| json!({"name": name, "password": "secret", "rights": rights.rabbitmq, "tags": rights.tags}));
        let asked = json!({"vhost": {
            "base": format!("http://{host}:15672"), "name": name, "users": users.collect::<Vec<_>>(),
        }});
        let made = self
            .records()
            .await
            .ask::<Value>("open", asked, Duration::from_secs(60))
            .await;
        made.unwrap_or_else(|failed| panic!("virtual host {name}: {failed}"));
        let url = |user: &str| format!("amqp://{user}@{host}:5672/{name}");
        Place {
            app: url("guest:guest"),
            operator: match set_up.rights {
                None => url("guest:guest"),
                Some(_) => url(&format!("{name}:secret")),
            },
        }
    }

    /// RabbitMQ's management API.
    pub fn management(&self) -> String {
        format!("http://{}:15672", self.rabbitmq)
    }

    /// A management URL at which nobody ever answers.
    pub fn silent(&self) -> String {
        format!("http://guest:guest@{}", self.silent.local_addr().expect("its address"))
    }

    /// The same place on the other database of the set-up.
    pub fn moved(place: &Place) -> Place {
        let next = |url: &String| {
            let (head, database) = url.rsplit_once('/').expect("a database");
            format!("{head}/{}", database.parse::<usize>().expect("its number") + 1)
        };
        Place {
            app: next(&place.app),
            operator: next(&place.operator),
        }
    }

    /// A client goes home.
    pub async fn close(&self, seat: &str) {
        let mut set = redis::cmd("SET");
        let () = self.records().await.run(set.arg(format!("{seat}:close")).arg(1)).await;
    }
}

/// The application's files.
pub fn code() -> String {
    pods::files("zoo", APP).to_string()
}
