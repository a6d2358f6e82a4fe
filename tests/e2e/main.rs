//! All tests that need real things: brokers, workers, a cluster. `make` runs them by module; `cargo test` alone does not.
//!
//! | module | what is real | proves |
//! |---|---|---|
//! | `brokers` | brokers and workers in pods | the counts are the truth |
//! | `cluster` | the operator on a cluster | what it must do, and what it must survive |
//! | `interrupt` | workers under load | scaling down never interrupts a task |
//! | `zoo` | applications as people run them | seven questions each |
//! | `doctor` | the operator's program, on pools with one fault each | the fault is named, and nothing else |
//! | `install` | the chart | installed, upgraded, uninstalled |
//! | `shapes` | the chart, and the workers of other charts | how a pool says where their broker is |
//! | `rights_withdrawn` | an operator that loses a right | what it can no longer see it does not write |
//! | `self_heal` | a pipeline that fights | what it kills is killed once |
//! | `versions` | other versions of servers and of Celery, as processes | each is counted right and drained |
//! | `reality`, `waves`, `heartbeats`, `view_cost` | measurements | the simulator is right; long runs; what heartbeats and the view cost |
//!
//! All but `versions` need the test bed: `tests/testbed/bed up`, then
//! `cargo test --all-features --test e2e -- cluster:: --test-threads=4`. `tests/support/` is what they share.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod brokers;
mod cluster;
mod doctor;
mod heartbeats;
mod install;
mod interrupt;
mod reality;
mod rights_withdrawn;
mod self_heal;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
mod versions;
mod view_cost;
mod waves;
mod zoo;
