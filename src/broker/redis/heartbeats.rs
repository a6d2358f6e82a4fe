//! Listens to what workers publish of themselves: one connection in pub/sub mode, subscribed anew after each reconnect.

use std::{iter, time::Duration};

use tokio::{sync::mpsc, task::AbortHandle, time::sleep};

use super::{
    backoff::Backoff,
    link::Link,
    resp::{Commands, Item, Value},
};
use crate::{
    broker::Address,
    work::{
        SampleError, Signal,
        celery::events::{self, Wire},
    },
};

/// After so long without a message the server is asked whether it is there; after as long again it is not.
const QUIET: Duration = Duration::from_secs(15);

/// A larger message is no heartbeat: it is not looked at.
const MAX_MESSAGE: usize = 64 << 10;

/// A larger message ends the connection. Batches of task events (`-E`), which share the channels, stay below.
const MAX_BYTES: u64 = 1 << 20;

/// The listening task; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Heartbeats(AbortHandle);

impl Drop for Heartbeats {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Heartbeats {
    /// Listens to these patterns. While `signals` is full, what is heard is dropped: workers repeat themselves.
    pub(super) fn listen(address: Address, patterns: Vec<String>, signals: mpsc::Sender<Signal>) -> Self {
        let task = tokio::spawn(async move {
            let mut backoff = Backoff::default();
            let mut told = None;
            loop {
                let error = hear(&address, &patterns, &signals, &mut backoff).await;
                if told.replace(error) != Some(error) {
                    tracing::info!(reason = error.label(), "workers' heartbeats on Redis are not heard");
                }
                sleep(backoff.failed(error)).await;
            }
        });
        Self(task.abort_handle())
    }
}

/// Connects, subscribes and listens until something breaks; returns what.
async fn hear(
    address: &Address,
    patterns: &[String],
    signals: &mpsc::Sender<Signal>,
    backoff: &mut Backoff,
) -> SampleError {
    let subscribed = async {
        // Channels are the same in all databases.
        let mut link = Link::open(address, 0).await?;
        let words = iter::once("PSUBSCRIBE").chain(patterns.iter().map(String::as_str));
        let words: Vec<_> = words.map(str::as_bytes).collect();
        link.send(&Commands::one(&words)).await?;
        Ok(link)
    };
    let error = match subscribed.await {
        Ok(link) => read(link, signals, backoff).await,
        Err(error) => Err(error),
    };
    error.err().unwrap_or(SampleError::Disconnected)
}

/// Reads messages for as long as there are any, or at least signs of life.
async fn read(mut link: Link, signals: &mpsc::Sender<Signal>, backoff: &mut Backoff) -> Result<(), SampleError> {
    let mut asked = false;
    loop {
        match link.next(QUIET, MAX_BYTES).await? {
            Some(value) => {
                take(value, signals)?;
                backoff.succeeded();
                asked = false;
            }
            None if asked => return Err(SampleError::Timeout),
            None => {
                link.send(&Commands::one(&[b"PING"])).await?;
                asked = true;
            }
        }
    }
}

/// Takes one message in: `pmessage`, pattern, channel, payload. Confirmations and pongs say nothing.
fn take(value: Value, signals: &mpsc::Sender<Signal>) -> Result<(), SampleError> {
    let parts = match value {
        Value::List(parts) => parts,
        Value::Refused(error) => return Err(error),
        _ => return Err(SampleError::Protocol),
    };
    if let [Item::Text(Some(kind)), _, _, Item::Text(Some(payload))] = parts.as_slice()
        && kind == b"pmessage"
        && payload.len() <= MAX_MESSAGE
    {
        for signal in events::read(payload, Wire::Kombu) {
            let _full = signals.try_send(signal);
        }
    }
    Ok(())
}
