//! What pods, replicas and the pool's status were, second by second.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};
use taskworkerpool::api::{Condition, Status, TaskWorkerPool};
use tokio::{task::JoinSet, time::sleep};

use crate::support::bed::{Namespace, client, clock};

/// One pod of the namespace.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub name: String,
    pub ready: bool,
    pub terminating: bool,
    pub restarts: i32,
    /// No ReplicaSet owns it.
    pub foreign: bool,
}

impl Seen {
    /// It is one of the pool's.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with("w-") && !self.foreign
    }
}

/// One moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub at: f64,
    pub replicas: i32,
    pub pods: Vec<Seen>,
    pub status: Status,
}

impl Sample {
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether a condition is said to be so.
    pub fn is(&self, kind: &str, status: &str) -> bool {
        self.condition(kind)
            .is_some_and(|one| format!("{:?}", one.status) == status)
    }

    /// What the pool says, for messages.
    pub fn short(&self) -> String {
        let conditions = self.status.conditions.iter();
        let conditions = conditions.map(|one| format!("{}={:?}/{}: {}", one.kind, one.status, one.reason, one.message));
        let work = self
            .status
            .work
            .as_ref()
            .map(|work| (work.waiting, work.in_flight, work.scheduled));
        let why = self.status.decision.as_ref().map(|decision| decision.message.as_str());
        let pods: Vec<_> = self
            .pods
            .iter()
            .map(|pod| (&pod.name, pod.ready, pod.terminating))
            .collect();
        format!(
            "{} replicas, pods (ready, terminating) {pods:?}, work {work:?}, {why:?}; {}",
            self.replicas,
            conditions.collect::<Vec<_>>().join(" | ")
        )
    }
}

/// Looks once a second until it is dropped.
pub struct Watch {
    samples: Arc<Mutex<Vec<Sample>>>,
    _looking: JoinSet<()>,
}

impl Watch {
    pub async fn new(ns: &Namespace) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let mut looking = JoinSet::new();
        let (client, name, into) = (client().await, ns.name.clone(), samples.clone());
        looking.spawn(async move {
            loop {
                // One that the API server does not answer is missed, no more.
                if let Ok(sample) = look(&client, &name).await {
                    into.lock().expect("the samples").push(sample);
                }
                sleep(Duration::from_secs(1)).await;
            }
        });
        Self {
            samples,
            _looking: looking,
        }
    }

    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().expect("the samples").clone()
    }

    pub fn last(&self) -> Sample {
        self.samples().pop().unwrap_or_default()
    }
}

async fn look(client: &Client, ns: &str) -> Result<Sample, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), ns);
    let pools: Api<TaskWorkerPool> = Api::namespaced(client.clone(), ns);
    let workers: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client.clone(), ns);
    let pool = pools.get_opt("w").await?;
    let replicas = workers.get("w").await?.spec.and_then(|spec| spec.replicas);
    let pods = pods.list(&ListParams::default()).await?.items;
    Ok(Sample {
        at: clock(),
        replicas: replicas.unwrap_or(1),
        pods: pods.into_iter().map(seen).collect(),
        status: pool.and_then(|pool| pool.status).unwrap_or_default(),
    })
}

fn seen(pod: Pod) -> Seen {
    let owners = pod.metadata.owner_references.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    Seen {
        name: pod.metadata.name.unwrap_or_default(),
        ready: conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        restarts: containers.iter().map(|container| container.restart_count).sum(),
        foreign: owners.iter().all(|owner| owner.kind != "ReplicaSet"),
    }
}
