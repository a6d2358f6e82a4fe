//! Contestants: the policies that are compared.
#![deny(clippy::disallowed_methods)]
use crate::{
    scaling::{Behavior, Policy, Profile, Rules, Select, TargetRule, Wait},
    sim::{
        Ours, Seconds, Victims, Workload, World,
        peers::{
            self, Configuration,
            keda::{KedaSettings, Load, Metric, WINDOW},
        },
    },
};
use std::time::Duration;

/// Name of the default profile in tables and figures.
pub const BALANCED: &str = "Balanced";
/// Name of the leaner profile.
pub const ECONOMY: &str = "Economy";

/// Contestant: our policy or a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Contestant {
    /// Our policy.
    Ours(Variant),
    /// Another autoscaler.
    Peer(Configuration),
}

/// Our policy with one set of options, for any workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Name in tables.
    pub name: String,
    /// Rule by which the number of workers follows from the work.
    pub goal: Goal,
    /// Hint as a multiple of the true mean task duration, which the peers get; `None`: no hint.
    pub hint: Option<f64>,
    /// Order in which pods go.
    pub victims: Victims,
    /// Sampling period.
    pub period: Seconds,
    /// `behavior.scaleDown.stabilizationWindowSeconds`, where the user sets it.
    pub window: Option<Seconds>,
}

/// Rule by which the number of workers follows from the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Wait target of the workload, with a profile.
    Profile(Profile),
    /// Backlog for each replica of as many tasks as it has slots.
    BacklogOfSlots,
}

impl Variant {
    /// Profile with its defaults: the right hint, idle pods first and alone, a sample each second.
    pub fn of(name: impl Into<String>, profile: Profile) -> Self {
        Self {
            name: name.into(),
            goal: Goal::Profile(profile),
            hint: Some(1.0),
            victims: Victims::IdleOnly,
            period: 1.0,
            window: None,
        }
    }

    /// Default profile with its defaults.
    pub fn balanced() -> Self {
        Self::of(BALANCED, Profile::Balanced)
    }

    /// Scaler for a workload. The seed sets the time of its first tick: a recording must not be met at the same moments
    /// each time.
    pub fn build(&self, workload: &Workload, world: &World, seed: u64) -> Ours {
        // Multiples of the golden section spread evenly, however many there are.
        let share = (seed as f64 * 0.618_033_988_749_895).fract();
        let mut ours = Ours::new(self.name.clone(), self.policy(workload, world));
        (ours.phase, ours.victims) = (share * self.period, self.victims);
        ours
    }

    fn policy(&self, workload: &Workload, world: &World) -> Policy {
        let hint = self.hint.map(|factor| factor * peers::input::mean_task(workload));
        let target = match self.goal {
            Goal::BacklogOfSlots => TargetRule::Backlog(workload.slots.max(1)),
            Goal::Profile(profile) => TargetRule::Wait(Wait {
                within: duration(workload.wait_target),
                hint: hint.map(duration),
                tuning: profile.tuning(),
            }),
        };
        Policy {
            min: world.min,
            max: world.max,
            schedules: Vec::new(),
            target,
            slots: Some(workload.slots),
            idle: Duration::from_secs(60),
            behavior: Behavior {
                up: None,
                down: self.window.map(|window| Rules {
                    window: Some(duration(window)),
                    select: Select::Max,
                    policies: Vec::new(),
                }),
            },
            fallback: None,
            suspended: false,
            stranded: ("in the broker", "after a while"),
            period: duration(self.period),
        }
    }
}

impl Contestant {
    /// Name with its parameters.
    pub fn name(&self) -> String {
        match self {
            Self::Ours(variant) => variant.name.clone(),
            Self::Peer(configuration) => configuration.name(),
        }
    }

    /// Whether it is one of our variants.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }
}

/// All contestants: our variants first, then every peer's settings.
pub fn contestants() -> Vec<Contestant> {
    let mut all: Vec<_> = ours().into_iter().map(Contestant::Ours).collect();
    all.extend(peers::all().into_iter().map(Contestant::Peer));
    all
}

fn ours() -> Vec<Variant> {
    vec![
        Variant::balanced(),
        Variant::of(ECONOMY, Profile::Economy),
        Variant::of("Responsive", Profile::Responsive),
        // As long as KEDA's and the HPA's own: what calm costs.
        Variant {
            window: Some(300.0),
            ..Variant::of("Balanced, 300 s window", Profile::Balanced)
        },
        Variant {
            hint: None,
            ..Variant::of("Balanced, no hint", Profile::Balanced)
        },
        Variant {
            victims: Victims::Newest,
            ..Variant::of("Balanced, whoever goes", Profile::Balanced)
        },
        Variant {
            goal: Goal::BacklogOfSlots,
            ..Variant::of("backlog = c", Profile::Balanced)
        },
    ]
}

/// KEDA as most users set it up: as many tasks for each replica as it has slots, all else by default.
pub fn stock_keda() -> Contestant {
    let load = Load::PerSlot(1.0, Metric::All);
    Contestant::Peer(Configuration::Keda(KedaSettings::stock(load, WINDOW)))
}

fn duration(seconds: Seconds) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
