//! State of one worker process: what it reported last, and how old that is.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use super::REMEMBERED;
use crate::framework::celery::ask::Inspect;
use crate::{
    framework::celery::BrokerOptions,
    model::{Moment, Queues},
};

/// Silence after which a worker with usual heartbeats is not counted any more (Celery sends one every 2 s).
const SILENT: Duration = Duration::from_secs(12);

/// Silence after which a worker with usual heartbeats has missed at least one: its report may be old.
pub(super) const BEATS: Duration = Duration::from_secs(5);

/// Number of missed heartbeats after which a worker with a longer interval (`--heartbeat-interval`) is not counted any
/// more.
const MISSED: u32 = 3;

/// Longest interval between two heartbeats: more is a forgery or a mistake.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(300);

/// Time after a question that it answered for which a worker without heartbeats is taken to be alive.
const ANSWERS: Duration = Duration::from_secs(15);

/// Latest reports of one worker process.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Time of its latest heartbeat; `None`: it sends none, and is known by its answers alone.
    pub beat: Option<Moment>,
    /// Time between its heartbeats, as it reports it.
    pub(super) interval: Duration,
    /// Time of the latest question that it answered.
    pub answered: Option<Moment>,
    /// Time of its goodbye, unless it was heard since.
    pub left: Option<Moment>,
    /// Time from which a worker of its name has been known.
    pub since: Moment,
    /// Time of the latest question with two answers under this name: several workers share it.
    pub doubled: Option<Moment>,
    /// Time since which it has missed no heartbeat and has not restarted: it was never too busy to answer.
    pub steady_since: Moment,
    /// Number of tasks it runs: by its latest heartbeat, or by its latest answer if it sends none.
    pub active: u32,
    /// Number of tasks it has accepted since it started.
    pub processed: u64,
    /// Number of tasks it has accepted since it was first heard: never falls, and does not jump when a connection comes
    /// back.
    pub taken: u64,
    /// Time since which it has run nothing: no heartbeat reported a task, and none was accepted.
    pub idle_since: Option<Moment>,
    /// Its latest answer to each inspection, with the time of the question.
    pub inspections: Inspections,
    /// Its latest answer to [`Inspect::Active`] that had tasks in it: how many of its tasks are acknowledged early.
    pub acknowledging: Option<(Moment, Inspection)>,
    /// Whether it has ever answered a question.
    pub answers: bool,
    /// Whether it runs tasks in its main process, as far as it ever reported: a process of its name seldom restarts as
    /// another kind.
    pub solo: bool,
    /// Its properties ([`Inspect::Stats`]), with the time of the question.
    pub stats: Option<(Moment, Stats)>,
    /// Queues it fetches from, with the time of the question.
    pub queues: Option<(Moment, Queues)>,
    /// Time since which it has fetched from no queue: the time of the first question of those that it answered so
    /// without a break.
    pub stopped_since: Option<Moment>,
    /// Time of its latest start or connection: answers to earlier questions are void.
    pub(super) began: Moment,
}

/// Properties of a worker, as it reports them ([`Inspect::Stats`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of tasks it runs at a time.
    pub slots: Option<u32>,
    /// Number of tasks it has accepted since it started.
    pub processed: Option<u64>,
    /// Whether it runs tasks in its main process (`--pool solo`), and is silent meanwhile.
    pub solo: bool,
    /// Number of messages that it may hold unacknowledged; 0: as many as there are.
    pub prefetch: Option<u32>,
    /// Options of its application's broker transport.
    pub application: BrokerOptions,
}

impl Worker {
    /// Whether it is alive: it sent a heartbeat or an answer lately.
    pub fn is_live(&self, now: Moment) -> bool {
        let answers = self.answered.is_some_and(|at| now.saturating_sub(at) <= ANSWERS);
        self.left.is_none() && (self.beats(now) || answers)
    }

    /// Whether it sent a heartbeat lately.
    pub fn beats(&self, now: Moment) -> bool {
        let silent = SILENT.max(self.interval * MISSED);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= silent)
    }

    /// Whether its heartbeats are frequent enough to show what it runs (`--heartbeat-interval`).
    pub fn tells(&self, now: Moment) -> bool {
        self.beats(now) && self.interval <= BEATS
    }

    /// Whether its latest report is recent: it missed no heartbeat, or has answered lately.
    pub fn is_fresh(&self, now: Moment) -> bool {
        let beats = BEATS.max(self.interval * 2);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= beats)
            || self
                .inspections
                .get(&Inspect::Active)
                .is_some_and(|(at, _)| now.saturating_sub(*at) <= BEATS)
    }

    /// Time at which it was last heard, in whatever way.
    pub fn heard(&self) -> Moment {
        self.beat.max(self.answered).max(self.left).unwrap_or(Moment::ZERO)
    }

    /// Whether several workers share this name, as far as was seen lately.
    pub fn is_doubled(&self, now: Moment) -> bool {
        self.doubled.is_some_and(|at| now.saturating_sub(at) <= REMEMBERED)
    }

    /// Worker of which nothing is known.
    pub(super) fn new(at: Moment) -> Self {
        Self {
            beat: None,
            interval: Duration::ZERO,
            answered: None,
            left: None,
            since: at,
            doubled: None,
            steady_since: at,
            active: 0,
            processed: 0,
            taken: 0,
            idle_since: None,
            inspections: Inspections::default(),
            acknowledging: None,
            answers: false,
            solo: false,
            stats: None,
            queues: None,
            stopped_since: None,
            began: Moment::ZERO,
        }
    }

    /// Takes in a restart: what it held and where it fetched from is not known any more.
    pub(super) fn begin(&mut self, at: Moment) {
        self.inspections.clear();
        (self.queues, self.stopped_since, self.idle_since) = (None, None, None);
        (self.began, self.steady_since) = (at, at);
    }

    /// Takes in the number of tasks it runs, and of those it has accepted since it started, if that is known.
    pub(super) fn runs(&mut self, active: u32, processed: Option<u64>, at: Moment) {
        let processed = processed.unwrap_or(self.processed);
        let new = processed.checked_sub(self.processed).unwrap_or_else(|| {
            // A smaller number is that of a new process under the same name: answers of the old one are void.
            self.begin(at);
            processed
        });
        self.taken = self.taken.saturating_add(new);
        self.idle_since = match self.idle_since {
            _ if active > 0 => None,
            Some(since) if new == 0 => Some(since),
            _ => Some(at),
        };
        (self.active, self.processed) = (active, processed);
    }
}

/// Answer of a worker to one inspection, reduced to counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Number of tasks in the answer.
    pub tasks: u32,
    /// Number of those that are acknowledged already, hence in no queue and no key any more (early acknowledgement).
    pub acknowledged: u32,
    /// Time at which the first of them comes due, if all report one ([`Inspect::Scheduled`]).
    pub due: Option<Timestamp>,
}

/// Latest answers of a worker, by question, each with the time of the question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspections(Vec<(Inspect, (Moment, Inspection))>);

impl Inspections {
    /// Latest answer to this question.
    pub fn get(&self, method: &Inspect) -> Option<&(Moment, Inspection)> {
        let of = self.0.iter().find(|(known, _)| known == method);
        of.map(|(_, answer)| answer)
    }

    pub(super) fn get_mut(&mut self, method: Inspect) -> Option<&mut (Moment, Inspection)> {
        let of = self.0.iter_mut().find(|(known, _)| *known == method);
        of.map(|(_, answer)| answer)
    }

    pub(super) fn insert(&mut self, method: Inspect, answer: (Moment, Inspection)) {
        match self.get_mut(method) {
            Some(known) => *known = answer,
            None => self.0.push((method, answer)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
