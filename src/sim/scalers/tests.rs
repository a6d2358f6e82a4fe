//! Our policy in the simulator: what it sees, and what it does when things go wrong.
//!
//! | file | what goes wrong |
//! |---|---|
//! | `outages.rs` | the broker cannot be read |
//! | `counter.rs` | the workers' counter starts again from 0 |
//! | `pods.rs` | pods crash, or wait for nodes |
//! | `purges.rs` | a full queue is emptied |
//! | `watch.rs` | the recorder that all of them use |

mod counter;
mod outages;
mod pods;
mod purges;
mod watch;

use super::*;
use crate::scaling::TargetRule;
use crate::sim::{engine::run, workloads, world::World};

fn policy() -> Policy {
    Policy {
        stranded: ("", ""),
        min: 1,
        max: 200,
        schedules: Vec::new(),
        target: TargetRule::Backlog(4),
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
    assert_eq!(work.oldest, None);
    let stamped = Seen {
        stamped: true,
        ..seen.clone()
    };
    let Reading::Fresh(work) = observation(&stamped).reading else {
        panic!("{stamped:?}");
    };
    assert_eq!(work.oldest, Some(Since::Published(wall(10.5))));
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
