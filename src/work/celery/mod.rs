//! Celery.
#![deny(clippy::disallowed_methods)]

pub mod control;
pub mod events;
pub(crate) mod message;
pub mod pods;

use super::{Framework, Listen, Now, Read, Reply, SampleError, Tally, Workers};

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
        }
    }
}

/// How Celery's work is counted for one pool.
#[derive(Clone, Debug)]
pub struct Celery {
    config: CeleryConfig,
}

impl Celery {
    /// For this pool.
    pub fn new(config: CeleryConfig) -> Self {
        Self { config }
    }
}

impl Framework for Celery {
    fn reads(&self, _workers: &Workers, _last: Option<&Tally>, _now: Now) -> Vec<Read> {
        Vec::new()
    }

    fn tally(
        &self,
        _reads: &[Read],
        _replies: &[Result<Reply, SampleError>],
        _workers: &Workers,
        _now: Now,
    ) -> Result<Tally, SampleError> {
        Ok(Tally::default())
    }

    fn listen(&self) -> Option<Listen> {
        Some(Listen::TopicExchange(self.config.event_exchange.clone()))
    }
}
