//! Drain of one pod, and its way back. Pure.
//!
//! | what is seen | what is done |
//! |---|---|
//! | it is to go; nothing known of its queues | its workers are asked |
//! | they fetch from queues | the queues are written on the pod, *then* they are told to stop (`cancel_consumer`) |
//! | none of its workers is known | all workers are asked who is there; a worker that does not answer is unknown, and the pod stays |
//! | several of its workers share a name | they are asked, and not told to stop: their work is never known, and the pod stays |
//! | they say that they fetch from none | what they hold is asked for until it is nothing: no task runs, none is reserved, none comes due while it ends |
//! | they hold nothing | the pod gets a mark, and the lowest deletion cost; if they still hold nothing in the next plan, it may go |
//! | the replicas are lowered, the pod is still there | nothing changes until the ReplicaSet has removed it |
//! | it is to stay after all | they are told to fetch again (`add_consumer`) until they say that they do, then all marks go |
//!
//! A worker on Redis that was told to stop may still have a `BRPOP` under way, for a second at most; what that fetches
//! is given back to the queue (`_reject_inbound_message`). So it is empty only if it says so [`SETTLES`] after
//! it stopped. A quorum queue takes back what is on its way to the worker in the moment of its `basic.cancel`, and adds
//! 1 to the messages' `x-delivery-count` (measured with RabbitMQ 4.0: a client that acknowledged as fast as it could,
//! 913 cancels, 8,436 messages; a classic queue: none).
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use super::{
    input::PlanInput,
    pod::{Drain, FIRST, Mark, Pod},
};
use crate::model::{Consumers, DrainSupport, Intent, Moment, PodReport, WorkerReport};

/// Time from the first report that a worker fetches from no queue until what it reports to hold is all that it will
/// ever hold.
const SETTLES: Duration = Duration::from_millis(1500);

/// Time for which a worker that beats and cannot be asked must have been idle: one that merely pauses between two short
/// tasks is not.
pub const IDLE: Duration = Duration::from_secs(2);

/// Longest time from a worker's last report until it is told to end; a task that comes due in it, or while the worker
/// ends, may begin.
const BEGINS: Duration = Duration::from_secs(15);

/// Next step of a pod.
#[derive(Debug, Default)]
pub(super) struct NextStep {
    /// Intent for the pod.
    pub(super) intent: Option<Intent>,
    /// Mark to write, where it differs from what stands on the pod.
    pub(super) mark: Option<Mark>,
    /// Whether it holds nothing, and nothing will come to it.
    pub(super) safe: bool,
    /// Reason why its work is unknown.
    pub(super) unknown: Option<Why>,
}

/// Reason why it is unknown what a pod holds: so it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// None of its workers beats or answers.
    NotHeard,
    /// One of its workers fell silent.
    Silent,
    /// Several of its workers go by this name.
    Doubled {
        /// Node name of the workers.
        node: String,
    },
    /// Its workers have not answered yet, or not recently.
    NotAnswered,
    /// Its workers answer, but not every question.
    Partly,
}

impl Why {
    /// Time for which a pod is asked before its work is reported as unknown.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(match self {
            // Its worker may still be starting.
            Self::NotHeard => 60,
            Self::NotAnswered => 30,
            Self::Silent => 15,
            Self::Doubled { .. } | Self::Partly => 0,
        })
    }
}

/// Next step of a pod that is to go.
pub(super) fn leave(pod: &Pod, input: &PlanInput) -> NextStep {
    let work = input.work.get(&pod.name);
    let unknown = unknown(pod, work, input);
    let safe = unknown.is_none() && may_go(pod, work, input);
    let unknown = unknown.filter(|_| !safe);
    if holds_nothing(pod, work, input) {
        return NextStep::marked(pod, None, empty(pod, safe, input), safe, unknown);
    }
    if work.is_some_and(|work| work.doubled.is_some()) {
        // Their work can never be known, and an order to one would be carried out by all of that name, whatever their
        // queues.
        if safe {
            return NextStep::marked(pod, Some(Intent::Report), empty(pod, safe, input), safe, unknown);
        }
        let back = stay(pod, input);
        return NextStep {
            intent: Some(back.intent.unwrap_or(Intent::Report)),
            unknown,
            ..back
        };
    }
    if input.support != DrainSupport::StopFetching || work.is_some_and(|work| work.unresponsive) {
        // The pod is asked all the same: its work is known as long as that is refused, or no worker answers.
        return NextStep::marked(pod, Some(Intent::Report), empty(pod, safe, input), safe, unknown);
    }
    let report = input.report(pod);
    let known = pod.drain.as_ref().map(|drain| &drain.queues);
    let known = known.or_else(|| input.told(pod)).cloned();
    let consumes = report.map(|report| report.consumes.clone());
    let queues = match (known, consumes) {
        (Some(known), Some(more)) => Some(both(known, more)),
        (known, consumes) => known.or(consumes),
    };
    // A worker that is not known can be asked who it is, and nothing else.
    let intent = queues.clone().map_or(Intent::Report, Intent::Cordon);
    let drain = match queues {
        Some(queues) => Some(Drain {
            queues,
            ..empty(pod, safe, input).unwrap_or_else(|| begun(pod, input))
        }),
        None => empty(pod, safe, input),
    };
    NextStep::marked(pod, Some(intent), drain, safe, unknown)
}

/// Queues that its workers fetched from before they were told to stop, or do now.
fn both(mut known: Consumers, more: Consumers) -> Consumers {
    for (node, queues) in more {
        known.entry(node).or_default().extend(queues);
    }
    known
}

/// Next step of a pod that is to stay.
pub(super) fn stay(pod: &Pod, input: &PlanInput) -> NextStep {
    if let Some(consumers) = input.told(pod) {
        // From now on it stands on the pod, until its workers are seen to fetch.
        let queues = consumers.clone();
        return NextStep {
            intent: Some(Intent::Uncordon(queues.clone())),
            mark: Some(Mark {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
                drain: Some(Drain {
                    queues,
                    ..begun(pod, input)
                }),
                cost: pod.cost,
            }),
            ..NextStep::default()
        };
    }
    let Some(drain) = &pod.drain else {
        // No other writer gives this cost; without the annotation it is left over.
        let cost = pod.cost.filter(|cost| *cost != FIRST);
        return NextStep {
            mark: (cost != pod.cost).then(|| Mark {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
                drain: None,
                cost,
            }),
            ..NextStep::default()
        };
    };
    let resumed = !drain.fetched() || input.report(pod).is_some_and(|report| report.resumed);
    let back = Mark {
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        drain: (!resumed).then(|| Drain {
            empty: false,
            ..drain.clone()
        }),
        cost: drain.cost,
    };
    NextStep {
        intent: (!resumed).then(|| Intent::Uncordon(drain.queues.clone())),
        mark: Some(back).filter(|mark| differs(mark, pod)),
        safe: false,
        unknown: None,
    }
}

impl NextStep {
    /// Next step of a pod that the ReplicaSet is about to remove: it stays as it is, whatever is known of it by now.
    pub(super) fn gone(pod: &Pod) -> Self {
        let drain = pod.drain.as_ref().filter(|drain| drain.fetched());
        Self {
            intent: drain.map(|drain| Intent::Cordon(drain.queues.clone())),
            mark: None,
            safe: true,
            unknown: None,
        }
    }

    fn marked(pod: &Pod, intent: Option<Intent>, drain: Option<Drain>, safe: bool, unknown: Option<Why>) -> Self {
        let own = pod.drain.as_ref().map_or(pod.cost, |drain| drain.cost);
        // A StatefulSet does not ask for it.
        let first = safe && pod.ordinal.is_none();
        let cost = if first { Some(FIRST) } else { own };
        let mark = Mark {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            // Where nothing new stands on it, it is not safe, and has its own cost again.
            drain: drain.or_else(|| {
                let before = pod.drain.clone()?;
                Some(Drain { empty: false, ..before })
            }),
            cost,
        };
        Self {
            intent,
            mark: Some(mark).filter(|mark| differs(mark, pod)),
            safe,
            unknown,
        }
    }
}

fn differs(mark: &Mark, pod: &Pod) -> bool {
    mark.drain != pod.drain || mark.cost != pod.cost
}

/// First state of a drain: the pod's cost is remembered.
fn begun(pod: &Pod, input: &PlanInput) -> Drain {
    let begun = pod.drain.clone().unwrap_or_else(|| Drain {
        cost: pod.cost.filter(|cost| *cost != FIRST),
        ..Drain::default()
    });
    Drain {
        pool: input.pool.to_owned(),
        empty: false,
        ..begun
    }
}

/// State of the drain of a pod that holds nothing.
fn empty(pod: &Pod, safe: bool, input: &PlanInput) -> Option<Drain> {
    safe.then(|| Drain {
        empty: true,
        ..begun(pod, input)
    })
}

/// Whether nothing is interrupted if the pod goes now, provided that its work is known ([`unknown`]).
fn may_go(pod: &Pod, work: Option<&PodReport>, input: &PlanInput) -> bool {
    if holds_nothing(pod, work, input) || is_covered(pod, input) {
        return true;
    }
    let Some(work) = work else { return false };
    let idle = work.fresh && work.running == 0;
    // A heartbeat of half a minute ago says nothing about now.
    let report = idle && work.tells;
    let pauses = |since: Moment| input.now.moment.saturating_sub(since.max(input.renewed(pod))) < IDLE;
    match input.support {
        DrainSupport::None | DrainSupport::ReportsOnly => report && !work.idle_since.is_none_or(pauses),
        DrainSupport::StopFetching if work.unresponsive => report && !work.idle_since.is_none_or(pauses),
        DrainSupport::StopFetching => idle && input.report(pod).is_some_and(|report| is_empty(report, pod, input)),
    }
}

/// Reason why it is unknown what a pod holds, if it is. That it holds something is known as well.
fn unknown(pod: &Pod, work: Option<&PodReport>, input: &PlanInput) -> Option<Why> {
    if holds_nothing(pod, work, input) || is_covered(pod, input) {
        return None;
    }
    let Some(work) = work else {
        return Some(Why::NotHeard);
    };
    if let Some(node) = work.doubled.clone() {
        return Some(Why::Doubled { node });
    }
    if input.is_silent(pod, work) {
        return Some(if work.live { Why::Silent } else { Why::NotHeard });
    }
    let by_beats = input.support != DrainSupport::StopFetching || work.unresponsive;
    match () {
        () if !work.live => Some(Why::NotHeard),
        // Nobody can say more than that something is held somewhere.
        () if input.support == DrainSupport::None => None,
        () if work.partly => Some(Why::Partly),
        () if by_beats && work.fresh && work.tells => None,
        () if !by_beats && input.report(pod).is_some() => None,
        () => Some(Why::NotAnswered),
    }
}

/// Whether none of its containers runs in which a worker may, and none is heard: what was heard before was of one that
/// has gone. Where nothing is known of single pods, what is said of all says nothing about this one.
pub(super) fn holds_nothing(pod: &Pod, work: Option<&PodReport>, input: &PlanInput) -> bool {
    let heard = work.is_some_and(|work| work.live) && input.support != DrainSupport::None;
    pod.readiness.holds_nothing() && !heard
}

/// Whether the grace period covers any task of the pod, by the user's `Graceful`.
fn is_covered(pod: &Pod, input: &PlanInput) -> bool {
    input.graceful.is_some_and(|longest| pod.grace >= longest)
}

/// Whether the workers have reported, late enough, that they hold nothing. Tasks with an ETA go back to the queue,
/// unless they may begin before the pod has ended, or the worker does not end by itself.
fn is_empty(report: &WorkerReport, pod: &Pod, input: &PlanInput) -> bool {
    let Some(since) = report.stopped_since else {
        return false;
    };
    let settled = report.asked >= since.saturating_add(SETTLES) && report.scheduled_asked >= since;
    let begins = input
        .now
        .wall
        .checked_add(pod.grace.saturating_add(BEGINS))
        .unwrap_or(Timestamp::MAX);
    let later = report.scheduled == 0 || !input.keeps_later(pod) && report.due.is_some_and(|due| due > begins);
    settled && report.running == 0 && report.reserved == 0 && later
}

#[cfg(test)]
mod tests;
