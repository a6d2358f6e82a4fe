//! Throttle for writes of the status: what people and machines wait for is written at once, numbers in turn.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use super::{Cx, FIRST, MOST, PoolState, scattered};
use crate::{
    api::Status,
    broker::PoolId,
    controller::effect::Note,
    kube::CallError,
    model::{Backoff, Moment},
};

/// Shortest time between two writes for changes of replicas or conditions.
const URGENT: Duration = Duration::from_secs(1);
/// Time after the last write at which changed numbers are written, if there is a turn for it.
const NUMBERS: Duration = Duration::from_secs(5);
/// Number of turns per second that all pools together have for their numbers.
const TURNS: u128 = 20;

/// Writes of the status.
#[derive(Debug, Default)]
pub struct StatusThrottle {
    /// End of the latest write.
    pub at: Option<Moment>,
    /// Pause after failures.
    pub backoff: Backoff,
    /// This pool's turn to write new numbers; `None`: it has no turn.
    pub turn: Option<Moment>,
    /// Status that the latest write had, whether or not it succeeded: its Events are published.
    pub told: Option<Status>,
}

impl StatusThrottle {
    /// Time until the next write, which is due `due` after the last; longer after failures.
    pub fn wait(&self, due: Duration, now: Moment, id: PoolId) -> Duration {
        let after = due.max(scattered(self.backoff.pause(), id));
        self.at.map_or(Duration::ZERO, |at| (at + after).saturating_sub(now))
    }
}

/// Urgency of a new status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is no status yet.
    First,
    /// Somebody may wait for it.
    Urgent,
    /// Only numbers, texts and the rule have changed.
    Numbers,
}

impl Due {
    /// Time after the last write of the same pool at which it is due.
    pub fn after(self) -> Duration {
        match self {
            Self::First => Duration::ZERO,
            Self::Urgent | Self::Numbers => URGENT,
        }
    }
}

/// Urgency of the new status; `None`: nothing has changed.
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

/// Turns of the pools at writing new numbers, so that all of them together call the API server at a bounded rate.
#[derive(Debug, Default)]
pub struct Turns {
    /// Turns that are taken, by number.
    taken: BTreeSet<u128>,
}

impl Turns {
    /// Time until the turn of a pool with this last write. Urgent writes never wait for a turn, and take precedence.
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

    /// Takes the last free turn among these, or else one within the second after them, or else the one after all that
    /// are taken.
    fn take(&mut self, wished: RangeInclusive<u128>) -> u128 {
        self.taken = self.taken.split_off(wished.start());
        let (first, last) = wished.into_inner();
        let last = last.max(first);
        let free = |at: &u128| !self.taken.contains(at);
        // With thousands of waiting pools the first gap is not looked for: that would cost more than it is worth.
        let soon = || (last..last + TURNS).find(free);
        let after_all = || self.taken.last().map_or(last, |taken| last.max(taken + 1));
        let at = (first..=last).rev().find(free).or_else(soon).unwrap_or_else(after_all);
        self.taken.insert(at);
        at
    }
}

/// Number of the turn at this moment.
fn number(at: Moment) -> u128 {
    (at.as_millis() * TURNS).div_ceil(1000)
}

/// Moment of a turn.
fn moment(number: u128) -> Moment {
    Duration::from_millis(u64::try_from(number * 1000 / TURNS).unwrap_or(u64::MAX))
}

/// Parts that people and machines wait for. The rule is left out: under a steady load rules alternate, and if that
/// matters, a number or a condition changes, too.
fn essence(status: &Status) -> impl PartialEq {
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| (condition.kind.clone(), condition.status, condition.reason.clone()))
        .collect();
    let names: Vec<_> = status.queues.iter().map(|queue| queue.name.clone()).collect();
    (
        status.observed_generation,
        status.replicas,
        status.desired_replicas,
        status.last_scale.clone(),
        // A process that begins anew may have nothing else to know them from.
        names,
        conditions,
    )
}

/// Everything but the time of the sample.
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
                self.throttle.backoff.succeeded();
                self.note(Note::StatusWritten, cx);
            }
            // The watch soon shows the reason.
            Err(why) if why.is_not_found() || why.is_conflict() => {}
            Err(why) => {
                self.throttle.backoff.failed(FIRST, MOST);
                self.note(Note::StatusFailed(why), cx);
            }
        }
    }
}

#[cfg(test)]
mod tests;
