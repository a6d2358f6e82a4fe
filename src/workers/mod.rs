//! Which pods may go when there are fewer replicas, and how it is seen to that only they go.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `pod.rs` | pure | [`Pod`]: what matters of a pod; [`Mark`]: what is written on it |
//! | `look.rs` | pure | [`Look`]: all that is known when the pods are looked at |
//! | `drain.rs` | pure | one pod's way out: asked → told to fetch no more → works off what it holds → empty; and back |
//! | `victims.rs` | pure | [`plan()`]: which pods are to go, the next step of each, and the lowest safe number of replicas |
//! | `protect.rs` | pure | which pods are busy, and how others that stop pods are told |
//! | `slim.rs` | pure | the little of a pod that is read, and how far it has come |
//! | `pods.rs` | shell | lists the pods of a target, writes marks on them |
//!
//! Lowering replicas is: list → plan → mark → half a second later *list and plan again* → write the lowest number that
//! removes only pods that are marked and hold nothing. A plan is made anew at each look from what is there; all that must outlive a look stands on the pods, so
//! a new leader goes on from there. Every step may be repeated, and every step is taken back by the same plan when the
//! pod is to stay after all.

mod drain;
mod look;
mod pod;
pub mod pods;
mod protect;
mod slim;
mod victims;

pub use drain::{IDLE, Why};
pub use look::{Look, Means};
pub use pod::{DRAIN, DRAINING, Drain, Mark, Pod, Readiness};
pub use protect::Protection;
pub use victims::{Plan, Unknown, WaitsFor, attention, plan};
