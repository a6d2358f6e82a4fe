//! The custom resource, as users write and read it. Data only: no rule of the operator is decided here.
//!
//! | file | concept |
//! |---|---|
//! | `spec.rs` | what the user asks for: [`TaskWorkerPool`] and its parts |
//! | `broker.rs` | where the broker is: [`Broker`] and the references to Secrets and ConfigMaps |
//! | `parts.rs` | the broker's address by parts: [`BrokerParts`] |
//! | `behavior.rs` | the HPA v2 `behavior` field, with bounds |
//! | `schedule.rs` | periods of the calendar with a minimum number of replicas: [`Schedule`] |
//! | `status.rs` | what the operator reports: [`Status`] |
//! | `crd.rs` | the CustomResourceDefinition as it is published: [`crd()`] |
//!
//! The CRD in `crds/` is generated from these types (`twp-operator crd`); `tests/crd.rs` compares the bytes and checks
//! that every field is described and bounded.

mod behavior;
mod broker;
mod crd;
mod parts;
mod schedule;
mod spec;
mod status;

pub use behavior::{Behavior, PolicyType, ScalingPolicy, ScalingRules, SelectPolicy};
pub use broker::{Broker, KeyRef, Management, Tls, ValueFrom};
pub use crd::{NOT_OBSERVED, crd};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
pub use parts::{BrokerParts, Scheme};
pub use schedule::Schedule;
pub use spec::{
    CeleryOptions, Fallback, FrameworkName, Mode, ProfileName, QueuesFrom, Removal, ScaleDown, TargetKind, TargetRef,
    TargetRule, TaskWorkerPool, TaskWorkerPoolSpec, WorkerSpec,
};
pub use status::{
    Condition, ConditionStatus, DecisionStatus, EstimatesStatus, HeldStatus, LastScale, QueueStatus, Status, WorkStatus,
};

/// The API group.
pub const GROUP: &str = "taskworkerpool.dev";
/// The version of the API, the only one.
pub const VERSION: &str = "v1alpha1";
/// The CRD's name.
pub const CRD_NAME: &str = "taskworkerpools.taskworkerpool.dev";
