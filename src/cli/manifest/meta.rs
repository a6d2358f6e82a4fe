//! The API server's verdict on `metadata`, which is the same for every kind.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value};

use super::Fault;

/// Fields of an ObjectMeta.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

const SUBDOMAIN: &str = "must be a name of small letters, digits, `-` and `.`, at most 253 of them, that begins and ends with a \
                         letter or a digit";

/// Faults of an object's metadata.
pub fn faults(metadata: Option<&Value>) -> Vec<Fault> {
    let none = Map::new();
    let fields = match metadata {
        Some(Value::Object(fields)) => fields,
        None | Some(Value::Null) => &none,
        Some(_) => return vec![Fault::refused("metadata", "must be an object with a `name`")],
    };
    let mut faults = Vec::new();
    let mut say = |path: &str, text: &str| faults.push(Fault::refused(path, text));
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        say(
            &format!("metadata.{name}"),
            "is no field of an object's metadata: take it out, or put it under `annotations`",
        );
    }
    let text = |name: &str| fields.get(name).filter(|value| !value.is_null());
    for name in ["name", "generateName", "namespace"] {
        if text(name).is_some_and(|value| !value.is_string()) {
            say(&format!("metadata.{name}"), "must be a text: put it in quotes");
        }
    }
    match (
        text("name").and_then(Value::as_str),
        text("generateName").and_then(Value::as_str),
    ) {
        (Some(name), _) if !name.is_empty() => {
            if !is_subdomain(name) {
                say("metadata.name", SUBDOMAIN);
            }
        }
        (_, Some(prefix)) if !prefix.is_empty() => {
            if !is_subdomain(&format!("{}x", prefix.chars().take(252).collect::<String>())) {
                say("metadata.generateName", SUBDOMAIN);
            }
        }
        _ if text("name").is_some_and(|name| !name.is_string()) => {}
        _ => say(
            "metadata.name",
            "must be set: give the pool a name, such as that of its workers",
        ),
    }
    if let Some(namespace) = text("namespace").and_then(Value::as_str)
        && !namespace.is_empty()
        && (!is_subdomain(namespace) || namespace.contains('.') || namespace.len() > 63)
    {
        say(
            "metadata.namespace",
            "must be a name of small letters, digits and `-`, at most 63 of them",
        );
    }
    for (map, checks_value) in [("labels", true), ("annotations", false)] {
        match text(map) {
            Some(Value::Object(entries)) => {
                for (key, value) in entries {
                    let path = format!("metadata.{map}.{key}");
                    // Annotations are compared without regard to case.
                    let folded = if checks_value {
                        key.clone()
                    } else {
                        key.to_ascii_lowercase()
                    };
                    if !is_qualified(&folded) {
                        say(
                            &path,
                            "must have a key of letters, digits, `-`, `_` and `.`, at most 63, perhaps after `domain/`",
                        );
                    }
                    match value {
                        Value::Null => {}
                        Value::String(text) if checks_value && !is_label(text) => say(
                            &path,
                            "must be at most 63 letters, digits, `-`, `_` and `.` that begin and end with a letter or a digit",
                        ),
                        Value::String(_) => {}
                        _ => say(&path, "must be a text: put it in quotes"),
                    }
                }
            }
            Some(_) => say(&format!("metadata.{map}"), "must be an object of texts"),
            None => {}
        }
    }
    faults
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_word)
}

/// Whether it is a word of small letters, digits and `-`.
fn is_word(word: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !word.is_empty() && word.chars().all(inner) && !word.starts_with('-') && !word.ends_with('-')
}

/// Whether it is a key of a label or an annotation: a name, perhaps after a domain and `/`.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && !name.is_empty() && is_label(name),
        None => !key.is_empty() && is_label(key),
    }
}

/// Whether it is a value of a label, which may be empty.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let at_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(inner) && at_end(text.chars().next()) && at_end(text.chars().last())
}
