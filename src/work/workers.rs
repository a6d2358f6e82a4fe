//! Who works: what the workers of one endpoint say of themselves, by heartbeat and by inspection.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{Hearing, Inspect, Listen, Moment};

/// A worker that beats as usual and has not been heard for this long is not counted any more (Celery beats every 2 s).
const SILENT: Duration = Duration::from_secs(12);

/// A worker that beats as usual and did so this long ago missed a beat at least: what it said may be old.
const BEATS: Duration = Duration::from_secs(5);

/// So many beats may fail to come before a worker with a longer interval (`--heartbeat-interval`) is not counted any more.
const MISSED: u32 = 3;

/// A longer interval between two beats is a forgery or a mistake.
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);

/// A worker that does not beat is there for so long after a question that it answered.
const ANSWERS: Duration = Duration::from_secs(15);

/// A worker that fell silent without a goodbye is remembered for so long: one with Celery's solo pool says nothing while
/// it runs a task.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// A worker that said goodbye is remembered for so long: it works off what it runs, and says no more.
const LEFT: Duration = Duration::from_secs(3600);

/// More workers on one endpoint are not remembered: whoever may publish could make up names without end.
const MAX_NODES: usize = 20_000;

/// The workers heard on one endpoint, by node name (Celery: `celery@<pod name>`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workers {
    /// Ordered by host (what follows the first `@`), so that a pool finds its pods without a look at all others.
    nodes: BTreeMap<NodeName, Worker>,
    /// How it stands with each subscription.
    hearing: BTreeMap<Listen, Hearing>,
    /// Rises whenever a node is new or gone.
    generation: u64,
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
    /// When its last heartbeat came; `None`: it does not beat, and is known by its answers alone.
    pub beat: Option<Moment>,
    /// How often it says that it beats.
    interval: Duration,
    /// The latest question that it answered: when it was asked.
    pub answered: Option<Moment>,
    /// When it said goodbye, unless it was heard since.
    pub left: Option<Moment>,
    /// Since when somebody of its name has been known.
    pub since: Moment,
    /// Two answers to one question came under this name, last to the one asked then: several workers share it.
    pub doubled: Option<Moment>,
    /// Since when it has missed no beat and has not begun anew: it was not so busy that it could not speak.
    pub steady_since: Moment,
    /// Tasks it runs: by its last beat, or by its last answer if it does not beat.
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
    /// It has ever answered a question.
    pub answers: bool,
    /// It runs tasks itself, as far as it ever said: a process of its name seldom begins as another kind.
    pub solo: bool,
    /// What it said of itself ([`Inspect::Stats`]), and when.
    pub stats: Option<(Moment, Stats)>,
    /// The queues it fetches from, and when it was asked for them.
    pub queues: Option<(Moment, BTreeSet<String>)>,
    /// Since when it has fetched from no queue: the time of the first of the questions it answered so without a break.
    pub stopped_since: Option<Moment>,
    /// What it answered to earlier questions is void: it began anew since, or connected to the broker again.
    began: Moment,
}

/// What a worker says of itself ([`Inspect::Stats`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tasks it runs at a time.
    pub slots: Option<u32>,
    /// Tasks it has taken on since it started.
    pub processed: Option<u64>,
    /// It runs tasks itself (`--pool solo`), and says nothing meanwhile.
    pub solo: bool,
    /// How its application uses the broker.
    pub application: Application,
}

/// How an application uses its broker, as its workers tell: what of it concerns the keys of queues. What is not told is
/// as it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    /// `priority_steps`.
    pub priority_steps: Option<Vec<u8>>,
    /// `sep`.
    pub separator: Option<String>,
}

impl Worker {
    /// It is there: it beat lately, or answered lately.
    pub fn is_live(&self, now: Moment) -> bool {
        let answers = self.answered.is_some_and(|at| now.saturating_sub(at) <= ANSWERS);
        self.left.is_none() && (self.beats(now) || answers)
    }

    /// It beat lately.
    pub fn beats(&self, now: Moment) -> bool {
        let silent = SILENT.max(self.interval * MISSED);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= silent)
    }

    /// It beats often enough to say by that what it runs (`--heartbeat-interval`).
    pub fn tells(&self, now: Moment) -> bool {
        self.beats(now) && self.interval <= BEATS
    }

    /// What it said last is not old: it missed no beat, or has answered as lately.
    pub fn is_fresh(&self, now: Moment) -> bool {
        let beats = BEATS.max(self.interval * 2);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= beats)
            || self
                .inspections
                .get(&Inspect::Active)
                .is_some_and(|(at, _)| now.saturating_sub(*at) <= BEATS)
    }

    /// When it was heard last, in whatever way.
    pub fn heard(&self) -> Moment {
        self.beat.max(self.answered).max(self.left).unwrap_or(Moment::ZERO)
    }

    /// Several workers go by this name, as far as was seen lately.
    pub fn is_doubled(&self, now: Moment) -> bool {
        self.doubled.is_some_and(|at| now.saturating_sub(at) <= REMEMBERED)
    }

    /// One of whom nothing is known.
    fn new(at: Moment) -> Self {
        Self {
            beat: None,
            interval: Duration::ZERO,
            answered: None,
            left: None,
            since: at,
            doubled: None,
            steady_since: at,
            active: 0,
            processed: 0,
            taken: 0,
            idle_since: None,
            inspections: BTreeMap::new(),
            acknowledging: None,
            answers: false,
            solo: false,
            stats: None,
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

    /// It runs so many tasks, and has taken on so many since it started, as far as that is told.
    fn runs(&mut self, active: u32, processed: Option<u64>, at: Moment) {
        let processed = processed.unwrap_or(self.processed);
        let new = processed.checked_sub(self.processed).unwrap_or_else(|| {
            // A smaller number is that of a new process under the same name: what the old one answered is void.
            self.begin(at);
            processed
        });
        self.taken = self.taken.saturating_add(new);
        self.idle_since = match self.idle_since {
            _ if active > 0 => None,
            Some(since) if new == 0 => Some(since),
            _ => Some(at),
        };
        (self.active, self.processed) = (active, processed);
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
    /// The worker of this name, a new one if need be; `None`: there are too many already.
    fn named(&mut self, node: &str, at: Moment) -> Option<&mut Worker> {
        let name = node_name(node);
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&name) {
            return None;
        }
        let generation = &mut self.generation;
        let worker = self.nodes.entry(name).or_insert_with(|| {
            *generation += 1;
            Worker::new(at)
        });
        if !worker.is_live(at) {
            *worker = Worker {
                since: worker.since,
                doubled: worker.doubled,
                answers: worker.answers,
                solo: worker.solo,
                ..Worker::new(at)
            };
        }
        Some(worker)
    }

    /// Takes a heartbeat in; `interval`: how often the worker says that it beats.
    pub fn heard(&mut self, node: &str, active: u32, processed: u64, interval: Duration, at: Moment) {
        let Some(worker) = self.named(node, at) else { return };
        worker.interval = interval.min(LONGEST_INTERVAL);
        let Some(last) = worker.beat.replace(at) else {
            // What it took on before it was heard first is not counted.
            worker.processed = processed;
            worker.steady_since = at;
            return worker.runs(active, Some(processed), at);
        };
        if at.saturating_sub(last) > BEATS.max(worker.interval * 2) {
            worker.steady_since = at;
        }
        worker.runs(active, Some(processed), at);
    }

    /// Takes a goodbye (`worker-offline`) in: the worker stops fetching, and says no more; what it still runs is not known.
    pub fn left(&mut self, node: &str, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            *worker = Worker {
                left: Some(at),
                since: worker.since,
                doubled: worker.doubled,
                answers: worker.answers,
                solo: worker.solo,
                ..Worker::new(at)
            };
        }
    }

    /// Takes the greeting (`worker-online`) of a new process or of a new connection to the broker in.
    pub fn came(&mut self, node: &str, at: Moment) {
        if let Some(worker) = self.nodes.get_mut(&node_name(node)) {
            worker.begin(at);
        }
    }

    /// The worker that answers a question of this time; `None`: it has begun anew since, or is not remembered.
    fn answering(&mut self, node: &str, asked: Moment, at: Moment) -> Option<&mut Worker> {
        // Its last answers may be read after its goodbye.
        let left = self.nodes.get(&node_name(node)).and_then(|worker| worker.left);
        if left.is_some_and(|left| left >= asked) {
            return None;
        }
        let worker = self.named(node, at)?;
        worker.answered = worker.answered.max(Some(asked));
        worker.answers = true;
        (worker.began <= asked).then_some(worker)
    }

    /// Takes the answer to an inspection of this time in, which comes now. Also one who does not beat is known by it.
    pub fn inspected(&mut self, node: &str, method: Inspect, answer: Inspection, asked: Moment, at: Moment) {
        let Some(worker) = self.answering(node, asked, at) else {
            return;
        };
        if method == Inspect::Active && answer.tasks > 0 {
            worker.acknowledging = Some((asked, answer));
        }
        match worker.inspections.get_mut(&method) {
            Some((last, _)) if *last > asked => return,
            Some((last, before)) if *last == asked => {
                // Nobody answers twice.
                before.tasks = before.tasks.saturating_add(answer.tasks);
                worker.doubled = Some(asked);
            }
            _ => drop(worker.inspections.insert(method, (asked, answer))),
        }
        if method == Inspect::Active && !worker.tells(at) && worker.beat.is_none_or(|beat| beat <= asked) {
            worker.runs(answer.tasks, None, asked);
        }
    }

    /// Takes the answer to [`Inspect::ActiveQueues`] in.
    pub fn told_queues(&mut self, node: &str, queues: &BTreeSet<String>, asked: Moment, at: Moment) {
        let Some(worker) = self.answering(node, asked, at) else {
            return;
        };
        if worker.queues.as_ref().is_none_or(|(last, _)| *last <= asked) {
            worker.stopped_since = queues.is_empty().then(|| worker.stopped_since.unwrap_or(asked));
            worker.queues = Some((asked, queues.clone()));
        }
    }

    /// Takes in what a worker says of itself.
    pub fn told_stats(&mut self, node: &str, stats: &Stats, asked: Moment, at: Moment) {
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
        let before = self.nodes.len();
        let many = before > MAX_NODES / 2;
        self.nodes.retain(|_, worker| {
            let silent = now.saturating_sub(worker.heard());
            let remembered = if worker.left.is_some() { LEFT } else { REMEMBERED };
            worker.is_live(now) || !many && silent <= remembered
        });
        self.generation += u64::from(self.nodes.len() < before);
    }

    /// The workers that are there, by node name.
    pub fn live(&self, now: Moment) -> impl Iterator<Item = (&str, &Worker)> {
        self.all().filter(move |(_, worker)| worker.is_live(now))
    }

    /// Other nodes are known as long as this number stays.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The worker of this name.
    pub fn get(&self, node: &str) -> Option<&Worker> {
        self.nodes.get(&node_name(node))
    }

    /// All workers, also those that fell silent, by node name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Worker)> {
        self.nodes.iter().map(|((_, node), worker)| (node.as_str(), worker))
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

impl Workers {
    /// Takes a signal in.
    pub fn take(&mut self, signal: &Signal, at: Moment) {
        // Nobody can have been asked later than now.
        match signal {
            Signal::Heartbeat {
                node,
                active,
                processed,
                interval,
            } => self.heard(node, *active, *processed, *interval, at),
            Signal::Online { node } => self.came(node, at),
            Signal::Offline { node } => self.left(node, at),
            Signal::Inspected {
                node,
                method,
                answer,
                asked,
            } => self.inspected(node, *method, *answer, at.min(*asked), at),
            Signal::Queues { node, queues, asked } => self.told_queues(node, queues, at.min(*asked), at),
            Signal::Pong { node, asked } => drop(self.answering(node, at.min(*asked), at)),
            Signal::Stats { node, stats, asked } => self.told_stats(node, stats, at.min(*asked), at),
        }
    }
}

#[cfg(test)]
mod tests;
