//! Calls to the API server: each through one gate, within a deadline, with errors in our words.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `budget.rs` | pure | who may call now: what matters most first, so many at once and a second, and nobody whom the server asked to wait |
//! | `call.rs` | shell | [`Cluster`]: the client behind the gate; [`CallError`] |
//! | `pods.rs` | shell | lists the pods of a target, writes marks on them |
//! | `pod_object.rs` | pure | the little of a pod that is read, and how far it has come |
//!
//! Watches and the Lease go past the gate: a watch waits for the server by its nature, and the Lease has a client of its own.

mod budget;
mod call;
#[cfg(test)]
pub mod fixture;
mod pod_object;
pub mod pods;

pub use budget::{Class, Limits};
pub use call::{CallError, Cluster, DEADLINE, Outcome, within};
