//! Drain: which pods may go when there are fewer replicas, and how to make sure that only they go. Pure.
//!
//! | file | concept |
//! |---|---|
//! | `pod.rs` | [`Pod`]: the fields of a pod that matter; [`Mark`]: what is written on it |
//! | `input.rs` | [`PlanInput`]: all that is known of the pods at one time |
//! | `step.rs` | the drain of one pod: asked → told to fetch no more → works off what it holds → empty; and back |
//! | `order.rs` | which pods go first: what the controllers of pods do |
//! | `plan.rs` | [`plan()`]: which pods are to go, the next step of each, and the lowest safe number of replicas |
//! | `disruption.rs` | protection of busy pods from node autoscalers |
//!
//! The replicas are lowered in these steps: list → plan → mark → half a second later *list and plan again* → write the
//! lowest number that removes only pods that are marked and hold nothing. Each plan is made anew from what is there;
//! everything that must outlive a plan stands on the pods, so a new leader goes on from there. Every step may be
//! repeated, and every step is taken back by the same plan when the pod is to stay after all.
#![deny(clippy::disallowed_methods)]

pub mod disruption;
mod input;
mod order;
mod plan;
pub mod pod;
mod step;

pub use disruption::Protection;
pub use input::{Departed, Ordinals, PlanInput};
pub use plan::{HeldBack, Plan, Unknown, Until, WaitsFor, dated_intents, plan};
pub use pod::{DRAIN, DRAINING, Drain, Mark, Pod, Readiness};
pub use step::{IDLE, Why};
