//! Which object is meant. Pure.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::{Workload, WorkloadKind};

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A pool's target: a Deployment and a StatefulSet may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetKey {
    /// The namespace.
    pub namespace: String,
    /// Kind and name.
    pub workload: Workload,
}

impl TargetKey {
    /// Target of this kind.
    pub fn new(key: Key, kind: WorkloadKind) -> Self {
        let Key { namespace, name } = key;
        Self {
            namespace,
            workload: Workload { kind, name },
        }
    }

    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: self.workload.name.clone(),
        }
    }
}

/// Identity of an object: a name can be used again, a UID cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Namespace and name.
    pub key: Key,
    /// The UID.
    pub uid: String,
    /// `metadata.generation` of the spec.
    pub generation: i64,
    /// Time of its creation.
    pub created: Timestamp,
}

impl Identity {
    /// Identity of the object with this metadata. `None` for one without a name or UID, which no API server returns.
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        Some(Self {
            key: Key {
                namespace: meta.namespace.clone()?,
                name: meta.name.clone()?,
            },
            uid: meta.uid.clone()?,
            generation: meta.generation.unwrap_or(0),
            created: meta
                .creation_timestamp
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_known_by_its_uid() {
        let meta = json!({"name": "mail", "namespace": "shop", "uid": "u-1", "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z"});
        let known = Identity::of(&serde_json::from_value(meta).unwrap()).unwrap();
        assert_eq!(
            (&*known.key.namespace, &*known.key.name, &*known.uid),
            ("shop", "mail", "u-1")
        );
        assert_eq!(
            (known.generation, known.created.to_string()),
            (3, "2026-01-02T03:04:05Z".into())
        );
        assert_eq!(Identity::of(&ObjectMeta::default()), None);
    }
}
