//! The brokers that the shapes lead to: a Redis with passwords and one with TLS, a RabbitMQ with virtual hosts; and the Redis
//! without a password that each stage for Celery has.

use serde_json::{Value, json};

use crate::support::{
    bed::{Namespace, image},
    bystander::PROGRAM,
    celery_stage::{CeleryStage, NAP},
    certificates::Certificates,
    pods::{self, server},
    stage::CANARY,
};

/// A password as charts make them, of letters and digits.
pub const TOKEN: &str = "Vt4rQ9xLm2";

pub struct ShapeStage {
    pub celery: CeleryStage,
}

impl ShapeStage {
    pub async fn new() -> Self {
        let celery = CeleryStage::new("shapes", "redis").await;
        let code = pods::files(
            "shop",
            [("shop.py", include_str!("app/shop.py")), ("nap.py", NAP), PROGRAM],
        );
        let mut objects = vec![code, redis()];
        objects.extend(rabbitmq());
        objects.extend(redis_with_tls());
        let objects: Vec<_> = objects.iter().map(Value::to_string).collect();
        celery.ns.apply(objects.join("\n---\n")).await;
        for name in ["redis", "redis-tls", "rabbitmq"] {
            celery.ns.wait_ready(name).await;
        }
        Self { celery }
    }

    pub fn ns(&self) -> &Namespace {
        &self.celery.ns
    }

    /// Where tasks record.
    pub fn records(&self) -> &'static str {
        "redis://records:6379/0"
    }
}

/// The default user has one password, the user `shop` another one.
fn redis() -> Value {
    let password = format!(">{CANARY}");
    let args = ["redis-server", "--save", "", "--requirepass", TOKEN];
    let user = ["--user", "shop", "on", &password, "~*", "&*", "+@all"];
    server("redis", &image("REDIS"), &[&args[..], &user].concat(), &[6379])
}

/// A user with a virtual host of its own, and one as the cluster operator makes it.
fn rabbitmq() -> [Value; 2] {
    let all =
        |user: &str, vhost: &str| json!({"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
    let definitions = json!({
        "vhosts": [{"name": "/"}, {"name": "shop/eu"}],
        "users": [
            {"name": "shop", "password": CANARY, "tags": ""},
            {"name": "default_user_k3", "password": TOKEN, "tags": "administrator"},
        ],
        "permissions": [all("shop", "shop/eu"), all("default_user_k3", "/")],
    });
    let path = "/etc/rabbitmq/conf.d";
    let load = format!("load_definitions = {path}/definitions.json\n");
    let definitions = definitions.to_string();
    let settings = pods::files(
        "rabbitmq",
        [
            ("50-shapes.conf", load.as_str()),
            ("definitions.json", definitions.as_str()),
        ],
    );
    let server = server("rabbitmq", &image("RABBITMQ"), &[], &[5672]);
    let volume = json!({"name": "files", "configMap": {"name": "rabbitmq"}});
    [settings, mounted(server, volume, path)]
}

/// TLS at the usual port, and at another one without it for the test's own client.
fn redis_with_tls() -> [Value; 2] {
    let certificates = Certificates::new("redis-tls");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "redis-crt"},
        "stringData": {"ca.crt": certificates.ca, "tls.crt": certificates.certificate, "tls.key": certificates.key},
    });
    let plain = ["--port", "6380", "--tls-port", "6379", "--tls-auth-clients", "no"];
    let tls = [
        "--tls-ca-cert-file",
        "/tls/ca.crt",
        "--tls-cert-file",
        "/tls/tls.crt",
        "--tls-key-file",
        "/tls/tls.key",
    ];
    let args = [&pods::REDIS[..], &plain, &tls].concat();
    let server = server("redis-tls", &image("REDIS"), &args, &[6379, 6380]);
    let volume = json!({"name": "files", "secret": {"secretName": "redis-crt"}});
    [secret, mounted(server, volume, "/tls")]
}

/// A server with a volume `files`.
fn mounted(mut server: Value, volume: Value, path: &str) -> Value {
    let pod = &mut server["items"][0]["spec"]["template"]["spec"];
    pod["volumes"] = json!([volume]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "files", "mountPath": path}]);
    server
}
