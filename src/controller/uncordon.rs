//! Uncordons a pool's workers: they are told to fetch again, and the marks on their pods are removed. For pools that
//! are deleted, suspended, only observed, or have another target; for workers at a broker that the pool has left; and
//! for all when the process ends, because no other may follow.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{effect::Uncordon, endpoints::sampler, resolve, validate};
use crate::{
    broker::{Clock, Egress, PoolId, SamplerInput},
    drain::{self, Departed, Mark, Ordinals, Plan, PlanInput, Pod},
    kube::{CallError, Cluster, pods, secrets::References, targets},
    model::{Intent, PodIntents, Roster, Tally},
};

/// Period of the checks of pods and workers.
const PERIOD: Duration = Duration::from_millis(500);
/// Age at which answers are too old.
const FRESH: Duration = Duration::from_secs(5);
/// Time after which a worker that has not answered is gone, or will never answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Number of checks in a row that must find nothing left.
const CLEAN: u32 = 6;
/// Pause after a failed call.
const AGAIN: Duration = Duration::from_secs(2);

/// Runs until done. `after`: a job that may still write marks or replicas.
pub async fn carry_out(cluster: Cluster, clock: Clock, egress: Egress, uncordon: Uncordon, after: Option<AbortHandle>) {
    let (namespace, name) = (uncordon.key.namespace.clone(), uncordon.key.name.clone());
    let only_told = uncordon.only_told;
    match timeout(PATIENCE, give_back(&cluster, clock, egress, uncordon, after)).await {
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
            drain::DRAINING
        ),
    }
}

async fn give_back(
    cluster: &Cluster,
    clock: Clock,
    egress: Egress,
    mut uncordon: Uncordon,
    after: Option<AbortHandle>,
) {
    const ID: PoolId = 0;
    while after.as_ref().is_some_and(|job| !job.is_finished()) {
        sleep(PERIOD / 10).await;
    }
    let namespace = uncordon.key.namespace.clone();
    let references = References::new(cluster.clone());
    let address = loop {
        if let Some(address) = uncordon.address.take() {
            break address;
        }
        uncordon.address = resolve::address(&references, &namespace, &uncordon.pool).await.ok();
        if uncordon.address.is_none() {
            sleep(AGAIN).await;
        }
    };
    let (out, mut samples) = mpsc::channel(4);
    let sampler = sampler(&address, egress, clock, out);
    sampler.send(SamplerInput::Add {
        id: ID,
        // Whatever is in its queues: its workers are asked.
        application: validate::application(&uncordon.pool, Vec::new(), &address, None),
        period: PERIOD,
    });
    let all = uncordon.stopped.clone();
    let mut told = PodIntents::new();
    let mut known = uncordon.roster.clone();
    if !known.pods.is_empty() {
        sampler.send(SamplerInput::Roster {
            id: ID,
            roster: known.clone(),
        });
    }
    let mut tally = Arc::<Tally>::default();
    let mut clean = 0;
    loop {
        let plan = match uncordon.only_told {
            true => None,
            false => match look(cluster, clock, &uncordon, &tally, &told).await {
                Ok(plan) => Some(plan),
                // The operator's rights are gone, as when it is uninstalled: workers can still be told.
                Err(CallError::Refused { .. }) => None,
                Err(_) => {
                    sleep(AGAIN).await;
                    continue;
                }
            },
        };
        let (intents, unfinished) = match plan {
            Some(plan) => {
                let _again = pods::mark(cluster, &namespace, &plan.marks).await;
                // Workers with other names are recognised by the names of the pods.
                let roster = Roster {
                    ready: u32::try_from(plan.own.len()).unwrap_or(u32::MAX),
                    pods: Arc::new(plan.own.into_keys().collect()),
                };
                if roster != known {
                    known.clone_from(&roster);
                    sampler.send(SamplerInput::Roster { id: ID, roster });
                }
                (plan.intents, plan.unfinished)
            }
            None => {
                uncordon.stopped.retain(|pod, _| !fetches(pod, &tally, &told));
                (uncordon.stopped.clone(), !uncordon.stopped.is_empty())
            }
        };
        // A write that was under way when the pool was released may still arrive.
        clean = if unfinished { 0 } else { clean + 1 };
        if clean > CLEAN {
            if uncordon.only_told {
                unmark(cluster, clock, &uncordon, &all).await;
            }
            return;
        }
        let wished = drain::dated_intents(&told, &intents, clock.now().moment);
        if wished != told {
            told.clone_from(&wished);
            let intents = wished;
            sampler.send(SamplerInput::Intend { id: ID, intents });
        }
        match samples.recv().await {
            Some(sampled) => tally = sampled.result.unwrap_or(tally),
            None => return,
        }
    }
}

/// Removes the marks of these pods, whose workers were told at the broker that the pool has left and fetch again: they
/// cannot be asked at the new one. Marks that the pool has written since stay.
async fn unmark(cluster: &Cluster, clock: Clock, uncordon: &Uncordon, told: &BTreeMap<String, Intent>) {
    if uncordon.selector.is_empty() {
        return;
    }
    let namespace = &uncordon.key.namespace;
    let programs = uncordon.pool.app.framework.programs;
    let listed = pods::list(cluster, namespace, &uncordon.selector, programs, clock.now().wall).await;
    let mark = |pod: Pod| {
        let Intent::Uncordon(queues) = told.get(&pod.name)? else {
            return None;
        };
        let drain = pod.drain.filter(|drain| drain.queues == *queues)?;
        Some(Mark {
            pod: pod.name,
            uid: pod.uid,
            drain: None,
            cost: drain.cost,
        })
    };
    let marks: Vec<_> = listed.unwrap_or_default().into_iter().filter_map(mark).collect();
    let _again = pods::mark(cluster, namespace, &marks).await;
}

async fn look(
    cluster: &Cluster,
    clock: Clock,
    uncordon: &Uncordon,
    tally: &Tally,
    told: &PodIntents,
) -> Result<Plan, CallError> {
    let namespace = &uncordon.key.namespace;
    let programs = uncordon.pool.app.framework.programs;
    let target = targets::one(cluster, &uncordon.target()).await?;
    // Pods beyond its replicas are about to be removed, and must not run anything until then. If it does not exist,
    // nothing removes pods.
    let replicas = target.as_ref().map_or(u32::MAX, |target| target.replicas);
    let pods = pods::list(cluster, namespace, &uncordon.selector, programs, clock.now().wall).await?;
    Ok(drain::plan(&PlanInput {
        target: &uncordon.pool.target,
        uid: target.as_ref().map_or("", |target| target.uid.as_str()),
        ordinals: target.as_ref().map_or_else(Ordinals::default, |target| target.ordinals),
        pool: &uncordon.key.name,
        pods: &pods,
        work: &tally.pods,
        intents: told,
        departed: &Departed::new(),
        support: tally.drain,
        from: replicas,
        to: replicas,
        graceful: None,
        // No pod is to be removed.
        overstays: false,
        returned: true,
        now: clock.now(),
        fresh: FRESH,
    }))
}

/// Whether the pod's workers have said that they fetch again, since they were told to.
fn fetches(pod: &str, tally: &Tally, told: &PodIntents) -> bool {
    let said = tally.pods.get(pod).and_then(|work| work.report.as_ref());
    let said = said.zip(told.get(pod));
    said.is_some_and(|(said, pod_intent)| said.resumed && said.since == pod_intent.since)
}
