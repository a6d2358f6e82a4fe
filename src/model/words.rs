//! A framework's own terms in what users are told: its settings, its options, its places in the broker.
#![deny(clippy::disallowed_methods)]

/// Texts that name what only this framework's users know. Sentences end with a full stop; the others are parts of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// URLs that can be used, and how they are read: follows "it must be".
    pub url: &'static str,
    /// Where messages lie of a worker that died, and when a living worker gives them back: `in …` and `after …`.
    pub stranded: (&'static str, &'static str),
    /// What keeps busy workers from fetching what others could run: follows "more replicas do not help,".
    pub prefetch: &'static str,
    /// Where an application says which queues its workers fetch: settings and options.
    pub queues: &'static str,
    /// When workers are known to lose their consumers.
    pub no_consumers: &'static str,
    /// How a worker that is not known fails to make itself known: follows "The workers of … are not known:".
    pub silence: &'static str,
    /// How a worker's name has to be made, so that its pod is known.
    pub names: &'static str,
    /// Why no worker at all may be known.
    pub nobody: &'static str,
    /// Why some workers may not be known while others are.
    pub silent: &'static str,
    /// Why workers may say nothing that were asked for their removal.
    pub leaving: &'static str,
    /// How to give several workers of one pod names of their own.
    pub several: &'static str,
    /// Why workers may answer some questions only: follows "but not what they hold:".
    pub partly: &'static str,
    /// Why workers that are there may not take questions: settings.
    pub unresponsive: &'static str,
    /// Which workers run tasks in the very process that would answer: an option.
    pub solo: &'static str,
    /// The framework's own scheduler stops with the last worker: what that means, and the fix.
    pub scheduler_stops: &'static str,
    /// Each worker runs one of the schedulers: what that means, and the fix.
    pub scheduler_runs_twice: &'static str,
}
