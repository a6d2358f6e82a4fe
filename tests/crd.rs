//! The published CustomResourceDefinition: it is the one the types give, small enough for a plain `kubectl apply`, and
//! every field of it is described and bounded.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/figures.rs"]
mod figures;

use std::process::Command;

use serde_json::Value;
use taskworkerpool::api;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/crds/taskworkerpools.taskworkerpool.dev.yaml"
);

/// A field of the schema, with the path to it.
struct Field {
    path: String,
    schema: Value,
}

#[test]
fn the_file_is_what_the_operator_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_twp-operator"))
        .arg("crd")
        .output()
        .unwrap();
    assert!(printed.status.success());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &printed.stdout).unwrap();
    }
    let file = std::fs::read(FILE).unwrap_or_default();
    assert!(file == printed.stdout, "crds/ is out of date: make crd");
}

#[test]
fn the_columns_show_what_they_are_called() {
    let crd = api::crd().unwrap();
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .unwrap();
    let column = |name: &str| {
        columns
            .iter()
            .find(|column| column["name"] == name)
            .unwrap_or(&Value::Null)
    };
    for (name, path) in [
        ("Waiting", ".status.work.waiting"),
        ("Running", ".status.work.running"),
        ("Desired", ".status.desiredReplicas"),
        ("Why", ".status.message"),
    ] {
        assert_eq!(column(name)["jsonPath"], path, "{name}");
    }
    // Without `-o wide`.
    assert!(column("Degraded")["jsonPath"].is_string() && column("Degraded")["priority"].as_i64().unwrap_or(0) == 0);
}

#[test]
fn the_definition_fits_into_an_annotation() {
    // `kubectl apply` keeps a copy of the object in an annotation; 256 KiB is the limit of all annotations together.
    let bytes = api::crd().unwrap().to_string().len();
    figures::record("crd_bytes", bytes);
    assert!(bytes <= 100_000, "{bytes} bytes");
}

#[test]
fn every_field_is_described() {
    assert_all("described_percent", &fields(), |field| {
        let text = field.schema["description"].as_str().unwrap_or_default();
        text.len() >= 5 && text.ends_with(['.', ':']) && !text.contains('\n')
    });
}

/// Numbers, texts and lists; what has a few words as its values lists them.
#[test]
fn every_optional_field_of_the_spec_has_an_example() {
    let fields = optional_fields().into_iter();
    let written: Vec<_> = fields
        .filter(|field| !matches!(kind(field), "object" | "boolean") && field.schema["enum"].is_null())
        .collect();
    assert!(written.len() > 30, "only {} fields were found", written.len());
    let without = written.iter().filter(|field| {
        let text = field.schema["description"].as_str().unwrap_or_default();
        !["Example:", "Examples:", "Default: `"]
            .iter()
            .any(|word| text.contains(word))
    });
    assert_eq!(
        without.map(|field| &field.path).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn every_string_number_and_array_is_bounded() {
    let fields: Vec<_> = fields_and_items()
        .into_iter()
        .filter(|field| !matches!(kind(field), "object" | "boolean"))
        .collect();
    assert_all("bounded_percent", &fields, bounded);
}

#[test]
fn numbers_are_whole_and_of_two_sizes() {
    for field in fields_and_items() {
        let format = field.schema["format"].as_str();
        match kind(&field) {
            "integer" => assert!(matches!(format, Some("int32" | "int64")), "{}: {format:?}", field.path),
            "string" => assert!(matches!(format, None | Some("date-time")), "{}: {format:?}", field.path),
            "object" | "boolean" | "array" => assert_eq!(format, None, "{}", field.path),
            other => panic!("{} is a {other}", field.path),
        }
    }
}

#[test]
fn bounds_are_written_as_whole_numbers() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let floats: Vec<_> = text.lines().filter(|line| line.ends_with(".0")).collect();
    assert_eq!(floats, Vec::<&str>::new());
}

#[test]
fn a_default_lies_within_the_bounds_and_is_named_in_the_description() {
    for field in fields() {
        let Some(default) = field.schema["default"].as_i64() else {
            continue;
        };
        let bounds = field.schema["minimum"].as_i64().unwrap()..=field.schema["maximum"].as_i64().unwrap();
        assert!(bounds.contains(&default), "{}: {default}", field.path);
        let text = field.schema["description"].as_str().unwrap();
        assert!(
            text.contains(&format!("Default: {default}.")),
            "{}: {default} is not in: {text}",
            field.path
        );
    }
}

#[test]
fn every_optional_field_of_the_spec_names_its_default() {
    // Except references and the like, of which exactly one is set.
    let choices = ["url", "urlFrom", "host", "hostFrom", "secretKeyRef", "configMapKeyRef"];
    let silent: Vec<_> = optional_fields()
        .into_iter()
        .filter(|field| !choices.contains(&field.path.rsplit('.').next().unwrap()))
        .filter(|field| !field.schema["description"].as_str().unwrap().contains("Default: "))
        .map(|field| field.path)
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

fn assert_all(figure: &str, fields: &[Field], good: impl Fn(&Field) -> bool) {
    let bad: Vec<_> = fields
        .iter()
        .filter(|field| !good(field))
        .map(|field| &field.path)
        .collect();
    figures::record(figure, 100 * (fields.len() - bad.len()) / fields.len());
    assert!(fields.len() > 40, "only {} fields were found", fields.len());
    assert!(bad.is_empty(), "{figure}: not so are {bad:#?}");
}

fn bounded(field: &Field) -> bool {
    let has = |name: &str| !field.schema[name].is_null();
    match kind(field) {
        "string" => has("maxLength") || has("enum") || has("format"),
        "integer" => has("minimum") && has("maximum"),
        "array" => has("maxItems"),
        _ => false,
    }
}

fn kind(field: &Field) -> &str {
    field.schema["type"].as_str().unwrap_or("untyped")
}

/// All named fields of spec and status, at every depth; not the kind, version and metadata that every object has.
fn fields() -> Vec<Field> {
    let mut named = fields_and_items();
    named.retain(|field| !field.path.ends_with("[]"));
    named
}

/// The same, and the items of arrays (`spec.queues[]`).
fn fields_and_items() -> Vec<Field> {
    let mut found = Vec::new();
    walk("", &schema(), &mut found);
    found
}

fn optional_fields() -> Vec<Field> {
    let whole = schema();
    let is_required = |path: &str| {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let pointer: String = parent.split('.').filter(|part| !part.is_empty()).map(step).collect();
        let required = &whole.pointer(&pointer).unwrap()["required"];
        required.as_array().is_some_and(|all| all.iter().any(|one| one == name))
    };
    fields()
        .into_iter()
        .filter(|field| field.path.starts_with("spec.") && !is_required(&field.path))
        .collect()
}

/// The JSON pointer from a schema to that of one of its fields.
fn step(part: &str) -> String {
    match part.strip_suffix("[]") {
        Some(name) => format!("/properties/{name}/items"),
        None => format!("/properties/{part}"),
    }
}

fn schema() -> Value {
    let crd = api::crd().unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn walk(path: &str, schema: &Value, found: &mut Vec<Field>) {
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        visit(format!("{path}{dot}{name}"), child, found);
    }
    if schema["items"].is_object() {
        visit(format!("{path}[]"), &schema["items"], found);
    }
    assert!(
        schema["additionalProperties"].is_null(),
        "{path} is a map without bounds"
    );
}

fn visit(path: String, schema: &Value, found: &mut Vec<Field>) {
    walk(&path, schema, found);
    found.push(Field {
        path,
        schema: schema.clone(),
    });
}
