//! What is said of the work that is simulated: which it is, and where each number comes from.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value, json};

use super::answer::span;
use crate::sim::Seconds;

/// Work that is simulated.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trace {
    /// A file of this name.
    File(String),
    /// What an operator remembers.
    Hour(Hour),
}

/// What an operator remembers of a pool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hour {
    /// Namespace and name of the pool.
    pub(super) pool: String,
    /// Seconds of a point.
    pub(super) every: u32,
    /// Number of points that are over.
    pub(super) points: usize,
    /// Number of those whose arrivals are not known: nothing arrives in them.
    pub(super) unknown: usize,
    /// Where the other numbers come from.
    pub(super) facts: Vec<Fact>,
}

/// Number, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    /// Name of the number, for a person and for a program.
    pub(super) name: [&'static str; 2],
    /// Number.
    pub(super) value: f64,
    /// Where it comes from.
    pub(super) from: Origin,
}

/// Place that a number comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// The operator learned it.
    Operator,
    /// A flag gives it.
    Flag(&'static str),
    /// The pool's spec has it in this field.
    Spec(&'static str),
    /// This workload's pod template has it.
    Target(String),
    /// Nobody says it; why.
    Assumed(String),
}

impl Origin {
    /// Word for programs.
    fn name(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Flag(_) => "flag",
            Self::Spec(_) => "spec",
            Self::Target(_) => "target",
            Self::Assumed(_) => "assumed",
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Operator => "learned by the operator".to_owned(),
            Self::Flag(name) => format!("given by {name}"),
            Self::Spec(field) => format!("`{field}`"),
            Self::Target(workload) => format!("from {workload}"),
            Self::Assumed(why) => format!("assumed: {why}"),
        }
    }
}

impl Trace {
    /// Name, after "on".
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(file) => file.clone(),
            Self::Hour(hour) => format!("the last hour of {}", hour.pool),
        }
    }

    /// Where the numbers come from.
    pub(super) fn sentences(&self) -> Vec<String> {
        let Self::Hour(hour) = self else { return Vec::new() };
        let length = |points: usize| span(Seconds::from(hour.every) * points as f64);
        let mut arrivals = format!(
            "arrivals: as the operator counted them, in {} points of {} s, the same rate within each",
            hour.points, hour.every
        );
        if hour.unknown > 0 {
            arrivals += &format!(
                "; {} of them ({}) are not known: nothing arrives then here, so the real hour had more work",
                hour.unknown,
                length(hour.unknown)
            );
        }
        let facts = hour.facts.iter().map(|fact| {
            let [name, _] = fact.name;
            format!("{name}: {}, {}", fact.value, fact.from.sentence())
        });
        std::iter::once(arrivals).chain(facts).collect()
    }

    /// The same for a program.
    pub(super) fn value(&self) -> Map<String, Value> {
        let hour = match self {
            Self::File(file) => return Map::from_iter([("file".to_owned(), json!(file))]),
            Self::Hour(hour) => hour,
        };
        let facts = hour.facts.iter().map(|fact| {
            let [_, name] = fact.name;
            (name.to_owned(), json!({"value": fact.value, "from": fact.from.name()}))
        });
        Map::from_iter([
            ("fromCluster".to_owned(), json!(hour.pool)),
            ("pointSeconds".to_owned(), json!(hour.every)),
            ("points".to_owned(), json!(hour.points)),
            ("unknownPoints".to_owned(), json!(hour.unknown)),
            ("numbers".to_owned(), Value::Object(facts.collect())),
        ])
    }
}
