//! What the pods and the replicas of the workers' Deployment did, by watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::runtime::{
    WatchStreamExt,
    watcher::{self, Event, watcher},
};
use tokio::task::JoinSet;

use crate::support::bed::{Namespace, clock};

/// How a container ends that SIGKILL has ended.
const SIGKILLED: i32 = 137;

/// A pod's life as the watch showed it.
#[derive(Clone, Debug)]
pub struct Life {
    pub created: f64,
    pub gone: Option<f64>,
    /// It has been told to end.
    pub terminating: bool,
    /// How its container has ended, the last time.
    pub exit: Option<i32>,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    /// The Deployment's wished replicas, each change with its time.
    pub replicas: Vec<(f64, i32)>,
    pub pods: BTreeMap<String, Life>,
}

impl History {
    fn wished(&mut self, replicas: i32) {
        if self.replicas.last().is_none_or(|(_, last)| *last != replicas) {
            self.replicas.push((clock(), replicas));
        }
    }

    fn seen(&mut self, pod: Pod) {
        let life = self.pods.entry(pod.metadata.name.unwrap_or_default());
        let life = life.or_insert_with(|| Life {
            created: clock(),
            gone: None,
            terminating: false,
            exit: None,
        });
        life.terminating |= pod.metadata.deletion_timestamp.is_some();
        let statuses = pod.status.and_then(|status| status.container_statuses);
        for status in statuses.unwrap_or_default() {
            let states = [status.state, status.last_state].into_iter().flatten();
            let ended = states.filter_map(|state| state.terminated).next();
            life.exit = ended.map(|ended| ended.exit_code).or(life.exit);
        }
    }

    fn gone(&mut self, pod: &str) {
        if let Some(life) = self.pods.get_mut(pod) {
            life.gone.get_or_insert_with(clock);
        }
    }

    fn steps(&self, of: impl Fn(i32, i32) -> bool) -> usize {
        let steps = self.replicas.windows(2);
        steps.filter(|step| of(step[0].1, step[1].1)).count()
    }

    /// How often the wished replicas became fewer.
    pub fn downs(&self) -> usize {
        self.steps(|before, after| after < before)
    }

    pub fn ups(&self) -> usize {
        self.steps(|before, after| after > before)
    }

    /// From the creation of each pod until it was gone, `until` at the latest.
    pub fn pod_seconds(&self, until: f64) -> f64 {
        let lives = self.pods.values();
        lives
            .map(|life| (life.gone.unwrap_or(until).min(until) - life.created).max(0.0))
            .sum()
    }

    /// Pods that did not end within their grace period.
    pub fn sigkilled(&self) -> usize {
        let lives = self.pods.values();
        lives.filter(|life| life.exit == Some(SIGKILLED)).count()
    }

    /// The pods that have not gone.
    pub fn alive(&self) -> BTreeSet<String> {
        let alive = self.pods.iter().filter(|(_, life)| life.gone.is_none());
        alive.map(|(name, _)| name.clone()).collect()
    }
}

/// Watches the Deployment `w` and its pods until it is dropped.
pub struct Follow {
    history: Arc<Mutex<History>>,
    _watches: JoinSet<()>,
}

impl Follow {
    pub fn new(ns: &Namespace) -> Self {
        let history = Arc::new(Mutex::new(History::default()));
        let mut watches = JoinSet::new();
        let named = watcher::Config::default().fields("metadata.name=w");
        let mut deployments = watcher(ns.api::<Deployment>(), named)
            .default_backoff()
            .applied_objects()
            .boxed();
        let into = history.clone();
        watches.spawn(async move {
            while let Some(found) = deployments.next().await {
                let replicas = found.ok().and_then(|found| found.spec).and_then(|spec| spec.replicas);
                let mut history = into.lock().expect("the history");
                replicas.into_iter().for_each(|replicas| history.wished(replicas));
            }
        });
        let labelled = watcher::Config::default().labels("app=w");
        let mut pods = watcher(ns.api::<Pod>(), labelled).default_backoff().boxed();
        let into = history.clone();
        watches.spawn(async move {
            // What a list after an interruption does not show is gone.
            let mut listed = BTreeSet::new();
            while let Some(event) = pods.next().await {
                let mut history = into.lock().expect("the history");
                match event {
                    Ok(Event::Apply(pod)) => history.seen(pod),
                    Ok(Event::Delete(pod)) => {
                        let name = pod.metadata.name.clone().unwrap_or_default();
                        history.seen(pod);
                        history.gone(&name);
                    }
                    Ok(Event::Init) => listed.clear(),
                    Ok(Event::InitApply(pod)) => {
                        listed.extend(pod.metadata.name.clone());
                        history.seen(pod);
                    }
                    Ok(Event::InitDone) => {
                        let missing: Vec<_> = history.alive().difference(&listed).cloned().collect();
                        missing.iter().for_each(|pod| history.gone(pod));
                    }
                    Err(_) => {}
                }
            }
        });
        Self {
            history,
            _watches: watches,
        }
    }

    /// What was seen so far.
    pub fn history(&self) -> History {
        self.history.lock().expect("the history").clone()
    }
}
