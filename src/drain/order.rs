//! Which pods go first: in the order of their controller, and where that leaves a choice, in the pool's. Pure.
//!
//! A ReplicaSet takes those that are not ready before all others, and those with the lowest deletion cost next: so the
//! pool chooses, by that cost. A StatefulSet takes the highest ordinals, and there is no choice: a busy pod holds back
//! those below it.
#![deny(clippy::disallowed_methods)]

use std::{cmp::Reverse, time::Duration};

use super::{
    input::PlanInput,
    pod::{Pod, Readiness},
    step::{IDLE, holds_nothing},
};
use crate::model::WorkloadKind;

/// Largest number of pods that are drained at once: the answers of more would not be read in time.
const AT_ONCE: usize = 64;

/// Pods that go, as numbers of the first ones.
pub(super) struct Going {
    /// Number of pods beyond the present replicas: the controller has still to remove them.
    pub(super) gone: usize,
    /// Number of those and of the pods that are to go.
    pub(super) surplus: usize,
}

/// Sorts the pods by the order in which they go. `unclear`: a Deployment's ReplicaSets have an order each, so none is to
/// go.
pub(super) fn sort(pods: &mut [&Pod], unclear: bool, input: &PlanInput) -> Going {
    let present = input.to.max(input.from);
    match input.target.kind {
        WorkloadKind::Deployment => {
            let beyond = |replicas: u32| match unclear {
                true => 0,
                false => pods.len().saturating_sub(replicas as usize).min(AT_ONCE),
            };
            let (gone, surplus) = (beyond(present), beyond(input.to));
            pods.sort_by_key(|pod| (pod.class(), pod.cost.unwrap_or(0)));
            pods[gone..].sort_by_cached_key(|pod| rank(pod, input));
            Going { gone, surplus }
        }
        WorkloadKind::StatefulSet => {
            pods.sort_by_key(|pod| Reverse(place(pod, input)));
            let beyond = |replicas: u32| pods.iter().take_while(|pod| place(pod, input) >= replicas).count();
            let gone = beyond(present);
            Going {
                gone,
                surplus: beyond(input.to).min(gone + AT_ONCE),
            }
        }
    }
}

/// Lowest number of replicas for which the controller removes only pods that may go, by what stands on them already.
pub(super) fn least(pods: &[(&Pod, bool)], turn: &Turn, input: &PlanInput) -> u32 {
    let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
    match input.target.kind {
        WorkloadKind::Deployment => {
            let mut order: Vec<_> = pods
                .iter()
                .map(|(pod, safe)| (pod.class(), pod.cost.unwrap_or(0), *safe))
                .collect();
            order.sort();
            count(pods.len() - order.iter().take_while(|(_, _, safe)| *safe).count())
        }
        WorkloadKind::StatefulSet => {
            let stay = pods.iter().filter(|(_, safe)| !safe).map(|(pod, _)| place(pod, input));
            let least = stay.max().map_or(0, |highest| highest.saturating_add(1));
            least.max(match turn {
                Turn::All => 0,
                Turn::One(place) => *place,
                Turn::None(_) => input.from,
            })
        }
    }
}

/// Pods that the controller would delete at once, if the number were lowered.
pub(super) enum Turn<'a> {
    /// All beyond the number.
    All,
    /// The one at this place, and no other.
    One(u32),
    /// None: what it waits for first.
    None(Blocker<'a>),
}

/// Pod for which a StatefulSet waits before it deletes another one.
#[derive(Clone, Copy)]
pub(super) enum Blocker<'a> {
    /// It is being deleted.
    Ends(&'a Pod),
    /// It has a lower ordinal, and is not ready.
    NotReady(&'a Pod),
}

/// Whose turn it is. A StatefulSet that ends its pods one by one may take minutes until the turn of the last one comes, and
/// waits for as long as one below is not ready: a pod that was not told to stop, or whose container is started again, takes
/// a task meanwhile. So nothing is lowered before.
pub(super) fn turn<'a>(pods: &[&'a Pod], ending: Option<&'a Pod>, input: &PlanInput) -> Turn<'a> {
    let places = pods.iter().map(|pod| (place(pod, input), *pod));
    let going = places
        .clone()
        .map(|(place, _)| place)
        .filter(|place| (input.to..input.from).contains(place));
    let Some(next) = going.max().filter(|_| input.ordinals.one_by_one) else {
        return Turn::All;
    };
    let unready = places
        .filter(|(place, pod)| *place < next && pod.readiness != Readiness::Ready)
        .max_by_key(|(place, _)| *place);
    match (ending, unready) {
        (Some(pod), _) => Turn::None(Blocker::Ends(pod)),
        (None, Some((_, pod))) => Turn::None(Blocker::NotReady(pod)),
        (None, None) => Turn::One(next),
    }
}

/// Number of a StatefulSet's pod, counted from its first ordinal. One below that is removed whatever the replicas are.
fn place(pod: &Pod, input: &PlanInput) -> u32 {
    let place = pod
        .ordinal
        .and_then(|ordinal| ordinal.checked_sub(input.ordinals.start));
    place.unwrap_or(u32::MAX)
}

/// Order in which pods are chosen. What a ReplicaSet removes first anyway comes first.
fn rank<'a>(pod: &'a Pod, input: &PlanInput) -> (u8, u8, u32, u32, Reverse<Duration>, &'a str) {
    let class = pod.class();
    let named = |tier, running, reserved, idle| (class, tier, running, reserved, Reverse(idle), pod.name.as_str());
    let begun = pod.drain.is_some();
    let Some(work) = input.work.get(&pod.name) else {
        let tier = if holds_nothing(pod, None, input) { 0 } else { 5 };
        return named(tier, 0, 0, Duration::ZERO);
    };
    let report = work.report.as_ref();
    let running = report.map_or(work.running, |report| report.running.max(work.running));
    let reserved = report.map_or(0, |report| report.reserved);
    let idle = work
        .idle_since
        .map_or(Duration::ZERO, |since| input.now.moment.saturating_sub(since));
    let nothing = work.fresh && running == 0 && reserved == 0;
    match () {
        () if holds_nothing(pod, Some(work), input) => named(0, 0, 0, idle),
        () if !work.fresh || input.is_silent(pod, work) || work.doubled.is_some() => named(5, running, reserved, idle),
        () if nothing && begun => named(1, 0, 0, idle),
        () if nothing && idle >= IDLE => named(2, 0, 0, idle),
        () if begun => named(3, running, reserved, idle),
        () => named(4, running, reserved, idle),
    }
}
