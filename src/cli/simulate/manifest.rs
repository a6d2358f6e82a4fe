//! Reads a pool from a manifest's text; errors name the line.
#![deny(clippy::disallowed_methods)]

use super::unknown;
use crate::{
    api::{GROUP, TaskWorkerPool},
    controller::{pool::Pool, validate},
};

/// Pool as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// Name of the pool.
    pub(super) name: String,
    /// Content of the spec.
    pub(super) pool: Pool,
}

/// Fields that identify an object.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// Reads the only pool of a text, which may have other objects beside it.
pub(super) fn read(text: &str) -> Result<Manifest, String> {
    let mut pools = Vec::new();
    for document in documents(text) {
        if document.trim().is_empty() {
            continue;
        }
        // Comments only, or `null`, are no object.
        let head: Option<Head> = serde_saphyr::from_str(&document).map_err(|error| in_yaml(&error))?;
        let is_pool = |head: &Head| head.kind == "TaskWorkerPool" && head.api_version.split('/').next() == Some(GROUP);
        if head.is_some_and(|head| is_pool(&head)) {
            pools.push(document);
        }
    }
    let [document] = pools.as_slice() else {
        return Err(format!(
            "{} objects of apiVersion {GROUP}/v1alpha1 and kind TaskWorkerPool: the file must have exactly one",
            pools.len()
        ));
    };
    let object: TaskWorkerPool = serde_saphyr::from_str(document).map_err(|error| in_yaml(&error))?;
    let written = serde_saphyr::from_str(document).map_err(|error| in_yaml(&error))?;
    if let Some(field) = unknown::field(&written) {
        let message =
            format!("`{field}` is no field of a TaskWorkerPool; `kubectl explain taskworkerpool.spec` lists them");
        return Err(with_line(document, message));
    }
    let pool = validate::pool(&object).map_err(|problem| with_line(document, problem.message))?;
    Ok(Manifest {
        name: object.metadata.name.unwrap_or_else(|| "the pool".into()),
        pool,
    })
}

/// Documents of a stream. Each begins with as many empty lines as come before it, so that lines keep their numbers.
fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for (at, line) in text.lines().enumerate() {
        let marker = line.strip_prefix("---");
        if marker.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            all.push("\n".repeat(at + 1));
        } else if let Some(document) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    all
}

fn in_yaml(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    match error.location() {
        Some(place) if !text.contains("line ") => format!("line {}: {text}", place.line()),
        _ => text,
    }
}

/// Message with the line of the field that it names, if it is found.
fn with_line(document: &str, message: String) -> String {
    match line_of(document, &message) {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

/// Line of the field that a message names first, in backticks.
fn line_of(document: &str, message: &str) -> Option<usize> {
    let field = message.split('`').nth(1)?;
    let name = field.rsplit('.').next()?.split('[').next()?;
    let at = document.lines().position(|line| {
        let rest = line.trim_start().trim_start_matches("- ").strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    })?;
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {name: mail}\nspec:\n  \
                        targetRef: {name: mail-worker}\n  broker: {url: redis://redis:6379/0}\n";

    #[test]
    fn the_pool_is_found_among_other_objects() {
        let text = format!("# workers\n---\nkind: Deployment\napiVersion: apps/v1\n--- # the pool\n{POOL}---\n# end\n");
        let found = read(&text).unwrap();
        assert_eq!(
            (found.name.as_str(), found.pool.target.name.as_str()),
            ("mail", "mail-worker")
        );
        assert_eq!(read(POOL).unwrap(), found);
    }

    #[test]
    fn errors_name_line_and_fix() {
        let table = [
            (
                POOL.replace("kind: Task", "kind: Other"),
                "0 objects of apiVersion taskworkerpool.dev/v1alpha1",
            ),
            (format!("{POOL}---\n{POOL}"), "2 objects"),
            (
                format!("{POOL}  minReplicas: 30\n"),
                "line 7: `minReplicas` must be less than or equal to `maxReplicas`",
            ),
            (
                format!("# x\n---\n{POOL}  queues: [a, a]\n"),
                "line 9: `queues[1]` must not repeat",
            ),
            (format!("{POOL}  minReplicas: many\n"), "line 7"),
            (
                format!("{POOL}  minReplica: 1\n"),
                "line 7: `spec.minReplica` is no field",
            ),
            (format!("kind: X\n---\n{POOL}  - x\n"), "line 9"),
            (POOL.replace("  targetRef", "  target"), "targetRef"),
        ];
        for (text, expected) in table {
            let found = read(&text).unwrap_err();
            assert!(found.contains(expected), "{found}\n{text}");
        }
    }
}
