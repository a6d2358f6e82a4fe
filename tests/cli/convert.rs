//! `kubectl twp convert`: every parameter of KEDA's triggers on Redis and RabbitMQ is kept or named; what becomes of the rest;
//! the plan.

use serde_json::{Value, json};
use taskworkerpool::cli::{
    convert::{Draft, Fate, convert},
    lint::Report,
};

use super::{Folder, figures, run_in};

/// What is to become of a parameter or a field.
#[derive(Clone, Debug)]
enum Becomes {
    /// This field of the pool's spec has this value.
    Kept(&'static str, Value),
    /// A note names it, and has these words.
    Named(&'static str),
}

/// Parameter of a trigger: see `convert/parameters.txt`.
#[derive(Clone, Debug)]
struct Row {
    kind: &'static str,
    name: &'static str,
    given: &'static str,
    value: String,
    beside: Value,
    becomes: Becomes,
}

/// Key of the Secret that holds a parameter.
fn key(name: &str) -> Value {
    json!({"secretKeyRef": {"name": "keys", "key": name}})
}

/// Lines of a table, by their columns.
fn table<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let columns: Vec<_> = line.splitn(N, " | ").map(str::trim).collect();
        columns.try_into().unwrap_or_else(|columns| panic!("{columns:?}"))
    })
}

fn becomes(path: &'static str, what: &'static str, name: &str) -> Becomes {
    match (path, what) {
        ("named", words) => Becomes::Named(words),
        (path, "key") => Becomes::Kept(path, key(name)),
        (path, value) => Becomes::Kept(path, serde_json::from_str(value).unwrap()),
    }
}

fn rows() -> Vec<Row> {
    let rows = table(include_str!("convert/parameters.txt"));
    let row = |[kind, name, given, value, beside, path, what]: [&'static str; 7]| Row {
        kind,
        name,
        given,
        value: value.replace("\\u0006\\u0016", "\u{6}\u{16}"),
        beside: match beside {
            "list" => json!({"address": "redis:6379", "listName": "mail"}),
            "by-host" => json!({"host": "redis", "port": "6379", "listName": "mail"}),
            "bare-list" => json!({"listName": "mail"}),
            "cluster" => json!({"addresses": "a:1,b:2", "listName": "mail"}),
            "stream" => json!({"address": "redis:6379", "stream": "mail", "consumerGroup": "taskiq"}),
            "bare-stream" => json!({"stream": "mail"}),
            "queue" => json!({"host": "amqp://rabbitmq:5672/shop", "queueName": "mail"}),
            other => panic!("{other}"),
        },
        becomes: becomes(path, what, name),
    };
    rows.map(row).collect()
}

/// Objects in which a trigger has this parameter.
fn objects(row: &Row) -> Value {
    let (kind, name) = (row.kind, row.name);
    let mut metadata = row.beside.clone();
    let secret = |name: &str| json!({"parameter": name, "name": "keys", "key": name});
    let mut auth = vec![secret("unknown-to-all")];
    let mut env = Vec::new();
    match row.given {
        "plain" => metadata[name] = json!(row.value),
        "env" => {
            metadata.as_object_mut().unwrap().remove(name);
            metadata[format!("{name}FromEnv")] = json!("VARIABLE");
            env.push(json!({"name": "VARIABLE", "valueFrom": key(name)}));
        }
        "auth" => {
            metadata.as_object_mut().unwrap().remove(name);
            auth.push(secret(name));
            // A certificate and its key go together.
            auth.extend(match name {
                "cert" => Some(secret("key")),
                "key" => Some(secret("cert")),
                _ => None,
            });
        }
        other => panic!("{other}"),
    }
    json!({"kind": "List", "apiVersion": "v1", "items": [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "mail"}, "spec": {
            "scaleTargetRef": {"name": "mail-worker"},
            "triggers": [{"type": kind, "metadata": metadata, "authenticationRef": {"name": "auth"}}],
        }},
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "auth"}, "spec": {"secretTargetRef": auth}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mail-worker"}, "spec": {"template": {"spec": {"containers": [
            {"name": "worker", "env": env, "command": ["sh"]},
        ]}}}},
    ]})
}

fn drafts(objects: &Value) -> Vec<Draft> {
    convert(&[("all.json", &objects.to_string())]).unwrap()
}

/// Why a row is not as it should be.
fn fault(row: &Row) -> Option<String> {
    let name = row.name;
    let drafts = drafts(&objects(row));
    let [draft] = drafts.as_slice() else {
        return Some("no draft".into());
    };
    let shown = serde_json::to_string(draft).unwrap();
    if shown.contains("canary") {
        return Some(format!("a password is shown: {shown}"));
    }
    let names = |text: &str| text.contains(&format!(".{name}")) || text.contains(&format!("`{name}`"));
    match &row.becomes {
        Becomes::Kept(path, value) => {
            let found = path.split('.').fold(&draft.pool["spec"], |at, name| &at[name]);
            (found != value).then(|| format!("{path} is {found}, not {value}: {shown}"))
        }
        Becomes::Named(words) => {
            let mut notes = draft.notes.iter().filter(|note| note.fate != Fate::Kept);
            let told = notes.any(|note| note.message.contains(words) && (names(&note.field) || names(&note.message)));
            (!told).then(|| format!("no note names it with `{words}`: {shown}"))
        }
    }
    .or_else(|| {
        let lost = "unknown-to-all";
        (!shown.contains(lost)).then(|| format!("`{lost}` is lost without a word"))
    })
}

#[test]
fn every_parameter_of_the_triggers_is_kept_or_named() {
    let rows = rows();
    let faults: Vec<_> = rows
        .iter()
        .filter_map(|row| Some(format!("{} {} {}: {}", row.kind, row.name, row.given, fault(row)?)))
        .collect();
    figures::record_in("plugin", "convert_kept", json!([rows.len() - faults.len(), rows.len()]));
    assert!(rows.len() > 100, "{}", rows.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_pool_that_is_written_passes_lint() {
    let mut pools = 0;
    for row in rows() {
        for draft in drafts(&objects(&row)).iter().filter(|draft| draft.is_pool()) {
            let yaml = draft.yaml().unwrap();
            let report = Report::new(&[("pools.yaml", &yaml)]);
            assert_eq!((report.pools, report.findings), (1, Vec::new()), "{row:?}\n{yaml}");
            pools += 1;
        }
    }
    assert!(pools > 70, "{pools}");
}

/// A ScaledObject with these fields and one trigger on a list.
fn scaled(spec: Value, annotations: Value) -> Value {
    let mut object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "mail", "namespace": "shop", "annotations": annotations},
        "spec": {"scaleTargetRef": {"name": "mail-worker"},
            "triggers": [{"type": "redis", "metadata": {"address": "redis:6379", "listName": "mail"}}]}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}

#[test]
fn the_fields_of_a_scaled_object_are_kept_or_named() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for [spec, annotations, path, what] in table(include_str!("convert/fields.txt")) {
        let drafts = drafts(&scaled(json(spec), json(annotations)));
        let draft = &drafts[0];
        assert!(
            draft.is_pool() && Report::new(&[("p", &draft.yaml().unwrap())]).findings.is_empty(),
            "{spec}: {draft:?}"
        );
        match becomes(path, what, "") {
            Becomes::Kept(path, value) => {
                let found = path.split('.').fold(&draft.pool["spec"], |at, name| &at[name]);
                assert_eq!(*found, value, "{spec} {annotations}: {path}");
            }
            Becomes::Named(field) => {
                let told = draft
                    .notes
                    .iter()
                    .any(|note| note.fate != Fate::Kept && note.field.ends_with(field) && !note.message.is_empty());
                assert!(told, "{spec} {annotations}: {field} is not named: {:#?}", draft.notes);
            }
        }
    }
}

#[test]
fn what_cannot_become_a_pool_is_refused_by_name() {
    for (object, words) in [
        (
            json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "a"}, "spec": {}}),
            "a ScaledJob starts a Job for each task",
        ),
        (
            scaled(
                json!({"scaleTargetRef": {"name": "a", "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}}),
                json!({}),
            ),
            "and no Rollout",
        ),
        (
            scaled(json!({"triggers": [{"type": "cpu", "metadata": {}}]}), json!({})),
            "none of its triggers counts tasks",
        ),
        (
            scaled(json!({"scaleTargetRef": {"name": "Not A Name"}}), json!({})),
            "the pool would be refused: `spec.targetRef.name` must match",
        ),
        (
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "a"}, "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}}),
            "no external metric",
        ),
        (
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "keda-hpa-a",
                "ownerReferences": [{"kind": "ScaledObject", "name": "a"}]}, "spec": {}}),
            "KEDA has made it for ScaledObject `a`",
        ),
    ] {
        let drafts = drafts(&object);
        assert!(!drafts[0].is_pool() && drafts[0].plan.is_empty(), "{object}");
        assert!(
            drafts[0]
                .notes
                .iter()
                .any(|note| note.fate == Fate::Missing && note.message.contains(words)),
            "{words}: {:#?}",
            drafts[0].notes
        );
    }
}

#[test]
fn an_authentication_of_another_kind_is_named() {
    let mut rows = rows().into_iter();
    let row = rows
        .find(|row| (row.kind, row.name, row.given) == ("redis", "password", "auth"))
        .unwrap();
    let mut all = objects(&row);
    all["items"][1]["spec"]["hashiCorpVault"] = json!({"address": "https://vault"});
    let told = |all: &Value, field: &str, words: &str| {
        let drafts = drafts(all);
        let told = drafts[0]
            .notes
            .iter()
            .any(|note| note.field.contains(field) && note.message.contains(words));
        assert!(told, "{field}: {:#?}", drafts[0].notes);
    };
    told(&all, "spec.hashiCorpVault", "Secrets and ConfigMaps of its namespace");
    all["items"][1]["kind"] = json!("ClusterTriggerAuthentication");
    all["items"][0]["spec"]["triggers"][0]["authenticationRef"]["kind"] = json!("ClusterTriggerAuthentication");
    told(&all, "authenticationRef", "KEDA's own namespace");
    all["items"].as_array_mut().unwrap().remove(1);
    told(&all, "authenticationRef", "is not among the files");
}

#[test]
fn an_autoscaler_on_an_external_metric_becomes_a_pool() {
    let all = json!({"kind": "List", "items": [
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "mail", "namespace": "shop"}, "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mail-worker"}, "maxReplicas": 12,
            "metrics": [
                {"type": "External", "external": {"metric": {"name": "celery_queue_length", "selector": {"matchLabels": {"queue_name": "mail"}}},
                    "target": {"type": "AverageValue", "averageValue": "2500m"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mail-worker", "namespace": "shop"}, "spec": {"template": {"spec": {
            "containers": [{"name": "worker", "command": ["celery", "-A", "shop", "worker"],
                "env": [{"name": "CELERY_BROKER_URL", "valueFrom": {"secretKeyRef": {"name": "django-env", "key": "URL"}}}]}]}}}},
    ]});
    let drafts = drafts(&all);
    let spec = &drafts[0].pool["spec"];
    assert_eq!(
        *spec,
        json!({"mode": "Observe", "targetRef": {"kind": "Deployment", "name": "mail-worker"}, "minReplicas": 1, "maxReplicas": 12,
            "queues": ["mail"], "target": {"backlogPerReplica": 3}, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
            "broker": {"urlFrom": {"secretKeyRef": {"name": "django-env", "key": "URL"}}}})
    );
    assert!(
        drafts[0]
            .notes
            .iter()
            .any(|note| note.field == "spec.metrics[1]" && note.message.contains("cpu"))
    );
    let commands: Vec<_> = drafts[0].plan.iter().flat_map(|step| &step.commands).collect();
    assert!(
        commands
            .iter()
            .any(|command| *command == "kubectl -n shop delete hpa mail"),
        "{commands:?}"
    );
}

#[test]
fn the_plan_never_sets_a_number_and_acts_before_the_scaled_object_goes() {
    let drafts = drafts(&scaled(
        json!({"advanced": {"restoreToOriginalReplicaCount": true}}),
        json!({}),
    ));
    let commands: Vec<_> = drafts[0]
        .plan
        .iter()
        .flat_map(|step| &step.commands)
        .map(String::as_str)
        .collect();
    let at = |part: &str| {
        let found = commands.iter().position(|command| command.contains(part));
        found.unwrap_or_else(|| panic!("no `{part}` in {commands:#?}"))
    };
    let order = [
        "apply -f pools.yaml",
        "describe twp mail",
        "\"restoreToOriginalReplicaCount\":false",
        "annotate scaledobject mail autoscaling.keda.sh/paused=true",
        "--for=delete hpa/keda-hpa-mail",
        "set-last-applied",
        "\"mode\":\"Act\"",
        "delete scaledobject mail",
    ];
    assert!(order.map(at).is_sorted(), "{commands:#?}");
    assert!(commands.iter().all(|command| command.starts_with("kubectl -n shop ")
        && !command.contains("paused-replicas")
        && !command.contains(" scale ")));
}

#[test]
fn pools_come_on_the_standard_output_and_the_rest_beside_them() {
    let folder = Folder::new("convert");
    folder.write(
        "so.json",
        &scaled(
            json!({"pollingInterval": 5, "triggers": [
        {"type": "redis", "metadata": {"address": "redis:6379", "listName": "a", "listLength": "10"}},
        {"type": "redis", "metadata": {"address": "redis:6379", "listName": "b", "listLength": "10"}}]}),
            json!({}),
        )
        .to_string(),
    );
    let (code, yaml, aside) = run_in(&folder.0, &["convert", "so.json"], "");
    assert_eq!(code, Some(0), "{aside}");
    // A comment stands above its field, and what is said of two fields is said once.
    let lines: Vec<_> = yaml.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("backlogPerReplica: 10"))
        .unwrap();
    assert!(lines[at - 1].trim_start().starts_with('#'), "{yaml}");
    assert_eq!(yaml.matches("a pool counts prefetched").count(), 1, "{yaml}");
    for part in [
        "not kept:",
        "spec.pollingInterval",
        "1. Create the pool",
        "kubectl -n shop delete scaledobject mail",
    ] {
        assert!(aside.contains(part), "{part}: {aside}");
    }
    let (code, text, _) = run_in(&folder.0, &["lint", "-", "--strict"], &yaml);
    assert_eq!((code, text.as_str()), (Some(0), "1 pool: 0 errors, 0 warnings\n"));
    let (_, text, _) = run_in(&folder.0, &["convert", "so.json", "-o", "json"], "");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["drafts"][0]["pool"]["metadata"],
        json!({"name": "mail", "namespace": "shop"})
    );
    assert!(
        value["drafts"][0]["notes"]
            .as_array()
            .is_some_and(|notes| notes.len() > 5)
            && value["drafts"][0]["plan"].is_array()
    );
    // Something to add to it is a finding; nothing to convert is a mistake.
    folder.write(
        "job.json",
        "{\"apiVersion\": \"keda.sh/v1alpha1\", \"kind\": \"ScaledJob\", \"metadata\": {\"name\": \"a\"}}",
    );
    let (code, yaml, aside) = run_in(&folder.0, &["convert", "job.json"], "");
    assert!(
        code == Some(2) && yaml.is_empty() && aside.contains("a ScaledJob starts a Job"),
        "{code:?} {aside}"
    );
    let (code, _, why) = run_in(&folder.0, &["convert", "pool.yaml"], "");
    assert!(code == Some(1) && why.contains("give their manifests"), "{why}");
}
