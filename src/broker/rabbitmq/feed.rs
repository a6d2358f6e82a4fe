//! Feeds of signals: a queue of the operator, bound to an exchange, whose messages become signals. A feed lives as long
//! as the endpoint needs it and sets itself up again on every connection.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{
    Channel, Consumer, ExchangeKind,
    message::Delivery,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{sync::watch, time::timeout};

use super::connection::{Live, broken, exists_otherwise, is_forbidden, is_missing, short, words};
use crate::{
    broker::{Signal, signals},
    model::{Backoff, SampleError},
};

/// Milliseconds for which an unread message is kept: older ones are of no use.
const MESSAGE_TTL: i32 = 5000;

/// Milliseconds after which the broker removes the queue if the operator is gone without closing the connection.
const EXPIRES: i32 = 60_000;

/// Number of messages that the queue holds; the broker drops the oldest beyond.
const MAX_LENGTH: i32 = 10_000;

/// Size of a delivery in bytes besides its body: method and content header, roughly.
const ENVELOPE: usize = 512;

/// Ends of a feed: where it gets the connection from and sends the signals to.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Connection of the endpoint, whenever there is one.
    pub(super) live: watch::Receiver<Option<Live>>,
    /// Queue of the sampler. Signals that do not fit are dropped: workers repeat themselves.
    pub(super) signals: signals::Sender,
    /// Whether a worker appeared recently: set by the feeds, taken by the endpoint.
    pub(super) came: Arc<AtomicBool>,
}

impl Ends {
    /// Waits for a connection; `None`: the endpoint is gone.
    pub(super) async fn connected(&mut self) -> Option<Live> {
        let works = |live: &Option<Live>| live.as_ref().is_some_and(|live| live.connection.status().connected());
        self.live.wait_for(works).await.ok()?.clone()
    }

    /// Waits for this time, or until the endpoint has another connection.
    pub(super) async fn pause(&mut self, pause: Duration) {
        let _long_enough = timeout(pause, self.live.changed()).await;
    }

    /// Whether the endpoint has another connection than the one it was last seen with.
    pub(super) fn has_another(&self) -> bool {
        self.live.has_changed().unwrap_or(true)
    }

    /// Passes signals on.
    pub(super) fn send(&self, signals: impl IntoIterator<Item = Signal>) {
        for signal in signals {
            if signal.is_of_a_newcomer() {
                self.came.store(true, Ordering::Relaxed);
            }
            if !self.signals.send(signal) {
                return;
            }
        }
    }
}

/// Name and binding of a queue of the operator.
pub(super) struct Binding {
    /// Name of the queue.
    pub(super) queue: String,
    /// Exchange that it is bound to.
    pub(super) exchange: String,
    /// Binding key.
    pub(super) key: String,
}

/// Permissions that the operator's queues need, as the pattern that covers them all.
const OWN_QUEUES: &str = "queues `twp-operator.*`";

/// Declares the queue, binds it and consumes from it. The broker removes it with the connection.
///
/// # Errors
/// The step that failed, and the reason.
pub(super) async fn open(channel: &Channel, binding: &Binding, own: BasicConsumeOptions) -> Result<Consumer, Failed> {
    let names = (short(&binding.queue), short(&binding.exchange), short(&binding.key));
    let (Some(queue), Some(exchange), Some(key)) = names else {
        return Err(Failed::Broken(SampleError::Protocol));
    };
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-message-ttl", MESSAGE_TTL),
        ("x-expires", EXPIRES),
        ("x-max-length", MAX_LENGTH),
    ] {
        arguments.insert(name.into(), AMQPValue::LongInt(value));
    }
    let own_queue = |right: &str| format!("`{right}` on {OWN_QUEUES}");
    let options = QueueDeclareOptions::exclusive().auto_delete();
    let declared = channel.queue_declare(queue.clone(), options, arguments).await;
    declared.map_err(|error| Failed::of(&error, || own_queue("configure")))?;
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(queue.clone(), exchange, key, options, FieldTable::default());
    // Two rights are needed at once; the broker names the thing that is refused.
    let unbound = |error: lapin::Error| {
        let right = || match words(&error) {
            said if said.contains("queue '") => own_queue("write"),
            said if said.contains("topic '") => format!(
                "`read` on the topic `{}` of the exchange `{}`",
                binding.key, binding.exchange
            ),
            _ => format!("`read` on the exchange `{}`", binding.exchange),
        };
        Failed::of(&error, right)
    };
    bound.await.map_err(unbound)?;
    let consumed = channel.basic_consume(queue, "".into(), own, FieldTable::default());
    consumed.await.map_err(|error| Failed::of(&error, || own_queue("read")))
}

/// Declares an exchange as workers do. One that exists with other properties is theirs, and will do.
///
/// # Errors
/// The right is missing, or the connection broke.
pub(super) async fn declare(live: &Live, exchange: &str, kind: ExchangeKind, durable: bool) -> Result<(), Failed> {
    let name = short(exchange).ok_or(Failed::Broken(SampleError::Protocol))?;
    let options = ExchangeDeclareOptions {
        durable,
        ..ExchangeDeclareOptions::default()
    };
    let channel = live.channel().await?;
    let declared = channel.exchange_declare(name, kind, options, FieldTable::default());
    match declared.await {
        Err(error) if !exists_otherwise(&error) => Err(Failed::of(&error, || {
            format!("`configure` on the exchange `{exchange}`")
        })),
        _ => {
            tracing::info!("declared the exchange `{exchange}`, as the first to need it");
            Ok(())
        }
    }
}

/// Charges a delivery whose body was read and will be dropped.
pub(super) fn digested(live: &Live, delivery: &Delivery) {
    live.undigested.digested(ENVELOPE + delivery.data.len());
}

/// Shortest and longest pause while what is needed does not exist or does not answer. Once it does, that has to be
/// found within seconds.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));

/// Shortest and longest pause while a right is missing: each refusal is a line in the broker's log.
const PAUSES_REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Reason why a feed cannot be set up, or ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// An object that it needs does not exist.
    Missing,
    /// A right is missing; the text is the broker's.
    Refused { right: String },
    /// The channel or the connection broke.
    Broken(SampleError),
}

impl Failed {
    /// Meaning of the broker's error; `right` is the one that a refusal is about.
    pub(super) fn of(error: &lapin::Error, right: impl FnOnce() -> String) -> Self {
        match error {
            error if is_missing(error) => Self::Missing,
            error if is_forbidden(error) => Self::Refused { right: right() },
            error => Self::Broken(broken(error)),
        }
    }

    /// Pause before the next attempt.
    pub(super) fn pause(&self, backoff: &mut Backoff) -> Duration {
        let (shortest, longest) = match self {
            Self::Missing | Self::Broken(_) => PAUSES,
            Self::Refused { .. } => PAUSES_REFUSED,
        };
        backoff.failed(shortest, longest)
    }
}

impl From<lapin::Error> for Failed {
    fn from(error: lapin::Error) -> Self {
        Self::Broken(broken(&error))
    }
}

/// State that is kept from one attempt on a connection to the next.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Name of the queue.
    pub(super) queue: String,
    /// Right that is missing to declare the exchange that is needed, as far as that is known.
    pub(super) lacks: Option<String>,
}

impl Attempt {
    /// First attempt on a connection.
    pub(super) fn first() -> Self {
        Self {
            queue: own_name(),
            lacks: None,
        }
    }
}

/// Name for a queue of the operator that no one can guess; one permission pattern, `^twp-operator\..*`, covers them
/// all. The standard library seeds its hashers at random.
pub(super) fn own_name() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("twp-operator.{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_shorter_where_something_is_awaited() {
        let refused = Failed::Refused { right: String::new() };
        let mut backoff = Backoff::default();
        let seconds = |backoff: &mut Backoff, failed: &Failed| failed.pause(backoff).as_secs();
        let grown: Vec<_> = (0..7).map(|_| seconds(&mut backoff, &refused)).collect();
        assert_eq!(grown, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(seconds(&mut backoff, &Failed::Missing), 8);
        backoff.succeeded();
        assert_eq!(seconds(&mut backoff, &Failed::Missing), 2);
    }

    #[test]
    fn names_differ() {
        assert_ne!(own_name(), own_name());
        assert_eq!(own_name().len(), "twp-operator.".len() + 32);
    }
}
