//! What a pool says of its Celery application.
#![deny(clippy::disallowed_methods)]

use crate::framework::celery::ask::{Ask, Inspect, Mailbox};
use crate::model::{Named, Place, Subscription};

use super::{events, wire::Wire};

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

impl CeleryConfig {
    /// A question to everybody. Perhaps nobody is there yet, so the separator is what workers show and never the pool's word:
    /// a wrong one would stand in their bindings when the first of them comes.
    pub(super) fn inspect(&self, method: Inspect) -> Ask {
        Ask::Inspect {
            method,
            mailbox: Mailbox {
                separator: None,
                ..self.mailbox(Vec::new())
            },
        }
    }

    /// What joins the parts of a key or a binding.
    pub(super) fn separator(&self) -> &str {
        self.separator.as_deref().unwrap_or(SEPARATOR)
    }

    pub(super) fn mailbox(&self, nodes: Vec<String>) -> Mailbox {
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

    /// Where its workers announce themselves.
    pub fn listen(&self) -> Subscription {
        match self.broker {
            BrokerKind::Redis { db } => {
                let usual = || format!("{}/{db}.{}/*", self.key_prefix, self.event_exchange);
                Subscription {
                    place: Place::Pattern {
                        pattern: self.heartbeat_channel.clone().unwrap_or_else(usual),
                        channel: Named::new("not of tasks", |channel| !events::is_of_tasks(channel)),
                    },
                    read: Named::new("kombu", |payload| events::signals(payload, Wire::Kombu)),
                }
            }
            BrokerKind::RabbitMq { .. } => Subscription {
                place: Place::TopicExchange {
                    exchange: self.event_exchange.clone(),
                    key: events::KEY,
                },
                read: Named::new("celery", |payload| events::signals(payload, Wire::Plain)),
            },
        }
    }
}
