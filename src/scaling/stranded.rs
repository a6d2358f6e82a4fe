//! Tasks of workers that died, where only a living worker gives them back, after a while (Celery on Redis: the
//! visibility timeout). One worker is enough for that, however many tasks there are; without one they would stay there
//! for ever.
//!
//! Which unacknowledged messages a worker holds is known from the workers' answers, which are older than the count: a
//! task fetched in between looks like a dead worker's. So the smallest number counts that was seen for [`CONFIRM`], and
//! nothing while a ready pod is silent: a worker that runs its tasks itself says nothing meanwhile, and is not dead.
//! Where there is no ready pod and no worker is heard, no worker can hold anything, and that stays so until the first
//! worker that starts has reported what it holds.
#![deny(clippy::disallowed_methods)]
use super::{Moment, Observation, Reading, history::History};
use std::{borrow::Cow, time::Duration};

/// Duration for which the number must never have been smaller: two rounds of answers at least.
const CONFIRM: Duration = Duration::from_secs(8);
/// Duration for which the last number counts on, without answers.
const HOLDS: Duration = Duration::from_secs(30);
/// Time after which a pod that became ready has reported what its worker holds.
const TELLS: Duration = Duration::from_secs(60);

/// Knowledge of the tasks of workers that died.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stranded {
    /// Numbers of tasks that no worker held recently, as complements: their maximum is the minimum of the tasks.
    /// `None`: not known.
    lows: Option<History>,
    /// Time since which the workers have not reported.
    silent: Option<Moment>,
    /// Number of tasks in flight when no worker could hold them.
    orphans: Option<u64>,
    /// Time since which a worker could hold them.
    company: Option<Moment>,
    /// Result: number of tasks.
    tasks: u64,
}

impl Stranded {
    /// Takes in an observation.
    pub(crate) fn observe(&mut self, seen: &Observation) {
        let Reading::Fresh(work) = &seen.reading else { return };
        let now = seen.now;
        let loose = work.in_flight.saturating_sub(work.running);
        match work.unheld {
            Some(tasks) if seen.workers_heard && seen.silent_pods == 0 => self.report(tasks, now),
            Some(_) if seen.ready == 0 && seen.silent_pods == 0 => (self.orphans, self.company) = (Some(loose), None),
            _ => {
                self.silent.get_or_insert(now);
            }
        }
        if seen.ready > 0 || seen.workers_heard {
            self.company.get_or_insert(now);
        }
        if seen.silent_pods > 0 || left(self.silent, HOLDS, now) == Some(Duration::ZERO) {
            self.lows = None;
        }
        if left(self.company, TELLS, now) == Some(Duration::ZERO) {
            self.orphans = None;
        }
        let lowest = self.lows.as_ref().and_then(|lows| lows.at(CONFIRM, now));
        let lowest = lowest.map_or(0, |low| u64::from(!low));
        self.tasks = lowest.max(self.orphans.unwrap_or(0)).min(loose);
    }

    /// Takes in the number of tasks that no worker holds.
    fn report(&mut self, tasks: u64, now: Moment) {
        let lows = self.lows.get_or_insert_with(|| {
            // Before that there were none, for all that is known.
            let mut lows = History::default();
            lows.record_peak(u32::MAX, now, CONFIRM);
            lows
        });
        lows.record_peak(!u32::try_from(tasks).unwrap_or(u32::MAX), now, CONFIRM);
        self.silent = None;
        self.orphans = self.orphans.filter(|_| tasks > 0).map(|had| had.min(tasks));
    }

    /// Number of tasks of workers that died.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// Time until the number may change by itself.
    pub(crate) fn next_change(&self, now: Moment) -> Option<Duration> {
        let confirmed = self.lows.as_ref().and_then(|lows| lows.next_change(CONFIRM, now));
        let silent = left(self.silent.filter(|_| self.lows.is_some()), HOLDS, now);
        let reported = left(self.company.filter(|_| self.orphans.is_some()), TELLS, now);
        confirmed.into_iter().chain(silent).chain(reported).min()
    }

    /// Observation without those tasks.
    pub(crate) fn taken_out<'a>(&self, seen: &'a Observation) -> Cow<'a, Observation> {
        let mut seen = Cow::Borrowed(seen);
        if self.tasks > 0
            && let Reading::Fresh(work) | Reading::Stale { work, .. } = &mut seen.to_mut().reading
        {
            work.in_flight = work.in_flight.saturating_sub(self.tasks);
        }
        seen
    }
}

/// Remaining part of a duration that began at `since`.
fn left(since: Option<Moment>, of: Duration, now: Moment) -> Option<Duration> {
    since.map(|since| of.saturating_sub(now.saturating_sub(since)))
}

#[cfg(test)]
mod tests;
