//! Draining pods, as far as they are known; and how their workers are told to fetch again when no pool looks after them
//! any more.

use std::{collections::BTreeMap, time::Duration};

use super::{
    BrokerLink, Cx, FIRST, MOST, PoolState,
    glance::{Glance, News},
    replicas::mended,
    scattered,
};
use crate::{
    broker::{PoolId, SamplerInput},
    controller::{
        effect::{PoolEffect, Uncordon},
        pool::Pool,
    },
    drain::{Plan, dated_intents},
    kube::{CallError, TargetKey},
    model::{Backoff, Intent, Moment, Now, PodIntents},
};

/// Draining pods, as far as they are known.
#[derive(Debug, Default)]
pub struct DrainState {
    /// Latest plan.
    pub plan: Plan,
    /// Whether an earlier process left draining pods and no plan has been made since.
    pub left: bool,
    /// Number of examinations in a row with the same result, and what could be seen without the last one.
    same: u32,
    glance: Glance,
    /// End of the latest examination, and the pauses after it: if nothing else is seen from here, and if something is.
    looked: Moment,
    pause: Duration,
    least: Duration,
    /// Number of replicas decided on at the latest examination.
    pub to: u32,
    /// Intents for the pods.
    pub intents: PodIntents,
    /// Pod whose deletion cost another writer changed, and when that was last seen.
    pub conflict: Option<(Moment, String)>,
    /// Right that remote control lacks, and when it was last refused.
    pub refused: Option<(Moment, String)>,
    /// Pod that was removed and did not end by itself: its grace period covers no task, and its delayed tasks were lost
    /// for a while. Kept until the target gets a new template.
    pub overstayed: Option<String>,
    /// Time before which the pods are not examined, unless more replicas are wanted: the last examination failed.
    not_before: Moment,
    /// Pause after failed examinations.
    backoff: Backoff,
    /// Error of the last examination, and the time since which all have failed.
    pub failed: Option<(String, Moment)>,
}

impl DrainState {
    /// Takes in the plan of the latest examination.
    pub fn record(&mut self, plan: Plan) {
        let same = plan.marks.is_empty() && plan.allowed == self.plan.allowed && told(&plan) == told(&self.plan);
        self.same = if same { self.same.saturating_add(1) } else { 0 };
        self.overstayed = self.overstayed.take().or_else(|| plan.overstayed.clone());
        self.plan = plan;
        self.left = false;
    }

    /// Takes in that the pods could not be examined.
    pub fn failed(&mut self, why: CallError, now: Moment, id: PoolId) {
        self.not_before = now + scattered(self.backoff.failed(FIRST, MOST), id);
        let since = self.failed.as_ref().map_or(now, |(_, since)| *since);
        let what = "the target and its pods could not be read before that";
        self.failed = Some((format!("{what}: {}", mended(why)), since));
    }

    /// Clears errors: the last examination succeeded, or there is none to make.
    pub fn clear_failures(&mut self) {
        self.failed = None;
        self.backoff.succeeded();
    }

    /// Begins an examination.
    pub fn looks(&mut self, to: u32, glance: Glance) {
        if glance.since(&self.glance) == News::Certain {
            self.same = 0;
        }
        (self.to, self.glance) = (to, glance);
    }

    /// Ends an examination. Each is a call to the API server: the longer nothing changes, the longer the pause. Its
    /// marks on the pods must be seen by whoever removes them before the next examination lowers their number: if
    /// watches are behind by `lag`, both watches of that controller may be, by more than that.
    pub fn rest(&mut self, now: Now, lag: Duration) {
        self.least = LOOK_AGAIN.max(lag.saturating_mul(2)).min(LONGEST_LAG);
        let pause = LOOK_AGAIN.saturating_mul(1 << (self.same / 3).min(6)).min(MOST);
        // Whether a pod ends by itself is seen shortly before its node kills it.
        let killed = self
            .plan
            .ends
            .and_then(|at| Duration::try_from(at.duration_since(now.wall)).ok());
        let killed = killed.and_then(|left| left.checked_sub(BEFORE_THE_END));
        self.pause = pause.min(killed.unwrap_or(MOST)).max(self.least);
        self.looked = now.moment;
    }

    /// Takes in that the target changed during the examination: the watch shows it soon.
    pub fn outdated(&mut self, now: Moment) {
        (self.same, self.not_before) = (0, now + LOOK_AGAIN);
    }

    /// Time of the next examination, if this is to be seen meanwhile.
    pub fn look_at(&self, glance: &Glance) -> Moment {
        let pause = match glance.since(&self.glance) {
            News::Certain => self.least,
            News::Perhaps => self.pause.min(PERHAPS.max(self.least)),
            News::None => self.pause,
        };
        self.not_before.max(self.looked + pause)
    }

    /// Whether there is something to look after.
    pub fn unfinished(&self) -> bool {
        self.left || self.plan.unfinished || self.plan.ends.is_some()
    }

    /// Pod whose deletion cost another writer changed lately.
    pub fn fought_over(&self, now: Moment) -> Option<&str> {
        let (at, pod) = self.conflict.as_ref()?;
        (now.saturating_sub(*at) < CONFLICT).then_some(pod)
    }

    /// Whether remote control was refused lately.
    pub fn is_refused(&self, now: Moment) -> bool {
        self.refusal(now).is_some()
    }

    /// Right that is missing, if remote control was refused lately.
    pub fn refusal(&self, now: Moment) -> Option<&str> {
        let (at, right) = self.refused.as_ref()?;
        (now.saturating_sub(*at) < REFUSED).then_some(right)
    }
}

/// Pause until the next examination when something has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Longest pause on account of watches that are behind.
const LONGEST_LAG: Duration = Duration::from_secs(10);

/// Pause when something may have changed.
const PERHAPS: Duration = Duration::from_secs(2);

/// Time before a pod is killed at which it is examined.
const BEFORE_THE_END: Duration = Duration::from_secs(1);

/// Pods whose workers are told something, not only asked.
fn told(plan: &Plan) -> BTreeMap<&String, &Intent> {
    let told = plan.intents.iter();
    told.filter(|(_, intent)| !matches!(intent, Intent::Report)).collect()
}

/// Time for which another writer of deletion costs is reported after it was last seen.
const CONFLICT: Duration = Duration::from_secs(600);

/// Time for which a refusal of remote control is believed after it was last seen.
const REFUSED: Duration = Duration::from_secs(90);

/// Cordoned pods, with the intent that they resume.
fn stopped(intents: &PodIntents) -> BTreeMap<String, Intent> {
    let stopped = intents.iter().filter_map(|(pod, pod_intent)| match &pod_intent.intent {
        Intent::Cordon(queues) | Intent::Uncordon(queues) => Some((pod.clone(), Intent::Uncordon(queues.clone()))),
        Intent::Report => None,
    });
    stopped.collect()
}

impl PoolState {
    /// Sends the sampler the intents of the latest plan.
    pub(super) fn attend(&mut self, cx: &mut Cx) {
        let wished = dated_intents(&self.drain.intents, &self.drain.plan.intents, cx.now.moment);
        self.look_after(wished, cx);
    }

    /// Sends the sampler these intents, in place of all others.
    fn look_after(&mut self, wished: PodIntents, cx: &mut Cx) {
        let BrokerLink::Linked(address) = &self.link else {
            return;
        };
        if wished != self.drain.intents {
            self.drain.intents.clone_from(&wished);
            cx.ask(PoolEffect::Tell {
                address: address.clone(),
                subscription: SamplerInput::Intend {
                    id: self.id,
                    intents: wished,
                },
            });
        }
    }

    /// Stops telling the pods anything: another pool looks after them. Their marks are read when they are this pool's
    /// again.
    pub(super) fn stand_back(&mut self, cx: &mut Cx) {
        self.look_after(PodIntents::new(), cx);
        self.drain.left |= self.drain.unfinished();
        self.drain.plan = Plan::default();
    }

    /// Tells the workers of draining pods to fetch again, if there are any.
    pub(super) fn uncordon(&mut self, cx: &mut Cx) {
        let target = self.target().and_then(|key| cx.shared.targets.get(&key));
        let (Ok(pool), Some(target)) = (self.pool.clone(), target) else {
            return;
        };
        let selector = target.selector.clone();
        let (stopped, roster) = (stopped(&self.drain.intents), self.roster.told());
        self.look_after(PodIntents::new(), cx);
        if !self.drain.unfinished() || selector.is_empty() {
            return;
        }
        self.drain = DrainState::default();
        cx.ask(PoolEffect::Uncordon(Box::new(Uncordon {
            key: self.identity.key.clone(),
            pool,
            selector,
            address: self.link.address().cloned(),
            stopped,
            roster,
            only_told: false,
        })));
    }

    /// Takes in that the pool leaves its broker: its cordoned workers there are told to fetch again.
    pub(super) fn uncordon_there(&mut self, pool: &Pool, cx: &mut Cx) {
        let stopped = stopped(&self.drain.intents);
        let Some(address) = self.link.address().filter(|_| !stopped.is_empty()) else {
            return;
        };
        let target = self.target().and_then(|key| cx.shared.targets.get(&key));
        // The marks on the pods are read again, with the reports of the new broker.
        self.drain.left = true;
        cx.ask(PoolEffect::Uncordon(Box::new(Uncordon {
            key: self.identity.key.clone(),
            pool: pool.clone(),
            selector: target.map(|target| target.selector.clone()).unwrap_or_default(),
            address: Some(address.clone()),
            stopped,
            roster: self.roster.told(),
            only_told: true,
        })));
    }

    /// Looks after its target's pods from now on. If their workers are being told to fetch again in this pool's name or
    /// an earlier pool's, that ends once this pool can tell them anything.
    pub(super) fn take_back(&mut self, target: &TargetKey, cx: &mut Cx) {
        if cx.shared.uncordons && self.samples.last.is_some() {
            cx.shared.uncordons = false;
            self.drain.left = true;
            cx.ask(PoolEffect::AbortUncordon(target.clone()));
        }
    }
}
