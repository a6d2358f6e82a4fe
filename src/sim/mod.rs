//! The simulator: how a policy would have scaled a workload, task by task.
//!
//! Pure and deterministic: the same workload, world, scaler and seed give the same run. Ours ([`scalers::Ours`]) calls
//! the same [`decide`](crate::scaling::decide) as the controller; the peers are plain functions in [`peers`].
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the words: [`Workload`], [`Seen`], [`Scaler`], [`Run`] |
//! | `workloads.rs`, `traces.rs` | the work: synthetic by seed, or recorded |
//! | `world.rs` | the surroundings: how pods start and stop, and what goes wrong |
//! | `engine.rs` | a run: [`run()`] |
//! | `agenda.rs`, `queue.rs`, `pods.rs`, `count.rs` | its parts: events to come, tasks, pods, what is counted |
//! | `scalers.rs` | our own policy as a [`Scaler`] |
//! | `peers/` | the others' |
//! | `bound.rs` | what no scaler can beat |
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
pub use world::{Nodes, Span, World};

/// Seconds since the start of the workload, or a span of them.
pub type Seconds = f64;

/// One task of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// When it is published.
    pub arrival: Seconds,
    /// How long it runs.
    pub duration: Seconds,
}

/// Tasks over time, and what is wished of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// A short name, such as `S1`.
    pub name: String,
    /// The wait target T: tasks should start within this.
    pub wait_target: Seconds,
    /// Task slots of each worker.
    pub slots: u32,
    /// In the order of their arrival.
    pub tasks: Vec<Task>,
}

/// What a scaler may know at a tick. All figures are of this moment, unless the world lets them lag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Now.
    pub now: Seconds,
    /// Tasks published and not delivered to a worker (Q).
    pub waiting: u64,
    /// Tasks delivered and not finished (F), also on pods that leave.
    pub in_flight: u64,
    /// Of those: on pods that do not leave.
    pub in_flight_live: u64,
    /// Of the tasks in flight on pods that do not leave: running, not prefetched.
    pub running: u64,
    /// Tasks published so far.
    pub arrived: u64,
    /// Tasks finished so far, as the workers count; falls when the world resets the counter.
    pub completed: u64,
    /// Tasks taken on so far, as Celery's workers count: those finished and those that run.
    pub taken: u64,
    /// The workers do not count: `completed` and `taken` stay 0.
    pub uncounted: bool,
    /// `oldest_wait` can be read off the oldest task.
    pub stamped: bool,
    /// Pods that start or are ready (R).
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Ready pods that run nothing.
    pub idle: u32,
    /// How long ago each pod that still starts was created, longest first.
    pub starting: Vec<Seconds>,
    /// Start-up times of pods that became ready since the last tick.
    pub started: Vec<Seconds>,
    /// Pods that leave.
    pub terminating: u32,
    /// How long the head of the queue has waited; 0 if nothing waits.
    pub oldest_wait: Seconds,
    /// The broker cannot be read: of the figures above only those on pods are known, the others are 0.
    pub broker_down: bool,
}

/// Which pods go first when the number falls. Starting pods always go before ready ones, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    /// As Kubernetes does it without a hint: the pod that became ready last.
    Newest,
    /// By deletion cost: fewest running tasks first, then the pod that became ready last.
    LeastBusy,
    /// As [`Victims::LeastBusy`], and a pod that runs something stays (the number falls by less).
    IdleOnly,
}

/// A policy under test.
pub trait Scaler {
    /// Its name in tables, parameters included.
    fn name(&self) -> String;
    /// How often it looks.
    fn period(&self) -> Seconds;
    /// When it looks first.
    fn phase(&self) -> Seconds {
        0.0
    }
    /// Who goes when it scales down.
    fn victims(&self) -> Victims {
        Victims::Newest
    }
    /// One look: the replicas it wants from now on; `None`: no change.
    fn tick(&mut self, seen: &Seen) -> Option<u32>;
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Tasks that finished.
    pub tasks: u64,
    /// How long tasks waited for their (last) start; those that never started, until the end of the run.
    pub waits: Waits,
    /// Pod-hours from creation to death.
    pub pod_hours: f64,
    /// Ticks that changed the number.
    pub actions: u32,
    /// Ups within 300 s after a down.
    pub oscillations: u32,
    /// Reversals of either kind within 120 s.
    pub flaps: u32,
    /// Pods created, without those that were there at the start.
    pub starts: u32,
    /// Pods that died without having run a task.
    pub unused: u32,
    /// Tasks interrupted by scaling down.
    pub killed: u64,
    /// Hours of work that was lost by that.
    pub wasted_hours: f64,
    /// Tasks delivered more than once.
    pub redelivered: u64,
    /// Of the killed tasks: lost, because they had been acknowledged early. They are not among `tasks`.
    pub lost: u64,
    /// Tasks that a purge dropped. They are neither among `tasks` nor in `waits`.
    pub purged: u64,
    /// The most tasks that waited at a time.
    pub max_backlog: u64,
    /// The run over time in steps of 10 s, if it was asked for.
    pub series: Vec<Point>,
    /// With the series: how long each task waited, as in `waits`, in the order of the tasks.
    pub each_wait: Vec<Seconds>,
}

/// The distribution of waits, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// Median.
    pub p50: Seconds,
    /// 95th percentile.
    pub p95: Seconds,
    /// 99th percentile.
    pub p99: Seconds,
    /// Longest.
    pub max: Seconds,
    /// Share of tasks that waited longer than the target, 0 to 1.
    pub late: f64,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// When.
    pub at: Seconds,
    /// Tasks waiting.
    pub waiting: u64,
    /// Tasks in flight.
    pub in_flight: u64,
    /// Replicas wanted.
    pub replicas: u32,
    /// Pods ready.
    pub ready: u32,
    /// How long the head of the queue has waited.
    pub oldest_wait: Seconds,
}
