//! Vocabulary that all modules share, and the seam between brokers and frameworks. Pure: values in, values out.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | what the replies add up to ([`Tally`]), and what workers are told ([`Intent`]) |
//! | `query.rs` | what is asked and answered: [`Query`], [`Reply`] |
//! | `framework.rs` | the seam: [`Framework`] says what to ask and what it means |
//! | `scan/` | what a list or a hash holds, looked at bit by bit |
//! | `error.rs` | why a read failed |
//! | `backoff.rs` | pauses that grow while something fails |
//! | `named.rs` | functions that can be compared |
//! | `later.rs` | tasks that are not due and that the broker does not show |
//! | `plural.rs` | numbers in sentences |
//! | `tame.rs` | text of strangers, as far as a terminal may show it |
//! | `words.rs` | a framework's own terms in what users are told |
//! | `workload.rs` | what makes the workers' pods: [`Workload`] |
//!
//! The `broker` module asks the questions and knows no framework; the `scaling` module decides from [`Work`] and knows no
//! broker.
#![deny(clippy::disallowed_methods)]

mod backoff;
mod error;
mod framework;
mod later;
mod named;
mod plural;
mod query;
pub mod scan;
mod tame;
mod words;
mod workload;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

pub use backoff::Backoff;
pub use error::{SampleError, Word};
pub use framework::{
    Application, Framework, Letter, Place, PoolId, Postbox, Reader, Replies, Signal, Step, Subscription, keep,
};
pub use later::{Delayed, DelayedTasks, KeepAlive};
pub use named::Named;
pub use plural::{count, form};
pub use query::{ListEnd, Query, Reply, StreamGroup};
pub use scan::{Decoder, MessageInfo, Oldest, Scan};
pub use tame::tame;
pub use words::{ControlWords, ReportWords, Words};
pub use workload::{Workload, WorkloadKind};

/// Point in time on the process's own monotonic clock. Ages and windows use it, never the wall clock.
pub type Moment = Duration;

/// Both clocks of one sample: the wall clock for times that others wrote (an `eta`), the monotonic one for ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time, to compare with times in messages.
    pub wall: Timestamp,
    /// Monotonic time, to compute ages.
    pub moment: Moment,
}

/// Kind of broker that an application uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// Redis, one database.
    Redis {
        /// Number of the database.
        db: u32,
    },
    /// RabbitMQ, one virtual host.
    RabbitMq {
        /// Whether the pool configures the management API: unacknowledged messages can be counted then.
        management: bool,
    },
}

/// Dialect in which an application reads a broker URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlDialect {
    /// URLs as kombu reads them (Celery).
    Kombu,
    /// URLs as redis-py reads them; Redis only.
    RedisPy,
}

/// Time before a scheduled task comes due at which its pool is woken, until a better value is learned: a typical pod
/// start-up.
pub const WAKE_AHEAD: Duration = Duration::from_secs(30);

/// Names of the queues that a worker fetches from. Equal sets are held once, whoever fetches from them.
pub type Queues = Arc<BTreeSet<String>>;

/// Queues that each worker of a pod fetches from, by node name: two workers of one pod may have different queues.
pub type Consumers = BTreeMap<String, BTreeSet<String>>;

/// Intent for the workers of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Report: they are asked what they hold.
    Report,
    /// The same, and they are to stop fetching from these queues.
    Cordon(Consumers),
    /// The same, and they are to fetch from these queues again.
    Uncordon(Consumers),
}

/// Intent for a pod, with the moment from which it holds. The caller sets the moment: it distinguishes one intent from
/// the next one of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIntent {
    /// Intent.
    pub intent: Intent,
    /// Moment from which it holds.
    pub since: Moment,
}

/// Intents for the pods that need attention, by pod name.
pub type PodIntents = BTreeMap<String, PodIntent>;

/// Pods of the target, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Names of the pods in the latest list; empty: never listed.
    pub pods: Arc<BTreeSet<String>>,
    /// Number of ready pods; more than are heard means that some are silent.
    pub ready: u32,
}

/// State of a subscription ([`Subscription`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hearing {
    /// Not subscribed yet.
    #[default]
    NotYet,
    /// Subscribed: every worker that announces itself is heard.
    Works,
    /// The broker's permissions refuse it.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
    /// The last attempt failed; it is retried.
    Failing(SampleError),
}

/// Work of one pool at one moment, complete: also tasks that have left the list and are not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Number of tasks that wait for a worker now: all queues, all priority keys, without tasks that are not due yet.
    pub ready: u64,
    /// Number of tasks delivered and not finished: reserved and running, also running tasks that are in no key or queue
    /// any more.
    pub in_flight: u64,
    /// Number of tasks of `in_flight` that run now, as the workers report.
    pub running: u64,
    /// Number of tasks that are not due yet (ETA, countdown, retry).
    pub scheduled: u64,
    /// Number of tasks of `scheduled` that come due within [`WAKE_AHEAD`].
    pub due_soon: u64,
    /// Reason why one worker has to stay for tasks that are not due, or may exist (RabbitMQ).
    pub stay: Option<KeepAlive>,
    /// Number of tasks of `in_flight` that no live worker reports to hold, so perhaps a dead one's. `None`: not known,
    /// or of no consequence because the broker returns them by itself.
    pub unheld: Option<u64>,
    /// Time at which the next scheduled task comes due, where that can be seen.
    pub next_due: Option<Timestamp>,
    /// Time since which the oldest ready task has waited, as far as that can be seen: at least that long, perhaps
    /// longer.
    pub oldest: Option<Since>,
}

/// Start of a state: a point in time instead of a duration, so that a count in which nothing moves stays equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Wall-clock time that was written down in a message.
    Published(Timestamp),
    /// Moment at which it was first observed; it may have begun earlier.
    Seen(Moment),
}

impl Since {
    /// Time since then.
    pub fn age(self, now: Now) -> Duration {
        match self {
            Self::Published(at) => Duration::try_from(now.wall.duration_since(at)).unwrap_or_default(),
            Self::Seen(at) => now.moment.saturating_sub(at),
        }
    }
}

impl Work {
    /// Number of tasks that need workers now: ready, in flight, or due within a start-up time.
    pub fn outstanding(&self) -> u64 {
        self.ready.saturating_add(self.in_flight).saturating_add(self.due_soon)
    }
}

/// One queue's share of a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTally {
    /// Name of the queue.
    pub queue: String,
    /// Number of ready messages.
    pub ready: u64,
    /// Number of its tasks that are not due yet, or not moved into it yet, where the broker shows them queue by queue
    /// (Redis).
    pub not_due: u64,
    /// Whether the broker says that the queue does not exist.
    pub missing: bool,
}

impl QueueTally {
    /// Empty queue.
    pub fn none(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            ready: 0,
            not_due: 0,
            missing: false,
        }
    }
}

/// Sum of the replies of one sample for one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Work of the pool.
    pub work: Work,
    /// Tally of each queue, in the order in which the pool names them.
    pub queues: Vec<QueueTally>,
    /// Reports of the pods whose workers are heard, or were, by pod name. A worker that fell silent without a goodbye
    /// may be busy rather than gone.
    pub pods: BTreeMap<String, PodReport>,
    /// Ways in which the pods' workers can be drained.
    pub drain: DrainSupport,
    /// State of the commands to workers (remote control).
    pub control: Control,
    /// State of the subscription to workers' announcements.
    pub hearing: Hearing,
    /// Names of live workers that may be the pool's and fit none of its pods, or several; only the first few.
    pub strangers: Vec<String>,
    /// Queues that each of the pool's pods fetches from, as its workers said last; only of pods whose workers said it.
    pub fetches: BTreeMap<String, Queues>,
    /// Mismatch between what the pool counts and what the workers take, as the broker or they themselves say: a reason,
    /// and a sentence with the fix.
    pub mismatch: Option<(&'static str, String)>,
    /// Number of tasks that each pod runs at a time, as its workers say; the smallest, if pods differ. `None`: nobody
    /// said it.
    pub slots: Option<u32>,
    /// Number of messages that a worker may hold unacknowledged, as the workers say; the most of any.
    pub prefetch: Option<Prefetch>,
    /// Number of tasks the pool's workers have accepted so far (a counter that falls when workers leave); `None`:
    /// nobody said it.
    pub processed: Option<u64>,
    /// Whether some of the pool's workers are alive: they send heartbeats or answers.
    pub workers_heard: bool,
    /// Error of a read that the sum can do without, at the price of counting too much rather than too little.
    pub degraded: Option<SampleError>,
    /// State of tasks that are not due and that the broker does not show as such.
    pub later: DelayedTasks,
}

/// Number of messages that a worker may hold unacknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prefetch {
    /// As many as this.
    UpTo(u32),
    /// As many as there are.
    Unlimited,
}

/// Report of one pod, from the heartbeats and answers of its workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodReport {
    /// Number of tasks they run now, as far as they are heard.
    pub running: u32,
    /// Whether at least one of them is alive: it sent a heartbeat or an answer lately.
    pub live: bool,
    /// Whether all that are alive reported a moment ago; otherwise `running` may be old, and it is 0 for those that
    /// fell silent.
    pub fresh: bool,
    /// Whether all that are alive report every few seconds what they run; a worker with `--heartbeat-interval 30` does
    /// not.
    pub tells: bool,
    /// Time at which the last worker was heard that fell silent, or that said goodbye while others stay. It may be
    /// busy.
    pub silent: Option<Moment>,
    /// Whether all that fell silent run tasks in their own process (`--pool solo`): then that is why they are silent.
    pub solo: bool,
    /// Name that several of its workers share: what is said under it is true of none of them alone.
    pub doubled: Option<String>,
    /// Time since which they have run nothing, as far as their heartbeats show.
    pub idle_since: Option<Moment>,
    /// Answers of its workers to the questions; only of pods with an intent ([`PodIntents`]).
    pub report: Option<WorkerReport>,
    /// Whether they send heartbeats and have not answered for so long that no answer will come: they do not take
    /// questions.
    pub unresponsive: bool,
    /// Whether they answer, but not every question, although it was asked for long: an answer may be larger than is
    /// accepted.
    pub partly: bool,
}

impl PodReport {
    /// Adds the report of another worker of the pod. A worker that fell silent is described by `silent` alone.
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

/// Answers of all workers of one pod, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Queues that each of them fetches from.
    pub consumes: Consumers,
    /// Time since which none of them has fetched from any queue it was to stop fetching from: the time of the question.
    pub stopped_since: Option<Moment>,
    /// Whether they were to resume ([`Intent::Uncordon`]), were asked after that, and do fetch again.
    pub resumed: bool,
    /// [`PodIntent::since`] of the intent under which they were asked: the answers say nothing about any other intent.
    pub since: Moment,
    /// Time of the oldest question behind the numbers below.
    pub asked: Moment,
    /// Number of tasks they run.
    pub running: u32,
    /// Number of tasks they have fetched and not begun.
    pub reserved: u32,
    /// Number of tasks with an ETA that they hold: those never run out, and return to the queue when the worker stops.
    pub scheduled: u32,
    /// Time at which the first of those comes due; `None`: they do not say it of all.
    pub due: Option<Timestamp>,
    /// Time of the oldest question behind `scheduled` and `due`.
    pub scheduled_asked: Moment,
}

impl WorkerReport {
    /// Whether none of them fetches from any queue.
    pub fn fetches_nothing(&self) -> bool {
        self.consumes.values().all(BTreeSet::is_empty)
    }
}

/// Ways to find out that a pod's workers run nothing, and to stop them from fetching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainSupport {
    /// No way: nothing shows what the workers of a single pod do.
    #[default]
    None,
    /// The workers report what they run, and nothing can stop them from fetching more.
    ReportsOnly,
    /// The workers can be asked what they hold, and told to stop fetching and to fetch again.
    StopFetching,
}

impl DrainSupport {
    /// Ways that remain where commands to workers were `refused` lately.
    pub fn unless(self, refused: bool) -> Self {
        match self {
            Self::StopFetching if refused => Self::ReportsOnly,
            support => support,
        }
    }
}

/// State of the commands to workers (remote control).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// No error is known.
    #[default]
    Works,
    /// The broker's permissions refuse it.
    Refused {
        /// The right that is missing, in the broker's words.
        right: String,
    },
    /// The last attempt failed; it is retried.
    Failing(SampleError),
}
