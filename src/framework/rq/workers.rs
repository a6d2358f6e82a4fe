//! Workers: who is there, in which pod, and what each does. All workers of the prefix are looked at, for a pod may have
//! workers of queues that the pool does not count; after that those of the pool's pods, and others only while pods of the
//! pool are not heard. Of those others no more than a mark is kept.
//!
//! Who writes in the Redis can invent names and hosts without end, so what is kept is counted in bytes: what does not fit is
//! a worker that could not be read.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    super::pods::{common_prefix, is_any_pod, is_pod_of, pod_among},
    worker::{FIELDS, RqWorker},
};
use crate::model::{Hearing, Moment, Now, Query, Queues, Replies, Roster, SampleError, Tally, Workload, WorkloadKind};

/// Time for which a worker that vanished while it was busy is remembered without another worker in its pod.
const GONE: Duration = Duration::from_secs(600);

/// Largest number of strangers that are named.
const STRANGERS: usize = 3;

/// Largest number of workers that are looked at in one sample beside those of the pool's pods.
const LOOKS: usize = 1_000;

/// Largest number of strangers among them: while pods are not heard, one may have come into a pod under its old name.
const LOOKS_AGAIN: usize = 50;

/// Memory of a pool's worker beside its texts, in bytes, with its part of the tally, at most.
const EACH: usize = 700;

/// Memory of a mark in bytes, at most.
const MARK: usize = 40;

/// Memory of one more text beside its letters, in bytes.
const TEXT: usize = 64;

/// Pods and queues of a pool.
#[derive(Debug)]
pub(super) struct RqScope {
    /// Target of the pool.
    pub(super) target: Workload,
    /// Its pods.
    pub(super) roster: Roster,
    /// Queues that the pool counts.
    pub(super) queues: Vec<String>,
}

/// Workers that matter to one pool.
#[derive(Debug)]
pub(super) struct RqWorkers {
    /// Workers in the pool's pods by the keys of their hashes, with the queues that they fetch from.
    own: BTreeMap<String, (RqWorker, Queues)>,
    /// Sets of queues, each held once.
    queues: BTreeSet<Queues>,
    /// All others that were read, by the hashes of their keys.
    marks: BTreeMap<u64, RqMark>,
    /// Hosts of the first strangers that may be the pool's.
    near: BTreeMap<u64, String>,
    /// Keys that are asked for in this sample.
    asked: Vec<String>,
    /// Hashes of the keys at which the next look at the gone ones, and at strangers, begins.
    turns: [u64; 2],
    /// Number of pods that were heard last.
    heard: usize,
    /// Whether some are named that have not been looked at yet: they may be in any pod.
    unread: bool,
    /// Whether every worker that is named was read: one that was not may be in any pod.
    complete: bool,
    /// Number of bytes that may be held.
    most: usize,
    /// Whether something was not kept for lack of room.
    full: bool,
}

/// What is kept of a worker that is in none of the pool's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RqMark {
    /// It has no hash, or has said goodbye. The same name may begin anew at any time.
    Gone,
    /// It runs elsewhere.
    Stranger,
}

impl Default for RqWorkers {
    fn default() -> Self {
        Self {
            own: BTreeMap::new(),
            queues: BTreeSet::new(),
            marks: BTreeMap::new(),
            near: BTreeMap::new(),
            asked: Vec::new(),
            turns: [0; 2],
            heard: 0,
            unread: false,
            complete: false,
            most: usize::MAX,
            full: false,
        }
    }
}

impl RqWorkers {
    /// Sets the largest number of bytes to hold; what is held already stays until it is forgotten.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// Number of bytes that are held, or an upper bound, and whether something was not kept since the last call.
    pub(super) fn held(&mut self) -> (usize, bool) {
        (self.bytes(), std::mem::take(&mut self.full))
    }

    fn bytes(&self) -> usize {
        let own = self.own.iter().map(|(key, (worker, _))| bytes_of_worker(key, worker));
        let queues = self.queues.iter().map(|queues| bytes_of_queues(queues));
        self.marks.len() * MARK + own.chain(queues).sum::<usize>()
    }

    /// Queries for the workers with these keys, as far as they matter: those of the pods, those that are not known yet, and
    /// those that are gone, for members of dead workers stay in the set. `None`: the set could not be read, so nothing is
    /// forgotten.
    pub(super) fn ask(&mut self, keys: Option<Vec<String>>, scope: &RqScope) -> Vec<Query> {
        let by_mark = |key: String| (mark_of(&key), key);
        let named = keys.map(|keys| keys.into_iter().map(by_mark).collect::<BTreeMap<_, _>>());
        let is_named = |mark: &u64| named.as_ref().is_none_or(|named| named.contains_key(mark));
        // A busy one that is named no more has ended, or was given up by others while it still runs its job.
        self.own.retain(|key, (worker, _)| {
            (worker.busy || is_named(&mark_of(key))) && pod_of(&worker.host, scope).is_some()
        });
        self.marks.retain(|mark, _| is_named(mark));
        self.near.retain(|mark, _| is_named(mark));
        self.asked = self.own.keys().cloned().collect();
        let (mut new, mut gone, mut strangers) = (Vec::new(), Vec::new(), Vec::new());
        for (mark, key) in named.into_iter().flatten() {
            match self.marks.get(&mark) {
                Some(RqMark::Gone) => gone.push((mark, key)),
                Some(RqMark::Stranger) => strangers.push((mark, key)),
                None if !self.own.contains_key(&key) => new.push(key),
                None => {}
            }
        }
        self.unread = new.len() > LOOKS;
        new.truncate(LOOKS);
        let [gone_at, stranger_at] = &mut self.turns;
        let left = LOOKS - new.len();
        self.asked.extend(new);
        self.asked.extend(in_turn(gone, left, gone_at));
        if scope.roster.ready as usize > self.heard {
            self.asked.extend(in_turn(strangers, LOOKS_AGAIN, stranger_at));
        }
        let hash = |key: &String| Query::HashFields {
            key: key.clone(),
            fields: FIELDS,
        };
        self.asked.iter().map(hash).collect()
    }

    /// Takes the hashes in. `trouble`: why the set of the workers could not be read. Returns the first reason why one of both
    /// could not.
    pub(super) fn take(
        &mut self,
        replies: &mut Replies,
        mut trouble: Option<SampleError>,
        scope: &RqScope,
        now: Now,
    ) -> Option<SampleError> {
        let mut bytes = self.bytes();
        for key in std::mem::take(&mut self.asked) {
            let (before, mark) = (self.own.remove(&key), self.marks.remove(&mark_of(&key)));
            self.near.remove(&mark_of(&key));
            let of_own = before.as_ref().map_or(0, |(worker, _)| bytes_of_worker(&key, worker));
            let freed = of_own + mark.map_or(0, |_| MARK);
            bytes -= freed;
            let (worker, queues) = before.unzip();
            let read = |fields| RqWorker::read(fields, worker.as_ref(), now);
            let found = match replies.texts().and_then(read) {
                Ok(Some((worker, told))) => Some((worker, told.map(Arc::new).or(queues).unwrap_or_default())),
                Ok(None) => None,
                Err(error) => {
                    trouble = trouble.or(Some(error));
                    // What could not be read stays as it was.
                    let Some(before) = worker.zip(queues) else { continue };
                    Some(before)
                }
            };
            let own = found
                .as_ref()
                .is_some_and(|(worker, queues)| pod_of(&worker.host, scope).is_some() && scope.means(queues));
            let size = match &found {
                Some((worker, queues)) if own => {
                    let shared = self.queues.contains(queues);
                    bytes_of_worker(&key, worker) + if shared { 0 } else { bytes_of_queues(queues) }
                }
                _ => MARK,
            };
            if size > freed && bytes.saturating_add(size) > self.most {
                self.full = true;
                trouble = trouble.or(Some(SampleError::TooLarge));
                continue;
            }
            bytes += size;
            match found {
                Some((worker, queues)) if own => {
                    let queues = self.one_of(queues);
                    self.own.insert(key, (worker, queues));
                }
                Some((worker, queues)) => self.mark(&key, &worker, &queues, scope),
                None => drop(self.marks.insert(mark_of(&key), RqMark::Gone)),
            }
        }
        // Those that nobody fetches from any more; a tally may hold one a little longer.
        self.queues.retain(|queues| Arc::strong_count(queues) > 1);
        self.complete = trouble.is_none() && !self.unread;
        trouble
    }

    /// The set that equals this one, held once.
    fn one_of(&mut self, queues: Queues) -> Queues {
        if let Some(same) = self.queues.get(&queues) {
            return Arc::clone(same);
        }
        self.queues.insert(Arc::clone(&queues));
        queues
    }

    /// Marks a worker that runs elsewhere.
    fn mark(&mut self, key: &str, worker: &RqWorker, queues: &Queues, scope: &RqScope) {
        let ours = scope.queues.iter().any(|queue| queues.contains(queue));
        let near =
            worker.host.contains(common_prefix(&scope.target.name)) || !is_any_pod(&worker.host, scope.target.kind);
        if ours && near && self.near.len() < STRANGERS {
            self.near.insert(mark_of(key), worker.host.to_string());
        }
        self.marks.insert(mark_of(key), RqMark::Stranger);
    }

    /// Puts what the workers say into a tally.
    pub(super) fn report(&mut self, tally: &mut Tally, scope: &RqScope, now: Now) {
        let mut born = BTreeMap::<String, Option<Timestamp>>::new();
        for (worker, _) in self.own.values().filter(|(worker, _)| worker.vanished.is_none()) {
            let Some(pod) = pod_of(&worker.host, scope) else {
                continue;
            };
            let youngest = born.entry(pod).or_default();
            *youngest = worker.birth().max(*youngest);
        }
        let (mut slots, mut done) = (BTreeMap::<String, u32>::new(), 0_u64);
        for (worker, queues) in self.own.values() {
            let Some(pod) = pod_of(&worker.host, scope) else {
                continue;
            };
            if worker.vanished.is_none() {
                done = done.saturating_add(worker.done);
                tally.work.running += u64::from(worker.busy);
                let youngest = born.get(&pod).copied().flatten();
                *slots.entry(pod.clone()).or_default() += u32::from(worker.lives_beside(youngest));
                match tally.fetches.entry(pod.clone()) {
                    Entry::Vacant(none) => drop(none.insert(Arc::clone(queues))),
                    Entry::Occupied(some) if some.get() == queues => {}
                    Entry::Occupied(mut some) => Arc::make_mut(some.get_mut()).extend(queues.iter().cloned()),
                }
            }
            let mut report = worker.report();
            (report.fresh, report.tells) = (report.fresh && self.complete, report.tells && self.complete);
            match tally.pods.get_mut(&pod) {
                Some(pod) => pod.join(report),
                None => drop(tally.pods.insert(pod, report)),
            }
        }
        self.heard = tally.pods.values().filter(|pod| pod.live).count();
        tally.workers_heard = self.heard > 0;
        tally.processed = tally.workers_heard.then_some(done);
        tally.slots = slots.into_values().min();
        if scope.roster.ready as usize > self.heard {
            tally.strangers = self.near.values().cloned().collect();
        }
        let gone = |since: Moment| now.moment.saturating_sub(since) > GONE;
        self.own.retain(|_, (worker, _)| {
            let pod = pod_of(&worker.host, scope).and_then(|pod| tally.pods.get(&pod));
            pod.is_some_and(|pod| pod.live) || !worker.vanished.is_some_and(|vanished| gone(vanished.at))
        });
    }
}

/// How it stands with reading the workers.
pub(super) fn hearing(trouble: Option<SampleError>) -> Hearing {
    match trouble {
        None => Hearing::Works,
        Some(SampleError::Permission) => Hearing::Refused {
            right: "scard, smembers or hmget".to_owned(),
        },
        Some(error) => Hearing::Failing(error),
    }
}

/// The next ones of these keys, which are ordered by their hashes, and where those after them begin.
fn in_turn(mut keys: Vec<(u64, String)>, most: usize, begin: &mut u64) -> impl Iterator<Item = String> {
    let first = keys.partition_point(|(mark, _)| mark < begin);
    keys.rotate_left(first);
    keys.truncate(most);
    *begin = keys.last().map_or(0, |(mark, _)| mark.wrapping_add(1));
    keys.into_iter().map(|(_, key)| key)
}

/// Hash of a key. Who makes two keys with the same one hides one of his own workers.
fn mark_of(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Memory of a worker of the pool's pods, in bytes: its host is the pod's name in the tally as well.
fn bytes_of_worker(key: &str, worker: &RqWorker) -> usize {
    EACH + key.len() + 3 * worker.host.len()
}

/// Memory of a set of queues, in bytes, and of another one in the tally of a pod whose workers differ.
fn bytes_of_queues(queues: &BTreeSet<String>) -> usize {
    // A node of the tree has room for eleven names, even if there are fewer.
    let nodes = queues.len().div_ceil(5) * 400;
    2 * (TEXT + nodes + queues.iter().map(|name| name.len() + TEXT / 2).sum::<usize>())
}

impl RqScope {
    /// Whether a worker with these queues may be of the target's pods: a StatefulSet of the same name in another namespace has
    /// pods of the same names.
    fn means(&self, queues: &Queues) -> bool {
        let any = self.queues.is_empty() || self.queues.iter().any(|queue| queues.contains(queue));
        any || self.target.kind == WorkloadKind::Deployment
    }
}

/// Pod that runs on this host.
fn pod_of(host: &str, scope: &RqScope) -> Option<String> {
    match is_pod_of(host, &scope.target) {
        true => Some(host.to_owned()),
        false => pod_among(host, &scope.roster.pods, scope.target.kind).map(str::to_owned),
    }
}
