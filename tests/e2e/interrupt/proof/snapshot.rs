//! The pods and what their workers say, at one moment.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::json;

use super::stage::RunStage;
use crate::support::bed::clock;

/// The label of a pod whose worker is being emptied.
pub const DRAINING: &str = "taskworkerpool.dev/draining";
/// What the operator notes of it.
pub const NOTE: &str = "taskworkerpool.dev/drain";
/// What orders the pods of a ReplicaSet that is to have fewer.
pub const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What a worker answers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Said {
    /// The queues that it fetches from.
    pub queues: Vec<String>,
    pub running: u32,
    pub reserved: u32,
}

impl Said {
    pub fn held(&self) -> u32 {
        self.running + self.reserved
    }
}

/// A pod and its worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    pub pod: String,
    pub running: bool,
    pub terminating: bool,
    /// It has the label [`DRAINING`].
    pub draining: bool,
    /// It has the annotation [`NOTE`].
    pub noted: bool,
    pub cost: Option<i32>,
    /// `None`: not asked, or no answer (it starts, or it ends).
    pub said: Option<Said>,
}

impl Worker {
    fn new(pod: Pod, said: &BTreeMap<String, Said>) -> Self {
        let name = pod.metadata.name.unwrap_or_default();
        let labels = pod.metadata.labels.unwrap_or_default();
        let annotations = pod.metadata.annotations.unwrap_or_default();
        Self {
            running: pod.status.and_then(|status| status.phase).as_deref() == Some("Running"),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            draining: labels.get(DRAINING).is_some_and(|value| value == "true"),
            noted: annotations.contains_key(NOTE),
            cost: annotations.get(COST).and_then(|cost| cost.parse().ok()),
            said: said.get(&name).cloned(),
            pod: name,
        }
    }

    /// It could fetch tasks, and does not.
    pub fn idles(&self) -> bool {
        let silent = self.said.as_ref().is_some_and(|said| said.queues.is_empty());
        self.running && !self.terminating && silent
    }

    /// It is being emptied and still holds tasks (or does not say).
    pub fn empties(&self) -> bool {
        self.draining && !self.terminating && self.said.as_ref().is_none_or(|said| said.held() > 0)
    }
}

/// The workers and the wished replicas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub at: f64,
    pub replicas: i32,
    pub workers: Vec<Worker>,
}

impl Snapshot {
    /// So many replicas are wished and there; all of them fetch, and no drain has left anything behind.
    pub fn is_settled(&self, replicas: i32) -> bool {
        let fetches = |worker: &Worker| worker.said.as_ref().is_some_and(|said| !said.queues.is_empty());
        let sound = |worker: &Worker| !worker.terminating && !worker.draining && !worker.noted && fetches(worker);
        self.replicas == replicas && self.workers.len() as i32 == replicas && self.workers.iter().all(sound)
    }
}

impl RunStage {
    /// As it is now, at a glance: the workers are not asked.
    pub async fn glance(&self) -> Snapshot {
        self.now(&BTreeMap::new()).await
    }

    /// As it is now; the workers are asked.
    pub async fn snapshot(&self) -> Snapshot {
        let pods = self.ns.pods("app=w").await;
        let up = |pod: &&Pod| {
            let running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
            running && pod.metadata.deletion_timestamp.is_none()
        };
        let up = pods.iter().filter(up).count();
        // A worker that starts or ends does not answer: then the questions take their patience.
        let with = json!({"workers": up, "patience": 0.5});
        let said = match up {
            0 => BTreeMap::new(),
            _ => match self.client.ask("look", with, Duration::from_secs(20)).await {
                Ok(said) => said,
                Err(failed) => {
                    eprintln!("{}: the workers could not be asked: {failed}", self.ns.name);
                    BTreeMap::new()
                }
            },
        };
        // Listed anew: a pod may have got its label while the workers were asked.
        self.now(&said).await
    }

    async fn now(&self, said: &BTreeMap<String, Said>) -> Snapshot {
        let pods = self.ns.pods("app=w").await;
        Snapshot {
            at: clock(),
            replicas: self.ns.replicas("w").await.expect("the Deployment"),
            workers: pods.into_iter().map(|pod| Worker::new(pod, said)).collect(),
        }
    }
}
