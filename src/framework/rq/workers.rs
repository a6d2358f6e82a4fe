//! Workers: who is there, in which pod, and what each does. All workers of the prefix are looked at once, for a pod may have
//! workers of queues that the pool does not count; after that only those of the pool's pods.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::super::pods::{common_prefix, is_any_pod, is_pod_of, pod_among};
use crate::model::{Hearing, Moment, Now, PodReport, Query, Replies, SampleError, Tally};

/// Fields of a worker's hash that are read.
const FIELDS: &[&str] = &[
    "state",
    "hostname",
    "death",
    "queues",
    "successful_job_count",
    "failed_job_count",
    "last_heartbeat",
];

/// Time for which a worker that vanished while it was busy is remembered without another worker in its pod.
const GONE: Duration = Duration::from_secs(600);

/// The plan takes this from the time at which a container began, for nodes' clocks. A worker's heartbeat is written by the
/// same node's clock.
const SKEW: Duration = Duration::from_secs(5);

/// Largest number of strangers that are named.
const STRANGERS: usize = 3;

/// Workers by the keys of their hashes.
#[derive(Debug, Default)]
pub(super) struct RqWorkers {
    all: BTreeMap<String, RqWorker>,
    /// Keys that are asked for in this sample.
    asked: Vec<String>,
    /// Whether every worker that is named was read: one that was not may be in any pod.
    complete: bool,
}

/// Worker as it was read last.
#[derive(Clone, Debug)]
struct RqWorker {
    host: String,
    busy: bool,
    queues: Vec<String>,
    /// Number of jobs that it has done.
    done: u64,
    heartbeat: Option<Timestamp>,
    /// Time since which it has run nothing.
    idle_since: Option<Moment>,
    /// Time since which it has no hash, although it was busy and has not said goodbye.
    vanished: Option<Moment>,
}

impl RqWorkers {
    /// Queries for the workers with these keys, as far as they matter: those of the pods, and those that are not known yet.
    /// Members of dead workers stay in the set, and are asked for each time: the same name may begin anew.
    pub(super) fn ask(&mut self, keys: BTreeSet<String>, target: &str, pods: &BTreeSet<String>) -> Vec<Query> {
        let is_own = |worker: &RqWorker| pod_of(&worker.host, target, pods).is_some();
        // A busy one that is named no more has ended, or was given up by others while it still runs its job.
        self.all
            .retain(|key, worker| keys.contains(key) || worker.busy && is_own(worker));
        let own = self.all.iter().filter(|(_, worker)| is_own(worker));
        let mut asked: Vec<String> = own.map(|(key, _)| key.clone()).collect();
        let new = keys.into_iter().filter(|key| !self.all.contains_key(key));
        asked.extend(new);
        self.asked = asked;
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
        now: Now,
    ) -> Option<SampleError> {
        for key in std::mem::take(&mut self.asked) {
            let before = self.all.remove(&key);
            let worker = match replies.texts() {
                Ok(fields) => RqWorker::read(fields, before, now.moment),
                Err(error) => {
                    trouble = trouble.or(Some(error));
                    before
                }
            };
            self.all.extend(worker.map(|worker| (key, worker)));
        }
        self.complete = trouble.is_none();
        trouble
    }

    /// Puts what the workers say into a tally. `ready`: number of the target's ready pods.
    pub(super) fn report(
        &mut self,
        tally: &mut Tally,
        (target, pods, ready): (&str, &BTreeSet<String>, u32),
        queues: &[String],
        now: Now,
    ) {
        let (mut slots, mut done) = (BTreeMap::<String, u32>::new(), 0_u64);
        for worker in self.all.values() {
            let Some(pod) = pod_of(&worker.host, target, pods) else {
                let ours = worker.queues.iter().any(|queue| queues.contains(queue));
                let near = worker.host.contains(common_prefix(target)) || !is_any_pod(&worker.host);
                if ours && near && tally.strangers.len() < STRANGERS {
                    tally.strangers.push(worker.host.clone());
                }
                continue;
            };
            if worker.vanished.is_none() {
                done = done.saturating_add(worker.done);
                tally.work.running += u64::from(worker.busy);
                *slots.entry(pod.clone()).or_default() += 1;
                let fetches = tally.fetches.entry(pod.clone()).or_default();
                Arc::make_mut(fetches).extend(worker.queues.iter().cloned());
            }
            let mut report = worker.report(now);
            (report.fresh, report.tells) = (report.fresh && self.complete, report.tells && self.complete);
            match tally.pods.get_mut(&pod) {
                Some(pod) => pod.join(report),
                None => drop(tally.pods.insert(pod, report)),
            }
        }
        tally.workers_heard = tally.pods.values().any(|pod| pod.live);
        tally.processed = tally.workers_heard.then_some(done);
        tally.slots = slots.into_values().min();
        if ready as usize <= tally.pods.values().filter(|pod| pod.live).count() {
            tally.strangers.clear();
        }
        let alone = |worker: &RqWorker| {
            let pod = pod_of(&worker.host, target, pods).and_then(|pod| tally.pods.get(&pod));
            pod.is_none_or(|pod| !pod.live)
        };
        let gone = |since: Moment| now.moment.saturating_sub(since) > GONE;
        self.all
            .retain(|_, worker| !worker.vanished.is_some_and(gone) || !alone(worker));
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

/// Pod that runs on this host.
fn pod_of(host: &str, target: &str, pods: &BTreeSet<String>) -> Option<String> {
    match is_pod_of(host, target) {
        true => Some(host.to_owned()),
        false => pod_among(host, pods).map(str::to_owned),
    }
}

impl RqWorker {
    /// Reads a hash. `None`: the worker has ended. The hash of one that was killed expires, and so does that of a
    /// `SimpleWorker` whose job lasts long.
    fn read(fields: Vec<Option<String>>, before: Option<Self>, now: Moment) -> Option<Self> {
        let [state, host, death, queues, good, bad, heartbeat] = <[Option<String>; 7]>::try_from(fields).ok()?;
        let Some(host) = host else {
            let busy = before.filter(|worker| worker.busy)?;
            return Some(Self {
                vanished: busy.vanished.or(Some(now)),
                ..busy
            });
        };
        if death.is_some() {
            return None;
        }
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let done = number(good).saturating_add(number(bad));
        // A worker without a state has begun no job. An unknown state is no evidence.
        let busy = !matches!(state.as_deref(), None | Some("started" | "idle" | "suspended"));
        let same = before.filter(|before| before.done == done);
        Some(Self {
            host,
            busy,
            queues: queues.unwrap_or_default().split(',').map(str::to_owned).collect(),
            done,
            heartbeat: heartbeat.and_then(|at| at.parse().ok()),
            idle_since: (!busy).then(|| same.and_then(|before| before.idle_since).unwrap_or(now)),
            vanished: None,
        })
    }

    fn report(&self, now: Now) -> PodReport {
        let Some(vanished) = self.vanished else {
            return PodReport {
                running: u32::from(self.busy),
                live: true,
                fresh: true,
                tells: true,
                idle_since: self.idle_since,
                ..PodReport::default()
            };
        };
        let ago = |at: Timestamp| Duration::try_from(now.wall.duration_since(at)).unwrap_or_default();
        let heard = self.heartbeat.map_or(vanished, |at| now.moment.saturating_sub(ago(at)));
        PodReport {
            silent: Some(heard.saturating_sub(SKEW)),
            ..PodReport::default()
        }
    }
}
