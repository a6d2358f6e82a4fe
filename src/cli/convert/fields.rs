//! Fields of an object, each of which must be taken: what nobody takes is named as lost.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields that are left, by path, such as `spec.triggers[0].metadata.listName`.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    left: BTreeMap<String, Value>,
}

impl Fields {
    pub(super) fn new(path: &str, value: &Value) -> Self {
        let mut fields = Self::default();
        fields.add(path, value);
        fields
    }

    /// Adds the leaves of a value. An empty list or object says nothing.
    pub(super) fn add(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(inner) => inner
                .iter()
                .for_each(|(name, value)| self.add(&format!("{path}.{name}"), value)),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.add(&format!("{path}[{at}]"), item);
                }
            }
            Value::Null => {}
            leaf => drop(self.left.insert(path.to_owned(), leaf.clone())),
        }
    }

    /// Takes one leaf.
    pub(super) fn take(&mut self, path: &str) -> Option<Value> {
        self.left.remove(path)
    }

    /// Takes a text; numbers and booleans are texts in a trigger's metadata.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        self.take(path).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// Takes a whole number.
    pub(super) fn number(&mut self, path: &str) -> Option<i64> {
        self.text(path)?.trim().parse().ok()
    }

    /// Takes all below a path.
    pub(super) fn forget(&mut self, path: &str) {
        let below = |name: &String| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.left.retain(|name, _| !below(name));
    }

    /// Names of what is left below a path.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let below = |name: &String| Some(name.strip_prefix(path)?.strip_prefix('.')?.to_owned());
        self.left.keys().filter_map(below).collect()
    }

    /// Paths that nobody has taken.
    pub(super) fn rest(self) -> Vec<String> {
        self.left.into_keys().collect()
    }
}
