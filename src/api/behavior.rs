//! The `behavior` field of autoscaling/v2, with bounds: same names, same meaning.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on the speed of scaling, for each direction.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Limits on scaling up. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,

    /// Limits on scaling down. Default: none but the two windows of the target and the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Limits in one direction.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds of past recommendations that count, 0 to 3600: scaling up follows the lowest of them, scaling down the
    /// highest. Default: 0 upwards; downwards two windows, one for a clear surplus and one for a small one, which a
    /// value here replaces: 3 s and 45 s (`Economy` 0 and 3, `Responsive` 15 and 60), with a backlog target 30 s and 60
    /// s. Example: `300`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,

    /// Policy that counts where several are given: `Max` (the one that allows the largest change), `Min` (the smallest)
    /// or `Disabled` (no scaling in this direction). Default: Max.
    #[serde(default)]
    pub select_policy: SelectPolicy,

    /// Limits on the change within a period, up to 16 of them. Default: none, no limit. Example:
    /// `[{type: Pods, value: 4, periodSeconds: 60}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub policies: Vec<ScalingPolicy>,
}

/// Policy that counts where several are given.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum SelectPolicy {
    /// Policy that allows the largest change.
    #[default]
    Max,
    /// Policy that allows the smallest change.
    Min,
    /// No scaling in this direction.
    Disabled,
}

/// Largest change of the replicas within a period.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Unit of `value`: `Pods`, or `Percent` of the replicas at the start of the period.
    #[serde(rename = "type")]
    pub kind: PolicyType,

    /// Largest change within the period, in the unit that `type` names, 1 to 100000. Example: 4.
    #[schemars(range(min = 1, max = 100000))]
    pub value: i32,

    /// Length of the period in seconds, 1 to 1800. Example: 60.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// Unit of a policy's value.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum PolicyType {
    /// Number of pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}
