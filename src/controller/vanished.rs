//! Vanished tasks: they disappear without being started, by a flush, a purge, an expiry, or foreign workers. Pure.
//!
//! Reported only if no other explanation of the counts is left: what a worker may have accepted counts as accepted.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, time::Duration};

use crate::model::{Moment, Tally};

/// Time within which workers report what they accepted: several of their heartbeats.
const PATIENCE: Duration = Duration::from_secs(15);
/// Smallest number that is reported.
const FEWEST: u64 = 10;

/// State that is kept from count to count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vanished {
    last: Option<Books>,
    doubt: Option<Doubt>,
}

/// Numbers of one count.
#[derive(Clone, Debug, PartialEq)]
struct Books {
    waiting: u64,
    in_flight: u64,
    scheduled: u64,
    /// Number of tasks that the workers have accepted so far.
    taken: u64,
    pods: BTreeSet<String>,
}

/// Count that fell while it is not known yet whether workers accepted what is missing.
#[derive(Clone, Debug, PartialEq)]
struct Doubt {
    at: Moment,
    before: Books,
}

impl Books {
    /// Numbers of a tally. `None`: it is not known what all workers accepted.
    fn of(tally: &Tally, ready: u32) -> Option<Self> {
        let pods: BTreeSet<_> = tally.pods.keys().cloned().collect();
        let nobody = ready == 0 && pods.is_empty() && !tally.workers_heard;
        let all =
            pods.len() == usize::try_from(ready).unwrap_or(usize::MAX) && tally.pods.values().all(|pod| pod.fresh);
        let taken = match tally.processed {
            _ if nobody => Some(0),
            Some(processed) if all && ready > 0 => Some(processed),
            _ => None,
        };
        Some(Self {
            waiting: tally.work.ready,
            in_flight: tally.work.in_flight,
            scheduled: tally.work.scheduled,
            taken: taken.filter(|_| tally.degraded.is_none())?,
            pods,
        })
    }

    /// Number of all tasks that exist or were accepted. A running one is counted twice at most, so it may fall by those
    /// in flight.
    fn sum(&self) -> u64 {
        let sum = self.waiting.saturating_add(self.in_flight);
        sum.saturating_add(self.scheduled).saturating_add(self.taken)
    }
}

impl Vanished {
    /// Takes in a fresh count, and the number of ready pods. Returns the number of vanished tasks, once that is
    /// certain.
    pub fn look(&mut self, tally: &Tally, ready: u32, now: Moment) -> Option<u64> {
        let Some(books) = Books::of(tally, ready) else {
            *self = Self::default();
            return None;
        };
        let last = self.last.replace(books.clone())?;
        // A worker that left, came or restarted took its number with it.
        if last.pods != books.pods || last.taken > books.taken {
            self.doubt = None;
            return None;
        }
        let fell = last.waiting.saturating_sub(books.waiting);
        if self.doubt.is_none() && is_much(fell, last.waiting) {
            self.doubt = Some(Doubt { at: now, before: last });
        }
        let doubt = self.doubt.take_if(|doubt| now.saturating_sub(doubt.at) >= PATIENCE)?;
        let before = doubt.before;
        let lost = before
            .sum()
            .saturating_sub(before.in_flight)
            .saturating_sub(books.sum());
        is_much(lost, before.waiting).then_some(lost)
    }
}

fn is_much(tasks: u64, of: u64) -> bool {
    tasks >= FEWEST && tasks >= of / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PodReport, Work};

    /// Ready pods, waiting, in flight, taken.
    type Count = (u32, u64, u64, u64);

    fn tally((ready, waiting, in_flight, taken): Count) -> Tally {
        let pod = |at| {
            let work = PodReport {
                fresh: true,
                ..PodReport::default()
            };
            (format!("pod-{at}"), work)
        };
        Tally {
            work: Work {
                ready: waiting,
                in_flight,
                ..Work::default()
            },
            pods: (0..ready).map(pod).collect(),
            processed: (ready > 0).then_some(taken),
            workers_heard: ready > 0,
            ..Tally::default()
        }
    }

    /// One count a second; the last one stays for a minute.
    fn told(counts: &[Count]) -> Vec<u64> {
        let mut vanished = Vanished::default();
        let last = counts.last().unwrap();
        let all = counts.iter().chain(std::iter::repeat_n(last, 60));
        let moments = all.enumerate();
        moments
            .filter_map(|(at, count)| vanished.look(&tally(*count), count.0, Duration::from_secs(at as u64)))
            .collect()
    }

    #[test]
    fn what_nobody_can_have_taken_has_vanished() {
        assert_eq!(told(&[(0, 300, 0, 0), (0, 0, 0, 0)]), [300], "nobody is there");
        assert_eq!(
            told(&[(2, 300, 8, 50), (2, 0, 8, 52)]),
            [290],
            "two were taken, eight may have ended"
        );
    }

    #[test]
    fn what_workers_took_has_not() {
        for (what, counts) in [
            ("a quiet queue", vec![(0, 0, 0, 0), (0, 0, 0, 0)]),
            ("taken at once", vec![(2, 300, 0, 0), (2, 0, 300, 300)]),
            (
                "taken, told late",
                vec![(2, 300, 0, 0), (2, 0, 0, 0), (2, 0, 0, 150), (2, 0, 0, 300)],
            ),
            ("fetched ahead", vec![(2, 300, 0, 0), (2, 0, 300, 0)]),
            ("a worker comes", vec![(0, 300, 0, 0), (1, 0, 0, 0)]),
            ("a worker goes", vec![(2, 300, 0, 900), (1, 0, 0, 400)]),
            (
                "a worker began anew",
                vec![(2, 300, 0, 900), (2, 0, 0, 400), (2, 0, 0, 700)],
            ),
            ("they ended", vec![(2, 20, 40, 100), (2, 0, 0, 120)]),
            ("few", vec![(0, 9, 0, 0), (0, 0, 0, 0)]),
            ("a small part", vec![(0, 1000, 0, 0), (0, 900, 0, 0)]),
        ] {
            assert_eq!(told(&counts), [0; 0], "{what}");
        }
    }

    #[test]
    fn where_a_worker_is_not_heard_nothing_is_certain() {
        let mut vanished = Vanished::default();
        for second in 0..60 {
            let waiting = if second < 5 { 300 } else { 0 };
            let heard = tally((1, waiting, 0, 5));
            assert_eq!(vanished.look(&heard, 2, Duration::from_secs(second)), None);
            let unheard = tally((0, waiting, 0, 0));
            assert_eq!(Vanished::default().look(&unheard, 1, Duration::from_secs(second)), None);
        }
    }
}
