//! The `behavior` of a HorizontalPodAutoscaler, which a pool has with the same meaning.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use super::{draft::Draft, fields::Fields};

/// Directions, each with the annotation by which KEDA stops it.
const DIRECTIONS: [(&str, &str); 2] = [
    ("scaleUp", "autoscaling.keda.sh/paused-scale-out"),
    ("scaleDown", "autoscaling.keda.sh/paused-scale-in"),
];

/// Takes a `behavior` that stands at this path.
pub(super) fn take(path: &str, fields: &mut Fields, draft: &mut Draft) {
    let mut any = false;
    for (direction, _) in DIRECTIONS {
        for name in ["stabilizationWindowSeconds", "selectPolicy"] {
            let (from, to) = (
                format!("{path}.{direction}.{name}"),
                format!("behavior.{direction}.{name}"),
            );
            if let Some(value) = fields.take(&from) {
                draft.set(&to, value);
                draft.kept(&from, &to);
                any = true;
            }
        }
        let to = format!("behavior.{direction}.policies");
        let mut policies = Vec::new();
        loop {
            let from = format!("{path}.{direction}.policies[{}]", policies.len());
            let parts =
                ["type", "value", "periodSeconds"].map(|name| Some((name, fields.take(&format!("{from}.{name}"))?)));
            let policy: serde_json::Map<String, Value> = parts
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            if policy.is_empty() {
                break;
            }
            policies.push(Value::Object(policy));
            draft.kept(&from, &to);
        }
        if !policies.is_empty() {
            draft.set(&to, policies);
            any = true;
        }
        let tolerance = format!("{path}.{direction}.tolerance");
        if fields.take(&tolerance).is_some() {
            draft.dropped(
                &tolerance,
                "a pool has no tolerance: its two scale-down windows keep small surpluses; leave it out",
            );
        }
    }
    if !any {
        draft.dropped(
            path,
            "without one the HorizontalPodAutoscaler doubles at most, and waits 300 s before it scales down; a pool goes straight to \
             the number, and down after two short windows: set `behavior` to have it slower",
        );
    }
}

/// Directions that annotations of KEDA stop.
pub(super) fn stopped(fields: &mut Fields, draft: &mut Draft) {
    for (direction, annotation) in DIRECTIONS {
        let from = format!("metadata.annotations.{annotation}");
        if fields.text(&from).is_some_and(|text| text == "true") {
            let to = format!("behavior.{direction}.selectPolicy");
            draft.set(&to, "Disabled");
            draft.kept(&from, &to);
        }
    }
}
