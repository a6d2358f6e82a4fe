//! Demand: how many workers the work asks for. The backlog rule is here, the wait rule in `wait.rs`.
#![deny(clippy::disallowed_methods)]
use std::time::Duration;

use super::{
    Observation, Policy, Rule, TargetRule, Wait, Work,
    wait::{WaitResult, Waiting},
};

/// Demand of the work, before windows and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Demand {
    /// Number of replicas.
    pub(crate) wanted: u32,
    /// [`Rule::Idle`] if there is nothing to do, else the rule that set the number.
    pub(crate) rule: Rule,
    /// Result of the wait rule.
    pub(crate) answer: Option<WaitResult>,
    /// Whether there is something to do, or will be soon. (The wait rule may want workers for what may come.)
    pub(crate) has_work: bool,
}

/// Reasons to keep one worker although nothing waits and nothing runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KeepOne {
    /// Time within which a scheduled task counts as due.
    pub(crate) within: Duration,
    /// Number of tasks of workers that died.
    pub(crate) stranded: u64,
}

impl KeepOne {
    /// Rule for which one worker is needed, if it is.
    fn rule(self, work: &Work, seen: &Observation) -> Option<Rule> {
        if comes_due(work, seen, self.within) {
            Some(Rule::Scheduled)
        } else if self.stranded > 0 {
            Some(Rule::Stranded)
        } else {
            // A worker that is there stays for it; none is started, because a new worker knows nothing of the tasks
            // that others hold.
            work.stay.filter(|_| seen.replicas > 0).map(|_| Rule::Scheduled)
        }
    }
}

impl Demand {
    /// Demand by the backlog rule: `wanted = ceil(outstanding / backlog_per_replica)`, and at least one worker for what
    /// comes due soon, is in a worker's memory or must be given back.
    pub(crate) fn of(
        work: &Work,
        keep_one: KeepOne,
        policy: &Policy,
        seen: &Observation,
        waiting: &mut Waiting,
    ) -> Self {
        if let TargetRule::Wait(wait) = &policy.target {
            return Self::within(wait, work, keep_one, policy, seen, waiting);
        }
        let each = u64::from(policy.backlog_per_replica());
        let due_soon = due_soon(work, seen, keep_one.within);
        let counted = work.ready.saturating_add(due_soon);
        let backlog = counted
            .saturating_add(held_that_counts(work, policy, seen))
            .div_ceil(each);
        let rule = match work.ready > 0 || work.in_flight > 0 {
            true => Rule::Backlog,
            false => keep_one.rule(work, seen).unwrap_or(Rule::Idle),
        };
        let wanted = u32::try_from(backlog).unwrap_or(u32::MAX);
        Self {
            wanted: wanted.max(u32::from(rule != Rule::Idle)),
            rule,
            answer: None,
            has_work: rule != Rule::Idle,
        }
    }

    /// Demand when there has been nothing to do for the idle time: no worker is kept, whatever the rate of arrivals
    /// was.
    pub(crate) fn idle(self) -> Self {
        Self {
            wanted: 0,
            rule: Rule::Idle,
            ..self
        }
    }

    /// Demand by the wait rule, and at least one worker for any work that is there or comes due.
    fn within(
        wait: &Wait,
        work: &Work,
        keep_one: KeepOne,
        policy: &Policy,
        seen: &Observation,
        waiting: &mut Waiting,
    ) -> Self {
        let answer = waiting.answer(policy, &wait.tuning, seen, wait.seconds());
        let there = work.ready > 0 || work.in_flight > 0;
        let keep_one = keep_one.rule(work, seen);
        let rule = match keep_one.filter(|_| !there && answer.pods <= 1) {
            // One for what may come would do no more than one for what is known.
            Some(rule) => rule,
            None if there || answer.pods > 0 => answer.rule,
            None => Rule::Idle,
        };
        let has_work = there || keep_one.is_some();
        Self {
            wanted: answer.pods.max(u32::from(has_work)),
            rule,
            answer: Some(answer),
            has_work,
        }
    }
}

/// Number of tasks that workers run or have fetched, as far as it counts: they never ask for more workers than those
/// that hold them, because another one could not take them over. Where the workers report nothing, it is not known who
/// holds what has been fetched.
pub(crate) fn held_that_counts(work: &Work, policy: &Policy, seen: &Observation) -> u64 {
    let slots = u64::from(policy.slots.or(seen.slots).unwrap_or(1).max(1));
    let each = u64::from(policy.backlog_per_replica());
    let replicas = u64::from(seen.replicas);
    let busy = work.running.div_ceil(slots).max(u64::from(seen.busy_pods));
    let running = work.running.min(work.in_flight);
    let running = running.min(busy.min(replicas).saturating_mul(each));
    let fetched = work.in_flight.saturating_sub(work.running);
    let held = running.saturating_add(fetched);
    match seen.workers_heard {
        true => held.min(u64::from(seen.holders()).max(busy).min(replicas).saturating_mul(each)),
        false => held,
    }
}

impl Observation {
    /// Number of pods that hold what has been fetched: a worker that can start a task starts it. Where none runs
    /// anything yet, all that are ready.
    pub(crate) fn holders(&self) -> u32 {
        match self.busy_pods.saturating_add(self.silent_pods) {
            0 => self.ready,
            busy => busy,
        }
    }
}

/// Whether the next scheduled task is due within this time, even if the count of those (a more expensive read) is
/// older.
fn comes_due(work: &Work, seen: &Observation, within: Duration) -> bool {
    match seen.next_due_in {
        Some(due) => work.scheduled > 0 && due <= within,
        None => work.due_soon > 0,
    }
}

/// Number of scheduled tasks that count as work already.
pub(crate) fn due_soon(work: &Work, seen: &Observation, within: Duration) -> u64 {
    match comes_due(work, seen, within) {
        true => work.due_soon,
        false => 0,
    }
}
