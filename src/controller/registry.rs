//! Indexes of the controller: pools, targets, which pool scales which target, which pool to wake when. Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{pool::Pool, state::PoolState};
use crate::{
    broker::PoolId,
    kube::{Key, Target, TargetKey, watch::Scope},
    model::{Moment, WorkloadKind},
};

/// All pools, by number and by name.
#[derive(Default)]
pub struct Pools {
    states: BTreeMap<PoolId, PoolState>,
    by_key: BTreeMap<Key, PoolId>,
    by_target: BTreeMap<TargetKey, BTreeSet<PoolId>>,
    wakes: BTreeSet<(Moment, PoolId)>,
    /// Target and wake time of each pool, as they are in the two indexes above.
    filed: BTreeMap<PoolId, (Option<TargetKey>, Moment)>,
    next_id: PoolId,
}

impl Pools {
    /// New number, never used before.
    pub fn next_id(&mut self) -> PoolId {
        self.next_id += 1;
        self.next_id
    }

    /// Numbers of all pools.
    pub fn ids(&self) -> Vec<PoolId> {
        self.states.keys().copied().collect()
    }

    /// All pools.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &PoolState> {
        self.states.values()
    }

    /// Number of the pool of this name.
    pub fn id(&self, key: &Key) -> Option<PoolId> {
        self.by_key.get(key).copied()
    }

    /// Pool of this number.
    pub fn get(&self, id: PoolId) -> Option<&PoolState> {
        self.states.get(&id)
    }

    /// The same, mutable; call [`Pools::file`] after a change.
    pub fn get_mut(&mut self, id: PoolId) -> Option<&mut PoolState> {
        self.states.get_mut(&id)
    }

    /// Adds a pool.
    pub fn insert(&mut self, state: PoolState) {
        let id = state.id;
        self.by_key.insert(state.identity.key.clone(), id);
        self.states.insert(id, state);
        self.file(id);
    }

    /// Removes a pool.
    pub fn remove(&mut self, id: PoolId) -> Option<PoolState> {
        self.unfile(id);
        let state = self.states.remove(&id)?;
        self.by_key.remove(&state.identity.key);
        Some(state)
    }

    /// Updates the indexes of a pool: its target and its wake time.
    pub fn file(&mut self, id: PoolId) {
        let Some(state) = self.states.get(&id) else { return };
        let filed = self.filed.get(&id);
        if filed.is_some_and(|(target, wake)| *wake == state.wake && *target == state.target()) {
            return;
        }
        let (target, wake) = (state.target(), state.wake);
        self.unfile(id);
        if let Some(target) = &target {
            self.by_target.entry(target.clone()).or_default().insert(id);
        }
        self.wakes.insert((wake, id));
        self.filed.insert(id, (target, wake));
    }

    fn unfile(&mut self, id: PoolId) {
        let Some((target, wake)) = self.filed.remove(&id) else {
            return;
        };
        self.wakes.remove(&(wake, id));
        if let Some(target) = target
            && let Some(ids) = self.by_target.get_mut(&target)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_target.remove(&target);
            }
        }
    }

    /// Pools with this target.
    pub fn on_target(&self, target: &TargetKey) -> Vec<PoolId> {
        self.by_target.get(target).into_iter().flatten().copied().collect()
    }

    /// Oldest other pool on the same target: by creation time (whole seconds), then name. It wins. Pools that only
    /// observe, or are suspended, keep no other pool from scaling, and none keeps them from observing.
    pub fn older(&self, state: &PoolState) -> Option<&PoolState> {
        let acts = |state: &PoolState| state.pool.as_ref().is_ok_and(Pool::acts);
        let (target, _) = self.filed.get(&state.id).filter(|_| acts(state))?;
        let claimants = self.by_target.get(target.as_ref()?).filter(|ids| ids.len() > 1)?;
        let claimants = claimants.iter().filter_map(|id| self.states.get(id));
        let claimants = claimants.filter(|state| acts(state));
        claimants
            .min_by_key(|other| (other.identity.created, &other.identity.key.name))
            .filter(|oldest| oldest.id != state.id)
    }

    /// Time at which the next pool is to be woken.
    pub fn next_wake(&self) -> Option<Moment> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Pool that is due now.
    pub fn due(&self, now: Moment) -> Option<PoolId> {
        self.wakes.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// Pools of this scope that are not among these.
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

/// Statuses that do not pass by themselves: unknown, not allowed, no such resource.
const RIGHTS: [u16; 3] = [401, 403, 404];

/// All Deployments and StatefulSets of the watched scopes, reduced to what is needed.
#[derive(Default)]
pub struct Targets {
    seen: HashMap<TargetKey, Target>,
    scopes: BTreeMap<(WorkloadKind, Scope), Listing>,
    /// Scopes whose watch is refused now, with this status.
    refused: BTreeMap<(WorkloadKind, Scope), u16>,
}

/// State of the list of a scope's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Complete.
    Done,
    /// Not complete yet.
    Pending,
    /// Refused with this status and never completed.
    Refused(u16),
}

impl Targets {
    /// Target of this kind and name.
    pub fn get(&self, key: &TargetKey) -> Option<&Target> {
        self.seen.get(key)
    }

    /// Adds a target; returns whether it is new or changed.
    pub fn insert(&mut self, key: TargetKey, target: Target) -> bool {
        self.seen.get(&key) != Some(&target) && {
            self.seen.insert(key, target);
            true
        }
    }

    /// Removes a target.
    pub fn remove(&mut self, key: &TargetKey) {
        self.seen.remove(key);
    }

    /// Records the state of a scope's list.
    pub fn listing(&mut self, kind: WorkloadKind, scope: Scope, listing: Listing) {
        let at = (kind, scope);
        match listing {
            Listing::Refused(code) if RIGHTS.contains(&code) => drop(self.refused.insert(at.clone(), code)),
            Listing::Done => drop(self.refused.remove(&at)),
            Listing::Refused(_) | Listing::Pending => {}
        }
        let known = self.scopes.entry(at).or_insert(Listing::Pending);
        // A complete list stays as it was while a watch fails for a moment.
        if *known != Listing::Done {
            *known = listing;
        }
    }

    /// State of the list of this namespace.
    pub fn listed(&self, kind: WorkloadKind, namespace: &str) -> Listing {
        let own = self.scopes.get(&(kind, Some(namespace.to_owned())));
        own.or_else(|| self.scopes.get(&(kind, None)))
            .copied()
            .unwrap_or(Listing::Pending)
    }

    /// Status with which the watch of this namespace is refused now: what is known of its targets is old.
    pub fn refused(&self, kind: WorkloadKind, namespace: &str) -> Option<u16> {
        let own = self.refused.get(&(kind, Some(namespace.to_owned())));
        own.or_else(|| self.refused.get(&(kind, None))).copied()
    }

    /// Targets of this kind and scope that are not among these.
    pub fn others(&self, kind: WorkloadKind, scope: &Scope, keys: &[Key]) -> Vec<TargetKey> {
        let known: Vec<_> = self
            .seen
            .keys()
            .filter(|key| key.workload.kind == kind)
            .map(|key| key.key())
            .collect();
        let others = others(known.iter(), scope, keys).into_iter();
        others.map(|key| TargetKey::new(key, kind)).collect()
    }
}

#[cfg(test)]
mod tests;
