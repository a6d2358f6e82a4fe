//! Carries a decision out: sees to it that only pods that hold nothing go, then writes `/scale`.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::{
    hold::Change,
    pool::Key,
    target::{self, MANAGER},
};
use crate::{
    api,
    broker::Clock,
    work::{Attention, Tally},
    workers::{self, CallError, DEADLINE, Look, Means, Plan, Pod, pods, within},
};

/// What is to be done.
#[derive(Debug)]
pub struct Job {
    /// The pool's name.
    pub pool: String,
    /// The Deployment.
    pub target: Key,
    /// Its UID: a new one of the same name is not ours to write.
    pub uid: String,
    /// Its pods' label selector.
    pub selector: String,
    /// Its replicas now.
    pub from: u32,
    /// The replicas decided on.
    pub to: u32,
    /// They are to be written, even if the number is the same.
    pub write: bool,
    /// Pods are on their way out, or may be: they are looked after.
    pub unfinished: bool,
    /// Remote control was refused lately.
    pub refused: bool,
    /// How pods have been looked after until now.
    pub attention: Attention,
    /// A busy pod may go as well if its grace period is at least this.
    pub graceful: Option<Duration>,
    /// A pod of the present template did not end by itself.
    pub overstays: bool,
    /// What a killed worker held is back in its queue at once.
    pub returned: bool,
    /// Answers to older questions are old.
    pub fresh: Duration,
    /// The newest count: what the workers hold.
    pub newest: watch::Receiver<Arc<Tally>>,
    /// The process's clocks.
    pub clock: Clock,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// To the replicas.
    pub deed: Deed,
    /// What the last look at the pods showed; `None`: there was none.
    pub plan: Option<Plan>,
}

/// What was done to the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They were written.
    Written {
        /// What was written.
        change: Change,
        /// The resource version that it led to.
        version: u64,
    },
    /// The write had no answer: it may have been carried out, or still be.
    Unanswered {
        /// What was to be written.
        change: Change,
        /// Why there was no answer.
        why: CallError,
    },
    /// Nothing was written: every pod above the decision may hold tasks.
    Kept {
        /// So many more than decided on.
        kept: u32,
    },
    /// There was nothing to write.
    None,
    /// A call failed.
    Failed(CallError),
}

/// The whole job may take four calls' deadlines.
pub async fn carry_out(client: &Client, job: Job) -> Outcome {
    let mut plan = None;
    let deed = attempt(client, &job, &mut plan).await.unwrap_or_else(Deed::Failed);
    Outcome { deed, plan }
}

async fn attempt(client: &Client, job: &Job, seen: &mut Option<Plan>) -> Result<Deed, CallError> {
    if job.to >= job.from {
        // More workers first, whatever there is to see to besides.
        let deed = match job.write {
            true => write(client, job, job.to).await?,
            false => Deed::None,
        };
        if job.unfinished {
            let looked = look(client, job, seen).await;
            // What was written is written; the look is made again.
            if deed == Deed::None {
                looked?;
            }
        }
        return Ok(deed);
    }
    let allowed = look(client, job, seen).await?;
    if !job.write {
        return Ok(Deed::None);
    }
    if allowed >= job.from {
        let kept = allowed.saturating_sub(job.to);
        return Ok(Deed::Kept { kept });
    }
    write(client, job, allowed).await
}

/// [`look_and_mark`], within three calls' deadlines.
async fn look(client: &Client, job: &Job, seen: &mut Option<Plan>) -> Result<u32, CallError> {
    timeout(DEADLINE * 3, look_and_mark(client, job, seen))
        .await
        .unwrap_or(Err(CallError::Timeout))
}

/// Looks at the pods and writes on them what the plan asks for. Says down to which number only those go that held nothing
/// when they were marked, and hold nothing now.
async fn look_and_mark(client: &Client, job: &Job, seen: &mut Option<Plan>) -> Result<u32, CallError> {
    if job.selector.is_empty() {
        // Without a selector no pod can be told from another's: hold.
        return Ok(job.from);
    }
    let namespace = &job.target.namespace;
    let pods = pods::list(client, namespace, &job.selector, job.clock.now().wall).await?;
    let plan = plan(job, &pods);
    // What workers are told must stand on their pods first.
    pods::mark(client, namespace, &plan.marks).await?;
    // That took its time: what they hold now counts.
    let allowed = match plan.allowed < job.from {
        true => plan.allowed.max(self::plan(job, &pods).allowed),
        false => plan.allowed,
    };
    *seen = Some(plan);
    Ok(allowed)
}

/// What is to be done with these pods, by the newest count.
fn plan(job: &Job, pods: &[Pod]) -> Plan {
    let tally = job.newest.borrow().clone();
    workers::plan(&Look {
        pool: &job.pool,
        deployment: &job.target.name,
        pods,
        work: &tally.pods,
        attention: &job.attention,
        means: Means::of(&tally, job.refused),
        from: job.from,
        to: job.to,
        graceful: job.graceful,
        overstays: job.overstays,
        returned: job.returned,
        now: job.clock.now(),
        fresh: job.fresh,
    })
}

/// Server-side apply on `/scale`, forced: whoever set the number before, it is ours now. Always a number: an empty Scale
/// means 0.
async fn write(client: &Client, job: &Job, to: u32) -> Result<Deed, CallError> {
    let change = Change {
        from: job.from,
        to,
        kept: to.saturating_sub(job.to),
    };
    let api: Api<api::Target> = Api::namespaced(client.clone(), &job.target.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": job.target.name, "namespace": job.target.namespace, "uid": job.uid},
        "spec": {"replicas": to},
    }));
    let params = PatchParams::apply(MANAGER).force();
    let answer: Result<Scale, _> = within(DEADLINE, api.patch_scale(&job.target.name, &params, &patch)).await;
    match answer {
        Ok(scale) => Ok(Deed::Written {
            change,
            version: target::version(scale.metadata.resource_version.as_deref()),
        }),
        Err(why @ CallError::Refused { .. }) => Err(why),
        Err(why) => Ok(Deed::Unanswered { change, why }),
    }
}
