//! What makes the pods in which workers run.
#![deny(clippy::disallowed_methods)]

use std::fmt;

/// Object that makes the workers' pods: what a pool scales.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

/// Kind of such an object: it decides how pods are named, and which of them go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// Pods have random names, and those with the lowest deletion cost go first.
    #[default]
    Deployment,
    /// Pods are numbered, and those with the highest ordinals go first, whatever stands on them.
    StatefulSet,
}

impl WorkloadKind {
    /// The kind as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// A Deployment of this name, as the kind is by default.
impl From<&str> for Workload {
    fn from(name: &str) -> Self {
        Self {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        }
    }
}
