//! Tasks that are not due yet, where the broker does not show them as such: RabbitMQ.
//!
//! There they lie in a worker's memory, and when it stops they go back to their queue as ready messages, which nobody can
//! look into without marking them. So their number and the first due time are remembered as long as no worker is there.

use jiff::Timestamp;

use super::Moment;

/// So many of a queue's ready messages are not due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// No more than so many.
    pub tasks: u64,
    /// When the first of them comes due.
    pub due: Timestamp,
}

/// What one tally hands on to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelayedTasks {
    /// What is remembered.
    pub held: Option<Delayed>,
    /// When messages were fetched last, as far as the counts tell.
    pub fetched: Option<Moment>,
    /// Since when none of the pool's workers has been heard.
    pub gone: Option<Moment>,
    /// Since then all that is remembered has been seen in the queue, or has had the time to come back.
    pub settled: bool,
}

/// Why one worker has to stay although nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeepAlive {
    /// It holds tasks that are not due, and does not say of all when they are.
    UnknownDue,
    /// Not all workers have said yet whether they hold tasks that are not due.
    Unreported,
    /// They cannot be asked: the broker's permissions refuse it.
    Refused,
}
