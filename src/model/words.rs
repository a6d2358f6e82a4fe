//! Framework's own terms in messages to users: its settings, its options, its places in the broker.
#![deny(clippy::disallowed_methods)]

/// Texts with terms that only this framework's users know. Sentences end with a full stop; the others are parts of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// Form of usable URLs; follows "it must be".
    pub url: &'static str,
    /// Where the messages of a dead worker are, and when a living worker returns them: `in …` and `after …`.
    pub stranded: (&'static str, &'static str),
    /// Reason why busy workers fetch what others could run; follows "more replicas do not help,".
    pub prefetch: &'static str,
    /// How workers are known: a plural, such as "heartbeats".
    pub hearing: &'static str,
    /// Page with the rights that are needed on a broker.
    pub rights: &'static str,
    /// Reason why a worker may not end on SIGTERM, and the fix.
    pub overstays: &'static str,
    /// Why unknown workers cannot be heard; follows "The workers of … are not known:".
    pub silence: &'static str,
    /// Reason why no worker at all may be known.
    pub nobody: &'static str,
    /// Reason why some workers may be unknown while others are known.
    pub silent: &'static str,
    /// Reason why workers may not answer when they are asked for their removal.
    pub leaving: &'static str,
    /// Terms for workers that are known one by one; `None`: this framework's are not.
    pub reports: Option<ReportWords>,
    /// Terms for workers that take questions; `None`: this framework's take none.
    pub control: Option<ControlWords>,
}

/// Texts about workers that say who they are and what they fetch.
#[derive(Debug, PartialEq, Eq)]
pub struct ReportWords {
    /// Where an application says which queues its workers fetch: settings and options.
    pub queues: &'static str,
    /// When workers are known to lose their consumers.
    pub no_consumers: &'static str,
    /// How a worker's name has to be built, so that its pod is known.
    pub names: &'static str,
}

/// Texts about workers that answer what they hold.
#[derive(Debug, PartialEq, Eq)]
pub struct ControlWords {
    /// How to give several workers of one pod different names.
    pub several: &'static str,
    /// Reason why workers may answer only some questions; follows "but not what they hold:".
    pub partly: &'static str,
    /// Reason why live workers may not take questions: settings.
    pub unresponsive: &'static str,
    /// What follows where a worker did not end by itself: a sentence after a space.
    pub overstayed: &'static str,
    /// Workers that run tasks in the very process that would answer: an option.
    pub solo: &'static str,
}
