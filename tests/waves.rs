//! Measurements of scaling down without an interruption: long runs of real Celery workers under the operator beside KEDA's
//! figures on the same load, and what plain scaling does. `make bench-waves` runs them (two hours on two cores); what must
//! always hold is in `tests/interrupt.rs`.
//!
//! Needs the test bed. `TWP_CELLS`, `TWP_POOL`, `TWP_AT_ONCE` and `TWP_TASKS` choose a part: see `interrupt/bench/mod.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "interrupt/bench/mod.rs"]
mod bench;
#[allow(dead_code)] // It serves tests, too.
#[path = "interrupt/proof/mod.rs"]
mod proof;
mod support;
