//! From a ScaledObject of KEDA to a pool.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    World, behavior,
    draft::Draft,
    fields::Fields,
    plan::{Takeover, plan},
    rabbitmq_trigger, redis_trigger,
    source::Sources,
    trigger::Counted,
};
use crate::cli::manifest::{Node, Object};

/// Largest number of replicas of a pool.
const MOST: i64 = 10_000;

/// Annotations that are KEDA's.
const ANNOTATIONS: [&str; 2] = ["autoscaling.keda.sh/", "scaledobject.keda.sh/"];

/// Converts a ScaledObject.
pub(super) fn scaled_object(file: &str, object: &Object, world: &World) -> Draft {
    let mut draft = Draft::new(file, object);
    let spec = object.get(&["spec"]).map(Node::value).unwrap_or_default();
    let mut fields = Fields::new("spec", &spec);
    let annotations = object
        .get(&["metadata", "annotations"])
        .map(Node::value)
        .unwrap_or_default();
    for (name, value) in annotations.as_object().into_iter().flatten() {
        if ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix)) {
            fields.add(&format!("metadata.annotations.{name}"), value);
        }
    }
    let Some(target) = fields.text("spec.scaleTargetRef.name") else {
        return draft.refuse("spec.scaleTargetRef", "it names no target: there is nothing to scale");
    };
    let kind = fields
        .text("spec.scaleTargetRef.kind")
        .unwrap_or_else(|| "Deployment".into());
    if !["Deployment", "StatefulSet"].contains(&kind.as_str()) {
        return draft.refuse(
            "spec.scaleTargetRef.kind",
            format!("a pool scales Deployments and StatefulSets, and no {kind}: keep KEDA for it"),
        );
    }
    fields.forget("spec.scaleTargetRef.apiVersion");
    draft.set("targetRef", json!({"kind": kind, "name": target}));
    draft.kept("spec.scaleTargetRef", "targetRef");
    let manifest = world.workload(object, &kind, &target);
    let container = fields.text("spec.scaleTargetRef.envSourceContainerName");
    if container.is_some() {
        draft.kept("spec.scaleTargetRef.envSourceContainerName", "broker");
    }
    let (paused, restores) = limits_and_times(&mut fields, &mut draft);
    let hpa = hpa_name(object, &mut fields, &mut draft);
    behavior::take(
        "spec.advanced.horizontalPodAutoscalerConfig.behavior",
        &mut fields,
        &mut draft,
    );
    behavior::stopped(&mut fields, &mut draft);
    let mut counted = Vec::new();
    for (at, trigger) in spec["triggers"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.triggers[{at}]");
        let reference = &trigger["authenticationRef"];
        let mut sources = Sources {
            target: manifest,
            container: container.clone(),
            auth: world.authentication(object, reference),
            refers: reference.is_object(),
            asked: BTreeSet::new(),
            path,
        };
        counted.extend(one(trigger, &mut sources, &mut fields, &mut draft));
    }
    if !count(&counted, &mut fields, &mut draft) {
        rest(fields, &mut draft);
        return draft.refuse(
            "spec.triggers",
            "none of its triggers counts tasks in Redis or RabbitMQ in a way that a pool can: keep KEDA for it",
        );
    }
    rest(fields, &mut draft);
    draft.plan = plan(&Takeover {
        pool: &draft.pool,
        file: "pools.yaml",
        other: format!("scaledobject {}", object.name),
        hpa,
        keda: true,
        restores,
        paused,
    });
    draft
}

/// One trigger; `None`: it is no queue.
fn one(trigger: &Value, sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Option<Counted> {
    let path = sources.path.clone();
    let kind = fields.text(&format!("{path}.type")).unwrap_or_default();
    let counted = match kind.as_str() {
        "redis" => redis_trigger::list(sources, fields, draft),
        "redis-streams" => redis_trigger::stream(sources, fields, draft),
        "rabbitmq" => rabbitmq_trigger::queue(sources, fields, draft),
        "cron" => {
            cron(trigger, &path, fields, draft);
            None
        }
        other => {
            let mut with: Vec<String> = fields.names(&format!("{path}.metadata"));
            with.extend(sources.parameters());
            let with = match with.is_empty() {
                true => String::new(),
                false => format!("; with it go `{}`", with.join("`, `")),
            };
            draft.dropped(&path, refused(other) + &with);
            fields.forget(&path);
            None
        }
    };
    fields.forget(&format!("{path}.authenticationRef"));
    if counted.is_some() {
        sources.check(draft);
    }
    for (name, why) in [
        ("name", "only a formula needs a trigger's name; leave it out"),
        (
            "useCachedMetrics",
            "a pool decides by what it has counted last, at most `sampleMilliseconds` ago; leave it out",
        ),
    ] {
        let field = format!("{path}.{name}");
        if fields.take(&field).is_some() && kind != "cron" {
            draft.dropped(&field, why);
        }
    }
    let field = format!("{path}.metricType");
    match fields.text(&field) {
        Some(text) if text == "AverageValue" => draft.kept(&field, "target.backlogPerReplica"),
        Some(text) => draft.dropped(
            &field,
            format!("a target of a pool is for each replica, `AverageValue`; `{text}` does not divide by the replicas: choose the number anew"),
        ),
        None => {}
    }
    counted
}

/// Why a trigger of this type cannot be kept, and what to do.
fn refused(kind: &str) -> String {
    match kind {
        _ if kind.starts_with("redis-cluster") => {
            "Redis Cluster is not supported yet: give the operator a Redis with cluster mode off, or \
                                                   keep KEDA for it"
                .into()
        }
        _ if kind.starts_with("redis-sentinel") => {
            "Sentinel is not supported yet: give the pool a URL that leads to the master, such as \
                                                    that of a Service or a proxy, in `broker`"
                .into()
        }
        "cpu" | "memory" => format!("a pool does not look at {kind}: only work counts; leave it out"),
        other => format!(
            "a pool does not count `{other}`: only tasks in Redis and RabbitMQ; keep KEDA for that target, or leave it out"
        ),
    }
}

/// Trigger of the calendar, which is a schedule of the pool.
fn cron(trigger: &Value, path: &str, fields: &mut Fields, draft: &mut Draft) {
    let mut text = |name: &str| fields.text(&format!("{path}.metadata.{name}"));
    let (start, end, zone, replicas) = (text("start"), text("end"), text("timezone"), text("desiredReplicas"));
    let number = replicas.as_deref().and_then(|text| text.trim().parse::<i64>().ok());
    let (Some(start), Some(end), Some(number)) = (start, end, number.filter(|number| (1..=MOST).contains(number)))
    else {
        return draft.dropped(path, "its start, its end or its number of replicas is missing or no number from 1: write it as one of `schedules`");
    };
    let five = |text: &str| text.split_whitespace().count() == 5 && !text.contains(['@', '?', '#', 'L', 'W']);
    if !five(&start) || !five(&end) || start == end {
        return draft.dropped(path, "a schedule has cron expressions of five fields, and an end that differs from the start: write it as one of `schedules`");
    }
    let at = draft.pool["spec"]["schedules"].as_array().map_or(0, Vec::len);
    let usual = format!("cron-{at}");
    let name = trigger["name"]
        .as_str()
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    let schedule = json!({
        "name": name.filter(|name| !name.is_empty()).unwrap_or(&usual), "start": start, "end": end,
        "timeZone": zone.unwrap_or_else(|| "UTC".into()), "minReplicas": number,
    });
    match draft.pool["spec"]["schedules"].as_array_mut() {
        Some(all) => all.push(schedule),
        None => draft.set("schedules", json!([schedule])),
    }
    for name in ["start", "end", "timezone", "desiredReplicas"] {
        draft.kept(&format!("{path}.metadata.{name}"), "schedules");
    }
}

/// Puts together what the triggers count; `false`: nothing.
fn count(counted: &[Counted], fields: &mut Fields, draft: &mut Draft) -> bool {
    let Some(first) = counted.first() else { return false };
    let (same, others): (Vec<_>, Vec<_>) = counted
        .iter()
        .partition(|one| one.broker == first.broker && one.framework == first.framework);
    for other in others {
        draft.missing(
            &other.path,
            "queues",
            "it is on another broker, or of another framework, and a pool has one of each: give those workers a Deployment and a pool of \
             their own",
        );
    }
    draft.set("broker", first.broker.clone());
    if first.framework != "Celery" {
        draft.set("framework", first.framework);
    }
    let mut queues: Vec<&str> = Vec::new();
    for queue in same.iter().filter_map(|one| one.queue.as_deref()) {
        if !queues.contains(&queue) {
            queues.push(queue);
        }
    }
    let by_pattern = same.iter().any(|one| one.queue.is_none());
    match by_pattern {
        true => draft.set("queuesFrom", "Workers"),
        false => draft.set("queues", queues),
    }
    if same.len() > 1 && !modifiers(&same, fields, draft) {
        draft.changed(
            "spec.triggers",
            "queues",
            "KEDA takes the largest of its triggers, a pool the sum of its queues; of several targets it has the smallest",
        );
    }
    if let Some(each) = same.iter().filter_map(|one| one.backlog).min() {
        let modified = draft.pool["spec"]["target"]["backlogPerReplica"].is_number();
        if !modified {
            draft.set("target.backlogPerReplica", each);
        }
    }
    true
}

/// A formula that is the sum of the triggers says what a pool does; then its target is the pool's.
fn modifiers(same: &[&Counted], fields: &mut Fields, draft: &mut Draft) -> bool {
    let path = "spec.advanced.scalingModifiers";
    let Some(formula) = fields.text(&format!("{path}.formula")) else {
        return false;
    };
    let terms: Vec<_> = formula.split('+').map(str::trim).collect();
    let is_name = |term: &&str| !term.is_empty() && term.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if terms.len() != same.len() || !terms.iter().all(is_name) {
        draft.dropped(
            &format!("{path}.formula"),
            "a pool has no formula: it adds its queues up; choose `target` anew",
        );
        return false;
    }
    draft.kept(&format!("{path}.formula"), "queues");
    let field = format!("{path}.target");
    if let Some(text) = fields.text(&field)
        && let Some(each) = super::trigger::backlog(&field, &text, draft)
    {
        draft.set("target.backlogPerReplica", each);
    }
    true
}

/// Limits, times, fallback and annotations: whether it is paused, and whether it would restore old replicas.
fn limits_and_times(fields: &mut Fields, draft: &mut Draft) -> (bool, bool) {
    let bounded = |number: i64| number.clamp(0, MOST);
    let most = match fields.number("spec.maxReplicaCount") {
        Some(most) => {
            draft.kept("spec.maxReplicaCount", "maxReplicas");
            most
        }
        None => {
            draft.changed(
                "spec.maxReplicaCount",
                "maxReplicas",
                "KEDA's default, 100; a pool's is 10",
            );
            100
        }
    };
    let most = bounded(most).max(1);
    draft.set("maxReplicas", most);
    let least = fields
        .number("spec.minReplicaCount")
        .inspect(|_| draft.kept("spec.minReplicaCount", "minReplicas"));
    let least = bounded(least.unwrap_or(0)).min(most);
    draft.set("minReplicas", least);
    if let Some(idle) = fields.number("spec.idleReplicaCount") {
        draft.set("minReplicas", bounded(idle).min(most));
        draft.changed(
            "spec.idleReplicaCount",
            "minReplicas",
            format!(
                "a pool has one minimum, the one without work; {least} as soon as there is any is not kept: the first task starts as many \
                 as the target needs"
            ),
        );
    }
    let polling = fields.number("spec.pollingInterval");
    if polling.is_some() {
        draft.dropped(
            "spec.pollingInterval",
            "a pool counts every 500 ms, in one question for all pools on a broker; `sampleMilliseconds` says otherwise, up to 60000",
        );
    }
    let cooldown = fields.number("spec.cooldownPeriod");
    match cooldown {
        Some(_) => draft.kept("spec.cooldownPeriod", "scaleDown.idleSeconds"),
        None => draft.changed(
            "spec.cooldownPeriod",
            "scaleDown.idleSeconds",
            "KEDA's default, 300; a pool's is 60",
        ),
    }
    draft.set("scaleDown.idleSeconds", cooldown.unwrap_or(300).clamp(0, 86_400));
    if fields.take("spec.initialCooldownPeriod").is_some() {
        draft.dropped(
            "spec.initialCooldownPeriod",
            "a new pool takes no replica away before it has counted and waited `scaleDown.idleSeconds`; leave it out",
        );
    }
    fallback(polling.unwrap_or(30), most, fields, draft);
    let restores = fields
        .text("spec.advanced.restoreToOriginalReplicaCount")
        .is_some_and(|text| text == "true");
    if restores {
        draft.dropped(
            "spec.advanced.restoreToOriginalReplicaCount",
            "a pool that is deleted leaves the replicas as they are; the plan turns it off before the ScaledObject goes",
        );
    }
    (paused(fields, draft), restores)
}

fn fallback(polling: i64, most: i64, fields: &mut Fields, draft: &mut Draft) {
    let path = "spec.fallback";
    let Some(replicas) = fields.number(&format!("{path}.replicas")) else {
        return;
    };
    let threshold = fields.number(&format!("{path}.failureThreshold")).unwrap_or(3);
    let behavior = fields
        .text(&format!("{path}.behavior"))
        .unwrap_or_else(|| "static".into());
    let after = (threshold * polling).clamp(1, 86_400);
    match behavior.as_str() {
        "static" | "currentReplicasIfHigher" if replicas > 0 => {
            draft.set(
                "fallback",
                json!({"replicas": replicas.min(most), "afterSeconds": after}),
            );
            draft.changed(
                path,
                "fallback",
                format!(
                    "{threshold} failures at {polling} s each are {after} s; a pool never runs fewer than run already, and its fallback \
                     also begins when the broker cannot be connected to"
                ),
            );
        }
        "currentReplicas" => draft.kept(path, ""),
        _ => draft.dropped(
            path,
            "a pool never runs fewer workers because the broker cannot be read: it holds them; leave it out",
        ),
    }
}

fn paused(fields: &mut Fields, draft: &mut Draft) -> bool {
    let of = |name: &str| format!("metadata.annotations.autoscaling.keda.sh/{name}");
    let number = fields.text(&of("paused-replicas"));
    if let Some(number) = &number {
        draft.changed(
            &of("paused-replicas"),
            "suspend",
            format!("a suspended pool leaves the replicas as they are, and sets no number: scale to {number} by hand, if they are not there"),
        );
    }
    let paused = fields.text(&of("paused")).is_some_and(|text| text != "false");
    if paused {
        draft.changed(&of("paused"), "suspend", "to compare first, set it to `false`");
    }
    if paused || number.is_some() {
        draft.set("suspend", true);
    }
    if fields.take(&of("force-activation")).is_some() {
        draft.dropped(
            &of("force-activation"),
            "a pool has no such switch: set `minReplicas: 1` for as long as it is needed",
        );
    }
    paused || number.is_some()
}

/// Name of the HorizontalPodAutoscaler that KEDA has made.
fn hpa_name(object: &Object, fields: &mut Fields, draft: &mut Draft) -> String {
    let field = "spec.advanced.horizontalPodAutoscalerConfig.name";
    let own = fields.text(field);
    if own.is_some() {
        draft.dropped(field, "a pool has no HorizontalPodAutoscaler; leave it out");
    }
    own.unwrap_or_else(|| format!("keda-hpa-{}", object.name))
}

/// Names what nobody has taken.
fn rest(fields: Fields, draft: &mut Draft) {
    for field in fields.rest() {
        draft.dropped(
            &field,
            "a pool has no such field: leave it out, and see whether what it did is still needed",
        );
    }
}
