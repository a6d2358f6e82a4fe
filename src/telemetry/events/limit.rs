//! Limits on the number of Events about an object. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Largest number of events within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    events: usize,
    window: Duration,
}

impl Limit {
    /// Limit for changes that come with normal work: 10 a minute.
    pub(super) const WORK: Self = Self {
        events: 10,
        window: Duration::from_secs(60),
    };
    /// Limit for states that last: one in five minutes.
    pub(super) const NEWS: Self = Self {
        events: 1,
        window: Duration::from_secs(300),
    };
}

/// Longest window: older events do not count.
const LONGEST: Duration = Limit::NEWS.window;

/// Events admitted recently, by object and reason.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    admitted: HashMap<(String, String), VecDeque<Duration>>,
    tidied: Duration,
}

impl Limiter {
    /// Whether one more event of this reason about this object is within the limit at `now`; if so, it is counted.
    pub(super) fn admit(&mut self, object: &str, reason: &str, limit: Limit, now: Duration) -> bool {
        if now.saturating_sub(self.tidied) > LONGEST {
            self.tidied = now;
            self.admitted
                .retain(|_, times| times.back().is_some_and(|last| now.saturating_sub(*last) < LONGEST));
        }
        let times = self.admitted.entry((object.to_owned(), reason.to_owned())).or_default();
        while times
            .front()
            .is_some_and(|first| now.saturating_sub(*first) >= limit.window)
        {
            times.pop_front();
        }
        let admitted = times.len() < limit.events;
        if admitted {
            times.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(limiter: &mut Limiter, object: &str, reason: &str, limit: Limit, seconds: std::ops::Range<u64>) -> usize {
        seconds
            .filter(|second| limiter.admit(object, reason, limit, Duration::from_secs(*second)))
            .count()
    }

    #[test]
    fn each_object_and_reason_has_its_own_limit() {
        let mut limiter = Limiter::default();
        assert_eq!(count(&mut limiter, "a", "Scaled", Limit::WORK, 0..60), 10);
        assert_eq!(count(&mut limiter, "a", "Scaled", Limit::WORK, 60..120), 10);
        assert_eq!(count(&mut limiter, "a", "Fallback", Limit::NEWS, 120..420), 1);
        assert_eq!(count(&mut limiter, "a", "Timeout", Limit::NEWS, 420..421), 1);
        assert_eq!(count(&mut limiter, "b", "Timeout", Limit::NEWS, 421..422), 1);
        assert_eq!(count(&mut limiter, "a", "Fallback", Limit::NEWS, 422..423), 1);
    }

    #[test]
    fn old_events_take_no_memory() {
        let mut limiter = Limiter::default();
        for object in 0..100 {
            limiter.admit(&object.to_string(), "Scaled", Limit::WORK, Duration::ZERO);
        }
        limiter.admit("a", "Scaled", Limit::WORK, LONGEST + Duration::from_secs(1));
        assert_eq!(limiter.admitted.len(), 1);
    }
}
