//! What a worker says, as a value on its way from the broker to [`super::Workers`].
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, mem::size_of, time::Duration};

use super::{Inspection, Stats, TEXT, bytes_of, bytes_of_options};
use crate::framework::celery::ask::Inspect;
use crate::{
    framework::celery::NAME,
    model::{self, Moment},
};

/// Something a worker said.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// A heartbeat.
    Heartbeat {
        /// Node name, `celery@<pod>`.
        node: String,
        /// Tasks it runs.
        active: u32,
        /// Tasks it has taken on since it started.
        processed: u64,
        /// How often it beats, as it says.
        interval: Duration,
    },
    /// It has just connected to the broker, as a new process or again; a heartbeat comes with it.
    Online {
        /// Node name.
        node: String,
    },
    /// It stops fetching and leaves.
    Offline {
        /// Node name.
        node: String,
    },
    /// The answer to an inspection.
    Inspected {
        /// Node name.
        node: String,
        /// Which question.
        method: Inspect,
        /// The answer as counts.
        answer: Inspection,
        /// When it was asked.
        asked: Moment,
    },
    /// The answer to [`Inspect::ActiveQueues`].
    Queues {
        /// Node name.
        node: String,
        /// The queues it fetches from.
        queues: BTreeSet<String>,
        /// When it was asked.
        asked: Moment,
    },
    /// The answer to [`Inspect::Ping`].
    Pong {
        /// Node name.
        node: String,
        /// When it was asked.
        asked: Moment,
    },
    /// The answer to [`Inspect::Stats`].
    Stats {
        /// Node name.
        node: String,
        /// What it says of itself.
        stats: Stats,
        /// When it was asked.
        asked: Moment,
    },
}

impl Signal {
    /// What it takes in memory while it waits to be taken in.
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

impl From<Signal> for model::Signal {
    fn from(signal: Signal) -> Self {
        let (bytes, came) = (signal.bytes(), matches!(signal, Signal::Online { .. }));
        let opaque = Self::new(NAME, signal, bytes);
        match came {
            true => opaque.of_a_newcomer(),
            false => opaque,
        }
    }
}
