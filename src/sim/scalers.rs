//! The policy of this operator, as a [`Scaler`].
#![deny(clippy::disallowed_methods)]
use super::{Scaler, Seconds, Seen, Victims};
use crate::scaling::{Counted, Memory, Observation, Policy, Reading, SampleError, Since, Trouble, Work, decide};
use jiff::Timestamp;
use std::time::Duration;

/// [`decide`], asked as the controller asks it: with one observation a tick, and the memory of the last one.
#[derive(Clone, Debug)]
pub struct Ours {
    /// Its name in tables.
    pub name: String,
    /// What the pool wishes. Its `period` is how often this scaler looks.
    pub policy: Policy,
    /// When it looks first, in seconds.
    pub phase: Seconds,
    /// Who goes when it scales down.
    pub victims: Victims,
    /// What the status would have said to keep the target from being met, in the order in which it came up.
    pub told: Vec<&'static str>,
    memory: Memory,
}

impl Ours {
    /// A pool that removes idle pods only and has not seen anything yet.
    pub fn new(name: impl Into<String>, policy: Policy) -> Self {
        Self {
            name: name.into(),
            policy,
            phase: 0.0,
            victims: Victims::IdleOnly,
            told: Vec::new(),
            memory: Memory::default(),
        }
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
        let (memory, decision) = decide(&self.policy, std::mem::take(&mut self.memory), &observation(seen));
        self.memory = memory;
        if let Some(reason) = decision.trouble.map(Trouble::reason)
            && !self.told.contains(&reason)
        {
            self.told.push(reason);
        }
        Some(decision.replicas).filter(|replicas| *replicas != seen.replicas)
    }
}

/// What the controller would have observed.
pub fn observation(seen: &Seen) -> Observation {
    Observation {
        now: duration(seen.now),
        wall: wall(seen.now),
        reading: reading(seen),
        counted: Counted::at(duration(seen.now)),
        replicas: seen.replicas,
        ready: seen.ready,
        rollout: false,
        busy_pods: seen.ready.saturating_sub(seen.idle),
        workers_heard: true,
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
        oldest: (seen.stamped && seen.waiting > 0).then(|| Since::Told(wall(seen.now - seen.oldest_wait))),
        ..Work::default()
    })
}

/// The world has no calendar: it begins with the epoch.
fn wall(now: Seconds) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(duration(now)).unwrap_or_default()
}

fn duration(seconds: Seconds) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Target;
    use crate::sim::{engine::run, workloads, world::World};

    fn policy() -> Policy {
        Policy {
            min: 1,
            max: 200,
            schedules: Vec::new(),
            target: Target::Backlog(4),
            slots: Some(4),
            idle: Duration::from_secs(60),
            behavior: Default::default(),
            fallback: None,
            suspended: false,
            period: Duration::from_secs(2),
        }
    }

    #[test]
    fn it_tells_the_core_what_is_seen() {
        let seen = Seen {
            now: 12.5,
            waiting: 3,
            in_flight: 7,
            running: 5,
            completed: 35,
            taken: 40,
            replicas: 4,
            ready: 3,
            idle: 1,
            oldest_wait: 2.0,
            ..Seen::default()
        };
        let told = observation(&seen);
        assert_eq!(told.now, Duration::from_millis(12_500));
        assert_eq!(
            (told.replicas, told.ready, told.busy_pods, told.processed),
            (4, 3, 2, Some(40))
        );
        let Reading::Fresh(work) = told.reading else {
            panic!("{told:?}");
        };
        assert_eq!((work.ready, work.in_flight, work.running), (3, 7, 5));
        assert_eq!(
            work.oldest, None,
            "as in an application that does not say when it publishes"
        );
        let stamped = Seen {
            stamped: true,
            ..seen.clone()
        };
        let Reading::Fresh(work) = observation(&stamped).reading else {
            panic!("{stamped:?}");
        };
        assert_eq!(work.oldest, Some(Since::Told(wall(10.5))));
        let blind = Seen {
            broker_down: true,
            ..seen.clone()
        };
        assert!(matches!(observation(&blind).reading, Reading::Unknown { .. }));
        let uncounted = Seen {
            uncounted: true,
            ..seen
        };
        assert_eq!(observation(&uncounted).processed, None);
    }

    #[test]
    fn it_serves_a_workload_and_kills_nothing() {
        let workload = workloads::sparse(3);
        let mut ours = Ours::new(
            "ours",
            Policy {
                slots: Some(1),
                ..policy()
            },
        );
        let run = run(&workload, &World::default(), &mut ours, 3, false);
        assert_eq!(run.tasks, workload.tasks.len() as u64);
        assert_eq!((run.killed, run.redelivered, run.lost), (0, 0, 0));
        assert!(run.actions > 24 && run.waits.late < 0.2, "{run:?}");
    }
}
