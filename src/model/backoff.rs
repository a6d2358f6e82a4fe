//! Pause that grows while something keeps failing.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

/// Pause that doubles from failure to failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    last: Duration,
}

impl Backoff {
    /// Pause after one more failure: twice the last one, within these limits.
    pub fn failed(&mut self, shortest: Duration, longest: Duration) -> Duration {
        self.last = self.last.saturating_mul(2).clamp(shortest, longest);
        self.last
    }

    /// Begins anew after a success: the next failure is the first one.
    pub fn succeeded(&mut self) {
        self.last = Duration::ZERO;
    }

    /// Pause after the last failure; zero if there was none since the last success.
    pub fn pause(self) -> Duration {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_limits_and_start_anew() {
        let mut backoff = Backoff::default();
        let mut seconds = |least, most| {
            let pause = backoff.failed(Duration::from_secs(least), Duration::from_secs(most));
            assert_eq!(backoff.pause(), pause);
            pause.as_secs()
        };
        assert_eq!([(); 5].map(|()| seconds(5, 60)), [5, 10, 20, 40, 60]);
        assert_eq!([(); 2].map(|()| seconds(2, 8)), [8, 8]);
        backoff.succeeded();
        assert_eq!(backoff.pause(), Duration::ZERO);
        assert_eq!(backoff.failed(Duration::ZERO, Duration::MAX), Duration::ZERO);
    }
}
