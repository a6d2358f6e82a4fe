//! Pods crash, or wait for nodes: more of them would not help, and one bad hour teaches nothing for the next.
use super::watch::*;
use crate::sim::{NodeLimit, Span, Workload, World};

/// Length of a time in which no pod becomes ready, in seconds: ten minutes.
const LONG: f64 = 600.0;
/// Seconds after the rise of the load from which no pod that was ordered for it should still be missing.
const LATE: f64 = 120.0;
/// Number of replicas that is more than the work of the first two minutes needs; the world would allow 200.
const MANY: u32 = 70;

/// S1 and S3, and when their load first rises and when it does so again.
fn cases() -> [(Workload, f64, f64); 2] {
    [(burst(4200.0), 900.0, 3486.0), (steps(4800.0), 1200.0, 3600.0)]
}

fn crashing(from: f64) -> World {
    World {
        crash_loops: vec![Span { from, to: from + LONG }],
        ..World::default()
    }
}

#[test]
fn while_pods_crash_no_more_are_ordered() {
    for (workload, rise, _) in cases() {
        for profile in PROFILES {
            let name = format!("{}, {profile:?}", workload.name);
            let watched = watch(&workload, &crashing(rise - 10.0), profile);
            let end = rise - 10.0 + LONG;
            let more = watched.between(rise + LATE, end).find(|record| record.raises());
            assert!(more.is_none(), "{name}: {more:?}");
            let down = watched.between(rise, end).find(|record| record.lowers());
            assert!(down.is_none(), "{name}: work waits, and yet {down:?}");
            let most = watched.most(0.0, end);
            assert!(most < MANY, "{name}: {most} replicas");
            // Served by all of them at once, as soon as they can.
            let caught_up = watched.longest_wait(end + 120.0, end + 600.0);
            assert!(caught_up < 1.1 * workload.wait_target, "{name}: {caught_up} s");
            assert_eq!(watched.run.killed, 0, "{name}");
        }
    }
}

/// What the crashing pods took says nothing of the pods that come an hour later.
#[test]
fn after_a_crash_loop_the_next_rise_is_served_as_ever() {
    for (workload, rise, again) in cases() {
        for profile in PROFILES {
            let name = format!("{}, {profile:?}", workload.name);
            let clear = watch(&workload, &World::default(), profile);
            let watched = watch(&workload, &crashing(rise - 10.0), profile);
            let longest = watched.longest_wait(again, f64::INFINITY);
            assert!(longest < 1.1 * workload.wait_target, "{name}: {longest} s");
            let (most, usual) = (watched.most(again, again + 300.0), clear.most(again, again + 300.0));
            assert!(most <= 2 * usual, "{name}: {most} replicas instead of {usual}");
        }
    }
}

#[test]
fn pods_that_wait_for_nodes_are_not_ordered_again() {
    for (workload, rise, _) in cases() {
        for profile in PROFILES {
            let name = format!("{}, {profile:?}", workload.name);
            let few = World {
                nodes: Some(NodeLimit { room: 4, delay: LONG }),
                ..World::default()
            };
            let watched = watch(&workload, &few, profile);
            let more = watched.between(rise + LATE, rise + LONG).find(|record| record.raises());
            assert!(more.is_none(), "{name}: {more:?}");
            let most = watched.most(0.0, rise + LONG + 300.0);
            assert!(most < MANY, "{name}: {most} replicas");
        }
    }
}
