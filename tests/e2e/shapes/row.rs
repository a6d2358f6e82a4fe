//! One shape from its objects to its outcome: zero, one worker, and back.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::FutureExt;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use serde_json::Value;

use super::{shape::Shape, stage::ShapeStage};
use crate::support::{bed::eventually, bystander::Error, celery_stage::LONG};

/// One runs and the others wait: a replica for five is wished.
const TASKS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The pool says all of it, and it did what it must.
    Expressed,
    /// It cannot be said, and why.
    Cannot(String),
    Wrong(String),
}

pub struct Row {
    name: &'static str,
    pub outcome: Outcome,
}

impl Row {
    pub async fn of(stage: &ShapeStage, shape: &Shape) -> Self {
        let seen = AssertUnwindSafe(outcome(stage, shape)).catch_unwind().await;
        Self {
            name: shape.name,
            outcome: seen.unwrap_or_else(|panic| Outcome::Wrong(text(&*panic))),
        }
    }

    /// For people.
    pub fn line(&self) -> String {
        match &self.outcome {
            Outcome::Expressed => format!("| {} | right |", self.name),
            Outcome::Cannot(why) => format!("| {} | – {why} |", self.name),
            Outcome::Wrong(seen) => format!("| {} | WRONG: {seen} |", self.name),
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

async fn outcome(stage: &ShapeStage, shape: &Shape) -> Outcome {
    let objects = shape.objects(stage);
    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
    let applied = stage
        .ns()
        .try_kubectl(&["apply", "-f", "-"], &documents.join("\n---\n"))
        .await;
    match (applied, shape.refused) {
        (Err(said), _) => Outcome::Wrong(said),
        (Ok(_), Some(words)) => Outcome::Cannot(refused(stage, shape, words).await),
        (Ok(_), None) => {
            let is_stateful = objects.iter().any(|object| object["kind"] == "StatefulSet");
            scales(stage, shape, is_stateful).await;
            Outcome::Expressed
        }
    }
}

/// Waits until the pool says so: its words.
async fn refused(stage: &ShapeStage, shape: &Shape, words: &str) -> String {
    let what = format!("{} is refused by name", shape.name);
    eventually(&what, LONG, async || {
        let status = stage.ns().pool(shape.name).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.iter();
        match conditions.find(|one| one.kind == "Stalled") {
            Some(stalled) if stalled.message.contains(words) => Ok(stalled.message.clone()),
            _ => Err(format!("{:?}", status.conditions)),
        }
    })
    .await
}

async fn scales(stage: &ShapeStage, shape: &Shape, is_stateful: bool) {
    let (ns, name) = (stage.ns(), shape.name);
    ns.wait_working(name).await;
    ns.wait_condition(name, "SourceAvailable", "True", "Sampled").await;
    wait_replicas(stage, name, is_stateful, 0).await;

    let publish = format!(
        "from kombu import Connection\nwith Connection('{}') as at:\n    for number in range({TASKS}): \
         nap.hold.apply_async((f'{name}-{{number}}',), connection=at, queue='{}')",
        shape.broker(),
        shape.queue
    );
    stage.celery.client(&publish).await;
    wait_replicas(stage, name, is_stateful, 1).await;
    wait_counts(stage, name).await;

    let tasks: Vec<_> = (0..TASKS).map(|number| format!("{name}-{number}")).collect();
    stage.celery.release(&tasks).await;
    wait_ended(stage, &tasks).await;
    wait_replicas(stage, name, is_stateful, 0).await;
    let started = stage.celery.list("started").await;
    let of = |task: &String| {
        started
            .iter()
            .filter(|line| line.split(' ').next() == Some(task.as_str()))
            .count()
    };
    let starts: Vec<_> = tasks.iter().map(of).collect();
    assert_eq!(starts, [1; TASKS], "each task started once");
    let errors = stage.celery.list("errors").await.into_iter();
    let errors = errors.map(|line| serde_json::from_str::<Error>(&line).expect("an ERROR"));
    let errors: Vec<_> = errors.filter(|one| one.pod.starts_with(&format!("{name}-"))).collect();
    assert!(errors.is_empty(), "the workers noticed: {errors:?}");
    ns.wait_condition(name, "SourceAvailable", "True", "Sampled").await;
    ns.wait_condition(name, "Degraded", "False", "AsExpected").await;
}

/// What the pool counts, as long as one task runs and the others wait.
async fn wait_counts(stage: &ShapeStage, name: &str) {
    let wished = (TASKS as i64 - 1, 1, 1);
    eventually(&format!("{name} counts right"), LONG, async || {
        let status = stage.ns().pool(name).await?.status.unwrap_or_default();
        let work = status.work.clone().unwrap_or_default();
        match (work.waiting, work.in_flight, work.running) {
            seen if seen == wished => Ok(()),
            _ => Err(format!("{work:?}; {:?}", status.message)),
        }
    })
    .await;
}

async fn wait_ended(stage: &ShapeStage, tasks: &[String]) {
    eventually("all tasks have ended", LONG, async || {
        let ended = stage.celery.ended().await;
        let missing: Vec<_> = tasks.iter().filter(|task| !ended.contains(*task)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} have not"))
        }
    })
    .await;
}

async fn replicas(stage: &ShapeStage, name: &str, is_stateful: bool) -> Result<i32, String> {
    let scale = match is_stateful {
        true => stage.ns().api::<StatefulSet>().get_scale(name).await,
        false => stage.ns().api::<Deployment>().get_scale(name).await,
    };
    let scale = scale.map_err(|error| error.to_string())?;
    Ok(scale.spec.and_then(|spec| spec.replicas).unwrap_or(0))
}

async fn wait_replicas(stage: &ShapeStage, name: &str, is_stateful: bool, wished: i32) {
    eventually(&format!("{name} has {wished} replicas"), LONG, async || {
        let status = stage.ns().pool(name).await?.status.unwrap_or_default();
        match replicas(stage, name, is_stateful).await? {
            seen if seen == wished => Ok(()),
            seen => Err(format!("{seen}; {:?}", status.message)),
        }
    })
    .await;
}
