//! What a broker is asked, and what it answers.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use super::{Decoder, Letter, Named, Postbox, Reader, Scan};

/// One question to a broker. Equal queries of several pools on one endpoint are sent once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// Redis: messages in this list, oldest first, as far as a bounded scan goes. A missing key is an empty list; an
    /// empty list costs one `LLEN`.
    ScanList {
        /// The whole key, prefix included.
        key: String,
        /// Decoder of one element.
        decoder: Decoder,
    },
    /// Redis: entries of this hash, whose fields are also the members of the sorted set `index`. An empty hash costs
    /// one `HLEN`.
    ScanHash {
        /// The hash's whole key.
        hash: String,
        /// The sorted set that lists the hash's fields.
        index: String,
        /// Decoder of one value.
        decoder: Decoder,
    },
    /// Redis `SMEMBERS`, bounded: the members of a set.
    SetMembers {
        /// The whole key.
        key: String,
    },
    /// Redis `LLEN`: the length of a list.
    ListLength {
        /// The whole key.
        key: String,
    },
    /// Redis `EXISTS`: 1 if the key is there, else 0.
    Exists {
        /// The whole key.
        key: String,
    },
    /// Redis `LINDEX`: the element at one end of a list.
    ListEnd {
        /// The whole key.
        key: String,
        /// End of the list.
        end: ListEnd,
    },
    /// Redis `ZCOUNT`: members of a sorted set by their scores.
    ScoreCount {
        /// The whole key.
        key: String,
        /// Scores up to this one; `None`: all.
        up_to: Option<i64>,
    },
    /// Redis `ZRANGE key 0 0 WITHSCORES`: the member of a sorted set with the lowest score, and that score.
    LowestScore {
        /// The whole key.
        key: String,
    },
    /// Redis `HMGET`: values of some fields of a hash.
    HashFields {
        /// The whole key.
        key: String,
        /// The fields.
        fields: &'static [&'static str],
    },
    /// Redis `XINFO GROUPS`: the consumer groups of a stream.
    StreamGroups {
        /// The whole key.
        key: String,
    },
    /// Redis `XRANGE`: the ids of the first entries of a stream after this one.
    StreamAfter {
        /// The whole key.
        key: String,
        /// An entry's id.
        after: String,
        /// Number of entries, at most.
        most: u16,
    },
    /// RabbitMQ passive `queue.declare`: messages ready and consumers, fresh.
    QueueDepth {
        /// The queue's name.
        queue: String,
    },
    /// RabbitMQ management, totals form: messages ready and unacknowledged.
    QueueTotals {
        /// The queue's name.
        queue: String,
    },
    /// Redis `PUBLISH`: number of clients that receive it.
    Publish {
        /// The channel.
        channel: String,
        /// The message.
        payload: Vec<u8>,
    },
    /// Redis `SADD`.
    AddMember {
        /// The set's whole key.
        key: String,
        /// The member.
        member: String,
    },
    /// Redis `SREM`.
    RemoveMember {
        /// The set's whole key.
        key: String,
        /// The member.
        member: String,
    },
    /// Redis `DEL`.
    Delete {
        /// The whole key.
        key: String,
    },
    /// Redis `RPOP`, repeated: what workers have pushed into one of the operator's lists is returned as [`Signal`](super::Signal)s,
    /// each read and dropped before the next one. An element that is too large is counted but not read.
    Pop {
        /// The list's whole key.
        list: String,
        /// Largest number of elements.
        most: usize,
        /// Reads the signals in an element.
        read: Named<Reader>,
    },
    /// RabbitMQ: publishes to workers; their answers arrive as [`Signal`](super::Signal)s.
    Post {
        /// Exchanges to use.
        postbox: Postbox,
        /// Message to publish.
        letter: Letter,
    },
}

/// One end of a Redis list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListEnd {
    /// Index 0: the oldest element where new ones are pushed at the right (`RPUSH`).
    Left,
    /// Index −1: the oldest element where new ones are pushed at the left (`LPUSH`).
    Right,
}

/// A broker's bounded answer to one [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A RabbitMQ queue's ready messages and consumers.
    Depth {
        /// Messages that wait for a consumer.
        ready: u64,
        /// Number of consumers; `None`: the query that was used does not return it.
        consumers: Option<u64>,
    },
    /// A RabbitMQ queue's totals.
    Totals {
        /// Messages that wait for a consumer.
        ready: u64,
        /// Messages delivered and not acknowledged.
        unacked: u64,
    },
    /// The queue does not exist (RabbitMQ says so; Redis cannot).
    Missing,
    /// Content of a list or a hash.
    Scan(Arc<Scan>),
    /// Members of a set.
    Members(Vec<String>),
    /// Number returned by a Redis command: elements, members, receivers, members added or removed.
    Number(u64),
    /// Texts, in the order in which they were asked for; `None` for those that are missing or no UTF-8.
    Texts(Vec<Option<String>>),
    /// The consumer groups of a stream.
    Groups(Vec<StreamGroup>),
    /// Elements taken from a list ([`Query::Pop`]).
    Popped {
        /// Number of elements.
        elements: u64,
        /// Size of the largest one, in bytes.
        largest: u64,
    },
    /// Published; answers arrive as signals ([`Query::Post`]).
    Asked,
    /// The broker's permissions keep the operator from asking workers or sending them commands.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
}

/// A consumer group of a Redis stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamGroup {
    /// Name of the group.
    pub name: String,
    /// Number of consumers in the group, also those that have gone.
    pub consumers: u64,
    /// Number of entries delivered and not acknowledged.
    pub pending: u64,
    /// Number of entries not delivered yet; `None`: Redis cannot tell (entries were deleted, or it is older than 7.0).
    pub lag: Option<u64>,
    /// Id of the last delivered entry.
    pub last_delivered: String,
}
