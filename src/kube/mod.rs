//! Calls to the API server: each through one gate, within a deadline, with errors that never have the server's words.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `budget.rs` | pure | which call may be made now: the most important first, limited at once and by the second, with the pauses that the server asks for |
//! | `call.rs` | shell | [`Cluster`]: the client behind the gate; [`CallError`] |
//! | `pods.rs` | shell | lists the pods of a target, writes marks on them |
//! | `pod_object.rs` | pure | the fields of a pod that are read, and how far it has come |
//!
//! Watches and the Lease go past the gate: a watch waits for the server by its nature, and the Lease has a client of its own.

mod budget;
mod call;
#[cfg(test)]
pub mod fixture;
mod pod_object;
pub mod pods;

pub use budget::{Class, Limits};
pub use call::{CallError, CallOutcome, Cluster, DEADLINE, within};
