//! Brokers, workers and publishers as pods.
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::bed::{Namespace, PATIENCE, eventually};

/// A broker with a Service: its address, as soon as it takes connections.
pub(super) async fn server(space: &Namespace, name: &str, image: &str, command: &[&str], port: u16) -> String {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [
            {"name": "broker", "port": port}, {"name": "tls", "port": port - 1}, {"name": "management", "port": 15672},
        ]},
    });
    space.apply(service.to_string()).await;
    space.apply(pod(name, image, command, 1, json!({}), 0)).await;
    space.wait_ready(name).await;
    let ip = space.cluster_ip(name).await;
    eventually(&format!("{name} takes connections"), PATIENCE, async || {
        TcpStream::connect((ip.as_str(), port))
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    ip
}

/// A Deployment of one container, with the program mounted at /load and, if there is one, the Secret `tls` at /tls.
pub(super) fn pod(name: &str, image: &str, command: &[&str], replicas: u32, env: Value, grace: u32) -> String {
    let env: Vec<Value> = env.as_object().map_or_else(Vec::new, |all| {
        all.iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect()
    });
    let mut container = json!({
        "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "workingDir": "/tmp", "env": env,
        "volumeMounts": [
            {"name": "load", "mountPath": "/load"}, {"name": "tls", "mountPath": "/tls"},
        ],
    });
    if image.contains("rabbitmq") {
        container["env"] = json!([
            {"name": "HOME", "value": "/var/lib/rabbitmq"}, {"name": "RABBITMQ_LOGS", "value": "-"},
            {"name": "ERL_MAX_PORTS", "value": "65536"},
        ]);
        container["volumeMounts"] = json!([
            {"name": "tls", "mountPath": "/tls"},
            {"name": "settings", "mountPath": "/etc/rabbitmq/conf.d/50-test.conf", "subPath": "50-test.conf"},
        ]);
        container.as_object_mut().expect("a container").remove("workingDir");
    } else {
        container["command"] = json!(command);
        container["workingDir"] = json!(if command.contains(&"celery") { "/load" } else { "/tmp" });
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": grace.max(1), "automountServiceAccountToken": false,
                    "enableServiceLinks": false, "containers": [container],
                    "volumes": [
                        {"name": "load", "configMap": {"name": "load"}},
                        {"name": "tls", "secret": {"secretName": "tls", "optional": true}},
                        {"name": "settings", "configMap": {"name": name, "optional": true}},
                    ],
                },
            },
        },
    })
    .to_string()
}
