//! All that the controller keeps of one pool between two passes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::watch, task::AbortHandle};

use super::{
    hold::Hold,
    late::Late,
    pool::{Identity, Key, Pool, Problem},
    roll::{self, Roll},
    target::Target,
    vanished::Vanished,
};
use crate::{
    api::{LastScale, Status},
    broker::{Address, SubscriberId},
    scaling::{Counted, Decision, Estimates, Memory, Observation, Reading},
    work::{Attention, Held, Moment, Now, SampleError, Tally},
    workers::{Plan, Protection},
};

/// A pool's state. Owned by the one task that makes passes, so there are no locks and never two passes at once.
pub struct Entry {
    /// Our own number for it, new for each UID.
    pub id: SubscriberId,
    /// Which object it is.
    pub identity: Identity,
    /// The validated spec, or what is wrong with it.
    pub pool: Result<Pool, Problem>,
    /// The object's status as last seen or written.
    pub stored: Option<Status>,
    /// How far it is with its broker.
    pub link: Link,
    /// All addresses that its URL names, in the order in which Celery tries them.
    pub addresses: Vec<Arc<Address>>,
    /// What the broker said last.
    pub samples: Samples,
    /// The core's memory.
    pub memory: Memory,
    /// The last decision, and what it was made from.
    pub decision: Option<(Observation, Decision)>,
    /// What the operator has done to the target.
    pub hold: Hold,
    /// The pods on their way out.
    pub leaving: Leaving,
    /// The target's pods, and whom of them nobody hears.
    pub roll: Roll,
    /// Pods that do not become ready.
    pub late: Late,
    /// Waiting tasks that nobody took.
    pub vanished: Vanished,
    /// The pods that node autoscalers are asked to leave alone.
    pub guard: Guard,
    /// The last change of replicas.
    pub last_scale: Option<LastScale>,
    /// Work that runs in a task of its own; at most one of each kind.
    pub tasks: Tasks,
    /// The last job on the target; it may have ended.
    pub job: Option<AbortHandle>,
    /// The writes of the status.
    pub said: Said,
    /// When the next pass is due even if nothing happens.
    pub wake: Moment,
}

/// How far a pool is with its broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// The references have not been read yet.
    None,
    /// Sampled at this address.
    Linked(Arc<Address>),
    /// They lead to no address.
    Failed(Problem),
}

impl Link {
    /// Where it is sampled.
    pub fn address(&self) -> Option<&Arc<Address>> {
        match self {
            Self::Linked(address) => Some(address),
            Self::None | Self::Failed(_) => None,
        }
    }
}

/// What the broker said last.
#[derive(Debug, Default)]
pub struct Samples {
    /// Since when this broker is asked: what was counted before was counted elsewhere.
    pub since: Moment,
    /// The last count, and when it was taken.
    pub last: Option<(Arc<Tally>, Now)>,
    /// The endpoint rests for so long beyond the pool's period: a count may be as much older and is no less fresh.
    pub rest: Duration,
    /// When the count before that was taken, whether or not it said something new.
    pub before: Option<Moment>,
    /// The last sample failed: why, and since when all have.
    pub failing: Option<(SampleError, Moment)>,
    /// So many failed in a row for lack of a connection to this address.
    pub unreached: u32,
    /// Where the last count was taken.
    pub counted_at: Option<Arc<Address>>,
    /// The newest count for a task that writes: it looks again before it lowers.
    pub newest: watch::Sender<Arc<Tally>>,
}

/// The pods on their way out, as far as is known.
#[derive(Debug, Default)]
pub struct Leaving {
    /// The last plan's.
    pub plan: Plan,
    /// A process before this one left some; no plan has been made since.
    pub left: bool,
    /// So many looks in a row found the same.
    same: u32,
    /// The decision of the last look at them.
    pub to: u32,
    /// How pods are looked after.
    pub attention: Attention,
    /// Someone else changed the deletion cost of this pod; when that was last seen.
    pub conflict: Option<(Moment, String)>,
    /// Remote control was refused: when last, and the right that is missing.
    pub refused: Option<(Moment, String)>,
    /// This pod was removed and did not end by itself: its grace period covers no task, and what it held of later ones was
    /// lost for a while. So until the target gets a new template.
    pub overstayed: Option<String>,
    /// They are being given back, by a task of its own.
    pub release: Option<AbortHandle>,
}

impl Leaving {
    /// Takes the last look's plan in.
    pub fn saw(&mut self, plan: Plan) {
        self.same = if plan == self.plan {
            self.same.saturating_add(1)
        } else {
            0
        };
        self.overstayed = self.overstayed.take().or_else(|| plan.overstayed.clone());
        self.plan = plan;
        self.left = false;
    }

    /// How soon to look again: the less often, the longer nothing changes. Every look is a call to the API server.
    pub fn again_in(&self) -> Duration {
        LOOK_AGAIN.saturating_mul(1 << (self.same / 3).min(2))
    }

    /// There is something to look after.
    pub fn unfinished(&self) -> bool {
        self.left || self.plan.unfinished || self.plan.ending
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

/// How soon pods on their way out are looked at again; up to four times as much while nothing changes.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// For so long after it was last seen another writer of deletion costs is told of.
const CONFLICT: Duration = Duration::from_secs(600);

/// A refusal of remote control is believed for so long after it was last seen.
const REFUSED: Duration = Duration::from_secs(90);

/// The pods that node autoscalers are asked to leave alone.
#[derive(Debug, Default)]
pub struct Guard {
    /// Who was busy lately.
    pub protection: Protection,
    /// The pods protected by the last write that went well; `None`: not known.
    pub written: Option<BTreeSet<String>>,
    /// They are being written.
    pub writing: bool,
    /// Not to be written again before this moment.
    pub not_before: Moment,
}

/// The writes of the status.
#[derive(Debug, Default)]
pub struct Said {
    /// When the last one ended.
    pub at: Option<Moment>,
    /// Failures in a row.
    pub failures: u32,
    /// When it is this pool's turn to say new numbers; `None`: it has no turn.
    pub turn: Option<Moment>,
    /// What the last one was to say, whether or not it could: its Events are told.
    pub told: Option<Status>,
}

impl Said {
    /// How long the next one, due so long after the last, has still to wait; after failures longer.
    pub fn wait(&self, due: Duration, now: Moment, id: SubscriberId) -> Duration {
        let after = match self.failures.checked_sub(1) {
            None => due,
            Some(failures) => due.max(backoff(failures, FIRST, MOST, id)),
        };
        self.at.map_or(Duration::ZERO, |at| (at + after).saturating_sub(now))
    }
}

/// Tasks under way, and when to try again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tasks {
    /// The references are being read.
    pub resolving: bool,
    /// Not to be read again before this moment.
    pub resolve_not_before: Moment,
    /// Readings in a row that did not help.
    pub resolve_failures: u32,
    /// When they were last read, or could not be.
    pub read_at: Moment,
    /// When they are to be read again although the broker answers: it may be the wrong one by then.
    pub read_again_at: Moment,
    /// The target is being written.
    pub writing: bool,
    /// The status is being written.
    pub publishing: bool,
}

/// What the process before learned stands in the status.
pub fn remembered(stored: Option<&Status>) -> Memory {
    let Some(learned) = stored.and_then(|status| status.estimates.as_ref()) else {
        return Memory::default();
    };
    Memory::remembering(&Estimates {
        task: learned.task_milliseconds.map(|task| task as f64 / 1e3),
        rate: 0.0,
        startup: learned.startup_seconds.map(|startup| startup as f64),
        slots: learned.concurrency.and_then(|slots| u32::try_from(slots).ok()),
    })
}

/// What the process before remembered of tasks that are not due stands there, too.
pub fn held(stored: Option<&Status>) -> Option<Held> {
    let held = stored?.held.as_ref()?;
    Some(Held {
        tasks: u64::try_from(held.tasks).ok()?,
        due: held.next_due_at.0,
    })
}

impl Entry {
    /// A pool just met.
    pub fn new(id: SubscriberId, identity: Identity, pool: Result<Pool, Problem>, stored: Option<Status>) -> Self {
        let memory = remembered(stored.as_ref());
        Self {
            id,
            identity,
            pool,
            stored,
            link: Link::None,
            addresses: Vec::new(),
            samples: Samples::default(),
            memory,
            decision: None,
            hold: Hold::default(),
            leaving: Leaving::default(),
            roll: Roll::default(),
            late: Late::default(),
            vanished: Vanished::default(),
            guard: Guard::default(),
            last_scale: None,
            tasks: Tasks::default(),
            job: None,
            said: Said::default(),
            wake: Moment::ZERO,
        }
    }

    /// The target that a valid spec names.
    pub fn target(&self) -> Option<Key> {
        let pool = self.pool.as_ref().ok()?;
        Some(Key {
            namespace: self.identity.key.namespace.clone(),
            name: pool.target.clone(),
        })
    }

    /// The work with its freshness.
    pub fn reading(&self, pool: &Pool, now: Moment) -> Reading {
        let failing = self.samples.failing.map(|(why, _)| why);
        match &self.samples.last {
            None => Reading::Unknown {
                why: failing.unwrap_or(SampleError::NotYet),
            },
            Some((tally, at)) => {
                let age = now.saturating_sub(at.moment);
                if age <= self.fresh_for(pool) {
                    Reading::Fresh(tally.work.clone())
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

    /// How old the last count may be and still be fresh.
    pub fn fresh_for(&self, pool: &Pool) -> Duration {
        pool.policy.stale_after().saturating_add(self.samples.rest)
    }

    /// All that a decision may know.
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
            replicas: self.hold.replicas(target),
            ready: target.ready,
            rollout: target.rollout,
            busy_pods: u32::try_from(busy).unwrap_or(u32::MAX),
            silent_pods: match pool.graceful.filter(|_| self.leaving.overstayed.is_none()) {
                // The user's word: whatever they do, their grace period covers it.
                Some(_) => 0,
                None => tally.map_or(0, |tally| target.ready.saturating_sub(roll::heard(tally))),
            },
            drains: tally.is_some_and(|tally| !tally.pods.is_empty()) && !self.leaving.is_refused(now.moment),
            workers_heard: tally.is_some_and(|tally| tally.workers_heard),
            slots: tally.and_then(|tally| tally.slots),
            processed: tally.and_then(|tally| tally.processed),
            next_due_in: work
                .and_then(|work| work.next_due)
                .map(|due| Duration::try_from(due.duration_since(now.wall)).unwrap_or_default()),
        }
    }

    /// How long pods take to start, as far as it was learned.
    pub fn startup(&self) -> Duration {
        let learned = self.decision.as_ref().and_then(|(_, decision)| decision.estimates);
        let seconds = learned.and_then(|learned| learned.startup).unwrap_or_default();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// When the last count was taken, by the wall clock.
    pub fn counted(&self) -> Option<(&Tally, Timestamp)> {
        self.samples.last.as_ref().map(|(tally, at)| (tally.as_ref(), at.wall))
    }
}

/// The first wait after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// The longest wait between attempts at something that keeps failing.
pub const MOST: Duration = Duration::from_secs(30);

/// How long to wait after so many failures in a row: doubling from `first` to `most`, spread by up to a quarter so that
/// those who failed together do not come back together.
pub fn backoff(failures: u32, first: Duration, most: Duration, id: SubscriberId) -> Duration {
    let wait = first.saturating_mul(1 << failures.min(12)).min(most);
    wait + wait.mul_f64(spread(id) / 4.0)
}

/// A part of 1 that differs from pool to pool.
pub fn spread(id: SubscriberId) -> f64 {
    f64::from(u32::try_from(id.wrapping_mul(2_654_435_761) % 256).unwrap_or(0)) / 256.0
}

#[cfg(test)]
pub mod tests;
