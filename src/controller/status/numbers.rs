//! Numbers and times in the form of the schema.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use crate::{
    api::{EstimatesStatus, HeldStatus, QueueStatus, Time, WorkStatus},
    model::{Delayed, Tally},
    scaling::Estimates,
};

/// Latest count.
pub(super) fn work(tally: &Tally, at: Timestamp) -> WorkStatus {
    WorkStatus {
        waiting: wide(tally.work.ready),
        running: wide(tally.work.running),
        in_flight: wide(tally.work.in_flight),
        scheduled: wide(tally.work.scheduled),
        sampled_at: Some(Time(whole_second(at))),
        ..WorkStatus::default()
    }
}

/// Queues of the latest count.
pub(super) fn queues(tally: &Tally) -> Vec<QueueStatus> {
    let queues = tally.queues.iter().take(MOST_QUEUES);
    queues
        .map(|queue| QueueStatus {
            name: queue.queue.clone(),
            waiting: wide(queue.ready),
            missing: queue.missing,
        })
        .collect()
}

/// Number of queues in a status, as in the schema.
const MOST_QUEUES: usize = 200;

/// Remembered tasks that are not due.
pub(super) fn held(held: Delayed) -> HeldStatus {
    HeldStatus {
        tasks: wide(held.tasks),
        next_due_at: Time(whole_second(held.due)),
    }
}

/// Learned estimates; `None`: nothing yet.
pub(super) fn estimates(learned: Estimates) -> Option<EstimatesStatus> {
    let status = EstimatesStatus {
        task_milliseconds: learned.task.map(|task| (task * 1e3) as i64),
        arrivals_per_minute: Some((learned.rate * 60.0).round() as i64).filter(|rate| *rate > 0),
        startup_seconds: learned.startup.map(|startup| startup.ceil() as i64),
        concurrency: learned.slots.map(count),
    };
    (status != EstimatesStatus::default()).then_some(status)
}

pub(super) fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

/// Limits a number to what JSON can represent exactly, as the schema does.
pub(super) fn wide(number: u64) -> i64 {
    i64::try_from(number.min((1 << 53) - 1)).unwrap_or(0)
}

/// Kubernetes times have whole seconds.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
