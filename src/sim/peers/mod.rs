//! The peers: other autoscalers' rules as policies of the simulator, written from their sources and documentation.
//!
//! | file | what it is | signal |
//! |---|---|---|
//! | `input` | limits, what a peer knows of the workload, arrival rates | |
//! | `hpa` | the Kubernetes HPA's parts that KEDA uses | usage for each replica |
//! | `keda` | KEDA on that HPA, plain or with an expert's formula | tasks for each replica, or slots needed |
//! | `wpa` | practo's worker pod autoscaler | tasks for each replica, floor by the rate |
//! | `kpa` | the Knative pod autoscaler | concurrency |
//! | `aws` | AWS target tracking | tasks that wait for each instance |
//! | `latency` | Judoscale's and HireFire's steps | age of the oldest task |
//! | `sla` | Laravel Queue Autoscale | rate, trend, and age of the oldest task |
//! | `groups` | the settings that are compared | |
//!
//! They see exact figures, those that take a mean task time get the true one, and what a user would size by hand (a
//! target for each worker) is relative to the workload's slots and wait target. So one [`Configuration`] makes sense for
//! every workload.
#![deny(clippy::disallowed_methods)]

pub mod aws;
pub mod groups;
pub mod hpa;
pub mod input;
pub mod keda;
pub mod kpa;
pub mod latency;
pub mod sla;
pub mod wpa;

pub use groups::{Group, all, groups};
pub use input::{Given, PeerLimits};

use super::{Scaler, Workload};

/// A peer and its settings, for any workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Configuration {
    /// KEDA.
    Keda(keda::KedaSettings),
    /// practo's worker pod autoscaler.
    Wpa(wpa::WpaSettings),
    /// The Knative pod autoscaler.
    Kpa(kpa::KpaSettings),
    /// AWS target tracking.
    Aws(aws::AwsSettings),
    /// Latency steps.
    Latency(latency::LatencySettings),
    /// The SLA hybrid.
    Sla(sla::SlaSettings),
}

impl Configuration {
    /// Name in tables, the same for every workload.
    pub fn name(&self) -> String {
        match self {
            Self::Keda(settings) => settings.name(),
            Self::Wpa(settings) => settings.name(),
            Self::Kpa(settings) => settings.name(),
            Self::Aws(settings) => settings.name(),
            Self::Latency(settings) => settings.name(),
            Self::Sla(settings) => settings.name(),
        }
    }

    /// Policy for this workload, with 1 to 200 replicas.
    pub fn build(&self, workload: &Workload) -> Box<dyn Scaler> {
        self.build_within(workload, PeerLimits::default())
    }

    /// Policy for this workload and other limits.
    pub fn build_within(&self, workload: &Workload, limits: PeerLimits) -> Box<dyn Scaler> {
        let given = Given::of(workload, limits);
        match *self {
            Self::Keda(settings) => Box::new(keda::Keda::new(settings, given)),
            Self::Wpa(settings) => Box::new(wpa::Wpa::new(settings, given)),
            Self::Kpa(settings) => Box::new(kpa::Kpa::new(settings, given)),
            Self::Aws(settings) => Box::new(aws::Aws::new(settings, given)),
            Self::Latency(settings) => Box::new(latency::Latency::new(settings, given)),
            Self::Sla(settings) => Box::new(sla::Sla::new(settings, given)),
        }
    }
}
