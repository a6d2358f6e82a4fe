//! One workload to the proposal of its pool.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use super::{
    Choice, Stop, address, autoscaler, candidate, command,
    container::{self, Found},
    env::Environment,
    proposal::Proposal,
    tls,
    world::{Placed, SCALED, World, pod},
};
use crate::cli::manifest::{Content, Node, Object, is_pool};

/// Most replicas, where nothing says how many there may be.
const MOST: i64 = 10;
/// Seconds within which tasks are to start.
const WAIT: i64 = 60;
/// Proposal for a workload.
///
/// # Errors
/// Why there is none: [`Stop`].
pub(super) fn propose(placed: &Placed, world: &World, choice: &Choice) -> Result<Proposal, Stop> {
    let (file, object) = placed;
    let target = format!("{}/{}", object.kind, object.name);
    if object.group() != "apps" || !SCALED.contains(&object.kind.as_str()) {
        return Err(Stop::Refused(format!(
            "a {} runs its workers in its own way: a pool scales Deployments and StatefulSets alone",
            object.kind
        )));
    }
    if let Some(name) = existing(object, world) {
        return Err(Stop::Refused(format!(
            "TaskWorkerPool `{name}` names {target} already: a second one would not act; `kubectl twp why {name}` says what it does"
        )));
    }
    let found = container::find(object, world, choice.container.as_deref())?;
    let Some((worker, more)) = found.workers.split_first() else {
        return Err(Stop::Refused("no container runs workers".to_owned()));
    };
    if more.iter().any(|other| other.framework != worker.framework) {
        return Err(Stop::Refused(format!(
            "container `{}` runs workers of several frameworks: a pool counts one; give each a Deployment of its own",
            found.name
        )));
    }
    let environment = &found.environment;
    if let Some(name) = sentinel(environment) {
        return Err(Stop::Refused(format!(
            "variable `{name}` speaks of Sentinel: {}",
            address::SENTINEL
        )));
    }
    let candidate = candidate::chosen(worker, environment, object, world, choice.broker_env.as_deref())?;
    let mut to = Proposal::new(file, object, &found.name, worker.program);
    to.set("framework", worker.framework);
    to.note(
        "framework",
        format!("by the command of container `{}`: `{}`", found.name, worker.program),
    );
    let asked = address::Asked {
        framework: worker.framework,
        environment,
        object,
        world,
    };
    address::write(candidate.as_ref(), &asked, &mut to)?;
    if let Some(pod) = pod(object) {
        tls::write(environment, found.node, pod, &mut to);
    }
    command::queues(&found, object, &mut to);
    command::slots(&found, &mut to);
    command::manners(&found, &mut to);
    let others = autoscaler::others(object, world);
    limits(&found, object, &others, &mut to);
    command::times(worker, object, &mut to);
    autoscaler::hand_over(&others, &mut to);
    checks(&found, object, world, others.is_empty(), &mut to);
    Ok(to)
}

/// Pool that names a workload.
fn existing<'a>(object: &Object, world: &'a World) -> Option<&'a str> {
    let names = |pool: &Object| {
        let kind = pool.text(&["spec", "targetRef", "kind"]).unwrap_or("Deployment");
        kind == object.kind && pool.text(&["spec", "targetRef", "name"]) == Some(&object.name) && pool.is_beside(object)
    };
    let mut pools = world
        .objects
        .iter()
        .map(|(_, object)| object)
        .filter(|object| is_pool(object));
    pools.find(|pool| names(pool)).map(|pool| pool.name.as_str())
}

/// Variable that says that the broker is reached through Sentinel.
fn sentinel(environment: &Environment) -> Option<&str> {
    let says = |name: &&str| {
        let text = environment.text(name).unwrap_or_default();
        let is_switch = candidate::has(&candidate::words(name), &["SENTINEL"]) && address::is_on(&text);
        is_switch || text.contains("master_name")
    };
    environment.names().find(says)
}

/// Number of replicas as it is now, or would be.
pub(super) fn replicas(object: &Object) -> i64 {
    object
        .get(&["spec", "replicas"])
        .map_or(1, |node| number(node).unwrap_or(1))
}

pub(super) fn number(node: &Node) -> Option<i64> {
    match &node.content {
        Content::Scalar(Value::Number(number)) => number.as_i64(),
        _ => None,
    }
}

/// Limits of the replicas.
fn limits(found: &Found, object: &Object, others: &[autoscaler::Other], to: &mut Proposal) {
    let beat = found.workers.iter().any(|worker| worker.beat);
    let other = others.first();
    let least = other.map_or(0, |other| other.least);
    match (beat, other) {
        (true, _) => {
            to.set("minReplicas", least.max(1));
            to.todo(
                "minReplicas",
                "the workers run beat (`-B`), which would stop with the last of them; and each replica more runs one more: run `celery beat` \
                 in a Deployment of its own (docs/celery.md)",
            );
        }
        (false, Some(other)) => {
            to.set("minReplicas", least);
            to.note("minReplicas", format!("as {} has it; 0 is possible", other.told()));
        }
        (false, None) => {
            to.set("minReplicas", 0);
            to.note(
                "minReplicas",
                "without work there is no worker; 1 if the first task must not wait for a pod's start",
            );
        }
    }
    let now = replicas(object);
    let (most, why) = match other {
        Some(other) => (other.most, format!("as {} has it", other.told())),
        None if now > MOST => (now, format!("as many as there are now ({now})")),
        None => (
            MOST,
            "the usual limit: as many as the cluster and the broker can bear".to_owned(),
        ),
    };
    to.set("maxReplicas", most.max(least).max(1));
    to.note("maxReplicas", why);
    to.set("target.waitSeconds", WAIT);
    to.note(
        "target.waitSeconds",
        "tasks start within this: your promise, not a fact",
    );
    if others.is_empty() {
        to.set("mode", "Act");
        to.note(
            "mode",
            "`Observe` decides and writes nothing: begin with it where workers are at work (docs/adopt.md)",
        );
    }
}

/// What is left to a person.
fn checks(found: &Found, object: &Object, world: &World, alone: bool, to: &mut Proposal) {
    let open = to.remarks.iter().filter(|remark| remark.todo).count();
    let mut first = Vec::new();
    match open {
        0 => {}
        1 => first.push("one line has a TODO".to_owned()),
        more => first.push(format!("{more} lines have a TODO")),
    }
    first.push("`queues` are all that these workers consume, and no other pool counts them".to_owned());
    if object.get(&["spec", "replicas"]).is_some() {
        first.push(
            "`spec.replicas` will be the operator's: where the manifest has it, take it out in the order of docs/adopt.md"
                .to_owned(),
        );
    }
    first.extend(
        world
            .unread
            .iter()
            .map(|why| format!("{why}: see whether another autoscaler or pool has this target")),
    );
    if found.workers.len() > 1 {
        first.push(format!(
            "{} workers run in one container: each needs a name of its own (`-n a@%h`)",
            found.workers.len()
        ));
    }
    if alone {
        first.push("`maxReplicas` and `target` are choices".to_owned());
    }
    to.checks.splice(0..0, first);
}
