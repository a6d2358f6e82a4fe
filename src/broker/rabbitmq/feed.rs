//! What workers say: a queue of our own, bound to an exchange, whose messages become signals. A feed lives as long as
//! the endpoint wants it and sets itself up again on every connection.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::connection::{Live, short};
use crate::broker::Signal;

/// Milliseconds for which an unread message is kept: older news is no news.
const MESSAGE_TTL: i32 = 5000;

/// Milliseconds after which the broker removes our queue if we are gone without a goodbye.
const EXPIRES: i32 = 60_000;

/// Messages that our queue holds; the broker drops the oldest beyond.
const MAX_LENGTH: i32 = 10_000;

/// Bytes of a delivery besides its body: method and content header, roughly.
const ENVELOPE: usize = 512;

/// A task that ends with its owner.
#[derive(Debug)]
pub(in crate::broker) struct Task(JoinHandle<()>);

impl Task {
    /// Starts it.
    pub(in crate::broker) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where feeds get the connection from and bring the signals to.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// The endpoint's connection, whenever there is one.
    pub(super) live: watch::Receiver<Option<Live>>,
    /// To the sampler. What does not fit is dropped: workers repeat themselves.
    pub(super) signals: mpsc::Sender<Signal>,
}

impl Ends {
    /// Waits for a connection; `None`: the endpoint is gone.
    pub(super) async fn connected(&mut self) -> Option<Live> {
        let works = |live: &Option<Live>| live.as_ref().is_some_and(|live| live.connection.status().connected());
        self.live.wait_for(works).await.ok()?.clone()
    }

    /// Passes signals on.
    pub(super) fn send(&self, signals: Vec<Signal>) {
        for signal in signals {
            if self.signals.try_send(signal).is_err() {
                return;
            }
        }
    }
}

/// What our queue is called and hears.
pub(super) struct Binding {
    /// Name of the queue.
    pub(super) queue: String,
    /// The exchange it is bound to.
    pub(super) exchange: String,
    /// The binding key.
    pub(super) key: String,
}

/// Declares our queue, binds it and consumes from it. The broker removes it with the connection.
///
/// # Errors
/// The broker's: 404 if the exchange does not exist, 403 without the rights.
pub(super) async fn open(channel: &Channel, binding: &Binding) -> Result<Consumer, Failed> {
    let names = (short(&binding.queue), short(&binding.exchange), short(&binding.key));
    let (Some(queue), Some(exchange), Some(key)) = names else {
        return Err(Failed::Name);
    };
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-message-ttl", MESSAGE_TTL),
        ("x-expires", EXPIRES),
        ("x-max-length", MAX_LENGTH),
    ] {
        arguments.insert(name.into(), AMQPValue::LongInt(value));
    }
    let options = QueueDeclareOptions::exclusive().auto_delete();
    channel.queue_declare(queue.clone(), options, arguments).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.clone(), exchange, key, options, FieldTable::default())
        .await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    Ok(channel
        .basic_consume(queue, "".into(), options, FieldTable::default())
        .await?)
}

/// A delivery's body is read and will be dropped.
pub(super) fn digested(live: &Live, delivery: &Delivery) {
    live.undigested.digested(ENVELOPE + delivery.data.len());
}

/// Why a feed cannot be set up or ended.
pub(super) enum Failed {
    /// The broker's error.
    Amqp(lapin::Error),
    /// A name that does not fit into the protocol.
    Name,
}

impl From<lapin::Error> for Failed {
    fn from(error: lapin::Error) -> Self {
        Self::Amqp(error)
    }
}

/// A name for a queue of ours that nobody can guess; one permission pattern, `^twp-operator\..*`, covers them all. The
/// standard library seeds its hashers at random.
pub(super) fn own_name() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("twp-operator.{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        assert_ne!(own_name(), own_name());
        assert_eq!(own_name().len(), "twp-operator.".len() + 32);
    }
}
