//! What `kubectl twp` reads and writes, with the rights of the person who runs it. Makes no decisions.
//!
//! Rights needed: `list`, `get` on taskworkerpools; `patch` on them to suspend; `list` on pods and `create` on pods/portforward in
//! the operator's namespace for what only the operator knows; `create` on pods/exec there to have it examine something; for a new pool
//! `get` on the workload and on the ConfigMaps and Secrets that it refers to, `list` on horizontalpodautoscalers and scaledobjects.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
    events::v1::Event,
};
use kube::{
    Api, Config, Error, Resource,
    api::{AttachParams, ListParams, Patch, PatchParams},
    client::UpgradeConnectionError,
    config::KubeConfigOptions,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::timeout,
};

use super::{CallError, Class, Cluster, DEADLINE, Identity, Key, Limits, client};
use crate::api::{GROUP, TaskWorkerPool, VERSION};

/// Name under which the plugin's changes appear in an object.
const MANAGER: &str = "kubectl-twp";
/// Number of objects that are asked for at once.
const PAGE: u32 = 500;
/// Variable by which an operator is told where to serve its view.
const VIEW: &str = "TWP_VIEW_LISTEN";
/// Time for a command in a pod: the longest examination takes some 25 s.
const EXEC: Duration = Duration::from_secs(60);
/// Largest output of a command that is read, in bytes.
const LONGEST_OUTPUT: u64 = 1 << 20;
/// Time for a connection through the API server to a pod.
const FORWARD: Duration = Duration::from_secs(10);

/// Cluster as a kubeconfig names it, and the namespace that it stands in.
///
/// # Errors
/// A sentence: there is no such context, or no cluster.
pub async fn connect(context: Option<&str>) -> Result<(Cluster, String), String> {
    let config = match context {
        None => client::config().await.map_err(|error| {
            format!("no cluster is configured: set KUBECONFIG, or give the file ~/.kube/config ({error})")
        })?,
        Some(context) => {
            let options = KubeConfigOptions {
                context: Some(context.to_owned()),
                ..KubeConfigOptions::default()
            };
            let mut config = Config::from_kubeconfig(&options).await.map_err(|error| {
                format!("`--context {context}` cannot be used: {error}; `kubectl config get-contexts` lists them")
            })?;
            config.default_retry = false;
            config
        }
    };
    let namespace = config.default_namespace.clone();
    let client = client::client(config).map_err(|_| "the cluster's configuration cannot be used".to_owned())?;
    Ok((Cluster::new(client, Limits::default(), |_, _| {}), namespace))
}

/// Pools of a namespace, or of all.
///
/// # Errors
/// [`CallError`].
pub async fn pools(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<TaskWorkerPool>, CallError> {
    let api: Api<TaskWorkerPool> = match namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    listed(cluster, &api).await
}

/// All objects of a kind, page by page.
pub(super) async fn listed<K>(cluster: &Cluster, api: &Api<K>) -> Result<Vec<K>, CallError>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut found = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = cluster.call(Class::Read, api.list(&params)).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Deployment or StatefulSet as JSON; `None`: there is none of this name.
///
/// # Errors
/// [`CallError`].
pub async fn workload(cluster: &Cluster, stateful: bool, key: &Key) -> Result<Option<String>, CallError> {
    let (client, namespace) = (cluster.client.clone(), key.namespace.as_str());
    match stateful {
        true => {
            let api: Api<StatefulSet> = Api::namespaced(client, namespace);
            let found = cluster.call(Class::Read, api.get_opt(&key.name)).await?;
            Ok(found.as_ref().map(|object| text(object, "apps/v1", "StatefulSet")))
        }
        false => {
            let api: Api<Deployment> = Api::namespaced(client, namespace);
            let found = cluster.call(Class::Read, api.get_opt(&key.name)).await?;
            Ok(found.as_ref().map(|object| text(object, "apps/v1", "Deployment")))
        }
    }
}

/// Pools of a namespace as JSON.
///
/// # Errors
/// [`CallError`]; 404: the cluster does not know the kind.
pub async fn pool_texts(cluster: &Cluster, namespace: &str) -> Result<Vec<String>, CallError> {
    let found = pools(cluster, Some(namespace)).await?;
    let version = format!("{GROUP}/{VERSION}");
    Ok(found
        .iter()
        .map(|object| text(object, &version, "TaskWorkerPool"))
        .collect())
}

/// Object as JSON, of which items of a list do not say what they are.
pub(super) fn text(object: &impl Serialize, api_version: &str, kind: &str) -> String {
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    value.to_string()
}

/// One pool; `None`: there is none of this name.
///
/// # Errors
/// [`CallError`].
pub async fn pool(cluster: &Cluster, key: &Key) -> Result<Option<TaskWorkerPool>, CallError> {
    let api: Api<TaskWorkerPool> = Api::namespaced(cluster.client.clone(), &key.namespace);
    cluster.call(Class::Read, api.get_opt(&key.name)).await
}

/// Sets `spec.suspend`; returns the object.
///
/// # Errors
/// [`CallError`]; a conflict means that it is another object by now.
pub async fn suspend(cluster: &Cluster, identity: &Identity, suspend: bool) -> Result<TaskWorkerPool, CallError> {
    let api: Api<TaskWorkerPool> = Api::namespaced(cluster.client.clone(), &identity.key.namespace);
    let patch = Patch::Merge(json!({"metadata": {"uid": identity.uid}, "spec": {"suspend": suspend}}));
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    cluster
        .call(Class::Scale, api.patch(&identity.key.name, &params, &patch))
        .await
}

/// Event about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolEvent {
    /// Time of the last of its kind.
    pub at: jiff::Timestamp,
    /// Reason, one CamelCase word.
    pub reason: String,
    /// What happened.
    pub note: String,
}

/// Events about a pool that the cluster still has, the newest first.
///
/// # Errors
/// [`CallError`].
pub async fn events(cluster: &Cluster, key: &Key) -> Result<Vec<PoolEvent>, CallError> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &key.namespace);
    let kind = TaskWorkerPool::kind(&());
    let about = format!("regarding.kind={kind},regarding.name={}", key.name);
    let params = ListParams::default().limit(PAGE).fields(&about);
    let found = cluster.call(Class::Read, api.list(&params)).await?;
    let mut events: Vec<_> = found
        .items
        .into_iter()
        .filter_map(|event| {
            let last = event.series.map(|series| series.last_observed_time.0);
            Some(PoolEvent {
                at: last.or_else(|| event.event_time.map(|time| time.0))?,
                reason: event.reason?,
                note: event.note.unwrap_or_default(),
            })
        })
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    Ok(events)
}

/// Pod of an operator that serves its view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewed {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub pod: String,
    /// Port; `None`: its view is off.
    pub port: Option<u16>,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
}

/// Running pods of operators, in a namespace or in all.
///
/// # Errors
/// [`CallError`].
pub async fn operators(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Viewed>, CallError> {
    let api: Api<Pod> = match namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let params = ListParams::default()
        .limit(PAGE)
        .labels("app.kubernetes.io/name=twp-operator");
    let found = cluster.call(Class::Read, api.list(&params)).await?;
    Ok(found.items.into_iter().filter_map(viewed).collect())
}

fn viewed(pod: Pod) -> Option<Viewed> {
    let running = pod.status.and_then(|status| status.phase).as_deref() == Some("Running");
    let port = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .flat_map(|container| container.env.iter().flatten())
        .find(|variable| variable.name == VIEW)
        .and_then(|variable| variable.value.as_ref()?.rsplit(':').next()?.parse().ok());
    Some(Viewed {
        labels: pod.metadata.labels.unwrap_or_default(),
        namespace: pod.metadata.namespace?,
        pod: pod
            .metadata
            .name
            .filter(|_| running && pod.metadata.deletion_timestamp.is_none())?,
        port,
    })
}

/// Connection to a port of a pod, through the API server.
///
/// # Errors
/// [`CallError`].
pub async fn forward(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, CallError> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let forwarded = timeout(FORWARD, api.portforward(pod, &[port])).await;
    let mut forwarded = forwarded.map_err(|_| CallError::Timeout)?.map_err(upgraded)?;
    forwarded.take_stream(port).ok_or(CallError::Unreachable)
}

/// What a command in a pod printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// On its standard output.
    pub out: String,
    /// On its standard error.
    pub err: String,
}

/// Runs a command in the operator's container of a pod to its end, and returns what it printed.
///
/// # Errors
/// [`CallError`]; 403: the right to `create` on pods/exec is missing.
pub async fn exec(cluster: &Cluster, namespace: &str, pod: &str, command: &[&str]) -> Result<Printed, CallError> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let params = AttachParams::default().stdin(false).stdout(true).stderr(true);
    let run = async {
        let mut attached = api
            .exec(pod, command.iter().copied(), &params)
            .await
            .map_err(upgraded)?;
        // What nobody reads of one of them holds up the other one.
        let (out, err) = tokio::join!(whole(attached.stdout()), whole(attached.stderr()));
        Ok(Printed { out, err })
    };
    timeout(EXEC, run).await.map_err(|_| CallError::Timeout)?
}

async fn whole(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // Where the connection breaks, what came until then is not understood.
        let _broken = stream.take(LONGEST_OUTPUT).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A connection that the server refused to change has its status in another place.
fn upgraded(error: Error) -> CallError {
    match error {
        Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            CallError::Refused { code: status.as_u16() }
        }
        error => error.into(),
    }
}

/// Sentence for a call that failed, with what helps where it is a lack of rights.
pub fn explained(what: &str, why: CallError) -> String {
    match why {
        CallError::Refused { code: 403 } => {
            format!("{what}: you lack the right to (403): ask your cluster's administrator")
        }
        CallError::Refused { code: 401 } => format!("{what}: the cluster does not know you (401): log in again"),
        why => format!("{what}: {why} (within {} s)", DEADLINE.as_secs()),
    }
}
