//! Periods of the calendar with a minimum number of replicas.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Period of the calendar with a minimum number of replicas.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.start.matches('^ *[0-9A-Za-z*,/-]+( +[0-9A-Za-z*,/-]+){4} *$')")
        .message("must be a cron expression of five fields, such as `0 8 * * 1-5`").field_path(".start"),
    validation = Rule::new("self.end.matches('^ *[0-9A-Za-z*,/-]+( +[0-9A-Za-z*,/-]+){4} *$')")
        .message("must be a cron expression of five fields, such as `0 18 * * 1-5`").field_path(".end"),
    validation = Rule::new("self.start != self.end")
        .message("`end` must differ from `start`: for a floor at all times use `minReplicas`").field_path(".end")
)]
pub struct Schedule {
    /// Name of the schedule, unique within the pool, up to 63 small letters, digits or `-`. Example: `office`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Start of the period: a cron expression of five fields (minute, hour, day of month, month, day of week) as in a
    /// CronJob, up to 100 characters. A time that the clock skips in spring counts at the moment of the jump. Example:
    /// `"0 8 * * 1-5"`.
    #[schemars(length(min = 9, max = 100))]
    pub start: String,

    /// End of the period, in the same form. A time that the clock shows twice in autumn counts the second time.
    /// Example: `"0 18 * * 1-5"`.
    #[schemars(length(min = 9, max = 100))]
    pub end: String,

    /// Time zone of `start` and `end`, a name of the IANA database of up to 64 characters. Default: UTC. Example:
    /// `Europe/Berlin`.
    #[serde(default = "default_zone")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+/-]*$"))]
    pub time_zone: String,

    /// Minimum number of replicas between `start` and `end`, 1 to 10000. Example: 2.
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: i32,
}

fn default_zone() -> String {
    "UTC".into()
}
