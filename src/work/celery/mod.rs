//! Celery: what it keeps in Redis and RabbitMQ, and how that adds up.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`Celery`], the framework, and [`CeleryConfig`], what a pool says of its application |
//! | `redis.rs`, `unacked.rs`, `routes.rs` | the count on Redis; whose entries of the shared `unacked` hash are whose |
//! | `rabbitmq.rs`, `rabbitmq/held.rs` | the count on RabbitMQ; which ready messages are not due |
//! | `asking.rs` | whom to ask what, and how soon again |
//! | `attend.rs` | asking single pods what they hold, and telling them to stop or resume fetching |
//! | `own.rs`, `fetches.rs` | what the pool's own workers say: running tasks, acknowledged or not; which queues they fetch |
//! | `message.rs`, `stamp.rs` | queue, due time and time of publishing of a task message; times in headers |
//! | `events.rs`, `control.rs`, `wire.rs` | heartbeats; remote control; how both are wrapped |
//! | `stats.rs` | what a worker is: its slots, its counter, its application's options |
//! | `pods.rs` | which pod a worker is |
//!
//! A worker that is told to stop (SIGTERM) says goodbye at once, falls silent and finishes what it runs: its early
//! acknowledged tasks can be seen by nobody then, and its prefetched ones stay unacknowledged until it exits.
#![deny(clippy::disallowed_methods)]

mod asking;
mod attend;
pub mod control;
pub mod events;
mod fetches;
pub(super) mod message;
mod own;
pub mod pods;
mod rabbitmq;
mod redis;
mod routes;
mod stamp;
mod stats;
mod unacked;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use asking::Asking;
use own::Own;
use pods::Placed;

use super::{
    Attention, Care, Control, Framework, Held, Inspect, Later, Listen, Mailbox, Moment, Now, Read, Reply, Roster,
    SampleError, Tally, Workers,
};

/// A worker that beats without a gap and has not answered for so long takes no questions (`worker_enable_remote_control
/// = False`). One that missed a beat may have been too busy to answer (`-P solo`).
const DEAF: Duration = Duration::from_secs(15);

/// So often everybody is asked who is there while ready pods are not heard.
const SEEK_PACE: Duration = Duration::from_secs(5);

/// So often the bindings are looked at for the application's separator, where the pool does not say it.
const SEEK_SEPARATOR: Duration = Duration::from_secs(60);

/// Workers that do not beat are asked what they run.
const SILENT_PACE: Duration = Duration::from_secs(2);

/// Workers are asked what they are and what they fetch from, where it is not known.
const TRAITS_PACE: Duration = Duration::from_secs(10);

/// Which broker the pool's Celery application uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// Redis, one database.
    Redis {
        /// The database number: part of the pub/sub channels' names.
        db: u32,
    },
    /// RabbitMQ, one virtual host.
    RabbitMq {
        /// The pool configures the management API: unacknowledged messages can be counted.
        management: bool,
    },
}

/// What a pool says of its Celery application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeleryConfig {
    /// The broker.
    pub broker: BrokerKind,
    /// The queues' names.
    pub queues: Vec<String>,
    /// `global_keyprefix`; usually empty. Redis only.
    pub key_prefix: String,
    /// `priority_steps`: by default 0 to 9, among which Celery's own 0, 3, 6, 9 are; a key that is not there costs nothing.
    /// Redis only.
    pub priority_steps: Vec<u8>,
    /// `sep`: between a queue's name and a step, and in bindings; `\x06\x16` if neither the pool says nor the application
    /// shows another one. Redis only.
    pub separator: Option<String>,
    /// `unacked_key`, by default `unacked`. Redis only.
    pub unacked_key: String,
    /// `unacked_index_key`, by default `unacked_index`. Redis only.
    pub unacked_index_key: String,
    /// `control_exchange`, by default `celery`.
    pub control_exchange: String,
    /// `event_exchange`, by default `celeryev`.
    pub event_exchange: String,
    /// The pattern to subscribe to for heartbeats, if not the usual one (Redis ACLs compare its text). Redis only.
    pub heartbeat_channel: Option<String>,
    /// The Deployment's name, by which its pods' workers are recognised.
    pub target: String,
}

impl Default for CeleryConfig {
    /// Celery's own defaults, with the queue `celery` in database 0.
    fn default() -> Self {
        Self {
            broker: BrokerKind::Redis { db: 0 },
            queues: vec!["celery".into()],
            key_prefix: String::new(),
            priority_steps: (0..=9).collect(),
            separator: None,
            unacked_key: "unacked".into(),
            unacked_index_key: "unacked_index".into(),
            control_exchange: "celery".into(),
            event_exchange: "celeryev".into(),
            heartbeat_channel: None,
            target: String::new(),
        }
    }
}

/// What kombu puts between a queue's name and a step, and in bindings, unless the application says otherwise (`sep`).
pub const SEPARATOR: &str = "\x06\x16";

/// How Celery's work is counted for one pool.
#[derive(Clone, Debug)]
pub struct Celery {
    config: CeleryConfig,
    roster: Roster,
    placed: Placed,
    attention: Attention,
    /// When each of those wishes came.
    came: BTreeMap<String, Moment>,
    asking: Asking,
    /// What was found of the application in the broker.
    found: Found,
    /// What an earlier process remembered.
    held: Option<Held>,
    /// When remote control did not work last.
    failed_at: Option<Moment>,
}

/// What an application's own keys show of it (Redis).
#[derive(Clone, Debug, Default)]
struct Found {
    /// `sep`, where the pool does not say it.
    separator: Option<String>,
    /// When it was looked for.
    sought: Option<Moment>,
}

impl Celery {
    /// For this pool.
    pub fn new(config: CeleryConfig) -> Self {
        Self {
            config,
            roster: Roster::default(),
            placed: Placed::default(),
            attention: Attention::new(),
            came: BTreeMap::new(),
            asking: Asking::default(),
            found: Found::default(),
            held: None,
            failed_at: None,
        }
    }

    /// With what an earlier process remembered of tasks that are not due.
    pub fn remembering(self, held: Option<Held>) -> Self {
        Self { held, ..self }
    }

    fn last(&self, last: Option<&Tally>) -> rabbitmq::Last {
        let first = rabbitmq::Last {
            later: Later {
                held: self.held,
                ..Later::default()
            },
            ..rabbitmq::Last::default()
        };
        last.map_or(first, rabbitmq::Last::of)
    }

    /// As the pool says, and where it says nothing as the application shows.
    fn known(&self) -> CeleryConfig {
        CeleryConfig {
            separator: self.config.separator.clone().or_else(|| self.found.separator.clone()),
            ..self.config.clone()
        }
    }

    /// Where the application's separator shows, if it is to be looked for now.
    fn seek_separator(&mut self, now: Now) -> Option<Read> {
        let redis = matches!(self.config.broker, BrokerKind::Redis { .. });
        let sought = |at: Moment| now.moment.saturating_sub(at) < SEEK_SEPARATOR;
        if !redis || self.config.separator.is_some() || self.found.sought.is_some_and(sought) {
            return None;
        }
        self.found.sought = Some(now.moment);
        self.separators()
    }

    /// Where it shows: the first read of a sample, if it is one of it.
    fn separators(&self) -> Option<Read> {
        let queue = self.config.queues.first()?;
        Some(Read::SetMembers {
            key: self::redis::binding_key(&self.config, queue),
        })
    }

    /// Takes in what the bindings of the pool's first queue show. That they cannot be read is no trouble of the count.
    fn find_separator(&mut self, reply: Option<&Result<Reply, SampleError>>) {
        if let Some(Ok(Reply::Members(members))) = reply
            && let Some(queue) = self.config.queues.first()
            && let Some(separator) = members.iter().find_map(|member| routes::separator_of(member, queue))
        {
            self.found.separator = Some(separator);
        }
    }

    /// Asks who is there, and what they are, as long as there are more ready pods than are heard: workers that do not
    /// beat are known by their answers, and those of other names by what they fetch from.
    fn seek(&mut self, own: &Own, now: Now) -> Vec<Read> {
        let missing = self.roster.ready as usize > own.pods_heard();
        if !missing {
            return Vec::new();
        }
        let others = own.others_unclear();
        let mut reads = self
            .asking
            .ask(&self.config, Inspect::ActiveQueues, &others, SEEK_PACE, now);
        reads.extend(self.asking.ping(&self.config, SEEK_PACE, now));
        reads
    }

    /// What the pool's workers are asked for their own sake.
    fn questions(&mut self, own: &Own, now: Now) -> Vec<Read> {
        let config = &self.config;
        let mut reads = Vec::new();
        let silent = own.silent_unclear();
        for (method, nodes, pace) in [
            (Inspect::Reserved, &silent, SILENT_PACE),
            (Inspect::Active, &silent, SILENT_PACE),
            (Inspect::Stats, &own.stats_unclear(), TRAITS_PACE),
            (Inspect::ActiveQueues, &own.queues_unclear(), TRAITS_PACE),
        ] {
            reads.extend(self.asking.ask(config, method, nodes, pace, now));
        }
        reads
    }
}

impl CeleryConfig {
    /// A question to everybody. Perhaps nobody is there yet, so the separator is what workers show and never the pool's word:
    /// a wrong one would stand in their bindings when the first of them comes.
    fn inspect(&self, method: Inspect) -> Read {
        Read::Inspect {
            method,
            mailbox: Mailbox {
                separator: None,
                ..self.mailbox(Vec::new())
            },
        }
    }

    /// What joins the parts of a key or a binding.
    fn separator(&self) -> &str {
        self.separator.as_deref().unwrap_or(SEPARATOR)
    }

    fn mailbox(&self, nodes: Vec<String>) -> Mailbox {
        Mailbox {
            exchange: self.control_exchange.clone(),
            prefix: match self.broker {
                BrokerKind::Redis { .. } => self.key_prefix.clone(),
                BrokerKind::RabbitMq { .. } => String::new(),
            },
            separator: self.separator.clone(),
            nodes,
        }
    }
}

/// How it stands with asking and telling workers, by this sample's attempts; without one as it stood before.
fn control(reads: &[Read], replies: &[Result<Reply, SampleError>], last: Option<&Tally>) -> Control {
    let attempts = reads.iter().zip(replies);
    let mut attempts = attempts
        .filter(|(read, _)| matches!(read, Read::Inspect { .. } | Read::Tell { .. }))
        .peekable();
    if attempts.peek().is_none() {
        return last.map(|last| last.control.clone()).unwrap_or_default();
    }
    let trouble = attempts.find_map(|(_, reply)| match reply {
        Ok(Reply::Refused { right }) => Some(Control::Refused { right: right.clone() }),
        Err(error) => Some(Control::Failing(*error)),
        Ok(_) => None,
    });
    trouble.unwrap_or_default()
}

impl Framework for Celery {
    fn reads(&mut self, workers: &Workers, last: Option<&Tally>, now: Now) -> Vec<Read> {
        self.asking.tidy(now.moment);
        let config = self.known();
        self.placed.renew(workers, &config.target, &self.roster.pods);
        let placed = std::mem::take(&mut self.placed);
        let own = Own::among(workers, &config.target, &placed, now.moment);
        let mut reads: Vec<_> = self.seek_separator(now).into_iter().collect();
        reads.extend(match config.broker {
            BrokerKind::Redis { .. } => self::redis::reads(&config, &own, last, &mut self.asking, now),
            BrokerKind::RabbitMq { management } => {
                rabbitmq::reads(&config, management, &own, last, &mut self.asking, now)
            }
        });
        reads.extend(attend::reads(
            &config,
            &own,
            &self.attention,
            &self.came,
            &mut self.asking,
            now,
        ));
        reads.extend(self.questions(&own, now));
        reads.extend(self.seek(&own, now));
        self.placed = placed;
        reads
    }

    fn tally(
        &mut self,
        reads: &[Read],
        replies: &[Result<Reply, SampleError>],
        workers: &Workers,
        last: Option<&Tally>,
        now: Now,
    ) -> Result<Tally, SampleError> {
        let (mut reads, mut replies) = (reads, replies);
        if !reads.is_empty() && reads.first() == self.separators().as_ref() {
            self.find_separator(replies.first());
            (reads, replies) = (reads.get(1..).unwrap_or_default(), replies.get(1..).unwrap_or_default());
        }
        let config = self.known();
        self.placed.renew(workers, &config.target, &self.roster.pods);
        let own = Own::among(workers, &config.target, &self.placed, now.moment);
        let control = control(reads, replies, last);
        if control != Control::Works {
            self.failed_at = Some(now.moment);
        }
        let before = rabbitmq::Last {
            refused: matches!(control, Control::Refused { .. }),
            ..self.last(last)
        };
        let mut tally = match config.broker {
            BrokerKind::Redis { .. } => self::redis::tally(&config, reads, replies, &own, now),
            BrokerKind::RabbitMq { .. } => rabbitmq::tally(&config, reads, replies, &own, before, now),
        }?;
        tally.control = control;
        tally.hearing = self.listen().map(|to| workers.hearing(&to)).unwrap_or_default();
        if self.roster.ready as usize > own.pods_heard() {
            tally.strangers = own.strangers(&config.target, &config.queues);
        }
        for (name, care) in &self.attention {
            let came = self.came.get(name).copied().unwrap_or(now.moment);
            if let Some(pod) = tally.pods.get_mut(name) {
                pod.told = own.told(name, care, came);
                let since = own.steady_since(name).map_or(came, |steady| steady.max(came));
                let waited = |since: Moment| now.moment.saturating_sub(since) > DEAF;
                let told = pod.told.as_ref().map_or(since, |told| told.asked.max(since));
                let answered = own.answered(name).is_some_and(|at| !waited(at));
                // Who could not be asked has not failed to answer.
                let asked = self.failed_at.is_none_or(waited);
                let unanswered = pod.fresh && asked && waited(told);
                // Who ever answered takes questions.
                let never = own.never_answered(name);
                (pod.deaf, pod.partly) = (unanswered && never, unanswered && answered);
            }
        }
        Ok(tally)
    }

    fn listen(&self) -> Option<Listen> {
        let config = &self.config;
        Some(match config.broker {
            BrokerKind::Redis { db } => {
                let usual = || format!("{}/{db}.{}/*", config.key_prefix, config.event_exchange);
                Listen::Pattern(config.heartbeat_channel.clone().unwrap_or_else(usual))
            }
            BrokerKind::RabbitMq { .. } => Listen::TopicExchange(config.event_exchange.clone()),
        })
    }

    fn roster(&mut self, roster: Roster) {
        self.roster = roster;
    }

    fn attend(&mut self, attention: Attention, now: Moment) {
        let came = |(pod, care): (&String, &Care)| {
            let same = self.attention.get(pod).is_some_and(|before| before.since == care.since);
            let came = self.came.get(pod).filter(|_| same);
            (pod.clone(), came.copied().unwrap_or(now))
        };
        self.came = attention.iter().map(came).collect();
        self.attention = attention;
    }
}

#[cfg(test)]
mod tests;
