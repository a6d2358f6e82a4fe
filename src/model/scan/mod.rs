//! A scan: what a list or a hash in the broker holds, taken bit by bit and remembered, so that each message is
//! read once and never more than a bounded number of bytes at a time.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the words: [`Decoder`], [`MessageInfo`], [`Scan`]; what is remembered of a message |
//! | `hash.rs` | a hash with an index of its tags (`unacked`) |
//! | `list.rs` | a list that is pushed at the left and popped at the right |
//! | `budget.rs` | how much to read at a time |
//!
//! A *turn* is one read of messages; a *sample* may take several turns (`wants_more`), of at most 2,000 messages or
//! 4 MiB together. What was not looked at counts in [`Scan::total`] and in no kind. Nothing of a message is kept but when
//! it is due, and of an entry of a hash its exchange and routing key: whoever may write there chooses them.
#![deny(clippy::disallowed_methods)]

mod budget;
mod hash;
mod list;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

pub use budget::{BYTES_A_TURN, MAX_ELEMENTS, MAX_LOOK};
pub use hash::{HashScan, MAX_FETCH, MAX_TAGS};
pub use list::ListScan;

use super::{Moment, Named};

/// Function that reads one message: which queue it belongs to and when it is due. Bytes that are no such message give
/// the default entry (routing key `""`: unknown).
pub type Decoder = Named<fn(&[u8]) -> MessageInfo>;

impl Decoder {
    /// Decoder that understands no message.
    pub const NOTHING: Self = Self::new("nothing", |_| MessageInfo {
        exchange: String::new(),
        routing_key: String::new(),
        eta: None,
        published: None,
    });

    /// Reads one message.
    pub fn read(self, bytes: &[u8]) -> MessageInfo {
        (self.get())(bytes)
    }
}

/// Information that is read from one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageInfo {
    /// Exchange it was sent to; empty for the default one, whose routing key is the name of the queue.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Time at which it may start, if not at once.
    pub eta: Option<Timestamp>,
    /// Time at which it was published, as it says itself.
    pub published: Option<Timestamp>,
}

/// Result: the number of messages of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Number of all messages in the list or hash (`LLEN`, `HLEN`), read or not.
    pub total: u64,
    /// Messages that were read, by (exchange, routing key), with the due times of those that are not due at once. Those
    /// of a list are of one kind without a name: their queue is known.
    pub kinds: BTreeMap<(String, String), MessageKind>,
    /// Oldest message of a list, if it could be read.
    pub oldest: Option<Oldest>,
}

/// Oldest message of a list: the next one that a worker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// Latest moment from which it has been the oldest: it was in the list before.
    pub seen: Moment,
    /// Time at which it was published, as it says itself.
    pub published: Option<Timestamp>,
    /// Time at which it may start, if not at once.
    pub eta: Option<Timestamp>,
}

/// Messages of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageKind {
    /// Number of messages that were read.
    pub count: u64,
    /// Due times among them, ascending.
    pub etas: Vec<Timestamp>,
}

/// Largest number of kinds of messages that are distinguished: to find the owner of each takes time.
pub const MAX_KINDS: usize = 1_000;

/// Exchange and routing key, which distinguish kinds.
type Name = (String, String);

/// Remembered part of one message: a few bytes; the names are shared by all messages of its kind.
#[derive(Clone, Debug)]
struct SeenMessage {
    name: Arc<Name>,
    eta: Option<Timestamp>,
}

/// Names in use, each held once. Their number is bounded, whatever the messages say; a message with a name beyond it is
/// of an unknown kind.
#[derive(Clone, Debug, Default)]
struct Names(HashSet<Arc<Name>>);

impl Names {
    /// Reduces an entry to what is remembered.
    fn keep(&mut self, entry: MessageInfo) -> SeenMessage {
        let mut name = Arc::new((entry.exchange, entry.routing_key));
        if self.0.len() >= MAX_KINDS && !self.0.contains(&name) {
            name = Arc::default();
        }
        let name = match self.0.get(&name) {
            Some(known) => Arc::clone(known),
            None => {
                self.0.insert(Arc::clone(&name));
                name
            }
        };
        SeenMessage { name, eta: entry.eta }
    }

    /// Drops names that no message has any more, once there are many: a steady set of queues costs no search.
    fn tidy(&mut self) {
        if self.0.len() > MAX_KINDS / 2 {
            self.0.retain(|name| Arc::strong_count(name) > 1);
        }
    }
}

impl Scan {
    /// Counts the messages of one kind, by their due times.
    fn of_one_kind(total: u64, seen: impl Iterator<Item = Option<Timestamp>>) -> Self {
        let mut kind = MessageKind::default();
        for eta in seen {
            kind.count += 1;
            kind.etas.extend(eta);
        }
        kind.etas.sort_unstable();
        Self {
            total: total.max(kind.count),
            kinds: (kind.count > 0).then(|| (Name::default(), kind)).into_iter().collect(),
            oldest: None,
        }
    }

    /// Counts the messages that were read. Each of them exists, so the total is never smaller than their number.
    fn of<'a>(total: u64, seen: impl Iterator<Item = &'a SeenMessage>) -> Self {
        // By address: one comparison of numbers for each message, of names only for each kind.
        let mut kinds: HashMap<*const Name, (&Name, MessageKind)> = HashMap::new();
        let mut looked = 0;
        for one in seen {
            let (_, kind) = kinds
                .entry(Arc::as_ptr(&one.name))
                .or_insert_with(|| (&one.name, MessageKind::default()));
            kind.count += 1;
            kind.etas.extend(one.eta);
            looked += 1;
        }
        let kinds = kinds.into_values().map(|(name, mut kind)| {
            kind.etas.sort_unstable();
            (name.clone(), kind)
        });
        Self {
            total: total.max(looked),
            kinds: kinds.collect(),
            oldest: None,
        }
    }
}

#[cfg(test)]
mod tests;
