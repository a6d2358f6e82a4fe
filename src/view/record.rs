//! What is kept of a pool for the view, and how it is handed out: by counted references, so that ten thousand pools cost
//! the event loop no more than as many pointers.
#![deny(clippy::disallowed_methods)]

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;

use super::{
    json::SOURCE,
    ring::{Arrivals, Point, Ring},
    state::{self, Promise},
    types::{Broker, PodState, State, Target},
};
use crate::{
    api::Status,
    kube::Key,
    model::{Moment, Now},
    scaling::{Candidates, Estimates, Rule},
};

/// Number of decisions that are kept.
const DECISIONS: usize = 20;

/// What the view keeps of one pool. Only where the view is on.
#[derive(Debug)]
pub struct PoolView {
    record: Arc<Record>,
    /// From the first record on.
    ring: Option<Arc<Ring>>,
    log: Arc<VecDeque<Decided>>,
}

/// Pool as it was told last.
#[derive(Clone, Debug)]
pub struct Record {
    /// Namespace and name.
    pub key: Key,
    /// What it scales.
    pub target: Option<Target>,
    /// Name of its framework.
    pub framework: &'static str,
    /// Whether replicas are written, by the spec.
    pub observes: bool,
    /// Broker that is asked.
    pub broker: Option<Broker>,
    /// Wait target in seconds.
    pub wait_seconds: Option<u64>,
    /// Outstanding tasks for each replica.
    pub backlog_per_replica: Option<u32>,
    /// Limits of the replicas.
    pub limits: [u32; 2],
    /// Status as it ought to be now, whether or not it has been written: what is shown of it, and of its conditions those
    /// that are not as they should be.
    pub status: Status,
    /// Number of queues that the status has no room for.
    pub queues_omitted: u32,
    /// Decision: its rule, its number, and what it was chosen from.
    pub decision: Option<(Rule, u32, Candidates)>,
    /// What was learned.
    pub estimates: Option<Estimates>,
    /// Time of the last count before the one that is told; where the broker cannot be read, of the last one.
    pub counted_before: Moment,
}

impl Record {
    /// Record of a pool of which nothing is known yet.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            target: None,
            framework: "",
            observes: false,
            broker: None,
            wait_seconds: None,
            backlog_per_replica: None,
            limits: [0, 0],
            status: Status::default(),
            queues_omitted: 0,
            decision: None,
            estimates: None,
            counted_before: Moment::ZERO,
        }
    }

    /// One word for it.
    pub fn state(&self) -> State {
        let promise = Promise {
            wait_seconds: self.wait_seconds,
            acts: !self.observes,
        };
        state::state(&self.status, promise)
    }

    /// Whether the broker cannot be read now.
    pub fn is_lost(&self) -> bool {
        let mut wrong = self.status.conditions.iter();
        wrong.any(|condition| condition.kind == SOURCE)
    }

    /// What has arrived. While the broker cannot be read nobody knows.
    fn arrivals(&self) -> Arrivals {
        let learned = self.estimates.filter(|_| !self.is_lost());
        Arrivals {
            tasks: learned.and_then(|learned| learned.arrived),
            since: self.counted_before,
        }
    }

    /// Numbers of now, for the hour. What was counted once and cannot be read now is not known.
    fn point(&self) -> Point {
        let status = &self.status;
        let work = status.work.as_ref().filter(|_| !self.is_lost());
        let waiting = work.and_then(|work| u64::try_from(work.waiting).ok());
        let oldest = work.and_then(|work| match work.waiting {
            0 => Some(0),
            _ => work.oldest_wait_seconds.and_then(|wait| u64::try_from(wait).ok()),
        });
        let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
        Point::new(
            [waiting, oldest],
            [
                count(status.desired_replicas),
                count(status.replicas),
                count(status.ready_replicas),
            ],
        )
    }
}

/// Decision that changed something.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Time.
    pub at: Timestamp,
    /// Replicas before it.
    pub from: u32,
    /// Replicas decided on.
    pub to: u32,
    /// Rule.
    pub rule: Rule,
    /// Reason.
    pub sentence: String,
}

impl PoolView {
    /// View of a pool of which nothing is known yet.
    pub fn new(key: &Key) -> Self {
        Self {
            record: Arc::new(Record::new(key.clone())),
            ring: None,
            log: Arc::default(),
        }
    }

    /// Takes in what is told of the pool now.
    pub fn tell(&mut self, record: Record, now: Moment) {
        let (point, arrivals) = (record.point(), record.arrivals());
        match &mut self.ring {
            // A copy is made only while somebody reads the old one.
            Some(ring) => Arc::make_mut(ring).record(now, point, arrivals),
            None => self.ring = Some(Arc::new(Ring::new(now, point, arrivals))),
        }
        self.record = Arc::new(record);
    }

    /// Takes in a decision that changed something.
    pub fn decided(&mut self, decided: Decided) {
        let log = Arc::make_mut(&mut self.log);
        log.truncate(DECISIONS - 1);
        log.push_front(decided);
    }

    /// What a reader gets.
    pub fn entry(&self) -> Entry {
        Entry {
            record: self.record.clone(),
            ring: self.ring.clone(),
        }
    }

    /// Decisions, the newest first.
    pub fn log(&self) -> Arc<VecDeque<Decided>> {
        self.log.clone()
    }
}

/// One pool in the hands of a reader.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) record: Arc<Record>,
    pub(super) ring: Option<Arc<Ring>>,
}

/// All pools at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// Time.
    pub now: Now,
    /// Pools, in no order.
    pub entries: Vec<Entry>,
}

/// One pool with all that is known of it.
#[derive(Debug)]
pub struct Whole {
    /// Time.
    pub now: Now,
    /// Pool.
    pub entry: Entry,
    /// Its decisions.
    pub log: Arc<VecDeque<Decided>>,
    /// Its pods, and the number of others.
    pub pods: Vec<PodSeen>,
    /// Number of pods that there is no room for.
    pub pods_omitted: u32,
}

#[cfg(test)]
impl Whole {
    /// As it is served.
    pub fn json(&self) -> super::types::OnePool {
        let leader = super::types::Leader {
            pod: "twp-0".into(),
            namespace: "twp-system".into(),
            port: 8082,
            version: None,
        };
        super::json::one(self, leader)
    }
}

/// Pod as it was seen.
#[derive(Clone, Debug)]
pub struct PodSeen {
    /// Name.
    pub name: String,
    /// What it does.
    pub state: PodState,
    /// Tasks that it runs.
    pub running: Option<u32>,
    /// Tasks that it has fetched and not begun, and those with an ETA.
    pub holds: Option<[u32; 2]>,
    /// Time since which it has been silent, or idle.
    pub since: Option<Moment>,
    /// Whether it reported a moment ago.
    pub fresh: bool,
}
