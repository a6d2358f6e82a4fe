//! All that is known when the pods are looked at. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, time::Duration};

use super::pod::Pod;
use crate::work::{Attention, Moment, PodWork, Tally, Told};

/// How it is known that a pod runs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The workers do not announce themselves: not at all. The decision does not go below the work in flight then.
    Nothing,
    /// They beat, but may not be asked and told.
    Heartbeats,
    /// They beat, answer, and can be told to stop.
    RemoteControl,
}

impl Means {
    /// By the last count, and whether remote control was refused lately.
    pub fn of(tally: &Tally, refused: bool) -> Self {
        match () {
            () if tally.pods.is_empty() => Self::Nothing,
            () if refused || tally.control_refused => Self::Heartbeats,
            () => Self::RemoteControl,
        }
    }
}

/// All that a plan may know.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The pool's name, for the pods' marks.
    pub pool: &'a str,
    /// The target's pods.
    pub pods: &'a [Pod],
    /// What their workers say, by pod.
    pub work: &'a BTreeMap<String, PodWork>,
    /// How pods have been looked after until now: what was told under another wish is not believed.
    pub attention: &'a Attention,
    /// What can be known and done.
    pub means: Means,
    /// Replicas now.
    pub from: u32,
    /// Replicas decided on.
    pub to: u32,
    /// A busy pod may go as well if its grace period is at least this, the longest task.
    pub graceful: Option<Duration>,
    /// The steady clock.
    pub now: Moment,
    /// Answers to older questions are old.
    pub fresh: Duration,
}

impl Look<'_> {
    /// What a pod's workers answered since it has been looked after as it is now, and not long ago.
    pub(super) fn told(&self, pod: &Pod) -> Option<&Told> {
        let since = self.attention.get(&pod.name)?.since;
        let told = self.work.get(&pod.name)?.told.as_ref()?;
        (told.since == since && self.now.saturating_sub(told.asked) <= self.fresh).then_some(told)
    }
}
