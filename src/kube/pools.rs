//! Reads one pool, and writes the status of one. Makes no decisions.
//!
//! Rights needed: `list` on taskworkerpools, `patch` on taskworkerpools/status.

use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{CallError, Class, Cluster, Identity, Key, MANAGER};
use crate::api::{Status, TaskWorkerPool};

/// One pool; `None`: there is none of this name. Listed by its name: the right to list is there for the watch anyway.
///
/// # Errors
/// [`CallError`].
pub async fn one(cluster: &Cluster, key: &Key) -> Result<Option<TaskWorkerPool>, CallError> {
    let api: Api<TaskWorkerPool> = Api::namespaced(cluster.client.clone(), &key.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={}", key.name));
    let found = cluster.call(Class::Read, api.list(&named)).await?.items;
    Ok(found.into_iter().next())
}

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
