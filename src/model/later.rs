//! Tasks that are not due yet, where the broker does not show them as such: RabbitMQ.
//!
//! They are held in a worker's memory; when it stops, they return to their queue as ready messages, and nobody can look
//! into those without marking them as redelivered. So their number and the first due time are remembered while no
//! worker is there.

use jiff::Timestamp;

use super::Moment;

/// Ready messages of a queue that are not due yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// Largest number of tasks that are not due.
    pub tasks: u64,
    /// Time at which the first of them comes due.
    pub due: Timestamp,
}

/// State that one tally hands on to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelayedTasks {
    /// Remembered tasks.
    pub held: Option<Delayed>,
    /// Time at which messages were fetched last, as far as the counts show.
    pub fetched: Option<Moment>,
    /// Time since which none of the pool's workers has been heard.
    pub gone: Option<Moment>,
    /// Whether, since then, all remembered tasks have been seen in the queue or have had the time to return to it.
    pub settled: bool,
}

/// Reason why one worker has to stay although nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeepAlive {
    /// A worker holds tasks that are not due, and does not say when all of them are.
    UnknownDue,
    /// Not all workers have said yet whether they hold tasks that are not due.
    Unreported,
    /// The workers cannot be asked: the broker's permissions refuse it.
    Refused,
}
