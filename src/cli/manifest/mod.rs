//! Manifests: the objects in files, with their lines, and what the API server and the operator would say of a pool.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | from a text to its objects: [`Object`] |
//! | `node.rs` | values with their lines: [`Node`] |
//! | `fault.rs` | what is wrong with a field, and whose verdict it is: [`Fault`] |
//! | `schema.rs` | the API server's verdict by the schema: unknown fields, types, bounds, rules |
//! | `meta.rs` | its verdict on `metadata` |
//! | `pool.rs` | both verdicts on a pool, and the pool itself |

#![deny(clippy::disallowed_methods)]

mod fault;
mod meta;
mod node;
mod pool;
mod schema;

pub use fault::{Fault, Judge};
pub use node::{Content, Node};
pub use pool::{CheckedPool, is_pool};

/// Object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, as far as the manifest says it.
    pub namespace: Option<String>,
    /// Name; empty where it is missing.
    pub name: String,
    /// Content.
    pub node: Node,
}

/// Part of a text that is no object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Line of the mistake.
    pub line: u64,
    /// Message with the fix.
    pub message: String,
    /// Whether the part speaks of pools.
    pub of_pools: bool,
}

impl Object {
    fn new(node: Node) -> Self {
        let text = |node: &Node, name: &str| node.text(name).unwrap_or_default().to_owned();
        let metadata = node.get("metadata");
        Self {
            api_version: text(&node, "apiVersion"),
            kind: text(&node, "kind"),
            namespace: metadata
                .and_then(|metadata| metadata.text("namespace"))
                .map(str::to_owned),
            name: metadata.map(|metadata| text(metadata, "name")).unwrap_or_default(),
            node,
        }
    }

    /// Group of the API; empty for Kubernetes' core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is in the namespace of another object. Where none is said, it is the same one for all.
    pub fn is_beside(&self, other: &Object) -> bool {
        self.namespace == other.namespace
    }

    /// Value of a field that is a text, by its path.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        let (last, way) = path.split_last()?;
        way.iter().try_fold(&self.node, |node, name| node.get(name))?.text(last)
    }

    /// Containers of the pods of a workload.
    pub fn containers(&self) -> &[Node] {
        self.get(&["spec", "template", "spec", "containers"])
            .map(Node::items)
            .unwrap_or_default()
    }

    /// Commands of these containers, each with its arguments.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let words = |container: &Node, field: &str| {
            let items = container.get(field).map(Node::items).unwrap_or_default();
            let texts = items.iter().filter_map(|item| item.value().as_str().map(str::to_owned));
            texts.collect::<Vec<_>>()
        };
        let command = |container: &Node| [words(container, "command"), words(container, "args")].concat();
        self.containers().iter().map(command).collect()
    }

    /// Value of a field, by its path.
    pub fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.node, |node, name| node.get(name))
    }
}

/// Reads all objects of a text; the items of a List are objects as well.
pub fn read(text: &str) -> (Vec<Object>, Vec<Unreadable>) {
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    for document in documents(text) {
        match parsed(&document) {
            Ok(Some(node)) => expand(node, &mut objects),
            Ok(None) => {}
            Err((line, message)) => unreadable.push(Unreadable {
                line,
                message,
                of_pools: document.contains("TaskWorkerPool"),
            }),
        }
    }
    (objects, unreadable)
}

fn expand(node: Node, objects: &mut Vec<Object>) {
    let is_list = node.text("kind").is_some_and(|kind| kind.ends_with("List"));
    match node.get("items").filter(|_| is_list) {
        Some(items) => items.items().iter().for_each(|item| expand(item.clone(), objects)),
        None => objects.push(Object::new(node)),
    }
}

/// Value of a document; none if it has only comments. A mistake has its line.
pub(super) fn parsed(document: &str) -> Result<Option<Node>, (u64, String)> {
    if document.trim().is_empty() {
        return Ok(None);
    }
    // `kubectl` reads YAML 1.1.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let node: Node = serde_saphyr::from_str_with_options(document, options).map_err(|error| {
        let text = error.without_snippet().to_string();
        // The library's own hint is about the library.
        let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(&text);
        (error.location().map_or(1, |place| place.line()), text.to_owned())
    })?;
    let nothing = matches!(&node.content, Content::Scalar(serde_json::Value::Null));
    Ok(Some(node).filter(|_| !nothing))
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

#[cfg(test)]
mod tests;
