//! Servers and programs as pods.

use serde_json::{Map, Value, json};

/// A Redis that anybody may use, without a file.
pub const REDIS: [&str; 5] = ["redis-server", "--protected-mode", "no", "--save", ""];

/// A server of one pod with a Service of the same name, ready when it takes connections.
pub fn server(name: &str, image: &str, args: &[&str], ports: &[u16]) -> Value {
    let labels = json!({"app": name});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "enableServiceLinks": false,
                "containers": [{
                    "name": name, "image": image, "imagePullPolicy": "IfNotPresent", "args": args,
                    // Erlang takes a table of as many ports as the machine allows files.
                    "env": [{"name": "ERL_MAX_PORTS", "value": "65536"}],
                    "readinessProbe": {"tcpSocket": {"port": ports[0]}, "periodSeconds": 1},
                }],
            },
        }},
    });
    let ports = ports
        .iter()
        .map(|port| json!({"name": format!("port-{port}"), "port": port}));
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": ports.collect::<Vec<_>>()},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})
}

/// The files of a program, as a ConfigMap.
pub fn files<'a>(name: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let files = files.into_iter().map(|(name, text)| (name.to_owned(), json!(text)));
    let files: Map<_, _> = files.collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files})
}

/// A program in pods of its own.
pub struct Program<'a> {
    /// The Deployment's name.
    pub name: &'a str,
    pub image: &'a str,
    pub command: &'a [&'a str],
    /// The ConfigMap with its files, which are at `/FILES`.
    pub files: &'a str,
    pub env: &'a [(&'a str, &'a str)],
    pub replicas: i32,
    /// In seconds.
    pub grace: u32,
}

impl Program<'_> {
    pub fn deployment(&self) -> Value {
        let (labels, path) = (json!({"app": self.name}), format!("/{}", self.files));
        let env = self
            .env
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}));
        let mut env: Vec<_> = env.collect();
        env.push(json!({"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}));
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": self.name},
            "spec": {
                "replicas": self.replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": self.grace, "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "containers": [{
                        "name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent", "command": self.command,
                        "workingDir": path, "env": env, "volumeMounts": [{"name": "files", "mountPath": path}],
                    }],
                    "volumes": [{"name": "files", "configMap": {"name": self.files}}],
                }},
            },
        })
    }
}

/// Puts the fields of one object over another's, all the way down; null changes nothing.
pub fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes.clone(),
    }
}
