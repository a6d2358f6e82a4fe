//! Conditions by their cause: one that breaks the view of others is told once.
#![deny(clippy::disallowed_methods)]

use crate::{model::form, view::types::Condition};

/// Each condition that has a cause of its own, with a sentence on those that follow from it, if any do.
pub fn causes(all: &[Condition]) -> impl Iterator<Item = (&Condition, Option<String>)> {
    let is_there = |kind: &String| all.iter().any(|other| other.kind == *kind);
    let own = move |one: &&Condition| !one.unknown_because.as_ref().is_some_and(is_there);
    all.iter().filter(own).map(|one| {
        let follows = |other: &&Condition| other.unknown_because.as_ref() == Some(&one.kind);
        let names: Vec<_> = all.iter().filter(follows).map(|other| other.kind.as_str()).collect();
        let more = form(names.len() as u64, "condition", "conditions");
        let told = (!names.is_empty()).then(|| {
            format!(
                "{} more {more} cannot be judged until then: {}",
                names.len(),
                names.join(", ")
            )
        });
        (one, told)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, because: Option<&str>) -> Condition {
        serde_json::from_value(json!({
            "type": kind, "status": "Unknown", "reason": "SourceLost", "message": "?", "docs": "",
            "since": "2026-11-30T00:00:00Z", "unknownBecause": because,
        }))
        .unwrap()
    }

    #[test]
    fn what_follows_is_named_below_its_cause_and_nothing_is_hidden_that_has_none() {
        let all = [
            condition("QueuesMatch", Some("SourceAvailable")),
            condition("SourceAvailable", None),
            condition("WorkersKnown", Some("SourceAvailable")),
            condition("Stalled", Some("Elsewhere")),
        ];
        let told: Vec<_> = causes(&all).map(|(one, told)| (one.kind.as_str(), told)).collect();
        let follow = "2 more conditions cannot be judged until then: QueuesMatch, WorkersKnown".to_owned();
        assert_eq!(told, [("SourceAvailable", Some(follow)), ("Stalled", None)]);
    }
}
