//! How often the pods on their way out are looked at: each look lists them.
use super::{
    super::*,
    rules::{Bench, jobs, stopping},
};
use crate::{
    controller::{
        effect::{Job, ScaleOutcome},
        fixture,
        ownership::Change,
    },
    drain::Plan,
};

/// A pool that is to go down, and one of whose workers was told to stop and runs a task still.
fn waiting() -> Bench {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
    bench
}

/// Number of examinations within these seconds, with these tasks running on the three workers; each finds the same.
fn looks(bench: &mut Bench, seconds: u64, running: impl Fn(u64) -> [u32; 3]) -> Vec<u64> {
    let mut looks = Vec::new();
    for second in 0..seconds {
        bench.second += 1;
        let effects = bench.idle_of("mail", running(second));
        let lowers = |job: &Job| job.to < job.from || job.unfinished;
        if jobs(&effects).iter().any(lowers) {
            looks.push(second);
            bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(stopping("mail")));
        }
    }
    looks
}

#[test]
fn a_drain_that_waits_for_hours_lists_the_pods_twice_a_minute() {
    let mut bench = waiting();
    looks(&mut bench, 120, |_| [1, 1, 1]);
    let hour = looks(&mut bench, 3600, |_| [1, 1, 1]).len();
    assert!((100..=130).contains(&hour), "{hour} looks in an hour");
    // What the others do is none of its business.
    let busy = looks(&mut bench, 3600, |second| [1, 1 + (second % 3) as u32, 1]).len();
    assert!((100..=130).contains(&busy), "{busy} looks in an hour");
}

#[test]
fn what_ends_is_looked_at_at_once_and_for_a_while_often() {
    let mut bench = waiting();
    looks(&mut bench, 600, |_| [1, 1, 1]);
    let after = looks(&mut bench, 20, |_| [0, 1, 1]);
    assert_eq!(after.first(), Some(&0), "{after:?}");
    assert!(after.len() >= 8, "it has to settle: {after:?}");
    // A pod came or went.
    looks(&mut bench, 600, |_| [0, 1, 1]);
    let Input::Target(key, mut target) = fixture::target("mail", 3, 1) else {
        panic!("a target");
    };
    target.version = 2;
    let effects = bench.on(Input::Target(key, target));
    let effects = bench.resolved("mail", effects);
    assert_eq!(jobs(&effects).len(), 1, "{effects:?}");
}

#[test]
fn a_pod_that_ends_is_looked_at_before_its_node_kills_it() {
    let mut bench = waiting();
    looks(&mut bench, 600, |_| [1, 1, 1]);
    let ends = bench.now().wall + Duration::from_secs(45);
    let ending = || Plan {
        ends: Some(ends),
        ..stopping("mail")
    };
    let mut last = 0;
    for second in 0..45 {
        bench.second += 1;
        let effects = bench.idle_of("mail", [1, 1, 1]);
        if !jobs(&effects).is_empty() {
            last = second;
            bench.ended("mail", ScaleOutcome::Held { kept: 3 }, Some(ending()));
        }
    }
    assert!((42..=44).contains(&last), "after {last} s");
}

/// The ReplicaSet controller may see the number before it sees the marks.
#[test]
fn nothing_is_lowered_right_after_pods_were_marked() {
    let mut bench = waiting();
    let fewer_go = bench.sample("mail", 20);
    assert!(jobs(&fewer_go).is_empty(), "{fewer_go:?}");
    bench.second += 1;
    let effects = bench.sample("mail", 20);
    assert_eq!(jobs(&effects).first().map(|job| (job.from, job.to)), Some((3, 2)));
}

#[test]
fn where_watches_are_behind_marks_get_more_time() {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    let change = Change {
        from: 3,
        to: 2,
        kept: 2,
    };
    bench.ended(
        "mail",
        ScaleOutcome::Written { change, version: 2 },
        Some(stopping("mail")),
    );
    bench.second += 3;
    let Input::Target(key, mut target) = fixture::target("mail", 2, 1) else {
        panic!("a target");
    };
    (target.version, target.ready) = (2, 3);
    let shown = bench.on(Input::Target(key, target));
    let shown = bench.resolved("mail", shown);
    assert_eq!(jobs(&shown).len(), 1, "{shown:?}");
    bench.ended("mail", ScaleOutcome::Held { kept: 2 }, Some(stopping("mail")));
    // What it held ends at once.
    let looks = looks(&mut bench, 14, |_| [0, 1, 1]);
    assert_eq!(looks, [5, 11], "twice the three seconds");
}
