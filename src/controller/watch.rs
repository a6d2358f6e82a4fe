//! Watches of pools and Deployments, each scope in a task of its own, so that a refused one delays no other.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, time::sleep};

use super::{
    input::{Input, PoolSeen, Scope, Watched},
    pool::{Key, Problem},
    target::Target,
    validate,
};
use crate::{
    api::{self, TaskWorkerPool},
    kube::pods,
    kube::{CallError, Cluster},
};

/// Duration of a watch in seconds: what happens meanwhile on a dead connection is seen when it begins anew.
const WATCHES: u32 = 50;
/// Pause between attempts to list pods.
const AGAIN: Duration = Duration::from_secs(5);

/// Watches the pools of one scope until the receiver is dropped.
pub async fn pools(client: Client, scope: Scope, out: mpsc::Sender<Input>) {
    // The guard: one object that does not fit the schema must not stop the watch of all others.
    watch::<DeserializeGuard<TaskWorkerPool>>(client, Watched::Pools, scope, out, |object| {
        let identity = validate::identity(object.meta())?;
        let key = identity.key.clone();
        let (pool, status) = match object.0 {
            Ok(object) => (validate::pool(&object), object.status),
            // The parser's message may quote the object; it is not repeated.
            Err(_) => (
                Err(Problem::invalid(
                    "the object does not fit the schema of this version: correct it and apply it again",
                )),
                None,
            ),
        };
        Some((key, Input::Pool(Box::new(PoolSeen { identity, pool, status }))))
    })
    .await;
}

/// Finds the draining pods of one scope that an earlier process left; retries until it succeeds.
pub async fn draining(cluster: Cluster, scope: Scope, out: mpsc::Sender<Input>) {
    loop {
        match pods::draining(&cluster, scope.as_deref()).await {
            Ok(found) => {
                let key = |(namespace, name)| Key { namespace, name };
                // This fails only if the event loop has ended.
                let _gone = out.send(Input::Draining(found.into_iter().map(key).collect())).await;
                return;
            }
            Err(error) => {
                tracing::warn!(namespace = scope.as_deref().unwrap_or("*"), why = %error, "pods could not be listed; it is tried again");
                sleep(AGAIN).await;
            }
        }
    }
}

/// Watches the Deployments of one scope until the receiver is dropped.
pub async fn targets(client: Client, scope: Scope, out: mpsc::Sender<Input>) {
    watch::<api::SlimDeployment>(client, Watched::Targets, scope, out, |object| {
        let (key, target) = Target::read(&object)?;
        Some((key.clone(), Input::Target(key, Box::new(target))))
    })
    .await;
}

async fn watch<K>(
    client: Client,
    watched: Watched,
    scope: Scope,
    out: mpsc::Sender<Input>,
    read: impl Fn(K) -> Option<(Key, Input)>,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api: Api<K> = match &scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    // A connection may die silently: the watch ends by itself, on our side at the latest a little later.
    let stream = watcher(api, watcher::Config::default().timeout(WATCHES)).default_backoff();
    pin_mut!(stream);
    let mut listed = Vec::new();
    while let Some(event) = stream.next().await {
        let input = match event {
            Ok(Event::Init) => {
                listed.clear();
                None
            }
            Ok(Event::InitApply(object)) => read(object).map(|(key, input)| {
                listed.push(key);
                input
            }),
            Ok(Event::InitDone) => {
                let keys = std::mem::take(&mut listed);
                Some(match watched {
                    Watched::Pools => Input::PoolsListed(scope.clone(), keys),
                    Watched::Targets => Input::TargetsListed(scope.clone(), keys),
                })
            }
            Ok(Event::Apply(object)) => read(object).map(|(_, input)| input),
            Ok(Event::Delete(object)) => read(object).map(|(key, _)| match watched {
                Watched::Pools => Input::PoolGone(key),
                Watched::Targets => Input::TargetGone(key),
            }),
            Err(error) => Some(Input::WatchFailed(watched, scope.clone(), call_error(error))),
        };
        if let Some(input) = input
            && out.send(input).await.is_err()
        {
            return;
        }
    }
}

fn call_error(error: watcher::Error) -> CallError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => CallError::Refused { code: status.code },
        watcher::Error::NoResourceVersion => CallError::NotUnderstood,
    }
}

#[cfg(test)]
mod tests;
