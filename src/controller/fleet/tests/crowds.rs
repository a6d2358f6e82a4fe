//! What thousands of pools cost at one moment.
use super::{
    super::*,
    rules::{Bench, jobs},
};
use crate::controller::fixture;

/// The pools that these effects are for.
fn pools(effects: &[Effect]) -> BTreeSet<PoolId> {
    let of = |effect: &Effect| match effect {
        Effect::Pool(id, _) => Some(*id),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn who_waits_for_an_answer_is_not_woken_meanwhile() {
    let mut bench = Bench::new(&["mail"]);
    let effects = bench.sample("mail", 300);
    assert_eq!(jobs(&effects).len(), 1);
    let state = bench.fleet.pools.get(bench.id("mail")).unwrap();
    assert!(state.tasks.publishing, "nor is its first status answered");
    // As where thousands wait for the API server. The count goes stale meanwhile, no more.
    let mut woken = 0;
    let end = bench.now().moment + Duration::from_secs(10);
    while let Some(due) = bench.fleet.next_wake().filter(|due| *due < end) {
        bench.second = due.as_secs() + 1;
        let now = bench.now();
        bench.fleet.wake_due(now);
        woken += 1;
    }
    assert!(woken <= 5, "{woken} times in ten seconds");
}

#[test]
fn however_many_are_due_what_happens_is_heard_between_them() {
    let names: Vec<_> = (0..300).map(|number| format!("p{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&names);
    bench.second += 1_000;
    let gone = bench.on(Input::PoolGone(fixture::key("p7")));
    assert!(pools(&gone).len() <= AT_ONCE + 1, "{} pools", pools(&gone).len());
    let now = bench.now();
    assert!(
        bench.fleet.next_wake().is_some_and(|due| due <= now.moment),
        "the others"
    );
    let (mut all, mut turns) = (pools(&gone), 0);
    while bench.fleet.next_wake().is_some_and(|due| due <= now.moment) {
        all.extend(pools(&bench.fleet.wake_due(now)));
        turns += 1;
    }
    assert_eq!((all.len(), turns), (300, 4), "each once");
}
