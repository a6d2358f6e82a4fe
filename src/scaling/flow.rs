//! Flow of tasks: how many have arrived by when, how many have started, and how long one takes.
//!
//! *A* is the number of tasks that have arrived and *B* the number that have started: *B* is what the workers report to
//! have taken on, *A* = *B* + the tasks that wait. The time at which *A* reached the present *B* is when the next task
//! to start arrived. How long a task takes: see [`super::service`].
#![deny(clippy::disallowed_methods)]
use super::{
    Counted, Moment, Work,
    attainment::{Attainment, StartedTasks},
    service::{Served, Service},
};
use std::{collections::VecDeque, time::Duration};

/// Number of steps of the arrival curve that are kept.
const STEPS: usize = 192;
/// Length of a bin in which arrivals are counted for rates, in seconds.
pub(crate) const BIN: f64 = 10.0;
/// Number of bins that are kept: an hour.
const BINS: usize = 360;
/// The workers hang if nothing has finished for this number of service times, …
const HANGS: f64 = 5.0;
/// … and for at least this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Duration for which the arrival curve may stand above the count before tasks are taken to have been purged. Workers
/// report what they took one heartbeat later than the broker does, …
const PURGED_AFTER: Duration = Duration::from_secs(10);
/// … and those without heartbeats when they are asked, every 20 s.
const PURGED_AFTER_ASKING: Duration = Duration::from_secs(45);

/// Arrivals, starts and service time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    last: Option<Sample>,
    /// Number of tasks that have started.
    started: f64,
    /// Number of tasks that have arrived; it falls where tasks are purged.
    arrived: f64,
    /// Number of tasks that have arrived since the first count; it never falls. `None`: there was no second one yet.
    newcomers: Option<f64>,
    /// Curve of arrivals, oldest first: number of arrived tasks by that time. Straight in between.
    curve: VecDeque<CurvePoint>,
    /// Time since which the curve has stood above the count.
    above_since: Option<Moment>,
    bins: VecDeque<f32>,
    /// Start of the bin that is not over yet, and its arrivals.
    open: (Moment, f64),
    /// Service time of a task.
    service: Service,
    /// Time when a task finished last, and the service time then.
    finished: Option<(Moment, f64)>,
    /// Tasks that started recently.
    pub(crate) attainment: Attainment,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct CurvePoint {
    at: Moment,
    arrived: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: Moment,
    waiting: f64,
    /// Number of waiting tasks that a worker has fetched, as far as the workers report it.
    fetched: f64,
    running: f64,
    taken: Option<u64>,
}

/// One count of the tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskCount<'a> {
    pub(crate) work: &'a Work,
    /// Number of tasks in a slot now.
    pub(crate) running: u64,
    /// Whether the workers report which tasks those are; else any worker that has fetched the others may be free to
    /// start them.
    pub(crate) heard: bool,
    /// Number of tasks that the workers have taken on; it may fall when one leaves. `None`: they do not count.
    pub(crate) taken: Option<u64>,
    /// Whether all of them report that every few seconds.
    pub(crate) often: bool,
    /// Time when the oldest ready task arrived, where the task carries it.
    pub(crate) head: Option<Moment>,
    /// Whether some worker runs less than it could.
    pub(crate) idle: bool,
    pub(crate) counted: Counted,
}

/// Number of tasks that wait: ready ones, and those that a worker has fetched and does not run.
pub(crate) fn waiting(work: &Work, running: u64) -> u64 {
    work.ready.saturating_add(work.in_flight.saturating_sub(running))
}

impl Flow {
    /// Takes in a count. `hint`: seconds a task takes, as the user says. `target`: seconds that tasks may wait.
    pub(crate) fn take(&mut self, count: &TaskCount, hint: Option<f64>, target: f64) {
        let TaskCount {
            work,
            running,
            heard,
            taken,
            often,
            head,
            idle,
            counted,
        } = *count;
        let keep = Duration::from_secs_f64((target * 1.5).clamp(30.0, 86_400.0));
        let now = counted.at;
        let sample = Sample {
            at: now,
            waiting: waiting(work, running) as f64,
            fetched: if heard {
                work.in_flight.saturating_sub(running) as f64
            } else {
                0.0
            },
            running: running as f64,
            taken,
        };
        let Some(before) = self.last else {
            self.last = Some(sample);
            (self.started, self.arrived) = (0.0, sample.waiting);
            self.open.0 = now;
            self.step(now, sample.waiting);
            return;
        };
        if now <= before.at {
            return;
        }
        self.last = Some(sample);
        // Counts that were not passed on were the same as the one before.
        let since = counted.before.unwrap_or(before.at).clamp(before.at, now);
        let seconds = (now - before.at).as_secs_f64();
        let busy = before.running * (since - before.at).as_secs_f64()
            + (before.running + sample.running) / 2.0 * (now - since).as_secs_f64();
        // A counter that fell says nothing about what was started since.
        let reported = before
            .taken
            .zip(taken)
            .and_then(|(before, now)| now.checked_sub(before));
        let usual = busy / self.service(hint);
        let started = match reported {
            Some(tasks) => tasks as f64,
            None => self.passed(sample.waiting - work.ready as f64, head, usual),
        };
        let finished = started + before.running - sample.running;
        // Where neither the workers count nor a task says its age nothing can be learned.
        if reported.is_some() || head.is_some() {
            let served = Served {
                busy,
                finished: finished.max(0.0),
                running: (before.running, sample.running),
                seconds,
                gap: (now - since).as_secs_f64(),
                counted: reported.is_some(),
            };
            self.service.take(&served, hint);
        }
        if finished > 0.0 || sample.running <= 0.0 {
            self.finished = Some((now, self.service(hint)));
        }
        self.started += started;
        let start = StartedTasks {
            tasks: started,
            late: self.oldest_wait(since).as_secs_f64() > target,
            held: work.ready == 0 && idle,
        };
        self.attainment.take(start, seconds);
        let patience = if often { PURGED_AFTER } else { PURGED_AFTER_ASKING };
        self.arrive(&sample, (before.at, since), (keep, patience));
    }

    /// Whether there was no count yet.
    pub(crate) fn is_new(&self) -> bool {
        self.last.is_none()
    }

    /// Shifts the first count back: the oldest of the tasks that waited then had already waited for this time. The
    /// others are taken to be as old, as in a burst; where no task carries its age, all of them might be late already.
    pub(crate) fn began_earlier(&mut self, by: Duration) {
        if let Some(first) = self.curve.front_mut().filter(|_| !by.is_zero()) {
            first.at = first.at.saturating_sub(by);
            let before = CurvePoint { arrived: 0.0, ..*first };
            self.curve.push_front(before);
        }
    }

    /// Number of tasks started since the last count, where the workers do not count: when the oldest ready task
    /// arrived, *A* was what *B* is now, plus what has been fetched and does not run. `usual`: number by the service
    /// time; where a task is passed over, by priority, half of that are started nevertheless.
    fn passed(&self, fetched: f64, head: Option<Moment>, usual: f64) -> f64 {
        match head {
            Some(head) => (self.arrived_by(head) - fetched - self.started).max(usual / 2.0),
            None => usual,
        }
    }

    /// Seconds a task takes.
    pub(crate) fn service(&self, hint: Option<f64>) -> f64 {
        let counted = self.last.filter(|last| last.taken.is_some());
        self.service.seconds(hint, counted.map_or(0.0, |last| last.running))
    }

    /// Begins with what another process learned.
    pub(crate) fn remember(&mut self, task: f64) {
        self.service.remember(task);
    }

    /// Whether the workers hang: tasks run and wait, and none has finished for far longer than one takes.
    pub(crate) fn hangs(&self, now: Moment) -> bool {
        let Some((at, service)) = self.finished else {
            return false;
        };
        let patience = Duration::try_from_secs_f64(service * HANGS)
            .unwrap_or(Duration::MAX)
            .max(PATIENCE);
        self.waiting() > 0.0 && self.running() > 0.0 && now.saturating_sub(at) > patience
    }

    /// Number of tasks that the service time was learned from, recent ones with more weight.
    pub(crate) fn learned_from(&self) -> f64 {
        self.service.learned_from()
    }

    /// Takes in arrivals. `before`: time of the last count that was passed on; the new tasks came after `since`. `patience`: how long
    /// tasks may have gone without having started before they are taken to have been purged.
    fn arrive(&mut self, sample: &Sample, (before, since): (Moment, Moment), (keep, patience): (Duration, Duration)) {
        let now = sample.at;
        let level = self.started + sample.waiting;
        let new = level - self.arrived;
        self.newcomers = Some(self.newcomers.unwrap_or(0.0) + new.max(0.0));
        self.bin(0.0, before, since);
        self.bin(new.max(0.0), since, now);
        if new > 0.0 {
            // These tasks arrived since the last count, not since the last arrival.
            if self.curve.back().is_some_and(|last| last.at < since) {
                self.step(since, self.arrived);
            }
            self.arrived = level;
            self.step(now, level);
        }
        self.above_since = (new < 0.0).then(|| self.above_since.unwrap_or(now));
        if self
            .above_since
            .is_some_and(|since| now.saturating_sub(since) >= patience)
        {
            self.lower(-new);
        }
        while self
            .curve
            .get(1)
            .is_some_and(|second| now.saturating_sub(second.at) > keep)
        {
            self.curve.pop_front();
        }
        if self.curve.len() > STEPS {
            self.merge();
        }
    }

    /// Takes tasks out that have gone without having started: they count as never arrived.
    fn lower(&mut self, gone: f64) {
        self.arrived -= gone;
        for step in &mut self.curve {
            step.arrived = step.arrived.min(self.arrived);
        }
        self.above_since = None;
    }

    fn step(&mut self, at: Moment, arrived: f64) {
        self.curve.push_back(CurvePoint { at, arrived });
    }

    /// Removes the step that is nearest to the line through its neighbours in time.
    fn merge(&mut self) {
        let spans = self.curve.iter().zip(self.curve.iter().skip(2));
        let closest = spans
            .map(|(before, after)| after.at.saturating_sub(before.at))
            .enumerate()
            .min_by_key(|(_, span)| *span);
        if let Some((before, _)) = closest {
            self.curve.remove(before + 1);
        }
    }

    /// Puts arrivals into bins, spread evenly between two moments.
    fn bin(&mut self, arrived: f64, since: Moment, now: Moment) {
        let span = (now.saturating_sub(since)).as_secs_f64();
        let width = Duration::from_secs_f64(BIN);
        let rate = if span > 0.0 { arrived / span } else { 0.0 };
        let mut from = since;
        // After a long gap only the last bins matter.
        let longest = width.saturating_mul(BINS as u32 + 1);
        if now.saturating_sub(self.open.0) > longest {
            from = now.saturating_sub(longest);
            self.open = (from, 0.0);
        }
        loop {
            let end = self.open.0.saturating_add(width);
            let until = end.min(now);
            self.open.1 += rate * until.saturating_sub(from).as_secs_f64();
            // The second: the end of time.
            if end > now || end == self.open.0 {
                return;
            }
            self.bins.push_back(self.open.1 as f32);
            if self.bins.len() > BINS {
                self.bins.pop_front();
            }
            (self.open, from) = ((end, 0.0), end);
        }
    }

    /// Number of arrivals in each of the last full bins, newest first.
    pub(crate) fn bins(&self) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.bins.iter().rev().map(|bin| f64::from(*bin))
    }

    /// Number of tasks that have arrived since the first count, those that were purged later among them; `None`: there
    /// was no second count yet.
    pub(crate) fn newcomers(&self) -> Option<f64> {
        self.newcomers
    }

    /// Number of tasks that have started.
    pub(crate) fn started(&self) -> f64 {
        self.arrived - self.waiting()
    }

    /// Number of tasks that wait now.
    pub(crate) fn waiting(&self) -> f64 {
        self.last.map_or(0.0, |last| last.waiting)
    }

    /// Number of waiting tasks that only the worker that has fetched them can start.
    pub(crate) fn fetched(&self) -> f64 {
        self.last.map_or(0.0, |last| last.fetched)
    }

    /// Number of tasks in a slot now.
    pub(crate) fn running(&self) -> f64 {
        self.last.map_or(0.0, |last| last.running)
    }

    /// Number of tasks that had arrived by a moment.
    pub(crate) fn arrived_by(&self, at: Moment) -> f64 {
        let after = self.curve.partition_point(|step| step.at <= at);
        let before = after.checked_sub(1).and_then(|n| self.curve.get(n));
        match (before, self.curve.get(after)) {
            (Some(a), Some(b)) => {
                let share = (at - a.at).as_secs_f64() / (b.at - a.at).as_secs_f64();
                a.arrived + (b.arrived - a.arrived) * share
            }
            (Some(last), None) => last.arrived,
            (None, first) => first.map_or(0.0, |first| first.arrived),
        }
    }

    /// Time that the next task to start has waited; 0 if none waits.
    pub(crate) fn oldest_wait(&self, now: Moment) -> Duration {
        let started = self.started();
        if self.waiting() <= 0.0 {
            return Duration::ZERO;
        }
        let after = self.curve.partition_point(|step| step.arrived <= started);
        let arrival = match (
            after.checked_sub(1).and_then(|n| self.curve.get(n)),
            self.curve.get(after),
        ) {
            (Some(a), Some(b)) => {
                let share = (started - a.arrived) / (b.arrived - a.arrived);
                let span = b.at - a.at;
                let part = Duration::try_from_secs_f64(span.as_secs_f64() * share).unwrap_or(span);
                a.at + part.min(span)
            }
            (Some(step), None) | (None, Some(step)) => step.at,
            (None, None) => now,
        };
        now.saturating_sub(arrival)
    }
}

#[cfg(test)]
mod tests;
