//! How long to wait before the next attempt to connect.

use std::time::Duration;

use crate::{broker::random, model::SampleError};

/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after missing rights: they come with a change of configuration, and servers log each refusal.
const REFUSED: Duration = Duration::from_secs(60);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Another failure: how long to wait. Wrong credentials wait long: they do not mend by themselves, and servers count
    /// attempts. The last half of each pause is random, so that many clients do not come back at once.
    pub(super) fn failed(&mut self, error: SampleError) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let pause = match error {
            SampleError::Authentication | SampleError::Flooded => LONGEST,
            SampleError::Permission => REFUSED,
            _ => doubled.min(LONGEST),
        };
        let share = u32::try_from(random() % 500).unwrap_or(0);
        pause * (500 + share) / 1000
    }

    /// It works: the next failure is the first one again.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_seconds_and_start_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40)
            .map(|_| backoff.failed(SampleError::Refused).as_millis())
            .collect();
        for (n, longest) in [(0, 100), (1, 200), (3, 800), (6, 5_000), (39, 5_000)] {
            assert!((longest / 2..=longest).contains(&pauses[n]), "{n}: {} ms", pauses[n]);
        }
        backoff.succeeded();
        assert!(backoff.failed(SampleError::Refused).as_millis() <= 100);
        backoff.succeeded();
        assert!(backoff.failed(SampleError::Authentication).as_millis() >= 2_500);
    }
}
