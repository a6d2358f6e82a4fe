//! One pool as the operator finds it, for whoever examines it: the operator's own state machine, watches and samplers, for some
//! seconds. Of what the state machine asks for only the reads are done: nothing is written, and no worker is told to stop or to
//! fetch.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    SAMPLES, WATCHED,
    effect::{Effect, PoolEffect},
    endpoints::Endpoints,
    fleet::Fleet,
    input::{Done, Input, PoolSeen, Watched},
    pool::{Pool, Problem},
    resolve,
    state::{BrokerLink, PoolState, StatusThrottle},
    watches,
};
use crate::{
    api::{Condition, Status},
    broker::{self, Address, Clock, Egress, PoolId, SamplerInput},
    kube::{CallError, Cluster, Key, Target, client::Client, pods, secrets::References},
    model::{Hearing, Now, SampleError, Tally},
};

/// Longest time that is spent on listening.
const LONGEST: Duration = Duration::from_secs(15);
/// Shortest time: a first answer may not be the last word.
const SHORTEST: Duration = Duration::from_secs(3);
/// Time for which a ready pod is listened to before it is said that its workers are silent.
const LISTENED: Duration = Duration::from_secs(9);
/// Time after which the operator itself says so.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at whether enough is known.
const LOOK: Duration = Duration::from_millis(200);
/// Time for the samplers to say goodbye.
const FAREWELL: Duration = Duration::from_secs(3);

/// Kind of the pools.
pub const POOLS: &str = "TaskWorkerPool";

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// The spec, or what is wrong with it; `None`: there is no such pool, or it was not seen.
    pub pool: Option<Result<Pool, Problem>>,
    /// Status that an operator has written.
    pub stored: Option<Status>,
    /// Conditions of the pool as this examination finds it, as if it were not suspended.
    pub conditions: Vec<Condition>,
    /// The target.
    pub target: Option<Target>,
    /// Addresses of its broker, in the order in which they are tried.
    pub addresses: Vec<Reached>,
    /// Name of the kind of its broker.
    pub broker: &'static str,
    /// Latest count.
    pub tally: Option<Arc<Tally>>,
    /// Error of the latest sample.
    pub failing: Option<SampleError>,
    /// Kinds of objects that could not be listed or watched.
    pub unseen: Vec<(&'static str, CallError)>,
}

/// One address of a broker, and whether a connection can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// The first step that failed.
    pub result: Result<(), SampleError>,
}

/// Examines a pool.
pub async fn examine(client: &Client, cluster: &Cluster, egress: Egress, key: &Key) -> Examined {
    let clock = Clock::start();
    let scope = Some(key.namespace.clone());
    let (watched, mut inputs) = mpsc::channel(WATCHED);
    let (inbox, mut own) = mpsc::unbounded_channel();
    let (out, mut samples) = mpsc::channel(SAMPLES);
    let mut examination = Examination {
        key: key.clone(),
        fleet: Fleet::new([scope.clone()]),
        cluster: cluster.clone(),
        references: References::new(cluster.clone()),
        endpoints: Endpoints::new(clock, egress, out),
        clock,
        inbox,
        reaching: JoinSet::new(),
        listed: false,
        stateful_sets: watch::Sender::new(false),
        found: Examined::default(),
    };
    // Workers that were told to stop fetch nothing, and that is no fault.
    let draining = pods::draining(cluster, scope.as_deref()).await;
    let draining = draining.unwrap_or_else(|_| BTreeSet::from([key.clone()]));
    examination.take(Input::Leads);
    examination.take(Input::Draining(draining));
    let mut watching = JoinSet::new();
    watching.spawn(watches::deployments(client.clone(), scope.clone(), watched.clone()));
    let wanted = examination.stateful_sets.subscribe();
    watching.spawn(watches::stateful_sets(
        client.clone(),
        scope.clone(),
        watched.clone(),
        wanted,
    ));
    watching.spawn(watches::pools(client.clone(), scope, watched));
    let begin = Instant::now();
    while begin.elapsed() < LONGEST && !examination.knows_enough(begin.elapsed()) {
        let now = clock.now().moment;
        let wake = examination.fleet.next_wake().unwrap_or(now + LOOK).saturating_sub(now);
        tokio::select! {
            Some(input) = own.recv() => examination.take(input),
            Some(sampled) = samples.recv() => examination.take(Input::Sampled(sampled)),
            Some(input) = inputs.recv() => examination.take(input),
            () = sleep(wake.min(LOOK)) => examination.wake(),
        }
    }
    let found = examination.end().await;
    // The samplers leave no queue of their own behind.
    let _gone = timeout(FAREWELL, async { while samples.recv().await.is_some() {} }).await;
    found
}

/// An examination under way.
struct Examination {
    key: Key,
    fleet: Fleet,
    cluster: Cluster,
    references: References,
    endpoints: Endpoints,
    clock: Clock,
    inbox: mpsc::UnboundedSender<Input>,
    /// Connections that are tried, by the number of their address.
    reaching: JoinSet<(usize, Reached)>,
    /// Whether all pools of the namespace are known.
    listed: bool,
    stateful_sets: watch::Sender<bool>,
    found: Examined,
}

impl Examination {
    fn take(&mut self, mut input: Input) {
        match &mut input {
            Input::Pool(seen) if seen.identity.key == self.key => self.seen(seen),
            Input::PoolsListed(..) => self.listed = true,
            Input::WatchFailed(Watched::Pools, _, why) => self.found.unseen.push((POOLS, *why)),
            Input::WatchFailed(Watched::Targets(kind), _, why) => self.found.unseen.push((kind.name(), *why)),
            Input::Done(id, Done::Resolved(_, Ok(addresses))) if self.is_it(*id) => self.reach(&addresses.clone()),
            _ => {}
        }
        let effects = self.fleet.on(input, self.clock.now());
        self.perform(effects);
    }

    /// A suspended pool is examined like any other, and only what is seen now counts.
    fn seen(&mut self, seen: &mut PoolSeen) {
        self.found.pool = Some(seen.pool.clone());
        self.found.stored.clone_from(&seen.status);
        if let Ok(pool) = &mut seen.pool {
            pool.policy.suspended = false;
        }
        if let Some(status) = &mut seen.status {
            status.conditions.clear();
        }
    }

    fn wake(&mut self) {
        let effects = self.fleet.wake_due(self.clock.now());
        self.perform(effects);
    }

    fn is_it(&self, id: PoolId) -> bool {
        self.fleet.pools.id(&self.key) == Some(id)
    }

    fn state(&self) -> Option<&PoolState> {
        self.fleet.pools.get(self.fleet.pools.id(&self.key)?)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Pool(id, effect) => self.read(id, effect),
                Effect::WatchStatefulSets => drop(self.stateful_sets.send_replace(true)),
                Effect::Ready | Effect::WatchFailed(..) => {}
            }
        }
    }

    /// Does what only reads, for this pool; the addresses of others are read, too, because they may count the same queues.
    fn read(&mut self, id: PoolId, effect: PoolEffect) {
        let (cluster, clock, own) = (self.cluster.clone(), self.clock, self.is_it(id));
        match effect {
            PoolEffect::Resolve { asked, namespace, pool } => {
                let references = self.references.clone();
                self.answered(id, async move {
                    Done::Resolved(asked, resolve::addresses(&references, &namespace, &pool).await)
                });
            }
            PoolEffect::Sample { address, subscription } if own => self.endpoints.join(&address, id, subscription),
            // Intents tell workers to stop and to fetch.
            PoolEffect::Tell {
                subscription: SamplerInput::Intend { .. },
                ..
            } => {}
            PoolEffect::Tell { address, subscription } if own => self.endpoints.tell(&address, subscription),
            PoolEffect::Leave(address) if own => self.endpoints.leave(&address, id),
            PoolEffect::ListPods { target, uid, selector } if own => self.answered(id, async move {
                Done::Listed(pods::own(&cluster, (&target, &uid), &selector, clock.now().wall).await)
            }),
            PoolEffect::WriteStatus(_, status) if own => {
                self.found.conditions.clone_from(&status.conditions);
                self.answered(id, async move { Done::Published(Ok(status)) });
            }
            _ => {}
        }
    }

    fn answered(&self, id: PoolId, work: impl Future<Output = Done> + Send + 'static) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            // This fails only if the examination has ended.
            let _gone = inbox.send(Input::Done(id, work.await));
        });
    }

    /// Tries a connection to each address, once.
    fn reach(&mut self, addresses: &[Arc<Address>]) {
        if !self.found.addresses.is_empty() || !self.reaching.is_empty() {
            return;
        }
        for (number, address) in addresses.iter().cloned().enumerate() {
            self.found.broker = address.kind.name();
            let egress = self.endpoints.egress();
            self.reaching.spawn(async move {
                let reached = Reached {
                    host: address.host.clone(),
                    port: address.port,
                    encrypted: address.tls.is_some(),
                    result: broker::reach(&address, &egress).await,
                };
                (number, reached)
            });
        }
    }

    /// Whether more time would show nothing more.
    fn knows_enough(&self, since: Duration) -> bool {
        let Some(state) = self.state() else {
            return self.listed || self.found.unseen.iter().any(|(kind, _)| *kind == POOLS);
        };
        let failed = matches!(state.link, BrokerLink::Failed(_));
        if state.pool.is_err() {
            return true;
        }
        since >= SHORTEST && (failed || is_settled(state, self.target(), self.clock.now()))
    }

    fn target(&self) -> Option<&Target> {
        self.fleet.targets.get(&self.state()?.target()?)
    }

    /// What is known in the end.
    async fn end(mut self) -> Examined {
        let now = self.clock.now();
        if let Some(id) = self.fleet.pools.id(&self.key)
            && let Some(state) = self.fleet.pools.get_mut(id)
        {
            state.roster.give_up(LISTENED, PATIENCE, now.moment);
            // Nobody waits for a turn to write.
            (state.throttle, state.tasks.publishing) = (StatusThrottle::default(), false);
            state.wake = now.moment;
            self.fleet.pools.file(id);
            self.wake();
        }
        let mut reached = Vec::new();
        while let Some(done) = self.reaching.join_next().await {
            reached.extend(done.ok());
        }
        reached.sort_by_key(|(number, _)| *number);
        let last = self.state().and_then(|state| state.samples.last.as_ref());
        Examined {
            tally: last.map(|(tally, _)| tally.clone()),
            failing: self.state().and_then(|state| Some(state.samples.failing?.0)),
            target: self.target().cloned(),
            addresses: reached.into_iter().map(|(_, reached)| reached).collect(),
            ..self.found
        }
    }
}

/// Whether the broker and all ready pods have said all that is asked of them, or the broker does not answer.
fn is_settled(state: &PoolState, target: Option<&Target>, now: Now) -> bool {
    if let Some((why, since)) = state.samples.failing {
        let believed = !matches!(why, SampleError::JustReconnected | SampleError::QueueUnsure);
        return believed && now.moment.saturating_sub(since) >= SHORTEST;
    }
    let (Some((tally, _)), Ok(pool)) = (&state.samples.last, &state.pool) else {
        return false;
    };
    let live = tally.pods.iter().filter(|(_, pod)| pod.live);
    let heard = live.clone().count() >= target.map_or(0, |target| target.ready as usize);
    let tell = pool.app.framework.words.reports.is_some();
    let told = !tell || live.clone().all(|(name, _)| tally.fetches.contains_key(name));
    tally.hearing != Hearing::NotYet && heard && told
}

#[cfg(test)]
mod tests;
