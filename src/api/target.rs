//! The part of a Deployment that the operator reads: what is not named here is never kept in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::{
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A Deployment, slim.
#[derive(Resource, Clone, Debug, Default, Deserialize, Serialize)]
#[resource(inherit = Deployment)]
pub struct Target {
    /// Name, UID, generation, managed fields.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wished.
    #[serde(default)]
    pub spec: TargetSpec,
    /// What is.
    #[serde(default)]
    pub status: TargetStatus,
}

/// What is wished of the Deployment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// Replicas; the API server fills 1 in where none is given.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Which pods are its own.
    #[serde(default)]
    pub selector: LabelSelector,
    /// A paused Deployment rolls nothing out.
    #[serde(default)]
    pub paused: bool,
    /// What its pods are made from.
    #[serde(default, skip_serializing)]
    pub template: TargetTemplate,
}

/// What pods are made from: only what tells one template from another, and what their containers are told to run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Value")]
pub struct TargetTemplate {
    /// The same for equal templates, within one process.
    pub fingerprint: u64,
    /// For each container its command and arguments, as written.
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

/// A container's command and arguments.
fn words(container: &Value) -> Vec<String> {
    ["command", "args"]
        .into_iter()
        .filter_map(|field| container.get(field)?.as_array())
        .flatten()
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect()
}

/// What is of the Deployment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The generation that this status speaks of.
    #[serde(default)]
    pub observed_generation: Option<i64>,
    /// Pods, terminating ones left out.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Pods of the current template.
    #[serde(default)]
    pub updated_replicas: Option<i32>,
    /// Ready pods.
    #[serde(default)]
    pub ready_replicas: Option<i32>,
    /// Its conditions.
    #[serde(default)]
    pub conditions: Vec<TargetCondition>,
}

/// What the Deployment controller says of a rollout.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct TargetCondition {
    /// `Progressing`, `Available` or `ReplicaFailure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why, for a person.
    #[serde(default)]
    pub message: Option<String>,
}
