//! A number over time, as far back as asked: a step function of at most [`MAX_STEPS`] steps.
//!
//! All questions are about times, never about samples: a value holds until the next one is recorded, however often
//! it is recorded, and the value in force when a window starts belongs to the window.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::{collections::VecDeque, time::Duration};

/// Largest number of steps; more are merged: about 1 KB for each pool, 2 % of a window in precision.
const MAX_STEPS: usize = 64;

/// A number and its past values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    latest: Option<u32>,
    /// Past values, oldest first.
    past: VecDeque<Past>,
}

/// A past value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Past {
    value: u32,
    /// Time when the next value replaced it.
    until: Moment,
}

impl History {
    /// Records the value that holds from now on. Forgets what ended at least `keep` ago.
    pub(crate) fn record(&mut self, value: u32, now: Moment, keep: Duration) {
        if let Some(before) = self.latest.replace(value)
            && before != value
        {
            self.past.push_back(Past {
                value: before,
                until: now,
            });
        }
        while self.past.front().is_some_and(|past| age(past, now) >= keep) {
            self.past.pop_front();
        }
        if self.past.len() > MAX_STEPS {
            self.merge_shortest();
        }
    }

    /// As [`Self::record`], but keeps only what can still be a maximum: then [`Self::at`] is the maximum since.
    pub(crate) fn record_peak(&mut self, value: u32, now: Moment, keep: Duration) {
        self.latest = self.latest.filter(|before| *before > value);
        while self.past.back().is_some_and(|past| past.value <= value) {
            self.past.pop_back();
        }
        self.record(value, now, keep);
    }

    /// Value in force `ago` before now, or the oldest known; `None` if nothing was ever recorded.
    pub(crate) fn at(&self, ago: Duration, now: Moment) -> Option<u32> {
        self.in_force(ago, now).map(|past| past.value).or(self.latest)
    }

    /// Time until [`Self::at`] changes if nothing new is recorded; `None`: it will not.
    pub(crate) fn next_change(&self, ago: Duration, now: Moment) -> Option<Duration> {
        self.in_force(ago, now).map(|past| ago.saturating_sub(age(past, now)))
    }

    fn in_force(&self, ago: Duration, now: Moment) -> Option<&Past> {
        self.past.iter().find(|past| age(past, now) < ago)
    }

    /// Merges the two neighbours that together span the shortest time; the older value holds for both, so that a
    /// maximum stays one.
    fn merge_shortest(&mut self) {
        let spans = self.past.iter().zip(self.past.iter().skip(2));
        let shortest = spans
            .map(|(before, last)| last.until.saturating_sub(before.until))
            .enumerate()
            .min_by_key(|(_, span)| *span);
        if let Some((before, _)) = shortest
            && let Some(merged) = self.past.remove(before + 1)
            && let Some(last) = self.past.get_mut(before + 1)
        {
            last.value = merged.value;
        }
    }
}

/// Time since the value was replaced; 0 if the clock went backwards.
fn age(past: &Past, now: Moment) -> Duration {
    now.saturating_sub(past.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_value_at_the_start_of_a_window_belongs_to_it() {
        let mut history = History::default();
        history.record(9, s(0), s(60));
        history.record(2, s(100), s(60));
        assert_eq!(history.at(s(30), s(129)), Some(9), "9 held at 99, which is 30 s ago");
        assert_eq!(history.next_change(s(30), s(129)), Some(s(1)));
        assert_eq!(history.at(s(30), s(130)), Some(2));
        assert_eq!(history.next_change(s(30), s(130)), None);
        assert_eq!(history.at(s(0), s(100)), Some(2));
    }

    #[test]
    fn a_thousand_falls_take_64_steps_and_never_understate() {
        let mut history = History::default();
        for i in 0..1000_u32 {
            history.record_peak(10_000 - i, Duration::from_millis(u64::from(i) * 60), s(60));
            assert!(history.past.len() <= MAX_STEPS);
        }
        let now = s(60);
        for ago in 0..60 {
            let true_peak = 10_000 - (60 - ago) * 1000 / 60;
            let told = history.at(s(u64::from(ago)), now).unwrap();
            assert!(
                (true_peak - 1..true_peak + 60).contains(&told),
                "{ago} s ago: {told} instead of {true_peak}"
            );
        }
    }

    proptest! {
        #[test]
        fn peaks_are_the_maxima_of_the_steps(
            steps in proptest::collection::vec((0_u32..20, 1_u64..10_000), 1..60),
            ago in 0_u64..60_000,
        ) {
            let (mut plain, mut peaks, mut now) = (History::default(), History::default(), s(0));
            for (value, gap) in &steps {
                now += Duration::from_millis(*gap);
                plain.record(*value, now, s(60));
                peaks.record_peak(*value, now, s(60));
            }
            let ago = Duration::from_millis(ago);
            let within = plain.past.iter().filter(|past| age(past, now) < ago).map(|past| past.value);
            prop_assert_eq!(peaks.at(ago, now), within.chain(plain.latest).max());
        }
    }
}
