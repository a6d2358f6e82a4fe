//! Status of the custom resource: what the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Latest counts, decision and conditions. Written at once when the decision or a condition changes; numbers that
/// changed are written some seconds later: within 5 s for up to 100 busy pools, 50 s for 1,000. Live numbers are in the
/// metrics.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The `metadata.generation` of the spec that this status describes; -1: no operator has seen the pool yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 9007199254740991i64))]
    pub observed_generation: Option<i64>,

    /// Summary: what keeps the pool from its target and what helps, else the reason of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// Number of replicas in the target's `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub replicas: Option<i32>,

    /// Number of the target's replicas that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub ready_replicas: Option<i32>,

    /// Number of replicas that the operator decided on; while it cannot decide, the number that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub desired_replicas: Option<i32>,

    /// Work as last counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkStatus>,

    /// Queues of the pool as last counted, up to 200 of them. With `queuesFrom: Workers` a restarted operator begins with
    /// these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub queues: Vec<QueueStatus>,

    /// ETA and countdown tasks that RabbitMQ shows as ready. The workers hold them; when the last worker has gone they
    /// lie in the queue like all other messages. They are not counted as waiting until `nextDueAt`. A restarted
    /// operator begins with this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldStatus>,

    /// Estimates that the operator has learned so far; a restarted operator begins with them. Only with
    /// `target.waitSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<EstimatesStatus>,

    /// Latest decision and its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,

    /// Latest change of the target's replicas that the operator made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale: Option<LastScale>,

    /// Conditions. `Ready` says whether the spec works; `SourceAvailable`, `QueuesMatch`, `WorkersKnown`,
    /// `ScalingActive`, `ScalingLimited`, `TargetFeasible`, `TargetConflict` and `Suspended` describe the broker, the
    /// queues, the workers, the scaling and the target; `Degraded` is True while something keeps the pool from its
    /// target. `Reconciling` and `Stalled` are there only while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Queue as last counted.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Name of the queue.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,

    /// Number of tasks that wait in it and are due.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub waiting: i64,

    /// Whether the broker knows no queue of this name (RabbitMQ). Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

/// Work as last counted, in tasks.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkStatus {
    /// Number of tasks that wait in the queues and are due. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub waiting: i64,

    /// Number of tasks that run now, as far as the workers report them. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub running: i64,

    /// Number of tasks that are delivered and not finished: reserved and running.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub in_flight: i64,

    /// Number of tasks that are not due yet (ETA, countdown, retry), as far as the broker shows them.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub scheduled: i64,

    /// Seconds that the oldest waiting task has waited, where that can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub oldest_wait_seconds: Option<i64>,

    /// Time of the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub sampled_at: Option<Time>,
}

/// Tasks that are not due and that the broker does not show as such (RabbitMQ).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// Number of these tasks, at most.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub tasks: i64,

    /// Time when the first of them is due; a worker is started before that.
    #[schemars(schema_with = "date_time")]
    pub next_due_at: Time,
}

/// Estimates that the operator has learned of the work and the workers.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EstimatesStatus {
    /// Duration of a task in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub task_milliseconds: Option<i64>,

    /// Number of tasks that arrive in a minute, batches left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub arrivals_per_minute: Option<i64>,

    /// Seconds from the order of a replica until it is ready: the 60th percentile of those seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub startup_seconds: Option<i64>,

    /// Number of tasks that one replica runs at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub concurrency: Option<i32>,
}

/// Latest decision and its reason.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// Number of replicas that was decided on.
    #[schemars(range(min = 0, max = 2147483647))]
    pub replicas: i32,

    /// Rule that set the number. By the work: `Deadline`, `Rate`, `Reserve`, `Backlog`, `Scheduled`, `Stranded`,
    /// `Idle`; by a limit of the spec: `Minimum`, `Maximum`, `Schedule`, `Behavior`, `Suspended`, `Fallback`; held back:
    /// `CoolingDown`, `Window`, `RunningWork`, `Rollout`, `JustStarted`, `BlockedQueue`, `Stale`, `Unknown`.
    #[schemars(length(max = 64))]
    pub rule: String,

    /// Reason, in one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Change of the target's replicas that the operator made.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastScale {
    /// Number of replicas before the change.
    #[schemars(range(min = 0, max = 2147483647))]
    pub from: i32,

    /// Number of replicas after the change.
    #[schemars(range(min = 0, max = 2147483647))]
    pub to: i32,

    /// Time of the change.
    #[schemars(schema_with = "date_time")]
    pub at: Time,

    /// Reason, in one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Condition: one aspect of the pool's state, as `metav1.Condition`, with bounds.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Aspect that the condition describes, CamelCase. Example: `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,

    /// Status of the condition: `True`, `False` or `Unknown`.
    pub status: ConditionStatus,

    /// The `metadata.generation` of the spec that the condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub observed_generation: Option<i64>,

    /// Time when `status` last changed.
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Time,

    /// Reason, one CamelCase word. Example: `Working`.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,

    /// Explanation for people.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Status of a condition.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Nothing is known of the condition.
    Unknown,
}

fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}
