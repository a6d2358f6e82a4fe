//! Celery on RabbitMQ.
//!
//! * *ready* = Σ of the queues' ready messages by passive declare (the freshest source), by the management API only
//!   where the user may not declare.
//! * *in flight*, with the management API: Σ unacknowledged − ETA tasks that workers hold in memory (late
//!   acknowledgement keeps those in their queue's unacknowledged messages) + running tasks acknowledged already.
//!   Without it: running tasks (heartbeats) + prefetched ones (remote control `reserved`, which lists neither running
//!   nor ETA tasks).
//! * *scheduled* = ETA tasks in the workers' memory (remote control `scheduled`). When the worker stops they return to
//!   their queue as ready messages: [`held`] remembers how many and when they come due. Where that cannot be known one
//!   worker stays for them. Quorum queues with native delayed delivery need none of this: their tasks become ready by
//!   themselves.

mod held;

use std::time::Duration;

use held::HeldSample;

use super::{CeleryConfig, asking::Asking, own::Own};
use crate::framework::celery::ask::{Ask, Inspect};
use crate::model::{DelayedTasks, Moment, Now, Query, QueueTally, Reply, SampleError, Tally, Work};

/// Shortest time after which a worker that answered is asked again.
const PACE: Duration = Duration::from_secs(2);

/// Queries for depth and totals queue by queue, then remote control if there are workers to ask.
pub(super) fn reads(
    config: &CeleryConfig,
    management: bool,
    own: &Own,
    last: Option<&Tally>,
    asking: &mut Asking,
    now: Now,
) -> Vec<Ask> {
    let queues = config.queues.iter().flat_map(|queue| {
        let totals = management.then(|| Ask::Read(Query::QueueTotals { queue: queue.clone() }));
        [Ask::Read(Query::QueueDepth { queue: queue.clone() })]
            .into_iter()
            .chain(totals)
    });
    let mut reads: Vec<_> = queues.collect();
    let all = own.all_live();
    // ETA tasks may be held by a worker that runs nothing: the question is asked while there is one.
    reads.extend(asking.ask(config, Inspect::Scheduled, &all, PACE, now));
    if !management || last.is_some_and(|tally| tally.degraded.is_some()) {
        reads.extend(asking.ask(config, Inspect::Reserved, &all, PACE, now));
    }
    if management {
        reads.extend(asking.ask(config, Inspect::Active, &own.acknowledging_unclear(last), PACE, now));
    }
    reads
}

/// Adds up the replies.
pub(super) fn tally(
    config: &CeleryConfig,
    reads: &[Ask],
    replies: &[Result<Reply, SampleError>],
    own: &Own,
    last: Last,
    now: Now,
) -> Result<Tally, SampleError> {
    let answer = |wanted: &Ask| {
        let n = reads.iter().position(|read| read == wanted)?;
        Some(replies.get(n).cloned().unwrap_or(Err(SampleError::NotYet)))
    };
    let mut queues = Vec::with_capacity(config.queues.len());
    let mut unacked = Some(0_u64);
    let mut degraded = None;
    let mut fetches = false;
    for queue in &config.queues {
        let totals = answer(&Ask::Read(Query::QueueTotals { queue: queue.clone() }));
        let depth = answer(&Ask::Read(Query::QueueDepth { queue: queue.clone() })).unwrap_or(Err(SampleError::NotYet));
        fetches |= !matches!(depth, Ok(Reply::Depth { consumers: Some(0), .. }) | Ok(Reply::Missing));
        let tally = depth_of(queue, depth, totals.as_ref())?;
        let held = match totals {
            _ if tally.missing => Some(0),
            Some(Ok(Reply::Totals { unacked, .. })) => Some(unacked),
            // The queue exists, and the API does not know it: a node in a minority answers so.
            Some(Ok(Reply::Missing)) => {
                degraded = degraded.or(Some(SampleError::Management));
                None
            }
            Some(Ok(_)) => return Err(SampleError::Protocol),
            Some(Err(error)) => {
                degraded = degraded.or(Some(error));
                None
            }
            None => None,
        };
        unacked = unacked.zip(held).map(|(sum, held)| sum.saturating_add(held));
        queues.push(tally);
    }
    let failed = reads.iter().zip(replies).find_map(|(read, reply)| match (read, reply) {
        (Ask::Inspect { .. }, Err(error)) => Some(*error),
        _ => None,
    });

    let seen = HeldSample {
        ready: queues.iter().fold(0, |sum, queue| queue.ready.saturating_add(sum)),
        before: last.ready,
        heard: own.any(),
        fetches,
        refused: last.refused,
    };
    let told = own.scheduled(held::fetched(&seen, last.later, now).unwrap_or(Moment::ZERO));
    let found = held::find(&seen, told, own.sum_of(Inspect::Scheduled), last.later, now);
    let in_flight = match unacked {
        Some(unacked) => {
            let due = unacked.saturating_sub(found.in_memory);
            due.saturating_add(own.running_acknowledged(due))
        }
        None => own.running().saturating_add(own.sum_of(Inspect::Reserved)),
    };
    let work = Work {
        ready: found.ready,
        in_flight,
        running: own.running(),
        scheduled: found.scheduled,
        stay: found.stay,
        next_due: found.later.held.filter(|_| found.scheduled > 0).map(|held| held.due),
        ..Work::default()
    };
    Ok(Tally {
        queues,
        degraded: degraded.or(failed),
        later: found.later,
        ..own.tally(work)
    })
}

/// State that the previous tally hands on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Last {
    /// State of tasks that are not due.
    pub(super) later: DelayedTasks,
    /// Number of ready messages that it saw.
    pub(super) ready: u64,
    /// Whether the permissions refuse questions to workers.
    pub(super) refused: bool,
}

impl Last {
    /// State of this tally.
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            later: tally.later,
            refused: false,
            ready: tally
                .queues
                .iter()
                .fold(0, |sum, queue| queue.ready.saturating_add(sum)),
        }
    }
}

/// Ready messages of one queue.
fn depth_of(
    queue: &str,
    depth: Result<Reply, SampleError>,
    totals: Option<&Result<Reply, SampleError>>,
) -> Result<QueueTally, SampleError> {
    let (ready, missing) = match (depth, totals) {
        (Ok(Reply::Depth { ready, .. }), _) => (ready, false),
        // A queue with numbers from either source is not missing.
        (Ok(Reply::Missing), Some(Ok(Reply::Totals { ready, .. }))) => (*ready, false),
        (Ok(Reply::Missing), Some(Err(SampleError::NotReady))) => return Err(SampleError::NotReady),
        (Ok(Reply::Missing), _) | (Err(SampleError::Permission), Some(Ok(Reply::Missing))) => (0, true),
        (Err(SampleError::Permission), Some(Ok(Reply::Totals { ready, .. }))) => (*ready, false),
        (Err(error), _) => return Err(error),
        (Ok(_), _) => return Err(SampleError::Protocol),
    };
    Ok(QueueTally {
        ready,
        missing,
        ..QueueTally::none(queue)
    })
}

#[cfg(test)]
mod tests;
