//! The desk: one task that takes the news and makes the passes, so that all state of all pools has one owner. Whatever
//! waits for the API server or a broker runs in a task of its own and comes back as news.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource};
use tokio::{sync::mpsc, time::Instant};

use super::{
    apply::{self, Job, Outcome},
    entry::{Entry, Link, backoff},
    news::{News, PoolSeen, Scope, Watched},
    pool::{Key, Pool, Problem},
    registry::{Endpoints, Listing, Pools, Targets},
    resolve, validate,
};
use crate::{
    api::{LastScale, Mode, TaskWorkerPool},
    broker::{Address, Clock, Sampled, SubscriberId, Subscription},
    telemetry::{Direction, Events, Health, Metrics, PoolEvent},
    work::{Moment, SampleError},
    workers::CallError,
};

/// First and longest wait between attempts to read references, and between failed writes.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);
/// How soon a scale-down that busy pods held up is tried again.
const KEPT_AGAIN: Duration = Duration::from_secs(2);

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
        }
    }

    /// Works until the watches end, which they do only with the process.
    pub async fn run(
        mut self,
        mut watched: mpsc::Receiver<News>,
        mut own: mpsc::UnboundedReceiver<News>,
        mut samples: mpsc::Receiver<Sampled>,
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
                    None => return,
                },
                () = tokio::time::sleep(wake) => {}
            }
            self.wake_due();
        }
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
                if self.targets.insert(key.clone(), *target) {
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
            News::Wrote(id, outcome) => self.wrote(id, outcome),
            News::Published(id, result) => {
                if let Some(entry) = self.pools.get_mut(id) {
                    entry.tasks.publishing = false;
                    entry.published = Some(self.clock.now().moment);
                    if let Ok(status) = result {
                        entry.stored = Some(*status);
                        self.metrics.status_written();
                    }
                    self.pass(id);
                }
            }
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
                if let Some(old) = other {
                    self.dismiss(&old);
                }
                Entry::new(self.pools.next_id(), identity, pool, status)
            }
        };
        let (id, after) = (entry.id, entry.target());
        self.pools.insert(entry);
        self.pass(id);
        // Others may have got or lost an elder on their target.
        for target in [before, after].into_iter().flatten() {
            self.pass_on_others(&target, id);
        }
    }

    /// What a change of the spec means for what is running.
    fn change(&mut self, entry: &mut Entry, new: &Result<Pool, Problem>) {
        let old = entry.pool.as_ref().ok();
        let new = new.as_ref().ok();
        let counted_alike = match (old, new) {
            (Some(old), Some(new)) => {
                old.source == new.source
                    && old.celery == new.celery
                    && old.policy.period == new.policy.period
                    && old.policy.suspended == new.policy.suspended
            }
            _ => false,
        };
        if !counted_alike {
            self.unlink(entry);
        }
    }

    /// Stops the sampling of a pool.
    pub(super) fn unlink(&mut self, entry: &mut Entry) {
        if let Link::Linked(address) = &entry.link {
            self.endpoints.leave(address, entry.id);
        }
        entry.link = Link::None;
        (entry.samples.last, entry.samples.failing) = (None, None);
        (entry.tasks.resolve_not_before, entry.tasks.resolve_failures) = (Moment::ZERO, 0);
    }

    fn dismiss(&mut self, entry: &Entry) {
        if let Link::Linked(address) = &entry.link {
            self.endpoints.leave(address, entry.id);
        }
        self.metrics
            .forget(&entry.identity.key.namespace, &entry.identity.key.name);
    }

    fn pool_gone(&mut self, key: &Key) {
        let Some(entry) = self.pools.id(key).and_then(|id| self.pools.remove(id)) else {
            return;
        };
        self.dismiss(&entry);
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
        let Some(entry) = self.pools.get_mut(sampled.id) else {
            return;
        };
        if !matches!(entry.link, Link::Linked(_)) {
            return;
        }
        let samples = &mut entry.samples;
        match sampled.result {
            Ok(tally) => {
                let at = crate::work::Now {
                    wall,
                    moment: sampled.at,
                };
                let same = samples.failing.is_none()
                    && samples.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, &tally));
                samples.last = Some((tally.clone(), at));
                samples.failing = None;
                entry.tasks.resolve_failures = 0;
                if same {
                    // A pass over an unchanged pool is this comparison; what time alone changes, the wake brings.
                    return;
                }
                samples.newest.send_replace(tally);
            }
            Err(why) => {
                self.metrics.source_failed(why.label());
                let since = samples.failing.map_or(sampled.at, |(_, since)| since);
                samples.failing = Some((why, since));
                if may_be_credentials(why) {
                    self.resolve(sampled.id);
                }
            }
        }
        self.pass(sampled.id);
    }

    /// Reads the pool's references in a task of its own, unless that is under way or was a short while ago.
    pub(super) fn resolve(&mut self, id: SubscriberId) {
        let now = self.clock.now().moment;
        let Some(entry) = self.pools.get_mut(id) else { return };
        let Ok(pool) = &entry.pool else { return };
        if entry.tasks.resolving || now < entry.tasks.resolve_not_before {
            return;
        }
        entry.tasks.resolving = true;
        let (client, inbox, pool) = (self.client.clone(), self.inbox.clone(), pool.clone());
        let namespace = entry.identity.key.namespace.clone();
        tokio::spawn(async move {
            let result = resolve::address(&client, &namespace, &pool).await;
            // Fails only if the desk is gone.
            let _gone = inbox.send(News::Resolved(id, result));
        });
    }

    fn resolved(&mut self, id: SubscriberId, result: Result<Arc<Address>, Problem>) {
        let now = self.clock.now().moment;
        let Some(mut entry) = self.pools.remove(id) else { return };
        let tasks = &mut entry.tasks;
        tasks.resolving = false;
        tasks.resolve_not_before = now + backoff(tasks.resolve_failures, FIRST, MOST, id);
        tasks.resolve_failures = tasks.resolve_failures.saturating_add(1);
        match (result, entry.pool.clone()) {
            // Also a source that could be read, and was believed, is given up when its Secret goes.
            (Err(problem), _) => {
                if !matches!(entry.link, Link::Linked(_)) {
                    entry.link = Link::Failed(problem);
                }
            }
            (Ok(address), Ok(pool)) if entry.link != Link::Linked(address.clone()) => {
                self.unlink(&mut entry);
                entry.tasks.resolve_not_before = now + FIRST;
                self.link(&mut entry, &pool, address);
            }
            _ => {}
        }
        self.pools.insert(entry);
        self.pass(id);
    }

    fn link(&mut self, entry: &mut Entry, pool: &Pool, address: Arc<Address>) {
        let subscription = Subscription::Add {
            id: entry.id,
            framework: validate::framework(pool, &address),
            period: pool.policy.period,
        };
        self.endpoints.join(&address, entry.id, subscription);
        entry.link = Link::Linked(address);
    }

    /// Writes the target in a task of its own.
    pub(super) fn write(&mut self, id: SubscriberId, job: Job) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.tasks.writing = true;
        let (client, inbox) = (self.client.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let outcome = apply::carry_out(&client, job).await;
            let _gone = inbox.send(News::Wrote(id, outcome));
        });
    }

    fn wrote(&mut self, id: SubscriberId, outcome: Outcome) {
        let now = self.clock.now();
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.tasks.writing = false;
        let key = entry.identity.key.clone();
        let sentence = entry
            .decision
            .as_ref()
            .map(|(_, decision)| decision.sentence.clone())
            .unwrap_or_default();
        let reason = entry
            .decision
            .as_ref()
            .map_or("Unknown", |(_, decision)| decision.rule.reason());
        let about = reference(entry);
        let mut events = Vec::new();
        let hold = &mut entry.hold;
        match outcome {
            Outcome::Written {
                from,
                to,
                kept,
                version,
            } => {
                self.metrics.scale_written();
                if let Some((manager, found)) = hold.overwritten.take() {
                    self.metrics.overwritten(&manager);
                    tracing::warn!(
                        namespace = key.namespace,
                        name = key.name,
                        manager,
                        found,
                        restored = to,
                        "replicas overwritten"
                    );
                    events.push(PoolEvent::ReplicasOverwritten {
                        manager,
                        found,
                        restored: to,
                    });
                }
                (hold.intended, hold.version) = (Some(to), version.max(hold.version));
                (hold.failed, hold.failures) = (None, 0);
                hold.kept = (kept > 0).then_some(kept);
                hold.not_before = if kept > 0 { now.moment + KEPT_AGAIN } else { now.moment };
                if from != to {
                    let direction = if to > from { Direction::Up } else { Direction::Down };
                    self.metrics.scaled(direction, reason);
                    tracing::info!(
                        namespace = key.namespace,
                        name = key.name,
                        from,
                        to,
                        rule = reason,
                        why = sentence,
                        "scaled"
                    );
                    entry.last_scale = Some(LastScale {
                        from: i32::try_from(from).unwrap_or(i32::MAX),
                        to: i32::try_from(to).unwrap_or(i32::MAX),
                        at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                            jiff::Timestamp::from_second(now.wall.as_second()).unwrap_or(now.wall),
                        ),
                        message: sentence.clone(),
                    });
                    events.push(PoolEvent::Scaled { from, to, sentence });
                }
            }
            Outcome::Kept { kept } => {
                hold.kept = Some(kept);
                hold.not_before = now.moment + KEPT_AGAIN;
                (hold.failed, hold.failures) = (None, 0);
            }
            Outcome::Failed(error) => {
                tracing::warn!(namespace = key.namespace, name = key.name, why = %error, "the target could not be written");
                hold.not_before = now.moment + backoff(hold.failures, FIRST, MOST, id);
                hold.failures = hold.failures.saturating_add(1);
                hold.failed = Some(error.to_string());
            }
        }
        self.tell(&about, events);
        self.pass(id);
    }

    /// Publishes Events in a task of its own.
    pub(super) fn tell(&self, about: &ObjectReference, events: Vec<PoolEvent>) {
        if events.is_empty() {
            return;
        }
        let (publisher, about) = (self.events.clone(), about.clone());
        tokio::spawn(async move {
            for event in events {
                publisher.publish(&about, event).await;
            }
        });
    }
}

/// What an Event about this pool points to.
pub(super) fn reference(entry: &Entry) -> ObjectReference {
    ObjectReference {
        api_version: Some(TaskWorkerPool::api_version(&()).into_owned()),
        kind: Some(TaskWorkerPool::kind(&()).into_owned()),
        namespace: Some(entry.identity.key.namespace.clone()),
        name: Some(entry.identity.key.name.clone()),
        uid: Some(entry.identity.uid.clone()),
        ..ObjectReference::default()
    }
}

/// The pool wishes that replicas are written.
pub(super) fn acts(pool: &Pool) -> bool {
    pool.mode == Mode::Act && !pool.policy.suspended
}

/// Errors after which the Secret may hold something newer.
fn may_be_credentials(why: SampleError) -> bool {
    !matches!(
        why,
        SampleError::NotYet | SampleError::JustReconnected | SampleError::NotReady
    )
}
