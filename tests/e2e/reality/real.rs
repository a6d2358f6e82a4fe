//! A scenario on the cluster: what is published really, and a record of what happens.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    reality::{
        compare::History,
        scenario::{GRACE, SLOTS, Scenario, TASK},
        simulated::note,
    },
    support::{
        bed::{clock, eventually},
        celery_stage::{CeleryStage, LONG},
        operator::Operator,
        stage::pool,
    },
};

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub history: History,
    /// From the creation of each pod, as the watch showed it, until its worker took tasks, in seconds. Kubernetes calls
    /// it ready up to a second later, with the next probe. In the order of their creation.
    pub start_ups: Vec<f64>,
}

/// What the watches have shown so far; times are those of the clock.
#[derive(Default)]
struct Seen {
    replicas: Vec<(f64, u32)>,
    ready: Vec<(f64, u32)>,
    created: BTreeMap<String, f64>,
}

/// From a pool at zero until all tasks are done and it is at zero again.
pub async fn run(scenario: &Scenario) -> Measured {
    let stage = CeleryStage::new(scenario.name, "redis").await;
    workers(&stage).await;
    stage.ns.apply(pool("mail", Scenario::spec()).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("mail").await;
    let begin = clock();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let _watches = watch(&stage, &seen);

    let naps: Vec<_> = scenario.arrivals.iter().map(|at| json!([at, TASK])).collect();
    let code = format!("import nap\nnap.publish({})", json!(naps));
    stage.ns.exec("deploy/client", &["python3", "-c", &code]).await;
    stage.wait_ended(naps.len()).await;
    eventually("the workers are gone and the watch has shown it", LONG, async || {
        let last = seen.lock().expect("the record").replicas.last().copied();
        match last {
            Some((_, 0)) => Ok(()),
            _ => Err(format!("{last:?}\n{}", operator.log())),
        }
    })
    .await;

    let mut history = History::default();
    let started = times(&stage.list("started").await);
    for (number, published) in times(&stage.list("published").await) {
        history.waits.push((published - begin, started[&number] - published));
    }
    history.waits.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let ready = times(&stage.list("ready").await);
    let seen = seen.lock().expect("the record");
    let since_begin = |curve: &[(f64, u32)]| curve.iter().map(|(at, pods)| (at - begin, *pods)).collect();
    (history.replicas, history.ready) = (since_begin(&seen.replicas), since_begin(&seen.ready));
    let mut pods: Vec<_> = ready.iter().map(|(pod, at)| (seen.created[pod], *at)).collect();
    pods.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    Measured {
        history,
        start_ups: pods.iter().map(|(created, ready)| ready - created).collect(),
    }
}

/// Workers that are ready when they take tasks.
async fn workers(stage: &CeleryStage) {
    let slots = SLOTS.to_string();
    let command = [
        "python3", "-m", "celery", "-A", "nap", "worker", "-l", "info", "-c", &slots,
    ];
    let mut workers = stage.deployment("mail", 0, &command, GRACE);
    let container = &mut workers["spec"]["template"]["spec"]["containers"][0];
    container["readinessProbe"] = json!({"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1});
    // Celery's own way: a task is acknowledged when it starts.
    let env = container["env"].as_array_mut().expect("variables");
    env.retain(|variable| variable["name"] != "ACKS_LATE");
    stage.ns.apply(workers.to_string()).await;
}

/// Follows the Deployment and its pods until the result is dropped.
fn watch(stage: &CeleryStage, seen: &Arc<Mutex<Seen>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let config = watcher::Config::default().fields("metadata.name=mail");
    let deployments = watcher(stage.ns.api::<Deployment>(), config);
    let mut deployments = deployments.default_backoff().applied_objects().boxed();
    let into = seen.clone();
    tasks.spawn(async move {
        while let Some(object) = deployments.next().await {
            let Ok(object) = object else { continue };
            let number = |number: Option<i32>| number.and_then(|pods| u32::try_from(pods).ok()).unwrap_or(0);
            let mut seen = into.lock().expect("the record");
            let now = clock();
            let (spec, status) = (object.spec.unwrap_or_default(), object.status.unwrap_or_default());
            note(&mut seen.replicas, now, number(spec.replicas));
            note(&mut seen.ready, now, number(status.ready_replicas));
        }
    });
    let pods = watcher(stage.ns.api::<Pod>(), watcher::Config::default().labels("app=mail"));
    let mut pods = pods.default_backoff().applied_objects().boxed();
    let into = seen.clone();
    tasks.spawn(async move {
        while let Some(pod) = pods.next().await {
            let Ok(pod) = pod else { continue };
            let name = pod.metadata.name.unwrap_or_default();
            let mut seen = into.lock().expect("the record");
            seen.created.entry(name).or_insert_with(clock);
        }
    });
    tasks
}

/// Lines that begin with a name and end with a time.
fn times(lines: &[String]) -> BTreeMap<String, f64> {
    let time = |line: &String| {
        let (name, rest) = line.split_once(' ')?;
        Some((name.to_owned(), rest.rsplit(' ').next()?.parse().ok()?))
    };
    lines
        .iter()
        .map(|line| time(line).unwrap_or_else(|| panic!("no time in {line}")))
        .collect()
}
