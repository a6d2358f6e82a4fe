//! Runs of our policy in which each decision is recorded.
use super::super::*;
use crate::{
    scaling::{Behavior, Profile, TargetRule, Wait},
    sim::{Run, Workload, World, run, workloads},
};

pub(super) const PROFILES: [Profile; 3] = [Profile::Economy, Profile::Balanced, Profile::Responsive];

/// Seed of the pods' start-up times.
const SEED: u64 = 1;

/// Record of one decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecisionRecord {
    pub(super) at: Seconds,
    pub(super) blind: bool,
    /// Number of replicas before the decision.
    pub(super) replicas: u32,
    pub(super) oldest_wait: Seconds,
    /// Number of replicas decided on.
    pub(super) wanted: u32,
    /// Estimated duration of a task.
    pub(super) service: Option<f64>,
}

impl DecisionRecord {
    pub(super) fn lowers(&self) -> bool {
        self.wanted < self.replicas
    }

    pub(super) fn raises(&self) -> bool {
        self.wanted > self.replicas
    }
}

/// Run with all its decisions.
pub(super) struct RecordedRun {
    pub(super) run: Run,
    pub(super) records: Vec<DecisionRecord>,
}

impl RecordedRun {
    /// Decisions of a period, its end excluded.
    pub(super) fn between(&self, from: Seconds, to: Seconds) -> impl Iterator<Item = &DecisionRecord> {
        self.records
            .iter()
            .filter(move |observe| (from..to).contains(&observe.at))
    }

    /// Largest number of replicas that was wanted in a period.
    pub(super) fn most(&self, from: Seconds, to: Seconds) -> u32 {
        self.between(from, to).map(|observe| observe.wanted).max().unwrap_or(0)
    }

    /// Longest time that the head of the queue was seen to have waited in a period.
    pub(super) fn longest_wait(&self, from: Seconds, to: Seconds) -> Seconds {
        self.between(from, to)
            .map(|observe| observe.oldest_wait)
            .fold(0.0, f64::max)
    }
}

/// Runs a workload with our policy. Any pod may go, busy ones last: if none is killed, that is the rule's own merit.
pub(super) fn watch(workload: &Workload, world: &World, profile: Profile) -> RecordedRun {
    let mut eye = Eye {
        ours: Ours {
            victims: Victims::LeastBusy,
            ..Ours::new("ours", policy(workload, world, profile))
        },
        records: Vec::new(),
    };
    let run = run(workload, world, &mut eye, SEED, false);
    RecordedRun {
        run,
        records: eye.records,
    }
}

fn policy(workload: &Workload, world: &World, profile: Profile) -> Policy {
    Policy {
        stranded: ("", ""),
        min: world.min,
        max: world.max,
        schedules: Vec::new(),
        target: TargetRule::Wait(Wait {
            within: Duration::from_secs_f64(workload.wait_target),
            hint: None,
            tuning: profile.tuning(),
        }),
        slots: Some(workload.slots),
        idle: Duration::from_secs(60),
        behavior: Behavior::default(),
        fallback: None,
        suspended: false,
        period: Duration::from_secs(1),
    }
}

/// S1 up to this time: a trickle, and 15 min after the start a batch; its wait target is 60 s.
pub(super) fn burst(until: Seconds) -> Workload {
    first(workloads::burst(1), until)
}

/// S3 up to this time: 1 task/s, after 20 min 10 tasks/s, and so on in turn; its wait target is 30 s.
pub(super) fn steps(until: Seconds) -> Workload {
    first(workloads::steps(1), until)
}

fn first(mut workload: Workload, until: Seconds) -> Workload {
    workload.tasks.retain(|task| task.arrival < until);
    workload
}

struct Eye {
    ours: Ours,
    records: Vec<DecisionRecord>,
}

impl Scaler for Eye {
    fn name(&self) -> String {
        self.ours.name()
    }

    fn period(&self) -> Seconds {
        self.ours.period()
    }

    fn victims(&self) -> Victims {
        self.ours.victims()
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        let decision = self.ours.observe(seen);
        self.records.push(DecisionRecord {
            at: seen.now,
            blind: seen.broker_down,
            replicas: seen.replicas,
            oldest_wait: seen.oldest_wait,
            wanted: decision.replicas,
            service: decision.estimates.and_then(|estimates| estimates.task),
        });
        Some(decision.replicas)
    }
}
