//! The CustomResourceDefinition as it is published: generated from the types, then tidied.

use kube::CustomResourceExt;
use serde_json::{Map, Number, Value, json};

use super::TaskWorkerPool;

/// Bound of the whole numbers that a float represents exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The CustomResourceDefinition as an object to print.
///
/// # Errors
/// Never in practice: a definition that is no JSON.
pub fn crd() -> Result<Value, serde_json::Error> {
    let mut crd = serde_json::to_value(TaskWorkerPool::crd())?;
    tidy(&mut crd);
    // kstatus, with which `kubectl wait` and Flux judge objects, takes one without a status for finished.
    if let Some(status) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") {
        status["default"] = json!({"observedGeneration": NOT_OBSERVED});
    }
    Ok(crd)
}

/// The `status.observedGeneration` of a pool that no operator has seen yet.
pub const NOT_OBSERVED: i64 = -1;

/// Bounds as people write them (`1800`, not `1800.0`), texts on one line, and no `nullable`: the API server drops a null
/// where it is not allowed, which is what someone who writes one means.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => tidy_object(fields),
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_object(fields: &mut Map<String, Value>) {
    if fields.get("nullable").is_some_and(Value::is_boolean) {
        fields.remove("nullable");
    }
    for (name, value) in fields {
        match (name.as_str(), &mut *value) {
            ("minimum" | "maximum", Value::Number(number)) => {
                if let Some(whole) = whole(number) {
                    *number = whole;
                }
            }
            ("description", Value::String(text)) => *text = text.replace('\n', " "),
            _ => tidy(value),
        }
    }
}

fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64()?;
    // Printed without a point it reads as a whole number, or not at all.
    (float.fract() == 0.0 && float.abs() < EXACT)
        .then(|| format!("{float:.0}").parse::<i64>().ok())
        .flatten()
        .map(Number::from)
}

#[cfg(test)]
mod tests;
