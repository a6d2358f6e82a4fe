//! The workers' counter starts again from 0: that is no work done backwards, and no work at all.
use super::watch::*;
use crate::sim::{Span, Workload, World};

fn resets(at: &[f64]) -> World {
    World {
        counter_resets: at.to_vec(),
        ..World::default()
    }
}

/// Largest error of the estimated task duration, as a share.
fn error(watched: &RecordedRun, clear: &RecordedRun) -> f64 {
    let pairs = watched.records.iter().zip(&clear.records);
    let errors = pairs.filter_map(|(a, b)| Some((a.service? / b.service? - 1.0).abs()));
    errors.fold(0.0, f64::max)
}

/// The cost is that of the run without it, within a share.
fn costs_the_same(watched: &RecordedRun, clear: &RecordedRun, share: f64, name: &str) {
    let (found, expected) = (watched.run.pod_hours, clear.run.pod_hours);
    assert!(
        (found / expected - 1.0).abs() < share,
        "{name}: {found} h instead of {expected} h"
    );
}

#[test]
fn a_counter_that_starts_again_moves_nothing() {
    let cases: [(Workload, &[f64]); 2] = [
        (burst(3600.0), &[600.0, 905.0, 1800.0]),
        (steps(3600.0), &[600.0, 1205.0, 1800.0]),
    ];
    for (workload, times) in &cases {
        for profile in PROFILES {
            let clear = watch(workload, &World::default(), profile);
            for at in *times {
                let name = format!("{}, {profile:?}, reset at {at} s", workload.name);
                let watched = watch(workload, &resets(&[*at]), profile);
                costs_the_same(&watched, &clear, 0.03, &name);
                let error = error(&watched, &clear);
                assert!(error < 0.05, "{name}: a task's time is wrong by {error}");
                let pairs = watched.records.iter().zip(&clear.records);
                let jump = pairs
                    .filter(|(record, _)| (*at..at + 60.0).contains(&record.at))
                    .map(|(a, b)| a.wanted.abs_diff(b.wanted))
                    .max();
                assert!(jump <= Some(3), "{name}: off by {jump:?} replicas");
                assert!(watched.run.waits.late <= clear.run.waits.late + 0.005, "{name}");
            }
        }
    }
}

#[test]
fn a_counter_that_never_gets_far_costs_a_few_percent() {
    let often: Vec<_> = (1..120).map(|n| 30.0 * f64::from(n)).collect();
    for workload in [burst(3600.0), steps(3600.0)] {
        for profile in PROFILES {
            let name = format!("{}, {profile:?}", workload.name);
            let clear = watch(&workload, &World::default(), profile);
            let watched = watch(&workload, &resets(&often), profile);
            costs_the_same(&watched, &clear, 0.05, &name);
            let error = error(&watched, &clear);
            assert!(error < 0.1, "{name}: a task's time is wrong by {error}");
        }
    }
}

/// After a gap the counter has fallen while much was done.
#[test]
fn a_counter_may_start_again_unseen() {
    let workload = steps(3600.0);
    let dark = World {
        outages: vec![Span {
            from: 1500.0,
            to: 1560.0,
        }],
        ..World::default()
    };
    let both = World {
        counter_resets: vec![1530.0],
        ..dark.clone()
    };
    for profile in PROFILES {
        let (clear, watched) = (watch(&workload, &dark, profile), watch(&workload, &both, profile));
        let name = format!("{profile:?}");
        costs_the_same(&watched, &clear, 0.03, &name);
        let jump = watched.most(1560.0, 1620.0).abs_diff(clear.most(1560.0, 1620.0));
        assert!(jump <= 3, "{name}: off by {jump} replicas");
    }
}
