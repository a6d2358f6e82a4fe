//! Carries a decision out: for fewer replicas first makes sure that only pods that run nothing go, then writes `/scale`.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::{
    pool::Key,
    target::{self, MANAGER},
};
use crate::{
    api,
    work::Tally,
    workers::{CallError, DEADLINE, costs, victims, within},
};

/// What is to be done.
#[derive(Debug)]
pub struct Job {
    /// The Deployment.
    pub target: Key,
    /// Its UID: a new one of the same name is not ours to write.
    pub uid: String,
    /// Its pods' label selector.
    pub selector: String,
    /// Its replicas now.
    pub from: u32,
    /// The replicas decided on.
    pub to: u32,
    /// The newest count: who is busy.
    pub newest: watch::Receiver<Arc<Tally>>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The replicas were written.
    Written {
        /// Before.
        from: u32,
        /// Now.
        to: u32,
        /// So many more than decided on, because their pods may run tasks.
        kept: u32,
        /// The resource version that it led to.
        version: u64,
    },
    /// Nothing was written: every pod above the decision may run tasks.
    Kept {
        /// So many more than decided on.
        kept: u32,
    },
    /// The write failed.
    Failed(CallError),
}

/// The whole job may take three calls' deadlines.
pub async fn carry_out(client: &Client, job: Job) -> Outcome {
    timeout(DEADLINE * 3, attempt(client, &job))
        .await
        .unwrap_or(Err(CallError::Timeout))
        .unwrap_or_else(Outcome::Failed)
}

async fn attempt(client: &Client, job: &Job) -> Result<Outcome, CallError> {
    let allowed = if job.to < job.from {
        clear(client, job).await?
    } else {
        job.to
    };
    let kept = allowed.saturating_sub(job.to);
    if kept > 0 && allowed >= job.from {
        return Ok(Outcome::Kept { kept });
    }
    let version = write(client, job, allowed).await?;
    Ok(Outcome::Written {
        from: job.from,
        to: allowed,
        kept,
        version,
    })
}

/// Marks the pods so that idle ones go first, looks again, and says down to which number only idle ones go.
async fn clear(client: &Client, job: &Job) -> Result<u32, CallError> {
    if job.selector.is_empty() {
        // Without a selector no pod can be told from another's: hold.
        return Ok(job.from);
    }
    let before = job.newest.borrow().clone();
    let pods = costs::list(client, &job.target.namespace, &job.selector).await?;
    let plan = victims::plan(&pods, &before.pods, before.workers_heard, job.from, job.to);
    if plan.allowed >= job.from {
        return Ok(plan.allowed);
    }
    costs::mark(client, &job.target.namespace, &plan.costs).await?;
    // Look again: what was idle when it was marked may have taken a task on since.
    let after = job.newest.borrow().clone();
    let taken_on = after
        .pods
        .iter()
        .any(|(name, pod)| pod.running > 0 && before.pods.get(name).is_some_and(|pod| pod.running == 0));
    Ok(if taken_on { job.from } else { plan.allowed })
}

/// Server-side apply on `/scale`, forced: whoever set the number before, it is ours now. Always a number: an empty Scale
/// means 0.
async fn write(client: &Client, job: &Job, replicas: u32) -> Result<u64, CallError> {
    let api: Api<api::Target> = Api::namespaced(client.clone(), &job.target.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": job.target.name, "namespace": job.target.namespace, "uid": job.uid},
        "spec": {"replicas": replicas},
    }));
    let params = PatchParams::apply(MANAGER).force();
    let scale: Scale = within(DEADLINE, api.patch_scale(&job.target.name, &params, &patch)).await?;
    Ok(target::version(scale.metadata.resource_version.as_deref()))
}
