//! Which runs answer the question.
#![deny(clippy::disallowed_methods)]

use super::manifest::Manifest;
use crate::{
    scaling::{Policy, Profile, Target, Wait},
    sim::{
        Ours, Run, Seconds, Task, Workload, World,
        peers::{
            Configuration, Limits,
            keda::{Load, Metric, Settings, WINDOW},
        },
        run,
    },
};
use std::time::Duration;

/// The wait targets of which the price is told.
const TARGETS: [Seconds; 5] = [15.0, 30.0, 60.0, 120.0, 300.0];

/// What the person asks besides the pool and the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wishes {
    /// The median of pods' start-up times.
    pub(super) start_up: Seconds,
    /// Their grace period.
    pub(super) grace: Seconds,
    /// What is late, for a pool that does not say.
    pub(super) late_after: Seconds,
    /// KEDA, too.
    pub(super) keda: bool,
    /// Runs over time are wanted.
    pub(super) series: bool,
    /// Draws the start-up times.
    pub(super) seed: u64,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Job {
    /// The pool as it is.
    Pool,
    /// The same pool with this wait target.
    Within(Seconds),
    /// KEDA.
    Keda(Settings),
    /// What nobody can beat.
    #[cfg(feature = "bound")]
    Bound,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Result {
    /// A run.
    Run(Job, Box<Run>),
    /// Pod-hours; unknown where the solver gave up.
    #[cfg(feature = "bound")]
    Bound(Option<f64>),
}

/// All that is needed for the runs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The pool's name.
    pub(super) name: String,
    /// The pool's wishes.
    pub(super) policy: Policy,
    /// It is suspended, which is left out here.
    pub(super) suspended: bool,
    /// The trace, with the wait that is late.
    pub(super) workload: Workload,
    /// The pods.
    pub(super) world: World,
    /// The settings of KEDA, if it is compared.
    pub(super) keda: Option<Settings>,
    series: bool,
    seed: u64,
}

impl Plan {
    pub(super) fn new(manifest: Manifest, tasks: Vec<Task>, wishes: &Wishes) -> Self {
        let mut policy = manifest.pool.policy;
        let suspended = std::mem::take(&mut policy.suspended);
        let slots = policy.slots.unwrap_or(1).max(1);
        let (wait_target, each) = match policy.target {
            Target::Wait(wait) => (wait.within.as_secs_f64(), slots),
            Target::Backlog(each) => (wishes.late_after, each),
        };
        // A scaler takes part in its own limits, and the world must not widen them.
        let world = World {
            start_up: wishes.start_up,
            grace: wishes.grace,
            min: policy.min,
            max: policy.max,
            ..World::default()
        };
        let keda = Settings::stock(Load::Tasks(f64::from(each), Metric::All), WINDOW);
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
            keda: wishes.keda.then_some(keda),
            series: wishes.series,
            seed: wishes.seed,
            policy,
        }
    }

    /// The longest ones first: it is them that are waited for.
    pub(super) fn jobs(&self) -> Vec<Job> {
        let mut jobs = vec![Job::Pool];
        #[cfg(feature = "bound")]
        jobs.push(Job::Bound);
        jobs.extend(TARGETS.map(Job::Within));
        jobs.extend(self.keda.map(Job::Keda));
        jobs
    }

    pub(super) fn play(&self, job: Job) -> Result {
        let run = match job {
            Job::Pool => self.ours(&self.workload, self.policy.clone(), self.series),
            Job::Within(within) => {
                let workload = Workload {
                    wait_target: within,
                    ..self.workload.clone()
                };
                self.ours(&workload, self.with_target(within), false)
            }
            Job::Keda(settings) => {
                let (min, max) = (self.policy.min, self.policy.max);
                let mut keda = Configuration::Keda(settings).build_within(&self.workload, Limits { min, max });
                run(&self.workload, &self.world, keda.as_mut(), self.seed, self.series)
            }
            #[cfg(feature = "bound")]
            Job::Bound => return Result::Bound(crate::sim::bench::bound(&self.workload, &self.world).ok()),
        };
        Result::Run(job, Box::new(run))
    }

    fn ours(&self, workload: &Workload, policy: Policy, series: bool) -> Run {
        let mut ours = Ours::new(self.name.clone(), policy);
        run(workload, &self.world, &mut ours, self.seed, series)
    }

    /// The pool with another wait target; hint and profile stay, where it has some.
    fn with_target(&self, within: Seconds) -> Policy {
        let usual = Wait {
            within: Duration::ZERO,
            hint: None,
            tuning: Profile::default().tuning(),
        };
        let wait = match self.policy.target {
            Target::Wait(wait) => wait,
            Target::Backlog(_) => usual,
        };
        let within = Duration::from_secs_f64(within);
        Policy {
            target: Target::Wait(Wait { within, ..wait }),
            ..self.policy.clone()
        }
    }
}
