//! The AMQP side of an endpoint: keeps one connection, asks for depths over it, and runs the feeds on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    connection::{Live, OwnedConnection, connect},
    control::{ControlTrouble, Inspector, Line},
    depths::{Depths, lives},
    feed::Ends,
    heartbeats::heartbeats,
    memory::{Found, QueueAnswer, QueueMemory, QueuePlan},
};
use crate::{
    broker::{Address, Egress, scattered, signals, task::AbortOnDrop},
    model::{Backoff, Hearing, Moment, Postbox, Query, Reply, SampleError, Subscription},
};

/// Largest number of doubtful queues that are probed in one sample.
const PROBES: usize = 64;

/// Time without a question after which a postbox is left alone.
const INSPECT_ENDS: Duration = Duration::from_secs(600);

/// Pause after the first failed attempt to connect; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// AMQP side of one virtual host.
#[derive(Debug)]
pub(super) struct Amqp {
    egress: Egress,
    address: Address,
    vhost: String,
    link: Option<OwnedConnection>,
    attempts: Attempts,
    depths: Depths,
    memory: QueueMemory,
    /// Passes the connection to the feeds.
    live: watch::Sender<Option<Live>>,
    ends: Ends,
    /// Subscriptions, with the state of each.
    heartbeats: BTreeMap<Subscription, (AbortOnDrop, watch::Receiver<Hearing>)>,
    /// Inspectors by postbox, with the time of the last message.
    inspectors: BTreeMap<Postbox, (Inspector, Moment)>,
    connection: u64,
}

impl Amqp {
    /// AMQP side that connects when it is first asked. Signals go to `signals`.
    pub(super) fn new(egress: Egress, address: Address, vhost: String, signals: signals::Sender) -> Self {
        let (live, watching) = watch::channel(None);
        Self {
            egress,
            address,
            vhost,
            link: None,
            attempts: Attempts::default(),
            depths: Depths::default(),
            memory: QueueMemory::default(),
            live,
            ends: Ends {
                live: watching,
                signals,
                came: Arc::default(),
            },
            heartbeats: BTreeMap::new(),
            inspectors: BTreeMap::new(),
            connection: 0,
        }
    }

    /// Listens to the workers on these topic exchanges.
    pub(super) fn listen(&mut self, to: BTreeSet<Subscription>) {
        self.heartbeats.retain(|listen, _| to.contains(listen));
        for listen in to {
            let ends = self.ends.clone();
            let start = || {
                let (tell, hearing) = watch::channel(Hearing::NotYet);
                (AbortOnDrop::spawn(heartbeats(listen.clone(), ends, tell)), hearing)
            };
            self.heartbeats.entry(listen.clone()).or_insert_with(start);
        }
    }

    /// State of the workers on this topic exchange. Without a connection no worker is heard.
    pub(super) fn hearing(&self, to: &Subscription) -> Hearing {
        let told = self.heartbeats.get(to).map(|(_, hearing)| hearing.borrow().clone());
        let connected = self.link.as_ref().is_some_and(OwnedConnection::is_alive);
        match (told.unwrap_or_default(), self.attempts.last) {
            (Hearing::Works | Hearing::NotYet, Some((error, _))) if !connected => Hearing::Failing(error),
            (told, _) => told,
        }
    }

    /// Sends the questions and orders that are due to the workers, and asks the broker for the depth of `queues`: one
    /// answer each, in their order.
    pub(super) async fn ask(&mut self, queues: &[&str], letters: &[&Query], now: Moment) -> Vec<QueueAnswer> {
        if queues.is_empty() && letters.is_empty() && self.heartbeats.is_empty() {
            return Vec::new();
        }
        let live = match self.connected(now).await {
            Ok(live) => live,
            Err(error) => return vec![Err(error); queues.len()],
        };
        self.write(letters, now);
        self.ask_depths(&live, queues, now).await
    }

    /// Connection, made anew if it broke or its channel numbers run out.
    ///
    /// # Errors
    /// Reason why there is none; that of the last attempt while it is too early for the next.
    async fn connected(&mut self, now: Moment) -> Result<Live, SampleError> {
        let alive = self.link.as_ref().filter(|link| link.is_alive());
        let kept = alive.map(OwnedConnection::live);
        match alive {
            Some(link) if !link.is_worn() => return Ok(link.live()),
            // The last one that we may have goes before the next one comes.
            Some(link) if link.is_worn_out() => self.disconnect(),
            Some(_) => {}
            None => self.disconnect(),
        }
        if let Err(error) = self.attempts.may_try(now) {
            return kept.filter(|_| self.link.is_some()).ok_or(error);
        }
        match connect(&self.egress, &self.address, &self.vhost).await {
            Ok(link) => {
                // What was only renewed has lost nothing.
                if self.attempts.succeeded() && kept.is_none() {
                    self.memory.reconnected(now);
                }
                let live = link.live();
                self.connection += 1;
                self.depths.reset();
                // The feeds are told first: so they know why the old one ends.
                self.live.send_replace(Some(live.clone()));
                self.link = Some(link);
                Ok(live)
            }
            Err(error) => {
                let error = self.attempts.failed(error, now);
                kept.filter(|_| self.link.is_some()).ok_or(error)
            }
        }
    }

    /// Drops the connection.
    fn disconnect(&mut self) {
        self.link = None;
        self.depths.reset();
        self.live.send_replace(None);
    }

    /// Depths: from the broker, or remembered where the last answer was no count and is recent.
    async fn ask_depths(&mut self, live: &Live, queues: &[&str], now: Moment) -> Vec<QueueAnswer> {
        if self.ends.came.swap(false, Ordering::Relaxed) {
            self.memory.came(now);
        }
        let (mut asked, mut tried, mut probed) = (Vec::new(), Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(queues.len());
        for (place, queue) in queues.iter().enumerate() {
            match self.depths.probed(queue) {
                Some(Ok(Reply::Depth { .. })) => self.memory.answers(queue),
                Some(answer) => {
                    answers.push(self.memory.learn(queue, answer, now));
                    continue;
                }
                None => {}
            }
            answers.push(match self.memory.plan(queue, now) {
                QueuePlan::Ask => {
                    asked.push((place, *queue));
                    Err(SampleError::NotYet)
                }
                QueuePlan::Try => {
                    tried.push((place, *queue));
                    Err(SampleError::NotYet)
                }
                QueuePlan::Probe(last) => {
                    if probed.len() < PROBES && !self.depths.is_probing(queue) {
                        probed.push((place, *queue));
                    }
                    last
                }
                QueuePlan::Repeat(last) => last,
            });
        }
        let sure = asked.len();
        asked.append(&mut tried);
        let (names, doubtful) = (super::names(&asked), super::names(&probed));
        if names.is_empty() && doubtful.is_empty() {
            return answers;
        }
        let (fresh, probes) = self.depths.ask(live, (&names, sure), &doubtful).await;
        if let Some(error) = dead(&fresh, live, self.link.as_ref()).await {
            self.disconnect();
            return vec![Err(error); queues.len()];
        }
        let fresh = fresh.into_iter().chain(probes.into_iter().map(Found::from));
        for ((place, queue), found) in asked.into_iter().chain(probed).zip(fresh) {
            super::put(&mut answers, place, self.memory.learn(queue, found, now));
        }
        answers
    }

    /// Passes on questions and orders for workers.
    fn write(&mut self, letters: &[&Query], now: Moment) {
        for letter in letters {
            let Query::Post { postbox, letter } = letter else {
                continue;
            };
            let line = || Line {
                egress: self.egress.clone(),
                address: self.address.clone(),
                vhost: self.vhost.clone(),
                ends: self.ends.clone(),
            };
            let start = || (Inspector::start(postbox.clone(), line()), now);
            let (inspector, last) = self.inspectors.entry(postbox.clone()).or_insert_with(start);
            inspector.write(letter.clone());
            *last = now;
        }
        let lately = |last: &Moment| now.saturating_sub(*last) < INSPECT_ENDS;
        self.inspectors.retain(|_, (_, last)| lately(last));
    }

    /// Reason why these workers cannot be reached.
    pub(super) fn trouble(&self, letter: &Query) -> Option<ControlTrouble> {
        let Query::Post { postbox, .. } = letter else {
            return None;
        };
        self.inspectors.get(postbox)?.0.trouble()
    }

    /// Number of the connection: it rises with each new one.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }
}

/// Reason why the connection must be given up: it broke, or the broker no longer answers on it.
async fn dead(found: &[Found], live: &Live, link: Option<&OwnedConnection>) -> Option<SampleError> {
    if !link.is_some_and(OwnedConnection::is_alive) {
        let error = found.iter().find_map(|found| found.answer.as_ref().err());
        return Some(error.copied().unwrap_or(SampleError::Disconnected));
    }
    let counts = |found: &Found| matches!(found.answer, Ok(Reply::Depth { .. } | Reply::Missing));
    let late = |found: &Found| found.answer == Err(SampleError::Timeout);
    // A queue that hangs says nothing of the connection.
    let silent = !found.iter().any(counts) && found.iter().any(late) && !lives(live).await;
    silent.then_some(SampleError::Timeout)
}

/// Attempts to connect since the last success.
#[derive(Debug, Default)]
struct Attempts {
    backoff: Backoff,
    /// Error of the last one, and the earliest time of the next.
    last: Option<(SampleError, Moment)>,
    /// Whether there was a connection once.
    connected_once: bool,
}

impl Attempts {
    /// Whether it is time for the next attempt.
    ///
    /// # Errors
    /// Not yet: the last attempt's error.
    fn may_try(&self, now: Moment) -> Result<(), SampleError> {
        match self.last {
            Some((error, next)) if now < next => Err(error),
            _ => Ok(()),
        }
    }

    /// Sets the pause, which grows with the number of failed attempts.
    fn failed(&mut self, error: SampleError, now: Moment) -> SampleError {
        let pause = scattered(self.backoff.failed(PAUSE, PAUSE_MAX));
        self.last = Some((error, now.saturating_add(pause)));
        error
    }

    /// Starts afresh; `true`: it was a reconnect.
    fn succeeded(&mut self) -> bool {
        self.backoff.succeeded();
        self.last = None;
        std::mem::replace(&mut self.connected_once, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_in_growing_scattered_pauses() {
        let mut attempts = Attempts::default();
        let mut now = Moment::ZERO;
        for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert_eq!(attempts.may_try(now), Ok(()));
            assert_eq!(attempts.failed(SampleError::Refused, now), SampleError::Refused);
            let half = now + Duration::from_millis(pause / 2) - Duration::from_millis(1);
            assert_eq!(attempts.may_try(half), Err(SampleError::Refused));
            now += Duration::from_millis(pause);
        }
        assert_eq!(attempts.may_try(now), Ok(()));
        assert!(!attempts.succeeded());
        assert!(attempts.succeeded());
    }
}
