//! Scaling down never interrupts a task: real Celery workers under load, pools that shrink, and an operator that is killed
//! while it shrinks them. Each task records its starts and ends, and Celery's result backend must agree.
//!
//! | file | concept |
//! |---|---|
//! | `app/` | the Celery application, what is published when, and the client that publishes and asks workers |
//! | `proof/` | a run: its namespace, its records, its judge |
//! | `short_runs.rs` | a few hundred tasks on each kind of broker |
//! | `thin_load.rs` | workers that are never idle |
//! | `operator_killed/` | the operator is killed in the middle of a drain |
//! | `adoption/` | a pool takes over a running Deployment, by the commands of docs/gitops.md; and from an HPA and KEDA, by convert's plan |
//!
//! The long runs, and what happens without a pool, are measurements: `tests/e2e/waves`.
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --all-features --test e2e -- interrupt:: --test-threads=3`.
//! With `TWP_POINTS=all` the operator is killed at each point of a drain on both brokers, not at half of them on each.

mod adoption;
mod operator_killed;
pub mod proof;
mod short_runs;
mod thin_load;
