//! How many workers, and why. Pure and total: [`decide()`] takes values and returns values, for every input.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the vocabulary: [`Policy`], [`Observation`], [`Memory`], [`Decision`] |
//! | `decide.rs` | the order in which the rules apply |
//! | `candidates.rs` | what each rule alone would have asked for |
//! | `demand.rs` | how many workers the work asks for; the backlog rule |
//! | `wait.rs` | the wait rule: `flow.rs` (arrivals and starts), `counter.rs` (whether starts are known), `service.rs` (how long a task takes), `rate.rs`, `startup.rs`, `supply.rs`, `deadline.rs`, `margin.rs` |
//! | `lead_time.rs` | how long before a scheduled task comes due its worker is ordered |
//! | `stranded.rs` | work of workers that died |
//! | `stabilization.rs` | the two scale-down windows |
//! | `behavior.rs` | the HPA's `behavior` field |
//! | `schedule.rs` | periods of the calendar with a minimum number of replicas |
//! | `trouble.rs` | what keeps the wait target from being met |
//! | `attainment.rs` | share of recently started tasks that were in time |
//! | `progress.rs` | the blocked queue: work waits and nothing starts |
//! | `memory.rs` | what is remembered from decision to decision |
//! | `history.rs` | a number over time, bounded |
//! | `explain.rs` | the sentence that explains a decision |
#![deny(clippy::disallowed_methods)]

mod attainment;
mod behavior;
mod candidates;
mod counter;
mod deadline;
mod decide;
mod demand;
mod explain;
#[cfg(test)]
mod fixture;
mod flow;
mod history;
mod lead_time;
mod margin;
mod memory;
mod progress;
mod rate;
mod schedule;
mod service;
mod stabilization;
mod startup;
mod stranded;
mod supply;
mod trouble;
mod wait;

use jiff::Timestamp;
use std::time::Duration;

pub use behavior::{Behavior, BehaviorPolicy, PolicyType, Rules, Select};
pub use candidates::Candidates;
pub use decide::decide;
pub use schedule::{Floor, Schedule, ScheduleError, floor};
pub use stabilization::{SURPLUS_WINDOW, TRIM_WINDOW};
pub use trouble::Trouble;
pub use wait::{Profile, Tuning};

use crate::model::Now;
pub use crate::model::{KeepAlive, Moment, SampleError, Since, Work};

/// Policy of a pool: what its spec asks for, in the units of this module.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Minimum number of replicas.
    pub min: u32,
    /// Maximum number of replicas.
    pub max: u32,
    /// Periods of the calendar with a minimum number of replicas.
    pub schedules: Vec<Schedule>,
    /// Rule by which the number of replicas follows from the work.
    pub target: TargetRule,
    /// Number of tasks that one replica runs at a time, where the user says; else what the workers report counts.
    pub slots: Option<u32>,
    /// Duration without work after which the last replicas go.
    pub idle: Duration,
    /// The HPA's `behavior`.
    pub behavior: Behavior,
    /// Replicas to run when the broker has not been readable for some time.
    pub fallback: Option<Fallback>,
    /// Whether the operator leaves the pool alone.
    pub suspended: bool,
    /// Place of the messages of dead workers, and when they come back: the application's own terms, for the sentence.
    pub stranded: (&'static str, &'static str),
    /// Sampling period that the pool asked for; a reading older than three of them (at least 3 s) is stale.
    pub period: Duration,
}

/// Rule by which the number of replicas follows from the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetRule {
    /// Backlog rule: number of outstanding tasks for each replica, at least 1.
    Backlog(u32),
    /// Wait rule.
    Wait(Wait),
}

/// Parameters of the wait rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// Wait target: duration within which tasks start.
    pub within: Duration,
    /// Duration of a task, as the user says: a guess until it is known.
    pub hint: Option<Duration>,
    /// Numbers of the profile.
    pub tuning: Tuning,
}

impl Wait {
    /// Wait target in seconds: more than a day is a day.
    pub(crate) fn seconds(&self) -> f64 {
        self.within.as_secs_f64().clamp(1e-3, 86_400.0)
    }
}

impl Policy {
    /// Duration of a task in seconds, as the user says.
    pub(crate) fn hint(&self) -> Option<f64> {
        match self.target {
            TargetRule::Wait(Wait { hint, .. }) => hint.map(|hint| hint.as_secs_f64().clamp(1e-3, 1e9)),
            TargetRule::Backlog(_) => None,
        }
    }

    /// Number of outstanding tasks for each replica by the backlog rule; 1 under any other rule.
    pub(crate) fn backlog_per_replica(&self) -> u32 {
        match self.target {
            TargetRule::Backlog(each) => each.max(1),
            TargetRule::Wait(_) => 1,
        }
    }
}

/// Number of replicas to run when the broker cannot be read; never fewer than now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Minimum number of replicas while the fallback applies.
    pub replicas: u32,
    /// Duration without a readable broker before the fallback applies.
    pub after: Duration,
}

/// The work with its freshness. Unknown is not zero; only `Fresh` may lower the number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Counted just now.
    Fresh(Work),
    /// Counted a while ago.
    Stale {
        /// Work that was counted then.
        work: Work,
        /// Age of that count.
        age: Duration,
        /// Reason why there is nothing newer, where known.
        why: Option<SampleError>,
    },
    /// The broker answers, and nobody has said yet which of its queues hold the work.
    Untold,
    /// Never counted, or not for a long time.
    Unknown {
        /// Reason why there is no count.
        why: SampleError,
    },
}

/// Everything that one decision may know.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Time on the steady clock.
    pub now: Moment,
    /// Time on the wall clock, by which people plan: for schedules only.
    pub wall: Timestamp,
    /// Work, with its freshness.
    pub reading: Reading,
    /// Time of the count.
    pub counted: Counted,
    /// Number of replicas in the target's `spec.replicas`.
    pub replicas: u32,
    /// Number of the target's ready replicas.
    pub ready: u32,
    /// Whether the target rolls out a new template: its pods go and come by themselves.
    pub rollout: bool,
    /// Number of live workers that run at least one task (from heartbeats): none of them may go while it does.
    pub busy_pods: u32,
    /// Whether the workers announce themselves, so that `busy_pods` can be trusted; otherwise only `work.in_flight`
    /// protects them.
    pub workers_heard: bool,
    /// Whether all of them report every few seconds how many tasks they have taken on.
    pub reports_often: bool,
    /// Number of ready pods whose workers are not heard or do not answer: each may run and hold any work that no other
    /// worker reports.
    pub silent_pods: u32,
    /// Whether busy workers can be emptied before they go: then running tasks need no more pods than have room for
    /// them.
    pub drains: bool,
    /// Number of tasks that each pod runs at a time, where the workers report it.
    pub slots: Option<u32>,
    /// Number of tasks that the workers have taken on, where they report it.
    pub processed: Option<u64>,
    /// Time until the next scheduled task is due, where that can be seen.
    pub next_due_in: Option<Duration>,
}

impl Observation {
    /// Time that the oldest ready task of this work has waited at least, where that was seen.
    fn oldest_wait(&self, work: &Work) -> Option<Duration> {
        let since = work.oldest.filter(|_| work.ready > 0)?;
        let (wall, moment) = (self.wall, self.now);
        Some(since.age(Now { wall, moment }))
    }

    /// The same for the latest count that there is.
    fn oldest_seen(&self) -> Option<Duration> {
        match &self.reading {
            Reading::Fresh(work) | Reading::Stale { work, .. } => self.oldest_wait(work),
            Reading::Untold | Reading::Unknown { .. } => None,
        }
    }
}

/// Time of the count. A caller may skip counts without anything new, so the last decision may be much older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Time of this count.
    pub at: Moment,
    /// Time of the count before it: what is new came in between. `None`: the time of the last decision.
    pub before: Option<Moment>,
}

impl Counted {
    /// Count at this moment; the count before it was the one of the last decision.
    pub fn at(moment: Moment) -> Self {
        Self {
            at: moment,
            before: None,
        }
    }
}

impl Memory {
    /// Begins with what another process learned.
    pub fn remembering(learned: &Estimates) -> Self {
        let mut memory = Self::default();
        memory.waiting.remember(learned);
        memory
    }
}

/// Estimates that were learned, for people and for the next process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimates {
    /// Seconds a task takes.
    pub task: Option<f64>,
    /// Number of tasks that arrive in a second.
    pub rate: f64,
    /// Seconds from the order of a pod until it is ready.
    pub startup: Option<f64>,
    /// Number of task slots of a pod.
    pub slots: Option<u32>,
    /// Share of the tasks started recently that were in time; it is not remembered.
    pub in_time: Option<f64>,
    /// Number of tasks that have arrived since the first count; it never falls, and is not remembered. `None`: there was
    /// no second count yet, or nobody counts what starts.
    pub arrived: Option<u64>,
}

/// Memory of one pool from decision to decision. Starts empty: after a restart nothing is scaled down until one trim
/// window has been seen again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Time of the first observation.
    first_seen: Option<Moment>,
    /// Time of the last count that is known.
    last_fresh: Option<Moment>,
    /// Time since which readings have been fresh without a gap.
    fresh_since: Option<Moment>,
    /// Time since which every fresh reading has shown no work.
    quiet_since: Option<Moment>,
    /// Number of tasks that the workers had taken on at their last report.
    taken: Option<u64>,
    recommendations: stabilization::Recommendations,
    /// Number of the target's replicas, as far back as the policies of `behavior` need it.
    replicas: history::History,
    progress: progress::Progress,
    waiting: wait::Waiting,
    lead_time: lead_time::LeadTime,
    stranded: stranded::Stranded,
    floor: schedule::FloorCache,
}

/// Rule that set the number. One word for metrics, conditions and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Outstanding work divided by the backlog per replica.
    Backlog,
    /// Waiting tasks and their deadlines.
    Deadline,
    /// The rate at which tasks arrive.
    Rate,
    /// A reserve, because the target is shorter than a pod's start-up.
    Reserve,
    /// `minReplicas`.
    Minimum,
    /// A schedule that is in force asks for more than `minReplicas`.
    Schedule,
    /// `maxReplicas` (the work asks for more).
    Maximum,
    /// No work for `idleSeconds`, none that came and went between two counts either: to `minReplicas`.
    Idle,
    /// No work, but not for `idleSeconds` yet.
    CoolingDown,
    /// More replicas than the work needs, kept until the scale-down window has passed.
    Window,
    /// Fewer are enough, but these pods run tasks.
    RunningWork,
    /// A scheduled task comes due soon, or may live in a worker's memory.
    Scheduled,
    /// Work of a worker that died: one worker has to live to give it back.
    Stranded,
    /// The target rolls out: the number does not go down.
    Rollout,
    /// The operator started, or read the broker again, a short while ago: the number does not go down yet.
    JustStarted,
    /// `behavior` limits the step.
    Behavior,
    /// Work waits, nothing runs and nothing starts: more workers would not help.
    BlockedQueue,
    /// The reading is old: the number does not go down.
    Stale,
    /// The broker cannot be read: replicas are held.
    Unknown,
    /// The broker has not been readable for some time: `fallback`.
    Fallback,
    /// `suspend: true`.
    Suspended,
}

impl Rule {
    /// Rules that follow the work, or keep replicas although the work asks for fewer.
    const OF_WORK: [Self; 6] = [
        Self::Backlog,
        Self::Deadline,
        Self::Rate,
        Self::Reserve,
        Self::Window,
        Self::RunningWork,
    ];

    /// Whether two rules take turns under a steady load, so that a change between them is no news: the results of the
    /// wait rule differ slightly from count to count, and so does what is kept beyond them.
    pub fn is_like(self, other: Self) -> bool {
        self == other || [self, other].iter().all(|rule| Self::OF_WORK.contains(rule))
    }

    /// The rule as a condition reason and metric label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Backlog => "Backlog",
            Self::Deadline => "Deadline",
            Self::Rate => "Rate",
            Self::Reserve => "Reserve",
            Self::Minimum => "Minimum",
            Self::Schedule => "Schedule",
            Self::Maximum => "Maximum",
            Self::Idle => "Idle",
            Self::CoolingDown => "CoolingDown",
            Self::Window => "Window",
            Self::RunningWork => "RunningWork",
            Self::Scheduled => "Scheduled",
            Self::Stranded => "Stranded",
            Self::Rollout => "Rollout",
            Self::JustStarted => "JustStarted",
            Self::Behavior => "Behavior",
            Self::BlockedQueue => "BlockedQueue",
            Self::Stale => "Stale",
            Self::Unknown => "Unknown",
            Self::Fallback => "Fallback",
            Self::Suspended => "Suspended",
        }
    }
}

/// Decision: what to do and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Number of replicas.
    pub replicas: u32,
    /// Rule that set the number.
    pub rule: Rule,
    /// Reason in one sentence for people, numbers included.
    pub sentence: String,
    /// Rule that keeps the number from what the work asks for: [`Rule::Maximum`], [`Rule::Minimum`], [`Rule::Schedule`]
    /// or [`Rule::Behavior`].
    pub limited: Option<Rule>,
    /// Number of replicas that the work alone asks for, before windows and limits.
    pub wanted: u32,
    /// Numbers that it was chosen from.
    pub candidates: Candidates,
    /// Estimates that were learned; only the wait rule learns.
    pub estimates: Option<Estimates>,
    /// Time that the oldest waiting task has waited, where it is known.
    pub oldest_wait: Option<Duration>,
    /// Cause that keeps the wait target from being met; with a backlog target: what keeps the ordered replicas from
    /// being there ([`Trouble::PodsNotReady`]).
    pub trouble: Option<Trouble>,
    /// Whether work waits, the workers are there, and nothing has started for a while, however many replicas are
    /// wanted. Only from a fresh reading.
    pub blocked: bool,
    /// Time after which to decide again, even if nothing changes.
    pub decide_again_in: Duration,
}
