//! A full queue is emptied: the workers for it are not needed any more, and what is left of it must not be imagined.
use super::watch::*;
use crate::sim::{Task, World};

/// Time of the next batch: S1's batches come at 900 s and at 3486 s.
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
            assert!(
                5 * soon <= 3 * before && later <= 6,
                "{name}: {before}, {soon}, {later}"
            );
            // The next batch is served as without a purge.
            let longest = watched.longest_wait(NEXT, f64::INFINITY);
            assert!(longest < 1.05 * workload.wait_target, "{name}: {longest} s");
            let (most, usual) = (watched.most(NEXT, 4200.0), clear.most(NEXT, 4200.0));
            assert!(4 * most <= 5 * usual, "{name}: {most} replicas instead of {usual}");
        }
    }
}

/// What was purged must not be taken for what comes next: that would seem to have waited since then.
#[test]
fn a_batch_soon_after_a_purge_counts_from_its_own_time() {
    const LATER: f64 = 120.0;
    let mut first_only = burst(1800.0);
    let of_batch = |task: &&Task| (900.0..905.0).contains(&task.arrival);
    let second: Vec<_> = first_only.tasks.iter().filter(of_batch).copied().collect();
    let second = second.into_iter().map(|task| Task {
        arrival: task.arrival + LATER,
        ..task
    });
    let mut both = first_only.clone();
    both.tasks.extend(second);
    both.tasks.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    first_only.tasks.retain(|task| task.arrival < 1020.0);
    let purged = World {
        purges: vec![906.0],
        ..World::default()
    };
    for profile in PROFILES {
        let once = watch(&first_only, &World::default(), profile).most(900.0, 1000.0);
        let watched = watch(&both, &purged, profile);
        let again = watched.most(900.0 + LATER, 1800.0);
        assert!(5 * again <= 6 * once, "{profile:?}: {again} replicas instead of {once}");
        let longest = watched.longest_wait(900.0 + LATER, f64::INFINITY);
        assert!(longest < 1.05 * both.wait_target, "{profile:?}: {longest} s");
    }
}
