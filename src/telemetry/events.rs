//! Kubernetes Events about a pool: few, true, and never in the way. An Event that is refused or late is lost.

mod limit;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use limit::Limiter;
pub use words::PoolEvent;

use crate::kube::{
    Cluster, Identity,
    events::{Event, EventType, Publisher},
};

/// Publishes Events; clones share the connection and the limits.
#[derive(Clone)]
pub struct Events {
    publisher: Publisher,
    limiter: Arc<Mutex<Limiter>>,
    started: Instant,
}

impl Events {
    /// `instance` is the operator's pod name (`reportingInstance`).
    pub fn new(cluster: Cluster, instance: String) -> Self {
        Self {
            publisher: Publisher::new(cluster, instance),
            limiter: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Publishes the event about this pool, unless there were too many of its kind recently. Waits for its turn;
    /// failures are logged at debug.
    pub async fn publish(&self, about: &Identity, event: PoolEvent) {
        let (kind, reason) = (event.limit(), event.reason());
        let admitted = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.admit(&about.uid, &reason, kind, self.started.elapsed())
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
        let Err(why) = self.publisher.publish(about, &note).await else {
            return;
        };
        let (namespace, name) = (&about.key.namespace, &about.key.name);
        tracing::debug!(namespace, name, reason = note.reason, %why, "an Event was not published");
    }
}

#[cfg(test)]
mod tests;
