//! The seam between brokers and frameworks: a framework says what to ask, where its workers announce themselves, and what
//! both mean; whoever asks and listens for it knows no framework.
#![deny(clippy::disallowed_methods)]

use std::{any::Any, collections::BTreeSet, fmt, sync::Arc};

use super::{Hearing, Moment, Named, Now, PodIntents, Query, Reply, Roster, SampleError, Tally};

/// Names a pool to whoever samples for it; the controller's own number.
pub type PoolId = u64;

/// What to ask and what it means. Pure. One object per endpoint and framework, shared by the pools there that use it: it
/// keeps what it remembers of them and of their workers.
pub trait Framework: fmt::Debug + Send {
    /// Counts for this pool from now on; what is known of one that had this number is forgotten. Where its workers announce
    /// themselves.
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription>;

    /// Forgets this pool.
    fn remove(&mut self, id: PoolId);

    /// Where the workers of its pools announce themselves; asked again whenever that may have changed.
    fn subscriptions(&mut self) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }

    /// How it stands with one of those.
    fn hearing(&mut self, _subscription: &Subscription, _hearing: &Hearing) {}

    /// Takes in what a worker announced or answered.
    fn hear(&mut self, _signal: Signal, _moment: Moment) {}

    /// Remembers no more bytes of what workers said from now on; what is there already stays until it is forgotten.
    fn allow(&mut self, _bytes: usize) {}

    /// Bytes that are remembered of what workers said, and whether something could not be since this was asked last.
    fn held(&mut self) -> (usize, bool) {
        (0, false)
    }

    /// Forgets the workers that have been silent for long.
    fn prune(&mut self, _now: Moment) {}

    /// What all its pools together have to tell and ask workers beside their reads, after them: one step after the other,
    /// until there is nothing more. `replies`: those to the step before, none at first. `connection`: another number with
    /// each connection that is another one.
    fn converse(&mut self, _replies: Vec<Result<Reply, SampleError>>, _connection: u64, _now: Now) -> Vec<Query> {
        Vec::new()
    }

    /// What is left to say when nobody is to be counted here any more.
    fn farewell(&mut self) -> Vec<Query> {
        Vec::new()
    }

    /// What is worth a line in the log, since this was asked last.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What this pool asks first for its next sample.
    fn start(&mut self, id: PoolId, now: Now) -> Vec<Query>;

    /// Adds up, or asks more: `queries` are those of the step before, `replies` theirs, in their order. A tally that is equal
    /// to the one before is the same allocation.
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

    /// These are the pods of the pool's target from now on.
    fn roster(&mut self, id: PoolId, roster: Roster);

    /// Looks after these pods of a pool from now on, and after no others. Nothing to do for one whose workers take no
    /// questions.
    fn intend(&mut self, _id: PoolId, _intents: PodIntents, _now: Moment) {}
}

/// How a pool's sample goes on.
#[derive(Debug)]
pub enum Step {
    /// These are asked next; there are three steps at most.
    Ask(Vec<Query>),
    /// This is the count.
    Done(Arc<Tally>),
}

/// The replies to a step, one after the other.
#[derive(Debug)]
pub struct Replies(std::vec::IntoIter<Result<Reply, SampleError>>);

impl Replies {
    /// In the order of the queries.
    pub fn new(replies: Vec<Result<Reply, SampleError>>) -> Self {
        Self(replies.into_iter())
    }

    /// The next one, whatever it is.
    ///
    /// # Errors
    /// That of the reply; [`SampleError::Protocol`] if there is none.
    pub fn any(&mut self) -> Result<Reply, SampleError> {
        self.0.next().unwrap_or(Err(SampleError::Protocol))
    }

    /// The next one, a number.
    ///
    /// # Errors
    /// As [`Replies::any`]; [`SampleError::Protocol`] for anything else.
    pub fn number(&mut self) -> Result<u64, SampleError> {
        match self.any()? {
            Reply::Number(number) => Ok(number),
            _ => Err(SampleError::Protocol),
        }
    }

    /// The next one, texts.
    ///
    /// # Errors
    /// As [`Replies::number`].
    pub fn texts(&mut self) -> Result<Vec<Option<String>>, SampleError> {
        match self.any()? {
            Reply::Texts(texts) => Ok(texts),
            _ => Err(SampleError::Protocol),
        }
    }

    /// The next one, the members of a set.
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

/// The tally to hand out: the one before, if it is equal.
pub fn keep(last: &mut Option<Arc<Tally>>, tally: Tally) -> Arc<Tally> {
    match last {
        Some(last) if **last == tally => Arc::clone(last),
        _ => Arc::clone(last.insert(Arc::new(tally))),
    }
}

/// Something that only its framework looks into.
trait Opaque: Any + fmt::Debug + Send {}

impl<T: Any + fmt::Debug + Send> Opaque for T {}

/// What is in there; `None`: it is something else.
fn open<T: Any>(opaque: Box<dyn Opaque>) -> Option<T> {
    let any: Box<dyn Any> = opaque;
    any.downcast().ok().map(|opened| *opened)
}

/// What a pool says of its application, for its framework alone.
#[derive(Debug)]
pub struct Application {
    framework: &'static str,
    make: fn([u64; 2]) -> Box<dyn Framework>,
    said: Box<dyn Opaque>,
}

impl Application {
    /// For the framework of this name, an object of which `make` makes.
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

    /// The framework's name.
    pub fn framework(&self) -> &'static str {
        self.framework
    }

    /// An object of the framework, which knows no pool yet. `seed`: random numbers, for what nobody shall guess.
    pub fn make(&self, seed: [u64; 2]) -> Box<dyn Framework> {
        (self.make)(seed)
    }

    /// What the pool said; `None`: it was said to another framework.
    pub fn said<T: Any>(self) -> Option<T> {
        open(self.said)
    }
}

/// Something that a worker announced or answered, as its framework reads it: on its way nobody looks inside.
#[derive(Debug)]
pub struct Signal {
    framework: &'static str,
    bytes: usize,
    came: bool,
    said: Box<dyn Opaque>,
}

impl Signal {
    /// For the framework of this name. So many bytes are taken by it in memory.
    pub fn new(framework: &'static str, said: impl Any + fmt::Debug + Send, bytes: usize) -> Self {
        Self {
            framework,
            bytes,
            came: false,
            said: Box::new(said),
        }
    }

    /// The framework's name.
    pub fn framework(&self) -> &'static str {
        self.framework
    }

    /// It says that a worker has just come.
    pub fn of_a_newcomer(self) -> Self {
        Self { came: true, ..self }
    }

    /// A worker has just come: queues may be there that were not.
    pub fn is_of_a_newcomer(&self) -> bool {
        self.came
    }

    /// What it takes in memory while it waits to be taken in.
    pub fn bytes(&self) -> usize {
        self.bytes + size_of::<Self>()
    }

    /// What was said; `None`: it was said to another framework.
    pub fn said<T: Any>(self) -> Option<T> {
        open(self.said)
    }
}

/// What a message says.
pub type Reader = fn(&[u8]) -> Vec<Signal>;

/// Where a framework's workers announce themselves, and how that is read. Equal ones of several pools are listened to once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription {
    /// Where.
    pub place: Place,
    /// What a message there says; nothing, if it is anything else.
    pub read: Named<Reader>,
}

/// A place where workers announce themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Redis `PSUBSCRIBE` with exactly this pattern (Redis ACLs compare the pattern's text).
    Pattern {
        /// The pattern.
        pattern: String,
        /// Messages on a channel of this name are looked at; the others pass by.
        channel: Named<fn(&[u8]) -> bool>,
    },
    /// RabbitMQ: an exclusive queue bound to this topic exchange, which is made durable by whoever needs it first.
    TopicExchange {
        /// The exchange.
        exchange: String,
        /// The binding key.
        key: &'static str,
    },
}

/// RabbitMQ: where workers are asked and where they answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Postbox {
    /// The workers' own exchange. As long as it does not exist, there is nobody to ask.
    pub exchange: String,
    /// The direct exchange of the answers, neither durable nor deleted by itself: it is made by whoever asks first.
    pub replies: String,
    /// The header of an answer that says what it answers.
    pub ticket: &'static str,
    /// What an answer of this ticket says.
    pub read: Named<AnswerReader>,
}

/// What an answer of this ticket says.
pub type AnswerReader = fn(&[u8], Option<&str>) -> Vec<Signal>;

/// A letter to workers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Letter {
    /// What it says up to our address for answers, or all of it.
    pub begin: Vec<u8>,
    /// The rest of it, if it has our address in it.
    pub end: Option<Vec<u8>>,
    /// Headers with numbers.
    pub headers: Vec<(&'static str, i64)>,
}
