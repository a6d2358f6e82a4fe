//! Work of workers that died, where only a living worker gives it back, after a while (Celery on Redis: the visibility
//! timeout). One worker is enough for that, however much it is; none would leave it there for ever.
//!
//! Who holds what is unacknowledged is told by the workers' answers, which are older than the count: a task fetched in
//! between looks like a dead worker's. So the least number counts that was seen for [`CONFIRM`], and nothing while a ready
//! pod is silent: a worker that runs its tasks itself says nothing meanwhile, and is not dead. Where there is no ready
//! pod and no worker is heard nobody can hold anything, and that stays so until the first worker that starts has told
//! what it holds.
#![deny(clippy::disallowed_methods)]
use super::{Moment, Observation, Reading, history::History};
use std::{borrow::Cow, time::Duration};

/// Fewer were never seen for so long: two rounds of answers at least.
const CONFIRM: Duration = Duration::from_secs(8);
/// Without answers what was known counts on for so long.
const HOLDS: Duration = Duration::from_secs(30);
/// A pod that became ready has told what its worker holds after this time.
const TELLS: Duration = Duration::from_secs(60);

/// What is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stranded {
    /// What no worker held lately, as complements: their maximum is its minimum. `None`: not known.
    lows: Option<History>,
    /// Since when the workers have not told.
    silent: Option<Moment>,
    /// What was in flight when nobody could hold it.
    orphans: Option<u64>,
    /// Since when somebody could.
    company: Option<Moment>,
    /// The result.
    tasks: u64,
}

impl Stranded {
    /// Takes an observation in.
    pub(crate) fn look(&mut self, seen: &Observation) {
        let Reading::Fresh(work) = &seen.reading else { return };
        let now = seen.now;
        let loose = work.in_flight.saturating_sub(work.running);
        match work.unheld {
            Some(tasks) if seen.workers_heard && seen.silent_pods == 0 => self.told(tasks, now),
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

    /// So many are in no worker's hands.
    fn told(&mut self, tasks: u64, now: Moment) {
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

    /// So many tasks.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// When time alone may change it.
    pub(crate) fn next_change(&self, now: Moment) -> Option<Duration> {
        let confirmed = self.lows.as_ref().and_then(|lows| lows.next_change(CONFIRM, now));
        let silent = left(self.silent.filter(|_| self.lows.is_some()), HOLDS, now);
        let told = left(self.company.filter(|_| self.orphans.is_some()), TELLS, now);
        confirmed.into_iter().chain(silent).chain(told).min()
    }

    /// The observation without that work.
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

/// What is left of this time, since then.
fn left(since: Option<Moment>, of: Duration, now: Moment) -> Option<Duration> {
    since.map(|since| of.saturating_sub(now.saturating_sub(since)))
}

#[cfg(test)]
mod tests;
