//! Which pods are to go, and down to which number only those go that hold nothing. Pure.
#![deny(clippy::disallowed_methods)]

use std::{cmp::Reverse, collections::BTreeMap, mem, time::Duration};

use jiff::Timestamp;

use super::{
    input::PlanInput,
    pod::{FIRST, Mark, Pod, Readiness},
    step::{IDLE, Next, Why, holds_nothing, leave, stay},
};
use crate::model::{DrainSupport, Intent, Moment, PodIntent, PodIntents, PodReport, WorkerReport};

/// Beyond those that are to go, so many pods are asked what they hold, to find those that hold least.
const CANDIDATES: usize = 8;

/// No more pods are on their way out at once: more answers than theirs would not be read in time.
const AT_ONCE: usize = 64;

/// So many pods are named.
const NAMED: usize = 3;

/// A pod that is stopped is looked at so shortly before its node kills it.
const KILLS: Duration = Duration::from_secs(2);

/// What to do now so that only pods that hold nothing go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to write on pods, first of all.
    pub marks: Vec<Mark>,
    /// How to look after pods, once that is written.
    pub stances: BTreeMap<String, Intent>,
    /// The lowest number of replicas that may be written, within `to..=from` of the look, by what stands on the pods
    /// already: a mark protects nobody before the ReplicaSet controller has seen it.
    pub allowed: u32,
    /// What keeps it above `to`.
    pub waits_for: WaitsFor,
    /// Pods that are to go and of which it is not known, for longer than an answer takes, what they hold: a few of them.
    pub unknown: Vec<Unknown>,
    /// Pods that the selector matches and that are somebody else's: a few of them. They are left alone.
    pub foreign: Vec<String>,
    /// This pod was removed and did not end by itself within its grace period.
    pub overstayed: Option<String>,
    /// Pods that were removed are about to end: whether they do so by themselves is seen by looking before this time, when
    /// the next of their nodes kills what still runs.
    pub ends: Option<Timestamp>,
    /// The target's own pods, by name, and whether each is ready.
    pub own: BTreeMap<String, bool>,
    /// Another writer changed the deletion cost of this pod.
    pub conflict: Option<String>,
    /// Pods are on their way out, or back: there is something to look after.
    pub unfinished: bool,
}

/// A pod of which it is not known what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub pod: String,
    /// Why.
    pub why: Why,
}

/// What the pods that are to go still do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitsFor {
    /// So many say that they fetch no more, and work off what they hold.
    pub emptying: u32,
    /// So many run nothing, and are told to fetch no more.
    pub told: u32,
    /// So many tasks: running and reserved.
    pub tasks: u32,
    /// So many others run tasks.
    pub busy: u32,
    /// So many have not said, or not lately, what they run.
    pub unknown: u32,
    /// Pods of more than one ReplicaSet are there: nobody can say which would go.
    pub rollout: bool,
}

/// Plans the next step on the way from `from` replicas to `to`; with `to >= from` the way back of all that had begun, but
/// for those that the ReplicaSet has still to remove: they are not told to fetch again, and keep their cost.
///
/// Among the pods that a ReplicaSet would remove first anyway (those not ready) and, for the rest, by preference: those
/// that hold nothing, idle longest, then the fewest running tasks, the fewest reserved. Never more than are to go, so no
/// more slots are taken away than the decision allows.
pub fn plan(look: &PlanInput) -> Plan {
    let (foreign, own): (Vec<&Pod>, Vec<&Pod>) = look.pods.iter().partition(|pod| pod.is_foreign(look.deployment));
    let (ending, mut pods): (Vec<&Pod>, Vec<&Pod>) = own.into_iter().partition(|pod| pod.is_terminating());
    let rollout = pods.windows(2).any(|two| matches!(two, [a, b] if a.owner != b.owner));
    let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
    // Down to none of them it does not matter whose they are.
    let unclear = rollout && look.to > 0;
    let beyond = |replicas: u32| match unclear {
        true => 0,
        false => (count.saturating_sub(replicas) as usize).min(AT_ONCE),
    };
    // Those beyond the replicas as they stand are as good as gone: the ReplicaSet will see to it, by cost.
    let (gone, surplus) = (beyond(look.to.max(look.from)), beyond(look.to));
    pods.sort_by_key(|pod| (pod.class(), pod.cost.unwrap_or(0)));
    pods[gone..].sort_by_cached_key(|pod| rank(pod, look));
    let mut plan = Plan {
        waits_for: WaitsFor {
            rollout,
            ..WaitsFor::default()
        },
        foreign: foreign.iter().take(NAMED).map(|pod| pod.name.clone()).collect(),
        overstayed: overstayed(&ending, &pods, look),
        own: pods
            .iter()
            .map(|pod| (pod.name.clone(), pod.readiness == Readiness::Ready))
            .collect(),
        ends: next_end(&ending, look),
        ..Plan::default()
    };
    // In the order in which they would go: whether it may, by readiness and cost.
    let mut order = Vec::with_capacity(pods.len());
    for (place, pod) in pods.iter().enumerate() {
        let next = match place {
            _ if place < gone => Next::gone(pod),
            _ if place < surplus => leave(pod, look),
            _ => stay(pod, look),
        };
        let settled = next.mark.as_ref().is_none_or(|mark| mark.cost == pod.cost);
        order.push((pod.class(), pod.cost.unwrap_or(0), next.safe && settled));
        if (gone..surplus).contains(&place) {
            let told = look.told(pod);
            let later = told.filter(|_| look.keeps_later(pod)).map_or(0, |told| told.scheduled);
            plan.waits_for.add(&next, look.work.get(&pod.name), told, later);
            if let Some(why) = &next.unknown
                && look.looked_after(pod) >= why.patience()
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
    if surplus > 0 && look.means == DrainSupport::StopFetching {
        plan.compare(pods.iter().skip(surplus).take(CANDIDATES), look);
    }
    order.sort();
    let safe = order.iter().take_while(|(_, _, safe)| *safe).count();
    let least = count.saturating_sub(u32::try_from(safe).unwrap_or(u32::MAX));
    let unsafe_mix = rollout && safe < pods.len();
    plan.allowed = match unsafe_mix && look.to < look.from {
        true => look.from,
        false => least.max(look.to).min(look.from.max(look.to)),
    };
    plan
}

impl Plan {
    fn take(&mut self, pod: &Pod, next: Next) {
        if pod.drain.as_ref().is_some_and(|drain| drain.empty) && pod.cost != Some(FIRST) {
            self.conflict = Some(pod.name.clone());
        }
        self.unfinished |= next.stance.is_some() || next.mark.is_some() || pod.drain.is_some();
        if let Some(stance) = next.stance {
            self.stances.insert(pod.name.clone(), stance);
        }
        self.marks.extend(next.mark);
    }

    /// Asks the next best pods, too: perhaps they hold less than those that are about to be chosen.
    fn compare<'a>(&mut self, pods: impl Iterator<Item = &'a &'a Pod>, look: &PlanInput) {
        if self.waits_for.tasks == 0 {
            return;
        }
        for pod in pods.filter(|pod| look.work.get(&pod.name).is_some_and(|work| !work.unresponsive)) {
            self.stances.entry(pod.name.clone()).or_insert(Intent::Report);
        }
    }
}

/// The pool had it removed: by the user's word, or because it was empty.
fn is_ours(pod: &Pod, look: &PlanInput) -> bool {
    look.graceful.is_some() || pod.drain.as_ref().is_some_and(|drain| drain.empty)
}

/// When the next of the pods that the pool had removed is killed; if that is over for all of them, when the last one was.
fn next_end(ending: &[&Pod], look: &PlanInput) -> Option<Timestamp> {
    let ours = ending.iter().filter(|pod| is_ours(pod, look));
    let ends: Vec<_> = ours.filter_map(|pod| pod.killed_at).collect();
    let next = ends.iter().filter(|at| **at > look.now.wall).min();
    next.or_else(|| ends.iter().max()).copied()
}

/// A pod that was stopped and is still there when its node is about to kill it. Not one of an older template: those of the
/// present one may end by themselves.
fn overstayed(ending: &[&Pod], pods: &[&Pod], look: &PlanInput) -> Option<String> {
    let owner = pods.first().map(|pod| &pod.owner);
    let rolls_out = pods.iter().any(|pod| Some(&pod.owner) != owner) || pods.is_empty() && look.from > 0;
    let late = |pod: &Pod| {
        let killed = pod.killed_at.and_then(|at| at.checked_sub(KILLS).ok());
        pod.grace > KILLS && pod.began.is_some() && killed.is_some_and(|at| look.now.wall >= at)
    };
    let present = |pod: &Pod| !rolls_out && owner.is_none_or(|owner| *owner == pod.owner);
    let mut ending = ending.iter();
    let found = ending.find(|pod| is_ours(pod, look) && present(pod) && late(pod))?;
    Some(found.name.clone())
}

/// The plan's stances as wishes: those of the same kind as before are the same wish.
pub fn intents(before: &PodIntents, stances: &BTreeMap<String, Intent>, now: Moment) -> PodIntents {
    let care = |(pod, stance): (&String, &Intent)| {
        let same = before
            .get(pod)
            .filter(|care| mem::discriminant(&care.stance) == mem::discriminant(stance));
        let care = PodIntent {
            stance: stance.clone(),
            since: same.map_or(now, |care| care.since),
        };
        (pod.clone(), care)
    };
    stances.iter().map(care).collect()
}

impl WaitsFor {
    /// Adds a pod that is to go and may not yet: by what its workers say, not by what they were told.
    fn add(&mut self, next: &Next, work: Option<&PodReport>, told: Option<&WorkerReport>, later: u32) {
        if next.safe {
            return;
        }
        let known = next.unknown.as_ref().is_none_or(|why| *why == Why::NotAnswered);
        let Some(work) = work.filter(|work| known && work.fresh) else {
            self.unknown += 1;
            return;
        };
        let held = told.map_or(0, |told| told.running.saturating_add(told.reserved));
        match told {
            Some(told) if told.fetches_nothing() => self.emptying += 1,
            Some(_) if held.max(work.running) == 0 => self.told += 1,
            None if work.running == 0 => self.unknown += 1,
            _ => self.busy += 1,
        }
        self.tasks = self.tasks.saturating_add(held.max(work.running).saturating_add(later));
    }
}

/// The order in which pods are chosen. What a ReplicaSet removes first anyway comes first.
fn rank<'a>(pod: &'a Pod, look: &PlanInput) -> (u8, u8, u32, u32, Reverse<Duration>, &'a str) {
    let class = pod.class();
    let named = |tier, running, reserved, idle| (class, tier, running, reserved, Reverse(idle), pod.name.as_str());
    let begun = pod.drain.is_some();
    let Some(work) = look.work.get(&pod.name) else {
        let tier = if holds_nothing(pod, None) { 0 } else { 5 };
        return named(tier, 0, 0, Duration::ZERO);
    };
    let told = work.report.as_ref();
    let running = told.map_or(work.running, |told| told.running.max(work.running));
    let reserved = told.map_or(0, |told| told.reserved);
    let idle = work
        .idle_since
        .map_or(Duration::ZERO, |since| look.now.moment.saturating_sub(since));
    let nothing = work.fresh && running == 0 && reserved == 0;
    match () {
        () if holds_nothing(pod, Some(work)) => named(0, 0, 0, idle),
        () if !work.fresh || look.is_silent(pod, work) || work.doubled.is_some() => named(5, running, reserved, idle),
        () if nothing && begun => named(1, 0, 0, idle),
        () if nothing && idle >= IDLE => named(2, 0, 0, idle),
        () if begun => named(3, running, reserved, idle),
        () => named(4, running, reserved, idle),
    }
}

#[cfg(test)]
mod tests;
