//! Policy of this operator, as a [`Scaler`].
#![deny(clippy::disallowed_methods)]
use super::{Scaler, Seconds, Seen, Victims};
use crate::scaling::{
    Counted, Decision, Memory, Observation, Policy, Reading, SampleError, Since, Trouble, Work, decide,
};
use jiff::Timestamp;
use std::time::Duration;

/// Scaler that calls [`decide`] as the controller does: with one observation a tick, and the memory of the last one.
#[derive(Clone, Debug)]
pub struct Ours {
    /// Name in tables.
    pub name: String,
    /// Policy of the pool. Its `period` is the time between two ticks.
    pub policy: Policy,
    /// Time of the first tick, in seconds.
    pub phase: Seconds,
    /// Order in which pods go when it scales down.
    pub victims: Victims,
    /// Reasons of the condition `TargetFeasible`, in the order in which they came up.
    pub diagnoses: Vec<&'static str>,
    memory: Memory,
}

impl Ours {
    /// Scaler for a pool that removes idle pods only and has not seen anything yet.
    pub fn new(name: impl Into<String>, policy: Policy) -> Self {
        Self {
            name: name.into(),
            policy,
            phase: 0.0,
            victims: Victims::IdleOnly,
            diagnoses: Vec::new(),
            memory: Memory::default(),
        }
    }

    /// Observes and decides.
    fn observe(&mut self, seen: &Seen) -> Decision {
        let (memory, decision) = decide(&self.policy, std::mem::take(&mut self.memory), &observation(seen));
        self.memory = memory;
        if let Some(reason) = decision.trouble.map(Trouble::reason)
            && !self.diagnoses.contains(&reason)
        {
            self.diagnoses.push(reason);
        }
        decision
    }
}

impl Scaler for Ours {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn period(&self) -> Seconds {
        self.policy.period.as_secs_f64()
    }

    fn phase(&self) -> Seconds {
        self.phase
    }

    fn victims(&self) -> Victims {
        self.victims
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        Some(self.observe(seen).replicas).filter(|replicas| *replicas != seen.replicas)
    }
}

/// Observation of the controller.
pub fn observation(seen: &Seen) -> Observation {
    Observation {
        now: duration(seen.now),
        wall: wall(seen.now),
        reading: reading(seen),
        counted: Counted::at(duration(seen.now)),
        replicas: seen.replicas,
        ready: seen.ready,
        rollout: false,
        // The simulated pods go only when they are idle.
        drains: false,
        busy_pods: seen.ready.saturating_sub(seen.idle),
        workers_heard: true,
        reports_often: true,
        silent_pods: 0,
        slots: None,
        processed: Some(seen.taken).filter(|_| !seen.uncounted && !seen.broker_down),
        next_due_in: None,
    }
}

fn reading(seen: &Seen) -> Reading {
    if seen.broker_down {
        let why = SampleError::Timeout;
        return Reading::Unknown { why };
    }
    Reading::Fresh(Work {
        ready: seen.waiting,
        in_flight: seen.in_flight,
        running: seen.running,
        oldest: (seen.stamped && seen.waiting > 0).then(|| Since::Published(wall(seen.now - seen.oldest_wait))),
        ..Work::default()
    })
}

/// Time on the wall clock. The world has no calendar: it begins with the epoch.
fn wall(now: Seconds) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(duration(now)).unwrap_or_default()
}

fn duration(seconds: Seconds) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
