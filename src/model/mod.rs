//! The words that all share, and the seam between brokers and frameworks. Pure: values in, values out.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | what is asked and answered ([`Query`], [`Reply`]), and what it adds up to ([`Tally`]) |
//! | `framework.rs` | the seam: [`Framework`] says what to ask and what it means |
//! | `scan/` | what a list or a hash holds, looked at bit by bit |
//! | `error.rs` | why a read failed |
//! | `named.rs` | functions that can be compared |
//! | `later.rs` | tasks that are not due and that the broker does not show |
//! | `words.rs` | a framework's own terms in what users are told |
//!
//! The `broker` module asks the questions and knows no framework; the `scaling` module decides from [`Work`] and knows no
//! broker.
#![deny(clippy::disallowed_methods)]

mod error;
mod framework;

mod later;
mod named;
pub mod scan;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

pub use error::{SampleError, Word};
pub use framework::{
    Application, Framework, Letter, Place, PoolId, Postbox, Reader, Replies, Signal, Step, Subscription, keep,
};
pub use later::{Delayed, DelayedTasks, KeepAlive};
pub use named::Named;
pub use scan::{Decoder, MessageInfo, Oldest, Scan};
pub use words::Words;

/// A point on the process's own steady clock. Ages and windows use it, never the wall clock.
pub type Moment = Duration;

/// The two clocks of one sample: the wall clock for times that others wrote (an `eta`), the steady one for ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time, to compare with times found in messages.
    pub wall: Timestamp,
    /// Steady time, to compute ages.
    pub moment: Moment,
}

/// Which broker an application uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// Redis, one database.
    Redis {
        /// Number of the database.
        db: u32,
    },
    /// RabbitMQ, one virtual host.
    RabbitMq {
        /// The pool configures the management API: unacknowledged messages can be counted.
        management: bool,
    },
}

/// How an application reads a broker URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlDialect {
    /// As kombu does (Celery).
    Kombu,
    /// As redis-py does; Redis only.
    RedisPy,
}

/// How long before a scheduled task comes due its pool is woken, as long as nobody knows better: a typical pod start-up.
pub const WAKE_AHEAD: Duration = Duration::from_secs(30);

/// One question to a broker. Equal reads of several pools on one endpoint are asked once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// Redis: what are the messages in this list (oldest first), as far as a bounded look tells? A missing key is an
    /// empty list, and an empty list costs one `LLEN`.
    ScanList {
        /// The whole key, prefix included.
        key: String,
        /// How to read one element.
        decoder: Decoder,
    },
    /// Redis: what are the entries of this hash, whose tags are also the members of the sorted set `index`? An empty
    /// hash costs one `HLEN`.
    ScanHash {
        /// The hash's whole key.
        hash: String,
        /// The sorted set that lists the hash's fields.
        index: String,
        /// How to read one value.
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
        /// Which end.
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
    /// Redis `PUBLISH`: how many hear it.
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
    /// Redis `RPOP`, again and again: what workers have pushed into a list of our own comes as [`Signal`]s, each read as it
    /// comes and let go before the next one. An element that is too large counts, and says nothing.
    Pop {
        /// The list's whole key.
        list: String,
        /// So many elements at most.
        most: usize,
        /// What each says.
        read: Named<Reader>,
    },
    /// RabbitMQ: publish to workers; what they answer comes as [`Signal`]s.
    Post {
        /// Where to.
        postbox: Postbox,
        /// What.
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

/// The names of the queues that a worker fetches from. Equal ones are held once, whoever fetches from them.
pub type Queues = Arc<BTreeSet<String>>;

/// Which queues each worker of a pod fetches from, by node name: two workers of one pod may have queues of their own.
pub type Consumers = BTreeMap<String, BTreeSet<String>>;

/// How a pod of the pool is to be looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Ask its workers what they hold.
    Report,
    /// The same, and they are to fetch no more from these queues.
    Cordon(Consumers),
    /// The same, and they are to fetch from these queues again.
    Uncordon(Consumers),
}

/// How a pod is to be looked after, and since when: the moment is given by whoever wishes it, and tells one wish from the
/// next one of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIntent {
    /// How.
    pub stance: Intent,
    /// Since when.
    pub since: Moment,
}

/// The pods to look after closely, by name.
pub type PodIntents = BTreeMap<String, PodIntent>;

/// The target's pods, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Their names, as they were listed last; none: never.
    pub pods: Arc<BTreeSet<String>>,
    /// So many are ready, so that it is known when some are not heard.
    pub ready: u32,
}

/// How it stands with what is listened to ([`Subscription`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hearing {
    /// Not subscribed yet.
    #[default]
    NotYet,
    /// Subscribed: whoever announces itself is heard.
    Works,
    /// The broker's permissions refuse it.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
    /// It is tried, and fails.
    Failing(SampleError),
}

/// A broker's bounded answer to one [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A RabbitMQ queue's ready messages and consumers.
    Depth {
        /// Messages that wait for a consumer.
        ready: u64,
        /// Consumers now; `None`: the broker was asked in a way that does not tell.
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
    /// What a list or a hash holds.
    Scan(Arc<Scan>),
    /// Members of a set.
    Members(Vec<String>),
    /// What a command of Redis counts: elements, members, who heard, members that were added or removed.
    Number(u64),
    /// Texts, in the order in which they were asked for; what is not there is `None`, and so is what is no UTF-8.
    Texts(Vec<Option<String>>),
    /// The consumer groups of a stream.
    Groups(Vec<StreamGroup>),
    /// Elements that were taken from a list ([`Query::Pop`]).
    Popped {
        /// So many.
        elements: u64,
        /// Bytes of the largest of them.
        largest: u64,
    },
    /// Nothing to say: what answers come arrive elsewhere ([`Query::Post`]).
    Asked,
    /// The broker's permissions keep us from asking and telling workers.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
}

/// A consumer group of a Redis stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamGroup {
    /// Its name.
    pub name: String,
    /// Consumers that it knows, also those that have gone.
    pub consumers: u64,
    /// Entries that were delivered and not acknowledged.
    pub pending: u64,
    /// Entries that were not delivered yet; `None`: Redis cannot tell (entries were deleted, or it is older than 7.0).
    pub lag: Option<u64>,
    /// Id of the entry that was delivered last.
    pub last_delivered: String,
}

/// The work of one pool, counted at one moment. All of it: also what has left the list and is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Waits for a worker now: all queues, all priority keys, without tasks that are not due yet.
    pub ready: u64,
    /// Delivered and not finished: reserved and running, also running tasks that are in no key or queue any more.
    pub in_flight: u64,
    /// Of `in_flight`: known to run now (the workers say so).
    pub running: u64,
    /// Not due yet (ETA, countdown, retry).
    pub scheduled: u64,
    /// Of `scheduled`: due within [`WAKE_AHEAD`].
    pub due_soon: u64,
    /// Why one worker has to stay for tasks that are not due, or may be there (RabbitMQ).
    pub stay: Option<KeepAlive>,
    /// Of `in_flight`: in the hands of no worker that is heard and has said what it holds, so perhaps of one that died.
    /// `None`: not known, or it makes no difference: the broker gives them back by itself.
    pub unheld: Option<u64>,
    /// When the next scheduled task comes due, where that can be seen.
    pub next_due: Option<Timestamp>,
    /// Since when the oldest ready task has waited, as far as that can be seen: at least so long, perhaps longer.
    pub oldest: Option<Since>,
}

/// Since when something has been so: a point in time, so that a count in which nothing moves stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Since this time of the wall clock: somebody wrote it down.
    Told(Timestamp),
    /// Since this moment at the latest: it was so when it was first looked at.
    Seen(Moment),
}

impl Since {
    /// How long that is.
    pub fn age(self, now: Now) -> Duration {
        match self {
            Self::Told(at) => Duration::try_from(now.wall.duration_since(at)).unwrap_or_default(),
            Self::Seen(at) => now.moment.saturating_sub(at),
        }
    }
}

impl Work {
    /// Work that needs workers now: ready, in flight, and due within a start-up time.
    pub fn outstanding(&self) -> u64 {
        self.ready.saturating_add(self.in_flight).saturating_add(self.due_soon)
    }
}

/// One queue's share of a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTally {
    /// The queue's name as in `spec.queues`.
    pub queue: String,
    /// Ready messages in it.
    pub ready: u64,
    /// The broker says that it does not exist.
    pub missing: bool,
}

impl QueueTally {
    /// Nothing in this queue.
    pub fn none(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            ready: 0,
            missing: false,
        }
    }
}

/// What the replies of one sample add up to for one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The sum.
    pub work: Work,
    /// Per queue, in the order of `spec.queues`.
    pub queues: Vec<QueueTally>,
    /// The pods whose workers are heard, or were, by name. One that said no goodbye may be busy rather than gone.
    pub pods: BTreeMap<String, PodReport>,
    /// What can be known of the pods' workers, and what they can be told.
    pub drain: DrainSupport,
    /// How it stands with asking and telling workers.
    pub control: Control,
    /// How it stands with hearing them.
    pub hearing: Hearing,
    /// Workers that are there and may be the pool's, but whose names fit none of its pods, or several; few of them.
    pub strangers: Vec<String>,
    /// What each of the pool's pods was last heard to fetch from; only of those that said it.
    pub fetches: BTreeMap<String, Queues>,
    /// What the pool counts is not what the workers take, by what the broker or they themselves say: a reason, and a sentence
    /// with the fix.
    pub mismatch: Option<(&'static str, String)>,
    /// Tasks that each pod runs at a time, as its workers say; of pods that differ the fewest. `None`: nobody told.
    pub slots: Option<u32>,
    /// Tasks the pool's workers have taken on so far (a counter that falls when workers leave); `None`: nobody told.
    pub processed: Option<u64>,
    /// Some of the pool's workers are there: they beat or answer.
    pub workers_heard: bool,
    /// A read failed that the sum can do without, at the price of counting too much rather than too little.
    pub degraded: Option<SampleError>,
    /// What is known of tasks that are not due and that the broker does not show as such.
    pub later: DelayedTasks,
}

/// What the workers of one pod say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodReport {
    /// Tasks they run now, as far as they are heard.
    pub running: u32,
    /// One of them is there at least: it beat or answered lately.
    pub live: bool,
    /// All that are there said so a moment ago; otherwise `running` may be old, and of those that fell silent it is 0.
    pub fresh: bool,
    /// All that are there say every few seconds what they run; one with `--heartbeat-interval 30` does not.
    pub tells: bool,
    /// One of them fell silent, or said goodbye while others stay: when the last of those was heard last. It may be busy.
    pub silent: Option<Moment>,
    /// All that fell silent run tasks themselves (`--pool solo`), so that is what they do.
    pub solo: bool,
    /// Several of its workers go by this name: what is said under it says nothing of each.
    pub doubled: Option<String>,
    /// Since when they have run nothing, as far as their beats tell.
    pub idle_since: Option<Moment>,
    /// What they answered when they were asked; only of pods that are looked after ([`PodIntents`]).
    pub report: Option<WorkerReport>,
    /// They beat, and have been asked for so long without an answer that none will come: they do not take questions.
    pub unresponsive: bool,
    /// They answer, but not every question, although it was asked for long: an answer may be larger than is accepted.
    pub partly: bool,
}

impl PodReport {
    /// Takes in what another worker of the pod says. One that fell silent is told of by `silent` alone.
    pub fn join(&mut self, of: Self) {
        let both = |own, others| match (self.live, of.live) {
            (true, true) => own && others,
            (true, false) => own,
            _ => others,
        };
        (self.fresh, self.tells) = (both(self.fresh, of.fresh), both(self.tells, of.tells));
        self.running = self.running.saturating_add(of.running);
        self.live |= of.live;
        self.solo = match (self.silent, of.silent) {
            (Some(_), Some(_)) => self.solo && of.solo,
            _ => self.solo || of.solo,
        };
        self.silent = self.silent.max(of.silent);
        self.doubled = self.doubled.take().or(of.doubled);
        self.idle_since = self.idle_since.zip(of.idle_since).map(|(a, b)| a.max(b));
    }
}

/// The answers of all workers of one pod, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// The queues that each of them fetches from.
    pub consumes: Consumers,
    /// Since when none of them has fetched from any queue, as far as they were to stop: the moment of the question.
    pub stopped_since: Option<Moment>,
    /// They were to resume ([`Intent::Uncordon`]), were asked after that, and do.
    pub resumed: bool,
    /// [`PodIntent::since`] of the wish under which they were asked: what they say is true of no other.
    pub since: Moment,
    /// When the questions for the numbers below were asked: the oldest of them.
    pub asked: Moment,
    /// Tasks they run.
    pub running: u32,
    /// Tasks they have fetched and not begun.
    pub reserved: u32,
    /// Tasks with an ETA that they hold: those never run out, and go back to the queue when the worker stops.
    pub scheduled: u32,
    /// When the first of those comes due; `None`: they do not say it of all.
    pub due: Option<Timestamp>,
    /// When that was asked: the oldest of the questions.
    pub scheduled_asked: Moment,
}

impl WorkerReport {
    /// None of them fetches from any queue.
    pub fn fetches_nothing(&self) -> bool {
        self.consumes.values().all(BTreeSet::is_empty)
    }
}

/// How it is known that a pod's workers run nothing, and whether they can be told to stop fetching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainSupport {
    /// Nothing says what the workers of a single pod do.
    #[default]
    None,
    /// They say what they run, and nothing keeps them from fetching more.
    ReportsOnly,
    /// They can be asked what they hold, and told to stop fetching and to fetch again.
    StopFetching,
}

impl DrainSupport {
    /// What is left of it where asking and telling workers was `refused` lately.
    pub fn unless(self, refused: bool) -> Self {
        match self {
            Self::StopFetching if refused => Self::ReportsOnly,
            support => support,
        }
    }
}

/// How it stands with asking and telling workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Nothing is known against it.
    #[default]
    Works,
    /// The broker's permissions refuse it.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
    /// It fails.
    Failing(SampleError),
}
