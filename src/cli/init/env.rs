//! Environment of a container, as Kubernetes puts it together: values, and references that stay references.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::world::World;
use crate::cli::{
    manifest::{Node, Object},
    workload::is_name,
};

/// Part of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text.
    Text(String),
    /// Key of a Secret or a ConfigMap.
    Key(KeyOf),
    /// Something else, which a pool cannot refer to.
    Other,
}

/// Key of a Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyOf {
    pub(super) is_secret: bool,
    pub(super) object: String,
    pub(super) key: String,
    /// Value, if it is that of a ConfigMap.
    pub(super) known: Option<String>,
}

impl KeyOf {
    /// The reference, as a pool writes it.
    pub(super) fn reference(&self) -> Value {
        let kind = if self.is_secret {
            "secretKeyRef"
        } else {
            "configMapKeyRef"
        };
        json!({kind: {"name": self.object, "key": self.key}})
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let kind = if self.is_secret { "Secret" } else { "ConfigMap" };
        format!("key `{}` of {kind} `{}`", self.key, self.object)
    }
}

/// Secret or ConfigMap that becomes variables whole, and whose keys are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) is_secret: bool,
    pub(super) object: String,
    prefix: String,
    /// Why they are not known, if there is more to say than that it was not given.
    pub(super) why: Option<String>,
}

/// Environment.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    variables: Vec<(String, Vec<Piece>)>,
    pub(super) unknown: Vec<Whole>,
}

impl Environment {
    /// Environment of a container of an object.
    pub(super) fn of(container: &Node, object: &Object, world: &World) -> Self {
        let mut environment = Self::default();
        for whole in container.get("envFrom").map(Node::items).unwrap_or_default() {
            environment.add_whole(whole, object, world);
        }
        for variable in container.get("env").map(Node::items).unwrap_or_default() {
            let Some(name) = variable.text("name") else { continue };
            let pieces = match variable.get("valueFrom") {
                Some(from) => vec![referred(from, object, world)],
                None => {
                    let value = variable.get("value").map(Node::value).unwrap_or_default();
                    environment.expanded(value.as_str().unwrap_or_default())
                }
            };
            environment.set(name, pieces);
        }
        environment
    }

    fn add_whole(&mut self, whole: &Node, object: &Object, world: &World) {
        let prefix = whole.text("prefix").unwrap_or_default();
        let named = |kind: &str| Some(whole.get(kind)?.text("name")?.to_owned());
        let (is_secret, name) = match (named("secretRef"), named("configMapRef")) {
            (Some(name), _) => (true, name),
            (None, Some(name)) => (false, name),
            (None, None) => return,
        };
        let unknown = |why| Whole {
            is_secret,
            object: name.clone(),
            prefix: prefix.to_owned(),
            why,
        };
        let known: Vec<(String, Option<String>)> = match is_secret {
            true => match world.secret(object, &name) {
                Some(Ok(keys)) => keys.keys().map(|key| (key.clone(), None)).collect(),
                Some(Err(why)) => return self.unknown.push(unknown(Some(why.clone()))),
                None => return self.unknown.push(unknown(None)),
            },
            false => match world.config_map(object, &name) {
                Some(values) => values.into_iter().map(|(key, value)| (key, Some(value))).collect(),
                None => return self.unknown.push(unknown(None)),
            },
        };
        for (key, known) in known {
            let piece = Piece::Key(KeyOf {
                is_secret,
                object: name.clone(),
                key: key.clone(),
                known,
            });
            self.set(&format!("{prefix}{key}"), vec![piece]);
        }
    }

    /// A later one of the same name counts.
    fn set(&mut self, name: &str, pieces: Vec<Piece>) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), pieces));
    }

    /// Value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&[Piece]> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, pieces)| pieces.as_slice())
    }

    /// Value of a variable, if it is wholly known.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        known(self.get(name)?)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// Text with what `$(NAME)` stands for; of a variable that is not there it stays as it is.
    pub(super) fn expanded(&self, text: &str) -> Vec<Piece> {
        self.filled(text, false)
    }

    /// The same for a word of a command, which a shell may have left as `${NAME}`.
    pub(super) fn filled(&self, text: &str, in_shell: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            push(&mut pieces, before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                push(&mut pieces, "$");
                rest = after;
                continue;
            }
            let within = |open: char, close: char| rest.strip_prefix(open)?.split_once(close);
            let name = within('(', ')').or_else(|| within('{', '}').filter(|_| in_shell));
            match name.and_then(|(name, after)| Some((self.get(name).filter(|_| is_name(name))?, after))) {
                Some((value, after)) => {
                    value.iter().for_each(|piece| match piece {
                        Piece::Text(text) => push(&mut pieces, text),
                        other => pieces.push(other.clone()),
                    });
                    rest = after;
                }
                None => push(&mut pieces, "$"),
            }
        }
        push(&mut pieces, rest);
        pieces
    }

    /// Reference to a variable that a Secret or ConfigMap must have, whose keys are not known: the only one there is.
    pub(super) fn presumed(&self, name: &str) -> Option<KeyOf> {
        let [whole] = self.unknown.as_slice() else { return None };
        Some(KeyOf {
            is_secret: whole.is_secret,
            object: whole.object.clone(),
            key: name.strip_prefix(whole.prefix.as_str())?.to_owned(),
            known: None,
        })
    }
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Text of pieces that are all known.
pub(super) fn known(pieces: &[Piece]) -> Option<String> {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::Key(key) => key.known.clone(),
        Piece::Other => None,
    };
    pieces.iter().map(text).collect()
}

fn referred(from: &Node, object: &Object, world: &World) -> Piece {
    let key = |kind: &str| {
        let reference = from.get(kind)?;
        Some((reference.text("name")?.to_owned(), reference.text("key")?.to_owned()))
    };
    match (key("secretKeyRef"), key("configMapKeyRef")) {
        (Some((name, key)), _) => Piece::Key(KeyOf {
            is_secret: true,
            object: name,
            key,
            known: None,
        }),
        (None, Some((name, key))) => Piece::Key(KeyOf {
            is_secret: false,
            known: world
                .config_map(object, &name)
                .and_then(|values| values.get(&key).cloned()),
            object: name,
            key,
        }),
        (None, None) => Piece::Other,
    }
}
