//! Fields that a manifest has and the resource does not: a misspelt field would be ignored without a word.
//!
//! The types let them pass, because an older operator must read what was written for a newer one. The API server
//! refuses them by the published schema, and so does this command.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use crate::api;

/// Fields that every object has; the schema leaves them to the API server.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Path of the first field of an object that the schema does not know.
pub(super) fn field(object: &Value) -> Option<String> {
    let crd = api::crd().ok()?;
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema")?;
    let own = object.as_object()?.iter();
    let mut own = own.filter(|(name, _)| !COMMON.contains(&name.as_str()));
    own.find_map(|(name, value)| member(name, value, schema, name.clone()))
}

/// Path of the field itself, if it is unknown, or of one within it.
fn member(name: &str, value: &Value, schema: &Value, path: String) -> Option<String> {
    match schema["properties"].get(name) {
        Some(inner) => within(value, inner, &path),
        None => Some(path),
    }
}

fn within(value: &Value, schema: &Value, path: &str) -> Option<String> {
    match value {
        // Where the schema names no fields, any field is allowed.
        Value::Object(fields) if schema["properties"].is_object() => fields
            .iter()
            .find_map(|(name, value)| member(name, value, schema, format!("{path}.{name}"))),
        Value::Array(items) => {
            (items.iter().enumerate()).find_map(|(at, item)| within(item, &schema["items"], &format!("{path}[{at}]")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_says_what_is_a_field() {
        let of = |spec: Value| field(&json!({"apiVersion": "x", "kind": "y", "metadata": {"z": 1}, "spec": spec}));
        let table = [
            (json!({"targetRef": {"name": "a"}, "minReplicas": null}), None),
            (json!({"minReplica": 1}), Some("spec.minReplica")),
            (json!({"targetRef": {"nmae": "a"}}), Some("spec.targetRef.nmae")),
            (
                json!({"schedules": [{"name": "a"}, {"cron": "b"}]}),
                Some("spec.schedules[1].cron"),
            ),
        ];
        for (spec, expected) in table {
            assert_eq!(of(spec.clone()).as_deref(), expected, "{spec}");
        }
        assert_eq!(field(&json!({"spce": {}})).as_deref(), Some("spce"));
    }
}
