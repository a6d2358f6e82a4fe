//! Values that a trigger needs, from wherever KEDA takes them: its metadata, the target's environment, a
//! TriggerAuthentication.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{draft::Draft, fields::Fields};
use crate::cli::{
    manifest::{Content, Node, Object},
    workload,
};

/// Value, as far as manifests tell it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// Text.
    Plain(String),
    /// Reference to a key of a Secret or ConfigMap, as a pool writes it.
    From(Value),
    /// Where it is said, but not what it is: the sentence says why.
    Unknown(String),
}

/// Value with the field that says it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sourced {
    /// Path in the object that is converted, or where else it stands.
    pub(super) field: String,
    pub(super) source: Source,
}

/// All that values of one trigger can come from.
pub(super) struct Sources<'a> {
    /// Path of the trigger.
    pub(super) path: String,
    /// Target's manifest, if it is there.
    pub(super) target: Option<&'a Object>,
    /// Container whose environment counts.
    pub(super) container: Option<String>,
    /// Authentication that the trigger refers to.
    pub(super) auth: Option<&'a Object>,
    /// Whether it refers to one.
    pub(super) refers: bool,
    /// Parameters that were taken, or would have been.
    pub(super) asked: BTreeSet<String>,
}

impl Sources<'_> {
    /// Path of a parameter in the trigger.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}.metadata.{name}", self.path)
    }

    /// Takes a parameter: from the trigger's metadata, from the environment, from the authentication.
    pub(super) fn take(&mut self, fields: &mut Fields, name: &str) -> Option<Sourced> {
        self.asked.insert(name.to_owned());
        let (plain, by_env) = (self.at(name), self.at(&format!("{name}FromEnv")));
        if let Some(text) = fields.text(&plain) {
            return Some(Sourced {
                field: plain,
                source: Source::Plain(text),
            });
        }
        if let Some(variable) = fields.text(&by_env) {
            return Some(Sourced {
                source: self.variable(&variable),
                field: by_env,
            });
        }
        self.authenticated(name)
    }

    /// Parameter that an authentication gives.
    fn authenticated(&self, name: &str) -> Option<Sourced> {
        let auth = self.auth?;
        let field = |list: &str| format!("{}/{} {list} `{name}`", auth.kind, auth.name);
        for (list, kind) in [
            ("secretTargetRef", "secretKeyRef"),
            ("configMapTargetRef", "configMapKeyRef"),
        ] {
            if let Some(entry) = entry(auth, list, name) {
                let key = |name: &str| entry.text(name).unwrap_or_default().to_owned();
                return Some(Sourced {
                    field: field(list),
                    source: Source::From(json!({kind: {"name": key("name"), "key": key("key")}})),
                });
            }
        }
        let entry = entry(auth, "env", name)?;
        let source = self.variable_in(entry.text("name").unwrap_or_default(), entry.text("containerName"));
        Some(Sourced {
            field: field("env"),
            source,
        })
    }

    fn variable(&self, name: &str) -> Source {
        self.variable_in(name, self.container.as_deref())
    }

    /// Variable of a container of the target: the first one, if none is named.
    fn variable_in(&self, name: &str, container: Option<&str>) -> Source {
        let Some(target) = self.target else {
            return Source::Unknown(format!(
                "it is the variable `{name}` of the target, whose manifest is not among the files: give it as well"
            ));
        };
        let containers = target.containers();
        let named = |one: &&Node| container.is_none_or(|name| one.text("name") == Some(name));
        let Some(container) = containers.iter().find(named) else {
            return Source::Unknown(format!(
                "the target has no such container: look where its variable `{name}` comes from"
            ));
        };
        variable_of(container, name).unwrap_or_else(|| {
            Source::Unknown(format!(
                "the target's container does not say where its variable `{name}` comes from"
            ))
        })
    }

    /// Variable of the target that usually holds the broker's URL.
    pub(super) fn usual_url(&self) -> Option<(&'static str, Source)> {
        const USUAL: [&str; 8] = [
            "CELERY_BROKER_URL",
            "BROKER_URL",
            "CELERY_BROKER",
            "RQ_REDIS_URL",
            "REDIS_URL",
            "RABBITMQ_URL",
            "CLOUDAMQP_URL",
            "AMQP_URL",
        ];
        let containers = self.target?.containers();
        USUAL.into_iter().find_map(|name| {
            let found = containers.iter().find_map(|container| own_variable(container, name))?;
            Some((name, found)).filter(|(_, source)| !matches!(source, Source::Unknown(_)))
        })
    }

    /// Names of the parameters that the authentication gives.
    pub(super) fn parameters(&self) -> Vec<String> {
        let given = self.auth.into_iter().flat_map(parameters);
        given.map(|(_, parameter)| parameter.to_owned()).collect()
    }

    /// Framework whose workers the target runs, if its manifest shows it.
    pub(super) fn framework(&self) -> Option<&'static str> {
        let workers = workload::workers(&self.target?.commands());
        workers.first().map(|worker| worker.framework)
    }

    /// Names what the authentication has and nobody takes, and where it cannot be used as it is.
    pub(super) fn check(&self, draft: &mut Draft) {
        let field = format!("{}.authenticationRef", self.path);
        let Some(auth) = self.auth else {
            if self.refers {
                draft.missing(
                    &field,
                    "broker",
                    "the TriggerAuthentication is not among the files: give it as well, or put the broker's address into the pool \
                     yourself",
                );
            }
            return;
        };
        if auth.kind == "ClusterTriggerAuthentication" {
            draft.changed(
                &field,
                "broker",
                "its Secrets are in KEDA's own namespace, and a pool reads those of its namespace: copy them there, under the same \
                 name",
            );
        } else {
            draft.kept(&field, "broker");
        }
        let known = ["secretTargetRef", "configMapTargetRef", "env"];
        let others: Vec<_> = match auth.get(&["spec"]).map(|spec| &spec.content) {
            Some(Content::Fields(fields)) => fields
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| !known.contains(name))
                .collect(),
            _ => Vec::new(),
        };
        for (list, parameter) in parameters(auth).filter(|(_, parameter)| !self.asked.contains(*parameter)) {
            draft.dropped(
                &format!("{}/{} {list} `{parameter}`", auth.kind, auth.name),
                "a pool has no such parameter: see whether the broker can be reached without it",
            );
        }
        for name in others {
            draft.missing(
                &format!("{}/{} spec.{name}", auth.kind, auth.name),
                "broker",
                "a pool takes credentials from Secrets and ConfigMaps of its namespace alone: have them written there (such as by \
                 External Secrets) and name the key",
            );
        }
    }
}

fn entry<'a>(auth: &'a Object, list: &str, parameter: &str) -> Option<&'a Node> {
    let entries = auth.get(&["spec", list])?.items();
    entries.iter().find(|entry| entry.text("parameter") == Some(parameter))
}

/// Parameters that an authentication gives, each with its list.
fn parameters(auth: &Object) -> impl Iterator<Item = (&'static str, &str)> {
    let lists = ["secretTargetRef", "configMapTargetRef", "env"];
    lists.into_iter().flat_map(|list| {
        let entries = auth.get(&["spec", list]).map(Node::items).unwrap_or_default();
        entries
            .iter()
            .filter_map(move |entry| Some((list, entry.text("parameter")?)))
    })
}

/// Variable that a container sets itself.
fn own_variable(container: &Node, name: &str) -> Option<Source> {
    let variables = container.get("env").map(Node::items).unwrap_or_default();
    let variable = variables.iter().find(|one| one.text("name") == Some(name))?;
    if let Some(text) = variable.text("value") {
        return Some(Source::Plain(text.to_owned()));
    }
    let from = variable.get("valueFrom")?;
    let of = |kind: &str| {
        let key = from.get(kind)?;
        let text = |name: &str| key.text(name).unwrap_or_default().to_owned();
        Some(Source::From(json!({kind: {"name": text("name"), "key": text("key")}})))
    };
    of("secretKeyRef").or_else(|| of("configMapKeyRef")).or_else(|| {
        Some(Source::Unknown(format!(
            "the target's variable `{name}` comes from neither a Secret nor a ConfigMap"
        )))
    })
}

/// Variable of a container: its own, or all of the one Secret or ConfigMap that it takes whole.
fn variable_of(container: &Node, name: &str) -> Option<Source> {
    own_variable(container, name).or_else(|| {
        let [whole] = container.get("envFrom").map(Node::items)? else {
            return None;
        };
        let prefix = whole.text("prefix").unwrap_or_default();
        let key = name.strip_prefix(prefix)?;
        [("secretRef", "secretKeyRef"), ("configMapRef", "configMapKeyRef")]
            .into_iter()
            .find_map(|(from, kind)| {
                let object = whole.get(from)?.text("name")?;
                Some(Source::From(json!({kind: {"name": object, "key": key}})))
            })
    })
}
