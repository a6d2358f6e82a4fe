//! The `behavior` field of autoscaling/v2, with bounds: same names, same meaning.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on the speed of scaling, for each direction.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Limits upwards. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,

    /// Limits downwards. Default: none but the two windows of the target and the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Limits in one direction.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds of past wishes that are looked at, 0 to 3600: up follows the lowest of them, down the highest. Default:
    /// 0 upwards; downwards two windows, one for a clear surplus and one for a small one, which a value here replaces: 3 s
    /// and 45 s (`Economy` 0 and 3, `Responsive` 15 and 60), with a backlog target 30 s and 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,

    /// Which of the policies counts: `Max` (the largest change), `Min` (the smallest) or `Disabled` (no scaling in
    /// this direction). Default: Max.
    #[serde(default)]
    pub select_policy: SelectPolicy,

    /// Up to 16 policies. Default: none, no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub policies: Vec<ScalingPolicy>,
}

/// Which policy counts.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No scaling in this direction.
    Disabled,
}

/// At most so much change in a period.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// What `value` counts: `Pods` or `Percent` of the replicas at the start of the period.
    #[serde(rename = "type")]
    pub kind: PolicyType,

    /// How much change, 1 to 100000. Example: 4.
    #[schemars(range(min = 1, max = 100000))]
    pub value: i32,

    /// In how many seconds, 1 to 1800. Example: 60.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// What a policy's value counts.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum PolicyType {
    /// Pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}
