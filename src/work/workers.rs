//! Who works: what the workers of one endpoint say of themselves, by heartbeat and by inspection.

use std::{collections::BTreeMap, time::Duration};

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
    /// Its last answer to each inspection, with the time it came.
    pub inspections: BTreeMap<Inspect, (Moment, Inspection)>,
    /// Its last answer to [`Inspect::Active`] that had tasks in it: how many of its tasks are acknowledged early.
    pub acknowledging: Option<(Moment, Inspection)>,
    /// How many tasks it runs at a time, and when it said so.
    pub slots: Option<(Moment, u32)>,
}

/// A worker's answer to one inspection, reduced to counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Tasks in the answer.
    pub tasks: u32,
    /// Of those: acknowledged already, hence in no queue and no key any more (early acknowledgement).
    pub acknowledged: u32,
}

impl Workers {
    /// Takes a heartbeat in.
    pub fn heard(&mut self, node: &str, active: u32, processed: u64, at: Moment) {
        let name = node_name(node);
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&name) {
            return;
        }
        let worker = self.nodes.entry(name).or_insert_with(|| Worker {
            heard: at,
            active,
            processed,
            taken: 0,
            inspections: BTreeMap::new(),
            acknowledging: None,
            slots: None,
        });
        // A smaller number is that of a new process under the same name.
        let new = processed.checked_sub(worker.processed).unwrap_or(processed);
        worker.taken = worker.taken.saturating_add(new);
        (worker.heard, worker.active, worker.processed) = (at, active, processed);
    }

    /// Takes a goodbye (`worker-offline`) in: the worker stops fetching, and says no more; what it still runs is not known.
    pub fn left(&mut self, node: &str) {
        self.nodes.remove(&node_name(node));
    }

    /// Takes the answer to an inspection in; from a node that never beat it is dropped.
    pub fn inspected(&mut self, node: &str, method: Inspect, answer: Inspection, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            if method == Inspect::Active && answer.tasks > 0 {
                worker.acknowledging = Some((at, answer));
            }
            worker.inspections.insert(method, (at, answer));
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
            Signal::Inspected { node, method, answer } => self.inspected(node, *method, *answer, at),
            Signal::Slots { node, slots } => self.told_slots(node, *slots, at),
        }
    }
}
