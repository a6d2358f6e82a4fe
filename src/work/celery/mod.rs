//! Celery: what it keeps in Redis and RabbitMQ, and how that adds up.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`Celery`], the framework, and [`CeleryConfig`], what a pool says of its application |
//! | `redis.rs`, `unacked.rs` | the count on Redis; whose entries of the shared `unacked` hash are whose |
//! | `rabbitmq.rs`, `rabbitmq/held.rs` | the count on RabbitMQ; which ready messages are not due |
//! | `attend.rs` | asking single pods what they hold, and telling them to stop or resume fetching |
//! | `own.rs` | what the pool's own workers say: running tasks, acknowledged or not |
//! | `message.rs`, `stamp.rs` | queue, due time and time of publishing of a task message; times in headers |
//! | `events.rs`, `control.rs`, `wire.rs` | heartbeats; remote control; how both are wrapped |
//! | `stats.rs` | how many tasks a worker runs at a time |
//! | `pods.rs` | which pod a worker is |
//!
//! A worker that is told to stop (SIGTERM) says goodbye at once, falls silent and finishes what it runs: its early
//! acknowledged tasks can be seen by nobody then, and its prefetched ones stay unacknowledged until it exits.
#![deny(clippy::disallowed_methods)]

mod attend;
pub mod control;
pub mod events;
pub(super) mod message;
mod own;
pub mod pods;
mod rabbitmq;
mod redis;
mod stamp;
mod stats;
mod unacked;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use own::Own;

use super::{
    Attention, Care, Framework, Held, Inspect, Later, Listen, Mailbox, Moment, Now, Read, Reply, SampleError, Tally,
    Workers,
};

/// A worker that beats without a gap and has not answered for so long takes no questions (`worker_enable_remote_control
/// = False`). One that missed a beat may have been too busy to answer (`-P solo`).
const DEAF: Duration = Duration::from_secs(15);

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
    /// Nobody else says how many tasks a worker runs at a time: the workers are asked.
    pub ask_slots: bool,
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
            ask_slots: true,
        }
    }
}

/// What kombu puts between a queue's name and a step, and in bindings, unless the application says otherwise (`sep`).
pub(super) const SEPARATOR: &str = "\x06\x16";

/// How Celery's work is counted for one pool.
#[derive(Clone, Debug)]
pub struct Celery {
    config: CeleryConfig,
    attention: Attention,
    /// When each of those wishes came.
    came: BTreeMap<String, Moment>,
    /// What an earlier process remembered.
    held: Option<Held>,
}

impl Celery {
    /// For this pool.
    pub fn new(config: CeleryConfig) -> Self {
        Self {
            config,
            attention: Attention::new(),
            came: BTreeMap::new(),
            held: None,
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
}

impl CeleryConfig {
    /// The question for the workers' slots, if it is time for it.
    fn inspect_slots(&self, own: &Own) -> Option<Read> {
        (self.ask_slots && own.slots_unclear()).then(|| self.inspect(Inspect::Stats))
    }

    fn inspect(&self, method: Inspect) -> Read {
        Read::Inspect {
            method,
            mailbox: self.mailbox(Vec::new()),
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

/// The broker's permissions keep us from asking or telling workers.
fn control_refused(replies: &[Result<Reply, SampleError>]) -> bool {
    replies.iter().any(|reply| matches!(reply, Ok(Reply::Refused { .. })))
}

impl Framework for Celery {
    fn reads(&self, workers: &Workers, last: Option<&Tally>, now: Now) -> Vec<Read> {
        let own = Own::among(workers, &self.config.target, now.moment);
        let mut reads = match self.config.broker {
            BrokerKind::Redis { .. } => self::redis::reads(&self.config, &own, last),
            BrokerKind::RabbitMq { management } => rabbitmq::reads(&self.config, management, &own, last),
        };
        reads.extend(attend::reads(&self.config, &own, &self.attention));
        reads
    }

    fn tally(
        &self,
        reads: &[Read],
        replies: &[Result<Reply, SampleError>],
        workers: &Workers,
        last: Option<&Tally>,
        now: Now,
    ) -> Result<Tally, SampleError> {
        let own = Own::among(workers, &self.config.target, now.moment);
        let mut tally = match self.config.broker {
            BrokerKind::Redis { .. } => self::redis::tally(&self.config, reads, replies, &own, now),
            BrokerKind::RabbitMq { .. } => rabbitmq::tally(&self.config, reads, replies, &own, self.last(last), now),
        }?;
        for (name, care) in &self.attention {
            let came = self.came.get(name).copied().unwrap_or(now.moment);
            if let Some(pod) = tally.pods.get_mut(name) {
                pod.told = own.told(name, care, came);
                let since = own.steady_since(name).map_or(came, |steady| steady.max(came));
                let last = pod.told.as_ref().map_or(since, |told| told.asked.max(since));
                pod.deaf = pod.fresh && !tally.control_refused && now.moment.saturating_sub(last) > DEAF;
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
