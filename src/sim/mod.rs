//! The simulator: how a policy would have scaled a workload, task by task.
//!
//! Pure and deterministic: the same workload, world, scaler and seed give the same run. Ours ([`scalers::Ours`]) calls
//! the same [`decide`](crate::scaling::decide) as the controller; the peers are plain functions in [`peers`].
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the vocabulary: [`Workload`], [`Seen`], [`Scaler`], [`Run`] |
//! | `workloads.rs`, `traces.rs` | the work: synthetic by seed, or recorded |
//! | `world.rs` | the surroundings: how pods start and stop, and what goes wrong |
//! | `engine.rs` | a run: [`run()`] |
//! | `agenda.rs`, `queue.rs`, `pods.rs`, `count.rs` | its parts: events to come, tasks, pods, what is counted |
//! | `scalers.rs` | our own policy as a [`Scaler`] |
//! | `peers/` | the others' |
//! | `bound.rs` | the lower bound of the cost |
//! | `bench/` | the benchmark of policies |
//! | `report/` | tables, plots and pages of results |
//! | `random.rs` | random numbers that stay the same |
#![deny(clippy::disallowed_methods)]

mod agenda;
#[cfg(feature = "bound")]
pub mod bench;
#[cfg(feature = "bound")]
pub mod bound;
mod count;
pub mod engine;
pub mod peers;
mod pods;
mod queue;
pub mod random;
pub mod report;
pub mod scalers;
pub mod traces;
pub mod workloads;
pub mod world;

pub use engine::run;
pub use scalers::Ours;
pub use world::{NodeLimit, Span, World};

/// Seconds since the start of the workload, or a span of them.
pub type Seconds = f64;

/// Task of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// Time at which it is published.
    pub arrival: Seconds,
    /// Seconds that it runs.
    pub duration: Seconds,
}

/// Tasks over time, and their wait target.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Short name, such as `S1`.
    pub name: String,
    /// Wait target T: seconds within which tasks should start.
    pub wait_target: Seconds,
    /// Number of task slots of each worker.
    pub slots: u32,
    /// Tasks in the order of their arrival.
    pub tasks: Vec<Task>,
}

/// View of a scaler at a tick. All numbers are of this moment, unless the world lets them lag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Present time.
    pub now: Seconds,
    /// Number of tasks that are published and not delivered to a worker (Q).
    pub waiting: u64,
    /// Number of tasks that are delivered and not finished (F), also on pods that leave.
    pub in_flight: u64,
    /// Number of those tasks on pods that do not leave.
    pub in_flight_live: u64,
    /// Number of tasks that run (not prefetched ones) on pods that do not leave.
    pub running: u64,
    /// Number of tasks that were published.
    pub arrived: u64,
    /// Number of tasks that were finished, as the workers count; falls when the world resets the counter.
    pub completed: u64,
    /// Number of tasks that were taken on, as Celery's workers count: those finished and those that run.
    pub taken: u64,
    /// Whether the workers do not count: then `completed` and `taken` stay 0.
    pub uncounted: bool,
    /// Whether `oldest_wait` can be read from the oldest task.
    pub stamped: bool,
    /// Number of pods that start or are ready (R).
    pub replicas: u32,
    /// Number of pods that are ready.
    pub ready: u32,
    /// Number of ready pods that run nothing.
    pub idle: u32,
    /// Seconds since each pod that still starts was created, longest first.
    pub starting: Vec<Seconds>,
    /// Start-up times of pods that became ready since the last tick.
    pub started: Vec<Seconds>,
    /// Number of pods that leave.
    pub terminating: u32,
    /// Seconds that the head of the queue has waited; 0 if nothing waits.
    pub oldest_wait: Seconds,
    /// Whether the broker cannot be read: then of the numbers above only those of pods are known, the others are 0.
    pub broker_down: bool,
}

/// Order in which pods go when the number falls. Starting pods always go before ready ones, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    /// Order of Kubernetes without a hint: the pod that became ready last.
    Newest,
    /// Order by deletion cost: fewest running tasks first, then the pod that became ready last.
    LeastBusy,
    /// As [`Victims::LeastBusy`], and a pod that runs something stays (the number falls by less).
    IdleOnly,
}

/// Policy under test.
pub trait Scaler {
    /// Name in tables, parameters included.
    fn name(&self) -> String;
    /// Seconds between two ticks.
    fn period(&self) -> Seconds;
    /// Time of the first tick.
    fn phase(&self) -> Seconds {
        0.0
    }
    /// Order in which pods go when it scales down.
    fn victims(&self) -> Victims {
        Victims::Newest
    }
    /// One tick: the number of replicas from now on; `None`: no change.
    fn tick(&mut self, seen: &Seen) -> Option<u32>;
}

/// Results of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Number of tasks that finished.
    pub tasks: u64,
    /// Waits of the tasks for their (last) start; those that never started, until the end of the run.
    pub waits: Waits,
    /// Number of pod-hours from creation to death.
    pub pod_hours: f64,
    /// Number of ticks that changed the number of replicas.
    pub actions: u32,
    /// Number of steps up within 300 s after a step down.
    pub oscillations: u32,
    /// Number of reversals of either kind within 120 s.
    pub flaps: u32,
    /// Number of pods created, without those that were there at the start.
    pub starts: u32,
    /// Number of pods that died without having run a task.
    pub unused: u32,
    /// Number of tasks interrupted by scaling down.
    pub killed: u64,
    /// Hours of work that were lost by that.
    pub wasted_hours: f64,
    /// Number of tasks delivered more than once.
    pub redelivered: u64,
    /// Number of killed tasks that were lost, because they had been acknowledged early. They are not among `tasks`.
    pub lost: u64,
    /// Number of tasks that a purge dropped. They are neither among `tasks` nor in `waits`.
    pub purged: u64,
    /// Largest number of tasks that waited at a time.
    pub max_backlog: u64,
    /// Run over time in steps of 10 s, if it was asked for.
    pub series: Vec<Point>,
    /// Wait of each task, as in `waits`, in the order of the tasks; only with the series.
    pub each_wait: Vec<Seconds>,
}

/// Distribution of waits, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// Median of the waits.
    pub p50: Seconds,
    /// 95th percentile.
    pub p95: Seconds,
    /// 99th percentile.
    pub p99: Seconds,
    /// Longest wait.
    pub max: Seconds,
    /// Share of tasks that waited longer than the target, 0 to 1.
    pub late: f64,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Time of the point.
    pub at: Seconds,
    /// Number of waiting tasks.
    pub waiting: u64,
    /// Number of tasks in flight.
    pub in_flight: u64,
    /// Number of replicas wanted.
    pub replicas: u32,
    /// Number of ready pods.
    pub ready: u32,
    /// Seconds that the head of the queue has waited.
    pub oldest_wait: Seconds,
}
