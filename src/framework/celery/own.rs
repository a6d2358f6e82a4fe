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

use jiff::Timestamp;

use super::BrokerOptions;
use super::pods::{self, Placed};
use super::workers::{Inspection, Worker, Workers};
use crate::framework::{
    celery::ask::Inspect,
    pods::{common_prefix, is_any_pod},
};
use crate::model::{Consumers, Intent, Moment, PodIntent, PodReport, Tally, Work, WorkerReport};

/// Older answers to [`Inspect::Reserved`] and [`Inspect::Scheduled`] are not counted.
const ANSWER_HOLDS: Duration = Duration::from_secs(30);
/// Answers that are to account for single tasks are no older. Asked every [`ACCOUNT_AGES`], they are in time.
const ACCOUNT_HOLDS: Duration = Duration::from_secs(12);
/// Workers are asked anew for what they hold after this time: a question to all of them is not cheap.
const ACCOUNT_AGES: Duration = Duration::from_secs(5);
/// How long the way of acknowledging is believed: it belongs to the tasks' code and seldom changes.
const SHARE_HOLDS: Duration = Duration::from_secs(60);
/// A busy worker is asked again for its way of acknowledging after this time, well before the old answer expires.
const SHARE_AGES: Duration = Duration::from_secs(20);

/// A worker is asked again what it is after this time: little but `pool_grow` changes that.
const STATS_AGE: Duration = Duration::from_secs(300);
/// One that does not beat is asked as often as this, for nothing else tells how many tasks it has taken on.
const SILENT_STATS_AGE: Duration = Duration::from_secs(20);
/// What a worker fetches from is asked for again after this time.
const QUEUES_AGE: Duration = Duration::from_secs(60);
/// A worker that does not beat is asked again what it holds after this time.
const HOLDS_AGE: Duration = Duration::from_secs(3);
/// A worker that has not been heard for so long is not asked any more.
const GONE: Duration = Duration::from_secs(600);
/// So many workers that fit no pod are named.
const STRANGERS: usize = 3;

/// The pool's live workers, with their pods' names.
pub(super) struct Own<'a> {
    pub(super) workers: Vec<(&'a str, &'a Worker)>,
    /// All, also those that fell silent: pod, node.
    pub(super) known: Vec<(&'a str, &'a str, &'a Worker)>,
    /// All workers of the endpoint, others' too.
    all: &'a Workers,
    pub(super) now: Moment,
}

impl<'a> Own<'a> {
    /// Those among all workers of the endpoint that run in the target's pods: by a pod's name as a Deployment's are made,
    /// and by the names of the pods that were listed, wherever those stand in a node's name.
    pub(super) fn among(workers: &'a Workers, target: &str, placed: &'a Placed, now: Moment) -> Self {
        let mut known: Vec<_> = workers
            .on(common_prefix(target))
            .filter_map(|(node, worker)| Some((pods::pod_of(node, target)?, node, worker)))
            .collect();
        let placed = placed.nodes.iter();
        known.extend(placed.filter_map(|(pod, node)| Some((pod.as_str(), node.as_str(), workers.get(node)?))));
        let live = known.iter().filter(|(_, _, worker)| worker.is_live(now));
        Self {
            workers: live.map(|(pod, _, worker)| (*pod, *worker)).collect(),
            known,
            all: workers,
            now,
        }
    }

    /// The workers of one pod, with their names.
    pub(super) fn on<'b>(&'b self, pod: &'b str) -> impl Iterator<Item = (&'a str, &'a Worker)> + 'b {
        let of = self.known.iter().filter(move |(of, _, _)| *of == pod);
        of.map(|(_, node, worker)| (*node, *worker))
    }

    /// What all workers of a pod that are there answered, once each has answered everything. `came`: since when it has been
    /// looked after like this.
    pub(super) fn told(&self, pod: &str, care: &PodIntent, came: Moment) -> Option<WorkerReport> {
        // One that fell silent may be back, and has not been told yet.
        let awaited = match &care.stance {
            Intent::Uncordon(consumers) => self.on(pod).any(|(node, worker)| {
                let fetched = consumers.get(node).is_some_and(|queues| !queues.is_empty());
                fetched && worker.left.is_none() && !worker.is_live(self.now)
            }),
            _ => false,
        };
        let there = self.on(pod).filter(|(_, worker)| worker.is_live(self.now));
        let answers = there.map(|(node, worker)| {
            let (queues_asked, consumes) = worker.queues.as_ref()?;
            let fetches = |own: &Consumers| own.get(node).is_none_or(|queues| queues.is_subset(consumes));
            let resumed = matches!(&care.stance, Intent::Uncordon(own) if !awaited && fetches(own));
            let of = |method| worker.inspections.get(&method);
            let (active, reserved, scheduled) = (of(Inspect::Active)?, of(Inspect::Reserved)?, of(Inspect::Scheduled)?);
            Some(WorkerReport {
                consumes: [(node.to_owned(), (**consumes).clone())].into(),
                // What was said before it was last told to stop is void: it may have been told to resume in between.
                stopped_since: worker.stopped_since.map(|stopped| stopped.max(came)),
                resumed: resumed && *queues_asked >= came,
                since: care.since,
                asked: active.0.min(reserved.0).min(*queues_asked),
                running: active.1.tasks,
                reserved: reserved.1.tasks,
                scheduled: scheduled.1.tasks,
                due: scheduled.1.due,
                scheduled_asked: scheduled.0,
            })
        });
        answers.reduce(|a, b| Some(add(a?, b?)))?
    }

    /// Since when all workers of a pod have beaten without a gap.
    pub(super) fn steady_since(&self, pod: &str) -> Option<Moment> {
        self.on(pod).map(|(_, worker)| worker.steady_since).max()
    }

    /// When the one of a pod's workers answered last that has not answered for longest; `None`: one never has.
    pub(super) fn answered(&self, pod: &str) -> Option<Moment> {
        let there = self.on(pod).filter(|(_, worker)| worker.is_live(self.now));
        there.map(|(_, worker)| worker.answered).min().flatten()
    }

    /// One of a pod's workers that are there has never answered, whatever was before.
    pub(super) fn never_answered(&self, pod: &str) -> bool {
        let mut there = self.on(pod).filter(|(_, worker)| worker.is_live(self.now));
        there.any(|(_, worker)| !worker.answers)
    }

    /// Somebody is there on this endpoint, whosever.
    pub(super) fn anybody(&self) -> bool {
        self.all.live(self.now).next().is_some()
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
                due: None,
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
    pub(super) fn sum_of(&self, method: Inspect) -> u64 {
        let fresh = |worker: &&Worker| {
            let (at, answer) = worker.inspections.get(&method)?;
            (self.now.saturating_sub(*at) <= ANSWER_HOLDS).then_some(u64::from(answer.tasks))
        };
        self.each().filter_map(|worker| fresh(&worker)).sum()
    }

    /// Tasks that they hold and that are not due, and when the first one is: once each has answered since this moment.
    /// The outer `None`: they have not; the inner one: they do not say of all when they are due.
    pub(super) fn scheduled(&self, since: Moment) -> Option<(u64, Option<Timestamp>)> {
        let answers = self.each().map(|worker| {
            let (at, answer) = worker.inspections.get(&Inspect::Scheduled)?;
            let holds = self.now.saturating_sub(*at) <= ANSWER_HOLDS && *at >= since;
            holds.then_some(*answer)
        });
        let answers: Vec<_> = answers.collect::<Option<_>>()?;
        let all = answers.iter().map(|answer| u64::from(answer.tasks)).sum();
        let some = answers.iter().filter(|answer| answer.tasks > 0);
        let due = some
            .map(|answer| answer.due)
            .try_fold(None, |first: Option<Timestamp>, due| {
                let due = due?;
                Some(Some(first.map_or(due, |first| first.min(due))))
            });
        Some((all, due.flatten()))
    }

    /// Of so many unacknowledged messages that are due: those that no worker is known to hold. What others' workers say
    /// that they hold may be among them. `None`: the pool's own workers have not all said it.
    pub(super) fn unheld(&self, unacked: u64) -> Option<u64> {
        if self.all.live(self.now).next().is_none() {
            return Some(unacked);
        }
        let holds = |worker: &Worker| {
            let reserved = self.account(worker, Inspect::Reserved, ACCOUNT_HOLDS)?;
            let active = self.account(worker, Inspect::Active, ACCOUNT_HOLDS)?;
            let unacknowledged = active.tasks.saturating_sub(active.acknowledged);
            Some(u64::from(reserved.tasks.saturating_add(unacknowledged)))
        };
        let own: Option<u64> = self.each().map(holds).sum();
        let left = unacked.saturating_sub(own?);
        if left == 0 {
            return Some(0);
        }
        let own = |node: &str| self.known.iter().any(|(_, known, _)| *known == node);
        let others = self.all.live(self.now).filter(|(node, _)| !own(node));
        let others: u64 = others.filter_map(|(_, worker)| holds(worker)).sum();
        Some(left.saturating_sub(others))
    }

    /// Those that are to be asked (again) what they hold, to account for single tasks.
    pub(super) fn account_unclear(&self) -> Nodes<'a> {
        self.those(|worker| self.is_account_unclear(worker))
    }

    /// The same of others' workers on this endpoint.
    pub(super) fn others_account_unclear(&self) -> Nodes<'a> {
        let others = self.others().filter(|(_, worker)| self.is_account_unclear(worker));
        others.collect()
    }

    fn is_account_unclear(&self, worker: &Worker) -> bool {
        let told = |method| self.account(worker, method, ACCOUNT_AGES).is_some();
        !(told(Inspect::Active) && told(Inspect::Reserved))
    }

    /// Those that do not beat, or seldom, and are to be asked (again) what they hold.
    pub(super) fn silent_unclear(&self) -> Nodes<'a> {
        let told = |worker: &Worker| {
            let active = worker.inspections.get(&Inspect::Active);
            active.is_some_and(|(at, _)| self.now.saturating_sub(*at) < HOLDS_AGE)
        };
        // One that fell silent may answer again; one that has for long is gone, or will beat or be sought.
        let there = |worker: &Worker| worker.left.is_none() && self.now.saturating_sub(worker.heard()) <= GONE;
        let unclear = |worker: &Worker| !worker.tells(self.now) && !told(worker) && there(worker);
        let known = self.known.iter().filter(|(_, _, worker)| unclear(worker));
        known.map(|(_, node, worker)| (*node, *worker)).collect()
    }

    /// Those that hold tasks that are not due, or may.
    pub(super) fn all_live(&self) -> Nodes<'a> {
        self.those(|_| true)
    }

    fn those(&self, which: impl Fn(&Worker) -> bool) -> Nodes<'a> {
        let live = self.known.iter().filter(|(_, _, worker)| worker.is_live(self.now));
        let wanted = live.filter(|(_, _, worker)| which(worker));
        wanted.map(|(_, node, worker)| (*node, *worker)).collect()
    }

    fn account(&self, worker: &Worker, method: Inspect, holds: Duration) -> Option<Inspection> {
        let (at, answer) = worker.inspections.get(&method)?;
        (self.now.saturating_sub(*at) <= holds).then_some(*answer)
    }

    /// Busy workers whose way of acknowledging is to be asked for, because it matters: there are unacknowledged messages
    /// beside the running tasks, or running ones among them.
    pub(super) fn acknowledging_unclear(&self, last: Option<&Tally>) -> Nodes<'a> {
        let mixed = last.is_none_or(|tally| tally.work.in_flight > tally.work.running);
        let late = self.each().any(|worker| {
            worker
                .acknowledging
                .is_some_and(|(_, answer)| answer.acknowledged < answer.tasks)
        });
        self.those(|worker| (mixed || late) && worker.active > 0 && self.acknowledging(worker, SHARE_AGES).is_none())
    }

    /// Those that have not said what they are, or not lately.
    pub(super) fn stats_unclear(&self) -> Nodes<'a> {
        self.those(|worker| {
            let holds = if worker.beats(self.now) {
                STATS_AGE
            } else {
                SILENT_STATS_AGE
            };
            worker
                .stats
                .as_ref()
                .is_none_or(|(at, _)| self.now.saturating_sub(*at) > holds)
        })
    }

    /// Those that have not said what they fetch from, or not lately.
    pub(super) fn queues_unclear(&self) -> Nodes<'a> {
        self.those(|worker| {
            worker
                .queues
                .as_ref()
                .is_none_or(|(at, _)| self.now.saturating_sub(*at) > QUEUES_AGE)
        })
    }

    /// Pods of whose workers one is there at least.
    pub(super) fn pods_heard(&self) -> usize {
        self.workers.iter().map(|(pod, _)| *pod).collect::<BTreeSet<_>>().len()
    }

    /// Others' workers on this endpoint, as far as their queues are not known.
    pub(super) fn others_unclear(&self) -> Nodes<'a> {
        let unclear = |worker: &Worker| worker.queues.is_none();
        let others = self.others().filter(|(_, worker)| unclear(worker));
        others.take(MOST_OTHERS).collect()
    }

    fn others(&self) -> impl Iterator<Item = (&'a str, &'a Worker)> + '_ {
        let own: BTreeSet<&str> = self.known.iter().map(|(_, node, _)| *node).collect();
        let all = self.all;
        all.live(self.now).filter(move |(node, _)| !own.contains(node))
    }

    /// Workers that may be the pool's: they fetch from its queues, or their names look like its pods', and fit none.
    pub(super) fn strangers(&self, target: &str, queues: &[String]) -> Vec<String> {
        let fetches = |worker: &Worker| {
            let from = worker.queues.as_ref().map(|(_, from)| from);
            from.is_some_and(|from| queues.iter().any(|queue| from.contains(queue)))
        };
        let looks = |node: &str| {
            let host = pods::host(node);
            host.contains(common_prefix(target)) && !is_any_pod(host)
        };
        let strangers = self.others().filter(|(node, worker)| looks(node) || fetches(worker));
        strangers.take(STRANGERS).map(|(node, _)| node.to_owned()).collect()
    }

    /// Tasks that a pod runs at a time: one of whose nodes each has told; of pods that differ the fewest, so that more
    /// pods are ordered rather than too few.
    fn slots(&self) -> Option<u32> {
        let mut pods = BTreeMap::<&str, Option<u32>>::new();
        for (pod, worker) in &self.workers {
            let sum = pods.entry(*pod).or_insert(Some(0));
            let slots = worker.stats.as_ref().and_then(|(_, stats)| stats.slots);
            *sum = sum.zip(slots).map(|(sum, slots)| sum.saturating_add(slots));
        }
        pods.into_values().flatten().min()
    }

    /// A tally of this work and what the workers say.
    pub(super) fn tally(&self, work: Work) -> Tally {
        let mut pods = BTreeMap::<String, PodReport>::new();
        // All workers of a Deployment are of one kind, and one that got a task at once could not say so.
        let solo = self.known.iter().any(|(_, _, worker)| worker.solo);
        let there: BTreeSet<&str> = self.workers.iter().map(|(pod, _)| *pod).collect();
        // Who said goodbye usually goes with its pod. Where others of the pod are there, it may still run a task.
        let known = self.known.iter();
        for (name, node, worker) in known.filter(|(pod, _, worker)| worker.left.is_none() || there.contains(pod)) {
            let live = worker.is_live(self.now);
            let of = PodReport {
                running: if live { worker.active } else { 0 },
                live,
                fresh: live && worker.is_fresh(self.now),
                tells: live && worker.tells(self.now),
                silent: (!live).then(|| worker.heard()),
                solo: !live && (worker.solo || solo && !worker.answers),
                doubled: worker.is_doubled(self.now).then(|| (*node).to_owned()),
                idle_since: worker.idle_since,
                ..PodReport::default()
            };
            match pods.get_mut(*name) {
                Some(pod) => pod.join(of),
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
            fetches: self.fetches(),
            ..Tally::default()
        }
    }

    /// How the application uses its broker: as the worker says that was asked last.
    pub(super) fn application(&self) -> Option<BrokerOptions> {
        let told = self.each().filter_map(|worker| worker.stats.as_ref());
        told.max_by_key(|(at, _)| *at)
            .map(|(_, stats)| stats.application.clone())
    }

    fn each(&self) -> impl Iterator<Item = &'a Worker> + '_ {
        self.workers.iter().map(|(_, worker)| *worker)
    }

    fn acknowledging(&self, worker: &Worker, holds: Duration) -> Option<Inspection> {
        let (at, answer) = worker.acknowledging?;
        (self.now.saturating_sub(at) <= holds).then_some(answer)
    }
}

/// Workers with their names.
pub(super) type Nodes<'a> = Vec<(&'a str, &'a Worker)>;

/// So many of others' workers are asked at a time.
const MOST_OTHERS: usize = 32;

/// Two workers of one pod as one.
fn add(a: WorkerReport, b: WorkerReport) -> WorkerReport {
    WorkerReport {
        consumes: a.consumes.into_iter().chain(b.consumes).collect(),
        resumed: a.resumed && b.resumed,
        since: a.since,
        stopped_since: a.stopped_since.zip(b.stopped_since).map(|(a, b)| a.max(b)),
        asked: a.asked.min(b.asked),
        running: a.running.saturating_add(b.running),
        reserved: a.reserved.saturating_add(b.reserved),
        scheduled: a.scheduled.saturating_add(b.scheduled),
        scheduled_asked: a.scheduled_asked.min(b.scheduled_asked),
        due: match (a.scheduled, b.scheduled) {
            (0, _) => b.due,
            (_, 0) => a.due,
            _ => a.due.zip(b.due).map(|(a, b)| a.min(b)),
        },
    }
}
