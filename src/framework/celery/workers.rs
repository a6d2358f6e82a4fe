//! Workers of one endpoint: what they report by heartbeats and by answers.
//!
//! | file | concept |
//! |---|---|
//! | `workers.rs` | [`Workers`]: who is there, and how much is remembered of all |
//! | `worker.rs` | one worker: what it said last, and how old that is |
//! | `signal.rs` | [`WorkerSignal`]: one thing that a worker says |
//!
//! Whoever may publish on a broker can invent names and answers without end, so what is remembered is counted in bytes:
//! what does not fit is not heard, hence unknown.

mod signal;
mod worker;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use self::worker::{BEATS, LONGEST_INTERVAL};
pub use self::{
    signal::WorkerSignal,
    worker::{Inspection, Stats, Worker},
};
use super::BrokerOptions;
use crate::framework::celery::ask::Inspect;
use crate::model::{Hearing, Moment, Queues, Subscription};

/// Time for which a worker is remembered that fell silent without a goodbye: one with Celery's solo pool says nothing
/// while it runs a task.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Time for which a worker is remembered that said goodbye: it finishes what it runs, and says no more.
const LEFT: Duration = Duration::from_secs(3600);

/// Largest memory, in bytes, for all workers of one endpoint, unless less is allowed: room for 10,000 workers of one
/// application.
pub const MOST: usize = 10 << 20;

/// Memory of one worker beside its names, in bytes, at most (a test adds it up).
const EACH: usize = 900;

/// Memory of one more text beside its letters, in bytes.
const TEXT: usize = 64;

/// Workers heard on one endpoint, by node name (Celery: `celery@<pod name>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Workers {
    /// Workers ordered by host (the part after the first `@`), so that a pool finds its pods without a search through
    /// all others.
    nodes: BTreeMap<NodeName, Box<Worker>>,
    /// Sets of queues that they fetch from, each held once.
    queues: BTreeSet<Queues>,
    /// State of each subscription.
    hearing: BTreeMap<Subscription, Hearing>,
    /// Number that rises whenever a node is new or gone.
    generation: u64,
    /// Bytes of names and texts, as they came since they were counted.
    texts: usize,
    /// Largest number of bytes that may be held.
    most: usize,
    /// Whether something was not remembered, for lack of room.
    full: bool,
}

impl Default for Workers {
    /// No workers, and room for [`MOST`].
    fn default() -> Self {
        Self {
            nodes: BTreeMap::new(),
            queues: BTreeSet::new(),
            hearing: BTreeMap::new(),
            generation: 0,
            texts: 0,
            most: MOST,
            full: false,
        }
    }
}

/// Name of a node, ordered by host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NodeName(Box<str>);

impl NodeName {
    fn new(node: &str) -> Self {
        Self(node.into())
    }

    /// Sort key: the host first; of one host, a name without `@` first.
    fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('@') {
            Some((name, host)) => (host, Some(name)),
            None => (&self.0, None),
        }
    }
}

impl Ord for NodeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for NodeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Memory of an application's options, in bytes.
fn bytes_of_options(options: &BrokerOptions) -> usize {
    let steps = options.priority_steps.as_ref().map_or(0, Vec::len);
    let separator = options.separator.as_ref().map_or(0, String::len);
    match steps + separator {
        0 => 0,
        letters => letters + 2 * TEXT,
    }
}

/// Memory of a set of queues, in bytes.
pub(super) fn bytes_of(queues: &BTreeSet<String>) -> usize {
    // A node of the tree has room for eleven names, even if there are fewer.
    let nodes = queues.len().div_ceil(5) * 400;
    TEXT + nodes + queues.iter().map(|name| name.len() + TEXT / 2).sum::<usize>()
}

impl Workers {
    /// Sets the largest number of bytes to remember; what is remembered already stays until it is forgotten.
    pub fn allow(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// Number of bytes that are held, or an upper bound.
    pub fn held(&self) -> usize {
        self.nodes.len() * EACH + self.texts
    }

    /// Whether something could not be remembered since the last call.
    pub fn was_full(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        let fits = self.held().saturating_add(bytes) <= self.most;
        self.full |= !fits;
        fits
    }

    /// Worker of this name, created if necessary; `None`: there is no room for it.
    fn named(&mut self, node: &str, at: Moment) -> Option<&mut Worker> {
        let name = NodeName::new(node);
        if !self.nodes.contains_key(&name) {
            if !self.has_room(EACH + node.len()) {
                return None;
            }
            self.generation += 1;
            self.texts += node.len();
        }
        let new = || Box::new(Worker::new(at));
        let worker = self.nodes.entry(name).or_insert_with(new);
        if !worker.is_live(at) {
            **worker = Worker {
                since: worker.since,
                doubled: worker.doubled,
                answers: worker.answers,
                solo: worker.solo,
                ..Worker::new(at)
            };
        }
        Some(worker)
    }

    /// Takes in a heartbeat; `interval`: time between heartbeats, as the worker reports it.
    pub fn heard(&mut self, node: &str, active: u32, processed: u64, interval: Duration, at: Moment) {
        let Some(worker) = self.named(node, at) else { return };
        worker.interval = interval.min(LONGEST_INTERVAL);
        let Some(last) = worker.beat.replace(at) else {
            // Tasks that it accepted before its first heartbeat are not counted.
            worker.processed = processed;
            worker.steady_since = at;
            return worker.runs(active, Some(processed), at);
        };
        if at.saturating_sub(last) > BEATS.max(worker.interval * 2) {
            worker.steady_since = at;
        }
        worker.runs(active, Some(processed), at);
    }

    /// Takes in a goodbye (`worker-offline`): the worker stops fetching, and says no more; what it still runs is not
    /// known.
    pub fn left(&mut self, node: &str, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&NodeName::new(node)) {
            **worker = Worker {
                left: Some(at),
                since: worker.since,
                doubled: worker.doubled,
                answers: worker.answers,
                solo: worker.solo,
                ..Worker::new(at)
            };
        }
    }

    /// Takes in the greeting (`worker-online`) of a new process or of a new connection to the broker.
    pub fn came(&mut self, node: &str, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&NodeName::new(node)) {
            worker.begin(at);
        }
    }

    /// Worker that answers a question of this time; `None`: it has restarted since, or is not remembered.
    fn answering(&mut self, node: &str, asked: Moment, at: Moment) -> Option<&mut Worker> {
        // Its last answers may be read after its goodbye.
        let left = self.nodes.get(&NodeName::new(node)).and_then(|worker| worker.left);
        if left.is_some_and(|left| left >= asked) {
            return None;
        }
        let worker = self.named(node, at)?;
        worker.answered = worker.answered.max(Some(asked));
        worker.answers = true;
        (worker.began <= asked).then_some(worker)
    }

    /// Takes in the answer, which arrives now, to an inspection of this time. A worker without heartbeats is known by
    /// it as well.
    pub fn inspected(&mut self, node: &str, method: Inspect, answer: Inspection, asked: Moment, at: Moment) {
        let Some(worker) = self.answering(node, asked, at) else {
            return;
        };
        if method == Inspect::Active && answer.tasks > 0 {
            worker.acknowledging = Some((asked, answer));
        }
        match worker.inspections.get_mut(method) {
            Some((last, _)) if *last > asked => return,
            Some((last, before)) if *last == asked => {
                // A node answers once: a second answer comes from another worker of that name.
                before.tasks = before.tasks.saturating_add(answer.tasks);
                worker.doubled = Some(asked);
            }
            _ => worker.inspections.insert(method, (asked, answer)),
        }
        if method == Inspect::Active && !worker.tells(at) && worker.beat.is_none_or(|beat| beat <= asked) {
            worker.runs(answer.tasks, None, asked);
        }
    }

    /// Takes in the answer to [`Inspect::ActiveQueues`]. Only known workers have been asked. Without room for the names
    /// it is not known what the worker fetches from.
    pub fn told_queues(&mut self, node: &str, queues: &BTreeSet<String>, asked: Moment, at: Moment) {
        if self.get(node).is_none() {
            return;
        }
        let held = self.hold(queues);
        let Some(worker) = self.answering(node, asked, at) else {
            return;
        };
        if worker.queues.as_ref().is_none_or(|(last, _)| *last <= asked) {
            let stopped = held.as_ref().is_some_and(|queues| queues.is_empty());
            worker.stopped_since = stopped.then(|| worker.stopped_since.unwrap_or(asked));
            worker.queues = held.map(|queues| (asked, queues));
        }
    }

    /// Returns these queues, held once.
    fn hold(&mut self, queues: &BTreeSet<String>) -> Option<Queues> {
        if let Some(held) = self.queues.get(queues) {
            return Some(Arc::clone(held));
        }
        let bytes = bytes_of(queues);
        self.has_room(bytes).then(|| {
            self.texts += bytes;
            let queues = Arc::new(queues.clone());
            self.queues.insert(Arc::clone(&queues));
            queues
        })
    }

    /// Takes in a worker's properties.
    pub fn told_stats(&mut self, node: &str, stats: &Stats, asked: Moment, at: Moment) {
        let bytes = bytes_of_options(&stats.application);
        if bytes > 0 && !self.has_room(bytes) {
            return;
        }
        let Some(worker) = self.answering(node, asked, at) else {
            return;
        };
        if !worker.beats(at)
            && let Some(processed) = stats.processed
        {
            if worker.stats.is_none() {
                worker.processed = processed;
            }
            worker.runs(worker.active, Some(processed), asked);
        }
        worker.solo = stats.solo;
        worker.stats = Some((asked, stats.clone()));
        self.texts += bytes;
    }

    /// Takes in the state of a subscription.
    pub fn listens(&mut self, to: &Subscription, hearing: &Hearing) {
        if self.hearing.get(to) != Some(hearing) {
            self.hearing.insert(to.clone(), hearing.clone());
        }
    }

    /// Forgets all other subscriptions.
    pub fn listens_only(&mut self, to: &BTreeSet<Subscription>) {
        self.hearing.retain(|listen, _| to.contains(listen));
    }

    /// State of this subscription.
    pub fn hearing(&self, to: &Subscription) -> Hearing {
        self.hearing.get(to).cloned().unwrap_or_default()
    }

    /// Forgets workers that have been silent for a long time. If memory becomes scarce, forgets all silent ones, except
    /// those whose host has another live worker: the pod would seem to hold only what that one reports.
    pub fn prune(&mut self, now: Moment) {
        let before = self.nodes.len();
        let scarce = self.held() > self.most / 4 * 3;
        let live = self.nodes.iter().filter(|(_, worker)| scarce && worker.is_live(now));
        let inhabited: BTreeSet<String> = live.map(|(name, _)| name.parts().0.to_owned()).collect();
        self.nodes.retain(|name, worker| {
            let silent = now.saturating_sub(worker.heard());
            let remembered = if worker.left.is_some() { LEFT } else { REMEMBERED };
            worker.is_live(now) || silent <= remembered && (!scarce || inhabited.contains(name.parts().0))
        });
        self.generation += u64::from(self.nodes.len() < before);
        self.queues.retain(|queues| Arc::strong_count(queues) > 1);
        let of_each = |(name, worker): (&str, &Worker)| {
            let application = worker
                .stats
                .as_ref()
                .map(|(_, stats)| bytes_of_options(&stats.application));
            name.len() + application.unwrap_or_default()
        };
        let own: usize = self.all().map(of_each).sum();
        self.texts = own + self.queues.iter().map(|queues| bytes_of(queues)).sum::<usize>();
    }

    /// Live workers, by node name.
    pub fn live(&self, now: Moment) -> impl Iterator<Item = (&str, &Worker)> {
        self.all().filter(move |(_, worker)| worker.is_live(now))
    }

    /// Number that stays the same as long as the known nodes do.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Worker of this name.
    pub fn get(&self, node: &str) -> Option<&Worker> {
        self.nodes.get(&NodeName::new(node)).map(|worker| &**worker)
    }

    /// All workers, also silent ones, by node name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes.iter().map(|(node, worker)| (&*node.0, &**worker))
    }

    /// All workers whose host's name begins with this prefix, also silent ones.
    pub fn on(&self, host_prefix: &str) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes
            .range(NodeName::new(host_prefix)..)
            .take_while(move |(node, _)| node.parts().0.starts_with(host_prefix))
            .map(|(node, worker)| (&*node.0, &**worker))
    }
}

impl Workers {
    /// Takes in a signal.
    pub fn take(&mut self, signal: &WorkerSignal, at: Moment) {
        // Nobody can have been asked later than now.
        match signal {
            WorkerSignal::Heartbeat {
                node,
                active,
                processed,
                interval,
            } => self.heard(node, *active, *processed, *interval, at),
            WorkerSignal::Online { node } => self.came(node, at),
            WorkerSignal::Offline { node } => self.left(node, at),
            WorkerSignal::Inspected {
                node,
                method,
                answer,
                asked,
            } => self.inspected(node, *method, *answer, at.min(*asked), at),
            WorkerSignal::Queues { node, queues, asked } => self.told_queues(node, queues, at.min(*asked), at),
            WorkerSignal::Pong { node, asked } => drop(self.answering(node, at.min(*asked), at)),
            WorkerSignal::Stats { node, stats, asked } => self.told_stats(node, stats, at.min(*asked), at),
        }
    }
}

#[cfg(test)]
mod tests;
