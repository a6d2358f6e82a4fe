//! Objects that a worker may refer to, from files or from a cluster. Of Secrets only the names of keys, and of a URL in one
//! its scheme.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use crate::cli::manifest::{self, Content, Node, Object};

/// Kinds whose pods a pool scales.
pub(super) const SCALED: [&str; 2] = ["Deployment", "StatefulSet"];

/// Object with the file that it comes from; empty: the cluster.
pub type Placed = (String, Object);

/// Keys of a Secret, each with the scheme of the URL that it holds, if that was looked at.
pub type Keys = BTreeMap<String, Option<String>>;

/// Scheme of a URL, which is no secret; of several joined by `;` that of the first.
pub fn scheme(value: &[u8]) -> Option<String> {
    let (scheme, _) = std::str::from_utf8(value).ok()?.trim().split_once("://")?;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(inner))
        .then(|| scheme.to_ascii_lowercase())
}

/// All objects.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Objects in their order.
    pub objects: Vec<Placed>,
    /// Secrets by namespace and name, or why one could not be read.
    pub secrets: BTreeMap<(Option<String>, String), Result<Keys, String>>,
    /// What else could not be read, as sentences.
    pub unread: Vec<String>,
}

impl World {
    /// Objects in the texts of files.
    ///
    /// # Errors
    /// Which text is no YAML.
    pub fn of_files(texts: &[(&str, &str)]) -> Result<Self, String> {
        let mut world = Self::default();
        for (file, text) in texts {
            let (found, unreadable) = manifest::read(text);
            if let Some(part) = unreadable.first() {
                return Err(format!("{file}: line {}: {}; mend the text", part.line, part.message));
            }
            for object in found {
                if object.group().is_empty() && object.kind == "Secret" {
                    let at = (object.namespace.clone(), object.name.clone());
                    world.secrets.insert(at, Ok(keys(&object)));
                } else {
                    world.objects.push(((*file).to_owned(), object));
                }
            }
        }
        Ok(world)
    }

    /// Values of a ConfigMap beside an object; `None`: it is not known.
    pub(super) fn config_map(&self, beside: &Object, name: &str) -> Option<BTreeMap<String, String>> {
        let is_it = |object: &&Object| object.kind == "ConfigMap" && object.name == name && object.is_beside(beside);
        let found = self.objects.iter().map(|(_, object)| object).find(is_it)?;
        Some(texts(found.get(&["data"])))
    }

    /// Keys of a Secret beside an object; `None`: it is not known.
    pub(super) fn secret(&self, beside: &Object, name: &str) -> Option<&Result<Keys, String>> {
        self.secrets.get(&(beside.namespace.clone(), name.to_owned()))
    }
}

fn keys(secret: &Object) -> Keys {
    let fields = ["data", "stringData"].into_iter();
    let names = fields.flat_map(|field| match secret.get(&[field]).map(|node| &node.content) {
        Some(Content::Fields(fields)) => fields.iter().map(|(name, _)| (name.clone(), None)).collect(),
        _ => Vec::new(),
    });
    names.collect()
}

fn texts(node: Option<&Node>) -> BTreeMap<String, String> {
    let Some(Content::Fields(fields)) = node.map(|node| &node.content) else {
        return BTreeMap::new();
    };
    let text = |(name, node): &(String, Node)| Some((name.clone(), node.value().as_str()?.to_owned()));
    fields.iter().filter_map(text).collect()
}

/// Pod of a workload, of whatever kind.
pub(super) fn pod(object: &Object) -> Option<&Node> {
    match object.kind.as_str() {
        "CronJob" => object.get(&["spec", "jobTemplate", "spec", "template", "spec"]),
        "Pod" => object.get(&["spec"]),
        _ => object.get(&["spec", "template", "spec"]),
    }
}
