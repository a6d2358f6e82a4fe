//! What the workers' command says of a pool: queues, tasks at a time, and what of the rest matters.
#![deny(clippy::disallowed_methods)]

use serde_json::json;

use super::{
    container::Found,
    proposal::Proposal,
    propose::{number, replicas},
    world::pod,
};
use crate::cli::{manifest::Object, workload::Worker};

/// Grace period of a pod that sets none, in seconds.
const GRACE: i64 = 30;
/// Number of queues that a pool can name.
const MOST_QUEUES: usize = 64;
/// Number of tasks at a time that a pool can name.
const MOST_SLOTS: u64 = 10_000;
/// Variables by which applications set the number of tasks at a time.
const SLOTS: [&str; 5] = [
    "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "CELERY_WORKER_CONCURRENCY",
    "CELERYD_CONCURRENCY",
    "CELERY_CONCURRENCY",
    "WORKER_CONCURRENCY",
];

/// Whether something in a word is not known: a variable, or what a shell puts in.
fn is_open(word: &str) -> bool {
    word.contains('$') || word.contains('`')
}

/// Queues that the workers consume.
pub(super) fn queues(found: &Found, object: &Object, to: &mut Proposal) {
    let workers = &found.workers;
    let Some(worker) = workers.first() else { return };
    let mut names: Vec<String> = Vec::new();
    for name in workers.iter().flat_map(|worker| &worker.queues) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let tells = worker.framework != "Taskiq";
    let from_workers = |to: &mut Proposal, why: &str| {
        to.set("queuesFrom", "Workers");
        to.note("queuesFrom", why);
    };
    if tells && (workers.iter().any(|worker| worker.excludes) || names.len() > MOST_QUEUES) {
        return from_workers(
            to,
            "the command does not name them one by one, so the workers say which queues they consume",
        );
    }
    if names.iter().any(|name| is_open(name)) {
        to.set("queues", json!([worker.usual_queue]));
        return to.todo(
            "queues",
            format!(
                "{} has `{}`, whose value is not known here: name all queues",
                worker.queues_by,
                names.join(",")
            ),
        );
    }
    let some_by_default = workers.iter().any(|worker| worker.queues.is_empty());
    if !some_by_default {
        to.set("queues", names);
        return to.note("queues", format!("{} of the command", worker.queues_by));
    }
    // Airflow's take one queue if they are told of none.
    let declared = ["celery worker", "sentry run worker"].contains(&worker.program);
    if declared && workers.len() == 1 && replicas(object) > 0 {
        return from_workers(
            to,
            "the command has no `--queues`, so the workers take all queues that the application declares: those that run now say \
             which. `queues` in its place names them (`task_default_queue`, `task_queues`)",
        );
    }
    names.push(worker.usual_queue.to_owned());
    to.set("queues", names);
    let more = match worker.framework {
        "Celery" => {
            "if the application declares others (`task_default_queue`, `task_queues`) name them, or set `queuesFrom: Workers` once \
             workers run"
        }
        "Taskiq" => "it stands in the code: name what `queue_name` and `additional_streams` say there",
        _ => "if the application's settings name others, put them here",
    };
    to.note("queues", format!("the command names no queue: the usual one; {more}"));
}

/// Number of tasks that a replica runs at a time.
pub(super) fn slots(found: &Found, to: &mut Proposal) {
    let Some(worker) = found.workers.first() else { return };
    if worker.pool.as_deref() == Some("solo") {
        return;
    }
    let said = found.workers.iter().map(|worker| worker.concurrency.as_ref());
    let Some(said) = said.collect::<Option<Vec<_>>>() else {
        if worker.framework == "Celery" {
            by_variable(found, to);
        }
        return;
    };
    if said.iter().any(|text| is_open(text)) {
        return to.note(
            "framework",
            format!("{} is not known here: the workers report it", worker.concurrency_by),
        );
    }
    let all = said.iter().map(|text| text.parse::<u64>().ok()).sum::<Option<u64>>();
    let Some(slots) = all.filter(|slots| (1..=MOST_SLOTS).contains(slots)) else {
        return;
    };
    to.set("worker.concurrency", slots);
    let text = match worker.framework {
        "Celery" => format!(
            "{} of the command. The workers report it as well: without this line what they say counts",
            worker.concurrency_by
        ),
        "Taskiq" => format!("{} (2 × 100 where the command does not say)", worker.concurrency_by),
        _ => format!("{} of the command", worker.concurrency_by),
    };
    to.note("worker.concurrency", text);
}

fn by_variable(found: &Found, to: &mut Proposal) {
    let said = SLOTS
        .iter()
        .find_map(|name| Some((name, found.environment.text(name)?.trim().parse::<u64>().ok()?)));
    if let Some((name, slots)) = said.filter(|(_, slots)| (1..=MOST_SLOTS).contains(slots)) {
        to.set("worker.concurrency", slots);
        to.note(
            "worker.concurrency",
            format!("variable `{name}`, if the application reads it. Without this line what the workers report counts"),
        );
    }
}

/// What of the way the workers run matters to a pool.
pub(super) fn manners(found: &Found, to: &mut Proposal) {
    for worker in &found.workers {
        if worker.pool.as_deref() == Some("solo") {
            to.note(
                "framework",
                "`--pool solo`: such a worker says nothing while it runs a task, so it is unknown then and stays (docs/celery.md); one \
                 task at a time",
            );
        }
        if let Some(node) = &worker.node {
            node_name(worker.framework, node, to);
        }
        if let Some(prefetch) = worker.prefetch.as_ref().filter(|prefetch| *prefetch != "1") {
            to.note(
                "framework",
                format!(
                    "`--prefetch-multiplier {prefetch}`: busy workers hold tasks that free ones could run; 1 is better for tasks of seconds \
                     or more (docs/celery.md)"
                ),
            );
        }
        if worker.below_shell {
            to.note(
                "framework",
                "a shell is the worker's parent and does not hand SIGTERM on: `exec` before the worker's command, or `tini`, lets \
                 rollouts end it in order",
            );
        }
    }
    if !found.others.is_empty() {
        let others: Vec<_> = found.others.iter().map(|name| format!("`{name}`")).collect();
        to.note(
            "framework",
            format!(
                "the pod's {} go with it: their work is not counted, but for queues that are named here as well",
                others.join(", ")
            ),
        );
    }
}

/// A worker's own name, by which its pod is known.
fn node_name(framework: &str, node: &str, to: &mut Proposal) {
    if framework == "RQ" {
        return to.todo(
            "framework",
            format!("`--name {node}`: RQ refuses a second worker of one name, so there could be one replica: take it out of the command"),
        );
    }
    // Without an `@` all of it is the host's part.
    let host = node.rsplit_once('@').map_or(node, |(_, host)| host);
    if !["%h", "%n"].iter().any(|part| host.contains(part)) && !is_open(host) {
        to.todo(
            "framework",
            format!(
                "the node's name `{node}` does not have its pod's: no pod would be known, and none removed; write `-n name@%h` \
                 (docs/troubleshooting.md#nodenamesunknown)"
            ),
        );
    }
}

/// Grace period, and what tasks may take.
pub(super) fn times(worker: &Worker, object: &Object, to: &mut Proposal) {
    let own = pod(object).and_then(|pod| number(pod.get("terminationGracePeriodSeconds")?));
    let grace = own.unwrap_or(GRACE);
    let by_default = if own.is_none() { ", by default" } else { "" };
    let limit = worker.time_limit.as_ref().and_then(|text| text.parse::<f64>().ok());
    let limit = limit.filter(|limit| *limit >= 1.0).map(|limit| limit.ceil() as i64);
    match limit {
        Some(limit) if limit > grace => to.check(format!(
            "a task may take {limit} s (`--time-limit`), and the grace period is {grace} s{by_default}: rollouts and evictions kill \
             longer ones; set `terminationGracePeriodSeconds: {limit}`"
        )),
        Some(limit) => to.check(format!(
            "a task may take {limit} s (`--time-limit`), which the grace period of {grace} s covers: with `worker: {{maxTaskSeconds: \
             {limit}}}` and `scaleDown: {{removal: Graceful}}` busy workers may go as well"
        )),
        None => to.check(format!(
            "the grace period is {grace} s{by_default}: `terminationGracePeriodSeconds` must be longer than the longest task"
        )),
    }
}
