//! Where each pool's broker is: its references are read, and read again while it works, for what they name may change;
//! another address is another source.

use std::{sync::Arc, time::Duration};

use super::{
    desk::Desk,
    entry::{self, Entry, FIRST, Link, MOST, Samples, backoff, spread},
    news::News,
    pool::{Key, Pool, Problem},
    resolve,
    roll::Roll,
    validate,
};
use crate::{
    broker::{Address, SubscriberId, Subscription},
    work::Moment,
};

/// References are read again within this time.
const READ_AGAIN: Duration = Duration::from_secs(55);
/// Before replicas go down references are read again that are older than this.
const OLD: Duration = Duration::from_secs(5);

impl Desk {
    /// Reads the pool's references in a task of its own, unless that is under way or was a short while ago.
    pub(super) fn resolve(&mut self, id: SubscriberId) {
        let now = self.clock.now().moment;
        let Some(entry) = self.pools.get_mut(id) else { return };
        let Ok(pool) = &entry.pool else { return };
        if entry.tasks.resolving || now < entry.tasks.resolve_not_before {
            return;
        }
        entry.tasks.resolving = true;
        entry.tasks.read_again_at = next_turn(now, id);
        let (client, inbox, pool) = (self.client.clone(), self.inbox.clone(), pool.clone());
        let namespace = entry.identity.key.namespace.clone();
        tokio::spawn(async move {
            let result = resolve::addresses(&client, &namespace, &pool).await;
            // Fails only if the desk is gone.
            let _gone = inbox.send(News::Resolved(id, result));
        });
    }

    /// Reads the references of a pool that works again when it is time. Says when to look again.
    pub(super) fn read_again(&mut self, id: SubscriberId, pool: &Pool, now: Moment) -> Duration {
        let tasks = self.pools.get(id).filter(|_| pool.source.refers());
        let Some(tasks) = tasks.map(|entry| entry.tasks).filter(|tasks| !tasks.resolving) else {
            return READ_AGAIN;
        };
        let wait = tasks.read_again_at.max(tasks.resolve_not_before).saturating_sub(now);
        if wait.is_zero() {
            self.resolve(id);
            return READ_AGAIN;
        }
        wait
    }

    /// The references were last read too long ago to take an empty queue for the application's: they are read now.
    pub(super) fn references_are_old(&mut self, id: SubscriberId, pool: &Pool, now: Moment) -> bool {
        let entry = self.pools.get(id).filter(|_| pool.source.refers());
        let old = entry.is_some_and(|entry| now.saturating_sub(entry.tasks.read_at) > OLD);
        if old {
            self.resolve(id);
        }
        old
    }

    /// The target's pods are made anew, perhaps because something was changed that they read: the pools on it read their
    /// references again at their next pass.
    pub(super) fn references_may_differ(&mut self, target: &Key) {
        for id in self.pools.on_target(target) {
            if let Some(entry) = self.pools.get_mut(id) {
                entry.tasks.read_again_at = Moment::ZERO;
            }
        }
    }

    pub(super) fn resolved(&mut self, id: SubscriberId, result: Result<Vec<Arc<Address>>, Problem>) {
        let now = self.clock.now().moment;
        let Some(mut entry) = self.pools.remove(id) else { return };
        let tasks = &mut entry.tasks;
        tasks.resolving = false;
        tasks.read_at = now;
        tasks.resolve_not_before = now + backoff(tasks.resolve_failures, FIRST, MOST, id);
        tasks.resolve_failures = tasks.resolve_failures.saturating_add(1);
        match (result, entry.pool.clone()) {
            // An address that is in use is not given up because its Secret has gone or cannot be read just now.
            (Err(problem), _) if !matches!(entry.link, Link::Linked(_)) => entry.link = Link::Failed(problem),
            (Ok(addresses), Ok(pool)) => {
                let known = matches!(&entry.link, Link::Linked(address) if addresses.contains(address));
                if let Some(first) = addresses.first().filter(|_| !known) {
                    self.relink(&mut entry, &pool, first.clone());
                }
                entry.addresses = addresses;
            }
            _ => {}
        }
        self.pools.insert(entry);
        self.pass(id);
    }

    /// Has the pool sampled at this address, and nowhere else.
    fn relink(&mut self, entry: &mut Entry, pool: &Pool, address: Arc<Address>) {
        let now = self.clock.now().moment;
        if let Link::Linked(old) = &entry.link
            && !old.is_at(&address)
        {
            let key = &entry.identity.key;
            tracing::info!(
                namespace = key.namespace,
                name = key.name,
                "the broker is another one now: what was counted before is forgotten"
            );
            if let Some(job) = entry.job.take().filter(|_| entry.tasks.writing) {
                // It was decided on by what is forgotten now. Whatever it has done already is found on the pods.
                job.abort();
                entry.tasks.writing = false;
                entry.leaving.left = true;
            }
            entry.begin_anew();
        }
        self.unlink(entry);
        entry.tasks.resolve_not_before = now + FIRST;
        entry.samples.since = now;
        let subscription = Subscription::Add {
            id: entry.id,
            framework: validate::framework(pool, &address, entry::held(entry.stored.as_ref())),
            period: pool.policy.period,
        };
        self.endpoints.join(&address, entry.id, subscription);
        entry.link = Link::Linked(address);
    }

    /// Stops the sampling of a pool.
    pub(super) fn unlink(&mut self, entry: &mut Entry) {
        if let Link::Linked(address) = &entry.link {
            self.endpoints.leave(address, entry.id);
        }
        entry.link = Link::None;
        entry.leaving.attention.clear();
        entry.roll = Roll::default();
        entry.samples = Samples::default();
        (entry.tasks.resolve_not_before, entry.tasks.resolve_failures) = (Moment::ZERO, 0);
    }
}

/// When the references of this pool are read again. Each has its own turn, so that not all ask at the same second, whatever
/// made them begin together.
fn next_turn(now: Moment, id: SubscriberId) -> Moment {
    let turn = READ_AGAIN.mul_f64(spread(id));
    let since = now.saturating_add(READ_AGAIN).saturating_sub(turn).as_millis() % READ_AGAIN.as_millis();
    now + READ_AGAIN.saturating_sub(Duration::from_millis(u64::try_from(since).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
