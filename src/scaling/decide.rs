//! The order in which the rules apply.
#![deny(clippy::disallowed_methods)]
use super::{
    Candidates, Decision, Memory, Observation, Policy, Reading, Rule, Work,
    demand::{Demand, KeepOne},
    explain::{Case, explain},
    memory::LONGEST_DELAY,
    schedule::Floor,
    stabilization::Stabilized,
};
use crate::model::WAKE_AHEAD;
use std::time::Duration;

/// Time to the next decision when nothing is pending.
const USUAL_DELAY: Duration = Duration::from_secs(30);
/// Shortest time to the next decision: the precision of changes that time alone makes.
const SHORTEST_DELAY: Duration = Duration::from_millis(50);

/// Decides how many replicas the target should have, and says why.
///
/// Total: every input gives a decision. Only a fresh reading lowers the number, and never below the running work. A
/// caller may skip observations that contain nothing new (`now`, ages and `next_due_in` count down by themselves), as
/// long as it decides again after [`Decision::decide_again_in`]: what time alone changes is found then.
///
/// Duration: 20 µs at most. `make bench-decide`, in a pool that is busy all the time, on two cores that others used,
/// too: 4 to 7 µs with a wait target, 1 to 3 µs with a backlog per replica, 5 to 11 µs with three schedules on top
/// (medians).
pub fn decide(policy: &Policy, mut memory: Memory, seen: &Observation) -> (Memory, Decision) {
    let floor = memory.floor.floor(&policy.schedules, seen.wall, WAKE_AHEAD);
    let limits = ReplicaLimits::of(policy, &floor);
    memory.stranded.observe(seen);
    let seen = &*memory.stranded.taken_out(seen);
    memory.learn(policy, seen);
    let keep_one = KeepOne {
        within: memory.due_within(policy, seen),
        stranded: memory.stranded.tasks(),
    };
    let demand = match &seen.reading {
        Reading::Fresh(work) | Reading::Stale { work, .. } => {
            Demand::of(work, keep_one, policy, seen, &mut memory.waiting)
        }
        Reading::Untold | Reading::Unknown { .. } => Demand {
            wanted: seen.replicas,
            rule: Rule::Unknown,
            answer: None,
            has_work: true,
        },
    };
    let idle = !demand.has_work && memory.quiet_for(policy, seen.now);
    let demand = if idle { demand.idle() } else { demand };
    let recommended = demand.wanted.clamp(limits.min, limits.max);
    memory.take(policy, seen, demand, recommended);

    let chooser = RuleInput {
        policy,
        memory: &memory,
        seen,
        demand,
        keep_one,
        limits,
        recommended,
    };
    let choice = chooser.choose();
    let decision = Decision {
        replicas: choice.replicas,
        rule: choice.rule,
        sentence: explain(&Case {
            policy,
            seen,
            demand,
            keep_one,
            floor,
            wish: recommended,
            replicas: choice.replicas,
            rule: choice.rule,
            window: choice.window,
        }),
        limited: chooser.limited(choice),
        wanted: demand.wanted,
        candidates: candidates(policy, seen, &demand, &floor, &choice),
        estimates: demand
            .answer
            .map(|_| memory.waiting.estimates(policy, demand.answer, seen.now)),
        oldest_wait: demand.answer.map(|answer| answer.oldest_wait).max(seen.oldest_seen()),
        trouble: demand
            .answer
            .and_then(|answer| answer.trouble(policy))
            .or_else(|| memory.waiting.pods_not_ready(seen.now)),
        blocked: matches!(seen.reading, Reading::Fresh(_)) && memory.progress.blocked(seen.now),
        decide_again_in: soonest([
            choice.pending,
            floor.next_change,
            memory.stranded.next_change(seen.now),
            memory.waiting.stuck_in(seen.now),
        ])
        .unwrap_or(USUAL_DELAY)
        .clamp(SHORTEST_DELAY, LONGEST_DELAY),
    };
    (memory, decision)
}

/// Numbers that the decision was chosen from, for people.
fn candidates(policy: &Policy, seen: &Observation, demand: &Demand, floor: &Floor, choice: &Choice) -> Candidates {
    let read = matches!(seen.reading, Reading::Fresh(_) | Reading::Stale { .. });
    let answer = demand.answer;
    let listed = answer.is_some() && matches!(demand.rule, Rule::Deadline | Rule::Rate | Rule::Reserve);
    Candidates {
        deadline: answer.map(|answer| answer.urgent),
        rate: answer.map(|answer| answer.by_rate),
        reserve: answer.and_then(|answer| answer.reserve),
        work: (read && !listed).then_some((demand.rule, demand.wanted)),
        running: choice.running,
        window: choice.kept,
        minimum: policy.min,
        schedule: (floor.replicas > policy.min).then_some(floor.replicas),
        maximum: policy.max,
    }
}

/// Limits of the number of replicas; where they contradict each other the maximum counts.
#[derive(Clone, Copy)]
struct ReplicaLimits {
    min: u32,
    /// Rule that sets the minimum.
    min_rule: Rule,
    max: u32,
}

impl ReplicaLimits {
    /// Limits of a policy, whose minimum a schedule may raise.
    fn of(policy: &Policy, floor: &Floor) -> Self {
        let by_schedule = floor.replicas > policy.min && policy.max > policy.min;
        Self {
            min: policy.min.max(floor.replicas).min(policy.max),
            min_rule: if by_schedule { Rule::Schedule } else { Rule::Minimum },
            max: policy.max,
        }
    }
}

/// Number of replicas, the rule that set it, and the time until it may change by itself.
#[derive(Clone, Copy)]
struct Choice {
    replicas: u32,
    rule: Rule,
    /// Scale-down window that applies.
    window: Duration,
    pending: Option<Duration>,
    /// Floors of the running work and of the windows, where they were looked at.
    running: Option<u32>,
    kept: Option<u32>,
}

impl Choice {
    /// Choice that time alone does not change.
    const fn of(replicas: u32, rule: Rule) -> Self {
        Self {
            replicas,
            rule,
            window: Duration::ZERO,
            pending: None,
            running: None,
            kept: None,
        }
    }
}

/// Input of the rules, which change nothing in it.
struct RuleInput<'a> {
    policy: &'a Policy,
    memory: &'a Memory,
    seen: &'a Observation,
    demand: Demand,
    keep_one: KeepOne,
    limits: ReplicaLimits,
    /// Number of replicas that the work asks for, within the limits.
    recommended: u32,
}

impl RuleInput<'_> {
    fn choose(&self) -> Choice {
        let current = self.seen.replicas;
        match &self.seen.reading {
            _ if self.policy.suspended => Choice::of(current, Rule::Suspended),
            Reading::Untold | Reading::Unknown { .. } => self.unread(Rule::Unknown),
            Reading::Stale { .. } => self.unread(Rule::Stale),
            Reading::Fresh(work) => {
                let choice = if self.recommended > current {
                    self.rise()
                } else if self.recommended < current {
                    self.fall(work)
                } else {
                    Choice::of(current, self.demand_rule())
                };
                let deadlines = self
                    .demand
                    .answer
                    .and_then(|answer| answer.decide_again_in(self.policy));
                let wake = self
                    .seen
                    .next_due_in
                    .and_then(|due| due.checked_sub(self.keep_one.within));
                let blocked = self.memory.progress.remaining(self.seen.now);
                let blocked = blocked.filter(|left| !left.is_zero());
                Choice {
                    pending: soonest([choice.pending, wake, deadlines, blocked]),
                    ..choice
                }
            }
        }
    }

    /// Choice without a fresh reading: never fewer replicas; the minimum and, after its time, the fallback.
    fn unread(&self, rule: Rule) -> Choice {
        let current = self.seen.replicas;
        let held = current.max(self.limits.min);
        let rule = if held > current { self.limits.min_rule } else { rule };
        let unread_for = self.memory.unread_for(self.seen.now);
        // The fallback is for a broker that cannot be read.
        match self.policy.fallback.filter(|_| self.seen.reading != Reading::Untold) {
            Some(fallback) if unread_for >= fallback.after => {
                Choice::of(held.max(fallback.replicas.min(self.limits.max)), Rule::Fallback)
            }
            fallback => Choice {
                pending: fallback.map(|fallback| fallback.after.saturating_sub(unread_for)),
                ..Choice::of(held, rule)
            },
        }
    }

    /// Choice on the way up: at once and straight to the recommendation, unless nothing starts or `behavior` limits the
    /// step.
    fn rise(&self) -> Choice {
        let now = self.seen.now;
        // The user sets the minimum; no rule delays it.
        let least = self.seen.replicas.max(self.limits.min);
        if self.memory.progress.blocked(now) && self.recommended > least {
            return Choice::of(least, Rule::BlockedQueue);
        }
        let behavior = &self.policy.behavior;
        let (lowest, window_change) = self.memory.recommendations.lowest(now, behavior);
        let replicas = &self.memory.replicas;
        let up = behavior.up.as_ref();
        let ceiling = up.map_or(u32::MAX, |rules| rules.ceiling(self.seen.replicas, replicas, now));
        let allowed = self.recommended.min(lowest).min(ceiling).max(least);
        let rule = if allowed < self.recommended {
            Rule::Behavior
        } else {
            self.demand_rule()
        };
        Choice {
            pending: soonest([window_change, up.and_then(|rules| rules.next_change(replicas, now))]),
            ..Choice::of(allowed, rule)
        }
    }

    /// Choice on the way down: the highest of the floors that apply now; of equal ones the first names the rule.
    fn fall(&self, work: &Work) -> Choice {
        let now = self.seen.now;
        let current = self.seen.replicas;
        let starting_for = self.memory.starting_for(self.policy, now);
        let idle_in = self.memory.idle_in(self.policy, now);
        let stabilized = self.stabilized(idle_in);
        let (running, kept) = (self.protected(work), stabilized.floor.min(self.limits.max));
        let floors = [
            (self.seen.rollout, current, Rule::Rollout),
            (!starting_for.is_zero(), current, Rule::JustStarted),
            (true, running, Rule::RunningWork),
            (
                idle_in.is_some_and(|left| !left.is_zero()),
                self.limits.max.min(1),
                Rule::CoolingDown,
            ),
            (true, kept, Rule::Window),
        ];
        let (mut replicas, mut rule) = (self.recommended, self.demand_rule());
        for (applies, floor, of) in floors {
            if applies && floor.min(current) > replicas {
                (replicas, rule) = (floor.min(current), of);
            }
        }
        let mut window = self.policy.window_for(current, self.recommended);
        let pause = self.pause(replicas, idle_in);
        let unchanged_in = self.memory.replicas.next_change(pause, now);
        if unchanged_in.is_some() && current.min(self.limits.max) > replicas {
            (replicas, rule, window) = (current.min(self.limits.max), Rule::Window, pause);
        }
        let down = self.policy.behavior.down.as_ref();
        let slowed = down.map_or(0, |rules| rules.floor(current, &self.memory.replicas, now));
        // The user sets the maximum; no policy delays it.
        if slowed.min(self.limits.max) > replicas {
            (replicas, rule) = (slowed.min(self.limits.max), Rule::Behavior);
        }
        Choice {
            replicas,
            rule,
            window,
            running: Some(running),
            kept: Some(kept),
            pending: soonest([
                unchanged_in,
                Some(starting_for).filter(|left| !left.is_zero()),
                idle_in.filter(|left| !left.is_zero()),
                stabilized.next_change,
                down.and_then(|rules| rules.next_change(&self.memory.replicas, now)),
            ]),
        }
    }

    /// Number of replicas that running work needs: room for it where workers can be emptied, else the busy pods where
    /// the workers report, else all that is in flight, whether or not a worker holds it. Pods with unknown work are
    /// added: without evidence no pod goes.
    fn protected(&self, work: &Work) -> u32 {
        let (policy, seen) = (self.policy, self.seen);
        let carriers =
            |tasks: u64, slots: u32| u32::try_from(tasks.div_ceil(u64::from(slots.max(1)))).unwrap_or(u32::MAX);
        let slots = policy.slots.or(seen.slots);
        if seen.workers_heard && seen.drains && slots.is_some() {
            // The user sets the maximum: it interrupts no running work, but running work keeps no more replicas than it
            // either.
            let room = carriers(work.running, slots.unwrap_or(1)).min(self.limits.max);
            room.saturating_add(seen.silent_pods)
        } else if seen.workers_heard {
            let running = policy.slots.map_or(0, |slots| carriers(work.running, slots));
            seen.busy_pods.saturating_add(seen.silent_pods).max(running)
        } else {
            let in_flight = work.in_flight.saturating_add(self.keep_one.stranded);
            carriers(in_flight, policy.slots.unwrap_or(1)).max(seen.silent_pods)
        }
    }

    /// Floor of the windows. When there has been no work for the idle time, that time is the only delay; a window that
    /// the user set always applies.
    fn stabilized(&self, idle_in: Option<Duration>) -> Stabilized {
        let behavior = &self.policy.behavior;
        let stabilized = self
            .memory
            .recommendations
            .stabilized(self.seen.replicas, self.seen.now, self.policy);
        let users = behavior.down.as_ref().is_some_and(|rules| rules.window.is_some());
        match idle_in {
            Some(Duration::ZERO) if !users => Stabilized { floor: 0, ..stabilized },
            _ => stabilized,
        }
    }

    /// Time for which the number must have stayed before a small step down to `replicas`: workers that finish one after
    /// the other go together. Zero where there is no work, or the user set a window.
    fn pause(&self, replicas: u32, idle_in: Option<Duration>) -> Duration {
        match idle_in {
            Some(Duration::ZERO) => Duration::ZERO,
            _ => {
                let Observation {
                    replicas: current,
                    ready,
                    ..
                } = *self.seen;
                self.policy.pause(current, replicas, ready >= current)
            }
        }
    }

    /// Rule that applies when only demand and limits set the number.
    fn demand_rule(&self) -> Rule {
        let idle_step = self.seen.replicas > self.recommended
            && self.memory.idle_in(self.policy, self.seen.now) == Some(Duration::ZERO);
        if self.demand.wanted > self.limits.max {
            Rule::Maximum
        } else if self.demand.wanted < self.limits.min && !idle_step {
            self.limits.min_rule
        } else {
            self.demand.rule
        }
    }

    /// Limit, if any, that keeps the number from what the work asks for.
    fn limited(&self, choice: Choice) -> Option<Rule> {
        match choice.rule {
            Rule::Behavior => Some(Rule::Behavior),
            Rule::Suspended | Rule::Unknown | Rule::Stale | Rule::Fallback | Rule::BlockedQueue => None,
            _ if self.demand.wanted > self.limits.max => Some(Rule::Maximum),
            _ if self.demand.wanted < self.limits.min && choice.replicas == self.limits.min => {
                Some(self.limits.min_rule)
            }
            _ => None,
        }
    }
}

fn soonest<const N: usize>(times: [Option<Duration>; N]) -> Option<Duration> {
    times.into_iter().flatten().min()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
#[rustfmt::skip] // a table: one row a line
mod tests;
