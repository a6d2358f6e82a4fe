//! Allowance for what workers publish: about a twentieth of a processor's time for each broker, whatever comes.
//!
//! Ten thousand workers publish five thousand heartbeats a second. When the channels are flooded with more, no worker
//! is heard for a few seconds, again and again; nothing piles up meanwhile, so what is heard is never old.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::SampleError;

/// Number of messages that are parsed in a second.
const LOOKED_AT: u32 = 6_000;

/// Number of bytes of those messages in a second.
const LOOKED_AT_BYTES: u32 = 6 << 20;

/// Number of messages of others, which share the channels, that are skipped in a second.
const PASSED_BY: u32 = 30_000;

/// Number of bytes of those messages in a second.
const PASSED_BY_BYTES: u32 = 48 << 20;

/// Largest burst: what is allowed in this time.
const BURST: Duration = Duration::from_secs(2);

/// Remaining allowance of one feed.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// Time until which the allowance is spent.
    spent: Option<Instant>,
}

impl Allowance {
    /// Charges a message of this size that is parsed.
    ///
    /// # Errors
    /// [`SampleError::Flooded`] if more came than is allowed.
    pub(super) fn looked_at(&mut self, bytes: usize, now: Instant) -> Result<(), SampleError> {
        self.spend(share(1, LOOKED_AT).max(share(bytes, LOOKED_AT_BYTES)), now)
    }

    /// Charges a message of this size that is skipped.
    ///
    /// # Errors
    /// As [`Allowance::looked_at`].
    pub(super) fn passed_by(&mut self, bytes: usize, now: Instant) -> Result<(), SampleError> {
        self.spend(share(1, PASSED_BY).max(share(bytes, PASSED_BY_BYTES)), now)
    }

    fn spend(&mut self, cost: Duration, now: Instant) -> Result<(), SampleError> {
        let spent = self.spent.map_or(now, |spent| spent.max(now)) + cost;
        if spent.saturating_duration_since(now) > BURST {
            return Err(SampleError::Flooded);
        }
        self.spent = Some(spent);
        Ok(())
    }
}

/// Time in a second that this part of `all` takes.
fn share(of: usize, all: u32) -> Duration {
    Duration::from_secs(1).mul_f64(of as f64 / f64::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of a second's events that are taken in within a minute, if they come at this rate.
    fn heard(rate: u32, event: impl Fn(&mut Allowance, Instant) -> Result<(), SampleError>) -> f64 {
        let (mut allowance, mut now) = (Allowance::default(), Instant::now());
        let end = now + Duration::from_secs(60);
        let mut heard = 0;
        while now < end {
            heard += u32::from(event(&mut allowance, now).is_ok());
            now += Duration::from_secs(1) / rate;
        }
        f64::from(heard) / 60.0
    }

    #[test]
    fn ten_thousand_workers_are_heard_and_a_flood_is_not() {
        let beat = |allowance: &mut Allowance, now| allowance.looked_at(750, now);
        assert!(heard(5_000, beat) > 4_999.0, "ten thousand workers");
        assert!(heard(100_000, beat) < 6_300.0);
        assert!(heard(100_000, |allowance, now| allowance.looked_at(16 << 10, now)) < 420.0);
        assert!(heard(10_000, |allowance, now| allowance.passed_by(1 << 20, now)) < 60.0);
        let tasks = |allowance: &mut Allowance, now| allowance.passed_by(1_000, now);
        assert!(heard(15_000, tasks) > 14_999.0, "events of tasks share the channels");
    }

    #[test]
    fn all_may_speak_at_once() {
        let (mut allowance, now) = (Allowance::default(), Instant::now());
        for _ in 0..10_000 {
            assert_eq!(allowance.looked_at(750, now), Ok(()));
        }
        while allowance.looked_at(750, now).is_ok() {}
        assert_eq!(allowance.looked_at(750, now + Duration::from_millis(10)), Ok(()));
    }
}
