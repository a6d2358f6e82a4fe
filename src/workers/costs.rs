//! Lists the pods of a target, and writes deletion costs on them. Decides nothing.
//!
//! Rights needed: `list` and `patch` on pods.

use futures::{StreamExt, stream};
use k8s_openapi::{api::core::v1::Pod as CorePod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Pod,
    call::{CallError, DEADLINE, within},
    victims::COST,
};

/// Pods asked for at a time.
const PAGE: u32 = 500;
/// More pages than the pods of the largest pool need (10,000 replicas, and as many that end).
const PAGES: usize = 64;
/// Pods written at a time.
const WRITES: usize = 8;

/// The little of a pod that is read here.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = CorePod)]
struct Slim {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Slim {
    /// The pod as the plan sees it; `None` if it has ended (such pods are no replicas).
    fn pod(self) -> Option<Pod> {
        if matches!(self.status.phase.as_str(), "Succeeded" | "Failed") {
            return None;
        }
        let mut conditions = self.status.conditions.iter();
        let cost = self.metadata.annotations.as_ref().and_then(|all| all.get(COST));
        Some(Pod {
            ready: conditions.any(|condition| condition.kind == "Ready" && condition.status == "True"),
            terminating: self.metadata.deletion_timestamp.is_some(),
            // The ReplicaSet controller, too, takes what is no number for 0.
            cost: cost.and_then(|cost| cost.parse().ok()),
            name: self.metadata.name?,
        })
    }
}

/// The pods that this label selector selects (`app=mail,tier in (a,b)`), without those that have ended.
///
/// # Errors
/// [`CallError`] of the first page that failed, each under the deadline of 5 s; also if there is no end of pages.
pub async fn list(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Pod>, CallError> {
    let api = Api::<Slim>::namespaced(client.clone(), namespace);
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    let mut pods = Vec::new();
    for _ in 0..PAGES {
        let page = within(DEADLINE, api.list(&params)).await?;
        pods.extend(page.items.into_iter().filter_map(Slim::pod));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(pods),
        }
    }
    Err(CallError::NotUnderstood)
}

/// Writes deletion costs; 0 removes the annotation. A pod that has gone meanwhile is no error.
///
/// # Errors
/// One [`CallError`] if any pod could not be written, each under the deadline of 5 s: then not all pods are protected, and
/// the replicas must stay.
pub async fn mark(client: &Client, namespace: &str, costs: &[(String, i32)]) -> Result<(), CallError> {
    let api = Api::<Slim>::namespaced(client.clone(), namespace);
    let writes: Vec<_> = costs
        .iter()
        .map(|(name, cost)| write(api.clone(), name.clone(), *cost))
        .collect();
    stream::iter(writes)
        .buffer_unordered(WRITES)
        .fold(Ok(()), |all, one| async move { all.and(one) })
        .await
}

/// Writes one pod's cost.
async fn write(api: Api<Slim>, name: String, cost: i32) -> Result<(), CallError> {
    let value = if cost == 0 {
        Value::Null
    } else {
        json!(cost.to_string())
    };
    let patch = Patch::Merge(json!({"metadata": {"annotations": {COST: value}}}));
    match within(DEADLINE, api.patch_metadata(&name, &PatchParams::default(), &patch)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
