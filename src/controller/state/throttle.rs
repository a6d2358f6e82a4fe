//! When a status that says something new is worth a write: what people and machines wait for at once, numbers in turn.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use super::{Cx, FIRST, MOST, PoolState, backoff};
use crate::{api::Status, broker::PoolId, controller::effect::Note, kube::CallError, model::Moment};

/// A change of replicas or conditions is written at once, but not more often than this.
const URGENT: Duration = Duration::from_secs(1);
/// Changed numbers are written so long after the last write, if there is a turn for it.
const NUMBERS: Duration = Duration::from_secs(5);
/// All pools together have so many turns a second for their numbers.
const TURNS: u128 = 20;

/// The writes of the status.
#[derive(Debug, Default)]
pub struct StatusThrottle {
    /// When the last one ended.
    pub at: Option<Moment>,
    /// Failures in a row.
    pub failures: u32,
    /// When it is this pool's turn to say new numbers; `None`: it has no turn.
    pub turn: Option<Moment>,
    /// What the last one was to say, whether or not it could: its Events are told.
    pub told: Option<Status>,
}

impl StatusThrottle {
    /// How long the next one, due so long after the last, has still to wait; after failures longer.
    pub fn wait(&self, due: Duration, now: Moment, id: PoolId) -> Duration {
        let after = match self.failures.checked_sub(1) {
            None => due,
            Some(failures) => due.max(backoff(failures, FIRST, MOST, id)),
        };
        self.at.map_or(Duration::ZERO, |at| (at + after).saturating_sub(now))
    }
}

/// How urgent a new status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is none yet.
    First,
    /// Somebody may wait for it.
    Urgent,
    /// Numbers, texts and the rule only.
    Numbers,
}

impl Due {
    /// How long after the last write of the same pool it is due.
    pub fn after(self) -> Duration {
        match self {
            Self::First => Duration::ZERO,
            Self::Urgent | Self::Numbers => URGENT,
        }
    }
}

/// How urgent the new status is; `None`: it says nothing new.
pub fn due(stored: Option<&Status>, new: &Status) -> Option<Due> {
    let Some(stored) = stored else {
        return Some(Due::First);
    };
    if essence(stored) != essence(new) {
        Some(Due::Urgent)
    } else if numbers(stored) != numbers(new) {
        Some(Due::Numbers)
    } else {
        None
    }
}

/// The pools take turns in saying new numbers, so that all of them together call the API server only so often.
#[derive(Debug, Default)]
pub struct Turns {
    /// The turns that are taken, by their number.
    taken: BTreeSet<u128>,
}

impl Turns {
    /// How long a pool still waits for its turn, whose last write was then. What is urgent never waits, and the others wait
    /// for it.
    pub fn wait(&mut self, due: Due, last: Moment, turn: &mut Option<Moment>, now: Moment) -> Duration {
        if due != Due::Numbers {
            self.take(number(now)..=number(now));
            *turn = None;
            return Duration::ZERO;
        }
        let at = *turn.get_or_insert_with(|| moment(self.take(number(now)..=number(last + NUMBERS))));
        let wait = at.saturating_sub(now);
        if wait.is_zero() {
            *turn = None;
        }
        wait
    }

    /// Takes the last free turn among these, or else one within the second after them, or else the one after all that are
    /// taken.
    fn take(&mut self, wished: RangeInclusive<u128>) -> u128 {
        self.taken = self.taken.split_off(wished.start());
        let (first, last) = wished.into_inner();
        let last = last.max(first);
        let free = |at: &u128| !self.taken.contains(at);
        // Where thousands wait the first gap is not looked for: that would cost more than it is worth.
        let soon = || (last..last + TURNS).find(free);
        let after_all = || self.taken.last().map_or(last, |taken| last.max(taken + 1));
        let at = (first..=last).rev().find(free).or_else(soon).unwrap_or_else(after_all);
        self.taken.insert(at);
        at
    }
}

/// The turn at this moment.
fn number(at: Moment) -> u128 {
    (at.as_millis() * TURNS).div_ceil(1000)
}

/// When a turn is.
fn moment(number: u128) -> Moment {
    Duration::from_millis(u64::try_from(number * 1000 / TURNS).unwrap_or(u64::MAX))
}

/// What people and machines wait for. Not the rule: under a steady load rules take turns, and where that means something a
/// number or a condition changes, too.
fn essence(status: &Status) -> impl PartialEq {
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| (condition.kind.clone(), condition.status, condition.reason.clone()))
        .collect();
    (
        status.observed_generation,
        status.replicas,
        status.desired_replicas,
        status.last_scale.clone(),
        conditions,
    )
}

/// All but the time of the sample.
fn numbers(status: &Status) -> Status {
    let mut status = status.clone();
    if let Some(work) = &mut status.work {
        work.sampled_at = None;
    }
    status
}

impl PoolState {
    pub(super) fn published(&mut self, result: Result<Box<Status>, CallError>, cx: &mut Cx) {
        self.tasks.publishing = false;
        self.throttle.at = Some(cx.now.moment);
        match result {
            Ok(status) => {
                self.stored = Some(*status);
                self.throttle.failures = 0;
                self.note(Note::StatusWritten, cx);
            }
            // The watch says soon what became of it.
            Err(why) if why.is_not_found() || why.is_conflict() => {}
            Err(why) => {
                self.throttle.failures = self.throttle.failures.saturating_add(1);
                self.note(Note::StatusFailed(why), cx);
            }
        }
    }
}

#[cfg(test)]
mod tests;
