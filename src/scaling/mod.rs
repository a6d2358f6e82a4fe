//! How many workers, and why. Pure and total: [`decide()`] takes values and returns values, for every input.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the words: [`Policy`], [`Observation`], [`Memory`], [`Decision`] |
//! | `decide.rs` | the order in which the rules apply |
//! | `demand.rs` | how many workers the work asks for; the backlog rule |
//! | `wait.rs` | the wait rule: `flow.rs` (arrivals and starts), `service.rs` (how long a task takes), `rate.rs`, `startup.rs`, `supply.rs`, `deadline.rs`, `margin.rs` |
//! | `ahead.rs` | how long before a scheduled task comes due its worker is ordered |
//! | `stranded.rs` | work of workers that died |
//! | `damping.rs` | the two scale-down windows |
//! | `behavior.rs` | the HPA's `behavior` field |
//! | `schedule.rs` | floors at known hours |
//! | `trouble.rs` | what keeps the wait target from being met |
//! | `punctual.rs` | how many of the tasks started lately were in time |
//! | `progress.rs` | the blocked queue: work waits and nothing starts |
//! | `memory.rs` | what is remembered from decision to decision |
//! | `history.rs` | a number over time, bounded |
//! | `explain.rs` | the sentence |
#![deny(clippy::disallowed_methods)]

mod ahead;
mod behavior;
mod damping;
mod deadline;
mod decide;
mod demand;
mod explain;
#[cfg(test)]
mod fixture;
mod flow;
mod history;
mod margin;
mod memory;
mod progress;
mod punctual;
mod rate;
mod schedule;
mod service;
mod startup;
mod stranded;
mod supply;
mod trouble;
mod wait;

use jiff::Timestamp;
use std::time::Duration;

pub use behavior::{Behavior, Policy as BehaviorPolicy, PolicyType, Rules, Select};
pub use damping::{SURPLUS_WINDOW, TRIM_WINDOW};
pub use decide::decide;
pub use schedule::{Floor, Schedule, ScheduleError, floor};
pub use trouble::Trouble;
pub use wait::{Profile, Tuning};

use crate::model::Now;
pub use crate::model::{KeepAlive, Moment, SampleError, Since, Work};

/// What the pool wishes, in the core's own units.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Never fewer replicas.
    pub min: u32,
    /// Never more replicas.
    pub max: u32,
    /// Never fewer replicas at known hours.
    pub schedules: Vec<Schedule>,
    /// What decides.
    pub target: Target,
    /// Tasks one replica runs at a time, where the user says; else it counts what the workers say of it.
    pub slots: Option<u32>,
    /// How long there must be no work before the last replicas go.
    pub idle: Duration,
    /// The HPA's `behavior`.
    pub behavior: Behavior,
    /// What to do when the broker cannot be read for long.
    pub fallback: Option<Fallback>,
    /// Hands off.
    pub suspended: bool,
    /// Where messages of dead workers lie, and when they come back: the application's own terms, for the sentence.
    pub stranded: (&'static str, &'static str),
    /// The sampling period the pool asked for; a reading older than three of them (at least 3 s) is stale.
    pub period: Duration,
}

/// What the number of workers follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The backlog rule: so many outstanding tasks for each replica, at least 1.
    Backlog(u32),
    /// The wait rule.
    Wait(Wait),
}

/// The wait rule's wishes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// Tasks start within this.
    pub within: Duration,
    /// How long a task takes, as the user says: a guess until it is known.
    pub hint: Option<Duration>,
    /// How lean.
    pub tuning: Tuning,
}

impl Wait {
    /// The target in seconds: more than a day is a day.
    pub(crate) fn seconds(&self) -> f64 {
        self.within.as_secs_f64().clamp(1e-3, 86_400.0)
    }
}

impl Policy {
    /// How long a task takes, in seconds, as the user says.
    pub(crate) fn hint(&self) -> Option<f64> {
        match self.target {
            Target::Wait(Wait { hint, .. }) => hint.map(|hint| hint.as_secs_f64().clamp(1e-3, 1e9)),
            Target::Backlog(_) => None,
        }
    }

    /// The backlog rule's number; one task for each replica under any other rule.
    pub(crate) fn backlog_per_replica(&self) -> u32 {
        match self.target {
            Target::Backlog(each) => each.max(1),
            Target::Wait(_) => 1,
        }
    }
}

/// Replicas to run when the broker cannot be read; never fewer than now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// At least so many.
    pub replicas: u32,
    /// Once the broker could not be read for so long.
    pub after: Duration,
}

/// The work with its freshness. Unknown is not zero; only `Fresh` may lower the number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Counted just now.
    Fresh(Work),
    /// Counted a while ago.
    Stale {
        /// What was counted then.
        work: Work,
        /// How long ago.
        age: Duration,
        /// Why there is nothing newer, where known.
        why: Option<SampleError>,
    },
    /// Never counted, or not for long.
    Unknown {
        /// Why.
        why: SampleError,
    },
}

/// All that one decision may know.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The steady clock.
    pub now: Moment,
    /// The clock on the wall, by which people plan: for schedules only.
    pub wall: Timestamp,
    /// The work.
    pub reading: Reading,
    /// When it was counted.
    pub counted: Counted,
    /// The target's `spec.replicas`.
    pub replicas: u32,
    /// The target's ready replicas.
    pub ready: u32,
    /// The target is rolling out a new template: its pods go and come by themselves.
    pub rollout: bool,
    /// Live workers that run at least one task (from heartbeats): none of them may go while it does.
    pub busy_pods: u32,
    /// The workers announce themselves, so `busy_pods` can be trusted; otherwise only `work.in_flight` protects them.
    pub workers_heard: bool,
    /// Ready pods whose workers are not heard or do not answer: each may run and hold whatever nobody else tells of.
    pub silent_pods: u32,
    /// Busy workers can be emptied before they go, so running tasks need no more pods than have room for them.
    pub drains: bool,
    /// Tasks that each pod runs at a time, where the workers tell.
    pub slots: Option<u32>,
    /// Tasks the workers have taken on so far, where they tell.
    pub processed: Option<u64>,
    /// How soon the next scheduled task comes due, where that can be seen.
    pub next_due_in: Option<Duration>,
}

impl Observation {
    /// How long the oldest ready task of this work has waited at least, where that was seen.
    fn oldest_wait(&self, work: &Work) -> Option<Duration> {
        let since = work.oldest.filter(|_| work.ready > 0)?;
        let (wall, moment) = (self.wall, self.now);
        Some(since.age(Now { wall, moment }))
    }

    /// The same of the last count that there is.
    fn oldest_seen(&self) -> Option<Duration> {
        match &self.reading {
            Reading::Fresh(work) | Reading::Stale { work, .. } => self.oldest_wait(work),
            Reading::Unknown { .. } => None,
        }
    }
}

/// When the work was counted. A caller may skip counts that say nothing new, so the last decision may be much older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// When.
    pub at: Moment,
    /// When it was counted before that: what is new came in between. `None`: at the last decision.
    pub before: Option<Moment>,
}

impl Counted {
    /// At this moment; the count before it was the one of the last decision.
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

/// What was learned, for people and for the next process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimates {
    /// Seconds a task takes.
    pub task: Option<f64>,
    /// Tasks that arrive in a second.
    pub rate: f64,
    /// Seconds from the order of a pod until it is ready.
    pub startup: Option<f64>,
    /// Task slots of a pod.
    pub slots: Option<u32>,
}

/// What the core remembers of one pool from decision to decision. Starts empty: after a restart nothing is scaled
/// down until one trim window has been seen again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The first observation.
    first_seen: Option<Moment>,
    /// The last count of the work that is known of.
    last_fresh: Option<Moment>,
    /// Since when readings have been fresh without a gap.
    fresh_since: Option<Moment>,
    /// Since when every fresh reading has shown no work.
    quiet_since: Option<Moment>,
    /// Tasks the workers had taken on when they told last.
    taken: Option<u64>,
    wishes: damping::Wishes,
    /// The target's replicas, as far back as the policies of `behavior` look.
    replicas: history::History,
    progress: progress::Progress,
    waiting: wait::Waiting,
    ahead: ahead::Ahead,
    stranded: stranded::Stranded,
    floor: schedule::Remembered,
}

/// Which rule set the number. One word for metrics, conditions and logs.
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
    /// Work of a worker that died: one has to live to give it back.
    Stranded,
    /// The target rolls out: nothing goes down.
    Rollout,
    /// The operator started, or read the broker again, a short while ago: nothing goes down yet.
    JustStarted,
    /// `behavior` limits the step.
    Behavior,
    /// Work waits, nothing runs and nothing starts: more workers would not help.
    BlockedQueue,
    /// The reading is old: nothing goes down.
    Stale,
    /// The broker cannot be read: replicas are held.
    Unknown,
    /// The broker could not be read for long: `fallback`.
    Fallback,
    /// `suspend: true`.
    Suspended,
}

impl Rule {
    /// What the work asks for, and what keeps replicas against that.
    const OF_WORK: [Self; 6] = [
        Self::Backlog,
        Self::Deadline,
        Self::Rate,
        Self::Reserve,
        Self::Window,
        Self::RunningWork,
    ];

    /// Rules that take turns under a steady load are as good as one: the wait rule's answers differ by a hair, and so does
    /// what is kept from what is asked for.
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

/// What to do and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// So many replicas.
    pub replicas: u32,
    /// The rule that set the number.
    pub rule: Rule,
    /// The reason in one sentence for a person, numbers included.
    pub sentence: String,
    /// What keeps the number from what the work asks for: [`Rule::Maximum`], [`Rule::Minimum`],
    /// [`Rule::Schedule`] or [`Rule::Behavior`].
    pub limited: Option<Rule>,
    /// What the work alone asks for, before windows and limits.
    pub wanted: u32,
    /// What was learned; the wait rule alone learns.
    pub estimates: Option<Estimates>,
    /// How long the oldest waiting task has waited, where it is known.
    pub oldest_wait: Option<Duration>,
    /// What keeps the wait target from being met; of a backlog target: what keeps the ordered replicas from being there
    /// ([`Trouble::PodsNotReady`]).
    pub trouble: Option<Trouble>,
    /// Work waits, the workers are there, and nothing has started for a while, however many replicas are wanted. Told of a
    /// fresh reading only.
    pub blocked: bool,
    /// Even if nothing changes, decide again after this time.
    pub look_again_in: Duration,
}
