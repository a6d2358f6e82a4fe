//! Reads of Secrets and ConfigMaps, by name. Pools that refer to the same one at the same moment share one read: after
//! a restart a thousand pools may name one Secret.
//!
//! Rights needed: `get` on the Secrets and ConfigMaps that pools name.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use tokio::{sync::Mutex as Slot, time::Instant};

use super::{CallError, Class, Cluster};

/// Content of the object, whether a Secret or a ConfigMap.
pub type Data = Arc<Content>;

/// Annotation of a Secret with the hosts that its values may be sent to, separated by commas.
pub const HOSTS: &str = "taskworkerpool.dev/hosts";

/// What is kept of an object. Of its annotations one alone: `kubectl apply` keeps a copy of the whole Secret in another.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Values by key.
    pub values: BTreeMap<String, Vec<u8>>,
    /// Hosts that the Secret's annotation names.
    pub hosts: Vec<String>,
}

/// Object that is referred to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// `namespace` and `name` of a Secret.
    Secret(String, String),
    /// `namespace` and `name` of a ConfigMap.
    ConfigMap(String, String),
}

/// Result of a read, and the time it was begun.
type Read = Option<(Instant, Result<Data, CallError>)>;

/// Reader; clones share their reads.
#[derive(Clone)]
pub struct References {
    cluster: Cluster,
    /// Reads under way; an entry lives only while somebody waits for it.
    reads: Arc<Mutex<HashMap<At, Arc<Slot<Read>>>>>,
}

impl fmt::Debug for References {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("References")
    }
}

impl References {
    /// Reader in this cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            reads: Arc::default(),
        }
    }

    /// Content of the object at this moment or later: a read that was begun before does not count, and the next one
    /// serves all callers that have asked by then.
    ///
    /// # Errors
    /// [`CallError`]; 404: there is no such object.
    pub async fn read(&self, at: &At) -> Result<Data, CallError> {
        let asked = Instant::now();
        let slot = self.lock().entry(at.clone()).or_default().clone();
        // Dropped in any case: the waiting task may be aborted.
        let share = PendingRead {
            references: self,
            at,
            slot,
        };
        let mut read = share.slot.lock().await;
        match &*read {
            Some((begun, result)) if *begun >= asked => result.clone(),
            _ => {
                let begun = Instant::now();
                let result = self.call(at).await;
                *read = Some((begun, result.clone()));
                result
            }
        }
    }

    async fn call(&self, at: &At) -> Result<Data, CallError> {
        let (client, cluster) = (self.cluster.client.clone(), &self.cluster);
        Ok(Arc::new(match at {
            At::Secret(namespace, name) => {
                let api: Api<Secret> = Api::namespaced(client, namespace);
                let secret = cluster.call(Class::Read, api.get(name)).await?;
                let data = secret.data.unwrap_or_default().into_iter();
                Content {
                    values: data.map(|(key, value)| (key, value.0)).collect(),
                    hosts: hosts(secret.metadata.annotations),
                }
            }
            At::ConfigMap(namespace, name) => {
                let api: Api<ConfigMap> = Api::namespaced(client, namespace);
                let map = cluster.call(Class::Read, api.get(name)).await?;
                let data = map.data.unwrap_or_default().into_iter();
                Content {
                    values: data.map(|(key, value)| (key, value.into_bytes())).collect(),
                    hosts: Vec::new(),
                }
            }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<At, Arc<Slot<Read>>>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hosts that the annotation names.
fn hosts(annotations: Option<BTreeMap<String, String>>) -> Vec<String> {
    let text = annotations.and_then(|mut all| all.remove(HOSTS)).unwrap_or_default();
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Participant in a read: the last one removes the entry.
struct PendingRead<'a> {
    references: &'a References,
    at: &'a At,
    slot: Arc<Slot<Read>>,
}

impl Drop for PendingRead<'_> {
    fn drop(&mut self) {
        let mut reads = self.references.lock();
        // References of this one and the map only: nobody else can get one meanwhile.
        if Arc::strong_count(&self.slot) == 2 {
            reads.remove(self.at);
        }
    }
}

#[cfg(test)]
mod tests;
