//! All pools and what they share: takes in what happened, passes it to the pools that it concerns, and returns their
//! effects. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    effect::{Effect, PoolEffect},
    input::{Input, PoolSeen, Watched},
    pool::Pool,
    registry::{Listing, Pools, Targets},
    shared::SharedQueues,
    state::{PoolInput, PoolState, Shared, Turns},
    status::SharedQueue,
};
use crate::{
    broker::{Address, PoolId, SamplerInput},
    kube::{CallError, Key, TargetKey, watch::Scope},
    model::{Moment, Now, WorkloadKind},
    view::{PoolView, Snapshot, Whole},
};

/// Longest time between two reconciliations of a pool.
const MOST: Duration = Duration::from_secs(30);
/// Number of pools that are woken at a time: however many are due, inputs are still processed in between.
const AT_ONCE: usize = 64;

/// All pools and what they share.
pub struct Fleet {
    /// Whether this process leads; until then it only observes.
    leads: bool,
    pub(super) pools: Pools,
    pub(super) targets: Targets,
    queues: SharedQueues,
    turns: Turns,
    /// Whether StatefulSets are watched.
    stateful_sets: bool,
    /// Targets whose workers are being told to fetch again, and that no pool has taken back; that may be over.
    uncordons: BTreeSet<TargetKey>,
    /// Pools with draining pods at the start of the process that have not been seen yet.
    left: BTreeSet<Key>,
    /// Whether what the view shows is kept.
    shows: bool,
    /// State of the list of pools, by scope; empty once the process has reported that it is ready.
    lists: BTreeMap<Scope, Listing>,
    effects: Vec<Effect>,
}

impl Fleet {
    /// No pools; these scopes will be listed. Nothing is done before [`Input::Leads`].
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            leads: false,
            pools: Pools::default(),
            targets: Targets::default(),
            queues: SharedQueues::default(),
            turns: Turns::default(),
            stateful_sets: false,
            uncordons: BTreeSet::new(),
            left: BTreeSet::new(),
            shows: false,
            lists: scopes.into_iter().map(|scope| (scope, Listing::Pending)).collect(),
            effects: Vec::new(),
        }
    }

    /// The same, and it leads.
    #[cfg(test)]
    pub fn leading(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            leads: true,
            ..Self::new(scopes)
        }
    }

    /// The same, and what the view shows is kept.
    pub fn showing(self, shows: bool) -> Self {
        Self { shows, ..self }
    }

    /// All pools, for the view; `None`: this process does not lead.
    pub fn snapshot(&self, now: Now) -> Option<Snapshot> {
        self.leads.then(|| Snapshot {
            now,
            entries: self
                .pools
                .all()
                .filter_map(|state| Some(state.view.as_ref()?.entry()))
                .collect(),
        })
    }

    /// One pool, for the view; `None`: this process does not lead.
    pub fn whole(&self, key: &Key, now: Now) -> Option<Option<Whole>> {
        let whole = |state: &PoolState| {
            let target = state.target().and_then(|key| self.targets.get(&key));
            state.whole(target, now)
        };
        let id = self.pools.id(key);
        self.leads.then(|| id.and_then(|id| self.pools.get(id)).and_then(whole))
    }

    /// State of a new pool.
    fn state(&self, id: PoolId, seen: PoolSeen) -> PoolState {
        let PoolSeen { identity, pool, status } = seen;
        let view = self.shows.then(|| Box::new(PoolView::new(&identity.key)));
        PoolState {
            view,
            ..PoolState::new(id, identity, pool, status)
        }
    }

    /// Takes in what happened, and what is due by now; returns the effects, in order.
    pub fn on(&mut self, input: Input, now: Now) -> Vec<Effect> {
        match input {
            Input::Leads => {
                self.leads = true;
                self.wake_all(now);
            }
            Input::Pool(seen) => {
                self.watch_its_kind(&seen);
                match self.leads {
                    true => self.pool(seen, now),
                    false => self.know(*seen),
                }
            }
            Input::PoolGone(key) => self.pool_gone(&key, now),
            Input::PoolsListed(scope, keys) => {
                for key in self.pools.others(&scope, &keys) {
                    self.pool_gone(&key, now);
                }
                self.listing(scope, Listing::Done);
            }
            Input::Target(key, target) => {
                let old = self.targets.get(&key).map(|old| old.template);
                let rolled = old.is_some_and(|old| old != target.template);
                if self.targets.insert(key.clone(), *target) {
                    self.wake_on(&key, rolled, now);
                }
            }
            Input::TargetGone(key) => {
                self.targets.remove(&key);
                self.uncordons.remove(&key);
                self.wake_on(&key, false, now);
            }
            Input::TargetsListed(kind, scope, keys) => {
                for key in self.targets.others(kind, &scope, &keys) {
                    self.targets.remove(&key);
                    self.wake_on(&key, false, now);
                }
                self.targets.listing(kind, scope, Listing::Done);
                self.wake_all(now);
            }
            Input::WatchFailed(watched, scope, error) => self.watch_failed(watched, scope, error, now),
            Input::Sampled(sampled) => self.pool_on(sampled.id, PoolInput::Sampled(sampled), now),
            Input::Draining(pools) => self.pods_left(pools, now),
            Input::Done(id, done) => self.pool_on(id, PoolInput::Done(done), now),
        }
        self.wake_due(now)
    }

    /// Wakes the pools that are due by now, or the first of them: the next wake-up follows.
    pub fn wake_due(&mut self, now: Now) -> Vec<Effect> {
        for _ in 0..AT_ONCE {
            let Some(id) = self.pools.due(now.moment).filter(|_| self.leads) else {
                break;
            };
            if let Some(state) = self.pools.get_mut(id) {
                // The pool sets its next time itself; this is for the case that it cannot.
                state.wake = now.moment + MOST;
            }
            self.pool_on(id, PoolInput::Wake, now);
        }
        std::mem::take(&mut self.effects)
    }

    /// Time at which a pool is due next, if nothing happens before.
    pub fn next_wake(&self) -> Option<Moment> {
        self.pools.next_wake().filter(|_| self.leads)
    }

    /// Takes in that the process ends: cordoned workers are told to fetch again.
    pub fn end(&mut self, now: Now) -> Vec<Effect> {
        for id in self.pools.ids() {
            self.pool_on(id, PoolInput::End, now);
        }
        std::mem::take(&mut self.effects)
    }

    /// Passes an input to one pool.
    fn pool_on(&mut self, id: PoolId, input: PoolInput, now: Now) {
        if !self.leads {
            return;
        }
        let Some(state) = self.pools.get(id) else { return };
        let older = self.pools.older(state).map(|older| older.identity.key.name.clone());
        let uncordons = state.target().is_some_and(|target| self.uncordons.contains(&target));
        let queue = self.shares(state);
        let Some(state) = self.pools.get_mut(id) else { return };
        let mut shared = Shared {
            targets: &self.targets,
            older,
            uncordons,
            queue,
            turns: &mut self.turns,
        };
        let effects = state.on(input, &mut shared, now);
        self.pools.file(id);
        self.take(id, effects, now);
    }

    /// Records counted queues and targets whose workers are told to fetch again, and passes the effects on.
    fn take(&mut self, id: PoolId, effects: Vec<PoolEffect>, now: Now) {
        for effect in effects {
            match &effect {
                PoolEffect::Sample { address, .. }
                | PoolEffect::Tell {
                    address,
                    subscription: SamplerInput::Queues { .. },
                } => self.counts(id, address, now),
                PoolEffect::Leave(_) => self.queues.forget(id),
                PoolEffect::Uncordon(uncordon) if !uncordon.only_told => drop(self.uncordons.insert(uncordon.target())),
                PoolEffect::AbortUncordon(target) => drop(self.uncordons.remove(target)),
                _ => {}
            }
            self.effects.push(Effect::Pool(id, effect));
        }
    }

    /// Records that the pool counts its queues at this address from now on. Other pools that count one of them have to
    /// report it.
    fn counts(&mut self, id: PoolId, address: &Address, now: Now) {
        let Some(state) = self.pools.get(id) else { return };
        let Ok(pool) = &state.pool else { return };
        let others = self
            .queues
            .count(id, &state.queues(pool), &pool.app.key_prefix, address);
        if others.is_empty() {
            return;
        }
        for id in others.into_iter().chain([id]) {
            if let Some(state) = self.pools.get_mut(id) {
                state.wake = now.moment;
            }
            self.pools.file(id);
        }
    }

    /// Another pool that counts one of this pool's queues and orders workers for it, too.
    fn shares(&self, state: &PoolState) -> Option<SharedQueue> {
        if !state.pool.as_ref().is_ok_and(Pool::acts) {
            return None;
        }
        self.queues.others(state.id).find_map(|(queue, other)| {
            let other = self.pools.get(other).filter(|other| other.target() != state.target())?;
            let Key { namespace, name } = &other.identity.key;
            other.pool.as_ref().is_ok_and(Pool::acts).then(|| SharedQueue {
                queue: queue.to_owned(),
                pool: format!("{namespace}/{name}"),
            })
        })
    }

    /// StatefulSets are watched from the first pool on that has one as its target.
    fn watch_its_kind(&mut self, seen: &PoolSeen) {
        let kind = seen.pool.as_ref().map(|pool| pool.target.kind);
        if kind == Ok(WorkloadKind::StatefulSet) && !self.stateful_sets {
            self.stateful_sets = true;
            self.effects.push(Effect::WatchStatefulSets);
        }
    }

    /// Records a pool that another process looks after: only its present state counts.
    fn know(&mut self, seen: PoolSeen) {
        if let Some(id) = self.pools.id(&seen.identity.key) {
            self.pools.remove(id);
        }
        let id = self.pools.next_id();
        self.pools.insert(self.state(id, seen));
    }

    fn pool(&mut self, seen: Box<PoolSeen>, now: Now) {
        let known = self.pools.id(&seen.identity.key);
        let known = known.and_then(|id| self.pools.get(id));
        let before = known.and_then(PoolState::target);
        let same = known.filter(|state| state.identity.uid == seen.identity.uid);
        let id = match (same.map(|state| state.id), known.map(|state| state.id)) {
            (Some(id), _) => {
                let unchanged = known.is_some_and(|state| {
                    state.identity.generation == seen.identity.generation && state.pool == seen.pool
                });
                if unchanged {
                    // Our own status, or a label: no new decision is needed.
                    return;
                }
                self.pool_on(id, PoolInput::Spec(seen), now);
                id
            }
            (None, namesake) => {
                if let Some(id) = namesake {
                    self.remove(id, now);
                }
                let id = self.pools.next_id();
                let mut state = self.state(id, *seen);
                state.drain.left = self.left.remove(&state.identity.key);
                self.pools.insert(state);
                id
            }
        };
        self.pool_on(id, PoolInput::Wake, now);
        let after = self.pools.get(id).and_then(PoolState::target);
        // Other pools may have gained or lost an older one on their target.
        for target in [before, after].into_iter().flatten() {
            for other in self.pools.on_target(&target).into_iter().filter(|other| *other != id) {
                self.pool_on(other, PoolInput::Wake, now);
            }
        }
    }

    fn pool_gone(&mut self, key: &Key, now: Now) {
        let Some(id) = self.pools.id(key) else { return };
        let target = self.pools.get(id).and_then(PoolState::target);
        self.remove(id, now);
        if let Some(target) = target {
            self.wake_on(&target, false, now);
        }
    }

    fn remove(&mut self, id: PoolId, now: Now) {
        self.pool_on(id, PoolInput::Gone, now);
        self.pools.remove(id);
    }

    fn pods_left(&mut self, pools: BTreeSet<Key>, now: Now) {
        for key in pools {
            match self.pools.id(&key) {
                Some(id) => self.pool_on(id, PoolInput::PodsLeft, now),
                None => drop(self.left.insert(key)),
            }
        }
    }

    /// Wakes the pools of a target that changed.
    fn wake_on(&mut self, target: &TargetKey, rolled: bool, now: Now) {
        for id in self.pools.on_target(target) {
            let input = match rolled {
                true => PoolInput::TemplateChanged,
                false => PoolInput::Wake,
            };
            self.pool_on(id, input, now);
        }
    }

    fn wake_all(&mut self, now: Now) {
        for id in self.pools.ids() {
            self.pool_on(id, PoolInput::Wake, now);
        }
    }

    /// Records the state of the list of a scope's pools. A namespace that has gone, or that the operator has no rights
    /// in, delays no other one; if all of them refuse, the CRD is not installed.
    fn listing(&mut self, scope: Scope, listing: Listing) {
        if let Some(known) = self.lists.get_mut(&scope).filter(|known| **known != Listing::Done) {
            *known = listing;
        }
        let mut lists = self.lists.values();
        if !lists.any(|list| *list == Listing::Done) || self.lists.values().any(|list| *list == Listing::Pending) {
            return;
        }
        self.lists.clear();
        self.effects.push(Effect::Ready);
    }

    fn watch_failed(&mut self, watched: Watched, scope: Scope, error: CallError, now: Now) {
        self.effects.push(Effect::WatchFailed(watched, scope.clone(), error));
        let CallError::Refused { code } = error else { return };
        match watched {
            Watched::Pools => self.listing(scope, Listing::Refused(code)),
            Watched::Targets(kind) => {
                self.targets.listing(kind, scope, Listing::Refused(code));
                self.wake_all(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
