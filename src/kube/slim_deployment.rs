//! The part of a Deployment that the operator reads; the other fields are never kept in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::{
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// Desired state of the Deployment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// Number of replicas; the API server fills in 1 where none is given.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Selector of the Deployment's pods.
    #[serde(default)]
    pub selector: LabelSelector,
    /// Whether the Deployment is paused: then it rolls nothing out.
    #[serde(default)]
    pub paused: bool,
    /// Template of its pods.
    #[serde(default, skip_serializing)]
    pub template: TargetTemplate,
}

/// Template of pods, reduced to a fingerprint and to the commands that their containers run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Value")]
pub struct TargetTemplate {
    /// Hash of the whole template: equal for equal templates, within one process.
    pub fingerprint: u64,
    /// Command and arguments of each container, as written.
    pub commands: Vec<Vec<String>>,
}

impl From<Value> for TargetTemplate {
    fn from(template: Value) -> Self {
        let mut hasher = DefaultHasher::new();
        template.hash(&mut hasher);
        let containers = template.pointer("/spec/containers").and_then(Value::as_array);
        Self {
            fingerprint: hasher.finish(),
            commands: containers.into_iter().flatten().map(words).collect(),
        }
    }
}

/// Command and arguments of a container.
fn words(container: &Value) -> Vec<String> {
    ["command", "args"]
        .into_iter()
        .filter_map(|field| container.get(field)?.as_array())
        .flatten()
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect()
}

/// Observed state of the Deployment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The `metadata.generation` of the spec that this status describes.
    #[serde(default)]
    pub observed_generation: Option<i64>,
    /// Number of pods, terminating ones left out.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Number of pods that were made from the current template.
    #[serde(default)]
    pub updated_replicas: Option<i32>,
    /// Number of ready pods.
    #[serde(default)]
    pub ready_replicas: Option<i32>,
    /// Conditions that the Deployment controller reports.
    #[serde(default)]
    pub conditions: Vec<TargetCondition>,
}

/// Condition of the Deployment, such as the progress of a rollout.
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
