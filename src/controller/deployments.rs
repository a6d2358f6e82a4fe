//! One Deployment as it is now. Listed by its name: the right to list is there for the watch anyway.

use kube::{Api, api::ListParams};

use super::{pool::Key, target::Target};
use crate::{
    api,
    kube::{CallError, Class, Cluster},
};

/// The Deployment; `None`: there is none.
///
/// # Errors
/// [`CallError`].
pub async fn one(cluster: &Cluster, target: &Key) -> Result<Option<Target>, CallError> {
    let api: Api<api::SlimDeployment> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={}", target.name));
    let found = cluster.call(Class::Read, api.list(&named)).await?.items;
    Ok(found.first().and_then(Target::read).map(|(_, target)| target))
}
