//! Fault of a field: what is wrong, and how to mend it.
#![deny(clippy::disallowed_methods)]

/// Whose verdict it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Judge {
    /// The API server refuses the object.
    ApiServer,
    /// The API server takes it, and the operator says that it cannot work.
    Operator,
}

/// Fault of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose verdict it is.
    pub judge: Judge,
    /// Path of the field, such as `spec.schedules[0].start`.
    pub path: String,
    /// Sentence that names the field and the fix.
    pub message: String,
}

impl Fault {
    /// Fault for which the API server refuses the object. The text goes on after the field's name.
    pub fn refused(path: &str, text: &str) -> Self {
        // The rules of the CRD name the field themselves where it is not the one that they stand at.
        let message = match text.starts_with('`') {
            true => text.to_owned(),
            false => format!("`{path}` {text}"),
        };
        Self {
            judge: Judge::ApiServer,
            path: path.to_owned(),
            message,
        }
    }

    /// Fault that the operator finds, in whose sentence the field stands in backticks.
    pub fn stalled(message: &str) -> Self {
        let field = message.split('`').nth(1).unwrap_or_default();
        let field = field.split(':').next().unwrap_or(field);
        Self {
            judge: Judge::Operator,
            path: format!("spec.{}", field.trim_start_matches("spec.")),
            message: message.to_owned(),
        }
    }
}
