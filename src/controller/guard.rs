//! Asks node autoscalers to leave a pool's busy pods alone, where the pool wishes it (`protectFromDisruption`).

use std::{collections::BTreeSet, time::Duration};

use super::{
    desk::{Desk, acts},
    entry::Entry,
    news::News,
    pool::Pool,
    target::Target,
};
use crate::{
    broker::SubscriberId,
    work::Moment,
    workers::{CallError, pods},
};

/// Between two writes of one pool's protection.
const PAUSE: Duration = Duration::from_secs(5);

impl Desk {
    /// Has the busy pods protected, if others are than before; says when to look again.
    pub(super) fn protect(&mut self, id: SubscriberId, pool: &Pool, target: &Target, now: Moment) -> Duration {
        let Some(entry) = self.pools.get_mut(id) else {
            return Duration::MAX;
        };
        let wished = pool.protect && acts(pool);
        let busy = match (&entry.samples.last, wished) {
            (Some((tally, _)), true) => entry.guard.protection.of(&tally.pods, now),
            (None, true) => return PAUSE,
            // What a process before this one may have protected is not looked for where nobody wishes it.
            (_, false) if entry.guard.written.as_ref().is_none_or(BTreeSet::is_empty) => return Duration::MAX,
            (_, false) => BTreeSet::new(),
        };
        let due = !entry.guard.writing && now >= entry.guard.not_before && !target.selector.is_empty();
        if due && entry.guard.written.as_ref() != Some(&busy) {
            self.write_protection(id, target, busy, now);
        }
        PAUSE
    }

    fn write_protection(&mut self, id: SubscriberId, target: &Target, busy: BTreeSet<String>, now: Moment) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        (entry.guard.writing, entry.guard.not_before) = (true, now + PAUSE);
        let (client, clock, inbox) = (self.client.clone(), self.clock, self.inbox.clone());
        let (namespace, selector) = (entry.identity.key.namespace.clone(), target.selector.clone());
        tokio::spawn(async move {
            let result = pods::protect(&client, &namespace, &selector, &busy, clock.now().wall).await;
            // Fails only if the desk is gone.
            let _gone = inbox.send(News::Protected(id, result.map(|()| busy)));
        });
    }

    pub(super) fn protected(&mut self, id: SubscriberId, result: Result<BTreeSet<String>, CallError>) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.guard.writing = false;
        match result {
            Ok(busy) => entry.guard.written = Some(busy),
            Err(error) => {
                let key = &entry.identity.key;
                tracing::warn!(namespace = key.namespace, name = key.name, why = %error, "busy pods could not be protected");
                entry.guard.written = None;
            }
        }
    }

    /// Takes the protection of a pool's pods away, in a task of its own, for nobody looks after them any more.
    pub(super) fn unprotect(&self, entry: &mut Entry) {
        let protected = entry.guard.written.take().is_some_and(|pods| !pods.is_empty()) || entry.guard.writing;
        let target = entry.target().and_then(|key| self.targets.get(&key));
        let Some(target) = target.filter(|_| protected) else {
            return;
        };
        let (client, clock) = (self.client.clone(), self.clock);
        let (namespace, selector) = (entry.identity.key.namespace.clone(), target.selector.clone());
        tokio::spawn(async move {
            // A write that is under way ends first.
            tokio::time::sleep(PAUSE).await;
            if let Err(error) = pods::protect(&client, &namespace, &selector, &BTreeSet::new(), clock.now().wall).await
            {
                tracing::warn!(namespace, why = %error, "the protection of pods could not be taken away");
            }
        });
    }
}
