//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the operator saw and decided. It is written at once when the decision or a condition changes, otherwise some
/// seconds after numbers changed: within 5 s for up to 100 busy pools, 50 s for 1,000. Live numbers are in the metrics.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The `metadata.generation` of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub observed_generation: Option<i64>,

    /// Why it is as it is, in one sentence: what keeps the pool from working, else the decision's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// The target's `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub replicas: Option<i32>,

    /// The target's replicas that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub ready_replicas: Option<i32>,

    /// The replicas that the operator decided on; while it cannot decide, those that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub desired_replicas: Option<i32>,

    /// The work as last counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkStatus>,

    /// Tasks that are not due and that RabbitMQ does not show as such. The workers hold them, and when the last one has
    /// gone they lie in the queue like all others: so many of its messages are not counted as waiting until the first is
    /// due. A restarted operator begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldStatus>,

    /// What was learned, as far as something was; a restarted operator begins with it. Only with `target.waitSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<EstimatesStatus>,

    /// The last decision and its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,

    /// The last change of the target's replicas that the operator made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale: Option<LastScale>,

    /// Conditions: `Ready` says that the spec works; `SourceAvailable`, `ScalingActive`, `ScalingLimited`, `QueuesMatch` and
    /// `WorkersKnown` say the rest, and `Degraded` is True whenever one of them is not as it should be. Others appear only
    /// while there is something to say: `QueueBlocked`, `TargetFeasible`, `Fallback`, `TargetConflict`,
    /// `DeletionCostConflict`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The work as last counted, in tasks.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkStatus {
    /// Tasks that wait for a worker now.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub ready: i64,

    /// Tasks that run now, as far as the workers say. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub running: i64,

    /// Tasks that are delivered and not finished: reserved and running.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub in_flight: i64,

    /// Tasks that are not due yet (ETA, countdown, retry), as far as the broker lets them be seen.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub scheduled: i64,

    /// For how many seconds the oldest waiting task has waited, where that can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub oldest_wait_seconds: Option<i64>,

    /// When it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub sampled_at: Option<Time>,
}

/// Tasks that are not due and that the broker does not show as such (RabbitMQ).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// No more than so many.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub tasks: i64,

    /// When the first of them comes due; a worker is started before that.
    #[schemars(schema_with = "date_time")]
    pub next_due_at: Time,
}

/// What was learned of the work and the workers.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EstimatesStatus {
    /// How long a task takes, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub task_milliseconds: Option<i64>,

    /// Tasks that arrive in a minute, batches left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub arrivals_per_minute: Option<i64>,

    /// From the order of a replica until it is ready, in seconds; three of five were faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub startup_seconds: Option<i64>,

    /// Tasks that one replica runs at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub concurrency: Option<i32>,
}

/// The last decision and its reason.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// So many replicas.
    #[schemars(range(min = 0, max = 2147483647))]
    pub replicas: i32,

    /// The rule that set the number, one word. Example: `Backlog`.
    #[schemars(length(max = 64))]
    pub rule: String,

    /// Why, in one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// A change of the target's replicas that the operator made.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastScale {
    /// Replicas before.
    #[schemars(range(min = 0, max = 2147483647))]
    pub from: i32,

    /// Replicas after.
    #[schemars(range(min = 0, max = 2147483647))]
    pub to: i32,

    /// When.
    #[schemars(schema_with = "date_time")]
    pub at: Time,

    /// Why, in one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// One aspect of the pool's state: `metav1.Condition`, with bounds.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition speaks of, CamelCase. Example: `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,

    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,

    /// The `metadata.generation` of the spec that the condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub observed_generation: Option<i64>,

    /// When `status` last changed.
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Time,

    /// Why, one CamelCase word. Example: `Working`.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,

    /// Why, for a person.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Status of a condition.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Not known.
    Unknown,
}

fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}
