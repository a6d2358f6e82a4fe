//! Reads one Deployment as it is now, and writes its replicas. Makes no decisions.
//!
//! Rights needed: `list` on deployments, `patch` on deployments/scale.

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{CallError, Class, Cluster, Key, MANAGER, SlimDeployment, Target, target_object::version};

/// The Deployment; `None`: there is none. Listed by its name: the right to list is there for the watch anyway.
///
/// # Errors
/// [`CallError`].
pub async fn one(cluster: &Cluster, target: &Key) -> Result<Option<Target>, CallError> {
    let api: Api<SlimDeployment> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={}", target.name));
    let found = cluster.call(Class::Read, api.list(&named)).await?.items;
    Ok(found.first().and_then(Target::read).map(|(_, target)| target))
}

/// Writes the replicas of the Deployment with this UID and, if it is given, this version. Returns the version that this
/// led to.
///
/// Server-side apply on `/scale`, forced: the operator takes the number over from whoever set it. Always a number: an
/// empty Scale means 0.
///
/// # Errors
/// [`CallError`]; a conflict: the Deployment is another one, or has another version.
pub async fn scale(
    cluster: &Cluster,
    target: &Key,
    uid: &str,
    unchanged: Option<u64>,
    replicas: u32,
) -> Result<u64, CallError> {
    let api: Api<SlimDeployment> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let mut metadata = json!({"name": target.name, "namespace": target.namespace, "uid": uid});
    if let Some(version) = unchanged {
        metadata["resourceVersion"] = Value::from(version.to_string());
    }
    let patch = Patch::Apply(json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": {"replicas": replicas},
    }));
    let params = PatchParams::apply(MANAGER).force();
    let scale: Scale = cluster
        .call(Class::Scale, api.patch_scale(&target.name, &params, &patch))
        .await?;
    Ok(version(scale.metadata.resource_version.as_deref()))
}
