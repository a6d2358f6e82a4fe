//! The order in which the rules apply.
use super::{Decision, Memory, Observation, Policy, Rule};
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress;
/// Decides.
pub fn decide(policy: &Policy, memory: Memory, seen: &Observation) -> (Memory, Decision) {
    (
        memory,
        Decision {
            replicas: seen.replicas.max(policy.min),
            rule: Rule::Minimum,
            sentence: String::new(),
            limited: None,
            wanted: 0,
            look_again_in: std::time::Duration::from_secs(1),
        },
    )
}
