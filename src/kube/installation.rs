//! What there is of an installation: the API server's version, the schema that it serves, the rights of this process,
//! who holds the Lease. Reads only; makes no decisions.
//!
//! Rights needed: those that every account has (`system:basic-user`, `system:discovery`), and `get` on the Lease.

use std::fmt;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    coordination::v1::Lease,
};
use kube::{
    Api, Client, Resource,
    api::{GetParams, PostParams},
    core::Request,
};
use serde_json::Value;

use super::{CallError, Class, Cluster, DEADLINE, call::within};
use crate::api::TaskWorkerPool;

/// Version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// The x of 1.x.
    pub minor: u32,
    /// As the server writes it.
    text: String,
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.text)
    }
}

/// Right of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The namespace; `None`: in all.
    pub namespace: Option<String>,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resource, with a subresource after a slash.
    pub resource: &'static str,
    /// Verb.
    pub verb: String,
    /// Name of the object, where only one is meant.
    pub name: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        let slash = if subresource.is_empty() { "" } else { "/" };
        write!(to, "{} {resource}{dot}{}{slash}{subresource}", self.verb, self.group)?;
        if let Some(name) = &self.name {
            write!(to, " `{name}`")?;
        }
        match &self.namespace {
            Some(namespace) => write!(to, " in `{namespace}`"),
            None => to.write_str(" in all namespaces"),
        }
    }
}

/// Holder of a Lease, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Name of the pod.
    pub name: String,
    /// Version of the object: it changes with each renewal.
    version: String,
}

/// Version of the API server.
///
/// # Errors
/// [`CallError`].
pub async fn version(client: &Client) -> Result<ServerVersion, CallError> {
    let info = within(DEADLINE, client.apiserver_version()).await?;
    // Some providers write `30+`.
    let minor: String = info.minor.chars().take_while(char::is_ascii_digit).collect();
    Ok(ServerVersion {
        minor: minor.parse().map_err(|_| CallError::NotUnderstood)?,
        text: info.git_version,
    })
}

/// Schema of TaskWorkerPools as the API server publishes it; `None`: it knows no such kind.
///
/// # Errors
/// [`CallError`].
pub async fn served(cluster: &Cluster) -> Result<Option<Value>, CallError> {
    let group = TaskWorkerPool::group(&());
    let version = TaskWorkerPool::version(&());
    let request = Request::new(format!("/openapi/v3/apis/{group}")).get(&version, &GetParams::default());
    let request = request.map_err(|_| CallError::NotUnderstood)?;
    let document: Value = match cluster.call(Class::Read, cluster.client.request(request)).await {
        Err(why) if why.is_not_found() => return Ok(None),
        document => document?,
    };
    let schemas = document["components"]["schemas"].as_object();
    let kind = TaskWorkerPool::kind(&());
    let ours = |schema: &&Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|one| one["kind"] == *kind))
    };
    Ok(schemas.and_then(|schemas| schemas.values().find(ours)).cloned())
}

/// Whether this process has a right.
///
/// # Errors
/// [`CallError`].
pub async fn may(cluster: &Cluster, right: &Right) -> Result<bool, CallError> {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: some(right.group),
                resource: some(resource),
                subresource: some(subresource),
                verb: some(&right.verb),
                namespace: right.namespace.clone(),
                name: right.name.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(cluster.client.clone());
    let params = PostParams::default();
    let answer = cluster.call(Class::Read, api.create(&params, &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Holder of this Lease; `None`: it does not exist, or nobody holds it.
///
/// # Errors
/// [`CallError`].
pub async fn holder(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<Holder>, CallError> {
    let api = Api::<Lease>::namespaced(cluster.client.clone(), namespace);
    let found = cluster.call(Class::Read, api.get_opt(name)).await?;
    Ok(found.and_then(|lease| {
        Some(Holder {
            name: lease.spec?.holder_identity.filter(|name| !name.is_empty())?,
            version: lease.metadata.resource_version?,
        })
    }))
}
