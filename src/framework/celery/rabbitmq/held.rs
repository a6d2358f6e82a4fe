//! Which of a queue's ready messages are not due, although RabbitMQ calls them all ready.
//!
//! Workers fetch tasks that are not due and keep them in memory; when the last worker stops they return. As long as it is
//! there it says how many it holds and when the first is due. From then until that time no more of them than it said can
//! be there, and none of them can have run: so many of the ready messages are not due, and whatever is above that is. When
//! the time has come nothing is assumed any more.
//!
//! Two times need care. A worker that has just started has not fetched them yet: they still count. One that has just gone
//! has not given them back yet: that there are fewer then says nothing, for at most [`RETURN`].

use std::time::Duration;

use crate::model::{Delayed, DelayedTasks, KeepAlive, Moment, Now};

/// A worker that stopped has given back what it held after this time. (Idle ones need about a second.)
const RETURN: Duration = Duration::from_secs(60);

/// What a sample shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Ready messages.
    pub(super) ready: u64,
    /// Ready messages in the sample before.
    pub(super) before: u64,
    /// The pool's workers are heard …
    pub(super) heard: bool,
    /// … and somebody fetches from the queues.
    pub(super) fetches: bool,
    /// The permissions keep us from asking.
    pub(super) refused: bool,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Of the ready messages: due.
    pub(super) ready: u64,
    /// Tasks that are not due: in the queues, in workers' memories, or on their way from one to the other.
    pub(super) scheduled: u64,
    /// Those among them that are among the unacknowledged messages, if the worker acknowledges late.
    pub(super) in_memory: u64,
    pub(super) stay: Option<KeepAlive>,
    /// To be handed on.
    pub(super) later: DelayedTasks,
}

/// When messages were fetched last: only answers to later questions tell of them.
pub(super) fn fetched(seen: &Seen, last: DelayedTasks, now: Now) -> Option<Moment> {
    match seen.ready < seen.before {
        true => Some(now.moment),
        false => last.fetched,
    }
}

/// `told`: what the workers say, all of them, asked since the last fetch; `answered`: what those say who have answered.
pub(super) fn find(
    seen: &Seen,
    told: Option<(u64, Option<jiff::Timestamp>)>,
    answered: u64,
    last: DelayedTasks,
    now: Now,
) -> Found {
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
    Found {
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

/// Nobody fetches.
fn away(seen: &Seen, held: Option<Delayed>, last: DelayedTasks, now: Now) -> Found {
    // One that was told to fetch no more keeps what it has, for as long as it likes.
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
    Found {
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
