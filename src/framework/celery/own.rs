//! Reports of the pool's own workers: running tasks, and how many of those are acknowledged already.
//!
//! With early acknowledgement (Celery's default) a running task is in no key and no queue; with late acknowledgement it
//! stays among the unacknowledged messages until it is done. The workers are asked which of both holds
//! ([`Inspect::Active`]). Until an answer comes every running task is taken for an early acknowledged one and added to
//! the count: too many for a moment rather than too few.

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
use crate::model::{
    Consumers, Intent, Moment, PodIntent, PodReport, Prefetch, Tally, Work, WorkerReport, Workload, WorkloadKind,
};

/// Age after which answers to [`Inspect::Reserved`] and [`Inspect::Scheduled`] are not counted.
const ANSWER_HOLDS: Duration = Duration::from_secs(30);
/// The same for answers that account for single tasks. Workers are asked every [`ACCOUNT_AGES`], so answers are in
/// time.
const ACCOUNT_HOLDS: Duration = Duration::from_secs(12);
/// Time after which workers are asked again what they hold: a question to all of them is not cheap.
const ACCOUNT_AGES: Duration = Duration::from_secs(5);
/// Time for which an answer about acknowledgement is believed: it depends on the tasks' code and seldom changes.
const SHARE_HOLDS: Duration = Duration::from_secs(60);
/// Time after which a busy worker is asked again about acknowledgement, well before the old answer expires.
const SHARE_AGES: Duration = Duration::from_secs(20);

/// Time after which a worker is asked for its properties again: little but `pool_grow` changes them.
const STATS_AGE: Duration = Duration::from_secs(300);
/// The same for a worker without heartbeats: nothing else shows how many tasks it has accepted.
const SILENT_STATS_AGE: Duration = Duration::from_secs(20);
/// Time after which a worker is asked again what it fetches from.
const QUEUES_AGE: Duration = Duration::from_secs(60);
/// Time after which a worker without heartbeats is asked again what it holds.
const HOLDS_AGE: Duration = Duration::from_secs(3);
/// Silence after which a worker is not asked any more.
const GONE: Duration = Duration::from_secs(600);
/// Number of workers without a pod that are named.
const STRANGERS: usize = 3;

/// Workers of the pool, with the names of their pods.
pub(super) struct Own<'a> {
    pub(super) workers: Vec<(&'a str, &'a Worker)>,
    /// All workers, also those that fell silent: pod, node, worker.
    pub(super) known: Vec<(&'a str, &'a str, &'a Worker)>,
    /// All workers of the endpoint, also those of other applications.
    all: &'a Workers,
    pub(super) now: Moment,
}

impl<'a> Own<'a> {
    /// Selects those of the endpoint's workers that run in the target's pods: by host names built as its pods' names
    /// are, and by the listed pod names, wherever those occur in a node's name.
    pub(super) fn among(
        workers: &'a Workers,
        (target, queues): (&Workload, &[String]),
        placed: &'a Placed,
        now: Moment,
    ) -> Self {
        let mut known: Vec<_> = workers
            .on(common_prefix(&target.name))
            .filter_map(|(node, worker)| Some((pods::pod_of(node, target)?, node, worker)))
            .collect();
        let placed = placed.nodes.iter();
        known.extend(placed.filter_map(|(pod, node)| Some((pod.as_str(), node.as_str(), workers.get(node)?))));
        // A StatefulSet of the same name in another namespace has workers of the same names.
        let ours = |worker: &Worker| match (&worker.queues, target.kind) {
            (Some((_, from)), WorkloadKind::StatefulSet) => {
                queues.is_empty() || from.is_empty() || queues.iter().any(|queue| from.contains(queue))
            }
            _ => true,
        };
        known.retain(|(_, _, worker)| ours(worker));
        let live = known.iter().filter(|(_, _, worker)| worker.is_live(now));
        Self {
            workers: live.map(|(pod, _, worker)| (*pod, *worker)).collect(),
            known,
            all: workers,
            now,
        }
    }

    /// Workers of one pod, with their names.
    pub(super) fn on<'b>(&'b self, pod: &'b str) -> impl Iterator<Item = (&'a str, &'a Worker)> + 'b {
        let of = self.known.iter().filter(move |(of, _, _)| *of == pod);
        of.map(|(_, node, worker)| (*node, *worker))
    }

    /// Combined report of the live workers of a pod, once each has answered everything. `came`: time from which the pod
    /// has had this intent.
    pub(super) fn told(&self, pod: &str, pod_intent: &PodIntent, came: Moment) -> Option<WorkerReport> {
        // A worker that fell silent may be back, and has not got the command yet.
        let awaited = match &pod_intent.intent {
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
            let resumed = matches!(&pod_intent.intent, Intent::Uncordon(own) if !awaited && fetches(own));
            let of = |method| worker.inspections.get(&method);
            let (active, reserved, scheduled) = (of(Inspect::Active)?, of(Inspect::Reserved)?, of(Inspect::Scheduled)?);
            Some(WorkerReport {
                consumes: [(node.to_owned(), (**consumes).clone())].into(),
                // An older answer than the latest command to stop is void: the worker may have been told to resume in
                // between.
                stopped_since: worker.stopped_since.map(|stopped| stopped.max(came)),
                resumed: resumed && *queues_asked >= came,
                since: pod_intent.since,
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

    /// Time since which all workers of a pod have sent heartbeats without a gap.
    pub(super) fn steady_since(&self, pod: &str) -> Option<Moment> {
        self.on(pod).map(|(_, worker)| worker.steady_since).max()
    }

    /// Time of the oldest of the latest answers of a pod's workers; `None`: one has never answered.
    pub(super) fn answered(&self, pod: &str) -> Option<Moment> {
        let there = self.on(pod).filter(|(_, worker)| worker.is_live(self.now));
        there.map(|(_, worker)| worker.answered).min().flatten()
    }

    /// Whether one of a pod's live workers has never answered.
    pub(super) fn never_answered(&self, pod: &str) -> bool {
        let mut there = self.on(pod).filter(|(_, worker)| worker.is_live(self.now));
        there.any(|(_, worker)| !worker.answers)
    }

    /// Whether any worker is alive on this endpoint, whosever.
    pub(super) fn anybody(&self) -> bool {
        self.all.live(self.now).next().is_some()
    }

    /// Whether the pool has live workers.
    pub(super) fn any(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Number of tasks that they run now.
    pub(super) fn running(&self) -> u64 {
        self.each().map(|worker| u64::from(worker.active)).sum()
    }

    /// Number of running tasks in no key and no queue. `unacked`: the pool's unacknowledged messages that are due;
    /// running tasks beyond those can only be acknowledged.
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

    /// Number of tasks in the latest answers to this question.
    pub(super) fn sum_of(&self, method: Inspect) -> u64 {
        let fresh = |worker: &&Worker| {
            let (at, answer) = worker.inspections.get(&method)?;
            (self.now.saturating_sub(*at) <= ANSWER_HOLDS).then_some(u64::from(answer.tasks))
        };
        self.each().filter_map(|worker| fresh(&worker)).sum()
    }

    /// Number of tasks that they hold and that are not due, and the first due time, once each has answered since this
    /// moment. The outer `None`: they have not; the inner one: not all due times are known.
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

    /// Number of unacknowledged messages that are due and that no worker reports to hold. What workers of others report
    /// may be among them. `None`: not all of the pool's own workers have reported.
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

    /// Workers that are to be asked (again) what they hold, to account for single tasks.
    pub(super) fn account_unclear(&self) -> Nodes<'a> {
        self.those(|worker| self.is_account_unclear(worker))
    }

    /// The same for workers of others on this endpoint.
    pub(super) fn others_account_unclear(&self) -> Nodes<'a> {
        let others = self.others().filter(|(_, worker)| self.is_account_unclear(worker));
        others.collect()
    }

    fn is_account_unclear(&self, worker: &Worker) -> bool {
        let told = |method| self.account(worker, method, ACCOUNT_AGES).is_some();
        !(told(Inspect::Active) && told(Inspect::Reserved))
    }

    /// Workers without heartbeats, or with rare ones, that are to be asked (again) what they hold.
    pub(super) fn silent_unclear(&self) -> Nodes<'a> {
        let told = |worker: &Worker| {
            let active = worker.inspections.get(&Inspect::Active);
            active.is_some_and(|(at, _)| self.now.saturating_sub(*at) < HOLDS_AGE)
        };
        // A worker that fell silent may answer again; one that has been silent for long is gone, or will send a
        // heartbeat or be searched for.
        let there = |worker: &Worker| worker.left.is_none() && self.now.saturating_sub(worker.heard()) <= GONE;
        let unclear = |worker: &Worker| !worker.tells(self.now) && !told(worker) && there(worker);
        let known = self.known.iter().filter(|(_, _, worker)| unclear(worker));
        known.map(|(_, node, worker)| (*node, *worker)).collect()
    }

    /// Live workers, which hold tasks that are not due, or may.
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

    /// Busy workers whose way of acknowledging is to be asked for, because it matters: there are unacknowledged
    /// messages beside the running tasks, or running ones among them.
    pub(super) fn acknowledging_unclear(&self, last: Option<&Tally>) -> Nodes<'a> {
        let mixed = last.is_none_or(|tally| tally.work.in_flight > tally.work.running);
        let late = self.each().any(|worker| {
            worker
                .acknowledging
                .is_some_and(|(_, answer)| answer.acknowledged < answer.tasks)
        });
        self.those(|worker| (mixed || late) && worker.active > 0 && self.acknowledging(worker, SHARE_AGES).is_none())
    }

    /// Workers that have not reported their properties, or not lately.
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

    /// Workers that have not reported what they fetch from, or not lately.
    pub(super) fn queues_unclear(&self) -> Nodes<'a> {
        self.those(|worker| {
            worker
                .queues
                .as_ref()
                .is_none_or(|(at, _)| self.now.saturating_sub(*at) > QUEUES_AGE)
        })
    }

    /// Number of pods with at least one live worker.
    pub(super) fn pods_heard(&self) -> usize {
        self.workers.iter().map(|(pod, _)| *pod).collect::<BTreeSet<_>>().len()
    }

    /// Workers of others on this endpoint whose queues are not known.
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
    pub(super) fn strangers(&self, target: &Workload, queues: &[String]) -> Vec<String> {
        let fetches = |worker: &Worker| {
            let from = worker.queues.as_ref().map(|(_, from)| from);
            from.is_some_and(|from| queues.iter().any(|queue| from.contains(queue)))
        };
        let looks = |node: &str| {
            let host = pods::host(node);
            host.contains(common_prefix(&target.name)) && !is_any_pod(host, target.kind)
        };
        let strangers = self.others().filter(|(node, worker)| looks(node) || fetches(worker));
        strangers.take(STRANGERS).map(|(node, _)| node.to_owned()).collect()
    }

    /// Number of tasks that a pod runs at a time, of pods in which every node has reported it; the smallest, so that
    /// too many pods are ordered rather than too few.
    fn slots(&self) -> Option<u32> {
        let mut pods = BTreeMap::<&str, Option<u32>>::new();
        for (pod, worker) in &self.workers {
            let sum = pods.entry(*pod).or_insert(Some(0));
            let slots = worker.stats.as_ref().and_then(|(_, stats)| stats.slots);
            *sum = sum.zip(slots).map(|(sum, slots)| sum.saturating_add(slots));
        }
        pods.into_values().flatten().min()
    }

    /// Number of messages that a worker may hold unacknowledged: without a limit if any has none, else the largest.
    fn prefetch(&self) -> Option<Prefetch> {
        let told = self.each().filter_map(|worker| worker.stats.as_ref()?.1.prefetch);
        told.map(|most| match most {
            0 => Prefetch::Unlimited,
            most => Prefetch::UpTo(most),
        })
        .max()
    }

    /// Tally of this work and the workers' reports.
    pub(super) fn tally(&self, work: Work) -> Tally {
        let mut pods = BTreeMap::<String, PodReport>::new();
        // All workers of a pool are of one kind, and one that got a task at once could not report it.
        let solo = self.known.iter().any(|(_, _, worker)| worker.solo);
        let there: BTreeSet<&str> = self.workers.iter().map(|(pod, _)| *pod).collect();
        // A worker that said goodbye usually goes with its pod. If other workers of the pod are alive, it may still run
        // a task.
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
            prefetch: self.prefetch(),
            processed: self
                .any()
                .then(|| self.each().fold(0_u64, |sum, worker| sum.saturating_add(worker.taken))),
            workers_heard: self.any(),
            fetches: self.fetches(),
            ..Tally::default()
        }
    }

    /// Options of the application's broker transport, as the worker reports that was asked last.
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

/// Number of workers of others that are asked at a time.
const MOST_OTHERS: usize = 32;

/// Combines the reports of two workers of one pod.
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
