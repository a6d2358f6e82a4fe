//! Performs the effects that the state asks for. Calls to the API server or a broker run in tasks of their own; their
//! answers come back as [`Input`]s.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};

use super::{
    effect::{Effect, Job, PoolEffect, Uncordon},
    endpoints::Endpoints,
    input::{Done, Input, Watched},
    notes, resolve, scale, uncordon,
};
use crate::{
    broker::{Clock, PoolId},
    kube::{Cluster, Identity, TargetKey, pods, pools, secrets::References},
    model::Tally,
    telemetry::{Events, Health, Metrics, PoolEvent},
};

/// Text that the readiness probe shows while the CRD is missing.
pub const CRD: &str = "the list of TaskWorkerPools: is the CRD taskworkerpools.taskworkerpool.dev installed?";

/// Time within which a write of the protection that may be under way ends.
const PROTECTING: Duration = Duration::from_secs(5);

/// Performs effects.
pub struct Effects {
    cluster: Cluster,
    references: References,
    /// Tasks that end the protection of pods, by namespace and selector.
    unprotecting: HashMap<(String, String), AbortHandle>,
    clock: Clock,
    metrics: Metrics,
    events: Events,
    health: Health,
    endpoints: Endpoints,
    inbox: mpsc::UnboundedSender<Input>,
    /// Latest job for each pool's target; it may have ended.
    jobs: HashMap<PoolId, (AbortHandle, watch::Sender<Arc<Tally>>)>,
    /// Tasks that tell workers to fetch again.
    uncordons: JoinSet<()>,
    /// Latest of these tasks, by target.
    uncordoning: HashMap<TargetKey, AbortHandle>,
    /// Whether StatefulSets are watched.
    stateful_sets: watch::Sender<bool>,
}

impl Effects {
    /// Answers are sent to `inbox`.
    pub fn new(
        cluster: Cluster,
        clock: Clock,
        metrics: Metrics,
        events: Events,
        health: Health,
        endpoints: Endpoints,
        inbox: mpsc::UnboundedSender<Input>,
    ) -> Self {
        health.waiting(CRD);
        Self {
            references: References::new(cluster.clone()),
            unprotecting: HashMap::new(),
            cluster,
            clock,
            metrics,
            events,
            health,
            endpoints,
            inbox,
            jobs: HashMap::new(),
            uncordons: JoinSet::new(),
            uncordoning: HashMap::new(),
            stateful_sets: watch::Sender::new(false),
        }
    }

    /// Shows whether StatefulSets are to be watched.
    pub fn stateful_sets(&self) -> watch::Receiver<bool> {
        self.stateful_sets.subscribe()
    }

    /// Performs these effects, in order.
    pub fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Pool(id, effect) => self.pool(id, effect),
                Effect::Ready => self.health.ready(CRD),
                Effect::WatchStatefulSets => drop(self.stateful_sets.send_replace(true)),
                Effect::WatchFailed(watched, scope, why) => {
                    let kind = match watched {
                        Watched::Pools => "TaskWorkerPool",
                        Watched::Targets(kind) => kind.name(),
                    };
                    self.metrics.watch_failed(kind);
                    let namespace = scope.as_deref().unwrap_or("*");
                    tracing::warn!(kind, namespace, why = %why, "a watch failed; it is tried again");
                }
            }
        }
    }

    /// Counts a sample.
    pub fn sampled(&self, took: Duration) {
        self.metrics.sampled(took.as_secs_f64());
    }

    fn pool(&mut self, id: PoolId, effect: PoolEffect) {
        let (cluster, clock) = (self.cluster.clone(), self.clock);
        match effect {
            PoolEffect::Resolve { asked, namespace, pool } => {
                let references = self.references.clone();
                self.answered(id, async move {
                    Done::Resolved(asked, resolve::addresses(&references, &namespace, &pool).await)
                });
            }
            PoolEffect::Sample { address, subscription } => self.endpoints.join(&address, id, subscription),
            PoolEffect::Tell { address, subscription } => self.endpoints.tell(&address, subscription),
            PoolEffect::Leave(address) => self.endpoints.leave(&address, id),
            PoolEffect::Scale(job) => self.scale(id, *job),
            PoolEffect::Counted(tally) => {
                if let Some((_, newest)) = self.jobs.get(&id) {
                    newest.send_replace(tally);
                }
            }
            PoolEffect::AbortScale => {
                if let Some((job, _)) = self.jobs.get(&id) {
                    job.abort();
                }
            }
            PoolEffect::ListPods { target, uid, selector } => self.answered(id, async move {
                Done::Listed(pods::own(&cluster, (&target, &uid), &selector, clock.now().wall).await)
            }),
            PoolEffect::Protect {
                namespace,
                selector,
                pods,
            } => {
                // The pool that looks after these pods now decides what is protected.
                if let Some(other) = self.unprotecting.remove(&(namespace.clone(), selector.clone())) {
                    other.abort();
                }
                self.answered(id, async move {
                    let result = pods::protect(&cluster, &namespace, &selector, &pods, clock.now().wall).await;
                    Done::Protected(result.map(|()| pods))
                });
            }
            PoolEffect::Unprotect { namespace, selector } => {
                let whose = (namespace.clone(), selector.clone());
                let task = tokio::spawn(unprotect(cluster, clock, namespace, selector));
                self.unprotecting.retain(|_, task| !task.is_finished());
                self.unprotecting.insert(whose, task.abort_handle());
            }
            PoolEffect::Uncordon(uncordon) => self.uncordon(id, *uncordon),
            PoolEffect::AbortUncordon(target) => {
                if let Some(task) = self.uncordoning.remove(&target) {
                    task.abort();
                }
            }
            PoolEffect::WriteStatus(identity, status) => self.answered(id, async move {
                let result = pools::write_status(&cluster, &identity, &status).await;
                Done::Published(result.map(|()| status))
            }),
            PoolEffect::Publish(identity, event) => self.publish(&identity, event),
            PoolEffect::Note(key, note) => notes::tell(&key, &note, &self.metrics),
            PoolEffect::Numbers(key, numbers) => self.metrics.pool(&key.namespace, &key.name, *numbers),
            PoolEffect::Forget(key) => {
                self.metrics.forget(&key.namespace, &key.name);
                self.jobs.remove(&id);
            }
        }
    }

    /// Runs work in a task of its own; its result is an input of this pool.
    fn answered(&self, id: PoolId, work: impl Future<Output = Done> + Send + 'static) {
        let _runs = self.spawn(id, work);
    }

    /// The same, with a handle to abort it.
    fn spawn(&self, id: PoolId, work: impl Future<Output = Done> + Send + 'static) -> AbortHandle {
        let inbox = self.inbox.clone();
        let task = tokio::spawn(async move {
            let done = work.await;
            // This fails only if the event loop has ended.
            let _gone = inbox.send(Input::Done(id, done));
        });
        task.abort_handle()
    }

    fn scale(&mut self, id: PoolId, job: Job) {
        let (newest, receiver) = watch::channel(job.tally.clone());
        let tools = scale::Tools {
            cluster: self.cluster.clone(),
            clock: self.clock,
            newest: receiver,
        };
        let task = self.spawn(id, async move {
            Done::Scaled(job.asked, Box::new(scale::carry_out(&tools, &job).await))
        });
        self.jobs.insert(id, (task, newest));
    }

    fn uncordon(&mut self, id: PoolId, uncordon: Uncordon) {
        while self.uncordons.try_join_next().is_some() {}
        let after = self.jobs.get(&id).map(|(job, _)| job.clone());
        let target = (!uncordon.only_told).then(|| uncordon.target());
        let work = uncordon::carry_out(
            self.cluster.clone(),
            self.clock,
            self.endpoints.egress(),
            uncordon,
            after,
        );
        let task = self.uncordons.spawn(work);
        self.uncordoning.retain(|_, task| !task.is_finished());
        if let Some(target) = target {
            self.uncordoning.insert(target, task);
        }
    }

    fn publish(&self, identity: &Identity, event: PoolEvent) {
        let (events, about) = (self.events.clone(), identity.clone());
        tokio::spawn(async move { events.publish(&about, event).await });
    }

    /// Number of tasks that tell workers to fetch again.
    #[cfg(test)]
    pub fn uncordons(&self) -> usize {
        self.uncordons.len()
    }

    /// Ends when all cordoned workers fetch again.
    pub async fn end(mut self) {
        while self.uncordons.join_next().await.is_some() {}
    }
}

async fn unprotect(cluster: Cluster, clock: Clock, namespace: String, selector: String) {
    tokio::time::sleep(PROTECTING).await;
    let none = BTreeSet::new();
    if let Err(error) = pods::protect(&cluster, &namespace, &selector, &none, clock.now().wall).await {
        tracing::warn!(namespace, why = %error, "the protection of pods could not be taken away");
    }
}
