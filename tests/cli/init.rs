//! `kubectl twp init` on the shapes of public charts (`tests/e2e/shapes/charts`): the pool that it writes leads to the same broker
//! and the same queues as the one that the operator runs with there.

use std::{fs, path::Path};

use serde_json::{Value, json};
use taskworkerpool::cli::broker_url;

use super::{Folder, figures, run_in};

/// What is to become of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// A pool that means the same.
    Right,
    /// None, for the reason with these words.
    Refused(&'static str),
}

const SHAPES: [(&str, Wanted); 12] = [
    ("url-in-secret", Wanted::Right),
    ("secret-as-environment", Wanted::Right),
    ("redis-parts", Wanted::Right),
    ("rabbitmq-parts", Wanted::Right),
    ("config-map-joined", Wanted::Right),
    ("cluster-operator", Wanted::Right),
    // As the operator itself says of the pool there.
    ("sentinel", Wanted::Refused("variable `TRANSPORT` speaks of Sentinel")),
    ("tls-by-setting", Wanted::Right),
    ("shell", Wanted::Right),
    ("sidecar-first", Wanted::Right),
    ("stateful-set", Wanted::Right),
    ("many-queues", Wanted::Right),
];

/// Objects of a shape: those of the application, and the pool.
fn shape(name: &str) -> (Vec<Value>, Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/e2e/shapes/charts/{name}.yaml"));
    let text = fs::read_to_string(file).unwrap();
    let text = text
        .replace("$PASSWORD", "p/ss")
        .replace("$TOKEN", "t0ken")
        .replace("$NAMESPACE", "shop");
    let objects: Vec<Value> = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let (pools, others): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|object| object["kind"] == "TaskWorkerPool");
    (others, pools[0].clone())
}

/// Value of a reference.
fn value(reference: &Value, objects: &[Value]) -> Option<String> {
    let kinds = [
        ("secretKeyRef", "Secret", "stringData"),
        ("configMapKeyRef", "ConfigMap", "data"),
    ];
    kinds.iter().find_map(|(kind, object, data)| {
        let key = &reference[*kind];
        let holds = |one: &&Value| one["kind"] == *object && one["metadata"]["name"] == key["name"];
        let value = &objects.iter().find(holds)?[*data][key["key"].as_str()?];
        Some(value.as_str()?.to_owned())
    })
}

/// Where a pool's broker is in the end, with all references resolved.
fn address(pool: &Value, objects: &[Value]) -> Value {
    let broker = &pool["spec"]["broker"];
    let url = broker["url"]
        .as_str()
        .map(str::to_owned)
        .or_else(|| value(&broker["urlFrom"], objects));
    let (scheme, [host, port, path, user, password]) = match &url {
        Some(text) => {
            let parts = broker_url::url(text).unwrap_or_else(|| panic!("{pool}"));
            let fields = [Some(parts.host), parts.port, parts.path, parts.user, parts.password];
            (parts.scheme, fields)
        }
        None => {
            let parts = &broker["parts"];
            let get = |name: &str| match &parts[name] {
                Value::Null => value(&parts[format!("{name}From")], objects),
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            let path = get("database").or_else(|| get("virtualHost"));
            (
                get("scheme").unwrap(),
                [get("host"), get("port"), path, get("user"), get("password")],
            )
        }
    };
    let usual = if scheme.starts_with("redis") {
        ("6379", "0")
    } else {
        ("5672", "/")
    };
    json!({
        "scheme": scheme, "host": host.expect("a host"), "port": port.unwrap_or(usual.0.into()),
        "path": path.unwrap_or(usual.1.into()), "user": user, "password": password, "tls": broker["tls"],
    })
}

/// What a pool means: its target, its queues and its broker. How many replicas there may be is a choice.
fn meaning(pool: &Value, objects: &[Value]) -> Value {
    let spec = &pool["spec"];
    let usual = |field: &Value, value: Value| if field.is_null() { value } else { field.clone() };
    let queues = match spec["queuesFrom"].is_null() {
        true => usual(&spec["queues"], json!(["celery"])),
        false => json!("told by the workers"),
    };
    json!({
        "kind": usual(&spec["targetRef"]["kind"], json!("Deployment")), "name": spec["targetRef"]["name"],
        "framework": usual(&spec["framework"], json!("Celery")), "queues": queues, "broker": address(pool, objects),
        "mode": usual(&spec["mode"], json!("Act")), "least": usual(&spec["minReplicas"], json!(0)),
    })
}

#[test]
fn the_shapes_of_public_charts_get_the_pool_that_they_run_with() {
    let folder = Folder::new("init-shapes");
    let (mut right, mut faults) = (0, Vec::new());
    for (name, wanted) in SHAPES {
        let (objects, pool) = shape(name);
        let texts: Vec<_> = objects.iter().map(Value::to_string).collect();
        let input = texts.join("\n---\n");
        let (code, text, aside) = run_in(&folder.0, &["init", "-f", "-"], &input);
        if let Wanted::Refused(words) = wanted {
            assert_eq!((code, text.as_str()), (Some(2), ""), "{name}");
            assert!(aside.contains(words), "{name}: {aside}");
            continue;
        }
        if code != Some(0) {
            faults.push(format!("{name}: {code:?} {aside}"));
            continue;
        }
        assert!(!text.contains("t0ken") && !text.contains("p/ss"), "{name}: {text}");
        golden(name, &text);
        let written: Value = serde_saphyr::from_str(&text).unwrap();
        let (found, wished) = (meaning(&written, &objects), meaning(&pool, &objects));
        match found == wished {
            true => right += 1,
            false => faults.push(format!("{name}:\n  found  {found}\n  wanted {wished}")),
        }
        assert_eq!(written["spec"]["worker"]["concurrency"], 1, "{name}");
        let linted = run_in(&folder.0, &["lint", "-", "--strict"], &text);
        assert_eq!(
            linted,
            (Some(0), "1 pool: 0 errors, 0 warnings\n".into(), String::new()),
            "{name}"
        );
    }
    figures::record_in("plugin", "init_right", json!([right, SHAPES.len()]));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The pool as it was written last; `UPDATE=1` writes it anew.
fn golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/init/{name}.yaml"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        found, text,
        "tests/cli/init/{name}.yaml: UPDATE=1 cargo test --all-features --test cli init::"
    );
}
