//! Pools, each with something changed: every field of the schema with every wrong type, just within its bounds and just
//! beyond them, missing, unknown; every rule between fields kept and broken; metadata; the ways to write a value in YAML.

use serde_json::{Map, Value, json};
use taskworkerpool::api;

/// A pool with something changed.
pub struct Mutation {
    pub name: String,
    pub text: String,
}

/// The smallest pools, one for each way to say where the broker is.
fn bases() -> [(&'static str, Value); 3] {
    let pool = |spec: Value| json!({"apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "lint"}, "spec": spec});
    let key = json!({"secretKeyRef": {"name": "env", "key": "URL"}});
    [
        (
            "redis",
            pool(json!({"targetRef": {"name": "worker"}, "broker": {"url": "redis://redis:6379/0"}})),
        ),
        (
            "amqp",
            pool(
                json!({"targetRef": {"name": "worker"}, "broker": {"urlFrom": key, "management": {"url": "http://rabbitmq:15672"}}}),
            ),
        ),
        (
            "parts",
            pool(json!({"targetRef": {"name": "worker"}, "broker": {"parts": {"scheme": "amqp", "host": "rabbitmq"}}})),
        ),
    ]
}

/// A step of a way into an object: a field, or the first item of a list.
type Way = Vec<String>;

const FIRST: &str = "[]";

pub fn all() -> Vec<Mutation> {
    let crd = api::crd().unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Found::default();
    for (name, base) in bases() {
        found.add(name, &base);
    }
    walk(schema, &mut vec!["spec".into()], &mut found);
    rules(&mut found);
    metadata(&mut found);
    spellings(&mut found);
    found.all
}

#[derive(Default)]
struct Found {
    all: Vec<Mutation>,
}

impl Found {
    fn add(&mut self, name: impl Into<String>, pool: &Value) {
        self.text(name, pool.to_string());
    }

    fn text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.all.push(Mutation {
            name: name.into(),
            text: text.into(),
        });
    }

    /// The base in which this field can stand, with a value there; `None` takes the field out.
    fn set(&mut self, way: &Way, value: Option<&Value>) {
        let base = match way.iter().any(|step| step == "parts") {
            true => 2,
            false if way.iter().any(|step| step == "management") => 1,
            false => 0,
        };
        let mut pool = bases()[base].1.clone();
        put(&mut pool, way, value);
        let shown = value.map_or("missing".to_owned(), |value| {
            value.to_string().chars().take(60).collect()
        });
        self.add(format!("{} = {shown}", way.join(".")), &pool);
    }
}

/// Sets a value, with all that has to be around it.
fn put(at: &mut Value, way: &[String], value: Option<&Value>) {
    let Some((step, rest)) = way.split_first() else {
        if let Some(value) = value {
            *at = value.clone();
        }
        return;
    };
    if step == FIRST {
        if !at.is_array() {
            *at = json!([{}]);
        }
        return put(&mut at[0], rest, value);
    }
    if !at.is_object() {
        *at = json!({});
    }
    if rest.is_empty() && value.is_none() {
        at.as_object_mut().unwrap().remove(step);
        return;
    }
    surround(at, step);
    put(&mut at[step], rest, value);
}

/// What has to stand beside some fields, so that the pool is good but for the one that is changed.
fn surround(at: &mut Value, step: &str) {
    let beside = match step {
        "fallback" => json!({"fallback": {"replicas": 1}}),
        "schedules" => {
            json!({"schedules": [{"name": "a", "start": "0 8 * * 1", "end": "0 9 * * 1", "minReplicas": 1}]})
        }
        "policies" => json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1}]}),
        "secretKeyRef" => json!({"secretKeyRef": {"name": "env", "key": "URL"}}),
        "configMapKeyRef" => json!({"configMapKeyRef": {"name": "env", "key": "URL"}}),
        _ => return,
    };
    for (name, value) in beside.as_object().unwrap() {
        if at.get(name).is_none() {
            at[name] = value.clone();
        }
    }
}

fn walk(schema: &Value, way: &mut Way, found: &mut Found) {
    for wrong in [
        json!("text"),
        json!(7),
        json!(true),
        json!([1]),
        json!({"no": 1}),
        Value::Null,
        json!(1.5),
    ] {
        found.set(way, Some(&wrong));
    }
    for value in edges(schema) {
        found.set(way, Some(&value));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        way.push(name.clone());
        found.set(way, None);
        walk(inner, way, found);
        way.pop();
    }
    if schema["properties"].is_object() {
        for unknown in ["unknown", "Name", "replicas"] {
            way.push(unknown.into());
            found.set(way, Some(&json!(1)));
            way.pop();
        }
    }
    if schema["items"].is_object() {
        way.push(FIRST.into());
        walk(&schema["items"], way, found);
        way.pop();
    }
}

/// Values at the bounds and beyond them.
fn edges(schema: &Value) -> Vec<Value> {
    let number = |name: &str| schema[name].as_i64();
    let mut all = Vec::new();
    if let (Some(least), Some(most)) = (number("minimum"), number("maximum")) {
        all.extend([least - 1, least, most, most + 1, i64::MAX].map(Value::from));
        all.push(json!(least as f64));
    }
    if let Some(most) = number("maxLength") {
        let least = number("minLength").unwrap_or(0);
        // In characters, not in bytes.
        all.extend(["a", "ä", "-", "a.b", "A_b", "a\n"].map(Value::from));
        all.extend(
            [least - 1, least, most, most + 1].map(|length| json!("a".repeat(usize::try_from(length).unwrap_or(0)))),
        );
        all.push(json!("ä".repeat(usize::try_from(most).unwrap_or(0))));
    }
    if let Some(words) = schema["enum"].as_array() {
        all.extend(words.iter().cloned());
        all.push(json!(words[0].as_str().unwrap_or_default().to_uppercase() + "x"));
        all.push(json!(""));
    }
    if let Some(most) = number("maxItems").filter(|_| schema["items"]["type"] == "string") {
        for length in [0, 1, most, most + 1] {
            all.push((0..length).map(|at| json!(format!("q{at}"))).collect());
        }
        all.push(json!(["a", "b", "a"]));
    }
    all
}

/// Each rule between fields, kept and broken.
fn rules(found: &mut Found) {
    let secret = json!({"secretKeyRef": {"name": "a", "key": "b"}});
    let map = json!({"configMapKeyRef": {"name": "a", "key": "b"}});
    let both = json!({"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}});
    let schedule =
        |name: &str, start: &str, end: &str| json!({"name": name, "start": start, "end": end, "minReplicas": 1});
    let specs = [
        json!({"minReplicas": 10}),
        json!({"minReplicas": 11}),
        json!({"minReplicas": 3, "maxReplicas": 3}),
        json!({"minReplicas": 4, "maxReplicas": 3}),
        json!({"maxReplicas": null, "minReplicas": 11}),
        json!({"fallback": {"replicas": 10}}),
        json!({"fallback": {"replicas": 11}}),
        json!({"fallback": {"replicas": 11}, "maxReplicas": 11}),
        json!({"profile": "Economy"}),
        json!({"profile": "Economy", "target": {"waitSeconds": 5}}),
        json!({"profile": "Economy", "target": {"backlogPerReplica": 5}}),
        json!({"profile": null, "target": {"backlogPerReplica": 5}}),
        json!({"target": {}}),
        json!({"target": {"waitSeconds": 5, "backlogPerReplica": 5}}),
        json!({"scaleDown": {"removal": "Graceful"}}),
        json!({"scaleDown": {"removal": "Graceful"}, "worker": {}}),
        json!({"scaleDown": {"removal": "Graceful"}, "worker": {"maxTaskSeconds": 5}}),
        json!({"scaleDown": {}}),
        json!({"queues": ["a", "a"]}),
        json!({"queues": ["a", "A"]}),
        json!({"queues": ["a"], "queuesFrom": "Workers"}),
        json!({"queuesFrom": "Workers"}),
        json!({"celery": {}}),
        json!({"celery": {}, "framework": "Celery"}),
        json!({"celery": {}, "framework": "RQ"}),
        json!({"celery": null, "framework": "RQ"}),
        json!({"celery": {"separator": ":"}, "framework": "Taskiq"}),
        json!({"celery": {"prioritySteps": [0, 255]}}),
        json!({"celery": {"prioritySteps": [256]}}),
        json!({"celery": {"prioritySteps": []}}),
        json!({"celery": {"prioritySteps": ["1"]}}),
        json!({"broker": {}}),
        json!({"broker": null}),
        json!({"broker": {"url": null}}),
        json!({"broker": {"url": "redis://r", "urlFrom": secret}}),
        json!({"broker": {"url": "redis://r", "urlFrom": null}}),
        json!({"broker": {"url": "redis://r", "parts": {"scheme": "redis", "host": "r"}}}),
        json!({"broker": {"url": "redis://:pw@r"}}),
        json!({"broker": {"url": "redis://user@r"}}),
        json!({"broker": {"url": "redis://u:@r"}}),
        json!({"broker": {"url": "amqp://u:p/w#\n@r"}}),
        json!({"broker": {"url": "no url"}}),
        json!({"broker": {"urlFrom": {}}}),
        json!({"broker": {"urlFrom": both}}),
        json!({"broker": {"urlFrom": map}}),
        json!({"broker": {"urlFrom": secret, "keyPrefix": "a"}}),
        json!({"broker": {"url": "amqp://r", "keyPrefix": "a"}}),
        json!({"broker": {"url": "amqp://r", "keyPrefix": ""}}),
        json!({"broker": {"url": "rediss://r", "keyPrefix": "a"}}),
        json!({"broker": {"url": "redis://r", "management": {"url": "http://r"}}}),
        json!({"broker": {"url": "pyamqp://r", "management": {"url": "http://r"}}}),
        json!({"broker": {"url": "amqps://r", "management": {"url": "http://u:p@r"}}}),
        json!({"broker": {"url": "amqps://r", "management": {"urlFrom": secret}}}),
        json!({"broker": {"url": "amqps://r", "management": {"url": "http://r", "urlFrom": secret}}}),
        json!({"broker": {"url": "amqps://r", "management": {}}}),
        json!({"broker": {"url": "amqps://r", "tls": {}}}),
        json!({"broker": {"url": "amqps://r", "tls": {"clientCertFrom": secret}}}),
        json!({"broker": {"url": "amqps://r", "tls": {"clientKeyFrom": secret}}}),
        json!({"broker": {"url": "amqps://r", "tls": {"clientCertFrom": secret, "clientKeyFrom": map}}}),
        json!({"broker": {"url": "amqps://r", "tls": {"caFrom": {}}}}),
        json!({"broker": {"parts": {"scheme": "redis"}}}),
        json!({"broker": {"parts": {"host": "r"}}}),
        json!({"broker": {"parts": {"scheme": "redis", "host": "r", "hostFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "redis", "hostFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "redis", "host": "r", "port": 1, "portFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "redis", "host": "r", "portFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "redis", "host": "r", "database": 1, "databaseFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "rediss", "host": "r", "databaseFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "rediss", "host": "r", "virtualHost": "v"}}}),
        json!({"broker": {"parts": {"scheme": "redis", "host": "r", "virtualHostFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "amqps", "host": "r", "virtualHost": "v"}}}),
        json!({"broker": {"parts": {"scheme": "amqps", "host": "r", "virtualHost": "v", "virtualHostFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "amqp", "host": "r", "database": 0}}}),
        json!({"broker": {"parts": {"scheme": "amqp", "host": "r", "user": "u", "userFrom": map}}}),
        json!({"broker": {"parts": {"scheme": "amqp", "host": "r", "userFrom": map, "passwordFrom": secret}}}),
        json!({"broker": {"parts": {"scheme": "amqp", "host": "r", "passwordFrom": map}}}),
        json!({"schedules": [schedule("a", "0 8 * * 1", "0 9 * * 1"), schedule("b", "0 8 * * 1", "0 9 * * 1")]}),
        json!({"schedules": [schedule("a", "0 8 * * 1", "0 9 * * 1"), schedule("a", "0 8 * * 2", "0 9 * * 2")]}),
        json!({"schedules": [schedule("a", "0 8 * * 1", "0 8 * * 1")]}),
        json!({"schedules": [schedule("a", "0 8 * *", "0 9 * * 1")]}),
        json!({"schedules": [schedule("a", "@daily", "0 9 * * 1")]}),
        json!({"schedules": [schedule("a", "0 8 * * MON-FRI", "*/5 9,10 * * 1")]}),
        json!({"schedules": [schedule("a", "99 99 * * 1", "0 9 * * 1")]}),
        json!({"schedules": []}),
        json!({"schedules": null}),
        json!({"schedules": [null]}),
        json!({"schedules": (0..16).map(|at| schedule(&format!("s{at}"), "0 8 * * 1", "0 9 * * 1")).collect::<Vec<_>>()}),
        json!({"schedules": (0..17).map(|at| schedule(&format!("s{at}"), "0 8 * * 1", "0 9 * * 1")).collect::<Vec<_>>()}),
        json!({"targetRef": {}}),
        json!({"targetRef": null}),
        json!({"targetRef": {"name": null}}),
        json!({"targetRef": {"name": "a", "kind": null}}),
        json!({"targetRef": {"name": "a", "kind": "DaemonSet"}}),
        json!({"queues": [null]}),
        json!({"queues": ["a", null]}),
        json!({"behavior": {"scaleUp": {"policies": []}}}),
        json!({"behavior": {"scaleUp": {"selectPolicy": "Disabled"}, "scaleDown": {}}}),
        json!({"mode": null, "suspend": null, "sampleMilliseconds": null}),
        // Several at once.
        json!({"minReplicas": 11, "queues": ["a", "a"], "profile": "Economy", "target": {"backlogPerReplica": 1}}),
        json!({"minReplicas": "11", "unknown": true}),
        json!({"broker": {"url": "amqp://r", "keyPrefix": "a", "management": {}}, "queues": []}),
    ];
    for changes in specs {
        let mut pool = bases()[0].1.clone();
        for (name, value) in changes.as_object().unwrap() {
            pool["spec"][name] = value.clone();
        }
        found.add(format!("rule: {changes}"), &pool);
    }
}

/// The parts of an object that every kind has, and what is at its top.
fn metadata(found: &mut Found) {
    let long = "a".repeat(63);
    for meta in [
        json!({}),
        Value::Null,
        json!("lint"),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": 5}),
        json!({"name": "Lint"}),
        json!({"name": "lint-"}),
        json!({"name": "a.b-c.d"}),
        json!({"name": "a..b"}),
        json!({"name": "a".repeat(253)}),
        json!({"name": "a".repeat(254)}),
        json!({"generateName": "lint-"}),
        json!({"generateName": "Lint-"}),
        json!({"name": "lint", "nam": "lint"}),
        json!({"name": "lint", "namespace": "default"}),
        json!({"name": "lint", "namespace": 1}),
        json!({"name": "lint", "labels": {"a": "b"}}),
        json!({"name": "lint", "labels": {"a": ""}}),
        json!({"name": "lint", "labels": {"a": null}}),
        json!({"name": "lint", "labels": {"a": 1}}),
        json!({"name": "lint", "labels": {"a": "b c"}}),
        json!({"name": "lint", "labels": {"a/b/c": "d"}}),
        json!({"name": "lint", "labels": {"a.b/c": "d"}}),
        json!({"name": "lint", "labels": {"/c": "d"}}),
        json!({"name": "lint", "labels": {"": "d"}}),
        json!({"name": "lint", "labels": {long.clone(): long.clone()}}),
        json!({"name": "lint", "labels": {format!("{long}a"): "d"}}),
        json!({"name": "lint", "labels": {"a": format!("{long}a")}}),
        json!({"name": "lint", "labels": []}),
        json!({"name": "lint", "annotations": {"a": "any text: {}\n"}}),
        json!({"name": "lint", "annotations": {"A.b/C": "d"}}),
        json!({"name": "lint", "annotations": {"a b": "d"}}),
        json!({"name": "lint", "annotations": {"a": true}}),
    ] {
        let mut pool = bases()[0].1.clone();
        pool["metadata"] = meta.clone();
        found.add(
            format!("metadata: {}", meta.to_string().chars().take(80).collect::<String>()),
            &pool,
        );
    }
    for (name, change) in [
        ("no spec", json!({"spec": null})),
        ("an empty spec", json!({"spec": {}})),
        ("another top", json!({"specs": {}})),
        ("a status", json!({"status": {"replicas": 3}})),
        ("a status of the wrong type", json!({"status": {"replicas": "3"}})),
        ("an unknown field in the status", json!({"status": {"unknown": 3}})),
        ("a status that is no object", json!({"status": 3})),
        ("another version", json!({"apiVersion": "taskworkerpool.dev/v1"})),
    ] {
        let mut pool: Map<_, _> = bases()[0].1.as_object().unwrap().clone();
        pool.extend(change.as_object().unwrap().clone());
        found.add(name, &Value::Object(pool));
    }
}

/// The ways to write a value in YAML.
fn spellings(found: &mut Found) {
    let pool = |lines: &str| {
        format!(
            "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata:\n  name: lint\nspec:\n  targetRef: {{name: a}}\n  \
             broker:\n    url: redis://redis:6379/0\n{lines}"
        )
    };
    for lines in [
        "  suspend: yes\n",
        "  suspend: 'yes'\n",
        "  suspend: on\n",
        "  suspend: Off\n",
        "  suspend: TRUE\n",
        "  suspend: ~\n",
        "  suspend:\n",
        "  maxReplicas: 0x10\n",
        "  maxReplicas: 010\n",
        "  maxReplicas: 1_000\n",
        "  maxReplicas: 1e1\n",
        "  maxReplicas: 5.0\n",
        "  maxReplicas: +5\n",
        "  maxReplicas: '5'\n",
        "  maxReplicas: !!int '5'\n",
        "  maxReplicas: 12345678901234567890123\n",
        "  maxReplicas: .inf\n",
        "  queues: [yes, no]\n",
        "  queues: [1]\n",
        "  queues: [1:30]\n",
        "  queues: [2026-01-01]\n",
        "  queues: [null]\n",
        "  queues: [~]\n",
        "  queues: [!!str 1]\n",
        "  queues:\n  - a\n  - b # two\n",
        "  queues: &q [a]\n",
        "  worker: {concurrency: &n 4}\n  maxReplicas: *n\n",
        "  worker: &w {concurrency: 4}\n  minReplicas: 1\n  scaleDown:\n    idleSeconds: 5\n",
        "  minReplicas: 1\n  minReplicas: 1\n",
        "  minReplicas: 1\n  minReplicas: 2\n",
        "  worker: {concurrency: 4, concurrency: 4}\n",
        "  queues: [\n",
        "  queues: [a]]\n",
        "  \tminReplicas: 1\n",
        "  1: 2\n",
        "  celery: {separator: \"\\x06\\x16\"}\n",
        "  celery:\n    separator: |\n      :\n",
        "  celery:\n    separator: >-\n      a\n      b\n",
    ] {
        found.text(format!("YAML: {lines:?}"), pool(lines));
    }
}
