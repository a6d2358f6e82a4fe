//! Kubernetes Events about a pool: few, true, and never in the way. An Event that is refused or late is lost.

mod limit;
mod words;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Error,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::{Instant, timeout};

use limit::Limiter;
pub use words::{PoolEvent, tame};

/// `reportingController` of every Event.
const CONTROLLER: &str = "taskworkerpool.dev/twp-operator";
/// An Event that is not written within this time is lost.
const DEADLINE: Duration = Duration::from_secs(5);

/// Publishes Events; clones share the connection and the limits. Needs `create` and `patch` on `events.events.k8s.io`.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    limiter: Arc<Mutex<Limiter>>,
    started: Instant,
}

impl Events {
    /// `instance` is the operator's pod name (`reportingInstance`).
    pub fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            limiter: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Publishes the event about this object, unless there were too many of its kind lately. Takes at most 5 s; failures
    /// are logged at debug.
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
        let why = match timeout(DEADLINE, self.recorder.publish(&note, about)).await {
            Ok(Ok(())) => return,
            // The code only: the server's words are not ours to log.
            Ok(Err(Error::Api(status))) => format!("status {}", status.code),
            Ok(Err(_)) => "the API server cannot be reached".to_owned(),
            Err(_) => "no answer in time".to_owned(),
        };
        let (namespace, name) = (about.namespace.as_deref(), about.name.as_deref());
        tracing::debug!(namespace, name, reason = note.reason, why, "an Event was not published");
    }
}

/// What tells objects apart: the UID, else the name.
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
