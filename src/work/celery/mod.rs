//! Celery: what it keeps in Redis and RabbitMQ, and how that adds up.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`Celery`], the framework, and [`CeleryConfig`], what a pool says of its application |
//! | `redis.rs`, `unacked.rs` | the count on Redis; whose entries of the shared `unacked` hash are whose |
//! | `rabbitmq.rs` | the count on RabbitMQ |
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

use std::{collections::BTreeMap, mem, time::Duration};

use own::Own;

use super::{
    Attention, Framework, Inspect, Listen, Mailbox, Moment, Now, Read, Reply, SampleError, Stance, Tally, Workers,
};

/// A worker that beats and has not answered for so long takes no questions (`worker_enable_remote_control = False`).
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
    /// `priority_steps`: by default 0, 3, 6, 9. Redis only.
    pub priority_steps: Vec<u8>,
    /// `sep`: between a queue's name and a step, and in bindings; by default `\x06\x16`. Redis only.
    pub separator: String,
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
            priority_steps: vec![0, 3, 6, 9],
            separator: "\x06\x16".into(),
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

/// How Celery's work is counted for one pool.
#[derive(Clone, Debug)]
pub struct Celery {
    config: CeleryConfig,
    attention: Attention,
    /// Since when each of those pods has been looked after in this way.
    since: BTreeMap<String, Moment>,
}

impl Celery {
    /// For this pool.
    pub fn new(config: CeleryConfig) -> Self {
        Self {
            config,
            attention: Attention::new(),
            since: BTreeMap::new(),
        }
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

    fn mailbox(&self, nodes: Vec<String>) -> Mailbox {
        Mailbox {
            exchange: self.control_exchange.clone(),
            prefix: match self.broker {
                BrokerKind::Redis { .. } => self.key_prefix.clone(),
                BrokerKind::RabbitMq { .. } => String::new(),
            },
            nodes,
        }
    }
}

/// The broker's permissions keep us from asking or telling workers.
fn control_refused(replies: &[Result<Reply, SampleError>]) -> bool {
    replies.contains(&Ok(Reply::Refused))
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
        now: Now,
    ) -> Result<Tally, SampleError> {
        let own = Own::among(workers, &self.config.target, now.moment);
        let mut tally = match self.config.broker {
            BrokerKind::Redis { .. } => self::redis::tally(&self.config, reads, replies, &own, now),
            BrokerKind::RabbitMq { .. } => rabbitmq::tally(&self.config, reads, replies, &own),
        }?;
        for (name, stance) in &self.attention {
            let since = self.since.get(name).copied().unwrap_or(now.moment);
            if let Some(pod) = tally.pods.get_mut(name) {
                pod.told = own.told(name, stance, since);
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
        let same = |pod: &String, stance: &Stance| {
            let before = self.attention.get(pod);
            before.is_some_and(|before| mem::discriminant(before) == mem::discriminant(stance))
        };
        let since = |(pod, stance): (&String, &Stance)| {
            let since = self.since.get(pod).filter(|_| same(pod, stance));
            (pod.clone(), since.copied().unwrap_or(now))
        };
        self.since = attention.iter().map(since).collect();
        self.attention = attention;
    }
}

#[cfg(test)]
mod tests;
