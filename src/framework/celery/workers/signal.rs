//! Message of a worker, as a value on its way from the broker to [`super::Workers`].
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, mem::size_of, time::Duration};

use super::{Inspection, Stats, TEXT, bytes_of, bytes_of_options};
use crate::framework::celery::ask::Inspect;
use crate::{
    framework::celery::NAME,
    model::{self, Moment},
};

/// Message of a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerSignal {
    /// A heartbeat.
    Heartbeat {
        /// Node name, `celery@<pod>`.
        node: String,
        /// Number of tasks it runs.
        active: u32,
        /// Number of tasks it has accepted since it started.
        processed: u64,
        /// Time between heartbeats, as it reports it.
        interval: Duration,
    },
    /// Greeting: it has just connected to the broker, as a new process or again; a heartbeat comes with it.
    Online {
        /// Node name.
        node: String,
    },
    /// Goodbye: it stops fetching and leaves.
    Offline {
        /// Node name.
        node: String,
    },
    /// Answer to an inspection.
    Inspected {
        /// Node name.
        node: String,
        /// Question.
        method: Inspect,
        /// Answer, as counts.
        answer: Inspection,
        /// Time of the question.
        asked: Moment,
    },
    /// Answer to [`Inspect::ActiveQueues`].
    Queues {
        /// Node name.
        node: String,
        /// Queues it fetches from.
        queues: BTreeSet<String>,
        /// Time of the question.
        asked: Moment,
    },
    /// Answer to [`Inspect::Ping`].
    Pong {
        /// Node name.
        node: String,
        /// Time of the question.
        asked: Moment,
    },
    /// Answer to [`Inspect::Stats`].
    Stats {
        /// Node name.
        node: String,
        /// Properties of the worker.
        stats: Stats,
        /// Time of the question.
        asked: Moment,
    },
}

impl WorkerSignal {
    /// Number of bytes it takes in memory while it waits to be taken in.
    pub fn bytes(&self) -> usize {
        let (node, more) = match self {
            Self::Queues { node, queues, .. } => (node, bytes_of(queues)),
            Self::Stats { node, stats, .. } => (node, bytes_of_options(&stats.application)),
            Self::Heartbeat { node, .. }
            | Self::Online { node }
            | Self::Offline { node }
            | Self::Inspected { node, .. }
            | Self::Pong { node, .. } => (node, 0),
        };
        size_of::<Self>() + TEXT / 4 + node.len() + more
    }
}

impl From<WorkerSignal> for model::Signal {
    fn from(signal: WorkerSignal) -> Self {
        let (bytes, came) = (signal.bytes(), matches!(signal, WorkerSignal::Online { .. }));
        let opaque = Self::new(NAME, signal, bytes);
        match came {
            true => opaque.of_a_newcomer(),
            false => opaque,
        }
    }
}
