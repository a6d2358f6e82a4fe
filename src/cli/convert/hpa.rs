//! From a HorizontalPodAutoscaler on an external metric to a pool.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    World, address, behavior,
    draft::Draft,
    fields::Fields,
    plan::{Takeover, plan},
    source::Sources,
    trigger::backlog,
};
use crate::cli::manifest::{Node, Object};

/// Labels of a metric that usually name its queue.
const QUEUE: [&str; 5] = ["queue", "queue_name", "queueName", "list", "key"];

/// Converts a HorizontalPodAutoscaler.
pub(super) fn autoscaler(file: &str, object: &Object, world: &World) -> Draft {
    let mut draft = Draft::new(file, object);
    let spec = object.get(&["spec"]).map(Node::value).unwrap_or_default();
    let mut fields = Fields::new("spec", &spec);
    if let Some(owner) = by_keda(object) {
        return draft.refuse(
            "metadata.ownerReferences",
            format!("KEDA has made it for ScaledObject `{owner}`: convert that one"),
        );
    }
    let text = |name: &str| spec["scaleTargetRef"][name].as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text("kind"), text("name"));
    fields.forget("spec.scaleTargetRef");
    if !["Deployment", "StatefulSet"].contains(&kind.as_str()) || name.is_empty() {
        return draft.refuse(
            "spec.scaleTargetRef",
            format!("a pool scales Deployments and StatefulSets, and no {kind}: keep it as it is"),
        );
    }
    draft.set("targetRef", json!({"kind": kind, "name": name}));
    draft.kept("spec.scaleTargetRef", "targetRef");
    let least = fields.number("spec.minReplicas");
    match least {
        Some(_) => draft.kept("spec.minReplicas", "minReplicas"),
        None => draft.changed(
            "spec.minReplicas",
            "minReplicas",
            "the HorizontalPodAutoscaler's default, 1; a pool can have 0, and that is its default",
        ),
    }
    draft.set("minReplicas", least.unwrap_or(1));
    draft.set("maxReplicas", fields.number("spec.maxReplicas").unwrap_or(1));
    draft.kept("spec.maxReplicas", "maxReplicas");
    behavior::take("spec.behavior", &mut fields, &mut draft);
    let mut queues = Vec::new();
    let mut external = 0;
    for (at, metric) in spec["metrics"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.metrics[{at}]");
        fields.forget(&path);
        if metric["type"] != "External" {
            let what = metric["resource"]["name"]
                .as_str()
                .or(metric["type"].as_str())
                .unwrap_or_default();
            draft.dropped(
                &path,
                format!("a pool does not look at {what}: only work counts; leave it out"),
            );
            continue;
        }
        external += 1;
        queue(metric, &path, &mut queues, &mut draft);
        target(metric, &path, &mut draft);
    }
    if external == 0 {
        return draft.refuse(
            "spec.metrics",
            "no external metric: nothing here says which queue the workers consume; keep it as it is, or write a pool",
        );
    }
    let sources = Sources {
        path: "spec.metrics".into(),
        target: world.workload(object, &kind, &name),
        container: None,
        auth: None,
        refers: false,
        asked: BTreeSet::new(),
    };
    let framework = sources.framework().filter(|framework| *framework != "Celery");
    if let Some(framework) = framework {
        draft.set("framework", framework);
    }
    let broker = address::elsewhere(
        &sources,
        "spec.metrics",
        "a metric does not say where the broker is",
        &mut draft,
    );
    draft.set("broker", broker);
    match queues.is_empty() {
        true => draft.missing(
            "spec.metrics",
            "queues",
            "the metric does not say which queue it counts: name all that the workers consume",
        ),
        false => draft.set("queues", queues),
    }
    if external > 1 {
        draft.changed(
            "spec.metrics",
            "queues",
            "the HorizontalPodAutoscaler takes the largest of its metrics, a pool the sum of its queues",
        );
    }
    for field in fields.rest() {
        draft.dropped(
            &field,
            "a pool has no such field: leave it out, and see whether what it did is still needed",
        );
    }
    draft.plan = plan(&Takeover {
        pool: &draft.pool,
        file: "pools.yaml",
        other: format!("hpa {}", object.name),
        hpa: object.name.clone(),
        keda: false,
        restores: false,
        paused: false,
    });
    draft
}

/// Queue that a metric counts, by its labels.
fn queue(metric: &Value, path: &str, queues: &mut Vec<String>, draft: &mut Draft) {
    let labels = &metric["external"]["metric"]["selector"]["matchLabels"];
    let found = QUEUE.iter().find_map(|name| Some((*name, labels[*name].as_str()?)));
    let name = metric["external"]["metric"]["name"].as_str().unwrap_or_default();
    let field = format!("{path}.external.metric");
    let Some((label, queue)) = found else {
        return draft.changed(
            &field,
            "queues",
            format!("the metric `{name}` names no queue: see that `queues` has all that the workers consume"),
        );
    };
    draft.changed(
        &field,
        "queues",
        format!("the metric `{name}` is not needed: the pool counts `{queue}` (its label `{label}`) itself"),
    );
    if !queues.iter().any(|known| known == queue) {
        queues.push(queue.to_owned());
    }
}

fn target(metric: &Value, path: &str, draft: &mut Draft) {
    let target = &metric["external"]["target"];
    let text = |name: &str| match &target[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    if text("value").is_some() {
        let field = format!("{path}.external.target.value");
        draft.dropped(&field, "it does not divide by the replicas: set `target.waitSeconds`, or the tasks for each replica in `target.backlogPerReplica`");
    }
    if let Some(average) = text("averageValue") {
        let field = format!("{path}.external.target.averageValue");
        // A quantity: 500m is a half.
        let (digits, factor) = match average.strip_suffix('m') {
            Some(digits) => (digits, 0.001),
            None => match average.strip_suffix('k') {
                Some(digits) => (digits, 1000.0),
                None => (average.as_str(), 1.0),
            },
        };
        let number = digits
            .parse::<f64>()
            .map(|number| (number * factor).to_string())
            .unwrap_or(average.clone());
        let before = draft.pool["spec"]["target"]["backlogPerReplica"].as_i64();
        if let Some(each) = backlog(&field, &number, draft) {
            draft.set(
                "target.backlogPerReplica",
                before.map_or(each, |before| before.min(each)),
            );
        }
    }
}

/// ScaledObject for which KEDA has made it.
fn by_keda(object: &Object) -> Option<String> {
    let owners = object
        .get(&["metadata", "ownerReferences"])
        .map(Node::items)
        .unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.text("kind") == Some("ScaledObject"));
    let label = object.text(&["metadata", "labels", "scaledobject.keda.sh/name"]);
    owner.and_then(|owner| owner.text("name")).or(label).map(str::to_owned)
}
