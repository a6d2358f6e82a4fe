//! What triggers have in common: what is counted, its target, TLS.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value, json};

use super::{
    draft::Draft,
    fields::Fields,
    source::{Source, Sourced, Sources},
};

/// What one trigger has counted, as a pool counts it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    /// Path of the trigger.
    pub(super) path: String,
    /// The pool's `broker`.
    pub(super) broker: Value,
    /// Name of the queue; `None`: a pattern, so that the workers have to name them.
    pub(super) queue: Option<String>,
    /// The pool's `framework`.
    pub(super) framework: &'static str,
    /// Tasks for each replica, if it is about their number.
    pub(super) backlog: Option<i64>,
}

/// Whole number of tasks for each replica.
pub(super) fn backlog(field: &str, text: &str, draft: &mut Draft) -> Option<i64> {
    const MOST: f64 = 1_000_000.0;
    let Ok(number) = text.trim().parse::<f64>() else {
        draft.dropped(
            field,
            "it is no number; set `target.backlogPerReplica`, or keep the wait target, which is the default",
        );
        return None;
    };
    let whole = number.ceil().clamp(1.0, MOST);
    let rounded = match number == whole {
        true => String::new(),
        false => format!("{text} becomes {whole:.0}; "),
    };
    draft.changed(
        field,
        "target.backlogPerReplica",
        format!(
            "{rounded}a pool counts prefetched and running tasks as well, so the same number may give more replicas; \
             `target.waitSeconds` instead says how long a task may wait, and needs no number of tasks"
        ),
    );
    Some(whole as i64)
}

/// Threshold below which nothing starts.
pub(super) fn activation(sources: &mut Sources, name: &str, fields: &mut Fields, draft: &mut Draft) {
    let field = sources.at(name);
    match fields.text(&field) {
        None => {}
        Some(text) if text.trim().parse() == Ok(0.0) => draft.kept(&field, ""),
        Some(text) => draft.dropped(
            &field,
            format!(
                "a pool starts a worker for the first task, not for more than {text}; to have tasks wait for company, set a longer \
                 `target.waitSeconds` with `profile: Economy`"
            ),
        ),
    }
}

/// Whether a switch is on, as KEDA reads it in metadata (`true`) and in an authentication (`enable`).
pub(super) fn is_on(found: &Option<Sourced>) -> bool {
    matches!(found, Some(Sourced { source: Source::Plain(text), .. }) if ["true", "enable", "1", "t", "T", "TRUE", "True"].contains(&text.trim()))
}

/// Whether the connection is encrypted, and the pool's `broker.tls`.
pub(super) fn tls(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> (bool, Option<Value>) {
    let switches: Vec<_> = ["enableTLS", "tls"]
        .into_iter()
        .filter_map(|name| sources.take(fields, name))
        .collect();
    let mut on = false;
    for switch in switches {
        let field = switch.field.clone();
        match &switch.source {
            Source::Plain(_) => {
                on |= is_on(&Some(switch));
                draft.kept(&field, "broker");
            }
            _ => {
                // Who puts the switch into a Secret has certificates there.
                on = true;
                draft.changed(
                    &field,
                    "broker",
                    "whether there is TLS stands in a Secret or a variable: taken for `enable`; without it, change the scheme, and \
                     take `tls` out",
                );
            }
        }
    }
    let mut settings = Map::new();
    for (name, to) in [("ca", "caFrom"), ("cert", "clientCertFrom"), ("key", "clientKeyFrom")] {
        let Some(Sourced { field, source }) = sources.take(fields, name) else {
            continue;
        };
        match source {
            Source::From(from) => {
                settings.insert(to.into(), from);
                draft.kept(&field, &format!("broker.tls.{to}"));
            }
            _ => draft.missing(
                &field,
                "broker",
                format!("a pool reads PEM texts from a Secret or a ConfigMap: set `broker.tls.{to}`"),
            ),
        }
    }
    if settings.contains_key("clientCertFrom") != settings.contains_key("clientKeyFrom") {
        for name in ["clientCertFrom", "clientKeyFrom"] {
            if settings.remove(name).is_some() {
                draft.missing(
                    &sources.path.clone(),
                    "broker",
                    "a client certificate needs its key: set both in `broker.tls`",
                );
            }
        }
    }
    if let Some(Sourced { field, .. }) = sources.take(fields, "keyPassword") {
        draft.dropped(
            &field,
            "an encrypted private key cannot be read: put the key without a password into the Secret",
        );
    }
    if let Some(found) = sources.take(fields, "unsafeSsl") {
        let field = found.field.clone();
        match is_on(&Some(found)) {
            true => draft.dropped(
                &field,
                "the broker's certificate is always verified: name its authority in `broker.tls.caFrom`, or the name in it in \
                 `broker.tls.serverName`",
            ),
            false => draft.kept(&field, ""),
        }
    }
    (on, (!settings.is_empty()).then(|| json!(settings)))
}

/// Takes the user and the password.
pub(super) fn login(sources: &mut Sources, fields: &mut Fields) -> (Option<Sourced>, Option<Sourced>) {
    (sources.take(fields, "username"), sources.take(fields, "password"))
}
