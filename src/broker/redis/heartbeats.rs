//! Listens to what workers publish of themselves: one connection in pub/sub mode, subscribed anew after each reconnect.
//!
//! Each pattern has a command of its own, because Redis refuses a command whole if it refuses one of its patterns; the
//! replies come in the order of the commands. How it stands with each is told to whoever asks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    link::{Link, pause},
    resp::{Commands, KeyPlace, Value},
};
use crate::{
    broker::{Address, Egress, allowance::Allowance, signals::Sender, task::AbortOnDrop},
    model::{Backoff, Hearing, Place, SampleError, Subscription},
};

/// After so long without a message the server is asked whether it is there; after as long again it is not.
const QUIET: Duration = Duration::from_secs(15);

/// A pattern that was refused is tried again after this time: rights come with a change of configuration, and servers log
/// each refusal.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// A larger message is no heartbeat: it passes by. Batches of task events (`-E`) share the channels.
const MAX_MESSAGE: u64 = 16 << 10;

/// How it stands with each pattern.
type Standing = Arc<Mutex<BTreeMap<String, Hearing>>>;

/// The listening task; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Heartbeats {
    standing: Standing,
    _task: AbortOnDrop,
}

impl Heartbeats {
    /// Listens to these, all of them patterns. While `signals` is full, what is heard is dropped: workers repeat themselves. `before`:
    /// who listened so far; what is heard already counts as heard until the new connection tells otherwise.
    pub(super) fn listen(
        (egress, address): (Egress, Address),
        to: &[Subscription],
        signals: Sender,
        before: Option<&Self>,
    ) -> Self {
        let known = |pattern: &str| before.map(|before| before.hearing(pattern)).unwrap_or_default();
        let patterns = to.iter().filter_map(pattern);
        let standing = patterns.map(|pattern| (pattern.to_owned(), known(pattern)));
        let standing: Standing = Arc::new(Mutex::new(standing.collect()));
        let to = to.to_vec();
        let shared = Arc::clone(&standing);
        let task = AbortOnDrop::spawn(async move {
            let mut backoff = Backoff::default();
            let mut allowance = Allowance::default();
            let mut told = None;
            loop {
                let error = hear(
                    (&egress, &address),
                    (&to, &shared),
                    &signals,
                    (&mut backoff, &mut allowance),
                )
                .await;
                with(&shared, |standing| {
                    standing
                        .values_mut()
                        .for_each(|hearing| *hearing = Hearing::Failing(error));
                });
                if told.replace(error) != Some(error) {
                    tracing::info!(reason = error.label(), "workers' heartbeats on Redis are not heard");
                }
                sleep(pause(&mut backoff, error)).await;
            }
        });
        Self { standing, _task: task }
    }

    /// How it stands with this pattern.
    pub(super) fn hearing(&self, pattern: &str) -> Hearing {
        with(&self.standing, |standing| standing.get(pattern).cloned()).unwrap_or_default()
    }
}

/// The pattern to subscribe to.
pub(super) fn pattern(to: &Subscription) -> Option<&str> {
    match &to.place {
        Place::Pattern { pattern, .. } => Some(pattern),
        Place::TopicExchange { .. } => None,
    }
}

/// A message on this channel is looked at.
fn concerns(to: &Subscription, channel: &[u8]) -> bool {
    matches!(&to.place, Place::Pattern { channel: concerns, .. } if (concerns.get())(channel))
}

/// Nobody panics while holding it.
fn with<T>(standing: &Standing, what: impl FnOnce(&mut BTreeMap<String, Hearing>) -> T) -> T {
    what(&mut standing.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Connects, subscribes and listens until something breaks; returns what.
async fn hear(
    (egress, address): (&Egress, &Address),
    (to, standing): (&[Subscription], &Standing),
    signals: &Sender,
    (backoff, allowance): (&mut Backoff, &mut Allowance),
) -> SampleError {
    // Channels are the same in all databases.
    let mut listener = match Link::open(egress, address, 0).await {
        Ok(link) => Listener {
            link,
            to,
            standing,
            unanswered: VecDeque::new(),
            refused: Vec::new(),
            again: None,
            allowance,
        },
        Err(error) => return error,
    };
    let patterns = with(standing, |standing| standing.keys().cloned().collect());
    let error = match listener.subscribe(patterns).await {
        Ok(()) => listener.read(signals, backoff).await,
        Err(error) => Err(error),
    };
    error.err().unwrap_or(SampleError::Disconnected)
}

/// One connection in pub/sub mode.
struct Listener<'a> {
    link: Link,
    to: &'a [Subscription],
    standing: &'a Standing,
    /// The patterns of the commands that have not been answered yet, in their order.
    unanswered: VecDeque<String>,
    /// Those that were refused, and when they are tried again.
    refused: Vec<String>,
    again: Option<Instant>,
    /// What may still be taken in.
    allowance: &'a mut Allowance,
}

impl Listener<'_> {
    async fn subscribe(&mut self, patterns: Vec<String>) -> Result<(), SampleError> {
        let mut commands = Commands::default();
        for pattern in &patterns {
            commands.add(KeyPlace::None, &[b"PSUBSCRIBE", pattern.as_bytes()]);
        }
        self.unanswered.extend(patterns);
        self.link.send(&commands).await
    }

    /// Reads messages for as long as there are any, or at least signs of life.
    async fn read(&mut self, signals: &Sender, backoff: &mut Backoff) -> Result<(), SampleError> {
        let mut asked = false;
        loop {
            if self.again.is_some_and(|again| again <= Instant::now()) {
                self.again = None;
                let refused = std::mem::take(&mut self.refused);
                self.subscribe(refused).await?;
            }
            let before = self.link.read();
            match self.link.next(QUIET, MAX_MESSAGE).await? {
                Some(value) => {
                    let bytes = usize::try_from(self.link.read() - before).unwrap_or(usize::MAX);
                    self.take(value, bytes, signals)?;
                    backoff.succeeded();
                    asked = false;
                }
                None if asked => return Err(SampleError::Timeout),
                None => {
                    self.link.send(&Commands::one(&[b"PING"])).await?;
                    asked = true;
                }
            }
        }
    }

    /// Takes one message in: `pmessage`, pattern, channel, payload; or the answer to a subscription. Pongs say nothing. So
    /// many bytes came with it.
    fn take(&mut self, value: Value, bytes: usize, signals: &Sender) -> Result<(), SampleError> {
        let now = Instant::now();
        let parts = match value {
            Value::List(parts) => parts,
            // A message without end, or an answer to `PING` where nothing is subscribed.
            Value::Refused(SampleError::TooLarge) | Value::Done => return self.allowance.passed_by(bytes, now),
            Value::Refused(error) => return self.is_refused(error),
            _ => return Err(SampleError::Protocol),
        };
        match parts.as_slice() {
            [
                Value::Text(Some(kind)),
                Value::Text(Some(by)),
                Value::Text(Some(channel)),
                Value::Text(Some(payload)),
            ] if kind == b"pmessage" => {
                let meant =
                    |to: &&Subscription| pattern(to).is_some_and(|own| own.as_bytes() == by) && concerns(to, channel);
                let mut meant = self.to.iter().filter(meant).peekable();
                if meant.peek().is_none() {
                    return self.allowance.passed_by(bytes, now);
                }
                self.allowance.looked_at(payload.len(), now)?;
                for signal in meant.flat_map(|to| (to.read.get())(payload)) {
                    signals.send(signal);
                }
            }
            [Value::Text(Some(kind)), ..] if kind == b"psubscribe" => self.is_confirmed(),
            _ => self.allowance.passed_by(bytes, now)?,
        }
        Ok(())
    }

    fn is_confirmed(&mut self) {
        if let Some(pattern) = self.unanswered.pop_front() {
            with(self.standing, |standing| standing.insert(pattern, Hearing::Works));
        }
    }

    /// A missing right is a matter of this pattern alone; anything else ends the connection, to begin anew.
    fn is_refused(&mut self, error: SampleError) -> Result<(), SampleError> {
        if !error.is_refusal() {
            return Err(error);
        }
        // Nothing was asked but `PING`: a sign of life, whatever it says.
        let Some(pattern) = self.unanswered.pop_front() else {
            return Ok(());
        };
        let right = format!("`PSUBSCRIBE` on `&{pattern}`");
        let refused = Hearing::Refused { right: right.clone() };
        let before = with(self.standing, |standing| {
            standing.insert(pattern.clone(), refused.clone())
        });
        if before != Some(refused) {
            tracing::info!(right, "workers' heartbeats on Redis are refused");
        }
        self.refused.push(pattern);
        self.again.get_or_insert(Instant::now() + TRY_AGAIN);
        Ok(())
    }
}
