//! Who works: what the workers of one endpoint say of themselves, by heartbeat and by inspection.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{Inspect, Moment};

/// A worker that has not been heard for this long is not counted any more (Celery beats every 2 s).
const SILENT: Duration = Duration::from_secs(12);

/// More workers on one endpoint are not remembered: whoever may publish could make up names without end.
const MAX_NODES: usize = 20_000;

/// The workers heard on one endpoint, by node name (Celery: `celery@<pod name>`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workers {
    /// Ordered by host (what follows the first `@`), so that a pool finds its pods without a look at all others.
    nodes: BTreeMap<NodeName, Worker>,
}

/// A node's host and its full name.
type NodeName = (String, String);

fn node_name(node: &str) -> NodeName {
    let host = node.split_once('@').map_or(node, |(_, host)| host);
    (host.to_owned(), node.to_owned())
}

/// One worker process's last words.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// When its last heartbeat came.
    pub heard: Moment,
    /// Tasks it ran then.
    pub active: u32,
    /// Tasks it has taken on since it started.
    pub processed: u64,
    /// Tasks it has taken on since it was heard first: never falls, and does not jump when a lost voice comes back.
    pub taken: u64,
    /// Since when it has run nothing: no beat told of a task, and none was taken on.
    pub idle_since: Option<Moment>,
    /// Its last answer to each inspection, with the time of the question.
    pub inspections: BTreeMap<Inspect, (Moment, Inspection)>,
    /// Its last answer to [`Inspect::Active`] that had tasks in it: how many of its tasks are acknowledged early.
    pub acknowledging: Option<(Moment, Inspection)>,
    /// How many tasks it runs at a time, and when it said so.
    pub slots: Option<(Moment, u32)>,
    /// The queues it fetches from, and when it was asked for them.
    pub queues: Option<(Moment, BTreeSet<String>)>,
    /// Since when it has fetched from no queue: the time of the first of the questions it answered so without a break.
    pub stopped_since: Option<Moment>,
}

impl Worker {
    /// One of whom nothing is known but this beat.
    fn new(active: u32, processed: u64, at: Moment) -> Self {
        Self {
            heard: at,
            active,
            processed,
            taken: 0,
            idle_since: None,
            inspections: BTreeMap::new(),
            acknowledging: None,
            slots: None,
            queues: None,
            stopped_since: None,
        }
    }
}

/// A worker's answer to one inspection, reduced to counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Tasks in the answer.
    pub tasks: u32,
    /// Of those: acknowledged already, hence in no queue and no key any more (early acknowledgement).
    pub acknowledged: u32,
    /// When the first of them comes due, if all say so ([`Inspect::Scheduled`]).
    pub due: Option<Timestamp>,
}

impl Workers {
    /// Takes a heartbeat in.
    pub fn heard(&mut self, node: &str, active: u32, processed: u64, at: Moment) {
        let name = node_name(node);
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&name) {
            return;
        }
        let worker = self
            .nodes
            .entry(name)
            .or_insert_with(|| Worker::new(active, processed, at));
        let new = processed.checked_sub(worker.processed).unwrap_or_else(|| {
            // A smaller number is that of a new process under the same name: what the old one answered is void.
            worker.inspections.clear();
            (worker.queues, worker.stopped_since) = (None, None);
            processed
        });
        worker.taken = worker.taken.saturating_add(new);
        worker.idle_since = match worker.idle_since {
            _ if active > 0 => None,
            Some(since) if new == 0 => Some(since),
            _ => Some(at),
        };
        (worker.heard, worker.active, worker.processed) = (at, active, processed);
    }

    /// Takes a goodbye (`worker-offline`) in: the worker stops fetching, and says no more; what it still runs is not known.
    pub fn left(&mut self, node: &str) {
        self.nodes.remove(&node_name(node));
    }

    /// Takes the answer to an inspection of this time in; from a node that never beat it is dropped.
    pub fn inspected(&mut self, node: &str, method: Inspect, answer: Inspection, asked: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            if method == Inspect::Active && answer.tasks > 0 {
                worker.acknowledging = Some((asked, answer));
            }
            let last = worker.inspections.entry(method).or_insert((asked, answer));
            if last.0 <= asked {
                *last = (asked, answer);
            }
        }
    }

    /// Takes the answer to [`Inspect::ActiveQueues`] in; from a node that never beat it is dropped.
    pub fn told_queues(&mut self, node: &str, queues: &BTreeSet<String>, asked: Moment) {
        let Some(worker) = self.nodes.get_mut(&node_name(node)) else {
            return;
        };
        if worker.queues.as_ref().is_none_or(|(last, _)| *last <= asked) {
            worker.stopped_since = queues.is_empty().then(|| worker.stopped_since.unwrap_or(asked));
            worker.queues = Some((asked, queues.clone()));
        }
    }

    /// Takes in how many tasks a worker runs at a time; from a node that never beat it is dropped.
    pub fn told_slots(&mut self, node: &str, slots: u32, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            worker.slots = Some((at, slots));
        }
    }

    /// Forgets the workers that fell silent.
    pub fn prune(&mut self, now: Moment) {
        self.nodes
            .retain(|_, worker| now.saturating_sub(worker.heard) <= SILENT);
    }

    /// The workers that beat lately, by node name.
    pub fn live(&self, now: Moment) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes
            .iter()
            .filter(move |(_, worker)| now.saturating_sub(worker.heard) <= SILENT)
            .map(|((_, node), worker)| (node.as_str(), worker))
    }

    /// Of [`Workers::live`] those whose host's name begins so.
    pub fn live_on(&self, host_prefix: &str, now: Moment) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes
            .range((host_prefix.to_owned(), String::new())..)
            .take_while(move |((host, _), _)| host.starts_with(host_prefix))
            .filter(move |(_, worker)| now.saturating_sub(worker.heard) <= SILENT)
            .map(|((_, node), worker)| (node.as_str(), worker))
    }
}

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
    /// The answer to [`Inspect::Stats`].
    Slots {
        /// Node name.
        node: String,
        /// Tasks it runs at a time.
        slots: u32,
    },
}

impl Workers {
    /// Takes a signal in.
    pub fn take(&mut self, signal: &Signal, at: Moment) {
        match signal {
            Signal::Heartbeat {
                node,
                active,
                processed,
            } => self.heard(node, *active, *processed, at),
            Signal::Offline { node } => self.left(node),
            // Nobody can have been asked later than now.
            Signal::Inspected {
                node,
                method,
                answer,
                asked,
            } => self.inspected(node, *method, *answer, at.min(*asked)),
            Signal::Queues { node, queues, asked } => self.told_queues(node, queues, at.min(*asked)),
            Signal::Slots { node, slots } => self.told_slots(node, *slots, at),
        }
    }
}
