//! Fields that the operator knows and the CRD in the cluster does not: the API server would drop them. Pure.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

/// Paths of the fields of the operator's CRD that this schema, as the API server publishes it, lacks.
pub(super) fn missing(own: &Value, served: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    let own = &own["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in ["spec", "status"] {
        compare(
            part,
            &own["properties"][part],
            &served["properties"][part],
            &mut missing,
        );
    }
    missing
}

fn compare(path: &str, own: &Value, served: &Value, missing: &mut Vec<String>) {
    for (name, child) in own["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match served["properties"].get(name) {
            Some(found) => compare(&path, child, found, missing),
            None => missing.push(path),
        }
    }
    if own["items"].is_object() {
        compare(path, &own["items"], &served["items"], missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Value {
        crate::api::crd().unwrap()
    }

    fn served() -> Value {
        own()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    #[test]
    fn our_own_lacks_nothing() {
        assert_eq!(missing(&own(), &served()), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named_by_its_path() {
        let mut old = served();
        let take = |schema: &mut Value, pointer: &str, name: &str| {
            let fields = schema.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
            assert!(fields.remove(name).is_some());
        };
        take(&mut old, "/properties/spec/properties/targetRef/properties", "kind");
        take(
            &mut old,
            "/properties/spec/properties/schedules/items/properties",
            "timeZone",
        );
        take(&mut old, "/properties/status/properties", "message");
        let found = missing(&own(), &old);
        assert_eq!(
            found,
            ["spec.schedules.timeZone", "spec.targetRef.kind", "status.message"]
        );
    }
}
