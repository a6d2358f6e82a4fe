//! The seam between brokers and frameworks: a framework says what to ask, where its workers announce themselves, and
//! what both mean; the `broker` module asks and listens, and knows no framework.
#![deny(clippy::disallowed_methods)]

use std::{any::Any, collections::BTreeSet, fmt, sync::Arc};

use super::{Hearing, Moment, Named, Now, PodIntents, Query, Reply, Roster, SampleError, Tally};

/// Number that identifies a pool to the sampler; assigned by the controller.
pub type PoolId = u64;

/// Rules of a framework: what to ask a broker, and what the replies mean. Pure. There is one object per endpoint and
/// framework, shared by the pools that use it there; it keeps what it remembers of these pools and of their workers.
pub trait Framework: fmt::Debug + Send {
    /// Counts for this pool from now on, and forgets what it knew of an earlier pool with this number. Returns the
    /// place where the pool's workers announce themselves.
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription>;

    /// Forgets this pool.
    fn remove(&mut self, id: PoolId);

    /// Places where the workers of its pools announce themselves; called again whenever they may have changed.
    fn subscriptions(&mut self) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }

    /// Takes in the state of one subscription.
    fn hearing(&mut self, _subscription: &Subscription, _hearing: &Hearing) {}

    /// Takes in what a worker announced or answered.
    fn hear(&mut self, _signal: Signal, _moment: Moment) {}

    /// Sets the number of bytes that may be remembered of what workers said; what is remembered already stays until it
    /// is forgotten.
    fn allow(&mut self, _bytes: usize) {}

    /// Number of bytes that are remembered of what workers said, and whether anything was dropped for lack of room
    /// since the last call.
    fn held(&mut self) -> (usize, bool) {
        (0, false)
    }

    /// Forgets workers that have been silent for a long time.
    fn prune(&mut self, _now: Moment) {}

    /// Queries by which the framework talks to the workers of all its pools, after the reads of a sample: called step
    /// by step until it returns none. `replies`: those to the step before, none at first. `connection`: number that
    /// changes with each new connection.
    fn converse(&mut self, _replies: Vec<Result<Reply, SampleError>>, _connection: u64, _now: Now) -> Vec<Query> {
        Vec::new()
    }

    /// Last queries, sent when no pool is left on this endpoint.
    fn farewell(&mut self) -> Vec<Query> {
        Vec::new()
    }

    /// Lines for the log since the last call.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// First queries of this pool's next sample.
    fn start(&mut self, id: PoolId, now: Now) -> Vec<Query>;

    /// Adds up the replies, or asks more: `queries` are those of the step before, `replies` theirs, in the same order.
    /// A tally that equals the one before is the same allocation.
    ///
    /// # Errors
    /// The first error among the replies that the sum cannot do without.
    fn next(
        &mut self,
        id: PoolId,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Step, SampleError>;

    /// Sets the pods of the pool's target.
    fn roster(&mut self, id: PoolId, roster: Roster);

    /// Counts these queues of the pool from now on, and keeps all else that it remembers. Only for frameworks whose
    /// workers say which queues they fetch from.
    fn queues(&mut self, id: PoolId, queues: Vec<String>);

    /// Sets the pods of a pool that need attention, and what is intended for each; all others are left alone. A
    /// framework whose workers take no questions ignores it.
    fn intend(&mut self, _id: PoolId, _intents: PodIntents, _now: Moment) {}
}

/// Next step of a pool's sample.
#[derive(Debug)]
pub enum Step {
    /// More queries; a sample has three steps at most.
    Ask(Vec<Query>),
    /// The count is complete.
    Done(Arc<Tally>),
}

/// Replies to the queries of one step, read one after the other.
#[derive(Debug)]
pub struct Replies(std::vec::IntoIter<Result<Reply, SampleError>>);

impl Replies {
    /// Replies in the order of the queries.
    pub fn new(replies: Vec<Result<Reply, SampleError>>) -> Self {
        Self(replies.into_iter())
    }

    /// Next reply, of any kind.
    ///
    /// # Errors
    /// That of the reply; [`SampleError::Protocol`] if there is none.
    pub fn any(&mut self) -> Result<Reply, SampleError> {
        self.0.next().unwrap_or(Err(SampleError::Protocol))
    }

    /// Next reply, which must be a number.
    ///
    /// # Errors
    /// As [`Replies::any`]; [`SampleError::Protocol`] for anything else.
    pub fn number(&mut self) -> Result<u64, SampleError> {
        match self.any()? {
            Reply::Number(number) => Ok(number),
            _ => Err(SampleError::Protocol),
        }
    }

    /// Next reply, which must be texts.
    ///
    /// # Errors
    /// As [`Replies::number`].
    pub fn texts(&mut self) -> Result<Vec<Option<String>>, SampleError> {
        match self.any()? {
            Reply::Texts(texts) => Ok(texts),
            _ => Err(SampleError::Protocol),
        }
    }

    /// Next reply, which must be the members of a set.
    ///
    /// # Errors
    /// As [`Replies::number`].
    pub fn members(&mut self) -> Result<Vec<String>, SampleError> {
        match self.any()? {
            Reply::Members(members) => Ok(members),
            _ => Err(SampleError::Protocol),
        }
    }
}

/// Returns `tally`, or the allocation of the last one if both are equal.
pub fn keep(last: &mut Option<Arc<Tally>>, tally: Tally) -> Arc<Tally> {
    match last {
        Some(last) if **last == tally => Arc::clone(last),
        _ => Arc::clone(last.insert(Arc::new(tally))),
    }
}

/// Value that only its framework looks into.
trait Opaque: Any + fmt::Debug + Send {}

impl<T: Any + fmt::Debug + Send> Opaque for T {}

/// Contained value; `None`: it has another type.
fn open<T: Any>(opaque: Box<dyn Opaque>) -> Option<T> {
    let any: Box<dyn Any> = opaque;
    any.downcast().ok().map(|opened| *opened)
}

/// Pool's description of its application, which only its framework reads.
#[derive(Debug)]
pub struct Application {
    framework: &'static str,
    make: fn([u64; 2]) -> Box<dyn Framework>,
    said: Box<dyn Opaque>,
}

impl Application {
    /// Application for the framework of this name; `make` creates an object of that framework.
    pub fn new(
        framework: &'static str,
        make: fn([u64; 2]) -> Box<dyn Framework>,
        said: impl Any + fmt::Debug + Send,
    ) -> Self {
        Self {
            framework,
            make,
            said: Box::new(said),
        }
    }

    /// Name of the framework.
    pub fn framework(&self) -> &'static str {
        self.framework
    }

    /// Creates an object of the framework that knows no pool yet. `seed`: random numbers, for values that nobody may
    /// guess.
    pub fn make(&self, seed: [u64; 2]) -> Box<dyn Framework> {
        (self.make)(seed)
    }

    /// Pool's description; `None`: it is meant for another framework.
    pub fn said<T: Any>(self) -> Option<T> {
        open(self.said)
    }
}

/// Announcement or answer of a worker, as its framework reads it; nobody else looks inside.
#[derive(Debug)]
pub struct Signal {
    framework: &'static str,
    bytes: usize,
    came: bool,
    said: Box<dyn Opaque>,
}

impl Signal {
    /// Signal for the framework of this name, which takes `bytes` bytes of memory.
    pub fn new(framework: &'static str, said: impl Any + fmt::Debug + Send, bytes: usize) -> Self {
        Self {
            framework,
            bytes,
            came: false,
            said: Box::new(said),
        }
    }

    /// Name of the framework.
    pub fn framework(&self) -> &'static str {
        self.framework
    }

    /// Marks the signal: a worker has just started.
    pub fn of_a_newcomer(self) -> Self {
        Self { came: true, ..self }
    }

    /// Whether a worker has just started: new queues may exist.
    pub fn is_of_a_newcomer(&self) -> bool {
        self.came
    }

    /// Number of bytes it takes in memory while it waits to be taken in.
    pub fn bytes(&self) -> usize {
        self.bytes + size_of::<Self>()
    }

    /// Worker's announcement or answer; `None`: it is meant for another framework.
    pub fn said<T: Any>(self) -> Option<T> {
        open(self.said)
    }
}

/// Function that reads the signals in a message.
pub type Reader = fn(&[u8]) -> Vec<Signal>;

/// Place where a framework's workers announce themselves, and how messages there are read. Equal subscriptions of
/// several pools are listened to once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription {
    /// Place to listen at.
    pub place: Place,
    /// Reads the signals in a message; none, if it is no message of a worker.
    pub read: Named<Reader>,
}

/// Place where workers announce themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Redis `PSUBSCRIBE` with exactly this pattern (Redis ACLs compare the pattern's text).
    Pattern {
        /// Pattern of the channels.
        pattern: String,
        /// Whether messages on a channel of this name are read; the others are skipped.
        channel: Named<fn(&[u8]) -> bool>,
    },
    /// RabbitMQ: exclusive queue bound to this topic exchange, which is declared durable if it does not exist.
    TopicExchange {
        /// Name of the exchange.
        exchange: String,
        /// Binding key.
        key: &'static str,
    },
}

/// RabbitMQ: exchanges through which workers are asked and answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Postbox {
    /// Exchange of the workers. While it does not exist, there is nobody to ask.
    pub exchange: String,
    /// Direct exchange of the answers, neither durable nor auto-deleted: declared by whoever asks first.
    pub replies: String,
    /// Header of an answer that names the question.
    pub ticket: &'static str,
    /// Reads the signals in an answer to this ticket.
    pub read: Named<AnswerReader>,
}

/// Function that reads the signals in an answer to a ticket.
pub type AnswerReader = fn(&[u8], Option<&str>) -> Vec<Signal>;

/// Message to workers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Letter {
    /// Body up to the operator's reply address, or the whole body if it has no address.
    pub begin: Vec<u8>,
    /// Rest of the body, after the reply address.
    pub end: Option<Vec<u8>>,
    /// Headers with integer values.
    pub headers: Vec<(&'static str, i64)>,
}
