//! The backlog rule: how many workers the work asks for.
#![deny(clippy::disallowed_methods)]
use super::{
    Observation, Policy, Rule, Target, Wait, Work,
    wait::{Answer, Waiting},
};
use crate::work::WAKE_AHEAD;

/// What the work asks for, before windows and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Demand {
    /// So many replicas.
    pub(crate) wanted: u32,
    /// [`Rule::Backlog`], [`Rule::Scheduled`] or, if there is nothing to do, [`Rule::Idle`].
    pub(crate) rule: Rule,
    /// What the wait rule found.
    pub(crate) answer: Option<Answer>,
    /// There is something to do, or there will be soon. (The wait rule may want workers for what may come.)
    pub(crate) has_work: bool,
}

impl Demand {
    /// `wanted = ceil(outstanding / backlog_per_replica)`, and at least one worker for what comes due within
    /// [`WAKE_AHEAD`] or lives in a worker's memory.
    pub(crate) fn of(work: &Work, policy: &Policy, seen: &Observation, waiting: &mut Waiting) -> Self {
        if let Target::Wait(wait) = &policy.target {
            return Self::within(wait, work, policy, seen, waiting);
        }
        let each = u64::from(policy.backlog_per_replica());
        let running = running_that_counts(work, policy, seen);
        let reserved = work.in_flight.saturating_sub(work.running);
        let counted = work.ready.saturating_add(work.due_soon).saturating_add(reserved);
        let backlog = counted.saturating_add(running).div_ceil(each);
        let rule = if work.ready > 0 || work.in_flight > 0 {
            Rule::Backlog
        } else if work.due_soon > 0 || lives_in_a_worker(work) || comes_due(work, seen) {
            Rule::Scheduled
        } else {
            Rule::Idle
        };
        let wanted = u32::try_from(backlog).unwrap_or(u32::MAX);
        Self {
            wanted: wanted.max(u32::from(rule != Rule::Idle)),
            rule,
            answer: None,
            has_work: rule != Rule::Idle,
        }
    }

    /// Nothing to do for the idle time: whatever the rate of arrivals was, nobody is kept for it.
    pub(crate) fn idle(self) -> Self {
        Self {
            wanted: 0,
            rule: Rule::Idle,
            ..self
        }
    }

    /// The wait rule, and at least one worker for anything that is there or comes due.
    fn within(wait: &Wait, work: &Work, policy: &Policy, seen: &Observation, waiting: &mut Waiting) -> Self {
        let answer = waiting.answer(policy, &wait.tuning, seen, wait.seconds());
        let there = work.ready > 0 || work.in_flight > 0;
        let scheduled = work.due_soon > 0 || lives_in_a_worker(work) || comes_due(work, seen);
        let rule = match (there || answer.pods > 0, scheduled) {
            (true, _) => answer.rule,
            (false, true) => Rule::Scheduled,
            (false, false) => Rule::Idle,
        };
        Self {
            wanted: answer.pods.max(u32::from(there || scheduled)),
            rule,
            answer: Some(answer),
            has_work: there || scheduled,
        }
    }
}

/// Running tasks never ask for more workers than they run on: another worker could not take them over.
pub(crate) fn running_that_counts(work: &Work, policy: &Policy, seen: &Observation) -> u64 {
    let slots = u64::from(policy.slots.or(seen.slots).unwrap_or(1).max(1));
    let each = u64::from(policy.backlog_per_replica());
    let carriers = work.running.div_ceil(slots).max(u64::from(seen.busy_pods));
    let carriers = carriers.min(u64::from(seen.replicas));
    work.running.min(work.in_flight).min(carriers.saturating_mul(each))
}

/// Scheduled tasks that come back as ready if their worker stops.
pub(crate) fn lives_in_a_worker(work: &Work) -> bool {
    work.scheduled_needs_worker && work.scheduled > 0
}

/// The next scheduled task is due within a start-up time, even if the count of those (a dearer read) is older.
fn comes_due(work: &Work, seen: &Observation) -> bool {
    work.scheduled > 0 && seen.next_due_in.is_some_and(|due| due <= WAKE_AHEAD)
}
