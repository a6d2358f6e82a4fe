//! Writes a pool's status, and judges when it is worth a write.

use std::time::Duration;

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{pool::Identity, target::MANAGER};
use crate::{
    api::{Status, TaskWorkerPool},
    scaling::Rule,
    workers::{CallError, DEADLINE, within},
};

/// A change of decision or condition is written at once, but not more often than this.
const URGENT: Duration = Duration::from_secs(1);
/// Changed numbers are written at most this often.
const NUMBERS: Duration = Duration::from_secs(30);

/// After how long since the last write the new status is to be written; `None`: it says nothing new.
pub fn due_after(stored: Option<&Status>, new: &Status) -> Option<Duration> {
    let Some(stored) = stored else {
        return Some(Duration::ZERO);
    };
    if essence(stored) != essence(new) {
        Some(URGENT)
    } else if numbers(stored) != numbers(new) {
        Some(NUMBERS)
    } else {
        None
    }
}

/// What people and machines wait for.
fn essence(status: &Status) -> impl PartialEq {
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| (condition.kind.clone(), condition.status, condition.reason.clone()))
        .collect();
    (
        status.observed_generation,
        status.replicas,
        status.desired_replicas,
        status
            .decision
            .as_ref()
            .map(|decision| Rule::family_of(&decision.rule).to_owned()),
        status.last_scale.clone(),
        conditions,
    )
}

/// All but the time of the sample.
fn numbers(status: &Status) -> Status {
    let mut status = status.clone();
    if let Some(work) = &mut status.work {
        work.sampled_at = None;
    }
    status
}

/// Writes the status: one server-side apply, so that what is not there any more vanishes.
///
/// # Errors
/// [`CallError`]; not found or a conflict means that the object has gone or is another one.
pub async fn write(client: &Client, identity: &Identity, status: &Status) -> Result<(), CallError> {
    let api: Api<TaskWorkerPool> = Api::namespaced(client.clone(), &identity.key.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1",
        "kind": "TaskWorkerPool",
        "metadata": {"name": identity.key.name, "uid": identity.uid},
        "status": status,
    }));
    let params = PatchParams::apply(MANAGER).force();
    within(DEADLINE, api.patch_status(&identity.key.name, &params, &patch))
        .await
        .map(drop)
}

#[cfg(test)]
mod tests;
