//! Worker events: `worker-heartbeat` every 2 s by default (`freq` says how often), `worker-online`, `worker-offline`.
//!
//! On Redis they are published on `/{db}.celeryev/worker.*`, on RabbitMQ to the topic exchange `celeryev` with routing
//! keys `worker.*`. Task events (`-E`) share the exchange, partly as arrays (`task.multi`): they are not looked at.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

pub use super::wire::Wire;
use super::{WorkerSignal, wire};
use crate::model;

/// Largest number of tasks that a worker may report to run at a time: more is a forgery or a mistake.
const MAX_ACTIVE: u64 = 10_000;

/// Largest body of a worker's own event, in bytes.
const MAX_EVENT: usize = 16 << 10;

/// Longest interval between heartbeats, in seconds: more is a forgery or a mistake.
const MAX_INTERVAL: u64 = 86_400;

#[derive(Deserialize)]
struct WorkerEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    hostname: Cow<'a, str>,
    #[serde(default)]
    active: Amount,
    #[serde(default)]
    processed: Amount,
    /// Seconds between two heartbeats (`--heartbeat-interval`).
    #[serde(default)]
    freq: Amount,
}

/// Binding key of all worker events; those of tasks are `task.#`.
pub(super) const KEY: &str = "worker.#";

/// Whether this is the channel of a task event on Redis, `/0.celeryev/task.multi`: the last part is the event's routing
/// key.
pub(super) fn is_of_tasks(channel: &[u8]) -> bool {
    let key = channel.rsplit(|byte| *byte == b'/').next();
    key.is_some_and(|key| key.starts_with(b"task."))
}

/// Same as [`read`], with opaque signals.
pub(super) fn signals(payload: &[u8], wire: Wire) -> Vec<model::Signal> {
    read(payload, wire).into_iter().map(Into::into).collect()
}

/// Content of a worker event; nothing, if the payload is anything else.
pub fn read(payload: &[u8], wire: Wire) -> Vec<WorkerSignal> {
    event(payload, wire).unwrap_or_default()
}

fn event(payload: &[u8], wire: Wire) -> Option<Vec<WorkerSignal>> {
    let body = wire::unwrap(payload, wire, |_, bytes| bytes <= MAX_EVENT)?.body;
    let event: WorkerEvent = wire::is_object(&body).then(|| serde_json::from_slice(&body).ok())??;
    if !wire::is_node_name(&event.hostname) {
        return None;
    }
    let node = event.hostname.into_owned();
    let heartbeat = |node| WorkerSignal::Heartbeat {
        node,
        active: u32::try_from(event.active.0.min(MAX_ACTIVE)).unwrap_or(u32::MAX),
        processed: event.processed.0,
        interval: Duration::from_secs(event.freq.0.min(MAX_INTERVAL)),
    };
    match &*event.kind {
        "worker-heartbeat" => Some(vec![heartbeat(node)]),
        "worker-online" => Some(vec![heartbeat(node.clone()), WorkerSignal::Online { node }]),
        "worker-offline" => Some(vec![WorkerSignal::Offline { node }]),
        _ => None,
    }
}

/// JSON number as a count: negative ones become 0, fractions are cut off, and too large ones become the largest count.
#[derive(Clone, Copy, Default)]
struct Amount(u64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl de::Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Amount, E> {
        Ok(Amount(n))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Amount, E> {
        Ok(Amount(u64::try_from(n).unwrap_or(0)))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Amount, E> {
        // The conversion of a float saturates; NaN becomes 0.
        Ok(Amount(n as u64))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Amount, E> {
        Ok(Amount(0))
    }
}

#[cfg(test)]
mod tests;
