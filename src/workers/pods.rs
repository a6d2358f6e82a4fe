//! Lists the pods of a target, and writes marks on them. Decides nothing.
//!
//! Rights needed: `list` and `patch` on pods.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Pod as CorePod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    call::{CallError, DEADLINE, within},
    pod::{BOOT, COST, DRAIN, DRAINING, Drain, Mark, Pod, Readiness},
    protect::{DO_NOT_DISRUPT, SAFE_TO_EVICT},
};

/// Pods asked for at a time.
const PAGE: u32 = 500;
/// More pages than the pods of the largest pool need (10,000 replicas, and as many that end).
const PAGES: usize = 64;
/// Why a container waits that is about to run; any other reason says that it cannot.
const STARTS: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// Pods written at a time.
const WRITES: usize = 8;

/// The little of a pod that is read here.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = CorePod)]
struct Slim {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
    termination_grace_period_seconds: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    state: State,
    last_state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    finished_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    last_transition_time: Option<Timestamp>,
}

impl Slim {
    /// The pod as the plan sees it; `None` if it has ended (such pods are no replicas).
    fn pod(self, now: Timestamp) -> Option<Pod> {
        if matches!(self.status.phase.as_str(), "Succeeded" | "Failed") {
            return None;
        }
        let readiness = self.readiness(now);
        let annotation = |name| self.metadata.annotations.as_ref().and_then(|all| all.get(name));
        let labelled = self
            .metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(DRAINING));
        // One that cannot be read is taken for one that says nothing, so that it is taken away.
        let drain = annotation(DRAIN).map(|drain| serde_json::from_str::<Drain>(drain).unwrap_or_default());
        let controller = self.metadata.owner_references.iter().flatten();
        let mut controller = controller.filter(|owner| owner.controller == Some(true));
        Some(Pod {
            readiness,
            terminating: self.metadata.deletion_timestamp.is_some(),
            owner: controller.next().map(|owner| owner.uid.clone()).unwrap_or_default(),
            grace: Duration::from_secs(self.spec.termination_grace_period_seconds),
            // The ReplicaSet controller, too, takes what is no number for 0.
            cost: annotation(COST).and_then(|cost| cost.parse().ok()),
            drain: drain.or_else(|| labelled.then(Drain::default)),
            protected: annotation(SAFE_TO_EVICT.0).is_some() || annotation(DO_NOT_DISRUPT.0).is_some(),
            name: self.metadata.name?,
        })
    }

    fn readiness(&self, now: Timestamp) -> Readiness {
        let mut conditions = self.status.conditions.iter();
        if conditions.any(|condition| condition.kind == "Ready" && condition.status == "True") {
            return Readiness::Ready;
        }
        let runs = |container: &Container| container.state.running.clone();
        let began = self
            .status
            .container_statuses
            .iter()
            .filter_map(runs)
            .map(|running| running.started_at);
        // A container that does not say when it began has just begun.
        let began = began.map(|at| at.unwrap_or(now)).min();
        if let Some(at) = began {
            return match now.duration_since(at) <= BOOT {
                true => Readiness::Booting,
                false => Readiness::NotReady,
            };
        }
        match (self.status.phase.as_str(), self.may_run(now)) {
            ("Running" | "Unknown", true) => Readiness::Booting,
            ("Running" | "Unknown", false) => Readiness::Down,
            _ if self.spec.node_name.is_empty() => Readiness::Unassigned,
            (_, true) => Readiness::Creating,
            (_, false) => Readiness::Pending,
        }
    }

    /// A container may have begun although the node has not told yet: it does so a moment later, or many on a busy node.
    fn may_run(&self, now: Timestamp) -> bool {
        let containers = &self.status.container_statuses;
        let held_back = |container: &Container| {
            let reason = container.state.waiting.as_ref().map(|waiting| waiting.reason.as_str());
            reason.is_some_and(|reason| !reason.is_empty() && !STARTS.contains(&reason))
        };
        if !containers.is_empty() && containers.iter().all(held_back) {
            return false;
        }
        let states = containers
            .iter()
            .flat_map(|container| [&container.state, &container.last_state]);
        let ended = states.filter_map(|state| state.terminated.as_ref()?.finished_at);
        let mut conditions = self.status.conditions.iter();
        let assigned = conditions.find(|condition| condition.kind == "PodScheduled");
        let made = self.metadata.creation_timestamp.as_ref().map(|made| made.0);
        let since = ended
            .chain(assigned.and_then(|assigned| assigned.last_transition_time))
            .chain(made)
            .max();
        since.is_none_or(|since| now.duration_since(since) <= BOOT)
    }
}

/// The pods that this label selector selects (`app=mail,tier in (a,b)`), without those that have ended.
///
/// # Errors
/// [`CallError`] of the first page that failed, each under the deadline of 5 s; also if there is no end of pages.
pub async fn list(client: &Client, namespace: &str, selector: &str, now: Timestamp) -> Result<Vec<Pod>, CallError> {
    let api = Api::<Slim>::namespaced(client.clone(), namespace);
    let found = pages(&api, ListParams::default().labels(selector)).await?;
    Ok(found.into_iter().filter_map(|slim| slim.pod(now)).collect())
}

/// The pools whose pods are on their way out, by namespace, as it stands on the pods of one namespace or of all.
///
/// # Errors
/// As [`list`].
pub async fn draining(client: &Client, namespace: Option<&str>) -> Result<BTreeSet<(String, String)>, CallError> {
    let api = match namespace {
        Some(namespace) => Api::<Slim>::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let found = pages(&api, ListParams::default().labels(&format!("{DRAINING}=true"))).await?;
    let pools = found.into_iter().filter_map(|slim| {
        let drain = slim.metadata.annotations.as_ref()?.get(DRAIN)?;
        let drain: Drain = serde_json::from_str(drain).ok()?;
        Some((slim.metadata.namespace?, drain.pool))
    });
    Ok(pools.collect())
}

async fn pages(api: &Api<Slim>, params: ListParams) -> Result<Vec<Slim>, CallError> {
    let mut params = params.limit(PAGE);
    let mut pods = Vec::new();
    for _ in 0..PAGES {
        let page = within(DEADLINE, api.list(&params)).await?;
        pods.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(pods),
        }
    }
    Err(CallError::NotUnderstood)
}

/// Writes marks. A pod that has gone meanwhile is no error.
///
/// # Errors
/// One [`CallError`] if any pod could not be written, each under the deadline of 5 s.
pub async fn mark(client: &Client, namespace: &str, marks: &[Mark]) -> Result<(), CallError> {
    let api = Api::<Slim>::namespaced(client.clone(), namespace);
    let writes: Vec<_> = marks.iter().map(|mark| write(api.clone(), mark.clone())).collect();
    together(writes).await
}

/// Sees to it that node autoscalers leave these of the target's pods alone, and no others.
///
/// # Errors
/// As [`list`] and [`mark`].
pub async fn protect(
    client: &Client,
    namespace: &str,
    selector: &str,
    busy: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), CallError> {
    let pods = list(client, namespace, selector, now).await?;
    let api = Api::<Slim>::namespaced(client.clone(), namespace);
    let wrong = pods
        .into_iter()
        .filter(|pod| !pod.terminating && pod.protected != busy.contains(&pod.name));
    let writes: Vec<_> = wrong
        .map(|pod| annotate(api.clone(), pod.name, !pod.protected))
        .collect();
    together(writes).await
}

async fn annotate(api: Api<Slim>, name: String, protected: bool) -> Result<(), CallError> {
    let [evict, disrupt] = [SAFE_TO_EVICT, DO_NOT_DISRUPT].map(|(_, value)| protected.then_some(value));
    patch(
        api,
        &name,
        json!({"annotations": {SAFE_TO_EVICT.0: evict, DO_NOT_DISRUPT.0: disrupt}}),
    )
    .await
}

/// Writes several pods at a time, all of them, whatever becomes of one.
async fn together<F: Future<Output = Result<(), CallError>>>(writes: Vec<F>) -> Result<(), CallError> {
    stream::iter(writes)
        .buffer_unordered(WRITES)
        .fold(Ok(()), |all, one| async move { all.and(one) })
        .await
}

/// Merges into a pod's metadata; one that has gone meanwhile is no error.
async fn patch(api: Api<Slim>, name: &str, metadata: serde_json::Value) -> Result<(), CallError> {
    let patch = Patch::Merge(json!({"metadata": metadata}));
    match within(DEADLINE, api.patch_metadata(name, &PatchParams::default(), &patch)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Writes one pod's mark, label and annotations at once; null removes.
async fn write(api: Api<Slim>, mark: Mark) -> Result<(), CallError> {
    let text = |drain: &Drain| serde_json::to_string(drain).ok();
    let metadata = json!({
        "labels": {DRAINING: mark.drain.as_ref().map(|_| "true")},
        "annotations": {
            DRAIN: mark.drain.as_ref().and_then(text),
            COST: mark.cost.map(|cost| cost.to_string()),
        },
    });
    patch(api, &mark.pod, metadata).await
}

#[cfg(test)]
mod tests;
