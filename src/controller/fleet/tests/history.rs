//! What happens in a history, and what may go wrong in it.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The process ends right after it performed this number of effects, and another one begins.
    Crash(usize),
    /// This call to the API server.
    Call(usize, Failure),
    /// This input of a watch or a broker.
    Input(usize, Twist),
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// It is refused.
    Refused(u16),
    /// It is not carried out, and nobody answers.
    Never,
    /// It is carried out, and nobody answers.
    Unanswered,
    /// It is carried out, and the answer comes after the watch has shown it.
    Late,
}

/// What happens to an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Twist {
    /// The one before comes once more after it, and then the right one again.
    Stale,
    /// It does not come; a list shows later what is there by then.
    Missing,
    /// It comes twice.
    Doubled,
    /// It comes seconds later.
    Late,
}

/// What happens by itself, at this second.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Number of tasks that wait from now on.
    Waiting(u64),
    /// Somebody else writes the replicas.
    Foreign(u32),
    /// The pods are made anew.
    Template,
    /// The pool says another maximum.
    Max(u32),
    /// The pool is suspended, or no longer.
    Suspended(bool),
}
