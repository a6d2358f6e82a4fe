//! Gives a pool's workers back: those that were told to stop are told to fetch again, and the marks go. For pools that the
//! desk looks after no more: deleted, suspended, only observed, or with another target; for those at a broker that the pool
//! has left; and for all when the process ends, for nobody may come after it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{Api, Client, api::ListParams};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    desk::Desk,
    entry::{Entry, Leaving, Link},
    pool::{Key, Pool},
    registry::sampler,
    resolve,
    target::Target,
    validate,
};
use crate::{
    api,
    broker::{Address, Clock, SubscriberId, Subscription},
    work::{Attention, Roster, Stance, Tally},
    workers::{self, CallError, DEADLINE, Look, Means, Plan, pods, within},
};

/// How often pods and workers are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Answers to older questions are old.
const FRESH: Duration = Duration::from_secs(5);
/// A worker that has not answered by then is gone, or will never answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// So many looks in a row must find nothing left.
const CLEAN: u32 = 6;
/// After a failed call.
const AGAIN: Duration = Duration::from_secs(2);

/// Whose workers, and where.
#[derive(Clone, Debug)]
struct Release {
    /// The pool's own name.
    key: Key,
    /// The pool as it was.
    pool: Pool,
    /// Its target's label selector.
    selector: String,
    /// Its broker, if it was known.
    address: Option<Arc<Address>>,
    /// A job that may still write marks or replicas.
    after: Option<AbortHandle>,
    /// The pods that were told to stop, as far as this process knows, and what is to be done about it.
    stopped: BTreeMap<String, Stance>,
    /// The target's pods, as they were listed last.
    roster: Roster,
    /// They are told, and no more: somebody else sees to what stands on the pods.
    only_told: bool,
}

/// The pods that were told to stop, and that they are to resume.
fn stopped(attention: &Attention) -> BTreeMap<String, Stance> {
    let stopped = attention.iter().filter_map(|(pod, care)| match &care.stance {
        Stance::Stop(queues) | Stance::Resume(queues) => Some((pod.clone(), Stance::Resume(queues.clone()))),
        Stance::Watch => None,
    });
    stopped.collect()
}

impl Desk {
    /// Gives the workers of a pool as it was back, if any are on their way out, in a task of its own.
    pub(super) fn give_back(&mut self, entry: &mut Entry) {
        let target = entry.target().and_then(|key| self.targets.get(&key));
        let (Ok(pool), Some(target)) = (entry.pool.clone(), target) else {
            return;
        };
        let (stopped, roster) = (stopped(&entry.leaving.attention), entry.roll.roster());
        self.endpoints.let_be(entry);
        if !entry.leaving.unfinished() || target.selector.is_empty() {
            return;
        }
        let release = Release {
            key: entry.identity.key.clone(),
            pool,
            selector: target.selector.clone(),
            address: match &entry.link {
                Link::Linked(address) => Some(address.clone()),
                _ => None,
            },
            after: entry.job.clone(),
            stopped,
            roster,
            only_told: false,
        };
        while self.releases.try_join_next().is_some() {}
        entry.leaving = Leaving::default();
        let release = carry_out(self.client.clone(), self.clock, release);
        entry.leaving.release = Some(self.releases.spawn(release));
    }

    /// The pool leaves this broker: those of its workers there that were told to stop are told to fetch again.
    pub(super) fn give_back_at(&mut self, entry: &Entry, pool: &Pool, address: Arc<Address>) {
        let stopped = stopped(&entry.leaving.attention);
        if stopped.is_empty() {
            return;
        }
        let release = Release {
            key: entry.identity.key.clone(),
            pool: pool.clone(),
            selector: String::new(),
            address: Some(address),
            after: entry.job.clone(),
            stopped,
            roster: entry.roll.roster(),
            only_told: true,
        };
        while self.releases.try_join_next().is_some() {}
        self.releases.spawn(carry_out(self.client.clone(), self.clock, release));
    }

    /// Gives the workers of all pools back that are on their way out; ends when all of them fetch again.
    pub(super) async fn end(mut self) {
        for id in self.pools.ids() {
            if let Some(mut entry) = self.pools.remove(id) {
                self.give_back(&mut entry);
                self.pools.insert(entry);
            }
        }
        while self.releases.join_next().await.is_some() {}
    }
}

/// Ends by itself.
async fn carry_out(client: Client, clock: Clock, release: Release) {
    let (namespace, name) = (release.key.namespace.clone(), release.key.name.clone());
    let only_told = release.only_told;
    match timeout(PATIENCE, give_back(&client, clock, release)).await {
        Err(_) if only_told => tracing::info!(
            namespace,
            name,
            "workers at the broker that was left, and that were told to stop there, do not answer any more"
        ),
        Ok(()) => tracing::info!(namespace, name, "workers that were told to stop fetch again"),
        Err(_) => tracing::warn!(
            namespace,
            name,
            "workers that were told to stop may not fetch again: look for pods with the label {}, and delete them when they \
             are idle",
            workers::DRAINING
        ),
    }
}

async fn give_back(client: &Client, clock: Clock, mut release: Release) {
    const ID: SubscriberId = 0;
    while release.after.as_ref().is_some_and(|job| !job.is_finished()) {
        sleep(PERIOD / 10).await;
    }
    let namespace = release.key.namespace.clone();
    let address = loop {
        if let Some(address) = release.address.take() {
            break address;
        }
        release.address = resolve::address(client, &namespace, &release.pool).await.ok();
        if release.address.is_none() {
            sleep(AGAIN).await;
        }
    };
    let (out, mut samples) = mpsc::channel(4);
    let sampler = sampler(&address, clock, out);
    sampler.send(Subscription::Add {
        id: ID,
        framework: validate::framework(&release.pool, &address, None),
        period: PERIOD,
    });
    let mut told = Attention::new();
    let mut known = release.roster.clone();
    if !known.pods.is_empty() {
        sampler.send(Subscription::Roster {
            id: ID,
            roster: known.clone(),
        });
    }
    let mut tally = Arc::<Tally>::default();
    let mut clean = 0;
    loop {
        let plan = match release.only_told {
            true => None,
            false => match look(client, clock, &release, &tally, &told).await {
                Ok(plan) => Some(plan),
                // Its rights have gone, as they do when it is uninstalled: workers can be told all the same.
                Err(CallError::Refused { .. }) => None,
                Err(_) => {
                    sleep(AGAIN).await;
                    continue;
                }
            },
        };
        let (stances, unfinished) = match plan {
            Some(plan) => {
                let _again = pods::mark(client, &namespace, &plan.marks).await;
                // Workers of other names are known by those of the pods.
                let roster = Roster {
                    ready: u32::try_from(plan.own.len()).unwrap_or(u32::MAX),
                    pods: Arc::new(plan.own.into_keys().collect()),
                };
                if roster != known {
                    known.clone_from(&roster);
                    sampler.send(Subscription::Roster { id: ID, roster });
                }
                (plan.stances, plan.unfinished)
            }
            None => {
                release.stopped.retain(|pod, _| !fetches(pod, &tally, &told));
                (release.stopped.clone(), !release.stopped.is_empty())
            }
        };
        // A write that was under way when the desk let go may still come.
        clean = if unfinished { 0 } else { clean + 1 };
        if clean > CLEAN {
            return;
        }
        let wished = workers::attention(&told, &stances, clock.now().moment);
        if wished != told {
            told.clone_from(&wished);
            let attention = wished;
            sampler.send(Subscription::Attend { id: ID, attention });
        }
        match samples.recv().await {
            Some(sampled) => tally = sampled.result.unwrap_or(tally),
            None => return,
        }
    }
}

async fn look(
    client: &Client,
    clock: Clock,
    release: &Release,
    tally: &Tally,
    told: &Attention,
) -> Result<Plan, CallError> {
    let namespace = &release.key.namespace;
    let replicas = replicas(client, namespace, &release.pool.target).await?;
    let pods = pods::list(client, namespace, &release.selector, clock.now().wall).await?;
    Ok(workers::plan(&Look {
        deployment: &release.pool.target,
        pool: &release.key.name,
        pods: &pods,
        work: &tally.pods,
        attention: told,
        means: Means::of(tally, false),
        from: replicas,
        to: replicas,
        graceful: None,
        // Nobody is to go.
        overstays: false,
        returned: true,
        now: clock.now(),
        fresh: FRESH,
    }))
}

/// The pod's workers have said that they fetch again, since they were told to.
fn fetches(pod: &str, tally: &Tally, told: &Attention) -> bool {
    let said = tally.pods.get(pod).and_then(|work| work.told.as_ref());
    let said = said.zip(told.get(pod));
    said.is_some_and(|(said, care)| said.resumed && said.since == care.since)
}

/// The Deployment's replicas: pods beyond them are about to be removed, and must not run anything until then. Where there
/// is none, nobody removes pods.
async fn replicas(client: &Client, namespace: &str, deployment: &str) -> Result<u32, CallError> {
    let api: Api<api::Target> = Api::namespaced(client.clone(), namespace);
    let named = ListParams::default().fields(&format!("metadata.name={deployment}"));
    let found = within(DEADLINE, api.list(&named)).await?.items;
    let target = found.first().and_then(Target::read);
    Ok(target.map_or(u32::MAX, |(_, target)| target.replicas))
}
