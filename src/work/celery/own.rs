//! What the pool's own workers say: running tasks, and how many of those are acknowledged already.
//!
//! With early acknowledgement (Celery's default) a running task is in no key and no queue; with late acknowledgement it
//! stays among the unacknowledged messages until it is done. Which of both holds is asked for ([`Inspect::Active`]).
//! Until an answer comes every running task is taken for an early one and counted on top: too many for a moment rather
//! than too few.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::pods;
use crate::work::{Inspect, Inspection, Moment, PodWork, Stance, Tally, Told, Work, Worker, Workers};

/// Older answers to [`Inspect::Reserved`] and [`Inspect::Scheduled`] are not counted.
const ANSWER_HOLDS: Duration = Duration::from_secs(30);
/// How long the way of acknowledging is believed: it belongs to the tasks' code and seldom changes.
const SHARE_HOLDS: Duration = Duration::from_secs(60);
/// A busy worker is asked again for its way of acknowledging after this time, well before the old answer expires.
const SHARE_AGES: Duration = Duration::from_secs(20);

/// A worker is asked again how many tasks it runs at a time after this time: little but `pool_grow` changes that.
const SLOTS_AGE: Duration = Duration::from_secs(300);

/// A worker that beat so long ago missed a beat at least: what it said may be old.
const BEATS: Duration = Duration::from_secs(5);

/// The pool's live workers, with their pods' names.
pub(super) struct Own<'a> {
    workers: Vec<(&'a str, &'a Worker)>,
    /// All, also those that fell silent: pod, node.
    known: Vec<(&'a str, &'a str, &'a Worker)>,
    now: Moment,
}

impl<'a> Own<'a> {
    /// Those among all workers of the endpoint that run in the target's pods.
    pub(super) fn among(workers: &'a Workers, target: &str, now: Moment) -> Self {
        let known: Vec<_> = workers
            .on(pods::common_prefix(target))
            .filter_map(|(node, worker)| Some((pods::pod_of(node, target)?, node, worker)))
            .collect();
        let live = known.iter().filter(|(_, _, worker)| worker.is_live(now));
        Self {
            workers: live.map(|(pod, _, worker)| (*pod, *worker)).collect(),
            known,
            now,
        }
    }

    /// The workers of one pod, with their names.
    pub(super) fn on<'b>(&'b self, pod: &'b str) -> impl Iterator<Item = (&'a str, &'a Worker)> + 'b {
        let of = self.known.iter().filter(move |(of, _, _)| *of == pod);
        of.map(|(_, node, worker)| (*node, *worker))
    }

    /// What all workers of a pod that has been looked after like this for so long answered, once each has answered
    /// everything.
    pub(super) fn told(&self, pod: &str, stance: &Stance, since: Moment) -> Option<Told> {
        let answers = self.on(pod).map(|(_, worker)| {
            let (queues_asked, consumes) = worker.queues.as_ref()?;
            let resumed = matches!(stance, Stance::Resume(queues) if queues.is_subset(consumes));
            let of = |method| worker.inspections.get(&method);
            let (active, reserved, scheduled) = (of(Inspect::Active)?, of(Inspect::Reserved)?, of(Inspect::Scheduled)?);
            Some(Told {
                consumes: consumes.clone(),
                // What was said before it was last told to stop is void: it may have been told to resume in between.
                stopped_since: worker.stopped_since.map(|stopped| stopped.max(since)),
                resumed: resumed && *queues_asked > since,
                asked: active.0.min(reserved.0),
                running: active.1.tasks,
                reserved: reserved.1.tasks,
                scheduled: scheduled.1.tasks,
            })
        });
        answers.reduce(|a, b| Some(add(a?, b?)))?
    }

    /// There are any.
    pub(super) fn any(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Tasks they run now.
    pub(super) fn running(&self) -> u64 {
        self.each().map(|worker| u64::from(worker.active)).sum()
    }

    /// Of the running tasks: those in no key and no queue. `unacked`: the pool's unacknowledged messages that are due;
    /// what runs beyond those can only be acknowledged.
    pub(super) fn running_acknowledged(&self, unacked: u64) -> u64 {
        let of_all = self
            .each()
            .filter_map(|worker| self.acknowledging(worker, SHARE_HOLDS))
            .reduce(|a, b| Inspection {
                tasks: a.tasks.saturating_add(b.tasks),
                acknowledged: a.acknowledged.saturating_add(b.acknowledged),
            });
        let of_each = self.each().map(|worker| {
            let active = u64::from(worker.active);
            match self.acknowledging(worker, SHARE_HOLDS).or(of_all) {
                Some(answer) => (active * u64::from(answer.acknowledged)).div_ceil(u64::from(answer.tasks).max(1)),
                None => active,
            }
        });
        of_each.sum::<u64>().max(self.running().saturating_sub(unacked))
    }

    /// Tasks in the latest answers to this question.
    pub(super) fn answered(&self, method: Inspect) -> u64 {
        let fresh = |worker: &&Worker| {
            let (at, answer) = worker.inspections.get(&method)?;
            (self.now.saturating_sub(*at) <= ANSWER_HOLDS).then_some(u64::from(answer.tasks))
        };
        self.each().filter_map(|worker| fresh(&worker)).sum()
    }

    /// A busy worker's way of acknowledging is to be asked for, because it matters: there are unacknowledged messages
    /// beside the running tasks, or running ones among them.
    pub(super) fn acknowledging_unclear(&self, last: Option<&Tally>) -> bool {
        let mixed = last.is_none_or(|tally| tally.work.in_flight > tally.work.running);
        let late = self.each().any(|worker| {
            worker
                .acknowledging
                .is_some_and(|(_, answer)| answer.acknowledged < answer.tasks)
        });
        (mixed || late)
            && self
                .each()
                .any(|worker| worker.active > 0 && self.acknowledging(worker, SHARE_AGES).is_none())
    }

    /// A worker has not said how many tasks it runs at a time, or not lately.
    pub(super) fn slots_unclear(&self) -> bool {
        let lately = |(at, _): (Moment, u32)| self.now.saturating_sub(at) <= SLOTS_AGE;
        !self.each().all(|worker| worker.slots.is_some_and(lately))
    }

    /// Tasks that a pod runs at a time: one of whose nodes each has told; of pods that differ the fewest, so that more
    /// pods are ordered rather than too few.
    fn slots(&self) -> Option<u32> {
        let mut pods = BTreeMap::<&str, Option<u32>>::new();
        for (pod, worker) in &self.workers {
            let sum = pods.entry(*pod).or_insert(Some(0));
            *sum = sum.zip(worker.slots).map(|(sum, (_, slots))| sum.saturating_add(slots));
        }
        pods.into_values().flatten().min()
    }

    /// A tally of this work and what the workers say.
    pub(super) fn tally(&self, work: Work) -> Tally {
        let mut pods = BTreeMap::<String, PodWork>::new();
        for (name, _, worker) in &self.known {
            let of = PodWork {
                running: if worker.is_live(self.now) { worker.active } else { 0 },
                fresh: self.now.saturating_sub(worker.heard) <= BEATS,
                idle_since: worker.idle_since,
                told: None,
                deaf: false,
            };
            // Several nodes may share a pod.
            match pods.get_mut(*name) {
                Some(pod) => {
                    pod.running = pod.running.saturating_add(of.running);
                    pod.fresh &= of.fresh;
                    pod.idle_since = pod.idle_since.zip(of.idle_since).map(|(a, b)| a.max(b));
                }
                None => drop(pods.insert((*name).to_owned(), of)),
            }
        }
        Tally {
            work,
            pods,
            slots: self.slots(),
            processed: self
                .any()
                .then(|| self.each().fold(0_u64, |sum, worker| sum.saturating_add(worker.taken))),
            workers_heard: self.any(),
            ..Tally::default()
        }
    }

    fn each(&self) -> impl Iterator<Item = &'a Worker> + '_ {
        self.workers.iter().map(|(_, worker)| *worker)
    }

    fn acknowledging(&self, worker: &Worker, holds: Duration) -> Option<Inspection> {
        let (at, answer) = worker.acknowledging?;
        (self.now.saturating_sub(at) <= holds).then_some(answer)
    }
}

/// Two workers of one pod as one.
fn add(a: Told, b: Told) -> Told {
    Told {
        consumes: a.consumes.into_iter().chain(b.consumes).collect::<BTreeSet<_>>(),
        resumed: a.resumed && b.resumed,
        stopped_since: a.stopped_since.zip(b.stopped_since).map(|(a, b)| a.max(b)),
        asked: a.asked.min(b.asked),
        running: a.running.saturating_add(b.running),
        reserved: a.reserved.saturating_add(b.reserved),
        scheduled: a.scheduled.saturating_add(b.scheduled),
    }
}
