//! Watches of pools and of their targets, each scope in a task of its own, so that a refused one delays no other; and the
//! pods that an earlier process left.

use std::time::Duration;

use tokio::{sync::mpsc, time::sleep};

use super::{
    input::{Input, PoolSeen, Watched},
    pool::Problem,
    validate,
};
use crate::{
    api::TaskWorkerPool,
    kube::{
        Cluster, Slim, SlimDeployment, SlimStatefulSet, Target, TargetKey,
        client::Client,
        pods,
        watch::{DeserializeGuard, Scope, Shown, watch},
    },
    model::WorkloadKind,
};

/// Pause between attempts to list pods.
const AGAIN: Duration = Duration::from_secs(5);

/// Watches the pools of one scope until the receiver is dropped.
pub async fn pools(client: Client, scope: Scope, out: mpsc::Sender<Input>) {
    let at = scope.clone();
    // The guard: one object that does not fit the schema must not stop the watch of all others.
    watch(client, scope, out, |shown: Shown<DeserializeGuard<TaskWorkerPool>>| {
        Some(match shown {
            Shown::Present(identity, object) => {
                let (pool, status) = match object.0 {
                    Ok(object) => (validate::pool(&object), validate::published(object.status)),
                    // The parser's message may quote the object; it is not repeated.
                    Err(_) => (
                        Err(Problem::invalid(
                            "the object does not fit the schema of this version: correct it and apply it again",
                        )),
                        None,
                    ),
                };
                Input::Pool(Box::new(PoolSeen { identity, pool, status }))
            }
            Shown::Gone(key) => Input::PoolGone(key),
            Shown::Listed(keys) => Input::PoolsListed(at.clone(), keys),
            Shown::Failed(error) => Input::WatchFailed(Watched::Pools, at.clone(), error),
        })
    })
    .await;
}

/// Watches the Deployments of one scope until the receiver is dropped.
pub async fn deployments(client: Client, scope: Scope, out: mpsc::Sender<Input>) {
    let at = scope.clone();
    let read = |shown: Shown<SlimDeployment>| target(WorkloadKind::Deployment, &at, shown);
    watch(client, scope, out, read).await;
}

/// The same with StatefulSets, once they are wanted: the right to do so is not given to everyone.
pub async fn stateful_sets(
    client: Client,
    scope: Scope,
    out: mpsc::Sender<Input>,
    mut wanted: tokio::sync::watch::Receiver<bool>,
) {
    let at = scope.clone();
    let read = |shown: Shown<SlimStatefulSet>| target(WorkloadKind::StatefulSet, &at, shown);
    if wanted.wait_for(|wanted| *wanted).await.is_ok() {
        watch(client, scope, out, read).await;
    }
}

fn target(kind: WorkloadKind, scope: &Scope, shown: Shown<impl Slim>) -> Option<Input> {
    Some(match shown {
        Shown::Present(_, object) => {
            let (key, target) = Target::read(&object)?;
            Input::Target(key, Box::new(target))
        }
        Shown::Gone(key) => Input::TargetGone(TargetKey::new(key, kind)),
        Shown::Listed(keys) => Input::TargetsListed(kind, scope.clone(), keys),
        Shown::Failed(error) => Input::WatchFailed(Watched::Targets(kind), scope.clone(), error),
    })
}

/// Finds the draining pods of one scope that an earlier process left; retries until it succeeds.
pub async fn draining(cluster: Cluster, scope: Scope, out: mpsc::Sender<Input>) {
    loop {
        match pods::draining(&cluster, scope.as_deref()).await {
            Ok(found) => {
                // This fails only if the event loop has ended.
                let _gone = out.send(Input::Draining(found)).await;
                return;
            }
            Err(error) => {
                tracing::warn!(namespace = scope.as_deref().unwrap_or("*"), why = %error, "pods could not be listed; it is tried again");
                sleep(AGAIN).await;
            }
        }
    }
}
