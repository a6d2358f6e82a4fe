//! Writes the status of a pool. Makes no decisions.
//!
//! Rights needed: `patch` on taskworkerpools/status.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{CallError, Class, Cluster, Identity, MANAGER};
use crate::api::{Status, TaskWorkerPool};

/// Writes the status by one server-side apply, so that fields that are left out disappear.
///
/// # Errors
/// [`CallError`]; not found or a conflict means that the object has gone or is another one.
pub async fn write_status(cluster: &Cluster, identity: &Identity, status: &Status) -> Result<(), CallError> {
    let api: Api<TaskWorkerPool> = Api::namespaced(cluster.client.clone(), &identity.key.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1",
        "kind": "TaskWorkerPool",
        "metadata": {"name": identity.key.name, "uid": identity.uid},
        "status": status,
    }));
    let params = PatchParams::apply(MANAGER).force();
    cluster
        .call(Class::Status, api.patch_status(&identity.key.name, &params, &patch))
        .await
        .map(drop)
}
