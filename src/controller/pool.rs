//! One validated pool: what other modules see of a TaskWorkerPool. Data only.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::{
    api::{Mode, ValueFrom},
    framework::registry::App,
    kube::Key,
    model::Workload,
    scaling::{Policy, TargetRule},
    view::{Record, types},
};

/// Pool with a valid spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The target, in the pool's namespace.
    pub target: Workload,
    /// Source of the broker's address.
    pub source: Source,
    /// Application, as the spec describes it; the kind of broker follows from the URL.
    pub app: App,
    /// Policy for the replicas.
    pub policy: Policy,
    /// Whether replicas are written.
    pub mode: Mode,
    /// Grace period that a busy pod needs to be removed as well: the longest task (`removal: Graceful`).
    pub graceful: Option<Duration>,
    /// Whether node autoscalers are asked not to evict busy pods.
    pub protect: bool,
}

impl Pool {
    /// Whether the pool wants replicas to be written.
    pub fn acts(&self) -> bool {
        self.mode == Mode::Act && !self.policy.suspended
    }

    /// What the view shows of the spec.
    pub fn record(&self, key: Key) -> Record {
        let (wait_seconds, backlog_per_replica) = match self.policy.target {
            TargetRule::Wait(wait) => (Some(wait.within.as_secs()), None),
            TargetRule::Backlog(each) => (None, Some(each)),
        };
        Record {
            target: Some(types::Target {
                kind: self.target.kind.name().to_owned(),
                name: self.target.name.clone(),
            }),
            framework: self.app.framework.name,
            observes: self.mode == Mode::Observe,
            wait_seconds,
            backlog_per_replica,
            limits: [self.policy.min, self.policy.max],
            ..Record::new(key)
        }
    }
}

/// Source of the broker's address: texts, or references to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// URL of the broker.
    pub url: UrlSource,
    /// Whether the connection is encrypted, whatever the URL says.
    pub encrypted: bool,
    /// CA certificates.
    pub ca: Option<ValueFrom>,
    /// Client certificate chain and key.
    pub identity: Option<(ValueFrom, ValueFrom)>,
    /// Name in the broker's certificate.
    pub server_name: Option<String>,
    /// URL of the management API.
    pub management: Option<Text>,
}

impl Source {
    /// Whether any of it is in Secrets or ConfigMaps, so that it may change without the pool.
    pub fn refers(&self) -> bool {
        let url = match &self.url {
            UrlSource::Whole(text) => text.refers(),
            UrlSource::Parts(parts) => parts.refers(),
        };
        let management = self.management.as_ref().is_some_and(Text::refers);
        url || management || self.ca.is_some() || self.identity.is_some()
    }
}

/// Source of the broker's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlSource {
    /// One text.
    Whole(Text),
    /// Its parts.
    Parts(Box<Parts>),
}

/// Parts of the broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Scheme of the URL.
    pub scheme: &'static str,
    /// Host name or IP address.
    pub host: Text,
    /// Port.
    pub port: Option<Text>,
    /// Database number (Redis) or virtual host (RabbitMQ).
    pub path: Option<Text>,
    /// User.
    pub user: Option<Text>,
    /// Key of the Secret with the password.
    pub password: Option<ValueFrom>,
}

impl Parts {
    /// Name of the field that gives the path.
    pub fn path_field(&self) -> &'static str {
        match self.scheme.starts_with("redis") {
            true => "database",
            false => "virtualHost",
        }
    }

    fn refers(&self) -> bool {
        let others = [&self.port, &self.path, &self.user].into_iter().flatten();
        self.password.is_some() || self.host.refers() || others.into_iter().any(Text::refers)
    }
}

/// Text in the spec, or a reference to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Text in the spec: without a password.
    Plain(String),
    /// Reference to a Secret or a ConfigMap.
    From(ValueFrom),
}

impl Text {
    fn refers(&self) -> bool {
        matches!(self, Self::From(_))
    }
}

/// Problem that keeps a pool from working. Its text names the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Reason, as one CamelCase word.
    pub reason: &'static str,
    /// Message for a person.
    pub message: String,
    /// Whether waiting may help (something is missing) or only a change of the spec.
    pub wait: bool,
}

impl Problem {
    /// Problem of an invalid spec.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            reason: "InvalidSpec",
            message: message.into(),
            wait: false,
        }
    }

    /// Problem of a pool whose target an older pool scales.
    pub fn taken(older: &str) -> Self {
        Self {
            reason: TAKEN,
            message: format!(
                "The older pool `{older}` scales the same target: delete one of the two, or change `targetRef`."
            ),
            wait: false,
        }
    }

    /// Problem that may pass without a change of the spec: something is missing or refused.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            wait: true,
        }
    }
}

/// Reason while another pool scales the same target.
pub const TAKEN: &str = "TargetTaken";

/// Time without the broker after which the pool is `Degraded`.
pub const DEGRADED_AFTER: Duration = Duration::from_secs(30);
