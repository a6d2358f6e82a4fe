//! Protection of busy pods: node autoscalers are asked not to evict them, where the pool wants it
//! (`protectFromDisruption`).

use std::{collections::BTreeSet, time::Duration};

use super::{Cx, PoolState};
use crate::{
    controller::{
        effect::{Note, PoolEffect},
        pool::Pool,
    },
    drain::Protection,
    kube::{CallError, Target},
    model::Moment,
};

/// Time between two writes of one pool's protection.
const PAUSE: Duration = Duration::from_secs(5);

/// Pods that node autoscalers are asked not to evict.
#[derive(Debug, Default)]
pub struct Disruption {
    /// Pods that were busy lately.
    pub protection: Protection,
    /// Pods protected by the last successful write; `None`: not known.
    pub written: Option<BTreeSet<String>>,
    /// Whether a write is under way.
    pub writing: bool,
    /// Time before which nothing is written.
    pub not_before: Moment,
}

impl PoolState {
    /// Writes the protection if the busy pods have changed; returns the time until the next check.
    pub(super) fn protect(&mut self, pool: &Pool, target: &Target, cx: &mut Cx) -> Duration {
        let now = cx.now.moment;
        let wished = pool.protect && pool.acts();
        let busy = match (&self.samples.last, wished) {
            (Some((tally, _)), true) => self.disruption.protection.of(&tally.pods, now),
            (None, true) => return PAUSE,
            // Protection by an earlier process is not looked for if the pool does not want any.
            (_, false) if self.disruption.written.as_ref().is_none_or(BTreeSet::is_empty) => return Duration::MAX,
            (_, false) => BTreeSet::new(),
        };
        let disruption = &mut self.disruption;
        let due = !disruption.writing && now >= disruption.not_before && !target.selector.is_empty();
        if due && disruption.written.as_ref() != Some(&busy) {
            (disruption.writing, disruption.not_before) = (true, now + PAUSE);
            cx.ask(PoolEffect::Protect {
                namespace: self.identity.key.namespace.clone(),
                selector: target.selector.clone(),
                pods: busy,
            });
        }
        PAUSE
    }

    pub(super) fn protected(&mut self, result: Result<BTreeSet<String>, CallError>, cx: &mut Cx) {
        self.disruption.writing = false;
        if let Err(why) = result {
            self.note(Note::ProtectFailed(why), cx);
        }
        self.disruption.written = result.ok();
    }

    /// Ends the protection of the pool's pods, because no pool looks after them any more.
    pub(super) fn unprotect(&mut self, cx: &mut Cx) {
        let disruption = &mut self.disruption;
        let protected = disruption.written.take().is_some_and(|pods| !pods.is_empty()) || disruption.writing;
        let target = self.target().and_then(|key| cx.shared.targets.get(&key));
        if let Some(target) = target.filter(|_| protected) {
            cx.ask(PoolEffect::Unprotect {
                namespace: self.identity.key.namespace.clone(),
                selector: target.selector.clone(),
            });
        }
    }
}
