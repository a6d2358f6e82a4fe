//! Input of the drain plan: all that is known of the pods at one time. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::pod::Pod;
use crate::model::{Consumers, DrainSupport, Intent, Moment, Now, PodIntents, PodReport, WorkerReport, Workload};

/// How a StatefulSet numbers its pods and ends them; without meaning for a Deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ordinals {
    /// The lowest one (`spec.ordinals.start`).
    pub start: u32,
    /// Whether it ends one pod after the other (`podManagementPolicy: OrderedReady`), each when all below it are ready.
    pub one_by_one: bool,
}

/// Pods of a StatefulSet that were told to stop and are listed no more, with what they fetched and the moment since which they
/// are gone: the next one of the name may be told what was meant for them.
pub type Departed = BTreeMap<String, (Consumers, Moment)>;

/// Time after which no order to a pod that is gone is on its way any more: a sample takes a few seconds at most.
const ARRIVES: Duration = Duration::from_secs(30);

/// Everything that a plan may know.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Name of the pool, for the pods' marks.
    pub pool: &'a str,
    /// Target, by which its own pods are known, and what goes first.
    pub target: &'a Workload,
    /// Its UID.
    pub uid: &'a str,
    /// Which of a StatefulSet's pods there are, and how they go.
    pub ordinals: Ordinals,
    /// Pods that the target's selector selects.
    pub pods: &'a [Pod],
    /// Reports of the workers, by pod.
    pub work: &'a BTreeMap<String, PodReport>,
    /// Intents for the pods until now: answers that were given under another intent do not count.
    pub intents: &'a PodIntents,
    /// What the plan before left of pods that are gone.
    pub departed: &'a Departed,
    /// Evidence and orders that are available.
    pub support: DrainSupport,
    /// Number of replicas now.
    pub from: u32,
    /// Number of replicas decided on.
    pub to: u32,
    /// Longest duration of a task: a busy pod may go as well if its grace period is at least this.
    pub graceful: Option<Duration>,
    /// Whether a pod of this template did not end by itself within its grace period, and was killed.
    pub overstays: bool,
    /// Whether what a killed worker held is back in its queue at once (RabbitMQ), not after the visibility timeout
    /// (Redis).
    pub returned: bool,
    /// Time on both clocks.
    pub now: Now,
    /// Age from which an answer is too old.
    pub fresh: Duration,
}

/// Largest assumed lead of a node's clock over ours: what began a moment before the last report may have been silent
/// since.
const SKEW: Duration = Duration::from_secs(5);

impl PlanInput<'_> {
    /// Answer of a pod's workers, if it was given under the present intent, and not long ago.
    pub(super) fn report(&self, pod: &Pod) -> Option<&WorkerReport> {
        let since = self.intents.get(&pod.name)?.since;
        let report = self.work.get(&pod.name)?.report.as_ref()?;
        let recent = self.now.moment.saturating_sub(report.asked) <= self.fresh;
        (report.since == since && recent && report.asked >= self.renewed(pod)).then_some(report)
    }

    /// Time from which what is heard of a pod is said by the processes that run in it now.
    pub(super) fn renewed(&self, pod: &Pod) -> Moment {
        pod.renewed.map_or(Moment::ZERO, |at| self.moment(at) + SKEW)
    }

    /// Queues that one of this name was told to stop fetching from, where nothing of it stands on this pod: it is a new one, and
    /// may have been told the same.
    pub(super) fn told(&self, pod: &Pod) -> Option<&Consumers> {
        let new = pod.ordinal.is_some() && pod.drain.is_none();
        let present = match self.intents.get(&pod.name).map(|intent| &intent.intent) {
            Some(Intent::Cordon(consumers)) => Some(consumers),
            _ => None,
        };
        present
            .or_else(|| self.departed.get(&pod.name).map(|(consumers, _)| consumers))
            .filter(|_| new)
    }

    /// Pods that were told to stop and are not among these.
    pub(super) fn departed(&self, pods: &[&Pod]) -> Departed {
        let now = self.now.moment;
        let before = self
            .departed
            .iter()
            .map(|(name, (consumers, since))| (name, consumers, *since));
        let told = self.intents.iter().filter_map(|(name, intent)| match &intent.intent {
            Intent::Cordon(consumers) => Some((name, consumers, now)),
            Intent::Report | Intent::Uncordon(_) => None,
        });
        // What was told last comes last, and replaces what is older.
        let all = before
            .filter(|(.., since)| now.saturating_sub(*since) < ARRIVES)
            .chain(told);
        let gone = all.filter(|(name, ..)| pods.iter().all(|pod| pod.name != **name));
        gone.map(|(name, consumers, since)| (name.clone(), (consumers.clone(), since)))
            .collect()
    }

    /// Time for which the pod's present intent has been in force.
    pub(super) fn since_intent(&self, pod: &Pod) -> Duration {
        let intent = self.intents.get(&pod.name);
        intent.map_or(Duration::ZERO, |intent| self.now.moment.saturating_sub(intent.since))
    }

    /// Whether the worker keeps tasks that are not due yet, so that they do not go back to their queue when the pod
    /// goes.
    pub(super) fn keeps_later(&self, pod: &Pod) -> bool {
        !self.returned && (self.overstays || pod.shell)
    }

    /// Whether one of the pod's workers fell silent and may still be there: its containers have not begun anew since.
    pub(super) fn is_silent(&self, pod: &Pod, work: &PodReport) -> bool {
        let began = pod.began.map(|at| self.moment(at).saturating_sub(SKEW));
        work.silent
            .is_some_and(|heard| began.is_none_or(|began| began <= heard))
    }

    /// Time of the wall clock on the steady clock.
    fn moment(&self, at: Timestamp) -> Moment {
        let ago = Duration::try_from(self.now.wall.duration_since(at)).unwrap_or_default();
        self.now.moment.saturating_sub(ago)
    }
}
