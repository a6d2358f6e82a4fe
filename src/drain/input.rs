//! All that is known when the pods are looked at. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::pod::Pod;
use crate::model::{DrainSupport, Moment, Now, PodIntents, PodReport, WorkerReport};

/// All that a plan may know.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The pool's name, for the pods' marks.
    pub pool: &'a str,
    /// The target's name, by which its own pods are known.
    pub deployment: &'a str,
    /// The pods that the target's selector selects.
    pub pods: &'a [Pod],
    /// What their workers say, by pod.
    pub work: &'a BTreeMap<String, PodReport>,
    /// How pods have been looked after until now: what was told under another wish is not believed.
    pub attention: &'a PodIntents,
    /// What can be known and done.
    pub means: DrainSupport,
    /// Replicas now.
    pub from: u32,
    /// Replicas decided on.
    pub to: u32,
    /// A busy pod may go as well if its grace period is at least this, the longest task.
    pub graceful: Option<Duration>,
    /// A pod of this template did not end by itself within its grace period, and was killed.
    pub overstays: bool,
    /// What a killed worker held is back in its queue at once (RabbitMQ), not after the visibility timeout (Redis).
    pub returned: bool,
    /// Both clocks.
    pub now: Now,
    /// Answers to older questions are old.
    pub fresh: Duration,
}

/// A node's clock may be so far ahead of ours: what began a moment before the last word may have been silent since.
const SKEW: Duration = Duration::from_secs(5);

impl PlanInput<'_> {
    /// What a pod's workers answered since it has been looked after as it is now, and not long ago.
    pub(super) fn told(&self, pod: &Pod) -> Option<&WorkerReport> {
        let since = self.attention.get(&pod.name)?.since;
        let told = self.work.get(&pod.name)?.report.as_ref()?;
        (told.since == since && self.now.moment.saturating_sub(told.asked) <= self.fresh).then_some(told)
    }

    /// For how long a pod has been looked after as it is now.
    pub(super) fn looked_after(&self, pod: &Pod) -> Duration {
        let care = self.attention.get(&pod.name);
        care.map_or(Duration::ZERO, |care| self.now.moment.saturating_sub(care.since))
    }

    /// Tasks that are not due yet, and that do not go back to their queue when the pod goes.
    pub(super) fn keeps_later(&self, pod: &Pod) -> bool {
        !self.returned && (self.overstays || pod.shell)
    }

    /// One of the pod's workers fell silent and may still be there: its containers have not begun anew since.
    pub(super) fn is_silent(&self, pod: &Pod, work: &PodReport) -> bool {
        let began = pod.began.map(|at| self.moment(at).saturating_sub(SKEW));
        work.silent
            .is_some_and(|heard| began.is_none_or(|began| began <= heard))
    }

    /// A time of the wall clock on the steady one.
    fn moment(&self, at: Timestamp) -> Moment {
        let ago = Duration::try_from(self.now.wall.duration_since(at)).unwrap_or_default();
        self.now.moment.saturating_sub(ago)
    }
}
