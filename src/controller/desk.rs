//! The desk: one task that takes the news and makes the passes, so that all state of all pools has one owner. Whatever
//! waits for the API server or a broker runs in a task of its own and comes back as news.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use super::{
    entry::Entry,
    news::{News, PoolSeen, Scope, Watched},
    pool::{Key, Pool, Problem},
    publish::Turns,
    registry::{Endpoints, Listing, Pools, Targets},
    shared::SharedQueues,
};
use crate::{
    api::Mode,
    broker::{Clock, Sampled, SubscriberId},
    telemetry::{Events, Health, Metrics},
    work::{Control, SampleError},
    workers::CallError,
};

/// The longest wait between two looks at a pool.
const MOST: Duration = Duration::from_secs(30);

/// What the readiness probe names while it is missing.
pub const CRD: &str = "the list of TaskWorkerPools: is the CRD taskworkerpools.taskworkerpool.dev installed?";

/// Everything a pass may touch.
pub struct Desk {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) events: Events,
    pub(super) health: Health,
    /// Results of the desk's own tasks.
    pub(super) inbox: mpsc::UnboundedSender<News>,
    pub(super) pools: Pools,
    pub(super) targets: Targets,
    pub(super) endpoints: Endpoints,
    pub(super) shared: SharedQueues,
    pub(super) turns: Turns,
    /// Pools whose pods were on their way out when the process began, and who have not been seen yet.
    pub(super) left: BTreeSet<Key>,
    /// Tasks that give workers back.
    pub(super) releases: JoinSet<()>,
}

impl Desk {
    /// A desk without a pool.
    pub fn new(
        client: Client,
        clock: Clock,
        metrics: Metrics,
        events: Events,
        health: Health,
        inbox: mpsc::UnboundedSender<News>,
        samples: mpsc::Sender<Sampled>,
    ) -> Self {
        Self {
            client,
            clock,
            metrics,
            events,
            health,
            inbox,
            pools: Pools::default(),
            targets: Targets::default(),
            endpoints: Endpoints::new(clock, samples),
            shared: SharedQueues::default(),
            turns: Turns::default(),
            left: BTreeSet::new(),
            releases: JoinSet::new(),
        }
    }

    /// Works until told to stop; then gives back the workers that are on their way out.
    pub async fn run(
        mut self,
        mut watched: mpsc::Receiver<News>,
        mut own: mpsc::UnboundedReceiver<News>,
        mut samples: mpsc::Receiver<Sampled>,
        mut stop: oneshot::Receiver<()>,
    ) {
        loop {
            self.health.beat(Instant::now());
            let now = self.clock.now().moment;
            let wake = self
                .pools
                .next_wake()
                .unwrap_or(now + MOST)
                .saturating_sub(now)
                .min(MOST);
            tokio::select! {
                Some(news) = own.recv() => self.take(news),
                Some(sampled) = samples.recv() => self.take(News::Sampled(sampled)),
                news = watched.recv() => match news {
                    Some(news) => self.take(news),
                    // The watches end with the process only.
                    None => return,
                },
                () = tokio::time::sleep(wake) => {}
                _ = &mut stop => break,
            }
            self.wake_due();
        }
        self.end().await;
    }

    fn wake_due(&mut self) {
        let now = self.clock.now().moment;
        while let Some(id) = self.pools.due(now) {
            // A pass sets the next wake; this is for the case that it does not.
            self.pools.wake_at(id, now + MOST);
            self.pass(id);
        }
    }

    /// Takes one piece of news.
    pub fn take(&mut self, news: News) {
        match news {
            News::Pool(seen) => self.pool(*seen),
            News::PoolGone(key) => self.pool_gone(&key),
            News::PoolsListed(scope, keys) => {
                self.health.ready(CRD);
                for key in self.pools.others(&scope, &keys) {
                    self.pool_gone(&key);
                }
            }
            News::Target(key, target) => {
                let old = self.targets.get(&key).map(|old| old.template);
                let rolled = old.is_some_and(|old| old != target.template);
                if self.targets.insert(key.clone(), *target) {
                    if rolled {
                        self.template_changed(&key);
                    }
                    self.pass_on(&key);
                }
            }
            News::TargetGone(key) => {
                self.targets.remove(&key);
                self.pass_on(&key);
            }
            News::TargetsListed(scope, keys) => self.targets_listed(scope, &keys),
            News::WatchFailed(watched, scope, error) => self.watch_failed(watched, scope, error),
            News::Sampled(sampled) => self.sampled(sampled),
            News::Resolved(id, result) => self.resolved(id, result),
            News::Draining(pools) => self.left(pools),
            News::Wrote(id, outcome) => self.wrote(id, outcome),
            News::Protected(id, result) => self.protected(id, result),
            News::Roll(id, result) => self.rolled(id, result),
            News::Published(id, result) => self.published(id, result),
        }
    }

    fn pass_on(&mut self, target: &Key) {
        for id in self.pools.on_target(target) {
            self.pass(id);
        }
    }

    fn pass_on_others(&mut self, target: &Key, than: SubscriberId) {
        for id in self.pools.on_target(target).into_iter().filter(|id| *id != than) {
            self.pass(id);
        }
    }

    fn pool(&mut self, seen: PoolSeen) {
        let PoolSeen { identity, pool, status } = seen;
        let old = self.pools.id(&identity.key).and_then(|id| self.pools.remove(id));
        let before = old.as_ref().and_then(Entry::target);
        let entry = match old {
            Some(entry)
                if entry.identity.uid == identity.uid
                    && entry.identity.generation == identity.generation
                    && entry.pool == pool =>
            {
                // Our own status, or a label: nothing to decide anew.
                self.pools.insert(entry);
                return;
            }
            Some(mut entry) if entry.identity.uid == identity.uid => {
                self.change(&mut entry, &pool);
                (entry.identity, entry.pool) = (identity, pool);
                entry
            }
            other => {
                if let Some(mut old) = other {
                    self.dismiss(&mut old);
                }
                Entry::new(self.pools.next_id(), identity, pool, status)
            }
        };
        let mut entry = entry;
        entry.leaving.left |= self.left.remove(&entry.identity.key);
        let (id, after) = (entry.id, entry.target());
        self.pools.insert(entry);
        self.pass(id);
        // Others may have got or lost an elder on their target.
        for target in [before, after].into_iter().flatten() {
            self.pass_on_others(&target, id);
        }
    }

    /// Pods of these pools were left on their way out.
    fn left(&mut self, pools: BTreeSet<Key>) {
        for key in pools {
            tracing::info!(
                namespace = key.namespace,
                name = key.name,
                "pods were left on their way out"
            );
            match self.pools.id(&key).and_then(|id| self.pools.get_mut(id)) {
                Some(entry) => {
                    entry.leaving.left = true;
                    let id = entry.id;
                    self.pass(id);
                }
                None => drop(self.left.insert(key)),
            }
        }
    }

    /// What a change of the spec means for what is running.
    fn change(&mut self, entry: &mut Entry, new: &Result<Pool, Problem>) {
        let new = new.as_ref().ok();
        if new.is_none_or(|new| !acts(new) || entry.pool.as_ref().is_ok_and(|old| old.target != new.target)) {
            self.give_back(entry);
        }
        let old = entry.pool.as_ref().ok();
        let counted_alike = match (old, new) {
            (Some(old), Some(new)) => {
                old.source == new.source
                    && old.celery == new.celery
                    && old.policy.period == new.policy.period
                    && old.policy.suspended == new.policy.suspended
            }
            _ => false,
        };
        // What was remembered of other queues says nothing.
        let elsewhere = old
            .zip(new)
            .is_some_and(|(old, new)| old.source != new.source || old.celery != new.celery);
        if !counted_alike {
            self.unlink(entry);
        }
        if elsewhere {
            entry.begin_anew();
        }
    }

    fn dismiss(&mut self, entry: &mut Entry) {
        self.give_back(entry);
        self.unprotect(entry);
        self.leave(entry);
        self.metrics
            .forget(&entry.identity.key.namespace, &entry.identity.key.name);
    }

    fn pool_gone(&mut self, key: &Key) {
        let Some(mut entry) = self.pools.id(key).and_then(|id| self.pools.remove(id)) else {
            return;
        };
        self.dismiss(&mut entry);
        if let Some(target) = entry.target() {
            self.pass_on(&target);
        }
    }

    fn targets_listed(&mut self, scope: Scope, keys: &[Key]) {
        for key in self.targets.others(&scope, keys) {
            self.targets.remove(&key);
            self.pass_on(&key);
        }
        self.targets.listing(scope, Listing::Done);
        self.pass_all();
    }

    fn watch_failed(&mut self, watched: Watched, scope: Scope, error: CallError) {
        let kind = match watched {
            Watched::Pools => "TaskWorkerPool",
            Watched::Targets => "Deployment",
        };
        self.metrics.watch_failed(kind);
        tracing::warn!(kind, namespace = scope.as_deref().unwrap_or("*"), why = %error, "a watch failed; it is tried again");
        match watched {
            Watched::Pools => self.health.waiting(CRD),
            Watched::Targets => {
                if let CallError::Refused { code } = error {
                    self.targets.listing(scope, Listing::Refused(code));
                    self.pass_all();
                }
            }
        }
    }

    fn pass_all(&mut self) {
        for id in self.pools.ids() {
            self.pass(id);
        }
    }

    fn sampled(&mut self, sampled: Sampled) {
        let wall = self.clock.now().wall;
        let entry = self.pools.get(sampled.id);
        // One that was under way when the pool moved speaks of another broker.
        let moved = |entry: &Entry| entry.link.address().is_none() || sampled.at < entry.samples.since;
        if entry.is_none_or(moved) {
            return;
        }
        if let Ok(tally) = &sampled.result {
            self.counted(sampled.id, tally, sampled.at);
        }
        let Some(entry) = self.pools.get_mut(sampled.id) else {
            return;
        };
        let samples = &mut entry.samples;
        match sampled.result {
            Ok(tally) => {
                let at = crate::work::Now {
                    wall,
                    moment: sampled.at,
                };
                if let Control::Refused { right } = &tally.control {
                    entry.leaving.refused = Some((sampled.at, right.clone()));
                }
                let same = samples.failing.is_none()
                    && samples.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, &tally));
                samples.before = samples.last.as_ref().map(|(_, at)| at.moment);
                samples.last = Some((tally.clone(), at));
                samples.rest = sampled.rest;
                samples.failing = None;
                entry.tasks.resolve_failures = 0;
                let heard = tally.workers_heard;
                if !same {
                    samples.newest.send_replace(tally);
                }
                self.prefer_the_first(sampled.id, heard);
                if same {
                    // A pass over an unchanged pool is this comparison; what time alone changes, the wake brings.
                    return;
                }
            }
            Err(why) => {
                self.metrics.source_failed(why.label());
                let since = samples.failing.map_or(sampled.at, |(_, since)| since);
                samples.failing = Some((why, since));
                if may_be_credentials(why) {
                    self.resolve(sampled.id);
                }
                self.unreached(sampled.id, why);
            }
        }
        self.pass(sampled.id);
    }
}

/// The pool wishes that replicas are written.
pub(super) fn acts(pool: &Pool) -> bool {
    pool.mode == Mode::Act && !pool.policy.suspended
}

/// Errors after which the Secret may hold something newer.
fn may_be_credentials(why: SampleError) -> bool {
    !why.passes()
        && !matches!(
            why,
            SampleError::NotYet | SampleError::JustReconnected | SampleError::QueueUnsure
        )
}
