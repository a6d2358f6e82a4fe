//! Calls to the API server: each through one gate, within a deadline, with errors that never have the server's words; and
//! the objects, as far as they are read.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `client.rs` | shell | connections, as the environment describes them |
//! | `budget.rs` | pure | which call may be made now: the most important first, limited at once and by the second, with the pauses that the server asks for |
//! | `call.rs` | shell | [`Cluster`]: the client behind the gate; [`CallError`] |
//! | `object.rs` | pure | which object is meant: [`Key`], [`TargetKey`], [`Identity`] |
//! | `watch.rs` | shell | what there is of one kind, and what becomes of it |
//! | `pools.rs`, `events.rs` | shell | reads one pool, writes the status of one; publishes Events about it |
//! | `targets.rs` | shell | reads one target, writes its replicas |
//! | `target_object.rs` | pure | the fields of a Deployment or StatefulSet that are read: [`Target`] |
//! | `pods.rs` | shell | lists the pods of a target, writes marks on them |
//! | `pod_object.rs` | pure | the fields of a pod that are read, and how far it has come |
//! | `plugin.rs` | shell | what `kubectl twp` reads and writes, with the rights of whoever runs it |
//! | `autoscalers.rs` | shell | the same, of HorizontalPodAutoscalers and KEDA's ScaledObjects |
//! | `neighbors.rs` | shell | the same, of what stands around a target and the operator: NetworkPolicies, Events |
//! | `installation.rs` | shell | what there is of an installation: version, schema, rights, Lease |
//! | `secrets.rs` | shell | reads Secrets and ConfigMaps, by name |
//! | `lease/` | shell | one of several replicas leads; `step.rs`, the rule, is pure |
//!
//! Watches and the Lease go past the gate: a watch waits for the server by its nature, and the Lease has a client of its own.

#[cfg(feature = "cli")]
pub mod autoscalers;
mod budget;
mod call;
pub mod client;
pub mod events;
#[cfg(test)]
pub mod fixture;
pub mod installation;
pub mod lease;
#[cfg(feature = "cli")]
pub mod neighbors;
mod object;
#[cfg(feature = "cli")]
pub mod plugin;
mod pod_object;
pub mod pods;
pub mod pools;
pub mod secrets;
mod target_object;
pub mod targets;
pub mod watch;

pub use budget::{Class, Limits};
pub use call::{CallError, CallOutcome, Cluster, DEADLINE};
pub use object::{Identity, Key, TargetKey};
pub use target_object::{Slim, SlimDeployment, SlimStatefulSet, Target};

/// Field manager of the operator.
pub const MANAGER: &str = "twp-operator";
