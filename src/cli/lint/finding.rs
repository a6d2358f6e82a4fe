//! Finding: what is to be mended, and where.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use crate::cli::manifest::{Fault, Judge, Object};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The pool does not work.
    Error,
    /// It works, and perhaps not as it is meant.
    Warning,
}

/// Whose finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The text is no YAML.
    File,
    /// The API server refuses the object.
    ApiServer,
    /// The operator says that the spec cannot work.
    Operator,
    /// This program alone.
    Lint,
}

/// Finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// File as it was named; `-` is the standard input.
    pub file: String,
    /// Line in the file.
    pub line: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Whose finding it is.
    pub origin: Origin,
    /// Kind and name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// Path of the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// Sentence that names the field and what to do.
    pub message: String,
}

impl Finding {
    /// Fault of a pool.
    pub fn fault(file: &str, object: &Object, fault: Fault) -> Self {
        Self {
            file: file.to_owned(),
            line: object.node.line_of(&fault.path),
            severity: Severity::Error,
            origin: match fault.judge {
                Judge::ApiServer => Origin::ApiServer,
                Judge::Operator => Origin::Operator,
            },
            object: named(object),
            field: fault.path,
            message: fault.message,
        }
    }

    /// Warning about a field.
    pub fn warning(file: &str, object: &Object, field: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: object.node.line_of(field),
            severity: Severity::Warning,
            origin: Origin::Lint,
            object: named(object),
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

/// Kind and name of an object.
pub fn named(object: &Object) -> String {
    format!("{}/{}", object.kind, object.name)
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(to, "{}:{}: {severity}: ", self.file, self.line)?;
        if !self.object.is_empty() {
            write!(to, "{}: ", self.object)?;
        }
        to.write_str(&self.message)
    }
}
