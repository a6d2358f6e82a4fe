//! The fields of a Deployment or StatefulSet that are read, and what a decision needs of them. The other fields are never
//! kept in memory. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use k8s_openapi::{
    api::apps::v1::{Deployment, StatefulSet},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{Resource, core::Selector};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Key, MANAGER, TargetKey};
use crate::{
    drain::Ordinals,
    model::{WorkloadKind, tame},
};

/// Grace period of pods whose template sets none, in seconds.
const GRACE: u32 = 30;
/// Longest message of the controller that is kept, in bytes.
const WORDS: usize = 300;

/// Deployment or StatefulSet as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The UID.
    pub uid: String,
    /// Resource version as a number; those of one object rise.
    pub version: u64,
    /// Number of replicas (`spec.replicas`).
    pub replicas: u32,
    /// Number of ready pods.
    pub ready: u32,
    /// Whether a new template is being rolled out, and makes progress.
    pub rollout: bool,
    /// Field managers that own `spec.replicas`.
    pub owners: Vec<String>,
    /// How a StatefulSet numbers its pods and ends them.
    pub ordinals: Ordinals,
    /// Label selector of its pods, as text; empty if it cannot be written as one.
    pub selector: String,
    /// Hash of the pod template.
    pub template: u64,
    /// Commands of the template's containers, with their arguments.
    pub commands: Arc<Vec<Vec<String>>>,
    /// Grace period of its pods, in seconds.
    pub grace: u32,
    /// Reason why pods cannot be created (a quota, an admission), in the controller's words; only Deployments give one.
    pub failure: Option<String>,
    /// Reason why a rollout was given up, in its words.
    pub stuck: Option<String>,
}

impl Target {
    /// Reads the watched object. `None` for one without name, namespace or UID, which no API server returns.
    pub fn read(object: &impl Slim) -> Option<(TargetKey, Self)> {
        let (kind, object) = object.parts();
        let meta = object.metadata;
        let key = Key {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
        };
        let target = Self {
            uid: meta.uid.clone()?,
            version: version(meta.resource_version.as_deref()),
            replicas: object.spec.replicas.map_or(1, natural),
            ready: object
                .status
                .ready_replicas
                .map_or(0, natural)
                .saturating_sub(ending(object.status)),
            rollout: rollout(object),
            owners: owners(object.metadata),
            ordinals: Ordinals {
                start: object
                    .spec
                    .ordinals
                    .as_ref()
                    .map_or(0, |ordinals| natural(ordinals.start)),
                one_by_one: object.spec.pod_management_policy.as_deref() == Some("OrderedReady"),
            },
            selector: Selector::try_from(object.spec.selector.clone())
                .map(|selector| selector.to_string())
                .unwrap_or_default(),
            template: object.spec.template.fingerprint,
            commands: Arc::new(object.spec.template.commands.clone()),
            grace: object.spec.template.grace.unwrap_or(GRACE),
            failure: words(object.status, "ReplicaFailure", "True"),
            stuck: words(object.status, "Progressing", "False"),
        };
        Some((TargetKey::new(key, kind), target))
    }

    /// Whether the operator owns the replicas.
    pub fn is_ours(&self) -> bool {
        self.owners.iter().any(|owner| owner == MANAGER)
    }

    /// Another owner of the replicas; the first name, if there is one.
    pub fn other_owner(&self) -> Option<&str> {
        self.owners.iter().map(String::as_str).find(|owner| *owner != MANAGER)
    }
}

/// Resource version as a number; Kubernetes 1.35 made official what etcd always did. 0 if it is not a number.
pub fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Message of a condition of the target while it has this status, as far as a terminal may show it.
fn words(observed: &TargetStatus, kind: &str, status: &str) -> Option<String> {
    let mut conditions = observed.conditions.iter();
    let condition = conditions.find(|condition| condition.kind == kind && condition.status == status)?;
    Some(tame(condition.message.as_deref()?, WORDS)).filter(|words| !words.is_empty())
}

fn natural(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Whether a rollout is in progress, as `kubectl rollout status` sees it; one that has exceeded its progress deadline
/// makes none. A StatefulSet leaves pods below its partition as they are, and all of them where only their deletion
/// updates them.
fn rollout(object: Parts) -> bool {
    let status = object.status;
    let stuck = status.conditions.iter().any(|condition| {
        condition.kind == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let observed = status.observed_generation.unwrap_or(0) >= object.metadata.generation.unwrap_or(0);
    let strategy = &object.spec.update_strategy;
    let partition = strategy
        .rolling_update
        .as_ref()
        .map_or(0, |rolling| natural(rolling.partition));
    let pods = status.replicas.map_or(0, natural).saturating_sub(ending(status));
    let updated = status.updated_replicas.map_or(0, natural);
    let held = object.spec.paused || strategy.kind == "OnDelete";
    observed && !stuck && !held && updated < pods.saturating_sub(partition)
}

/// Number of pods that are being deleted and that the status counts all the same. A StatefulSet counts them among its
/// replicas, and among the ready ones, until they have ended; only the numbers of its two revisions leave them out
/// (`computeReplicaStatus`, kubernetes `pkg/controller/statefulset/stateful_set_control.go`).
fn ending(status: &TargetStatus) -> u32 {
    let (Some(current), Some(update)) = (&status.current_revision, &status.update_revision) else {
        return 0;
    };
    let updated = status.updated_replicas.map_or(0, natural);
    let older = status.current_replicas.filter(|_| current != update).map_or(0, natural);
    status
        .replicas
        .map_or(0, natural)
        .saturating_sub(updated.saturating_add(older))
}

fn owners(meta: &ObjectMeta) -> Vec<String> {
    let fields = meta.managed_fields.iter().flatten();
    fields
        .filter(|entry| {
            entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
        })
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

/// Object whose pods run workers, with only the fields that the operator reads.
pub trait Slim {
    /// Kind and fields.
    fn parts(&self) -> (WorkloadKind, Parts<'_>);
}

/// Fields of a Deployment or StatefulSet.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    metadata: &'a ObjectMeta,
    spec: &'a TargetSpec,
    status: &'a TargetStatus,
}

/// Deployment, with only the fields that the operator reads.
#[derive(Resource, Clone, Debug, Default, Deserialize, Serialize)]
#[resource(inherit = Deployment)]
pub struct SlimDeployment {
    /// Name, UID, generation, managed fields.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Desired state.
    #[serde(default)]
    pub spec: TargetSpec,
    /// Observed state.
    #[serde(default)]
    pub status: TargetStatus,
}

impl Slim for SlimDeployment {
    fn parts(&self) -> (WorkloadKind, Parts<'_>) {
        let Self { metadata, spec, status } = self;
        (WorkloadKind::Deployment, Parts { metadata, spec, status })
    }
}

/// StatefulSet, with only the fields that the operator reads.
#[derive(Resource, Clone, Debug, Default, Deserialize, Serialize)]
#[resource(inherit = StatefulSet)]
pub struct SlimStatefulSet {
    /// Name, UID, generation, managed fields.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Desired state.
    #[serde(default)]
    pub spec: TargetSpec,
    /// Observed state.
    #[serde(default)]
    pub status: TargetStatus,
}

impl Slim for SlimStatefulSet {
    fn parts(&self) -> (WorkloadKind, Parts<'_>) {
        let Self { metadata, spec, status } = self;
        (WorkloadKind::StatefulSet, Parts { metadata, spec, status })
    }
}

/// Desired state of the target.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// Number of replicas; the API server fills in 1 where none is given.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Selector of its pods.
    #[serde(default)]
    pub selector: LabelSelector,
    /// Whether the Deployment is paused: then it rolls nothing out.
    #[serde(default)]
    pub paused: bool,
    /// How a StatefulSet numbers its pods.
    #[serde(default)]
    pub ordinals: Option<TargetOrdinals>,
    /// How a StatefulSet updates its pods.
    #[serde(default, skip_serializing)]
    pub update_strategy: UpdateStrategy,
    /// Whether a StatefulSet starts and ends one pod after the other: `OrderedReady`, or `Parallel`.
    #[serde(default)]
    pub pod_management_policy: Option<String>,
    /// Template of its pods.
    #[serde(default, skip_serializing)]
    pub template: TargetTemplate,
}

/// Numbers of a StatefulSet's pods.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct TargetOrdinals {
    /// The first one.
    #[serde(default)]
    pub start: i32,
}

/// How a StatefulSet updates its pods.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStrategy {
    /// `RollingUpdate`, or `OnDelete`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Which pods it updates.
    #[serde(default)]
    pub rolling_update: Option<RollingUpdate>,
}

/// Which pods of a StatefulSet are updated.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct RollingUpdate {
    /// Number of the first pods that stay as they are.
    #[serde(default)]
    pub partition: i32,
}

/// Template of pods, reduced to a fingerprint, to the commands that their containers run and to their grace period.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Value")]
pub struct TargetTemplate {
    /// Hash of the whole template: equal for equal templates, within one process.
    pub fingerprint: u64,
    /// Command and arguments of each container, as written.
    pub commands: Vec<Vec<String>>,
    /// Grace period in seconds, where one is written.
    pub grace: Option<u32>,
}

impl From<Value> for TargetTemplate {
    fn from(template: Value) -> Self {
        let mut hasher = DefaultHasher::new();
        template.hash(&mut hasher);
        let containers = template.pointer("/spec/containers").and_then(Value::as_array);
        Self {
            fingerprint: hasher.finish(),
            commands: containers.into_iter().flatten().map(command).collect(),
            grace: template
                .pointer("/spec/terminationGracePeriodSeconds")
                .and_then(Value::as_u64)
                .and_then(|seconds| u32::try_from(seconds).ok()),
        }
    }
}

/// Command and arguments of a container.
fn command(container: &Value) -> Vec<String> {
    ["command", "args"]
        .into_iter()
        .filter_map(|field| container.get(field)?.as_array())
        .flatten()
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect()
}

/// Observed state of the target.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The `metadata.generation` of the spec that this status describes.
    #[serde(default)]
    pub observed_generation: Option<i64>,
    /// Number of pods; a Deployment leaves terminating ones out, a StatefulSet does not.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Number of pods that were made from the current template.
    #[serde(default)]
    pub updated_replicas: Option<i32>,
    /// Number of ready pods.
    #[serde(default)]
    pub ready_replicas: Option<i32>,
    /// Number of a StatefulSet's pods that were made from the template before, terminating ones left out.
    #[serde(default)]
    pub current_replicas: Option<i32>,
    /// The revision that they have.
    #[serde(default)]
    pub current_revision: Option<String>,
    /// The revision of a StatefulSet's current template.
    #[serde(default)]
    pub update_revision: Option<String>,
    /// Conditions that its controller reports; none of a StatefulSet.
    #[serde(default)]
    pub conditions: Vec<TargetCondition>,
}

/// Condition of a Deployment, such as the progress of a rollout.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct TargetCondition {
    /// Type of the condition: `Progressing`, `Available` or `ReplicaFailure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Status of the condition: `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// Reason, one CamelCase word.
    #[serde(default)]
    pub reason: Option<String>,
    /// Explanation for people.
    #[serde(default)]
    pub message: Option<String>,
}

#[cfg(test)]
mod tests;
