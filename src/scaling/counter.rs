//! Whether it is known how many tasks start, and so how many arrive: where all workers count what they take on, and where
//! no worker is there that could start any. Without that, arrivals are an estimate that serves a rate and no history.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::time::Duration;

/// Time for which workers that count may say nothing: a pod is often ready before its worker is heard, and a worker
/// that leaves is missed for a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// Knowledge of the workers' counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counter {
    /// Whether all workers have ever counted.
    counts: bool,
    /// Time since which one may be there that does not count.
    silent_since: Option<Moment>,
    /// Time of the last look.
    now: Moment,
}

impl Counter {
    /// Takes in whether all workers count now, and whether any may be there.
    pub(crate) fn look(&mut self, counted: bool, there: bool, now: Moment) {
        self.counts |= counted;
        self.silent_since = (there && !counted).then(|| self.silent_since.unwrap_or(now));
        self.now = now;
    }

    /// Whether it is known how many tasks have started.
    pub(crate) fn is_known(&self) -> bool {
        let silent = self.silent_since.map(|since| self.now.saturating_sub(since));
        silent.is_none_or(|silent| self.counts && silent < PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_is_known_where_workers_count_or_none_is_there() {
        let mut counter = Counter::default();
        let mut after = |counted, there, seconds| {
            counter.look(counted, there, Duration::from_secs(seconds));
            counter.is_known()
        };
        assert!(after(false, false, 0), "nobody is there");
        assert!(!after(false, true, 10), "who is there has never counted");
        assert!(after(true, true, 20));
        assert!(after(false, true, 30), "a moment's silence");
        assert!(after(false, true, 89));
        assert!(!after(false, true, 90), "a minute's");
        assert!(after(false, false, 91) && after(false, true, 100) && after(true, true, 110));
    }
}
