//! The pods on their way out, as far as is known; and how their workers are told to fetch again when nobody looks after them
//! any more.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Cx, FIRST, Link, MOST, PoolState, backoff,
    glance::{Glance, News},
};
use crate::{
    broker::{PoolId, SamplerInput},
    controller::{
        effect::{PoolEffect, Uncordon},
        pool::{Key, Pool},
    },
    drain::{Plan, intents},
    kube::CallError,
    model::{Intent, Moment, Now, PodIntents},
};

/// The pods on their way out, as far as is known.
#[derive(Debug, Default)]
pub struct DrainState {
    /// The last plan's.
    pub plan: Plan,
    /// A process before this one left some; no plan has been made since.
    pub left: bool,
    /// So many looks in a row found the same, and what was to be seen without the last one.
    same: u32,
    glance: Glance,
    /// When the last look ended, and the pause after it where nothing else is seen from here, and where something is.
    looked: Moment,
    pause: Duration,
    least: Duration,
    /// The decision of the last look at them.
    pub to: u32,
    /// How pods are looked after.
    pub attention: PodIntents,
    /// Someone else changed the deletion cost of this pod; when that was last seen.
    pub conflict: Option<(Moment, String)>,
    /// Remote control was refused: when last, and the right that is missing.
    pub refused: Option<(Moment, String)>,
    /// This pod was removed and did not end by itself: its grace period covers no task, and what it held of later ones was
    /// lost for a while. So until the target gets a new template.
    pub overstayed: Option<String>,
    /// No look at the pods before this moment, unless more replicas are wanted: the last one failed.
    not_before: Moment,
    /// Looks that failed, in a row.
    pub failures: u32,
    /// Why the last one did.
    pub failed: Option<String>,
}

impl DrainState {
    /// Takes the last look's plan in.
    pub fn record(&mut self, plan: Plan) {
        let same = plan.marks.is_empty() && plan.allowed == self.plan.allowed && told(&plan) == told(&self.plan);
        self.same = if same { self.same.saturating_add(1) } else { 0 };
        self.overstayed = self.overstayed.take().or_else(|| plan.overstayed.clone());
        self.plan = plan;
        self.left = false;
    }

    /// The pods could not be looked at.
    pub fn failed(&mut self, why: CallError, now: Moment, id: PoolId) {
        self.not_before = now + backoff(self.failures, FIRST, MOST, id);
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(why.to_string());
    }

    /// The last look went well, or there is none to make.
    pub fn clear_failures(&mut self) {
        (self.failed, self.failures) = (None, 0);
    }

    /// A look begins.
    pub fn looks(&mut self, to: u32, glance: Glance) {
        if glance.since(&self.glance) == News::Certain {
            self.same = 0;
        }
        (self.to, self.glance) = (to, glance);
    }

    /// The look has ended. Every one is a call to the API server: the longer nothing changes, the longer the pause. What it
    /// wrote on the pods has to be seen by whoever removes them before the next one lowers their number: where watches are
    /// behind by so much, both of its watches may be, by more than that.
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

    /// The target was another one than the look was for: that is seen here soon.
    pub fn outdated(&mut self, now: Moment) {
        (self.same, self.not_before) = (0, now + LOOK_AGAIN);
    }

    /// When to look next, where this is to be seen meanwhile.
    pub fn look_at(&self, glance: &Glance) -> Moment {
        let pause = match glance.since(&self.glance) {
            News::Certain => self.least,
            News::Perhaps => self.pause.min(PERHAPS.max(self.least)),
            News::None => self.pause,
        };
        self.not_before.max(self.looked + pause)
    }

    /// There is something to look after.
    pub fn unfinished(&self) -> bool {
        self.left || self.plan.unfinished || self.plan.ends.is_some()
    }

    /// The pod whose deletion cost someone else changed lately.
    pub fn fought_over(&self, now: Moment) -> Option<&str> {
        let (at, pod) = self.conflict.as_ref()?;
        (now.saturating_sub(*at) < CONFLICT).then_some(pod)
    }

    /// Remote control was refused lately.
    pub fn is_refused(&self, now: Moment) -> bool {
        self.refusal(now).is_some()
    }

    /// The right that is missing, if remote control was refused lately.
    pub fn refusal(&self, now: Moment) -> Option<&str> {
        let (at, right) = self.refused.as_ref()?;
        (now.saturating_sub(*at) < REFUSED).then_some(right)
    }
}

/// How soon pods on their way out are looked at again when something has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// No longer on account of watches that are behind.
const LONGEST_LAG: Duration = Duration::from_secs(10);

/// And when perhaps something has.
const PERHAPS: Duration = Duration::from_secs(2);

/// So long before a pod is killed it is looked at.
const BEFORE_THE_END: Duration = Duration::from_secs(1);

/// The pods that are told something, not only asked.
fn told(plan: &Plan) -> BTreeMap<&String, &Intent> {
    let told = plan.stances.iter();
    told.filter(|(_, stance)| !matches!(stance, Intent::Report)).collect()
}

/// For so long after it was last seen another writer of deletion costs is told of.
const CONFLICT: Duration = Duration::from_secs(600);

/// A refusal of remote control is believed for so long after it was last seen.
const REFUSED: Duration = Duration::from_secs(90);

/// The pods that were told to stop, and that they are to resume.
fn stopped(attention: &PodIntents) -> BTreeMap<String, Intent> {
    let stopped = attention.iter().filter_map(|(pod, care)| match &care.stance {
        Intent::Cordon(queues) | Intent::Uncordon(queues) => Some((pod.clone(), Intent::Uncordon(queues.clone()))),
        Intent::Report => None,
    });
    stopped.collect()
}

impl PoolState {
    /// Has the pods looked after as the last plan wishes.
    pub(super) fn attend(&mut self, cx: &mut Cx) {
        let wished = intents(&self.drain.attention, &self.drain.plan.stances, cx.now.moment);
        self.look_after(wished, cx);
    }

    /// Has these pods looked after, and no others.
    fn look_after(&mut self, wished: PodIntents, cx: &mut Cx) {
        let Link::Linked(address) = &self.link else { return };
        if wished != self.drain.attention {
            self.drain.attention.clone_from(&wished);
            cx.ask(PoolEffect::Tell {
                address: address.clone(),
                subscription: SamplerInput::Intend {
                    id: self.id,
                    attention: wished,
                },
            });
        }
    }

    /// Another pool looks after the same pods: nothing is told them in this one's name. What stands on them is looked for
    /// when they are this pool's again.
    pub(super) fn stand_back(&mut self, cx: &mut Cx) {
        self.look_after(PodIntents::new(), cx);
        self.drain.left |= self.drain.unfinished();
        self.drain.plan = Plan::default();
    }

    /// Has the workers that are on their way out told to fetch again, if there are any.
    pub(super) fn uncordon(&mut self, cx: &mut Cx) {
        let target = self.target().and_then(|key| cx.shared.targets.get(&key));
        let (Ok(pool), Some(target)) = (self.pool.clone(), target) else {
            return;
        };
        let selector = target.selector.clone();
        let (stopped, roster) = (stopped(&self.drain.attention), self.roster.told());
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

    /// The pool leaves its broker: those of its workers there that were told to stop are told to fetch again.
    pub(super) fn uncordon_there(&mut self, pool: &Pool, cx: &mut Cx) {
        let stopped = stopped(&self.drain.attention);
        let Some(address) = self.link.address().filter(|_| !stopped.is_empty()) else {
            return;
        };
        let target = self.target().and_then(|key| cx.shared.targets.get(&key));
        // What stands on the pods is looked at anew, by what the new broker says of them.
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

    /// The pool sees to its target's pods from now on, whose workers are being told to fetch again in its own name, or in
    /// that of a pool before it: that ends once this one can tell them anything.
    pub(super) fn take_back(&mut self, target: &Key, cx: &mut Cx) {
        if cx.shared.uncordons && self.samples.last.is_some() {
            cx.shared.uncordons = false;
            self.drain.left = true;
            cx.ask(PoolEffect::AbortUncordon(target.clone()));
        }
    }
}
