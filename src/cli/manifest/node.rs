//! YAML or JSON text as a tree of values, each with its line.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// Value with the line where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line of the value, or of its name where it has one.
    pub line: u64,
    /// Content of the value.
    pub content: Content,
}

/// Content of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Null, boolean, number or text.
    Scalar(Value),
    /// Items of a list.
    List(Vec<Node>),
    /// Fields of an object, in their order.
    Fields(Vec<(String, Node)>),
}

/// Step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Name of a field.
    Field(String),
    /// Index in a list.
    Item(usize),
}

impl Node {
    /// Field of an object.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.content {
            Content::Fields(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Text of a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Line of the value at a path such as `spec.schedules[0].start`; of the last one on the way, where it is missing.
    pub fn line_of(&self, path: &str) -> u64 {
        let mut at = self;
        for step in steps(path) {
            let next = match (&step, &at.content) {
                (Step::Field(name), _) => at.get(name),
                (Step::Item(index), Content::List(items)) => items.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            at = next;
        }
        at.line
    }

    /// The same without lines.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Node::value).collect(),
            Content::Fields(fields) => {
                let fields = fields.iter().map(|(name, node)| (name.clone(), node.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// Steps of a path such as `spec.schedules[0].start`.
fn steps(path: &str) -> Vec<Step> {
    let mut all = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        if let Some(name) = pieces.next().filter(|name| !name.is_empty()) {
            all.push(Step::Field(name.to_owned()));
        }
        all.extend(pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok().map(Step::Item)));
    }
    all
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(from)?;
        Ok(Self {
            line: spanned.referenced.line(),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Content, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, mut node)) = access.next_entry::<Spanned<String>, Node>()? {
            // Of a block the name is what a person looks for.
            node.line = name.referenced.line();
            fields.push((name.value, node));
        }
        Ok(Content::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parsed;
    use super::*;

    #[test]
    fn values_are_those_that_kubectl_reads() {
        let text = "a: yes\nb: 0x10\nc: 1_000\nd: 010\ne: 1e1\nf: ~\ng:\nh: !!str 5\ni: 'no'\nj: 1:30\nk: 09\nl: 2026-01-01\n1: x\n";
        let value = parsed(text).unwrap().unwrap().value();
        let expected = serde_json::json!({
            "a": true, "b": 16, "c": 1000, "d": 8, "e": 10.0, "f": null, "g": null, "h": "5", "i": "no", "j": "1:30", "k": 9.0,
            "l": "2026-01-01", "1": "x",
        });
        assert_eq!(value, expected);
        let json = parsed("{\n\t\"a\": 1,\n\t\"b\": [1,\n\t2]\n}\n").unwrap().unwrap();
        assert_eq!((json.value()["a"].as_i64(), json.line_of("b[1]")), (Some(1), 4));
    }

    #[test]
    fn every_value_has_its_line() {
        let text = "a: &x {b: 1}\nc:\n  <<: *x\n  d:\n  - 2\n  - e: 3\n    f: |\n      x\n";
        let node = parsed(text).unwrap().unwrap();
        let table = [
            ("a", 1),
            ("a.b", 1),
            ("c", 2),
            ("c.d[0]", 5),
            ("c.d[1].f", 7),
            ("c.d[7]", 4),
            ("c.gone.b", 2),
            ("", 1),
        ];
        for (path, line) in table {
            assert_eq!(node.line_of(path), line, "{path}");
        }
        assert_eq!(node.get("c").and_then(|c| c.get("b")).map(Node::value), Some(1.into()));
    }
}
