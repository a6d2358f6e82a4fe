//! Service time: how long a task takes, by Little's law (busy slot-seconds for each finished task); no saturation
//! needed.
//!
//! Two things disturb it. Tasks may take ten times as long from one minute to the next: then what was learned before is
//! forgotten as soon as the last minutes surely differ. And tasks that come and go between two counts are never seen to
//! run, as long as they come in step with the counts: they are shorter than the time between two counts, but no more is
//! known, so they teach little.
#![deny(clippy::disallowed_methods)]
use std::collections::VecDeque;

/// Seconds of work after which half of what is known is forgotten, …
const HALF_LIFE: f64 = 600.0;
/// … and number of tasks before that at the soonest. A night without work is no reason to forget.
const TASKS: f64 = 50.0;
/// Number of tasks that the user's hint weighs as much as at first; once that many have finished, half of it, and so
/// on.
const HINT_WEIGHT: f64 = 20.0;
/// Guess before the first task has finished, in seconds; it weighs as much as one task.
const GUESS: f64 = 10.0;
/// Shortest service time, in seconds.
const SHORTEST: f64 = 0.001;
/// Share of one slot that tasks which no count saw may have kept busy. More would have been seen now and then.
const UNSEEN: f64 = 1.0 / 3.0;
/// Length of a stretch in seconds, …
const STRETCH: f64 = 5.0;
/// … and number of stretches that are kept: the last minutes.
const STRETCHES: usize = 60;
/// Number of standard deviations of a Poisson count from which a difference is a change, with allowance for tasks of
/// very different lengths, …
const SURE: f64 = 5.0;
/// … if tasks take this many times as long, or as short.
const RATIO: f64 = 2.0;

/// Knowledge of how long a task takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Service {
    /// Number of slot-seconds and of finished tasks, both forgotten alike.
    busy: f64,
    done: f64,
    /// Number of tasks finished since the start or the last change, nothing forgotten.
    ever: f64,
    /// Service time that was found at the last change: it counts instead of the user's hint.
    found: Option<f64>,
    /// The last minutes, oldest first.
    recent: VecDeque<Stretch>,
}

/// Number of slot-seconds and of tasks finished in some seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    seconds: f64,
    busy: f64,
    done: f64,
    /// Number of tasks that ran when the stretch began.
    running: f64,
}

/// Work done between two counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// Number of slot-seconds, as far as tasks were seen to run.
    pub(crate) busy: f64,
    /// Number of tasks finished.
    pub(crate) finished: f64,
    /// Number of tasks that ran at the first count, and at the second.
    pub(crate) running: (f64, f64),
    /// Seconds between the two counts.
    pub(crate) seconds: f64,
    /// Seconds since the last count that was not passed on, because it contained nothing new: what is new came after
    /// that.
    pub(crate) gap: f64,
    /// Whether the workers count what they take on; else what finished is a guess.
    pub(crate) counted: bool,
}

impl Service {
    /// Takes in the work done between two counts.
    pub(crate) fn take(&mut self, served: &Served, hint: Option<f64>) {
        let running = if served.counted { served.running.1 } else { 0.0 };
        let known = self.seconds(hint, running);
        let unseen = (served.finished * known).min(UNSEEN * served.gap);
        let busy = served.busy.max(unseen);
        let within = HALF_LIFE * busy / served.seconds / known;
        let half_lives = served.finished / within.max(TASKS);
        let kept = (-half_lives * std::f64::consts::LN_2).exp();
        self.busy = self.busy * kept + busy;
        self.done = self.done * kept + served.finished;
        self.ever += served.finished;
        if served.counted {
            self.note(&Served { busy, ..*served });
            self.forget(known, running);
        }
    }

    /// Seconds a task takes; `running`: number of tasks that run now. Of the first tasks all are under way before one
    /// finishes: they count as half done.
    pub(crate) fn seconds(&self, hint: Option<f64>, running: f64) -> f64 {
        let (prior, weight) = match (self.found, hint) {
            (Some(found), _) => (found, 1.0),
            (None, Some(hint)) => (hint, HINT_WEIGHT),
            (None, None) => (GUESS, 1.0),
        };
        let weight = weight * weight / (weight + self.ever);
        let first = running * running / (running + self.ever).max(1.0) / 2.0;
        ((prior * weight + self.busy) / (weight + self.done + first)).max(SHORTEST)
    }

    /// Begins with what another process learned; that weighs as much as a user's hint.
    pub(crate) fn remember(&mut self, task: f64) {
        (self.busy, self.done) = (task.max(SHORTEST) * HINT_WEIGHT, HINT_WEIGHT);
    }

    /// Number of tasks that it was learned from, recent ones with more weight.
    pub(crate) fn learned_from(&self) -> f64 {
        self.done
    }

    fn note(&mut self, served: &Served) {
        match self.recent.back_mut().filter(|last| last.seconds < STRETCH) {
            Some(last) => {
                last.seconds += served.seconds;
                last.busy += served.busy;
                last.done += served.finished;
            }
            None => self.recent.push_back(Stretch {
                seconds: served.seconds,
                busy: served.busy,
                done: served.finished,
                running: served.running.0,
            }),
        }
        if self.recent.len() > STRETCHES {
            self.recent.pop_front();
        }
    }

    /// Forgets everything before the shortest recent stretch that surely differs. A task that runs now may have been
    /// counted busy for its whole length without having finished; one that ran when the stretch began, the reverse.
    fn forget(&mut self, known: f64, running: f64) {
        let (mut busy, mut done) = (0.0, 0.0);
        for (n, stretch) in self.recent.iter().enumerate().rev() {
            busy += stretch.busy;
            done += stretch.done;
            let expected = busy / known;
            let spread = SURE * expected.max(done).max(1.0).sqrt();
            let found = busy / (done + running / 2.0).max(1.0);
            let longer = expected - running - done > spread && found > RATIO * known;
            let shorter = done - stretch.running - expected > spread && found * RATIO < known;
            if longer || shorter {
                self.recent.drain(..n);
                (self.busy, self.done, self.ever) = (busy.max(found), done.max(1.0), done);
                self.found = Some(found.max(SHORTEST));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
