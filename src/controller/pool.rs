//! One validated pool: what the rest of the house sees of a TaskWorkerPool. Data only.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{Mode, ValueFrom},
    framework::registry::App,
    scaling::Policy,
};

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Which object this is: a name can be used again, a UID cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Namespace and name.
    pub key: Key,
    /// The UID.
    pub uid: String,
    /// The `metadata.generation` of the spec.
    pub generation: i64,
    /// When it was created; the older of two pools on one target wins.
    pub created: Timestamp,
}

/// A pool whose spec can work.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The target's name, in the pool's namespace.
    pub target: String,
    /// Where the broker is said to be.
    pub source: Source,
    /// What the spec says of its application; the broker's kind follows from the URL.
    pub app: App,
    /// The wishes.
    pub policy: Policy,
    /// Whether replicas are written.
    pub mode: Mode,
    /// A busy pod may go as well if its grace period is at least this, the longest task (`removal: Graceful`).
    pub graceful: Option<Duration>,
    /// Node autoscalers are asked to leave busy pods alone.
    pub protect: bool,
}

impl Pool {
    /// It wishes that replicas are written.
    pub fn acts(&self) -> bool {
        self.mode == Mode::Act && !self.policy.suspended
    }
}

/// Where the broker is said to be: texts, or references to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The broker URL.
    pub url: Text,
    /// It is encrypted, whatever the URL says.
    pub encrypted: bool,
    /// Certificates to trust.
    pub ca: Option<ValueFrom>,
    /// Our certificate chain and key.
    pub identity: Option<(ValueFrom, ValueFrom)>,
    /// The name in the broker's certificate.
    pub server_name: Option<String>,
    /// The management URL.
    pub management: Option<Text>,
}

impl Source {
    /// Part of it stands in Secrets or ConfigMaps, so it may change without the pool.
    pub fn refers(&self) -> bool {
        let texts = [Some(&self.url), self.management.as_ref()];
        let from = |text: &&Text| matches!(text, Text::From(_));
        texts.into_iter().flatten().any(|text| from(&text)) || self.ca.is_some() || self.identity.is_some()
    }
}

/// A text in the spec, or a reference to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// In the spec: without a password.
    Plain(String),
    /// In a Secret or a ConfigMap.
    From(ValueFrom),
}

/// What keeps a pool from working. Its text names the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One CamelCase word.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
    /// Whether waiting may help (something is missing) or only a change of the spec.
    pub wait: bool,
}

impl Problem {
    /// The spec cannot work as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            reason: "InvalidSpec",
            message: message.into(),
            wait: false,
        }
    }

    /// Something is missing or refused that may come right without a change of the spec.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            wait: true,
        }
    }
}

/// How long the broker may be lost before the pool is `Degraded`.
pub const DEGRADED_AFTER: Duration = Duration::from_secs(30);
