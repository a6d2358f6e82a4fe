//! Which pods may go when there are fewer replicas, and how the ReplicaSet controller is told.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `victims.rs` | pure | [`plan()`]: the deletion costs, and the lowest safe number of replicas |
//! | `costs.rs` | shell | lists the pods of a target, writes deletion costs on them |
//! | `call.rs` | shell | one call to the API server: its deadline, its errors in our words |
//!
//! Lowering replicas is: list → plan → mark → *list and plan again* → write `max(plan.allowed, wanted)`. The second look is
//! needed because a worker takes a task whenever it likes. Telling workers to stop fetching first (draining) closes that
//! gap: a pure `next_step(plan, pods, now) -> Step` belongs between plan and mark, with its shell beside `costs.rs`.

mod call;
pub mod costs;
pub mod victims;

pub use call::{CallError, DEADLINE, within};
pub use victims::{Pod, RemovalPlan, plan};
