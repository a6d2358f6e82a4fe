//! Carries out a decision: makes sure that only pods that hold nothing are removed, then writes `/scale`.

use std::sync::Arc;

use tokio::{sync::watch, time::timeout};

use super::{
    effect::{Job, Outcome, ScaleOutcome},
    ownership::Change,
};
use crate::{
    broker::Clock,
    drain::{self, Plan, PlanInput, Pod},
    kube::{CallError, Cluster, DEADLINE, pods, targets},
    model::Tally,
};

/// Resources of the process that a job needs.
pub struct Tools {
    /// The API server.
    pub cluster: Cluster,
    /// The process's clocks.
    pub clock: Clock,
    /// Newest count, with what the workers hold.
    pub newest: watch::Receiver<Arc<Tally>>,
}

/// Carries out a job, within four calls' deadlines.
pub async fn carry_out(tools: &Tools, job: &Job) -> Outcome {
    let mut plan = None;
    let replicas = attempt(tools, job, &mut plan).await;
    Outcome { replicas, plan }
}

async fn attempt(tools: &Tools, job: &Job, seen: &mut Option<Plan>) -> ScaleOutcome {
    if job.to >= job.from {
        // More workers come first, whatever else there is to do.
        let outcome = match job.write {
            true => write(tools, job, job.to).await,
            false => ScaleOutcome::None,
        };
        if job.unfinished
            && let Err(why) = look(tools, job, seen).await
            && outcome == ScaleOutcome::None
        {
            return ScaleOutcome::Unseen(why);
        }
        // The write is done; the examination is repeated.
        return outcome;
    }
    let allowed = match look(tools, job, seen).await {
        Ok(allowed) => allowed,
        Err(why) => return ScaleOutcome::Unseen(why),
    };
    if !job.write {
        return ScaleOutcome::None;
    }
    if allowed >= job.from {
        let kept = allowed.saturating_sub(job.to);
        return ScaleOutcome::Held { kept };
    }
    write(tools, job, allowed).await
}

/// Runs [`look_and_mark`], within three calls' deadlines.
async fn look(tools: &Tools, job: &Job, seen: &mut Option<Plan>) -> Result<u32, CallError> {
    timeout(DEADLINE * 3, look_and_mark(tools, job, seen))
        .await
        .unwrap_or(Err(CallError::Timeout))
}

/// Lists the pods and writes the plan's marks on them. Returns the number down to which only pods are removed that held
/// nothing when they were marked, and hold nothing now.
async fn look_and_mark(tools: &Tools, job: &Job, seen: &mut Option<Plan>) -> Result<u32, CallError> {
    if job.selector.is_empty() {
        // Without a selector no pod can be told from another's: keep the replicas.
        return Ok(job.from);
    }
    let namespace = &job.target.namespace;
    let now = tools.clock.now().wall;
    let pods = pods::list(&tools.cluster, namespace, &job.selector, job.programs, now).await?;
    let plan = plan(tools, job, &pods);
    // Marks must be on the pods before their workers are told.
    pods::mark(&tools.cluster, namespace, &plan.marks).await?;
    // That took time: what they hold now counts.
    let allowed = match plan.allowed < job.from {
        true => plan.allowed.max(self::plan(tools, job, &pods).allowed),
        false => plan.allowed,
    };
    *seen = Some(plan);
    Ok(allowed)
}

/// Plan for these pods, by the newest count.
fn plan(tools: &Tools, job: &Job, pods: &[Pod]) -> Plan {
    let tally = tools.newest.borrow().clone();
    drain::plan(&PlanInput {
        pool: &job.pool,
        target: &job.target.workload,
        uid: &job.uid,
        ordinals: job.ordinals,
        pods,
        work: &tally.pods,
        intents: &job.intents,
        departed: &job.departed,
        support: tally.drain.unless(job.refused),
        from: job.from,
        to: job.to,
        graceful: job.graceful,
        overstays: job.overstays,
        returned: job.returned,
        now: tools.clock.now(),
        fresh: job.fresh,
    })
}

/// Writes the replicas. Fewer are written only if the target still has the number and version of the decision: a process
/// that slept meanwhile must not remove what another one has ordered.
async fn write(tools: &Tools, job: &Job, to: u32) -> ScaleOutcome {
    let change = Change {
        from: job.from,
        to,
        kept: to.saturating_sub(job.to),
    };
    let lowers = to < job.from;
    let mut unchanged = None;
    if lowers {
        match targets::one(&tools.cluster, &job.target).await {
            Ok(Some(now)) if job.fits(&now) => unchanged = Some(now.version),
            Ok(_) => return ScaleOutcome::Outdated,
            Err(why) => return ScaleOutcome::Unseen(why),
        }
    }
    match targets::scale(&tools.cluster, &job.target, &job.uid, unchanged, to).await {
        Ok(version) => ScaleOutcome::Written { change, version },
        Err(why) if lowers && why.is_conflict() => ScaleOutcome::Outdated,
        Err(why @ (CallError::Refused { .. } | CallError::Crowded)) => ScaleOutcome::Failed(why),
        Err(why) => ScaleOutcome::Unconfirmed { change, why },
    }
}

#[cfg(test)]
mod tests;
