//! Memory from decision to decision.
#![deny(clippy::disallowed_methods)]
use super::{
    Memory, Observation, Policy, Reading, TargetRule, Work, demand::Demand, progress::Progress,
    stabilization::Recommendations,
};
use crate::model::Moment;
use std::time::Duration;

/// Longest time to the next decision.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Shortest age at which a reading counts as stale, however short the sampling period.
const STALE_AT_LEAST: Duration = Duration::from_secs(3);

impl Policy {
    /// Age up to which a reading is [`Reading::Fresh`]: three sampling periods, at least 3 s.
    pub fn stale_after(&self) -> Duration {
        self.period.saturating_mul(3).max(STALE_AT_LEAST)
    }
}

impl Memory {
    /// Takes in what is learned; before all else, because the demand depends on it.
    pub(super) fn learn(&mut self, policy: &Policy, seen: &Observation) {
        self.notice(policy, seen);
        self.lead_time.observe(seen);
        self.waiting.observe(seen);
        let TargetRule::Wait(wait) = &policy.target else { return };
        if let Reading::Fresh(work) = &seen.reading {
            self.waiting.count(policy, work, seen, wait.seconds());
        }
    }

    /// Notices tasks that come and go between two counts: they are work, too, and the workers' counter of taken tasks
    /// rises. It falls when a worker leaves, which says nothing. A time without any count was without work only if the
    /// counter stood still, or there was no worker.
    fn notice(&mut self, policy: &Policy, seen: &Observation) {
        let Reading::Fresh(_) = &seen.reading else { return };
        let reported = self.taken.zip(seen.processed);
        let worked = reported.is_some_and(|(before, now)| now > before);
        let away = self.fresh_since.is_none() || self.was_away(policy, seen.now);
        let stood_still = reported.is_some_and(|(before, now)| now == before);
        if worked || away && seen.replicas > 0 && !stood_still {
            self.quiet_since = None;
        }
        self.taken = seen.processed.or(self.taken);
    }

    /// Time before a task comes due at which its worker must be there or ordered. A worker that would be ordered again
    /// before it has been idle long enough to go is kept.
    pub(super) fn due_within(&self, policy: &Policy, seen: &Observation) -> Duration {
        let ahead = self.lead_time.time(&self.waiting.startup, seen.now);
        match seen.replicas {
            0 => ahead,
            _ => ahead.saturating_add(policy.idle),
        }
    }

    /// Takes in an observation; `recommended` is what its work asks for, within the limits.
    pub(super) fn take(&mut self, policy: &Policy, seen: &Observation, demand: Demand, recommended: u32) {
        self.first_seen.get_or_insert(seen.now);
        let keep = policy.behavior.longest_period().max(policy.pause(1, 0, false));
        self.replicas.record(seen.replicas, seen.now, keep);
        match &seen.reading {
            Reading::Fresh(work) => self.take_fresh(policy, seen, work, demand, recommended),
            Reading::Stale { age, .. } => {
                self.last_fresh = Some(seen.now.saturating_sub(*age));
                self.lose_sight();
            }
            // The broker is read: that is no time for the fallback.
            Reading::Untold => {
                self.last_fresh = Some(seen.now);
                self.lose_sight();
            }
            Reading::Unknown { .. } => {
                // A reading is no longer fresh at that age. A caller that skipped fresh readings without anything new
                // does not bring the fallback forward by that.
                if self.fresh_since.is_some() {
                    let counted = seen.now.saturating_sub(policy.stale_after());
                    self.last_fresh = self.last_fresh.max(Some(counted));
                }
                self.lose_sight();
            }
        }
    }

    fn take_fresh(&mut self, policy: &Policy, seen: &Observation, work: &Work, demand: Demand, recommended: u32) {
        if self.fresh_since.is_none() || self.was_away(policy, seen.now) {
            self.fresh_since = Some(seen.now);
            self.recommendations = Recommendations::default();
        }
        self.last_fresh = Some(seen.now);
        self.quiet_since = match demand.has_work {
            true => None,
            false => self.quiet_since.or(Some(seen.now)),
        };
        self.recommendations.record(recommended, seen.now, policy);
        self.progress.take(work, seen);
    }

    /// Starts the windows again, because there is no fresh reading.
    fn lose_sight(&mut self) {
        self.fresh_since = None;
        self.progress = Progress::default();
    }

    /// Whether there was a gap in the observations: callers may skip readings without anything new, but never for
    /// longer than [`LONGEST_DELAY`].
    fn was_away(&self, policy: &Policy, now: Moment) -> bool {
        let longest = LONGEST_DELAY.saturating_add(policy.stale_after());
        self.last_fresh.is_some_and(|last| now.saturating_sub(last) > longest)
    }

    /// Time until enough fresh readings have been seen for a step down; zero: enough.
    pub(super) fn starting_for(&self, policy: &Policy, now: Moment) -> Duration {
        let seen_for = self
            .fresh_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        policy.guard().saturating_sub(seen_for)
    }

    /// Time until "no work" has lasted for the idle time; `None`: there is work. At least a sampling period, so that no
    /// single reading, however wrong, stops the last worker.
    pub(super) fn idle_in(&self, policy: &Policy, now: Moment) -> Option<Duration> {
        let quiet = now.saturating_sub(self.quiet_since?);
        Some(policy.idle.max(policy.period).saturating_sub(quiet))
    }

    /// Whether there has been no work for the idle time, if there is none now. Call it before the observation is taken
    /// in.
    pub(super) fn quiet_for(&self, policy: &Policy, now: Moment) -> bool {
        let quiet = now.saturating_sub(self.quiet_since.unwrap_or(now));
        quiet >= policy.idle.max(policy.period)
    }

    /// Time without a fresh reading.
    pub(super) fn unread_for(&self, now: Moment) -> Duration {
        let since = self.last_fresh.or(self.first_seen).unwrap_or(now);
        now.saturating_sub(since)
    }
}
