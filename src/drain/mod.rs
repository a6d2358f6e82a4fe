//! Which pods may go when there are fewer replicas, and how it is seen to that only they go. Pure.
//!
//! | file | concept |
//! |---|---|
//! | `pod.rs` | [`Pod`]: what matters of a pod; [`Mark`]: what is written on it |
//! | `input.rs` | [`PlanInput`]: all that is known when the pods are looked at |
//! | `step.rs` | one pod's way out: asked → told to fetch no more → works off what it holds → empty; and back |
//! | `plan.rs` | [`plan()`]: which pods are to go, the next step of each, and the lowest safe number of replicas |
//! | `disruption.rs` | which pods are busy, and how others that stop pods are told |
//!
//! Lowering replicas is: list → plan → mark → half a second later *list and plan again* → write the lowest number that
//! removes only pods that are marked and hold nothing. A plan is made anew at each look from what is there; all that must
//! outlive a look stands on the pods, so a new leader goes on from there. Every step may be repeated, and every step is
//! taken back by the same plan when the pod is to stay after all.
#![deny(clippy::disallowed_methods)]

pub mod disruption;
mod input;
mod plan;
pub mod pod;
mod step;

pub use disruption::Protection;
pub use input::PlanInput;
pub use plan::{Plan, Unknown, WaitsFor, intents, plan};
pub use pod::{DRAIN, DRAINING, Drain, Mark, Pod, Readiness};
pub use step::{IDLE, Why};
