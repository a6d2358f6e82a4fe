//! The last hour of a pool in a cluster, as work to simulate: arrivals and durations as its operator knows them, the grace
//! period as its target has it.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use super::{
    Question,
    answer::span,
    manifest::Manifest,
    plan::{GRACE, START_UP},
    trace::{Fact, Hour, Origin, Trace},
};
use crate::{
    controller::pool::Pool,
    scaling::TargetRule,
    sim::{Seconds, traces},
    view::types::{self, Detail},
};

/// Shortest time whose arrivals must be known, in seconds.
const LEAST: u32 = 300;

/// What a cluster and its operator say of a pool.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Spec.
    pub(super) pool: Pool,
    /// What the operator knows.
    pub(super) told: types::Pool,
    /// Target as JSON; else why it could not be read.
    pub(super) target: Result<String, String>,
}

/// What is given by flags instead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    /// Seconds that a task runs on average.
    pub(super) mean_task: Option<Seconds>,
    /// Seconds until a pod is ready.
    pub(super) start_up: Option<Seconds>,
    /// Seconds of the grace period.
    pub(super) grace: Option<Seconds>,
}

/// Question of what the operator remembers.
///
/// # Errors
/// What is not known, and what to do.
pub(super) fn question(found: &Found, given: &Given) -> Result<Question, String> {
    let Found { pool, told, target } = found;
    let name = format!("{}/{}", told.namespace, told.name);
    let detail = told.detail.as_ref();
    let detail =
        detail.ok_or("the operator told nothing of the last hour: is it of another version than this plugin?")?;
    let (points, unknown) = arrivals(pool, detail)?;
    let every = detail.history.every_seconds;
    let learned = told.estimates.clone().unwrap_or_default();

    let learned_task = learned.task_milliseconds.map(|task| task as f64 / 1e3);
    let task = match (given.mean_task, learned_task.filter(|task| *task > 0.0)) {
        (Some(given), _) => (given, Origin::Flag("--mean-task-seconds")),
        (None, Some(learned)) => (learned, Origin::Operator),
        (None, None) => {
            return Err(
                "the operator has not learned yet how long a task takes: give it with --mean-task-seconds".to_owned(),
            );
        }
    };
    let start_up = match (given.start_up, learned.startup_seconds) {
        (Some(given), _) => (given, Origin::Flag("--start-up-seconds")),
        (None, Some(learned)) => (learned as f64, Origin::Operator),
        (None, None) => {
            let why = "the operator has not seen a pod start yet; --start-up-seconds says otherwise";
            (START_UP, Origin::Assumed(why.to_owned()))
        }
    };
    let grace = match (given.grace, target) {
        (Some(given), _) => (given, Origin::Flag("--grace-seconds")),
        (None, Ok(target)) => {
            let workload = format!("{} {}", pool.target.kind.name(), pool.target.name);
            // An API server writes the default into each template.
            (grace(target).unwrap_or(GRACE), Origin::Target(workload))
        }
        (None, Err(why)) => (GRACE, Origin::Assumed(format!("{why}; --grace-seconds says otherwise"))),
    };
    let mut pool = pool.clone();
    let slots = match (pool.policy.slots, learned.concurrency) {
        (Some(written), _) => Some((written, Origin::Spec("worker.concurrency"))),
        (None, Some(learned)) => Some((learned, Origin::Operator)),
        // The report says that it is not set.
        (None, None) => None,
    };
    pool.policy.slots = slots.as_ref().map(|(slots, _)| *slots);

    let tasks = traces::counted(f64::from(every), points, task.0);
    if tasks.is_empty() {
        let known = span(f64::from(every) * (points.len() - unknown) as f64);
        return Err(format!(
            "no task arrived in the {known} of the last hour that the operator knows of: there is nothing to simulate"
        ));
    }
    let (start_up_seconds, grace_seconds) = (start_up.0, grace.0);
    let fact = |name, (value, from)| Fact { name, value, from };
    let slots = slots.map(|(slots, from)| (f64::from(slots), from));
    let facts = [
        Some(fact(["seconds of a task", "meanTaskSeconds"], task)),
        Some(fact(["seconds until a pod is ready", "startUpSeconds"], start_up)),
        Some(fact(["seconds of the grace period", "graceSeconds"], grace)),
        slots.map(|slots| fact(["tasks at a time in a replica", "slots"], slots)),
    ];
    Ok(Question {
        pool: Manifest {
            name: told.name.clone(),
            pool,
        },
        tasks,
        start_up: start_up_seconds,
        grace: grace_seconds,
        trace: Trace::Hour(Hour {
            pool: name,
            every,
            points: points.len(),
            unknown,
            facts: facts.into_iter().flatten().collect(),
        }),
    })
}

/// Arrivals of the points that are over, and the number of those that are not known.
fn arrivals<'a>(pool: &Pool, detail: &'a Detail) -> Result<(&'a [Option<u32>], usize), String> {
    let history = &detail.history;
    if history.arrived.len() < history.waiting.len() {
        return Err("the operator does not tell arrivals: it is older than this plugin, upgrade it".to_owned());
    }
    // The last point is not over: how much of it has gone is not told.
    let points = history.arrived.split_last().map_or(&[][..], |(_, over)| over);
    let unknown = points.iter().filter(|point| point.is_none()).count();
    let seconds = |points: usize| f64::from(history.every_seconds) * points as f64;
    let known = seconds(points.len() - unknown);
    let tasks: u64 = points.iter().flatten().map(|tasks| u64::from(*tasks)).sum();
    if tasks > traces::MOST_TASKS {
        let most = traces::MOST_TASKS;
        return Err(format!(
            "{tasks} tasks arrived in the hour, and a simulation takes {most} at most"
        ));
    }
    if known >= f64::from(LEAST) {
        return Ok((points, unknown));
    }
    if known == 0.0 && matches!(pool.policy.target, TargetRule::Backlog(_)) {
        let only = "the operator counts arrivals only for a pool with `target.waitSeconds`, which this one has not";
        return Err(format!("{only}: give POOL.yaml and --trace FILE"));
    }
    Err(format!(
        "the operator knows the arrivals of {} of the last hour so far, and {} are the least: ask again later (it begins \
         anew when it starts, and knows nothing of times when it cannot read the broker or some workers do not count what they \
         take on: taskiq's never do, Celery's with `--pool solo` not while they work), or give POOL.yaml and --trace FILE",
        span(known),
        span(f64::from(LEAST))
    ))
}

/// Grace period in the pod template of a workload, in seconds.
fn grace(workload: &str) -> Option<Seconds> {
    let workload: Value = serde_json::from_str(workload).ok()?;
    workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_f64()
}

#[cfg(test)]
mod tests;
