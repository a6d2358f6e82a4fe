//! Plan of the runs that a question needs.
#![deny(clippy::disallowed_methods)]

use super::manifest::Manifest;
use crate::{
    scaling::{Policy, Profile, TargetRule, Wait},
    sim::{
        Ours, Run, Seconds, Task, Workload, World,
        peers::{
            Configuration, PeerLimits,
            keda::{KedaSettings, Load, Metric, WINDOW},
        },
        run,
    },
};
use std::time::Duration;

/// Median of the pods' start-up times and their grace period, in seconds, where nobody says.
pub(super) const START_UP: Seconds = 25.0;
pub(super) const GRACE: Seconds = 30.0;

/// Wait targets whose cost is shown.
const TARGETS: [Seconds; 5] = [15.0, 30.0, 60.0, 120.0, 300.0];

/// Options of the question, besides the pool and the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RunOptions {
    /// Median of the pods' start-up times.
    pub(super) start_up: Seconds,
    /// Grace period of the pods.
    pub(super) grace: Seconds,
    /// Wait from which a task is late, for a pool without a wait target.
    pub(super) late_after: Seconds,
    /// Whether KEDA is compared.
    pub(super) keda: bool,
    /// Whether runs over time are wanted.
    pub(super) series: bool,
    /// Seed of the start-up times.
    pub(super) seed: u64,
}

/// One run, or the lower bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RunKind {
    /// The pool as it is.
    Pool,
    /// The same pool with this wait target.
    Within(Seconds),
    /// KEDA.
    Keda(KedaSettings),
    /// Lower bound of the cost.
    #[cfg(feature = "bound")]
    Bound,
}

/// Result of a job.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Result {
    /// A run.
    Run(RunKind, Box<Run>),
    /// Number of pod-hours; unknown where the solver gave up.
    #[cfg(feature = "bound")]
    Bound(Option<f64>),
}

/// Everything that the runs need.
#[derive(Clone, Debug)]
pub(super) struct RunPlan {
    /// Name of the pool.
    pub(super) name: String,
    /// Policy of the pool.
    pub(super) policy: Policy,
    /// Whether the pool is suspended, which is ignored here.
    pub(super) suspended: bool,
    /// Trace, with the wait from which a task is late.
    pub(super) workload: Workload,
    /// World of the pods.
    pub(super) world: World,
    /// Settings of KEDA, if it is compared.
    pub(super) keda: Option<KedaSettings>,
    series: bool,
    seed: u64,
}

impl RunPlan {
    pub(super) fn new(manifest: Manifest, tasks: Vec<Task>, options: &RunOptions) -> Self {
        let mut policy = manifest.pool.policy;
        let suspended = std::mem::take(&mut policy.suspended);
        let slots = policy.slots.unwrap_or(1).max(1);
        let (wait_target, each) = match policy.target {
            TargetRule::Wait(wait) => (wait.within.as_secs_f64(), slots),
            TargetRule::Backlog(each) => (options.late_after, each),
        };
        // A scaler has limits of its own, and the world must not widen them.
        let world = World {
            start_up: options.start_up,
            grace: options.grace,
            min: policy.min,
            max: policy.max,
            ..World::default()
        };
        let keda = KedaSettings::stock(Load::Tasks(f64::from(each), Metric::All), WINDOW);
        Self {
            name: manifest.name,
            suspended,
            workload: Workload {
                name: "trace".into(),
                wait_target,
                slots,
                tasks,
            },
            world,
            keda: options.keda.then_some(keda),
            series: options.series,
            seed: options.seed,
            policy,
        }
    }

    /// Jobs, the longest ones first: the whole plan waits for them.
    pub(super) fn jobs(&self) -> Vec<RunKind> {
        let mut jobs = vec![RunKind::Pool];
        #[cfg(feature = "bound")]
        jobs.push(RunKind::Bound);
        jobs.extend(TARGETS.map(RunKind::Within));
        jobs.extend(self.keda.map(RunKind::Keda));
        jobs
    }

    pub(super) fn play(&self, job: RunKind) -> Result {
        let run = match job {
            RunKind::Pool => self.ours(&self.workload, self.policy.clone(), self.series),
            RunKind::Within(within) => {
                let workload = Workload {
                    wait_target: within,
                    ..self.workload.clone()
                };
                self.ours(&workload, self.with_target(within), false)
            }
            RunKind::Keda(settings) => {
                let (min, max) = (self.policy.min, self.policy.max);
                let mut keda = Configuration::Keda(settings).build_within(&self.workload, PeerLimits { min, max });
                run(&self.workload, &self.world, keda.as_mut(), self.seed, self.series)
            }
            #[cfg(feature = "bound")]
            RunKind::Bound => return Result::Bound(crate::sim::bench::bound(&self.workload, &self.world).ok()),
        };
        Result::Run(job, Box::new(run))
    }

    fn ours(&self, workload: &Workload, policy: Policy, series: bool) -> Run {
        let mut ours = Ours::new(self.name.clone(), policy);
        run(workload, &self.world, &mut ours, self.seed, series)
    }

    /// Policy of the pool with another wait target; hint and profile stay, where it has some.
    fn with_target(&self, within: Seconds) -> Policy {
        let usual = Wait {
            within: Duration::ZERO,
            hint: None,
            tuning: Profile::default().tuning(),
        };
        let wait = match self.policy.target {
            TargetRule::Wait(wait) => wait,
            TargetRule::Backlog(_) => usual,
        };
        let within = Duration::from_secs_f64(within);
        Policy {
            target: TargetRule::Wait(Wait { within, ..wait }),
            ..self.policy.clone()
        }
    }
}
