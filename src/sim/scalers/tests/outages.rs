//! The broker cannot be read: nothing goes down on a guess, and the work that came meanwhile is caught up with.
use super::watch::*;
use crate::{
    scaling::Profile,
    sim::{Span, Workload, World},
};
use std::sync::LazyLock;

/// Run with one outage.
struct Outage {
    name: String,
    profile: Profile,
    target: f64,
    dark: Span,
    watched: RecordedRun,
}

/// S1's batch comes at 900 s, and its pods are ready at 930 s; S3's rate rises at 1200 s and falls at 2400 s.
static CASES: LazyLock<Vec<Outage>> = LazyLock::new(|| {
    let (burst, steps) = (burst(3600.0), steps(3600.0));
    let dark: [(&Workload, &str, f64, f64); 7] = [
        (&burst, "from the start", 0.0, 120.0),
        (&burst, "at rest", 300.0, 600.0),
        (&burst, "at the peak of a batch", 902.0, 1022.0),
        (&burst, "while a batch is worked off", 930.0, 1230.0),
        (&steps, "from the start", 0.0, 120.0),
        (&steps, "when the rate rises", 1190.0, 1310.0),
        (&steps, "when the rate falls", 2390.0, 2690.0),
    ];
    let cases = dark.iter().flat_map(|(workload, when, from, to)| {
        PROFILES.map(|profile| {
            let dark = Span { from: *from, to: *to };
            let world = World {
                outages: vec![dark],
                ..World::default()
            };
            Outage {
                name: format!("{}, {profile:?}, dark {when}", workload.name),
                profile,
                target: workload.wait_target,
                dark,
                watched: watch(workload, &world, profile),
            }
        })
    });
    cases.collect()
});

#[test]
fn blind_it_changes_nothing() {
    for case in CASES.iter() {
        let Span { from, to } = case.dark;
        let (mut records, name) = (0, &case.name);
        for record in case.watched.between(from, to) {
            assert!(record.blind && record.wanted == record.replicas, "{name}: {record:?}");
            records += 1;
        }
        assert!(records > 100, "{name}: only {records} records");
    }
}

#[test]
fn nothing_goes_down_before_the_windows_are_full_again() {
    let mut soon = 0;
    for case in CASES.iter() {
        let (end, trim) = (case.dark.to, case.profile.tuning().trim.as_secs_f64());
        let early = case.watched.between(end, end + trim).find(|record| record.lowers());
        assert!(early.is_none(), "{}: {early:?}", case.name);
        let mut after = case.watched.between(end + trim, end + trim + 5.0);
        soon += u32::from(after.any(|record| record.lowers()));
    }
    assert!(soon > 3, "only {soon} of them had something to take down");
}

#[test]
fn no_task_waits_longer_than_the_blind_time_explains() {
    for case in CASES.iter() {
        let (Span { from, to }, target, name) = (case.dark, case.target, &case.name);
        let longest = case.watched.run.waits.max;
        assert!(longest < to - from + 1.1 * target, "{name}: {longest} s");
        let afterwards = case.watched.longest_wait(to + 60.0, f64::INFINITY);
        assert!(afterwards < 1.1 * target, "{name}: {afterwards} s when all was over");
        assert_eq!(case.watched.run.killed, 0, "{name}");
    }
}

/// Readings that come and go fill no window: what is there stays, and a batch is still served.
#[test]
fn a_broker_that_comes_and_goes_takes_nothing_down() {
    let workload = burst(2400.0);
    let dark = |n| Span {
        from: 600.0 + 20.0 * f64::from(n),
        to: 610.0 + 20.0 * f64::from(n),
    };
    let world = World {
        outages: (0..90).map(dark).collect(),
        ..World::default()
    };
    for profile in PROFILES {
        let watched = watch(&workload, &world, profile);
        let down = watched.between(600.0, 2400.0).find(|record| record.lowers());
        assert!(down.is_none(), "{profile:?}: {down:?}");
        let longest = watched.run.waits.max;
        assert!(
            longest < 1.1 * (workload.wait_target + 10.0),
            "{profile:?}: {longest} s"
        );
    }
}
