//! Where each pool's broker is: its references are read, and read again while it works, for what they name may change;
//! another address is another source.

use std::{sync::Arc, time::Duration};

use super::{
    deeds::reference,
    desk::{Desk, acts},
    entry::{self, Entry, FIRST, Link, MOST, Samples, backoff, spread},
    news::News,
    pool::{Key, Pool, Problem},
    report, resolve,
    roll::Roll,
    status::{Broker, Shared},
    validate,
    vanished::Vanished,
};
use crate::{
    broker::{Address, SubscriberId, Subscription},
    scaling::Memory,
    telemetry::PoolEvent,
    work::{Moment, SampleError, Tally},
};

/// References are read again within this time.
const READ_AGAIN: Duration = Duration::from_secs(55);
/// After so many samples in a row without a connection the next address is tried.
const PATIENCE: u32 = 2;
/// After so long without a word of any worker at another address than the first, the first is tried again.
const UNHEARD: Duration = Duration::from_secs(300);
/// For so long the first word of a broker is awaited.
const FIRST_WORD: Duration = Duration::from_secs(5);
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
    /// references again at their next pass. And these pods may end by themselves.
    pub(super) fn template_changed(&mut self, target: &Key) {
        for id in self.pools.on_target(target) {
            if let Some(entry) = self.pools.get_mut(id) {
                entry.tasks.read_again_at = Moment::ZERO;
                entry.leaving.overstayed = None;
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
            self.give_back_at(entry, pool, old.clone());
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
        self.ask(entry, pool, address);
    }

    /// Begins to sample at this address.
    fn ask(&mut self, entry: &mut Entry, pool: &Pool, address: Arc<Address>) {
        entry.samples.since = self.clock.now().moment;
        entry.samples.unreached = 0;
        let subscription = Subscription::Add {
            id: entry.id,
            framework: validate::framework(pool, &address, entry::held(entry.stored.as_ref())),
            period: pool.policy.period,
        };
        self.endpoints.join(&address, entry.id, subscription);
        let now = self.clock.now().moment;
        for other in self.shared.count(entry.id, pool, &address) {
            // It has something to say of it, too.
            self.pools.wake_at(other, now);
        }
        entry.link = Link::Linked(address);
    }

    /// Asks the broker nothing more for this pool.
    pub(super) fn leave(&mut self, entry: &mut Entry) {
        if let Link::Linked(address) = &entry.link {
            self.endpoints.leave(address, entry.id);
        }
        self.shared.forget(entry.id);
        entry.leaving.attention.clear();
        // Whoever samples next has to be told anew.
        entry.roll = Roll::default();
        entry.link = Link::None;
    }

    /// Another pool that counts one of this pool's queues and orders workers for it, too.
    pub(super) fn shares(&self, id: SubscriberId) -> Option<Shared> {
        let entry = self.pools.get(id).filter(|entry| entry.pool.as_ref().is_ok_and(acts))?;
        self.shared.others(id).find_map(|(queue, other)| {
            let other = self.pools.get(other).filter(|other| other.target() != entry.target())?;
            let Key { namespace, name } = &other.identity.key;
            other.pool.as_ref().is_ok_and(acts).then(|| Shared {
                queue: queue.to_owned(),
                pool: format!("{namespace}/{name}"),
            })
        })
    }

    /// The broker in use was counted. If it is another one than before, what is remembered begins anew.
    pub(super) fn counted(&mut self, id: SubscriberId, tally: &Tally, at: Moment) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        let address = entry.link.address().cloned();
        entry.samples.unreached = 0;
        let before = std::mem::replace(&mut entry.samples.counted_at, address);
        let same = entry.samples.counted_at.as_ref().zip(before.as_ref());
        if same.is_some_and(|(new, old)| !new.is_at(old)) {
            entry.begin_anew();
            entry.samples.last = None;
        }
        let ready = entry.target().and_then(|key| Some(self.targets.get(&key)?.ready));
        if let Some(tasks) = ready.and_then(|ready| entry.vanished.look(tally, ready, at)) {
            report::vanished(&entry.identity, tasks);
            let about = reference(entry);
            self.tell(&about, vec![PoolEvent::TasksVanished { tasks }]);
        }
    }

    /// A sample failed. Where the URL names several addresses the next one is tried, as Celery does: in their order, and
    /// round. What was counted before stays, as old as it is, until one of them answers.
    pub(super) fn unreached(&mut self, id: SubscriberId, why: SampleError) {
        let Some(entry) = self.pools.get_mut(id).filter(|_| why.is_of_the_connection()) else {
            return;
        };
        entry.samples.unreached += 1;
        let current = entry.link.address();
        let place = entry.addresses.iter().position(|one| Some(one) == current);
        if let Some(place) = place.filter(|_| entry.samples.unreached >= PATIENCE && entry.addresses.len() > 1) {
            let next = (place + 1) % entry.addresses.len();
            tracing::warn!(
                namespace = entry.identity.key.namespace,
                name = entry.identity.key.name,
                why = %why,
                next = next + 1,
                of = entry.addresses.len(),
                "the broker cannot be reached: the next address of the broker URL is tried"
            );
            self.go_to(id, next);
        }
    }

    /// Where nobody is heard for long at another address than the first, the first is tried again: that is where an
    /// application begins.
    pub(super) fn prefer_the_first(&mut self, id: SubscriberId, heard: bool) {
        let now = self.clock.now().moment;
        let elsewhere = self.pools.get(id).is_some_and(|entry| {
            let first = entry.addresses.first();
            first.is_some() && first != entry.link.address() && now.saturating_sub(entry.samples.since) > UNHEARD
        });
        if elsewhere && !heard {
            self.go_to(id, 0);
        }
    }

    /// Leaves the address in use for another of the broker URL.
    fn go_to(&mut self, id: SubscriberId, place: usize) {
        let Some(mut entry) = self.pools.remove(id) else { return };
        if let (Some(next), Ok(pool)) = (entry.addresses.get(place).cloned(), entry.pool.clone()) {
            if let Link::Linked(old) = &entry.link {
                self.give_back_at(&entry, &pool, old.clone());
            }
            self.leave(&mut entry);
            self.ask(&mut entry, &pool, next);
        }
        self.pools.insert(entry);
    }

    /// Stops the sampling of a pool.
    pub(super) fn unlink(&mut self, entry: &mut Entry) {
        self.leave(entry);
        entry.samples = Samples::default();
        (entry.tasks.resolve_not_before, entry.tasks.resolve_failures) = (Moment::ZERO, 0);
    }
}

impl Entry {
    /// What was seen of other work says nothing: begins as after a restart, with what was learned.
    pub fn begin_anew(&mut self) {
        let learned = self.decision.take().and_then(|(_, decision)| decision.estimates);
        self.memory = match learned {
            Some(learned) => Memory::remembering(&learned),
            None => entry::remembered(self.stored.as_ref()),
        };
        self.vanished = Vanished::default();
        if let Some(stored) = &mut self.stored {
            stored.held = None;
        }
    }

    /// The broker may speak for the first time any moment. Where its address is not known, or it is silent for long, the
    /// pool does without.
    pub fn is_awaited(&self, now: Moment) -> bool {
        match self.link {
            Link::None => true,
            Link::Linked(_) => now.saturating_sub(self.samples.since) < FIRST_WORD,
            Link::Failed(_) => false,
        }
    }

    /// Which of how many addresses is in use, and the management API's host and port.
    pub fn broker(&self) -> Broker {
        let Link::Linked(address) = &self.link else {
            return Broker::default();
        };
        Broker {
            number: self.addresses.iter().position(|one| one == address).unwrap_or(0) + 1,
            of: self.addresses.len(),
            management: address
                .management
                .as_ref()
                .map(|api| format!("{}:{}", api.host, api.port)),
        }
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
