//! How long a task takes: Little's law, busy slot-seconds for each task finished; no saturation needed.
//!
//! Two things spoil it. Tasks may take ten times as long from one minute to the next: then what was learned before is
//! forgotten as soon as the last minutes surely say something else. And what comes and goes between two counts is never
//! seen to run, for as long as it comes in step with the counts: such tasks are shorter than the time between two counts,
//! but no more is known, so they teach little.
#![deny(clippy::disallowed_methods)]
use std::collections::VecDeque;

/// Half of what is known is forgotten after so many seconds of work, …
const HALF_LIFE: f64 = 600.0;
/// … and after so many tasks at the soonest. A night without work is no reason to forget.
const TASKS: f64 = 50.0;
/// How many tasks the user's hint weighs as much as at first; once so many have finished, half of that, and so on.
const HINT_WEIGHT: f64 = 20.0;
/// The guess before the first task has finished, in seconds; it weighs as much as one task.
const GUESS: f64 = 10.0;
/// No task is taken to be shorter, in seconds.
const SHORTEST: f64 = 0.001;
/// Tasks that nobody saw may have kept this share of one slot busy. More would have been seen now and then.
const UNSEEN: f64 = 1.0 / 3.0;
/// The last minutes are kept in stretches of so many seconds, …
const STRETCH: f64 = 5.0;
/// … so many of them.
const STRETCHES: usize = 60;
/// A difference of so many standard deviations of a Poisson count is a change, tasks of very different lengths reckoned in, …
const SURE: f64 = 5.0;
/// … if they take so many times as long, or as short.
const RATIO: f64 = 2.0;

/// What is known of how long a task takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Service {
    /// Slot-seconds and tasks finished, both forgotten alike.
    busy: f64,
    done: f64,
    /// Tasks finished since the start or the last change, nothing forgotten.
    ever: f64,
    /// What a task was found to take at the last change: it counts instead of the user's hint.
    found: Option<f64>,
    /// The last minutes, oldest first.
    recent: VecDeque<Stretch>,
}

/// So many slot-seconds and tasks finished in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    seconds: f64,
    busy: f64,
    done: f64,
    /// Tasks that ran when it began.
    running: f64,
}

/// What happened between two counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// Slot-seconds, as far as tasks were seen to run.
    pub(crate) busy: f64,
    /// Tasks finished.
    pub(crate) finished: f64,
    /// Tasks that ran at the first count, and at the second.
    pub(crate) running: (f64, f64),
    /// Seconds in between.
    pub(crate) seconds: f64,
    /// Seconds since the last count that was not passed on, because it said nothing new: what is new came after that.
    pub(crate) gap: f64,
    /// The workers count what they take on; else what finished is a guess.
    pub(crate) counted: bool,
}

impl Service {
    /// Learns.
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

    /// Seconds a task takes, where so many run. Of the first tasks all are under way before one finishes: they count as
    /// half done.
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

    /// Tasks that it was learned from, recent ones more.
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

    /// Forgets what was before the shortest stretch of late that surely says something else. A task that runs now may have
    /// been counted busy for its whole length without having finished; one that ran when the stretch began, the reverse.
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
