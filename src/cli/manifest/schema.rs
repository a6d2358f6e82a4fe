//! The API server's verdict by the published schema, in its own order: fields that the schema does not know, nulls and
//! defaults, types and bounds, and at last the rules between fields.
#![deny(clippy::disallowed_methods)]

use std::sync::OnceLock;

use kube_cel::{CompiledSchema, Validator};
use regex::Regex;
use serde_json::{Map, Number, Value};

use super::{Fault, meta};
use crate::api;

/// Fields that every object has; the schema leaves them to the API server.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// How alike two names must be for one to be meant by the other.
const ALIKE: f64 = 0.8;

/// Schema of a pool, and its rules.
struct PoolSchema {
    whole: Value,
    rules: CompiledSchema,
}

fn schema() -> &'static PoolSchema {
    static SCHEMA: OnceLock<PoolSchema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let crd = api::crd().unwrap_or_default();
        let mut whole = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        let rules = kube_cel::compile_schema(&whole);
        // The status is the operator's: what a manifest says of it is dropped before it is looked at.
        if let Some(fields) = whole["properties"].as_object_mut() {
            for name in COMMON {
                fields.remove(name);
            }
        }
        PoolSchema { whole, rules }
    })
}

/// Object as the API server would store it, or why it refuses it.
pub fn stored(written: &Value) -> Result<Value, Vec<Fault>> {
    let schema = schema();
    let mut faults = unknown(written, &schema.whole);
    faults.extend(meta::faults(written.get("metadata")));
    let mut object = written.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    settle(&mut object, &schema.whole);
    check(&object, &schema.whole, "", &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    match Validator::new().validate_compiled(&schema.rules, &object, None) {
        Ok(()) => Ok(object),
        Err(broken) => Err(broken
            .iter()
            .map(|rule| Fault::refused(&rule.field_path, &rule.message))
            .collect()),
    }
}

/// Fields that the schema does not know, at every depth: the API server would drop them, and refuses them where it is asked
/// to be strict, as `kubectl` asks.
fn unknown(object: &Value, schema: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if !COMMON.contains(&name.as_str()) {
            member(name, value, schema, name.clone(), &mut faults);
        }
    }
    faults
}

fn member(name: &str, value: &Value, schema: &Value, path: String, faults: &mut Vec<Fault>) {
    let Some(inner) = schema["properties"].get(name) else {
        let meant = meant(name, schema)
            .map(|meant| format!(": did you mean `{meant}`?"))
            .unwrap_or_default();
        let text = format!("is no field of a TaskWorkerPool{meant}; `kubectl explain taskworkerpool.spec` lists them");
        return faults.push(Fault::refused(&path, &text));
    };
    within(value, inner, &path, faults);
}

fn within(value: &Value, schema: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        // Where the schema names no fields, any field is allowed.
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, value) in fields {
                member(name, value, schema, format!("{path}.{name}"), faults);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                within(item, &schema["items"], &format!("{path}[{at}]"), faults);
            }
        }
        _ => {}
    }
}

/// Field that was meant by a misspelt one.
fn meant<'a>(name: &str, schema: &'a Value) -> Option<&'a str> {
    let known = schema["properties"].as_object()?.keys();
    let alike = known.map(|known| {
        (
            strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()),
            known.as_str(),
        )
    });
    let best = alike.max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(best.1).filter(|_| best.0 >= ALIKE)
}

/// Takes out nulls, fills in defaults, and makes whole numbers of those that are written with a point: all that the API
/// server does before it judges.
fn settle(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            let known = schema["properties"].as_object();
            fields.retain(|name, value| !value.is_null() || !known.is_some_and(|known| known.contains_key(name)));
            for (name, inner) in known.into_iter().flatten() {
                if let Some(default) = inner.get("default").filter(|_| !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    settle(value, inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, &schema["items"])),
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        _ => {}
    }
}

/// Number without a point, if it says the same.
fn whole(number: &Number) -> Option<Number> {
    let float = number
        .as_f64()
        .filter(|float| number.is_f64() && float.fract() == 0.0)?;
    format!("{float:.0}").parse::<i64>().ok().map(Number::from)
}

/// Types and bounds.
fn check(value: &Value, schema: &Value, path: &str, faults: &mut Vec<Fault>) {
    let mut say = |text: &str| faults.push(Fault::refused(path, text));
    let words = || {
        schema["enum"]
            .as_array()
            .map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>())
    };
    if let (Some(words), Value::String(text)) = (words(), value)
        && !words.contains(&text.as_str())
    {
        return say(&format!("must be {}", one_of(&words)));
    }
    match (schema["type"].as_str(), value) {
        (Some("string"), Value::String(text)) => string(text, schema, &mut say),
        (Some("integer"), Value::Number(number)) => integer(number, schema, &mut say),
        (Some("array"), Value::Array(items)) => {
            count(items.len(), schema, "Items", "items", &mut say);
            twice(items, schema, path, faults);
            for (at, item) in items.iter().enumerate() {
                check(item, &schema["items"], &format!("{path}[{at}]"), faults);
            }
        }
        (Some("object"), Value::Object(fields)) => {
            object(fields, schema, path, faults);
        }
        (Some("boolean"), Value::Bool(_)) | (None, _) => {}
        (Some(kind), _) => say(&format!("must be {}, not {}", a(kind), written_as(value))),
    }
}

fn object(fields: &Map<String, Value>, schema: &Value, path: &str, faults: &mut Vec<Fault>) {
    let of = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        let example = example(&schema["properties"][name]);
        faults.push(Fault::refused(&of(name), &format!("must be set{example}")));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = fields.get(name) {
            check(value, inner, &of(name), faults);
        }
    }
}

/// Example of a field, from its description.
fn example(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let example = text
        .split("Example: ")
        .nth(1)
        .map(|rest| rest.trim_end_matches('.').trim_matches('`'));
    example
        .map(|example| format!(", such as `{example}`"))
        .unwrap_or_default()
}

fn string(text: &str, schema: &Value, say: &mut impl FnMut(&str)) {
    count(text.chars().count(), schema, "Length", "characters", say);
    let Some(pattern) = schema["pattern"].as_str() else {
        return;
    };
    if Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text)) {
        say(&format!("must match `{pattern}`"));
    }
}

/// Bounds of a length or a number of items.
fn count(found: usize, schema: &Value, bound: &str, of: &str, say: &mut impl FnMut(&str)) {
    let limit = |name: &str| schema[format!("{name}{bound}")].as_u64();
    let found = found as u64;
    if limit("min").is_some_and(|least| found < least) || limit("max").is_some_and(|most| found > most) {
        let least = limit("min").unwrap_or_default();
        let most = limit("max").map(|most| format!(" to {most}")).unwrap_or_default();
        say(&format!("must have {least}{most} {of}, not {found}"));
    }
}

fn integer(number: &Number, schema: &Value, say: &mut impl FnMut(&str)) {
    let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    let (low, high) = (least.unwrap_or(i64::MIN), most.unwrap_or(i64::MAX));
    match number.as_i64() {
        Some(found) if (low..=high).contains(&found) => {}
        None if number.is_f64() && number.as_f64().is_some_and(|float| float.fract() != 0.0) => {
            say("must be a whole number");
        }
        _ => say(&format!("must be {low} to {high}, not {number}")),
    }
}

/// Items of a list that is a map by some of their fields: no two may have the same.
fn twice(items: &[Value], schema: &Value, path: &str, faults: &mut Vec<Fault>) {
    let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() else {
        return;
    };
    let key = |item: &Value| {
        keys.iter()
            .filter_map(Value::as_str)
            .map(|key| item[key].clone())
            .collect::<Vec<_>>()
    };
    for (at, item) in items.iter().enumerate() {
        if items.iter().take(at).any(|other| key(other) == key(item)) {
            let fields = keys
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("` and `");
            faults.push(Fault::refused(
                &format!("{path}[{at}]"),
                &format!("must not repeat the `{fields}` of an earlier item"),
            ));
        }
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [only] => format!("`{only}`"),
        words => format!("one of `{}`", words.join("`, `")),
    }
}

fn a(kind: &str) -> &str {
    match kind {
        "string" => "a text (in quotes)",
        "integer" => "a whole number (without quotes)",
        "boolean" => "`true` or `false` (without quotes)",
        "array" => "a list",
        _ => "an object with fields",
    }
}

fn written_as(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
