//! Publishes Events about a pool. Makes no decisions.
//!
//! Rights needed: `create` and `patch` on events of events.k8s.io.

use k8s_openapi::api::core::v1::ObjectReference;
pub use kube::runtime::events::{Event, EventType};
use kube::{
    Resource,
    runtime::events::{Recorder, Reporter},
};

use super::{CallError, Class, Cluster, Identity};
use crate::api::TaskWorkerPool;

/// `reportingController` of every Event.
pub const CONTROLLER: &str = "taskworkerpool.dev/twp-operator";

/// Publisher of Events; clones share the connection.
#[derive(Clone)]
pub struct Publisher {
    recorder: Recorder,
    cluster: Cluster,
}

impl Publisher {
    /// `instance` is the operator's pod name (`reportingInstance`).
    pub fn new(cluster: Cluster, instance: String) -> Self {
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(cluster.client.clone(), reporter),
            cluster,
        }
    }

    /// Publishes the Event about this pool when it is its turn.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn publish(&self, about: &Identity, event: &Event) -> Result<(), CallError> {
        let about = reference(about);
        // Each Event is one call or two.
        let published = self.recorder.publish(event, &about);
        self.cluster.call(Class::Event, published).await
    }
}

/// Reference to this pool.
fn reference(identity: &Identity) -> ObjectReference {
    ObjectReference {
        api_version: Some(TaskWorkerPool::api_version(&()).into_owned()),
        kind: Some(TaskWorkerPool::kind(&()).into_owned()),
        namespace: Some(identity.key.namespace.clone()),
        name: Some(identity.key.name.clone()),
        uid: Some(identity.uid.clone()),
        ..ObjectReference::default()
    }
}
