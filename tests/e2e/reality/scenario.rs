//! The work, and the pool that it is for: small enough for a machine with two cores.

use serde_json::{Value, json};

/// Seconds that tasks may wait.
pub const TARGET: u32 = 30;
/// Seconds that each task takes.
pub const TASK: f64 = 4.0;
/// Task slots of a worker.
pub const SLOTS: u32 = 2;
/// The workers' grace period, in seconds.
pub const GRACE: u32 = 30;

/// Tasks for a pool that begins at zero.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// What comes, for the report.
    pub about: &'static str,
    /// When tasks are to be published, in seconds, in order.
    pub arrivals: Vec<f64>,
}

impl Scenario {
    /// What differs from the usual pool of the tests. With the task time: what an operator makes of the first seconds of
    /// a task that it knows nothing of hangs on fractions of a second, in both worlds.
    pub fn spec() -> Value {
        json!({
            "target": {"waitSeconds": TARGET}, "maxReplicas": 6, "scaleDown": {"idleSeconds": 10},
            "worker": {"concurrency": SLOTS, "expectedTaskMilliseconds": (TASK * 1000.0) as i32},
        })
    }
}

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "burst",
            about: "16 tasks at once for an operator that knows nothing yet, and 48 when it has learned",
            arrivals: [vec![2.0; 16], vec![50.0; 48]].concat(),
        },
        Scenario {
            name: "steps",
            // With the profile's margins between 0.6 and 0.9 workers, and between 1.3 and 1.8: where a whole number lies
            // within, a trifle decides whether there is one more.
            about: "0.4 tasks a second, then 0.85, then 0.4 again, 45 s each",
            arrivals: [every(2.0, 0.4), every(47.0, 0.85), every(92.0, 0.4)].concat(),
        },
        Scenario {
            name: "sparse",
            about: "a few tasks now and then, and zero replicas in between",
            arrivals: vec![2.0, 2.0, 2.0, 45.0, 75.0, 75.5, 110.0],
        },
    ]
}

/// So many tasks a second, evenly, for 45 s.
fn every(from: f64, rate: f64) -> Vec<f64> {
    let tasks = (45.0 * rate).round() as u32;
    (0..tasks).map(|n| from + f64::from(n) / rate).collect()
}
