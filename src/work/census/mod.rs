//! A census: what a list or a hash in the broker holds, taken bit by bit and remembered, so that each message is
//! read once and never more than a bounded number of bytes at a time.
#![deny(clippy::disallowed_methods)]

mod hash;
mod list;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use hash::{HashCensus, MAX_FETCH, MAX_TAGS};
pub use list::{BYTES_A_TURN, ListCensus, MAX_ELEMENTS, MAX_LOOK};

use super::celery::message;

/// How one message is read: which queue it belongs to and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// A Celery message as it lies in a queue's list.
    CeleryMessage,
    /// A value of kombu's `unacked` hash: `[message, exchange, routing_key]`.
    CeleryUnacked,
}

impl Digest {
    /// Reads one message. Bytes that are no such message give the default entry (routing key `""`: unknown).
    pub fn read(self, bytes: &[u8]) -> Entry {
        match self {
            Self::CeleryMessage => message::queued(bytes),
            Self::CeleryUnacked => message::unacked(bytes),
        }
    }
}

/// What matters of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The exchange it was sent to; empty for the default one, whose routing key is the queue's name.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// When it may start, if it may not start at once.
    pub eta: Option<Timestamp>,
}

/// The result: how many messages there are of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All messages there (`LLEN`, `HLEN`), looked at or not.
    pub total: u64,
    /// Messages looked at, by (exchange, routing key), with the due times of those that are not due at once.
    pub kinds: BTreeMap<(String, String), Kind>,
}

/// The messages of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// How many were looked at.
    pub count: u64,
    /// The due times among them, ascending.
    pub etas: Vec<Timestamp>,
}
