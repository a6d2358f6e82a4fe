//! Drain plan: which pods are to go, and down to which number only pods go that hold nothing. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, mem, time::Duration};

use jiff::Timestamp;

use super::{
    input::{Departed, PlanInput},
    order::{self, Blocker, Going, Turn},
    pod::{Drain, FIRST, Mark, Pod, Readiness},
    step::{NextStep, Why, leave, stay},
};
use crate::model::{DrainSupport, Intent, Moment, PodIntent, PodIntents, PodReport, WorkerReport, WorkloadKind};

/// Number of further pods that are asked what they hold, to find those that hold least.
const CANDIDATES: usize = 8;

/// Number of pods that are named to people.
const NAMED: usize = 3;

/// Time before its node kills a stopped pod at which the pod is listed again.
const KILLS: Duration = Duration::from_secs(2);

/// Plan: what to do now so that only pods that hold nothing go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Marks to write on pods, first of all.
    pub marks: Vec<Mark>,
    /// Intents for the pods, once the marks are written.
    pub intents: BTreeMap<String, Intent>,
    /// Lowest number of replicas that may be written, within `to..=from` of the input, by what stands on the pods
    /// already: a mark protects no pod before the ReplicaSet controller has seen it.
    pub allowed: u32,
    /// Reasons that keep it above `to`.
    pub waits_for: WaitsFor,
    /// Pods that may go, and not before another one.
    pub held_back: Option<HeldBack>,
    /// Pods that are to go and whose work has been unknown for longer than an answer takes: a few of them.
    pub unknown: Vec<Unknown>,
    /// Pods that the selector matches and that belong to another owner: a few of them. They are left alone.
    pub foreign: Vec<String>,
    /// Pod that was removed and did not end by itself within its grace period.
    pub overstayed: Option<String>,
    /// Time before which the pods must be listed again to see whether removed pods end by themselves: then the next of
    /// their nodes kills what still runs.
    pub ends: Option<Timestamp>,
    /// Pods of a StatefulSet that are gone, and whose names come again.
    pub departed: Departed,
    /// Pods of the target itself, by name, and whether each is ready.
    pub own: BTreeMap<String, bool>,
    /// Pod whose deletion cost was changed by another writer.
    pub conflict: Option<String>,
    /// Whether pods are on their way out, or back.
    pub unfinished: bool,
}

/// Pod whose work is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Name of the pod.
    pub pod: String,
    /// Reason.
    pub why: Why,
}

/// Pods of a StatefulSet that may go, and wait for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Name of that pod.
    pub by: String,
    /// What it has to do before them.
    pub until: Until,
    /// Number of pods.
    pub pods: u32,
}

/// What a pod of a StatefulSet has to do before others can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Go: its ordinal is higher.
    Goes,
    /// Come to its end: it is being deleted, and pods end one by one.
    Ends,
    /// Become ready: its ordinal is lower, and none is deleted before.
    IsReady,
}

/// Work of the pods that are to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitsFor {
    /// Number of pods that fetch no more, by their own report, and work off what they hold.
    pub emptying: u32,
    /// Number of pods that run nothing and are told to fetch no more.
    pub cordoning: u32,
    /// Number of tasks that these pods hold: running, reserved, and not due where they would stay with the pod.
    pub tasks: u32,
    /// Number of other pods that run tasks.
    pub busy: u32,
    /// Number of pods that have not reported what they run, or not recently.
    pub unknown: u32,
    /// Whether pods of more than one ReplicaSet are there: then it is unknown which would go.
    pub rollout: bool,
}

/// Plans the next step on the way from `from` replicas to `to`. With `to >= from` it takes back all that had begun,
/// except for pods that the ReplicaSet has still to remove: they are not told to fetch again, and keep their cost.
///
/// Pods are chosen among those that a ReplicaSet would remove first anyway (those not ready) and, for the rest, by
/// preference: those that hold nothing, idle longest, then the fewest running tasks, the fewest reserved. Of a
/// StatefulSet, those with the highest ordinals. Never more than are to go, so no more slots are taken away than the
/// decision allows.
pub fn plan(input: &PlanInput) -> Plan {
    let (foreign, own): (Vec<&Pod>, Vec<&Pod>) = input
        .pods
        .iter()
        .partition(|pod| pod.is_foreign(input.target, input.uid));
    let (ending, mut pods): (Vec<&Pod>, Vec<&Pod>) = own.into_iter().partition(|pod| pod.is_terminating());
    let rollout = pods.windows(2).any(|two| matches!(two, [a, b] if a.owner != b.owner));
    // With no replicas left it does not matter which ReplicaSet a pod has.
    let unclear = rollout && input.to > 0;
    let Going { gone, surplus } = order::sort(&mut pods, unclear, input);
    let mut plan = Plan {
        waits_for: WaitsFor {
            rollout,
            ..WaitsFor::default()
        },
        foreign: foreign.iter().take(NAMED).map(|pod| pod.name.clone()).collect(),
        overstayed: overstayed(&ending, &pods, input),
        own: pods
            .iter()
            .map(|pod| (pod.name.clone(), pod.readiness == Readiness::Ready))
            .collect(),
        ends: next_end(&ending, input),
        departed: match input.target.kind {
            WorkloadKind::Deployment => Departed::new(),
            WorkloadKind::StatefulSet => input.departed(&pods),
        },
        ..Plan::default()
    };
    plan.unfinished = !plan.departed.is_empty();
    // Whether each may go, by itself; and by what stands on it already.
    let (mut safe, mut settled) = (Vec::with_capacity(pods.len()), Vec::with_capacity(pods.len()));
    for (place, pod) in pods.iter().enumerate() {
        let next = match place {
            _ if place < gone => NextStep::gone(pod),
            _ if place < surplus => leave(pod, input),
            _ => stay(pod, input),
        };
        safe.push(next.safe);
        settled.push((*pod, next.safe && stands(next.mark.as_ref(), pod)));
        if (gone..surplus).contains(&place) {
            let report = input.report(pod);
            let later = report
                .filter(|_| input.keeps_later(pod))
                .map_or(0, |report| report.scheduled);
            plan.waits_for.add(&next, input.work.get(&pod.name), report, later);
            if let Some(why) = &next.unknown
                && input.since_intent(pod) >= why.patience()
                && plan.unknown.len() < NAMED
            {
                plan.unknown.push(Unknown {
                    pod: pod.name.clone(),
                    why: why.clone(),
                });
            }
        }
        plan.take(pod, next);
    }
    let turn = order::turn(&pods, ending.first().copied(), input);
    match input.target.kind {
        WorkloadKind::Deployment if surplus > 0 && input.support == DrainSupport::StopFetching => {
            plan.compare(pods.iter().skip(surplus).take(CANDIDATES), input);
        }
        WorkloadKind::Deployment => {}
        WorkloadKind::StatefulSet => plan.held_back = held_back(&pods[gone..surplus], &safe[gone..surplus], &turn),
    }
    let least = order::least(&settled, &turn, input);
    plan.allowed = match rollout && least > 0 && input.to < input.from {
        true => input.from,
        false => least.max(input.to).min(input.from.max(input.to)),
    };
    plan
}

impl Plan {
    fn take(&mut self, pod: &Pod, next: NextStep) {
        let chosen_by_cost = pod.ordinal.is_none();
        if chosen_by_cost && pod.drain.as_ref().is_some_and(|drain| drain.empty) && pod.cost != Some(FIRST) {
            self.conflict = Some(pod.name.clone());
        }
        self.unfinished |= next.intent.is_some() || next.mark.is_some() || pod.drain.is_some();
        if let Some(intent) = next.intent {
            self.intents.insert(pod.name.clone(), intent);
        }
        self.marks.extend(next.mark);
    }

    /// Asks the next best pods, too: perhaps they hold less than those that are about to be chosen.
    fn compare<'a>(&mut self, pods: impl Iterator<Item = &'a &'a Pod>, input: &PlanInput) {
        if self.waits_for.tasks == 0 {
            return;
        }
        for pod in pods.filter(|pod| input.work.get(&pod.name).is_some_and(|work| !work.unresponsive)) {
            self.intents.entry(pod.name.clone()).or_insert(Intent::Report);
        }
    }
}

/// Whether what lets a pod go stands on it already.
fn stands(mark: Option<&Mark>, pod: &Pod) -> bool {
    let empty = |drain: Option<&Drain>| drain.is_some_and(|drain| drain.empty);
    mark.is_none_or(|mark| mark.cost == pod.cost && empty(mark.drain.as_ref()) == empty(pod.drain.as_ref()))
}

/// Pods of a StatefulSet, in the order in which they go, that may and that wait for one that may not, or for their turn.
fn held_back(pods: &[&Pod], safe: &[bool], turn: &Turn) -> Option<HeldBack> {
    let first = safe.iter().position(|safe| !safe);
    let (by, until) = match (first, turn) {
        (Some(first), _) => (pods.get(first).copied()?, Until::Goes),
        (None, Turn::None(Blocker::Ends(pod))) => (*pod, Until::Ends),
        (None, Turn::None(Blocker::NotReady(pod))) => (*pod, Until::IsReady),
        (None, Turn::All | Turn::One(_)) => return None,
    };
    let waiting = safe.iter().skip(first.unwrap_or(0)).filter(|safe| **safe).count();
    (waiting > 0).then(|| HeldBack {
        by: by.name.clone(),
        until,
        pods: u32::try_from(waiting).unwrap_or(u32::MAX),
    })
}

/// Whether the pool removed the pod: covered by its grace period, or because it was empty.
fn is_ours(pod: &Pod, input: &PlanInput) -> bool {
    input.graceful.is_some() || pod.drain.as_ref().is_some_and(|drain| drain.empty)
}

/// Time when the next of the pods that the pool removed is killed; if that is over for all of them, when the last one
/// was.
fn next_end(ending: &[&Pod], input: &PlanInput) -> Option<Timestamp> {
    let ours = ending.iter().filter(|pod| is_ours(pod, input));
    let ends: Vec<_> = ours.filter_map(|pod| pod.killed_at).collect();
    let next = ends.iter().filter(|at| **at > input.now.wall).min();
    next.or_else(|| ends.iter().max()).copied()
}

/// Name of a pod that was stopped and is still there when its node is about to kill it. Not one of an older template:
/// those of the present one may end by themselves.
fn overstayed(ending: &[&Pod], pods: &[&Pod], input: &PlanInput) -> Option<String> {
    // A StatefulSet's templates differ by their revision alone.
    let template = |pod: &Pod| (pod.owner.clone(), pod.template_hash.clone());
    let now = pods.first().map(|pod| template(pod));
    let rolls_out = pods.iter().any(|pod| Some(template(pod)) != now) || pods.is_empty() && input.from > 0;
    let late = |pod: &Pod| {
        let killed = pod.killed_at.and_then(|at| at.checked_sub(KILLS).ok());
        pod.grace > KILLS && pod.began.is_some() && killed.is_some_and(|at| input.now.wall >= at)
    };
    let present = |pod: &Pod| !rolls_out && now.as_ref().is_none_or(|now| *now == template(pod));
    let mut ending = ending.iter();
    let found = ending.find(|pod| is_ours(pod, input) && present(pod) && late(pod))?;
    Some(found.name.clone())
}

/// Intents of the plan with their times: an intent of the same kind as before keeps its time.
pub fn dated_intents(before: &PodIntents, wanted: &BTreeMap<String, Intent>, now: Moment) -> PodIntents {
    let dated = |(pod, intent): (&String, &Intent)| {
        let same = before
            .get(pod)
            .filter(|before| mem::discriminant(&before.intent) == mem::discriminant(intent));
        let intent = PodIntent {
            intent: intent.clone(),
            since: same.map_or(now, |before| before.since),
        };
        (pod.clone(), intent)
    };
    wanted.iter().map(dated).collect()
}

impl WaitsFor {
    /// Adds a pod that is to go and may not yet: by what its workers report, not by what they were told.
    fn add(&mut self, next: &NextStep, work: Option<&PodReport>, report: Option<&WorkerReport>, later: u32) {
        if next.safe {
            return;
        }
        let known = next.unknown.as_ref().is_none_or(|why| *why == Why::NotAnswered);
        let Some(work) = work.filter(|work| known && work.fresh) else {
            self.unknown += 1;
            return;
        };
        let held = report.map_or(0, |report| report.running.saturating_add(report.reserved));
        match report {
            Some(report) if report.fetches_nothing() => self.emptying += 1,
            Some(_) if held.max(work.running) == 0 => self.cordoning += 1,
            None if work.running == 0 => self.unknown += 1,
            _ => self.busy += 1,
        }
        self.tasks = self.tasks.saturating_add(held.max(work.running).saturating_add(later));
    }
}

#[cfg(test)]
mod tests;
