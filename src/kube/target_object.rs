//! Facts about a Deployment that a decision needs, read from the watched object. Pure.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use kube::core::Selector;

use super::{Key, MANAGER, slim_deployment::SlimDeployment};
use crate::model::tame;

/// Longest message of the Deployment controller that is kept, in bytes.
const WORDS: usize = 300;

/// Deployment as last seen.
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
    /// Label selector of its pods, as text; empty if it cannot be written as one.
    pub selector: String,
    /// Hash of the pod template.
    pub template: u64,
    /// Commands of the template's containers, with their arguments.
    pub commands: Arc<Vec<Vec<String>>>,
    /// Reason why pods cannot be created (a quota, an admission), in the Deployment controller's words.
    pub failure: Option<String>,
    /// Reason why a rollout was given up, in its words.
    pub stuck: Option<String>,
}

impl Target {
    /// Reads the watched object. `None` for one without name, namespace or UID, which no API server returns.
    pub fn read(object: &SlimDeployment) -> Option<(Key, Self)> {
        let meta = &object.metadata;
        let key = Key {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
        };
        let target = Self {
            uid: meta.uid.clone()?,
            version: version(meta.resource_version.as_deref()),
            replicas: object.spec.replicas.map_or(1, natural),
            ready: object.status.ready_replicas.map_or(0, natural),
            rollout: rollout(object),
            owners: owners(object),
            selector: Selector::try_from(object.spec.selector.clone())
                .map(|selector| selector.to_string())
                .unwrap_or_default(),
            template: object.spec.template.fingerprint,
            commands: Arc::new(object.spec.template.commands.clone()),
            failure: words(object, "ReplicaFailure", "True"),
            stuck: words(object, "Progressing", "False"),
        };
        Some((key, target))
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

/// Message of a condition of the Deployment while it has this status, as far as a terminal may show it.
fn words(object: &SlimDeployment, kind: &str, status: &str) -> Option<String> {
    let mut conditions = object.status.conditions.iter();
    let condition = conditions.find(|condition| condition.kind == kind && condition.status == status)?;
    Some(tame(condition.message.as_deref()?, WORDS)).filter(|words| !words.is_empty())
}

fn natural(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Whether a rollout is in progress, as `kubectl rollout status` sees it; one that has exceeded its progress deadline
/// makes none.
fn rollout(object: &SlimDeployment) -> bool {
    let status = &object.status;
    let stuck = status.conditions.iter().any(|condition| {
        condition.kind == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let observed = status.observed_generation.unwrap_or(0) >= object.metadata.generation.unwrap_or(0);
    let pods = status.replicas.unwrap_or(0);
    let updated = status.updated_replicas.unwrap_or(0);
    observed && !stuck && !object.spec.paused && updated < pods
}

fn owners(object: &SlimDeployment) -> Vec<String> {
    let fields = object.metadata.managed_fields.iter().flatten();
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

#[cfg(test)]
mod tests;
