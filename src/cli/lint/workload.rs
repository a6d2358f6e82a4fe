//! Deployment or StatefulSet that a pool names, as its manifest has it.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use crate::cli::{
    manifest::{CheckedPool, Content, Node, Object},
    workload,
};

/// Grace period of a pod that sets none, in seconds.
const GRACE: i64 = 30;

/// Field of the target with a sentence about it.
type Found = (&'static str, String);

/// Whether an object is the target of a pool.
pub(super) fn is_target(object: &Object, pool: &Object, checked: &CheckedPool) -> bool {
    let target = &checked.pool.target;
    object.group() == "apps"
        && object.kind == target.kind.name()
        && object.name == target.name
        && object.is_beside(pool)
}

/// What is wrong with the target of a pool.
pub(super) fn faults(target: &Object, pool: &Object, checked: &CheckedPool) -> Vec<Found> {
    let (spec, mut found) = (&checked.spec, Vec::new());
    let name = &pool.name;
    // A pool that only looks does not fight.
    if checked.pool.acts() && target.get(&["spec", "replicas"]).is_some() {
        found.push((
            "spec.replicas",
            format!(
                "`spec.replicas` is the operator's, which scales this by the pool `{name}`: whatever applies this manifest and the \
                 operator overwrite each other; take it out, in the order of docs/adopt.md or docs/gitops.md"
            ),
        ));
    }
    let template = target.get(&["spec", "template", "spec"]);
    let grace = template.and_then(|template| number(template.get("terminationGracePeriodSeconds")?));
    let longest = spec
        .worker
        .as_ref()
        .and_then(|worker| worker.max_task_seconds)
        .map(i64::from);
    if let Some(longest) = longest.filter(|longest| grace.unwrap_or(GRACE) < *longest) {
        found.push((
            "spec.template.spec.terminationGracePeriodSeconds",
            format!(
                "`terminationGracePeriodSeconds` is {}, and a task may take {longest} s (`worker.maxTaskSeconds` of the pool \
                 `{name}`): a pod that is stopped kills it; set it to {longest} or more",
                grace.map_or(format!("{GRACE} by default"), |grace| grace.to_string())
            ),
        ));
    }
    let commands = target.commands();
    let framework = checked.pool.app.framework;
    if framework.schedules(&commands)
        && let Some(scheduler) = &framework.scheduler
    {
        let sentence = match (spec.min_replicas, spec.max_replicas) {
            (0, _) => Some(scheduler.stops),
            (_, max) if max > 1 => Some(scheduler.runs_twice),
            _ => None,
        };
        found.extend(sentence.map(|sentence| ("spec.template.spec.containers", sentence.to_owned())));
    }
    let mut workers = workload::workers(&commands).into_iter();
    if workload::serves_web(&commands) && workers.any(|worker| worker.framework == framework.name) {
        found.push((
            "spec.template.spec.containers",
            format!(
                "the pods are web server and worker in one: the pool `{name}` would stop the web server with the workers, down \
                 to {} replicas; give the workers a Deployment of their own",
                spec.min_replicas
            ),
        ));
    }
    found
}

fn number(node: &Node) -> Option<i64> {
    match &node.content {
        Content::Scalar(Value::Number(number)) => number.as_i64(),
        _ => None,
    }
}
