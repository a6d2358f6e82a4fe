//! How long a decision takes in a pool that is busy all the time: each sample says something new, and the windows, the
//! arrival curve and the rate's bins are full. `make bench-decide`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use std::{hint::black_box, mem, time::Duration};
use taskworkerpool::scaling::{
    Behavior, Counted, Decision, Memory, Observation, Policy, Profile, Reading, Schedule, Since, TargetRule, Wait,
    Work, decide,
};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything is remembered.
const PAST: u32 = 7200;

fn policy(target: TargetRule) -> Policy {
    Policy {
        stranded: ("", ""),
        min: 1,
        max: 200,
        schedules: Vec::new(),
        target,
        slots: Some(4),
        idle: Duration::from_secs(60),
        behavior: Behavior::default(),
        fallback: None,
        suspended: false,
        period: SECOND,
    }
}

fn wait() -> TargetRule {
    TargetRule::Wait(Wait {
        within: Duration::from_secs(60),
        hint: Some(Duration::from_secs(4)),
        tuning: Profile::Balanced.tuning(),
    })
}

fn schedules() -> Vec<Schedule> {
    let office = |name, zone| Schedule::new(name, "0 8 * * 1-5", "30 18 * * 1-5", zone, 5).unwrap();
    vec![
        office("berlin", "Europe/Berlin"),
        office("tokyo", "Asia/Tokyo"),
        Schedule::new("month-end", "0 22 28-31 * *", "0 6 1 * *", "UTC", 20).unwrap(),
    ]
}

/// A pool and its world: about ten tasks a second of four seconds each, looked at once a second.
struct Pool {
    policy: Policy,
    memory: Memory,
    seen: Observation,
    looks: u32,
}

impl Pool {
    fn new(policy: Policy) -> Self {
        let mut pool = Self {
            policy,
            memory: Memory::default(),
            seen: Observation {
                now: Duration::ZERO,
                wall: "2026-01-05T07:00:00Z".parse().unwrap(),
                reading: Reading::Fresh(Work::default()),
                counted: Counted::at(Duration::ZERO),
                replicas: 12,
                ready: 12,
                rollout: false,
                drains: false,
                busy_pods: 12,
                workers_heard: true,
                reports_often: true,
                silent_pods: 0,
                slots: Some(4),
                processed: Some(0),
                next_due_in: None,
            },
            looks: 0,
        };
        for _ in 0..PAST {
            pool.look();
        }
        pool
    }

    /// A second passes, and a decision is made.
    fn look(&mut self) -> Decision {
        self.looks += 1;
        let seen = &mut self.seen;
        seen.now += SECOND;
        seen.wall += SECOND;
        seen.counted = Counted::at(seen.now);
        // Some noise that repeats itself after a while.
        let noise = u64::from(self.looks * 7 % 23);
        seen.processed = seen.processed.map(|taken| taken + 8 + noise % 5);
        seen.reading = Reading::Fresh(Work {
            ready: 40 + noise,
            in_flight: 44,
            running: 40 + noise % 5,
            oldest: Some(Since::Published(seen.wall - SECOND * 4)),
            ..Work::default()
        });
        let (memory, decision) = decide(&self.policy, mem::take(&mut self.memory), &self.seen);
        self.memory = memory;
        decision
    }
}

fn decisions(criterion: &mut Criterion) {
    let with_schedules = Policy {
        schedules: schedules(),
        ..policy(wait())
    };
    for (name, policy) in [
        ("wait target", policy(wait())),
        ("backlog target", policy(TargetRule::Backlog(4))),
        ("wait target and schedules", with_schedules),
    ] {
        let mut pool = Pool::new(policy);
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(pool.look())));
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
