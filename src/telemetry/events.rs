//! Kubernetes Events about a pool: few, true, and never in the way. An Event that is refused or late is lost.

mod limit;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::Instant;

use limit::Limiter;
pub use words::PoolEvent;

use crate::kube::{Class, Cluster};

/// `reportingController` of every Event.
const CONTROLLER: &str = "taskworkerpool.dev/twp-operator";
/// Publishes Events; clones share the connection and the limits. Needs `create` and `patch` on `events.events.k8s.io`.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    cluster: Cluster,
    limiter: Arc<Mutex<Limiter>>,
    started: Instant,
}

impl Events {
    /// `instance` is the operator's pod name (`reportingInstance`).
    pub fn new(cluster: Cluster, instance: String) -> Self {
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(cluster.client.clone(), reporter),
            cluster,
            limiter: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Publishes the event about this object, unless there were too many of its kind recently. Waits for its turn;
    /// failures are logged at debug.
    pub async fn publish(&self, about: &ObjectReference, event: PoolEvent) {
        let (kind, reason) = (event.limit(), event.reason());
        let admitted = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.admit(&object(about), &reason, kind, self.started.elapsed())
        };
        if !admitted {
            return;
        }
        let note = Event {
            type_: if event.warns() {
                EventType::Warning
            } else {
                EventType::Normal
            },
            note: Some(event.note()),
            action: event.action(),
            secondary: None,
            reason,
        };
        // Each Event is one call or two.
        let published = self.cluster.call(Class::Event, self.recorder.publish(&note, about));
        let Err(why) = published.await else { return };
        let (namespace, name) = (about.namespace.as_deref(), about.name.as_deref());
        tracing::debug!(namespace, name, reason = note.reason, %why, "an Event was not published");
    }
}

/// Identity of an object: the UID, else the name.
fn object(about: &ObjectReference) -> String {
    match (&about.uid, &about.namespace, &about.name) {
        (Some(uid), _, _) => uid.clone(),
        (None, namespace, name) => [namespace, name]
            .map(|part| part.as_deref().unwrap_or_default())
            .join("/"),
    }
}

#[cfg(test)]
mod tests;
