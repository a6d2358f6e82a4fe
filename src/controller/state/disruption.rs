//! Busy pods that node autoscalers are asked to leave alone, where the pool wishes it (`protectFromDisruption`).

use std::{collections::BTreeSet, time::Duration};

use super::{Cx, PoolState};
use crate::{
    controller::{
        effect::{Note, PoolEffect},
        pool::Pool,
        target::Target,
    },
    drain::Protection,
    kube::CallError,
    model::Moment,
};

/// Between two writes of one pool's protection.
const PAUSE: Duration = Duration::from_secs(5);

/// The pods that node autoscalers are asked to leave alone.
#[derive(Debug, Default)]
pub struct Disruption {
    /// Who was busy lately.
    pub protection: Protection,
    /// The pods protected by the last write that went well; `None`: not known.
    pub written: Option<BTreeSet<String>>,
    /// They are being written.
    pub writing: bool,
    /// Not to be written again before this moment.
    pub not_before: Moment,
}

impl PoolState {
    /// Has the busy pods protected, if others are than before; says when to look again.
    pub(super) fn protect(&mut self, pool: &Pool, target: &Target, cx: &mut Cx) -> Duration {
        let now = cx.now.moment;
        let wished = pool.protect && pool.acts();
        let busy = match (&self.samples.last, wished) {
            (Some((tally, _)), true) => self.disruption.protection.of(&tally.pods, now),
            (None, true) => return PAUSE,
            // What a process before this one may have protected is not looked for where nobody wishes it.
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

    /// Takes the protection of the pool's pods away, for nobody looks after them any more.
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
