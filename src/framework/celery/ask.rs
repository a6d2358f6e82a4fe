//! What workers are asked and told by remote control, in Celery's words.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::model::Query;

/// What a pool asks for in one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Something of its broker.
    Read(Query),
    /// Workers; the answers come as [`super::Signal`]s.
    Inspect {
        /// Which question.
        method: Inspect,
        /// Whom.
        mailbox: Mailbox,
    },
    /// Tells workers to do something. Nobody answers: whether it was done is asked for ([`Inspect::ActiveQueues`]), and
    /// until it was it is told again.
    Tell {
        /// What to do.
        order: Order,
        /// Whom.
        mailbox: Mailbox,
    },
}

/// Which workers' remote control is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    /// Remote-control exchange, `celery` by default (`control_exchange`).
    pub exchange: String,
    /// Key prefix of the pub/sub channel and reply keys on Redis (`global_keyprefix`), else empty.
    pub prefix: String,
    /// Redis: what the application puts between the parts of a binding (`sep`). `None`: the pool does not say, so it is
    /// found in the application's own bindings, and until it is nothing is written there: a member that is joined by
    /// anything else keeps every worker from answering anybody.
    pub separator: Option<String>,
    /// These nodes, in order; none: all workers that hear it.
    pub nodes: Vec<String>,
}

/// What workers can be told to do, in Celery's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// Fetch no more from this queue; what was fetched is worked off.
    CancelConsumer(String),
    /// Fetch from this queue (again); no harm if it does.
    AddConsumer(String),
}

/// The remote-control questions the operator asks (Celery's own names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inspect {
    /// Running tasks, each with whether it is acknowledged already.
    Active,
    /// Prefetched tasks that do not run yet.
    Reserved,
    /// Tasks with an ETA or countdown that a worker holds in memory.
    Scheduled,
    /// The queues it fetches from.
    ActiveQueues,
    /// What a worker is: how many tasks it runs at a time, how many it has taken on, how its application uses the broker.
    Stats,
    /// Who is there: the smallest of all answers.
    Ping,
}

impl Inspect {
    /// Celery's name of the method on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reserved => "reserved",
            Self::Scheduled => "scheduled",
            Self::ActiveQueues => "active_queues",
            Self::Stats => "stats",
            Self::Ping => "ping",
        }
    }

    /// The same question is put to all workers of an application no more often, whoever wishes an answer.
    pub fn every(self) -> Duration {
        match self {
            Self::Active | Self::Reserved | Self::Scheduled | Self::ActiveQueues | Self::Ping => Duration::from_secs(2),
            Self::Stats => Duration::from_secs(20),
        }
    }
}
