//! Draft of a pool: its spec as far as it is known, and what became of each field of the object that it comes from.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::plan::PlanStep;
use crate::{
    api::{GROUP, VERSION},
    cli::{
        commented::{self, Comment},
        manifest::Object,
    },
};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// The pool says the same.
    Kept,
    /// The pool says something like it, and the difference matters.
    Changed,
    /// Nothing of the pool says it.
    Dropped,
    /// Without it there is no pool that works.
    Missing,
}

/// Note about a field of the object that is converted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Path of the field.
    pub field: String,
    /// What became of it.
    pub fate: Fate,
    /// Path in the pool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Sentence with the reason, and what to do instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Draft of a pool.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Draft {
    /// Kind and name of the object that it comes from.
    pub from: String,
    /// File of that object.
    pub file: String,
    /// Line of that object.
    pub line: u64,
    /// The pool; null where there cannot be one.
    pub pool: Value,
    /// What became of the fields.
    pub notes: Vec<Note>,
    /// Steps by which the pool takes over.
    pub plan: Vec<PlanStep>,
}

impl Draft {
    /// Draft of an object, for its target.
    pub(super) fn new(file: &str, object: &Object) -> Self {
        let mut metadata = json!({"name": object.name});
        if let Some(namespace) = &object.namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        Self {
            from: format!("{}/{}", object.kind, object.name),
            file: file.to_owned(),
            line: object.node.line_of("kind"),
            pool: json!({
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "TaskWorkerPool", "metadata": metadata,
                "spec": {"mode": "Observe"},
            }),
            notes: Vec::new(),
            plan: Vec::new(),
        }
    }

    /// Sets a field of the spec.
    pub(super) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let spec = &mut self.pool["spec"];
        let place = path.split('.').fold(spec, |at, name| &mut at[name]);
        *place = value.into();
    }

    pub(super) fn kept(&mut self, field: &str, to: &str) {
        self.note(field, Fate::Kept, to, "");
    }

    pub(super) fn changed(&mut self, field: &str, to: &str, message: impl Into<String>) {
        self.note(field, Fate::Changed, to, message);
    }

    pub(super) fn dropped(&mut self, field: &str, message: impl Into<String>) {
        self.note(field, Fate::Dropped, "", message);
    }

    pub(super) fn missing(&mut self, field: &str, to: &str, message: impl Into<String>) {
        self.note(field, Fate::Missing, to, message);
    }

    fn note(&mut self, field: &str, fate: Fate, to: &str, message: impl Into<String>) {
        self.notes.push(Note {
            field: field.to_owned(),
            fate,
            to: if to.is_empty() {
                String::new()
            } else {
                format!("spec.{to}")
            },
            message: message.into(),
        });
    }

    /// There is no pool for this object.
    pub(super) fn refuse(mut self, field: &str, message: impl Into<String>) -> Self {
        self.missing(field, "", message);
        self.pool = Value::Null;
        self.plan.clear();
        self
    }

    /// Whether there is a pool.
    pub fn is_pool(&self) -> bool {
        !self.pool.is_null()
    }

    /// The pool as YAML, with a comment at each field that does not say the same as before.
    ///
    /// # Errors
    /// What the API server or the operator would have against it.
    pub fn yaml(&self) -> Result<String, String> {
        let head = format!(
            "# From {} ({}:{}). It observes until the steps that were printed with it say otherwise.\n",
            self.from, self.file, self.line
        );
        let told = self.told().filter(|note| note.fate != Fate::Kept);
        let comments: Vec<_> = told.map(comment).collect();
        commented::yaml(&self.pool, &head, &comments)
    }

    /// Notes, in which fields of which the same is said are one.
    pub(super) fn told(&self) -> impl Iterator<Item = Note> {
        let mut told: Vec<Note> = Vec::new();
        for note in &self.notes {
            let like =
                |other: &&mut Note| (other.fate, &other.to, &other.message) == (note.fate, &note.to, &note.message);
            match told.iter_mut().find(like) {
                Some(other) => other.field = format!("{}, {}", other.field, note.field),
                None => told.push(note.clone()),
            }
        }
        told.into_iter()
    }
}

fn comment(note: Note) -> Comment {
    let mark = match note.fate {
        Fate::Missing => "TODO ",
        _ => "",
    };
    Comment {
        text: format!("{mark}{}: {}", note.field, note.message),
        to: note.to,
    }
}
