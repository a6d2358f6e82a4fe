//! Spec of the custom resource: what the user asks for.
#![allow(
    clippy::duplicated_attributes,
    reason = "two columns of a table may have the same type"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Behavior, Broker, Schedule, Status};

/// Workers to scale, broker and queues that hold their tasks, and limits of scaling. Only `targetRef` and `broker` are
/// required; every other field has a default.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "taskworkerpool.dev",
    version = "v1alpha1",
    kind = "TaskWorkerPool",
    plural = "taskworkerpools",
    shortname = "twp",
    category = "autoscaling",
    category = "twp",
    namespaced,
    status = "Status",
    doc = "TaskWorkerPool scales one Deployment or StatefulSet of background workers by the work that waits for it in a broker.",
    selectable = ".spec.targetRef.name",
    printcolumn(json_path = ".spec.targetRef.name", name = "Target", type_ = "string"),
    printcolumn(json_path = ".spec.minReplicas", name = "Min", type_ = "integer"),
    printcolumn(json_path = ".spec.maxReplicas", name = "Max", type_ = "integer"),
    printcolumn(json_path = ".status.replicas", name = "Replicas", type_ = "integer"),
    printcolumn(json_path = ".status.desiredReplicas", name = "Desired", type_ = "integer"),
    printcolumn(json_path = ".status.work.waiting", name = "Waiting", type_ = "integer"),
    printcolumn(json_path = ".status.work.running", name = "Running", type_ = "integer"),
    printcolumn(
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        name = "Ready",
        type_ = "string"
    ),
    printcolumn(
        json_path = ".status.conditions[?(@.type==\"Degraded\")].status",
        name = "Degraded",
        type_ = "string"
    ),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    printcolumn(json_path = ".status.message", name = "Why", type_ = "string"),
    printcolumn(
        json_path = ".status.conditions[?(@.type==\"SourceAvailable\")].reason",
        name = "Source",
        type_ = "string",
        priority = 1
    ),
    printcolumn(json_path = ".spec.queues", name = "Queues", type_ = "string", priority = 1),
    printcolumn(
        json_path = ".status.estimates.arrivalsPerMinute",
        name = "Rate",
        type_ = "integer",
        priority = 1
    ),
    printcolumn(
        json_path = ".status.lastScale.message",
        name = "Last-Scale",
        type_ = "string",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("`minReplicas` must be less than or equal to `maxReplicas`").field_path(".minReplicas"),
    validation = Rule::new("!has(self.fallback) || self.fallback.replicas <= self.maxReplicas")
        .message("`fallback.replicas` must be less than or equal to `maxReplicas`").field_path(".fallback.replicas"),
    validation = Rule::new("!has(self.profile) || !has(self.target) || !has(self.target.backlogPerReplica)")
        .message("`profile` must not be set with `target.backlogPerReplica`: it tunes the wait target").field_path(".profile"),
    validation = Rule::new("!has(self.scaleDown) || !has(self.scaleDown.removal) || self.scaleDown.removal != 'Graceful' || (has(self.worker) && has(self.worker.maxTaskSeconds))")
        .message("`scaleDown.removal: Graceful` needs `worker.maxTaskSeconds`, the longest that a task may take").field_path(".scaleDown.removal"),
    validation = Rule::new("!has(self.queues) || self.queues.all(q, self.queues.exists_one(p, p == q))")
        .message("`queues` must not name a queue twice").field_path(".queues"),
    validation = Rule::new("!has(self.queues) || !has(self.queuesFrom)")
        .message("`queuesFrom` must not be set with `queues`: leave one of them out").field_path(".queuesFrom"),
    validation = Rule::new("!has(self.celery) || !has(self.framework) || self.framework == 'Celery'")
        .message("`celery` must not be set with another `framework`").field_path(".celery"),
    validation = Rule::new("!has(self.broker.management) || !has(self.broker.url) || self.broker.url.startsWith('amqp') || self.broker.url.startsWith('pyamqp')")
        .message("`broker.management` must not be set with Redis: it is RabbitMQ's management API").field_path(".broker.management"),
    validation = Rule::new("!has(self.broker.keyPrefix) || self.broker.keyPrefix == '' || !has(self.broker.url) || self.broker.url.startsWith('redis')")
        .message("`broker.keyPrefix` must not be set with RabbitMQ: it is a prefix of Redis keys").field_path(".broker.keyPrefix")
)]
pub struct TaskWorkerPoolSpec {
    /// Workers to scale, in the pool's own namespace. Example: `{name: mail-worker}`.
    pub target_ref: TargetRef,

    /// Broker that holds the queues: exactly one of `url`, `urlFrom` and `parts`. Example: `{url:
    /// "redis://redis:6379/0"}`.
    pub broker: Broker,

    /// The task framework, which says how work lies in the broker. Default: Celery. Example: `RQ`.
    #[serde(default)]
    pub framework: FrameworkName,

    /// Exact names of the queues that the target's workers consume, 1 to 64 of them. Default: the framework's own, for
    /// Celery `[celery]`, unless `queuesFrom` is set. Example: `[mail, reports]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 255), regex(pattern = r"^[^\x00-\x1f\x7f]+$"))
    )]
    pub queues: Option<Vec<String>>,

    /// Source of the names of the queues, in place of `queues`: with `Workers` the pool counts up to 200 queues that the
    /// target's workers say they consume, and goes on with those when no worker is there. Until a worker has said it,
    /// the replicas stay as they are. Celery and RQ. Default: none, `queues` names them. Example: `Workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues_from: Option<QueuesFrom>,

    /// Options of the Celery application that the broker URL cannot carry. Needed only where the application changes
    /// Celery's defaults (`broker_transport_options`, `control_exchange`, `event_exchange`). Default: Celery's.
    /// Example: `{separator: ":"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celery: Option<CeleryOptions>,

    /// Lower limit of replicas, 0 to 10000. With 0 the pool goes to zero when there is no work. Default: 0. Example: 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10000))]
    pub min_replicas: i32,

    /// Upper limit of replicas, 1 to 10000. Default: 10. Example: 20.
    #[serde(default = "default_max")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,

    /// Rule by which the number of replicas follows from the work: one of `waitSeconds` and `backlogPerReplica`.
    /// Default: `{waitSeconds: 60}`. Example: `{waitSeconds: 30}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRule>,

    /// Trade-off between cost and waiting: `Economy` is cheapest and lets tasks wait nearly as long as the wait target
    /// allows, `Balanced` keeps a margin, `Responsive` keeps waits short. Only with `target.waitSeconds`. Default:
    /// `Balanced`. Example: `Economy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,

    /// Capacity of one replica and duration of its tasks. Default: nothing is known of them. Example: `{concurrency:
    /// 4}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerSpec>,

    /// Rules for the removal of replicas: which ones may go, and when the last ones. Default: those that run no task;
    /// the last after 60 s without work. Example: `{idleSeconds: 300}`.
    #[serde(default)]
    pub scale_down: ScaleDown,

    /// Limits on the speed of scaling: the `behavior` of a HorizontalPodAutoscaler, with the same meaning. Default:
    /// none; the replicas rise at once to the number that the work needs, and fall after two short windows (see
    /// `stabilizationWindowSeconds`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,

    /// Periods of the calendar with a minimum number of replicas, whatever the work; up to 16 of them. A period takes
    /// effect 30 s before its start, so that pods are ready in time. `maxReplicas` stays the limit. Default: none.
    /// Example: `[{name: office, start: "0 8 * * 1-5", end: "0 18 * * 1-5", timeZone: Europe/Berlin, minReplicas: 2}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub schedules: Vec<Schedule>,

    /// Number of replicas to run when the broker has not been readable for some time. Default: none, the replicas stay
    /// as they are. Example: `{replicas: 3, afterSeconds: 120}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,

    /// Stops counting and scaling; the replicas stay as they are. Default: false. Example: true.
    #[serde(default)]
    pub suspend: bool,

    /// What the operator does with its decision: `Act` writes the replicas; `Observe` only reports what it would do,
    /// for a trial beside another autoscaler. Default: Act. Example: `Observe`.
    #[serde(default)]
    pub mode: Mode,

    /// Whether pods that run tasks are protected from node autoscalers. With `true` such a pod carries the annotations
    /// by which cluster-autoscaler (`cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`) and Karpenter
    /// (`karpenter.sh/do-not-disrupt: "true"`) leave its node alone; 30 s after its last task they are removed, and
    /// their earlier values come back. Default: false.
    #[serde(default)]
    pub protect_from_disruption: bool,

    /// Milliseconds between two counts of the work, 100 to 60000. The operator counts less often where a count is
    /// expensive, so that counting takes at most 5 % of its time. Default: 500. Example: `2000`.
    #[serde(default = "default_sample")]
    #[schemars(range(min = 100, max = 60000))]
    pub sample_milliseconds: i32,
}

impl TaskWorkerPoolSpec {
    /// The options for a framework alone, as JSON, with the name of that framework; null where there are none.
    pub fn options(&self) -> (FrameworkName, Value) {
        match &self.celery {
            Some(options) => (FrameworkName::Celery, serde_json::to_value(options).unwrap_or_default()),
            None => (self.framework, Value::Null),
        }
    }
}

fn default_max() -> i32 {
    10
}

fn default_sample() -> i32 {
    500
}

/// Workers to scale.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct TargetRef {
    /// Kind of the target. Default: Deployment.
    #[serde(default)]
    pub kind: TargetKind,

    /// Name of the target in the pool's namespace. Example: `mail-worker`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// Kinds of targets: `Deployment`, `StatefulSet`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum TargetKind {
    /// Deployment of apps/v1.
    #[default]
    Deployment,
    /// StatefulSet of apps/v1: its highest ordinals go first, so a busy one keeps those below it.
    StatefulSet,
}

/// Task frameworks: `Celery`, `RQ`, `Taskiq`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum FrameworkName {
    /// Celery 5 with Redis or RabbitMQ.
    #[default]
    Celery,
    /// RQ with Redis.
    RQ,
    /// taskiq with Redis, in lists or streams.
    Taskiq,
}

/// Source of the names of the queues, in place of `queues`: with `Workers` the pool counts up to 200 queues that the
/// target's workers say they consume, and goes on with those when no worker is there. Until a worker has said it,
/// the replicas stay as they are. Celery and RQ. Default: none, `queues` names them. Example: `Workers`.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum QueuesFrom {
    /// What the target's workers say they consume.
    Workers,
}

impl FrameworkName {
    /// The name as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Celery => "Celery",
            Self::RQ => "RQ",
            Self::Taskiq => "Taskiq",
        }
    }
}

/// What the operator does with its decision: `Act` or `Observe`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum Mode {
    /// Writes the replicas.
    #[default]
    Act,
    /// Decides and reports, writes nothing.
    Observe,
}

/// Options of the Celery application that the broker URL cannot carry.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CeleryOptions {
    /// The transport option `priority_steps` (Redis), 1 to 256 steps of 0 to 255. Default: 0 to
    /// 9, among which Celery's own `[0, 3, 6, 9]` are. Example: `[0, 5, 9]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(range(min = 0, max = 255)))]
    pub priority_steps: Option<Vec<i32>>,

    /// The transport option `sep` (Redis) between a queue's name and a priority step, 1 to 16 characters. Default: the
    /// two control characters U+0006 U+0016. Example: `":"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub separator: Option<String>,

    /// The transport option `unacked_key` (Redis). Default: `unacked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub unacked_key: Option<String>,

    /// The transport option `unacked_index_key` (Redis). Default: `unacked_index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub unacked_index_key: Option<String>,

    /// The setting `control_exchange`, 1 to 200 characters: where workers answer remote control. Default: `celery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub control_exchange: Option<String>,

    /// The setting `event_exchange`, 1 to 200 characters: where workers send their heartbeats. Default: `celeryev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub event_exchange: Option<String>,

    /// The pattern to subscribe to for heartbeats (Redis), 1 to 255 characters. It must equal the pattern in the Redis
    /// ACL, literally. Default: `/{db}.celeryev/*`, with the key prefix in front. Example: `celeryev/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub heartbeat_channel: Option<String>,
}

/// Trade-off between cost and waiting: `Economy` is cheapest and lets tasks wait nearly as long as the wait target
/// allows, `Balanced` keeps a margin, `Responsive` keeps waits short. Only with `target.waitSeconds`. Default:
/// `Balanced`. Example: `Economy`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum ProfileName {
    /// Waits nearly as long as the target allows, at the least cost.
    Economy,
    /// Waits with a margin.
    #[default]
    Balanced,
    /// Short waits.
    Responsive,
}

/// Rule by which the number of replicas follows from the work.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.waitSeconds) != has(self.backlogPerReplica)")
    .message("`target` must set exactly one of `waitSeconds` and `backlogPerReplica`"))]
pub struct TargetRule {
    /// Goal for 99 % of the tasks: seconds between the time at which a task is due and its start, 1 to 86400, with the
    /// fewest replicas. Task duration, start-up time and arrivals are learned. A target shorter than a pod's start-up
    /// can only be met by replicas that are there already. Default: 60. Example: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub wait_seconds: Option<i32>,

    /// Number of outstanding tasks (waiting, running, due within 30 s) for each replica, 1 to 1000000, instead of the
    /// wait target; the replicas are rounded up. Default: not set. Example: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub backlog_per_replica: Option<i32>,
}

/// Capacity of one replica and duration of its tasks.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSpec {
    /// Tasks that one replica runs at a time (Celery's `--concurrency`), 1 to 10000. Default: asked from the workers;
    /// where they cannot be asked, the largest number that one was seen to run. Set it if remote control is off.
    /// Example: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub concurrency: Option<i32>,

    /// Usual duration of a task in milliseconds, 1 to 86400000: a guess that counts until real tasks have been seen,
    /// and where workers do not report how many they have done. Default: not set; then 10 s until the first tasks have
    /// finished. Example: 2500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400000))]
    pub expected_task_milliseconds: Option<i32>,

    /// Longest duration of a task in seconds, 1 to 86400. Used only with `scaleDown.removal: Graceful`. Default: not
    /// set. Example: 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub max_task_seconds: Option<i32>,
}

/// Rules for the removal of replicas: which ones may go, and when the last ones.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScaleDown {
    /// Replicas that may be removed. `WhenIdle`: only those that run no task. `Graceful`: also busy ones whose
    /// `terminationGracePeriodSeconds` is at least `worker.maxTaskSeconds`; they finish their running tasks, and
    /// prefetched tasks return to the queue. Default: WhenIdle. Example: `Graceful`.
    #[serde(default)]
    pub removal: Removal,

    /// Seconds without any work before the pool goes to `minReplicas`, 0 to 86400. Default: 60.
    /// Example: `300`.
    #[serde(default = "default_idle")]
    #[schemars(range(min = 0, max = 86400))]
    pub idle_seconds: i32,
}

/// Replicas that may be removed: `WhenIdle` or `Graceful`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum Removal {
    /// Only replicas that run no task.
    #[default]
    WhenIdle,
    /// Also busy replicas whose grace period is long enough.
    Graceful,
}

fn default_idle() -> i32 {
    60
}

impl Default for ScaleDown {
    fn default() -> Self {
        Self {
            removal: Removal::WhenIdle,
            idle_seconds: default_idle(),
        }
    }
}

/// Number of replicas to run when the broker cannot be read; never fewer than run already.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// Minimum number of replicas while the fallback applies, 0 to 10000. Example: 3.
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: i32,

    /// Seconds without a successful read of the broker before the fallback applies, 1 to 86400. Default: 120. Example:
    /// 300.
    #[serde(default = "default_after")]
    #[schemars(range(min = 1, max = 86400))]
    pub after_seconds: i32,
}

fn default_after() -> i32 {
    120
}
