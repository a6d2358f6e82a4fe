//! Who works: what the workers of one endpoint say of themselves, by heartbeat and by inspection.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{Hearing, Inspect, Listen, Moment};

/// A worker that has not been heard for this long is not counted any more (Celery beats every 2 s).
const SILENT: Duration = Duration::from_secs(12);

/// A worker that beat so long ago missed a beat at least: what it said may be old.
pub(super) const BEATS: Duration = Duration::from_secs(5);

/// A worker that fell silent without a goodbye is remembered for so long: one with Celery's solo pool says nothing while
/// it runs a task.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// More workers on one endpoint are not remembered: whoever may publish could make up names without end.
const MAX_NODES: usize = 20_000;

/// The workers heard on one endpoint, by node name (Celery: `celery@<pod name>`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workers {
    /// Ordered by host (what follows the first `@`), so that a pool finds its pods without a look at all others.
    nodes: BTreeMap<NodeName, Worker>,
    /// How it stands with each subscription.
    hearing: BTreeMap<Listen, Hearing>,
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
    /// Since when it has missed no beat and has not begun anew: it was not so busy that it could not speak.
    pub steady_since: Moment,
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
    /// What it answered to earlier questions is void: it began anew since, or connected to the broker again.
    began: Moment,
}

impl Worker {
    /// It beat lately.
    pub fn is_live(&self, now: Moment) -> bool {
        now.saturating_sub(self.heard) <= SILENT
    }

    /// One of whom nothing is known but this beat.
    fn new(active: u32, processed: u64, at: Moment) -> Self {
        Self {
            heard: at,
            steady_since: at,
            active,
            processed,
            taken: 0,
            idle_since: None,
            inspections: BTreeMap::new(),
            acknowledging: None,
            slots: None,
            queues: None,
            stopped_since: None,
            began: Moment::ZERO,
        }
    }

    /// It begins anew: what it held and where it fetched from is not known any more.
    fn begin(&mut self, at: Moment) {
        self.inspections.clear();
        (self.queues, self.stopped_since) = (None, None);
        (self.began, self.steady_since) = (at, at);
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
        let new = || Worker::new(active, processed, at);
        let worker = self.nodes.entry(name).or_insert_with(new);
        if !worker.is_live(at) {
            *worker = new();
        }
        if at.saturating_sub(worker.heard) > BEATS {
            worker.steady_since = at;
        }
        let new = processed.checked_sub(worker.processed).unwrap_or_else(|| {
            // A smaller number is that of a new process under the same name: what the old one answered is void.
            worker.begin(at);
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

    /// Takes the greeting (`worker-online`) of a new process or of a new connection to the broker in.
    pub fn came(&mut self, node: &str, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            worker.begin(at);
        }
    }

    /// The worker, if it can have been asked then: it beat, and has not begun anew since.
    fn answering(&mut self, node: &str, asked: Moment) -> Option<&mut Worker> {
        let worker = self.nodes.get_mut(&node_name(node))?;
        (worker.began <= asked).then_some(worker)
    }

    /// Takes the answer to an inspection of this time in; from a node that never beat it is dropped.
    pub fn inspected(&mut self, node: &str, method: Inspect, answer: Inspection, asked: Moment) {
        if let Some(worker) = self.answering(node, asked) {
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
        let Some(worker) = self.answering(node, asked) else {
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

    /// How it stands with a subscription now.
    pub fn listens(&mut self, to: &Listen, hearing: Hearing) {
        if self.hearing.get(to) != Some(&hearing) {
            self.hearing.insert(to.clone(), hearing);
        }
    }

    /// There are no other subscriptions than these.
    pub fn listens_only(&mut self, to: &BTreeSet<Listen>) {
        self.hearing.retain(|listen, _| to.contains(listen));
    }

    /// How it stands with this subscription.
    pub fn hearing(&self, to: &Listen) -> Hearing {
        self.hearing.get(to).cloned().unwrap_or_default()
    }

    /// Forgets the workers that have been silent for long; all silent ones, if there are very many.
    pub fn prune(&mut self, now: Moment) {
        let many = self.nodes.len() > MAX_NODES / 2;
        self.nodes
            .retain(|_, worker| worker.is_live(now) || !many && now.saturating_sub(worker.heard) <= REMEMBERED);
    }

    /// The workers that beat lately, by node name.
    pub fn live(&self, now: Moment) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes
            .iter()
            .filter(move |(_, worker)| worker.is_live(now))
            .map(|((_, node), worker)| (node.as_str(), worker))
    }

    /// All workers whose host's name begins so, also those that fell silent.
    pub fn on(&self, host_prefix: &str) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes
            .range((host_prefix.to_owned(), String::new())..)
            .take_while(move |((host, _), _)| host.starts_with(host_prefix))
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
            Signal::Online { node } => self.came(node, at),
            Signal::Offline { node } => self.left(node),
            // Nobody can have been asked later than now.
            Signal::Inspected {
                node,
                method,
                answer,
                asked,
            } => self.inspected(node, *method, *answer, at.min(*asked)),
            Signal::Queues { node, queues, asked } => self.told_queues(node, queues, at.min(*asked)),
            // Who only says that it is there says nothing of what it holds.
            Signal::Pong { .. } => {}
            Signal::Slots { node, slots } => self.told_slots(node, *slots, at),
        }
    }
}

#[cfg(test)]
mod tests;
