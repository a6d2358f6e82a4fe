//! Lists the pods of a target, and writes marks on them. Makes no decisions.
//!
//! Rights needed: `list` and `patch` on pods.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{CallError, Class, Cluster, Key, TargetKey, pod_object::PodObject};
use crate::drain::pod::{COST, DRAIN, DRAINING, Drain, Mark, Pod, Readiness};

/// Number of pods in a page.
const PAGE: u32 = 500;
/// Largest number of pages: more than the pods of the largest pool need (10,000 replicas, and as many that end).
const PAGES: usize = 64;
/// Number of pods written at a time.
const WRITES: usize = 8;

/// Pods that this label selector selects (`app=mail,tier in (a,b)`), without those that have ended. `programs`: names of
/// the programs that run workers, by which their containers are told from others; without any, all count.
///
/// # Errors
/// [`CallError`] of the first page that failed, each under the deadline of 5 s; also if there is no end of pages.
pub async fn list(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    programs: &[&str],
    now: Timestamp,
) -> Result<Vec<Pod>, CallError> {
    let api = Api::<PodObject>::namespaced(cluster.client.clone(), namespace);
    let params = ListParams::default().labels(selector);
    pages(cluster, &api, params, |object| object.pod(programs, now)).await
}

/// The target's own pods that are not terminating, and whether each is ready.
///
/// # Errors
/// As [`list`].
pub async fn own(
    cluster: &Cluster,
    (target, uid): (&TargetKey, &str),
    selector: &str,
    now: Timestamp,
) -> Result<BTreeMap<String, bool>, CallError> {
    let listed = list(cluster, &target.namespace, selector, &[], now).await?;
    let own = |pod: &Pod| !pod.is_terminating() && !pod.is_foreign(&target.workload, uid);
    let named = |pod: Pod| (pod.name, pod.readiness == Readiness::Ready);
    Ok(listed.into_iter().filter(own).map(named).collect())
}

/// Pools whose pods are being drained, as the pods of one namespace or of all show it.
///
/// # Errors
/// As [`list`].
pub async fn draining(cluster: &Cluster, namespace: Option<&str>) -> Result<BTreeSet<Key>, CallError> {
    let api = match namespace {
        Some(namespace) => Api::<PodObject>::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let params = ListParams::default().labels(&format!("{DRAINING}=true"));
    let pools = pages(cluster, &api, params, |object| {
        let drain = object.metadata.annotations.as_ref()?.get(DRAIN)?;
        let drain: Drain = serde_json::from_str(drain).ok()?;
        Some(Key {
            namespace: object.metadata.namespace?,
            name: drain.pool,
        })
    });
    Ok(pools.await?.into_iter().collect())
}

async fn pages<T>(
    cluster: &Cluster,
    api: &Api<PodObject>,
    params: ListParams,
    read: impl Fn(PodObject) -> Option<T>,
) -> Result<Vec<T>, CallError> {
    let mut params = params.limit(PAGE);
    let mut pods = Vec::new();
    for _ in 0..PAGES {
        let page = cluster.call(Class::Read, api.list(&params)).await?;
        // Page by page: what is read of a pod is a small part of it.
        pods.extend(page.items.into_iter().filter_map(&read));
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
pub async fn mark(cluster: &Cluster, namespace: &str, marks: &[Mark]) -> Result<(), CallError> {
    let api = Api::<PodObject>::namespaced(cluster.client.clone(), namespace);
    let writes: Vec<_> = marks
        .iter()
        .map(|mark| write(cluster, api.clone(), mark.clone()))
        .collect();
    together(writes).await
}

/// Lets node autoscalers leave these of the target's pods alone, and removes the operator's annotations from all
/// others.
///
/// # Errors
/// As [`list`] and [`mark`].
pub async fn protect(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    busy: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), CallError> {
    let pods = list(cluster, namespace, selector, &[], now).await?;
    let api = Api::<PodObject>::namespaced(cluster.client.clone(), namespace);
    let writes = pods.into_iter().filter(|pod| !pod.is_terminating()).filter_map(|pod| {
        let changes = pod.asks.changes(busy.contains(&pod.name));
        (!changes.is_empty()).then(|| annotate(cluster, api.clone(), pod.name, changes))
    });
    together(writes.collect()).await
}

/// Writes annotations; null removes one.
async fn annotate(
    cluster: &Cluster,
    api: Api<PodObject>,
    name: String,
    annotations: BTreeMap<String, Option<String>>,
) -> Result<(), CallError> {
    patch(cluster, api, &name, json!({ "annotations": annotations })).await
}

/// Makes several writes at a time, and all of them, whatever the result of each.
async fn together<F: Future<Output = Result<(), CallError>>>(writes: Vec<F>) -> Result<(), CallError> {
    stream::iter(writes)
        .buffer_unordered(WRITES)
        .fold(Ok(()), |all, one| async move { all.and(one) })
        .await
}

/// Merges into a pod's metadata; a pod that has gone meanwhile, or whose name another one has by now, is no error.
async fn patch(
    cluster: &Cluster,
    api: Api<PodObject>,
    name: &str,
    metadata: serde_json::Value,
) -> Result<(), CallError> {
    let patch = Patch::Merge(json!({"metadata": metadata}));
    match cluster
        .call(Class::Pods, api.patch_metadata(name, &PatchParams::default(), &patch))
        .await
    {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// Writes one pod's mark, label and annotations at once; null removes one.
async fn write(cluster: &Cluster, api: Api<PodObject>, mark: Mark) -> Result<(), CallError> {
    let text = |drain: &Drain| serde_json::to_string(drain).ok();
    // Refused as a conflict if another pod has the name by now.
    let metadata = json!({
        "uid": mark.uid,
        "labels": {DRAINING: mark.drain.as_ref().map(|_| "true")},
        "annotations": {
            DRAIN: mark.drain.as_ref().and_then(text),
            COST: mark.cost.map(|cost| cost.to_string()),
        },
    });
    patch(cluster, api, &mark.pod, metadata).await
}

#[cfg(test)]
mod tests;
