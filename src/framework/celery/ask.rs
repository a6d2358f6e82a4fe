//! Questions and commands to workers by remote control, in Celery's terms.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::model::Query;

/// Request of a pool in one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Query to the broker.
    Read(Query),
    /// Question to workers; the answers arrive as [`super::WorkerSignal`]s.
    Inspect {
        /// Question.
        method: Inspect,
        /// Workers that are asked.
        mailbox: Mailbox,
    },
    /// Command to workers. Nobody answers: whether it was carried out is asked for ([`Inspect::ActiveQueues`]), and the
    /// command is repeated until it was.
    Tell {
        /// Command.
        order: Order,
        /// Workers that are told.
        mailbox: Mailbox,
    },
}

/// Workers that are addressed, and the names that their remote control uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    /// Remote-control exchange, `celery` by default (`control_exchange`).
    pub exchange: String,
    /// Key prefix of the pub/sub channel and reply keys on Redis (`global_keyprefix`), else empty.
    pub prefix: String,
    /// Redis: separator between the parts of a binding (`sep`). `None`: the pool does not set it, so it is read from
    /// the application's own bindings, and nothing is written until it is known: a member joined by another separator
    /// keeps every worker from answering anybody.
    pub separator: Option<String>,
    /// Node names, in order; empty: all workers that listen.
    pub nodes: Vec<String>,
}

/// Commands to workers, in Celery's terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// Stop fetching from this queue; tasks that were fetched are finished.
    CancelConsumer(String),
    /// Fetch from this queue (again); harmless if the worker already does.
    AddConsumer(String),
}

/// Remote-control questions that the operator asks (Celery's own names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inspect {
    /// Running tasks, and whether each is acknowledged already.
    Active,
    /// Prefetched tasks that have not started.
    Reserved,
    /// Tasks with an ETA or countdown that a worker holds in memory.
    Scheduled,
    /// Queues that a worker fetches from.
    ActiveQueues,
    /// Properties of a worker: how many tasks it runs at a time, how many it has accepted, how its application uses the
    /// broker.
    Stats,
    /// Presence: the smallest of all answers.
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

    /// Shortest time between two identical questions to all workers of an application, whichever pool asks.
    pub fn every(self) -> Duration {
        match self {
            Self::Active | Self::Reserved | Self::Scheduled | Self::ActiveQueues | Self::Ping => Duration::from_secs(2),
            Self::Stats => Duration::from_secs(20),
        }
    }
}
