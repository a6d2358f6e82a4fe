//! Number of a queue's ready messages that are not due, although RabbitMQ calls them all ready.
//!
//! Workers fetch tasks that are not due and keep them in memory; when the last worker stops they return to the queue.
//! While it is alive it reports how many it holds and when the first is due. From then until that time, at most that
//! many of them can be in the queue, and none of them can have run: that many of the ready messages are not due, and
//! the rest is. When the time has come nothing is assumed any more.
//!
//! Two periods need care. A worker that has just started has not fetched them yet: they still count. A worker that has
//! just gone has not returned them yet: a smaller number of ready messages then means nothing, for at most [`RETURN`].

use std::time::Duration;

use crate::model::{Delayed, DelayedTasks, KeepAlive, Moment, Now};

/// Time after which a worker that stopped has returned what it held. (Idle ones need about a second.)
const RETURN: Duration = Duration::from_secs(60);

/// Input: what a sample shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldSample {
    /// Number of ready messages.
    pub(super) ready: u64,
    /// Number of ready messages in the sample before.
    pub(super) before: u64,
    /// Whether the pool's workers are heard.
    pub(super) heard: bool,
    /// Whether any consumer fetches from the queues.
    pub(super) fetches: bool,
    /// Whether the permissions refuse questions to workers.
    pub(super) refused: bool,
}

/// Result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldCounts {
    /// Number of ready messages that are due.
    pub(super) ready: u64,
    /// Number of tasks that are not due: in the queues, in workers' memories, or on their way from one to the other.
    pub(super) scheduled: u64,
    /// Number of those that are among the unacknowledged messages, if the worker acknowledges late.
    pub(super) in_memory: u64,
    pub(super) stay: Option<KeepAlive>,
    /// State to hand on.
    pub(super) later: DelayedTasks,
}

/// Time at which messages were fetched last: only answers to later questions include them.
pub(super) fn fetched(seen: &HeldSample, last: DelayedTasks, now: Now) -> Option<Moment> {
    match seen.ready < seen.before {
        true => Some(now.moment),
        false => last.fetched,
    }
}

/// `told`: combined report of all workers, asked since the last fetch; `answered`: report of those that have answered.
pub(super) fn find(
    seen: &HeldSample,
    told: Option<(u64, Option<jiff::Timestamp>)>,
    answered: u64,
    last: DelayedTasks,
    now: Now,
) -> HeldCounts {
    let held = last.held.filter(|held| held.due > now.wall && held.tasks > 0);
    let fetched = fetched(seen, last, now);
    if !(seen.heard && seen.fetches) {
        return away(seen, held, DelayedTasks { fetched, ..last }, now);
    }
    let in_memory = told.map_or(answered, |(tasks, _)| tasks);
    let waiting = held.map_or(0, |held| held.tasks.saturating_sub(in_memory).min(seen.ready));
    let (held, stay) = match told {
        Some((tasks, due)) => {
            let old = held.filter(|_| waiting > 0).map(|held| held.due);
            let due = due.into_iter().chain(old).min();
            let tasks_there = tasks.saturating_add(waiting);
            let held = due.filter(|_| tasks_there > 0).map(|due| Delayed {
                tasks: tasks_there,
                due,
            });
            (
                held,
                told.filter(|(tasks, due)| *tasks > 0 && due.is_none())
                    .map(|_| KeepAlive::UnknownDue),
            )
        }
        None if seen.refused => (held, Some(KeepAlive::Refused)),
        None => (held, Some(KeepAlive::Unreported)),
    };
    HeldCounts {
        ready: seen.ready.saturating_sub(waiting),
        scheduled: in_memory.saturating_add(waiting),
        in_memory,
        stay,
        later: DelayedTasks {
            held,
            fetched,
            gone: None,
            settled: false,
        },
    }
}

/// Result while no consumer fetches.
fn away(seen: &HeldSample, held: Option<Delayed>, last: DelayedTasks, now: Now) -> HeldCounts {
    // A worker that was told to stop fetching keeps what it has, as long as it runs.
    let gone = (!seen.heard).then(|| last.gone.unwrap_or(now.moment));
    let back = held.is_none_or(|held| seen.ready >= held.tasks);
    let settled = last.settled || back || gone.is_some_and(|gone| now.moment.saturating_sub(gone) >= RETURN);
    let there = held.map_or(0, |held| held.tasks.min(seen.ready));
    let held = match settled {
        true => held
            .map(|held| Delayed { tasks: there, ..held })
            .filter(|held| held.tasks > 0),
        false => held,
    };
    let scheduled = held.map_or(0, |held| held.tasks);
    HeldCounts {
        ready: seen.ready.saturating_sub(there),
        scheduled,
        in_memory: scheduled.saturating_sub(there),
        stay: None,
        later: DelayedTasks {
            held,
            gone,
            settled,
            ..last
        },
    }
}

#[cfg(test)]
mod tests;
