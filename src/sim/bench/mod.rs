//! Decision benchmark: the policies, workloads and worlds that are combined, and the report of the results.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the work ([`TaskSource`], [`Draw`]), and one run on it ([`play`]) |
//! | `contestants.rs` | the policies that are compared: our variants, and the peers |
//! | `sensitivity.rs` | our policy where something is not as expected |
//! | `findings.rs` | the tables and figures, the page, and the figures for machines |
//!
//! It lists the runs; its caller runs them, in as many threads as there are.
#![deny(clippy::disallowed_methods)]

pub mod contestants;
pub mod findings;
pub mod sensitivity;
#[cfg(test)]
mod tests;

pub use contestants::{Contestant, Goal, Variant, contestants};

use super::{
    Scaler, Task, Workload, World,
    bound::{BoundError, lower_bound},
    engine::{first_pods, run},
    peers::PeerLimits,
    report::compare::RunOutcome,
    workloads,
};

/// Source of a workload's tasks.
#[derive(Clone, Debug)]
pub enum TaskSource {
    /// Tasks drawn anew for each seed.
    Drawn(fn(u64) -> Workload),
    /// The same tasks each time: a seed varies the pods only.
    Recorded(Workload),
}

/// File of a recording, with its name and wait target.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Name in tables.
    pub name: &'static str,
    /// Name of the file.
    pub file: &'static str,
}

/// Public traces, both with a wait target of 60 s and 4 slots.
pub const RECORDINGS: [Recording; 2] = [
    Recording {
        name: "AZ-conv",
        file: "azure_llm_2023_conv.csv",
    },
    Recording {
        name: "AZ-code",
        file: "azure_llm_2023_code.csv",
    },
];

impl Recording {
    /// Recorded tasks as a workload.
    pub fn source(&self, tasks: Vec<Task>) -> TaskSource {
        TaskSource::Recorded(Workload {
            name: self.name.to_owned(),
            wait_target: 60.0,
            slots: 4,
            tasks,
        })
    }
}

impl TaskSource {
    /// S1 to S5.
    pub fn synthetic() -> Vec<Self> {
        let all: [fn(u64) -> Workload; 5] = [
            workloads::burst,
            workloads::diurnal,
            workloads::steps,
            workloads::long,
            workloads::sparse,
        ];
        all.into_iter().map(Self::Drawn).collect()
    }

    /// Workload of a seed, with its bound in this world.
    ///
    /// # Errors
    /// The bound could not be computed.
    pub fn draw(&self, seed: u64, world: &World) -> Result<Draw, BoundError> {
        let workload = match self {
            Self::Drawn(draw) => draw(seed),
            Self::Recorded(workload) => workload.clone(),
        };
        let bound = bound(&workload, world)?;
        Ok(Draw { workload, seed, bound })
    }
}

/// Workload to run on.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// Tasks of the workload.
    pub workload: Workload,
    /// Seed of the tasks and of the pods' start-up times.
    pub seed: u64,
    /// Smallest number of pod-hours in the usual world.
    pub bound: f64,
}

/// Smallest number of pod-hours in this world.
///
/// # Errors
/// As [`lower_bound`].
pub fn bound(workload: &Workload, world: &World) -> Result<f64, BoundError> {
    lower_bound(workload, world.mean_start_up(), first_pods(workload, world), world.min)
}

/// Result of one run; with `series`, also over time.
pub fn play(contestant: &Contestant, draw: &Draw, world: &World, series: bool) -> RunOutcome {
    let Draw { workload, seed, bound } = draw;
    let play = |scaler: &mut dyn Scaler| run(workload, world, scaler, *seed, series);
    let (run, diagnoses) = match contestant {
        Contestant::Ours(variant) => {
            let mut ours = variant.build(workload, world, *seed);
            (play(&mut ours), ours.diagnoses)
        }
        Contestant::Peer(peer) => {
            let (min, max) = (world.min, world.max);
            (
                play(peer.build_within(workload, PeerLimits { min, max }).as_mut()),
                Vec::new(),
            )
        }
    };
    RunOutcome {
        policy: contestant.name(),
        workload: workload.name.clone(),
        seed: *seed,
        bound: *bound,
        run,
        diagnoses,
    }
}
