//! State of one pool, and the only way to change it: [`PoolState::on`] takes an input and returns effects. Pure.
//!
//! | file | concept |
//! |---|---|
//! | `reconcile.rs` | look → decide → act → tell: what is made of the state whenever something about the pool changed |
//! | `replicas.rs` | what became of a write of the replicas |
//! | `drain.rs` | the pods on their way out, and how their workers come back |
//! | `glance.rs` | what shows without a look at the pods that a look would find something else |
//! | `queues.rs` | which queues are counted, where the workers name them |
//! | `source.rs` | where the broker is, what was counted there, and moves to another one |
//! | `roster.rs` | ready pods that nobody hears: counted, listed, named |
//! | `disruption.rs` | busy pods that node autoscalers are asked to leave alone |
//! | `throttle.rs` | when a status that says something new is written |
//! | `view.rs` | what the view shows of it |
#![deny(clippy::disallowed_methods)]

mod disruption;
mod drain;
mod glance;
mod queues;
mod reconcile;
mod replicas;
mod roster;
mod source;
mod throttle;
mod view;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

pub use self::{
    disruption::Disruption,
    drain::DrainState,
    roster::RosterState,
    throttle::{StatusThrottle, Turns},
};
use super::{
    effect::{Note, PoolEffect},
    input::{Done, PoolSeen},
    late::Late,
    learned::LearnedQueues,
    ownership::ReplicaOwnership,
    pool::{Pool, Problem},
    registry::Targets,
    status::SharedQueue,
    vanished::Vanished,
};
use crate::{
    api::{LastScale, Status},
    broker::{Address, PoolId, Sampled},
    kube::{Identity, Target, TargetKey},
    model::{Backoff, Delayed, DrainSupport, Moment, Now, SampleError, Tally},
    scaling::{Counted, Decision, Estimates, Memory, Observation, Reading},
    telemetry::PoolEvent,
    view::PoolView,
};

/// Input for a pool.
#[derive(Debug)]
pub enum PoolInput {
    /// The object changed.
    Spec(Box<PoolSeen>),
    /// An earlier process left some of its pods draining.
    PodsLeft,
    /// The target's pod template changed: its pods are replaced.
    TemplateChanged,
    /// A sample.
    Sampled(Sampled),
    /// An effect has ended.
    Done(Done),
    /// The time has come, or something around the pool has changed.
    Wake,
    /// The object was deleted.
    Gone,
    /// The process ends.
    End,
}

/// Surroundings of the pool.
pub struct Shared<'a> {
    /// All targets.
    pub targets: &'a Targets,
    /// Older pool on the same target, as namespace/name.
    pub older: Option<String>,
    /// Whether the workers of its target are being told to fetch again, because no pool looked after them any more.
    pub uncordons: bool,
    /// Another pool that counts one of its queues and orders workers for it, too.
    pub queue: Option<SharedQueue>,
    /// Turns of the pools at writing new numbers.
    pub turns: &'a mut Turns,
}

/// Context of one call of [`PoolState::on`].
struct Cx<'a, 'b> {
    shared: &'a mut Shared<'b>,
    now: Now,
    effects: Vec<PoolEffect>,
}

impl Cx<'_, '_> {
    fn ask(&mut self, effect: PoolEffect) {
        self.effects.push(effect);
    }
}

/// State of one pool.
pub struct PoolState {
    /// Our own number for it, new for each UID.
    pub id: PoolId,
    /// Identity of the object.
    pub identity: Identity,
    /// Validated spec, or what is wrong with it.
    pub pool: Result<Pool, Problem>,
    /// Status of the object as last seen or written.
    pub stored: Option<Status>,
    /// State of the connection to its broker.
    pub link: BrokerLink,
    /// All addresses in its URL, in the order in which Celery tries them.
    pub addresses: Vec<Arc<Address>>,
    /// Latest samples.
    pub samples: Samples,
    /// Memory of the scaling rules.
    pub memory: Memory,
    /// Latest decision, and the observation that it was made from.
    pub decision: Option<(Observation, Decision)>,
    /// What the operator has written to the target.
    pub ownership: ReplicaOwnership,
    /// Draining pods.
    pub drain: DrainState,
    /// Pods of the target, and those that are not heard.
    pub roster: RosterState,
    /// Queues that its workers have named; empty where the pool names them.
    pub learned: LearnedQueues,
    /// Pods that do not become ready.
    pub late: Late,
    /// Waiting tasks that disappeared.
    pub vanished: Vanished,
    /// Pods that node autoscalers are asked not to evict.
    pub disruption: Disruption,
    /// Latest change of replicas.
    pub last_scale: Option<LastScale>,
    /// Work in tasks of its own; at most one of each kind.
    pub tasks: Tasks,
    /// Writes of the status.
    pub throttle: StatusThrottle,
    /// What the view shows of it; nothing is kept where the view is off.
    pub view: Option<Box<PoolView>>,
    /// Time at which it is reconciled even if nothing happens.
    pub wake: Moment,
}

/// State of the connection between a pool and its broker.
#[derive(Clone, Debug, PartialEq)]
pub enum BrokerLink {
    /// The references have not been read yet.
    None,
    /// Sampled at this address.
    Linked(Arc<Address>),
    /// The references could not be resolved to an address.
    Failed(Problem),
}

impl BrokerLink {
    /// Address at which it is sampled.
    pub fn address(&self) -> Option<&Arc<Address>> {
        match self {
            Self::Linked(address) => Some(address),
            Self::None | Self::Failed(_) => None,
        }
    }
}

/// Latest samples of the broker.
#[derive(Debug, Default)]
pub struct Samples {
    /// Time from which this broker has been asked: earlier counts were of another one.
    pub since: Moment,
    /// Latest count, and its time.
    pub last: Option<(Arc<Tally>, Now)>,
    /// Additional time, beyond the pool's period, for which the endpoint rests: a count may be that much older and
    /// still be fresh.
    pub rest: Duration,
    /// Time of the count before that, whether or not it was different.
    pub before: Option<Moment>,
    /// Error of the last sample, if it failed, and the time since which all have failed.
    pub failing: Option<(SampleError, Moment)>,
    /// Number of samples in a row that failed because there was no connection to this address.
    pub unreached: u32,
    /// Address at which the latest count was taken.
    pub counted_at: Option<Arc<Address>>,
}

/// Effects whose answers are still to come, and when to try again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tasks {
    /// Number of the latest request: it tells an awaited answer from a late one.
    pub asked: u64,
    /// Number of the request that reads the references.
    pub resolving: Option<u64>,
    /// Time before which they are not read again.
    pub resolve_not_before: Moment,
    /// Pause after reads that did not help.
    pub resolve_backoff: Backoff,
    /// Time at which they were last read, or could not be.
    pub read_at: Moment,
    /// Time at which they are read again although the broker answers: it may be the wrong one by then.
    pub read_again_at: Moment,
    /// Number of the job that writes the target or examines its pods.
    pub writing: Option<u64>,
    /// Whether more replicas are being written, before anything else.
    pub raising: bool,
    /// Whether the status is being written.
    pub publishing: bool,
}

/// Memory from the status: what an earlier process learned.
pub fn remembered(stored: Option<&Status>) -> Memory {
    let Some(learned) = stored.and_then(|status| status.estimates.as_ref()) else {
        return Memory::default();
    };
    Memory::remembering(&Estimates {
        task: learned.task_milliseconds.map(|task| task as f64 / 1e3),
        rate: 0.0,
        startup: learned.startup_seconds.map(|startup| startup as f64),
        slots: learned.concurrency.and_then(|slots| u32::try_from(slots).ok()),
        in_time: None,
        arrived: None,
    })
}

/// Tasks that are not due, from the status, as an earlier process remembered them.
pub fn held(stored: Option<&Status>) -> Option<Delayed> {
    let held = stored?.held.as_ref()?;
    Some(Delayed {
        tasks: u64::try_from(held.tasks).ok()?,
        due: held.next_due_at.0,
    })
}

impl PoolState {
    /// State of a pool that was just seen for the first time.
    pub fn new(id: PoolId, identity: Identity, pool: Result<Pool, Problem>, stored: Option<Status>) -> Self {
        let memory = remembered(stored.as_ref());
        // A spec that is invalid now may leave the names to the workers when it is mended.
        let named = pool.as_ref().is_ok_and(|pool| !pool.app.told);
        let learned = LearnedQueues::remembered(stored.as_ref().filter(|_| !named));
        Self {
            id,
            identity,
            pool,
            stored,
            link: BrokerLink::None,
            addresses: Vec::new(),
            samples: Samples::default(),
            memory,
            decision: None,
            ownership: ReplicaOwnership::default(),
            drain: DrainState::default(),
            roster: RosterState::default(),
            learned,
            late: Late::default(),
            vanished: Vanished::default(),
            disruption: Disruption::default(),
            last_scale: None,
            tasks: Tasks::default(),
            throttle: StatusThrottle::default(),
            view: None,
            wake: Moment::ZERO,
        }
    }

    /// Takes in what happened; returns the effects, in order.
    pub fn on(&mut self, input: PoolInput, shared: &mut Shared, now: Now) -> Vec<PoolEffect> {
        let mut cx = Cx {
            shared,
            now,
            effects: Vec::new(),
        };
        let changed = match input {
            PoolInput::Spec(seen) => {
                self.respecified(*seen, &mut cx);
                // The older pool on its target may be another one now: it is woken by that.
                false
            }
            PoolInput::PodsLeft => {
                self.drain.left = true;
                self.note(Note::PodsLeft, &mut cx);
                true
            }
            PoolInput::TemplateChanged => {
                self.template_changed();
                true
            }
            PoolInput::Sampled(sampled) => self.sampled(sampled, &mut cx),
            PoolInput::Done(done) => {
                self.done(done, &mut cx);
                true
            }
            PoolInput::Wake => true,
            PoolInput::Gone => {
                self.dismiss(&mut cx);
                false
            }
            PoolInput::End => {
                self.uncordon(&mut cx);
                false
            }
        };
        if changed {
            self.reconcile(&mut cx);
        }
        cx.effects
    }

    fn done(&mut self, done: Done, cx: &mut Cx) {
        match done {
            // An answer to an older request is about another broker, or another target.
            Done::Resolved(asked, result) if self.tasks.resolving == Some(asked) => self.resolved(result, cx),
            Done::Scaled(asked, outcome) if self.tasks.writing == Some(asked) => self.scaled(*outcome, cx),
            Done::Resolved(..) | Done::Scaled(..) => {}
            Done::Protected(result) => self.protected(result, cx),
            Done::Listed(result) => self.listed(result, cx),
            Done::Published(result) => self.published(result, cx),
        }
    }

    /// Takes in another spec of the same object, with its consequences for what is under way.
    fn respecified(&mut self, seen: PoolSeen, cx: &mut Cx) {
        let PoolSeen { identity, pool, .. } = seen;
        let new = pool.as_ref().ok();
        let old = self.pool.as_ref().ok();
        let elsewhere = old.zip(new).is_some_and(|(old, new)| old.target != new.target);
        let counted_alike = old.zip(new).is_some_and(|(old, new)| {
            old.source == new.source
                && old.app == new.app
                && old.policy.period == new.policy.period
                && old.policy.suspended == new.policy.suspended
        });
        // Memory of other queues is of no use.
        let other_work = old
            .zip(new)
            .is_some_and(|(old, new)| old.source != new.source || old.app != new.app);
        let left = old.filter(|_| other_work).cloned();
        if elsewhere || new.is_none_or(|new| !new.acts()) {
            self.uncordon(cx);
        }
        if elsewhere || new.is_none() {
            self.unprotect(cx);
        }
        if elsewhere && self.tasks.writing.is_some() {
            // The result of that job says nothing about the new target.
            self.abort_scale(cx);
        }
        if let Some(old) = left {
            self.uncordon_there(&old, cx);
        }
        if !counted_alike {
            self.unlink(cx);
        }
        if other_work {
            self.begin_anew();
        }
        self.other_workers(&pool);
        (self.identity, self.pool) = (identity, pool);
    }

    /// Stops looking after the pool.
    fn dismiss(&mut self, cx: &mut Cx) {
        self.uncordon(cx);
        self.unprotect(cx);
        self.leave(cx);
        cx.ask(PoolEffect::Forget(self.identity.key.clone()));
    }

    /// Number of a new request.
    fn next_question(&mut self) -> u64 {
        self.tasks.asked += 1;
        self.tasks.asked
    }

    fn note(&self, note: Note, cx: &mut Cx) {
        cx.ask(PoolEffect::Note(self.identity.key.clone(), note));
    }

    fn publish(&self, events: impl IntoIterator<Item = PoolEvent>, cx: &mut Cx) {
        for event in events {
            cx.ask(PoolEffect::Publish(self.identity.clone(), event));
        }
    }

    /// Target that a valid spec names.
    pub fn target(&self) -> Option<TargetKey> {
        let pool = self.pool.as_ref().ok()?;
        Some(TargetKey {
            namespace: self.identity.key.namespace.clone(),
            workload: pool.target.clone(),
        })
    }

    /// Work, with its freshness.
    pub fn reading(&self, pool: &Pool, now: Moment) -> Reading {
        let failing = self.samples.failing.map(|(why, _)| why);
        match &self.samples.last {
            None => Reading::Unknown {
                why: failing.unwrap_or(SampleError::NotYet),
            },
            Some((tally, at)) => {
                let age = now.saturating_sub(at.moment);
                if age <= self.fresh_for(pool) {
                    match Self::counts_nothing(pool, tally) {
                        true => Reading::Untold,
                        false => Reading::Fresh(tally.work.clone()),
                    }
                } else {
                    Reading::Stale {
                        work: tally.work.clone(),
                        age,
                        why: failing,
                    }
                }
            }
        }
    }

    /// Age up to which the latest count is fresh.
    pub fn fresh_for(&self, pool: &Pool) -> Duration {
        pool.policy.stale_after().saturating_add(self.samples.rest)
    }

    /// Observation: all that a decision may know.
    pub fn observe(&self, pool: &Pool, target: &Target, now: Now) -> Observation {
        let tally = self.samples.last.as_ref().map(|(tally, _)| tally);
        let work = tally.map(|tally| &tally.work);
        let busy = tally.map_or(0, |tally| tally.pods.values().filter(|pod| pod.running > 0).count());
        Observation {
            now: now.moment,
            wall: now.wall,
            reading: self.reading(pool, now.moment),
            counted: Counted {
                at: self.samples.last.as_ref().map_or(now.moment, |(_, at)| at.moment),
                before: self.samples.before,
            },
            replicas: self.ownership.replicas(target),
            ready: target.ready,
            rollout: target.rollout,
            busy_pods: u32::try_from(busy).unwrap_or(u32::MAX),
            silent_pods: match pool.graceful.filter(|_| self.drain.overstayed.is_none()) {
                // The user says that the grace period covers whatever they do.
                Some(_) => 0,
                None => tally.map_or(0, |tally| target.ready.saturating_sub(roster::heard(tally))),
            },
            drains: tally.is_some_and(|tally| {
                let support = tally.drain.unless(self.drain.is_refused(now.moment));
                support == DrainSupport::StopFetching && !tally.pods.is_empty()
            }),
            workers_heard: tally.is_some_and(|tally| tally.workers_heard),
            reports_often: tally.is_some_and(|tally| tally.pods.values().all(|pod| pod.tells)),
            slots: tally.and_then(|tally| tally.slots),
            processed: tally.and_then(|tally| tally.processed),
            next_due_in: work
                .and_then(|work| work.next_due)
                .map(|due| Duration::try_from(due.duration_since(now.wall)).unwrap_or_default()),
        }
    }

    /// Start-up time of pods, as far as it was learned.
    pub fn startup(&self) -> Duration {
        let learned = self.decision.as_ref().and_then(|(_, decision)| decision.estimates);
        let seconds = learned.and_then(|learned| learned.startup).unwrap_or_default();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// Latest count, and its wall-clock time.
    pub fn counted(&self) -> Option<(&Tally, Timestamp)> {
        self.samples.last.as_ref().map(|(tally, at)| (tally.as_ref(), at.wall))
    }
}

/// First wait after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest wait between attempts at something that keeps failing.
pub const MOST: Duration = Duration::from_secs(30);

/// Wait, longer by up to a quarter, so that pools that failed together do not come back together.
pub fn scattered(wait: Duration, id: PoolId) -> Duration {
    wait + wait.mul_f64(spread(id) / 4.0)
}

/// Fraction of 1 that differs from pool to pool.
pub fn spread(id: PoolId) -> f64 {
    f64::from(u32::try_from(id.wrapping_mul(2_654_435_761) % 256).unwrap_or(0)) / 256.0
}

#[cfg(test)]
pub mod tests;
