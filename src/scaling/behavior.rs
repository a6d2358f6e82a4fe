//! The HPA v2 `behavior` field: same meaning.
#![deny(clippy::disallowed_methods)]
use super::Moment;
use std::{collections::VecDeque, time::Duration};
/// Rules for both directions; `None` means that the user set nothing and nothing but the windows limits the step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// Upwards.
    pub up: Option<Rules>,
    /// Downwards.
    pub down: Option<Rules>,
}
/// Rules for one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `stabilizationWindowSeconds`.
    pub window: Option<Duration>,
    /// `selectPolicy`.
    pub select: Select,
    /// `policies`; empty: no limit.
    pub policies: Vec<Policy>,
}
/// `selectPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The policy that allows the largest change.
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}
/// At most so much change in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Pods or percent.
    pub kind: PolicyType,
    /// How many.
    pub value: u32,
    /// In which time.
    pub period: Duration,
}
/// What a policy's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyType {
    /// Pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) up: VecDeque<(Moment, u32)>,
    pub(crate) down: VecDeque<(Moment, u32)>,
}
