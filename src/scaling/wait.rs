//! Wait rule: every task starts within the time that the user asked for, with the fewest workers.
//!
//! The largest of three numbers counts: the deadlines of the tasks that wait ([`super::deadline`]), the rate at which
//! tasks arrive, and a small reserve where the target is shorter than a pod's start-up.
#![deny(clippy::disallowed_methods)]
use super::{
    Estimates, Moment, Observation, Policy, Rule, Since, TargetRule, Trouble, Work,
    counter::Counter,
    deadline::{self, Deadlines, Need},
    flow::{BIN, Flow, TaskCount},
    history::History,
    margin::Margin,
    rate,
    startup::Startup,
    supply::Supply,
};
use std::time::Duration;

/// Balance between cost and waiting, and the time for which a surplus is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Fewest pod-hours that still meet the target.
    Economy,
    /// A few more pod-hours, and a quarter fewer changes.
    #[default]
    Balanced,
    /// Short waits.
    Responsive,
}

/// Numbers of a profile. Measured with the simulator: see `make bench-decisions`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Share of the target within which tasks are planned to start.
    pub phi: f64,
    /// Workers beyond what the rate of arrivals needs, as a share of it, when no wait was near the target for long, …
    pub lean: f64,
    /// … and after a near miss, or while little is known.
    pub careful: f64,
    /// Duration for which a clear surplus is kept.
    pub surplus: Duration,
    /// Duration for which a small surplus is kept, and for which the number must have stayed before a small step down.
    pub trim: Duration,
}

impl Profile {
    /// Numbers of the profile.
    pub const fn tuning(self) -> Tuning {
        match self {
            Self::Economy => Tuning {
                phi: 0.98,
                lean: -0.5,
                careful: 0.02,
                surplus: Duration::ZERO,
                trim: Duration::from_secs(3),
            },
            Self::Balanced => Tuning {
                phi: 0.95,
                lean: -0.25,
                careful: 0.05,
                surplus: Duration::from_secs(3),
                trim: Duration::from_secs(45),
            },
            Self::Responsive => Tuning {
                phi: 0.7,
                lean: 0.0,
                careful: 0.15,
                surplus: Duration::from_secs(15),
                trim: Duration::from_secs(60),
            },
        }
    }
}

/// Share of the pods that start within the start-up time that is used.
const STARTUP_QUANTILE: f64 = 0.6;
/// Duration for which a rise of the rate's need must have lasted before it is followed.
const CONFIRM: Duration = Duration::from_secs(10);
/// Share of busy slots from which the rate may order more workers although nothing waits.
const BUSY: f64 = 0.85;
/// Largest number of workers kept for what may arrive during a start-up.
const RESERVE_MAX: f64 = 3.0;
/// Shortest time between two checks of the deadlines.
const SHORTEST_CHECK: Duration = Duration::from_millis(500);
/// Share of the tasks for which the reserve may fail.
const RESERVE_MISS: f64 = 0.03;
/// Time after which the reserve is computed again.
const RESERVE_EVERY: Duration = Duration::from_secs(30);
/// Part of a pod above a whole number that asks for no further pod.
const ROUNDING: f64 = 0.05;
/// Number of slots below which an offered load counts as none.
const NO_LOAD: f64 = 0.02;

/// Memory of the wait rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) flow: Flow,
    counter: Counter,
    pub(crate) startup: Startup,
    /// Number of task slots of a pod: what its workers reported last; before that, the largest number that one was seen
    /// to run at a time.
    slots: u32,
    /// Numbers of slots that the rate asked for recently, as complements: their maximum is the minimum of the slots.
    rate_lows: History,
    reserve: (Option<Moment>, f64),
    margin: Margin,
    /// Number of replicas when the workers began to hang.
    hung_at: Option<u32>,
}

/// Result of the wait rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WaitResult {
    pub(crate) pods: u32,
    /// Numbers that the deadlines, the rate and the reserve each ask for.
    pub(crate) urgent: u32,
    pub(crate) by_rate: u32,
    pub(crate) reserve: Option<u32>,
    /// Number of replicas that would be needed, if more of them helped.
    pub(crate) needed: u32,
    pub(crate) rule: Rule,
    pub(crate) need: Need,
    /// Number of tasks that arrive in a second.
    pub(crate) rate: f64,
    /// Seconds a task takes.
    pub(crate) service: f64,
    /// Seconds a pod takes to start, and whether that was seen.
    pub(crate) startup: f64,
    pub(crate) startup_known: bool,
    /// Number of task slots of a pod.
    pub(crate) slots: u32,
    /// Time that the oldest waiting task has waited.
    pub(crate) oldest_wait: Duration,
    /// Share of the tasks started recently that were in time.
    pub(crate) in_time: Option<f64>,
    /// The same share if it is too small.
    pub(crate) missed: Option<f64>,
    /// Whether the late tasks waited at busy workers while some were free.
    pub(crate) held: bool,
    /// Number of tasks that busy workers have fetched, if they cannot start them within the target, and no other worker
    /// can.
    pub(crate) fetched: Option<u64>,
    /// Number of pods that do not become ready.
    pub(crate) stuck: Option<u32>,
    /// Whether tasks run and none finishes.
    pub(crate) hangs: bool,
    /// Whether tasks wait.
    waits: bool,
}

impl WaitResult {
    /// Time until the result changes by itself: deadlines come nearer, and a rate is forgotten.
    pub(crate) fn decide_again_in(&self, policy: &Policy) -> Option<Duration> {
        if self.waits {
            Some(policy.period.max(SHORTEST_CHECK))
        } else if self.rate > 0.0 {
            Some(Duration::from_secs_f64(BIN))
        } else {
            None
        }
    }

    /// Cause that keeps the target from being met.
    pub(crate) fn trouble(&self, policy: &Policy) -> Option<Trouble> {
        let TargetRule::Wait(wait) = &policy.target else {
            return None;
        };
        let startup = Duration::try_from_secs_f64(self.startup).unwrap_or_default();
        if let Some(pods) = self.stuck {
            Some(Trouble::PodsNotReady { pods })
        } else if self.hangs {
            Some(Trouble::NothingFinishes)
        } else if self.startup_known && startup.saturating_add(policy.period) > wait.within {
            let in_time = self.in_time;
            Some(Trouble::SlowerThanTarget { startup, in_time })
        } else {
            let in_time = self.missed?;
            Some(match self.held {
                true => Trouble::HeldByWorkers { in_time },
                false => Trouble::TasksLate { in_time },
            })
        }
    }
}

impl Waiting {
    /// Takes in the target's numbers; every observation has them.
    pub(crate) fn observe(&mut self, seen: &Observation) {
        self.startup.take(seen.replicas, seen.ready, seen.rollout, seen.now);
    }

    /// Takes in a fresh count.
    pub(crate) fn count(&mut self, policy: &Policy, work: &Work, seen: &Observation, target: f64) {
        if work.running > 0 && seen.busy_pods > 0 {
            let each = work.running.div_ceil(u64::from(seen.busy_pods));
            self.slots = self.slots.max(u32::try_from(each).unwrap_or(u32::MAX));
        }
        self.slots = seen.slots.unwrap_or(self.slots);
        let running = self.running(policy, work, seen);
        // The time since which a task was seen says nothing about the time before.
        let published = matches!(work.oldest, Some(Since::Published(_)));
        let waited = seen.oldest_wait(work).filter(|_| published);
        let count = TaskCount {
            work,
            running,
            heard: seen.workers_heard,
            taken: seen.processed.filter(|_| seen.workers_heard),
            often: seen.reports_often,
            head: waited.map(|waited| seen.now.saturating_sub(waited)),
            idle: running < u64::from(self.slots(policy)) * u64::from(seen.ready),
            counted: seen.counted,
        };
        // What a silent pod starts is in nobody's count.
        let counted = count.taken.is_some() && seen.silent_pods == 0;
        self.counter.look(counted, seen.ready > 0, seen.now);
        let first = self.flow.is_new();
        self.flow.take(&count, policy.hint(), target);
        if let Some(waited) = waited.filter(|_| first) {
            self.flow.began_earlier(waited);
        }
        let complete = seen.ready >= seen.replicas;
        self.margin
            .record(self.flow.oldest_wait(seen.now), target, complete, seen.now);
    }

    /// Number of tasks in slots: what the workers report, or as many of those in flight as there are slots.
    fn running(&self, policy: &Policy, work: &Work, seen: &Observation) -> u64 {
        match seen.workers_heard {
            true => work.running.min(work.in_flight),
            false => work
                .in_flight
                .min(u64::from(self.slots(policy)) * u64::from(seen.ready)),
        }
    }

    /// Number of task slots of a pod: as the user says, else as its workers say, else the largest number that was seen
    /// in use.
    pub(crate) fn slots(&self, policy: &Policy) -> u32 {
        policy.slots.unwrap_or(self.slots).max(1)
    }

    /// Number of pods, and the reason. Changes only what saves work later.
    pub(crate) fn answer(&mut self, policy: &Policy, tuning: &Tuning, seen: &Observation, target: f64) -> WaitResult {
        let now = seen.now;
        let slots = f64::from(self.slots(policy));
        let service = self.flow.service(policy.hint());
        let rate = rate::per_second(&self.flow, service, now);
        let period = policy.period.as_secs_f64();
        let startup = self.startup.seconds(STARTUP_QUANTILE, now);
        let supply = Supply {
            slots,
            ready: f64::from(seen.ready.min(seen.replicas)),
            running: self.flow.running(),
            fetched: self.flow.fetched(),
            holders: f64::from(seen.holders()),
            rate,
            service: service * self.margin.slower(),
            startup,
            arriving: self.startup.arriving(startup, now),
        };
        let within = (tuning.phi * target).max(1e-3);
        let deadlines = Deadlines {
            target,
            within,
            rate,
            period,
        };
        let need = deadline::need(&self.flow, &supply, &deadlines, now);
        let urgent = whole(need.pods);
        let by_rate = self.by_rate(policy, tuning, seen, &supply, rate, target);
        let waiting = self.flow.waiting();
        let hoarded = waiting - supply.startable(waiting, within) >= 1.0;
        let mut answer = WaitResult {
            pods: urgent,
            urgent,
            by_rate,
            reserve: None,
            needed: urgent,
            rule: Rule::Deadline,
            need,
            rate,
            service,
            startup: supply.startup,
            startup_known: self.startup.is_known(),
            oldest_wait: self.flow.oldest_wait(now),
            in_time: self.flow.attainment.in_time(),
            missed: self.flow.attainment.missed(),
            held: self.flow.attainment.is_held(),
            fetched: hoarded.then_some(self.flow.fetched() as u64),
            stuck: None,
            hangs: false,
            waits: waiting > 0.0,
            slots: self.slots(policy),
        };
        if by_rate > answer.pods {
            (answer.pods, answer.rule) = (by_rate, Rule::Rate);
        }
        let blind = supply.startup + period - within;
        if blind > 0.0 {
            let more = self.reserve(blind, now);
            let kept = supply.startable(waiting + more, within + blind);
            let kept = supply.needed(kept, within + blind);
            let most = f64::from(urgent.max(whole(rate * service / slots))) + RESERVE_MAX;
            let kept = whole(kept.min(most));
            answer.reserve = Some(kept);
            if kept > answer.pods {
                (answer.pods, answer.rule) = (kept, Rule::Reserve);
            }
        }
        self.restrain(&mut answer, seen);
        answer
    }

    /// Limits orders where more pods do not help.
    fn restrain(&mut self, answer: &mut WaitResult, seen: &Observation) {
        answer.needed = answer.pods;
        answer.stuck = self.startup.stuck(answer.startup, seen.now);
        answer.hangs = self.flow.hangs(seen.now);
        // Late pods say nothing about the next ones where as many are ready.
        let most_stuck = answer.stuck.is_some_and(|late| late > seen.ready);
        if most_stuck || self.startup.recovers(seen.now) {
            let most = seen.ready.saturating_mul(2).saturating_add(4).max(seen.replicas);
            answer.pods = answer.pods.min(most);
        }
        self.hung_at = answer.hangs.then(|| self.hung_at.unwrap_or(seen.replicas));
        if let Some(then) = self.hung_at {
            let most = then.saturating_add(then.div_ceil(2)).max(seen.replicas);
            answer.pods = answer.pods.min(most);
        }
    }

    /// Pods that do not become ready, whatever the target.
    pub(crate) fn pods_not_ready(&self, now: Moment) -> Option<Trouble> {
        let usual = self.usual_startup(now)?;
        let pods = self.startup.stuck(usual, now)?;
        Some(Trouble::PodsNotReady { pods })
    }

    /// Time until the next pod counts as one that does not become ready.
    pub(crate) fn stuck_in(&self, now: Moment) -> Option<Duration> {
        self.startup.stuck_in(self.usual_startup(now)?, now)
    }

    /// Usual start-up time of a pod in seconds, if any is on its way.
    fn usual_startup(&self, now: Moment) -> Option<f64> {
        let starting = self.startup.is_waiting();
        starting.then(|| self.startup.seconds(STARTUP_QUANTILE, now))
    }

    /// Begins with what another process learned.
    pub(crate) fn remember(&mut self, learned: &Estimates) {
        if let Some(task) = learned.task {
            self.flow.remember(task);
        }
        if let Some(startup) = learned.startup {
            self.startup.remember(startup);
        }
        self.slots = learned.slots.unwrap_or(0);
    }

    /// Estimates that were learned.
    pub(crate) fn estimates(&self, policy: &Policy, answer: Option<WaitResult>, now: Moment) -> Estimates {
        Estimates {
            task: Some(self.flow.service(policy.hint())).filter(|_| self.flow.learned_from() >= 1.0),
            rate: answer.map_or(0.0, |answer| answer.rate),
            startup: Some(self.startup.seconds(STARTUP_QUANTILE, now)).filter(|_| self.startup.is_known()),
            slots: policy.slots.or(Some(self.slots).filter(|slots| *slots > 0)),
            in_time: self.flow.attainment.in_time(),
            arrived: self
                .flow
                .newcomers()
                .filter(|_| self.counter.is_known())
                .map(|tasks| tasks as u64),
        }
    }

    /// Load that the present rate leads to, once what is there now has been worked off: λ·s for short tasks, what is
    /// there for long ones (the M/G/∞ queue on its way to its mean).
    fn by_rate(
        &mut self,
        policy: &Policy,
        tuning: &Tuning,
        seen: &Observation,
        supply: &Supply,
        rate: f64,
        target: f64,
    ) -> u32 {
        let Supply {
            slots,
            service,
            running,
            ready,
            ..
        } = *supply;
        // What has been fetched runs where it is.
        let free = self.flow.waiting() - supply.fetched;
        let there = running + free + supply.fetched.min(supply.room_of_holders());
        let stays = (-(supply.startup + target) / service).exp();
        let load = there * stays + rate * service * (1.0 - stays);
        let headroom = self.margin.headroom(tuning.lean, tuning.careful, seen.now);
        let mut pods = match load > NO_LOAD {
            true => whole(load * (1.0 + headroom) / slots - ROUNDING),
            false => 0,
        };
        let waits = free > 0.0;
        let busy = running >= BUSY * slots * ready.max(1.0);
        if pods > seen.replicas && !waits && !busy {
            pods = seen.replicas;
        }
        let pods = pods.min(policy.max);
        self.rate_lows.record_peak(!pods, seen.now, CONFIRM);
        let lowest = !self.rate_lows.at(CONFIRM, seen.now).unwrap_or(!pods);
        pods.min(lowest.max(seen.replicas))
    }

    /// Number of tasks that arrive in `blind` seconds and that are exceeded only by [`RESERVE_MISS`] of all tasks.
    fn reserve(&mut self, blind: f64, now: Moment) -> f64 {
        if self.reserve.0.is_some_and(|at| now.saturating_sub(at) < RESERVE_EVERY) {
            return self.reserve.1;
        }
        // Less than a bin is a share of one.
        let width = blind / BIN;
        let share = width.min(1.0);
        let width = (width.round() as usize).max(1);
        let bins: Vec<f64> = self.flow.bins().collect();
        let mut windows: Vec<f64> = bins.windows(width).map(|window| window.iter().sum()).collect();
        let level = if windows.len() < 24 {
            0.0
        } else {
            share * fill(&mut windows)
        };
        self.reserve = (Some(now), level);
        level
    }
}

/// Smallest level that leaves at most [`RESERVE_MISS`] of the sum above it.
fn fill(windows: &mut [f64]) -> f64 {
    windows.sort_unstable_by(|a, b| b.total_cmp(a));
    let allowed = RESERVE_MISS * windows.iter().sum::<f64>();
    let mut above = 0.0;
    for (n, pair) in windows.windows(2).enumerate() {
        let [high, low] = pair else { continue };
        let more = (high - low) * (n + 1) as f64;
        if above + more > allowed {
            return high - (allowed - above) / (n + 1) as f64;
        }
        above += more;
    }
    windows.last().copied().unwrap_or(0.0)
}

/// Number of whole pods.
fn whole(pods: f64) -> u32 {
    (pods - 1e-6).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
