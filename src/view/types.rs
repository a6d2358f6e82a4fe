//! JSON of the read API, `v1`. Who serves it and who reads it use these types; `docs/reference/api.md` is made from them.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Version of the API. Fields may be added to it; none changes its meaning or goes.
pub const VERSION: &str = "v1";

/// All pools, the worst first.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Pools")]
pub struct Pools<P = Vec<Pool>> {
    /// Version of the API: `v1`.
    pub api_version: String,
    /// Time of the answer.
    #[schemars(schema_with = "date_time")]
    pub at: Timestamp,
    /// Process that answers: the one that acts.
    pub leader: Leader,
    /// Pools, without `detail`.
    pub pools: P,
}

/// One pool.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnePool {
    /// Version of the API: `v1`.
    pub api_version: String,
    /// Time of the answer.
    #[schemars(schema_with = "date_time")]
    pub at: Timestamp,
    /// Process that answers: the one that acts.
    pub leader: Leader,
    /// Pool, with `detail`.
    pub pool: Pool,
}

/// Answer of every other status than 200.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Version of the API: `v1`.
    pub api_version: String,
    /// Process that has live numbers, where it is known.
    pub leader: Option<Leader>,
    /// Why there is no answer.
    pub error: Refused,
}

/// Why there is no answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Reason, one CamelCase word: `NotLeader`, `Starting`, `Busy`, `NotFound`, `HostNotAllowed`.
    pub reason: String,
    /// Explanation for people, with the cure.
    pub message: String,
}

/// Process that acts.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leader {
    /// Name of its pod.
    pub pod: String,
    /// Namespace of its pod.
    pub namespace: String,
    /// Port of this API; all replicas have the same.
    pub port: u16,
    /// Version of the operator, where it is the process that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Pool.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// One word for it, to sort by.
    pub state: State,
    /// What keeps the pool from its target and what helps, else the reason of the decision: `status.message`.
    pub message: String,
    /// Deployment or StatefulSet that it scales; `null` while the spec cannot be used.
    pub target: Option<Target>,
    /// Framework of the application, as the spec names it.
    pub framework: String,
    /// Whether the operator writes the replicas: `Act` or `Observe`.
    pub mode: String,
    /// Broker that is asked now: no path, no user, no password.
    pub broker: Option<Broker>,
    /// Work as last counted; `null` while nothing is known.
    pub work: Option<Work>,
    /// What the spec promises.
    pub promise: Promise,
    /// Replicas.
    pub replicas: Replicas,
    /// What each rule alone would have asked for, and which one was chosen.
    pub candidates: Vec<Candidate>,
    /// What was learned of tasks and pods; only with `target.waitSeconds`.
    pub estimates: Option<Estimates>,
    /// Queues, up to 16 in the list of pools and up to 200 in a pool by itself.
    pub queues: Vec<Queue>,
    /// Number of queues that are not among them.
    pub queues_omitted: u32,
    /// Conditions that are not as they should be.
    pub conditions: Vec<Condition>,
    /// Last hour in up to 30 points.
    pub sparkline: Sparkline,
    /// What only a pool by itself has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// State of a pool, the worst first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum State {
    /// Its spec does not work: nothing is done.
    Broken,
    /// Something keeps it from its target.
    Degraded,
    /// The oldest task has waited for longer than the wait target.
    Late,
    /// The broker has not been read yet, or just now cannot be.
    Unknown,
    /// A limit keeps it from what the work asks for.
    Limited,
    /// Pods start or go.
    Scaling,
    /// There are tasks, and all is well.
    Working,
    /// There is nothing to do.
    Idle,
    /// `spec.suspend` is true.
    Suspended,
}

/// Target of a pool.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// Its name, in the pool's namespace.
    pub name: String,
}

/// Broker, as far as everybody may know it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// `Redis` or `RabbitMQ`.
    pub kind: String,
    /// Host name or IP address.
    pub host: String,
}

/// Work, in tasks.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Tasks that wait and are due.
    pub waiting: u64,
    /// Tasks that run, as far as the workers report them.
    pub running: u64,
    /// Tasks that are delivered and not finished.
    pub in_flight: u64,
    /// Tasks that are not due yet.
    pub scheduled: u64,
    /// Seconds that the oldest waiting task has waited, where that can be seen.
    pub oldest_wait_seconds: Option<u64>,
    /// Whether the broker can be read now; otherwise the numbers are old.
    pub fresh: bool,
    /// Time of the count.
    #[schemars(schema_with = "date_time_or_null")]
    pub counted_at: Option<Timestamp>,
}

/// What the spec promises.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Promise {
    /// `target.waitSeconds`: every task starts within this time.
    pub wait_seconds: Option<u64>,
    /// `target.backlogPerReplica`: outstanding tasks for each replica.
    pub backlog_per_replica: Option<u32>,
}

/// Replicas.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Number that was decided on.
    pub wanted: Option<u32>,
    /// Number in the target's `spec.replicas`.
    pub set: Option<u32>,
    /// Number that is ready.
    pub ready: Option<u32>,
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
}

/// Number that one rule alone would have asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Rule, as in `status.decision.rule`.
    pub rule: String,
    /// Replicas.
    pub replicas: u32,
    /// Whether it set the number; of all candidates at most one did.
    pub chosen: bool,
}

/// Learned estimates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimates {
    /// Milliseconds that a task takes.
    pub task_milliseconds: Option<u64>,
    /// Tasks that arrive in a minute, batches left out.
    pub arrivals_per_minute: Option<u64>,
    /// Seconds from the order of a replica until it is ready: the 60th percentile of those seen.
    pub startup_seconds: Option<u64>,
    /// Tasks that one replica runs at the same time.
    pub concurrency: Option<u32>,
    /// Share of the tasks started recently that were in time, from 0 to 1.
    pub in_time: Option<f64>,
}

/// Queue.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Tasks that wait in it and are due.
    pub waiting: u64,
    /// Whether the broker knows no queue of this name.
    pub missing: bool,
}

/// Condition that is not as it should be.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type, such as `SourceAvailable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Type of the condition because of which this one is Unknown; `null`: its cause is its own.
    #[serde(default)]
    pub unknown_because: Option<String>,
    /// Reason, one CamelCase word.
    pub reason: String,
    /// What is wrong, and what helps.
    pub message: String,
    /// Time since which it has had this status.
    #[schemars(schema_with = "date_time")]
    pub since: Timestamp,
    /// Page and heading of the documentation.
    pub docs: String,
}

/// Last hour in few points. The columns have the same length, the oldest point first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sparkline {
    /// Seconds of a point.
    pub every_seconds: u32,
    /// Waiting tasks: the most within each point; `null`: not known.
    pub waiting: Vec<Option<u32>>,
    /// Replicas set, at the end of each point.
    pub set: Vec<Option<u32>>,
}

/// What only a pool by itself has.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// Pods whose workers are heard, or are missed; up to 500.
    pub pods: Vec<Pod>,
    /// Number of pods that are not among them for lack of room.
    pub pods_omitted: u32,
    /// Number of replicas that are set and not ready.
    pub starting: u32,
    /// Last 20 decisions that changed something, the newest first, since the leader started.
    pub decisions: Vec<Decision>,
    /// Last hour.
    pub history: History,
}

/// Pod.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Name.
    pub name: String,
    /// What it does.
    pub state: PodState,
    /// Tasks that it runs; `null`: not known.
    pub running: Option<u32>,
    /// Tasks that it has fetched and not begun, where it was asked.
    pub reserved: Option<u32>,
    /// Tasks with an ETA that it holds, where it was asked.
    pub scheduled: Option<u32>,
    /// Seconds since it was last heard, where it is silent, or since which it has been idle, where it is idle.
    pub seconds: Option<u64>,
    /// Whether it reported a moment ago; otherwise the numbers may be old.
    pub fresh: bool,
}

/// State of a pod.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum PodState {
    /// It is ready, or was heard before, and says nothing now.
    Silent,
    /// It is told to stop consuming, and goes when it holds nothing.
    Draining,
    /// It runs tasks.
    Busy,
    /// It runs nothing and has fetched tasks.
    Reserved,
    /// It is not ready yet.
    Starting,
    /// It runs nothing.
    Idle,
}

/// Decision that changed the number or its reason.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Time.
    #[schemars(schema_with = "date_time")]
    pub at: Timestamp,
    /// Replicas before it.
    pub from: u32,
    /// Replicas decided on.
    pub to: u32,
    /// Rule that set the number.
    pub rule: String,
    /// Reason, in one sentence.
    pub message: String,
}

/// Last hour, as columns of the same length, the oldest point first; `null`: not known.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Seconds of a point. The last one ends at the time of the answer.
    pub every_seconds: u32,
    /// Waiting tasks: the most within each point.
    pub waiting: Vec<Option<u32>>,
    /// Seconds that the oldest had waited: the most within each point.
    pub oldest_wait_seconds: Vec<Option<u32>>,
    /// Replicas decided on, at the end of each point.
    pub wanted: Vec<Option<u32>>,
    /// Replicas set.
    pub set: Vec<Option<u32>>,
    /// Replicas ready.
    pub ready: Vec<Option<u32>>,
    /// Tasks that arrived within each point, purged ones among them; the last point is not over yet. They are what more tasks
    /// wait plus what the workers say to have taken on, so they come with the workers' reports, some seconds late. `null`:
    /// the broker could not be read all the time, the operator had just started, the workers do not count what they take
    /// on (taskiq), or some were not heard for a minute (Celery's with `--pool solo` say nothing while they work); and always
    /// without `target.waitSeconds`.
    #[serde(default)]
    pub arrived: Vec<Option<u32>>,
}

fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

fn date_time_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}
