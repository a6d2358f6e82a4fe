//! Broker of a pool from the parts that a trigger has.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value, json};

use super::{
    draft::Draft,
    source::{Source, Sourced, Sources},
};
use crate::cli::broker_url;

/// Parts of an address, as they are found.
#[derive(Default)]
pub(super) struct FoundParts {
    pub(super) scheme: &'static str,
    pub(super) host: Option<Sourced>,
    pub(super) port: Option<Sourced>,
    /// Database or virtual host.
    pub(super) path: Option<Sourced>,
    pub(super) user: Option<Sourced>,
    pub(super) password: Option<Sourced>,
}

/// Broker by its parts; `None`: the host is not known.
pub(super) fn broker(parts: FoundParts, draft: &mut Draft) -> Option<Value> {
    let redis = parts.scheme.starts_with("redis");
    let path_field = if redis { "database" } else { "virtualHost" };
    let mut broker = Map::new();
    broker.insert("scheme".into(), parts.scheme.into());
    let mut put = |name: &str, found: Option<Sourced>, draft: &mut Draft| {
        let Some(Sourced { field, source }) = found else {
            return true;
        };
        let to = format!("broker.parts.{name}");
        match source {
            Source::Plain(text) if ["port", "database"].contains(&name) => match text.trim().parse::<i64>() {
                Ok(number) => drop(broker.insert(name.into(), number.into())),
                Err(_) => {
                    draft.missing(&field, "broker", format!("it is no number: set `{to}`"));
                    return false;
                }
            },
            Source::Plain(text) if name == "password" => {
                let _secret = text;
                draft.missing(
                    &field,
                    "broker",
                    "the password stands in clear, and a pool takes one from a Secret alone: put it into a Secret, and set \
                     `broker.parts.passwordFrom`",
                );
                return true;
            }
            Source::Plain(text) => drop(broker.insert(name.into(), text.into())),
            Source::From(from) if name == "password" && from.get("secretKeyRef").is_none() => {
                draft.missing(
                    &field,
                    "broker",
                    "a password must be in a Secret: set `broker.parts.passwordFrom`",
                );
                return true;
            }
            Source::From(from) => drop(broker.insert(format!("{name}From"), from)),
            Source::Unknown(why) => {
                draft.missing(&field, "broker", format!("{why}; set `{to}` or `{to}From`"));
                return name != "host";
            }
        }
        draft.kept(&field, "broker");
        true
    };
    let host = match &parts.host {
        Some(Sourced {
            source: Source::Plain(host),
            ..
        }) => Some(host.clone()),
        _ => None,
    };
    let known = parts.host.is_some() && put("host", parts.host, draft);
    for (name, found) in [
        ("port", parts.port),
        (path_field, parts.path),
        ("user", parts.user),
        ("password", parts.password),
    ] {
        put(name, found, draft);
    }
    if !known {
        return None;
    }
    if let Some(host) = host {
        warn_of_host(&host, &broker, draft);
    }
    Some(json!({"parts": broker}))
}

/// What a Secret holds goes to a host of the namespace, or to one that the Secret names.
fn warn_of_host(host: &str, broker: &Map<String, Value>, draft: &mut Draft) {
    let namespace = draft.pool["metadata"]["namespace"].as_str();
    if let Some(message) = broker_url::not_sent(host, broker, namespace) {
        draft.changed("host", "broker", message);
    }
}

/// Broker where nothing tells it: the URL that the target itself has, or a Secret that has to be made.
pub(super) fn elsewhere(sources: &Sources, field: &str, why: &str, draft: &mut Draft) -> Value {
    if let Some((variable, Source::From(from))) = sources.usual_url() {
        draft.changed(
            field,
            "broker",
            format!("{why}; taken from the target's own variable `{variable}`: see that it is the same broker"),
        );
        return json!({"urlFrom": from});
    }
    let secret = format!("{}-broker", draft.pool["metadata"]["name"].as_str().unwrap_or("pool"));
    draft.missing(
        field,
        "broker",
        format!("{why}; put the broker's URL, as the application has it, into the key `url` of a Secret `{secret}`, or name the \
                 application's own key here"),
    );
    json!({"urlFrom": {"secretKeyRef": {"name": secret, "key": "url"}}})
}
