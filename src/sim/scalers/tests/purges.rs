//! A full queue is emptied: the workers for it are not needed any more, and what is left of it must not be imagined.
use super::watch::*;
use crate::sim::World;

/// S1's batches come at 900 s and at 3486 s.
const NEXT: f64 = 3486.0;

#[test]
fn a_purged_queue_needs_no_workers() {
    let workload = burst(4200.0);
    for profile in PROFILES {
        let clear = watch(&workload, &World::default(), profile);
        // While the pods for it start, just before they are ready, and while they are at it.
        for at in [906.0, 915.0, 930.0] {
            let name = format!("{profile:?}, purged at {at} s");
            let world = World {
                purges: vec![at],
                ..World::default()
            };
            let watched = watch(&workload, &world, profile);
            assert!(watched.run.purged > 900, "{name}: {} tasks", watched.run.purged);
            assert_eq!(watched.run.killed, 0, "{name}");
            let before = watched.most(at - 1.0, at);
            let after = watched.most(at + 1.0, at + 60.0);
            assert!(after <= before, "{name}: up from {before} to {after}");
            // A surplus window later all go but those that still run something, and those with them one by one.
            let surplus = profile.tuning().surplus.as_secs_f64();
            let (soon, later) = (
                watched.most(at + surplus + 5.0, at + surplus + 6.0),
                watched.most(at + 60.0, at + 65.0),
            );
            assert!(2 * soon <= before && later <= 6, "{name}: {before}, {soon}, {later}");
            // The next batch is served as without a purge.
            let longest = watched.longest_wait(NEXT, f64::INFINITY);
            assert!(longest < 1.05 * workload.wait_target, "{name}: {longest} s");
            let (most, usual) = (watched.most(NEXT, 4200.0), clear.most(NEXT, 4200.0));
            assert!(10 * most <= 11 * usual, "{name}: {most} replicas instead of {usual}");
        }
    }
}
