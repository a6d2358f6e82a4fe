//! Reads one Deployment or StatefulSet as it is now, and writes its replicas. Makes no decisions.
//!
//! Rights needed: `list` on deployments, `patch` on deployments/scale; for a StatefulSet, the same on statefulsets.

use std::fmt::Debug;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::{
    Api, Resource,
    api::{ListParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    CallError, Class, Cluster, MANAGER, SlimDeployment, SlimStatefulSet, Target, TargetKey,
    target_object::{Slim, version},
};
use crate::model::WorkloadKind;

/// The target; `None`: there is none. Listed by its name: the right to list is there for the watch anyway.
///
/// # Errors
/// [`CallError`].
pub async fn one(cluster: &Cluster, target: &TargetKey) -> Result<Option<Target>, CallError> {
    match target.workload.kind {
        WorkloadKind::Deployment => first::<SlimDeployment>(cluster, target).await,
        WorkloadKind::StatefulSet => first::<SlimStatefulSet>(cluster, target).await,
    }
}

async fn first<K>(cluster: &Cluster, target: &TargetKey) -> Result<Option<Target>, CallError>
where
    K: Slim + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={}", target.workload.name));
    let found = cluster.call(Class::Read, api.list(&named)).await?.items;
    Ok(found.first().and_then(Target::read).map(|(_, target)| target))
}

/// Writes the replicas of the target with this UID and, if it is given, this version. Returns the version that this led
/// to.
///
/// Server-side apply on `/scale`, forced: the operator takes the number over from whoever set it. Always a number: an
/// empty Scale means 0.
///
/// # Errors
/// [`CallError`]; a conflict: the target is another one, or has another version.
pub async fn scale(
    cluster: &Cluster,
    target: &TargetKey,
    uid: &str,
    unchanged: Option<u64>,
    replicas: u32,
) -> Result<u64, CallError> {
    let (client, namespace, name) = (cluster.client.clone(), &target.namespace, &target.workload.name);
    let mut metadata = json!({"name": name, "namespace": namespace, "uid": uid});
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
    let scale: Scale = match target.workload.kind {
        WorkloadKind::Deployment => {
            let api: Api<SlimDeployment> = Api::namespaced(client, namespace);
            cluster
                .call(Class::Scale, api.patch_scale(name, &params, &patch))
                .await?
        }
        WorkloadKind::StatefulSet => {
            let api: Api<SlimStatefulSet> = Api::namespaced(client, namespace);
            cluster
                .call(Class::Scale, api.patch_scale(name, &params, &patch))
                .await?
        }
    };
    Ok(version(scale.metadata.resource_version.as_deref()))
}
