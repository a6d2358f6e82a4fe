//! Histories replayed with one thing going wrong: whatever it is, the end is the same, and nothing is written twice.
mod crowds;
mod history;
mod looks;
mod rights;
mod rules;
mod shown;
mod world;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use history::{Event, Failure, Fault, Twist};
use world::World;

fn spec() -> Value {
    json!({"targetRef": {"name": "mail-worker"},
        "broker": {"urlFrom": {"secretKeyRef": {"name": "env", "key": "url"}}},
        "target": {"backlogPerReplica": 10}, "profile": "Responsive", "sampleMilliseconds": 2000, "scaleDown": {"idleSeconds": 20}})
}

/// What happens at which second, and when it ends. Long quiet times in between: a failure may take its time to pass.
type History = (&'static str, u32, &'static [(u64, Event)], u64);

const HISTORIES: &[History] = &[
    (
        "up from nothing and down again",
        0,
        &[(10, Event::Waiting(40)), (90, Event::Waiting(0))],
        120,
    ),
    (
        "somebody else takes the replicas",
        2,
        &[(5, Event::Waiting(20)), (90, Event::Foreign(7))],
        120,
    ),
    (
        "the pool changes while work waits",
        0,
        &[
            (5, Event::Waiting(90)),
            (90, Event::Max(4)),
            (200, Event::Template),
            (240, Event::Suspended(true)),
            (280, Event::Suspended(false)),
        ],
        300,
    ),
];

/// Longer than a process that just began waits before it takes anything away.
const QUIET: u64 = 150;

/// Runs a history to its end.
fn run(history: &History, fault: Fault) -> World {
    let (_, replicas, events, end) = history;
    let mut world = World::new(spec(), *replicas, fault);
    let mut second = 0;
    for (at, event) in *events {
        world.run(at - second);
        world.happens(*event);
        second = *at;
    }
    world.run(end - second);
    // Until everything that is remembered of it has passed.
    world.run(QUIET);
    world
}

/// Everything that may go wrong in this history.
fn faults(clean: &World) -> Vec<Fault> {
    let failures = [
        Failure::Refused(409),
        Failure::Refused(429),
        Failure::Refused(500),
        Failure::Refused(504),
        Failure::Never,
        Failure::Unanswered,
        Failure::Late,
    ];
    let twists = [Twist::Stale, Twist::Missing, Twist::Doubled, Twist::Late];
    let crashes = (1..=clean.effects).map(Fault::Crash);
    let calls = (1..=clean.calls).flat_map(|call| failures.map(|failure| Fault::Call(call, failure)));
    // Samples are many and alike.
    let inputs = (1..=clean.said).filter(|input| clean.watched.contains(input) || input % 16 == 0);
    let inputs = inputs.flat_map(|input| twists.map(|twist| Fault::Input(input, twist)));
    crashes.chain(calls).chain(inputs).collect()
}

#[test]
fn whatever_goes_wrong_once_the_end_and_the_writes_are_those_of_a_history_without_it() {
    let mut plans = BTreeMap::new();
    let mut wrong = Vec::new();
    for history in HISTORIES {
        let clean = run(history, Fault::None);
        println!("{}: writes {:?}, then {}", history.0, clean.writes, clean.end());
        assert!(!clean.writes.is_empty(), "{}: nothing happens", history.0);
        for fault in faults(&clean) {
            let world = run(history, fault);
            *plans.entry(history.0).or_insert(0) += 1;
            // What a process was about to tell when it ended is lost.
            let told = matches!(fault, Fault::Crash(_)) || world.told() == clean.told();
            if (world.end(), &world.writes) != (clean.end(), &clean.writes) || !told {
                wrong.push(format!(
                    "{}, {fault:?}: wrote {:?} instead of {:?}, told {:?}; {}\n  instead of {}",
                    history.0,
                    world.writes,
                    clean.writes,
                    world.told(),
                    world.end(),
                    clean.end()
                ));
            }
        }
    }
    let total: i32 = plans.values().sum();
    println!("{total} plans: {plans:?}");
    assert!(total >= 470, "{plans:?}");
    assert!(
        wrong.is_empty(),
        "{} of {total} plans end otherwise:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
