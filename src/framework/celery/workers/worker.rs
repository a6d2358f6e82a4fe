//! One worker process: what it said of itself last, and how old that is.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use super::REMEMBERED;
use crate::framework::celery::ask::Inspect;
use crate::{
    framework::celery::BrokerOptions,
    model::{Moment, Queues},
};

/// A worker that beats as usual and has not been heard for this long is not counted any more (Celery beats every 2 s).
const SILENT: Duration = Duration::from_secs(12);

/// A worker that beats as usual and did so this long ago missed a beat at least: what it said may be old.
pub(super) const BEATS: Duration = Duration::from_secs(5);

/// So many beats may fail to come before a worker with a longer interval (`--heartbeat-interval`) is not counted any more.
const MISSED: u32 = 3;

/// A longer interval between two beats is a forgery or a mistake.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(300);

/// A worker that does not beat is there for so long after a question that it answered.
const ANSWERS: Duration = Duration::from_secs(15);

/// One worker process's last words.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// When its last heartbeat came; `None`: it does not beat, and is known by its answers alone.
    pub beat: Option<Moment>,
    /// How often it says that it beats.
    pub(super) interval: Duration,
    /// The latest question that it answered: when it was asked.
    pub answered: Option<Moment>,
    /// When it said goodbye, unless it was heard since.
    pub left: Option<Moment>,
    /// Since when somebody of its name has been known.
    pub since: Moment,
    /// Two answers to one question came under this name, last to the one asked then: several workers share it.
    pub doubled: Option<Moment>,
    /// Since when it has missed no beat and has not begun anew: it was not so busy that it could not speak.
    pub steady_since: Moment,
    /// Tasks it runs: by its last beat, or by its last answer if it does not beat.
    pub active: u32,
    /// Tasks it has taken on since it started.
    pub processed: u64,
    /// Tasks it has taken on since it was heard first: never falls, and does not jump when a lost voice comes back.
    pub taken: u64,
    /// Since when it has run nothing: no beat told of a task, and none was taken on.
    pub idle_since: Option<Moment>,
    /// Its last answer to each inspection, with the time of the question.
    pub inspections: Inspections,
    /// Its last answer to [`Inspect::Active`] that had tasks in it: how many of its tasks are acknowledged early.
    pub acknowledging: Option<(Moment, Inspection)>,
    /// It has ever answered a question.
    pub answers: bool,
    /// It runs tasks itself, as far as it ever said: a process of its name seldom begins as another kind.
    pub solo: bool,
    /// What it said of itself ([`Inspect::Stats`]), and when.
    pub stats: Option<(Moment, Stats)>,
    /// The queues it fetches from, and when it was asked for them.
    pub queues: Option<(Moment, Queues)>,
    /// Since when it has fetched from no queue: the time of the first of the questions it answered so without a break.
    pub stopped_since: Option<Moment>,
    /// What it answered to earlier questions is void: it began anew since, or connected to the broker again.
    pub(super) began: Moment,
}

/// What a worker says of itself ([`Inspect::Stats`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tasks it runs at a time.
    pub slots: Option<u32>,
    /// Tasks it has taken on since it started.
    pub processed: Option<u64>,
    /// It runs tasks itself (`--pool solo`), and says nothing meanwhile.
    pub solo: bool,
    /// How its application uses the broker.
    pub application: BrokerOptions,
}

impl Worker {
    /// It is there: it beat lately, or answered lately.
    pub fn is_live(&self, now: Moment) -> bool {
        let answers = self.answered.is_some_and(|at| now.saturating_sub(at) <= ANSWERS);
        self.left.is_none() && (self.beats(now) || answers)
    }

    /// It beat lately.
    pub fn beats(&self, now: Moment) -> bool {
        let silent = SILENT.max(self.interval * MISSED);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= silent)
    }

    /// It beats often enough to say by that what it runs (`--heartbeat-interval`).
    pub fn tells(&self, now: Moment) -> bool {
        self.beats(now) && self.interval <= BEATS
    }

    /// What it said last is not old: it missed no beat, or has answered as lately.
    pub fn is_fresh(&self, now: Moment) -> bool {
        let beats = BEATS.max(self.interval * 2);
        self.beat.is_some_and(|at| now.saturating_sub(at) <= beats)
            || self
                .inspections
                .get(&Inspect::Active)
                .is_some_and(|(at, _)| now.saturating_sub(*at) <= BEATS)
    }

    /// When it was heard last, in whatever way.
    pub fn heard(&self) -> Moment {
        self.beat.max(self.answered).max(self.left).unwrap_or(Moment::ZERO)
    }

    /// Several workers go by this name, as far as was seen lately.
    pub fn is_doubled(&self, now: Moment) -> bool {
        self.doubled.is_some_and(|at| now.saturating_sub(at) <= REMEMBERED)
    }

    /// One of whom nothing is known.
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

    /// It begins anew: what it held and where it fetched from is not known any more.
    pub(super) fn begin(&mut self, at: Moment) {
        self.inspections.clear();
        (self.queues, self.stopped_since) = (None, None);
        (self.began, self.steady_since) = (at, at);
    }

    /// It runs so many tasks, and has taken on so many since it started, as far as that is told.
    pub(super) fn runs(&mut self, active: u32, processed: Option<u64>, at: Moment) {
        let processed = processed.unwrap_or(self.processed);
        let new = processed.checked_sub(self.processed).unwrap_or_else(|| {
            // A smaller number is that of a new process under the same name: what the old one answered is void.
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

/// A worker's answer to one inspection, reduced to counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Tasks in the answer.
    pub tasks: u32,
    /// Of those: acknowledged already, hence in no queue and no key any more (early acknowledgement).
    pub acknowledged: u32,
    /// When the first of them comes due, if all say so ([`Inspect::Scheduled`]).
    pub due: Option<Timestamp>,
}

/// A worker's last answers, by question, each with the time of the question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspections(Vec<(Inspect, (Moment, Inspection))>);

impl Inspections {
    /// The last answer to this question.
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

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
