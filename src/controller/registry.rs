//! The controller's books: pools, targets, who scales which target, who shares which endpoint, who is to be woken when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    entry::{Entry, Link},
    news::Scope,
    pool::Key,
    target::Target,
};
use crate::{
    broker::{
        self, Address, Clock, Kind, RabbitMqEndpoint, RedisEndpoint, Sampled, SamplerHandle, SubscriberId, Subscription,
    },
    work::{Attention, Moment, Roster},
};

/// All pools, by our own number and by name.
#[derive(Default)]
pub struct Pools {
    entries: BTreeMap<SubscriberId, Entry>,
    by_key: BTreeMap<Key, SubscriberId>,
    by_target: BTreeMap<Key, BTreeSet<SubscriberId>>,
    wakes: BTreeSet<(Moment, SubscriberId)>,
    next_id: SubscriberId,
}

impl Pools {
    /// A number never given before.
    pub fn next_id(&mut self) -> SubscriberId {
        self.next_id += 1;
        self.next_id
    }

    /// All numbers.
    pub fn ids(&self) -> Vec<SubscriberId> {
        self.entries.keys().copied().collect()
    }

    /// The number of the pool of this name.
    pub fn id(&self, key: &Key) -> Option<SubscriberId> {
        self.by_key.get(key).copied()
    }

    /// The pool of this number.
    pub fn get(&self, id: SubscriberId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, id: SubscriberId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// Keeps a pool under its number and name.
    pub fn insert(&mut self, entry: Entry) {
        self.by_key.insert(entry.identity.key.clone(), entry.id);
        if let Some(target) = entry.target() {
            self.by_target.entry(target).or_default().insert(entry.id);
        }
        self.wakes.insert((entry.wake, entry.id));
        self.entries.insert(entry.id, entry);
    }

    /// Takes a pool out.
    pub fn remove(&mut self, id: SubscriberId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.by_key.remove(&entry.identity.key);
        if let Some(target) = entry.target()
            && let Some(ids) = self.by_target.get_mut(&target)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_target.remove(&target);
            }
        }
        self.wakes.remove(&(entry.wake, id));
        Some(entry)
    }

    /// The pools that name this target.
    pub fn on_target(&self, target: &Key) -> Vec<SubscriberId> {
        self.by_target.get(target).into_iter().flatten().copied().collect()
    }

    /// The oldest pool on the same target, if that is another one: by creation time (whole seconds), then name. It wins.
    pub fn elder(&self, entry: &Entry) -> Option<&Entry> {
        let target = entry.target()?;
        let age = |entry: &Entry| (entry.identity.created, entry.identity.key.name.clone());
        self.by_target
            .get(&target)?
            .iter()
            .filter_map(|id| self.entries.get(id))
            .min_by_key(|other| age(other))
            .filter(|oldest| oldest.id != entry.id)
    }

    /// Wakes the pool at this moment, and not before unless something happens.
    pub fn wake_at(&mut self, id: SubscriberId, at: Moment) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.wakes.remove(&(entry.wake, id));
            entry.wake = at;
            self.wakes.insert((at, id));
        }
    }

    /// When the next pool is to be woken.
    pub fn next_wake(&self) -> Option<Moment> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// A pool that is due now.
    pub fn due(&self, now: Moment) -> Option<SubscriberId> {
        self.wakes.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// Pools in this scope that are not among these.
    pub fn others(&self, scope: &Scope, keys: &[Key]) -> Vec<Key> {
        others(self.by_key.keys(), scope, keys)
    }
}

fn others<'a>(all: impl Iterator<Item = &'a Key>, scope: &Scope, keys: &[Key]) -> Vec<Key> {
    let keys: BTreeSet<_> = keys.iter().collect();
    all.filter(|key| scope.as_ref().is_none_or(|namespace| *namespace == key.namespace))
        .filter(|key| !keys.contains(key))
        .cloned()
        .collect()
}

/// All Deployments of the watched scopes, slim.
#[derive(Default)]
pub struct Targets {
    seen: HashMap<Key, Target>,
    scopes: BTreeMap<Scope, Listing>,
}

/// How far the list of a scope's Deployments is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Complete.
    Done,
    /// Not complete yet.
    Under,
    /// Refused with this status, never completed.
    Refused(u16),
}

impl Targets {
    /// A Deployment.
    pub fn get(&self, key: &Key) -> Option<&Target> {
        self.seen.get(key)
    }

    /// Keeps a Deployment; says whether that is news.
    pub fn insert(&mut self, key: Key, target: Target) -> bool {
        self.seen.get(&key) != Some(&target) && {
            self.seen.insert(key, target);
            true
        }
    }

    /// Forgets a Deployment.
    pub fn remove(&mut self, key: &Key) {
        self.seen.remove(key);
    }

    /// Notes how far a scope's list is.
    pub fn listing(&mut self, scope: Scope, listing: Listing) {
        let known = self.scopes.entry(scope).or_insert(Listing::Under);
        // Once complete, a list stays good: a watch that fails later leaves it as it was.
        if *known != Listing::Done {
            *known = listing;
        }
    }

    /// How far the list of this namespace is.
    pub fn listed(&self, namespace: &str) -> Listing {
        let own = self.scopes.get(&Some(namespace.to_owned()));
        own.or_else(|| self.scopes.get(&None))
            .copied()
            .unwrap_or(Listing::Under)
    }

    /// Deployments in this scope that are not among these.
    pub fn others(&self, scope: &Scope, keys: &[Key]) -> Vec<Key> {
        others(self.seen.keys(), scope, keys)
    }
}

/// One sampler for each distinct address.
pub struct Endpoints {
    clock: Clock,
    out: mpsc::Sender<Sampled>,
    samplers: HashMap<Arc<Address>, (SamplerHandle, BTreeSet<SubscriberId>)>,
}

impl Endpoints {
    /// Samples go to `out`.
    pub fn new(clock: Clock, out: mpsc::Sender<Sampled>) -> Self {
        Self {
            clock,
            out,
            samplers: HashMap::new(),
        }
    }

    /// Samples for this pool at this address, from now on; an endpoint shared with others is used again.
    pub fn join(&mut self, address: &Arc<Address>, id: SubscriberId, subscription: Subscription) {
        let new = || (sampler(address, self.clock, self.out.clone()), BTreeSet::new());
        let (sampler, users) = self.samplers.entry(address.clone()).or_insert_with(new);
        users.insert(id);
        sampler.send(subscription);
    }

    /// Has these pods of a pool looked after.
    pub fn attend(&self, address: &Arc<Address>, id: SubscriberId, attention: Attention) {
        if let Some((sampler, _)) = self.samplers.get(address) {
            sampler.send(Subscription::Attend { id, attention });
        }
    }

    /// Says which pods a pool's target has; whether there was a sampler to say it to.
    pub fn tell_roster(&self, entry: &Entry, roster: &Roster) -> bool {
        let Link::Linked(address) = &entry.link else {
            return false;
        };
        let Some((sampler, _)) = self.samplers.get(address) else {
            return false;
        };
        sampler.send(Subscription::Roster {
            id: entry.id,
            roster: roster.clone(),
        });
        true
    }

    /// Has no pod of this pool looked after: somebody else does.
    pub fn let_be(&self, entry: &mut Entry) {
        if let Link::Linked(address) = &entry.link
            && !entry.leaving.attention.is_empty()
        {
            self.attend(address, entry.id, Attention::new());
            entry.leaving.attention.clear();
        }
    }

    /// No more samples for this pool; the last one out closes the connection.
    pub fn leave(&mut self, address: &Arc<Address>, id: SubscriberId) {
        if let Some((sampler, users)) = self.samplers.get_mut(address) {
            users.remove(&id);
            sampler.send(Subscription::Remove { id });
            if users.is_empty() {
                self.samplers.remove(address);
            }
        }
    }
}

/// Starts a sampler of this broker.
pub fn sampler(address: &Address, clock: Clock, out: mpsc::Sender<Sampled>) -> SamplerHandle {
    match address.kind {
        Kind::Redis { .. } => broker::spawn(RedisEndpoint::new(address.clone()), clock, out),
        Kind::RabbitMq { .. } => broker::spawn(RabbitMqEndpoint::new(address.clone()), clock, out),
    }
}

#[cfg(test)]
mod tests;
