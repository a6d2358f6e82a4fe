//! Rights that are missing, or are taken away while the process works.

use serde_json::json;

use super::super::*;
use super::rules::{Bench, has, jobs, spec};
use crate::controller::{fixture, input::Done};

/// Reason for which a pool is told not to be ready, with its message.
fn told(effects: &[Effect]) -> Option<String> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Pool(_, PoolEffect::WriteStatus(_, status)) => {
            let ready = status.conditions.iter().find(|one| one.kind == "Ready")?;
            Some(format!("{}: {}", ready.reason, ready.message))
        }
        _ => None,
    })
}

fn refuses(kind: WorkloadKind) -> Input {
    Input::WatchFailed(Watched::Targets(kind), None, CallError::Refused { code: 403 })
}

#[test]
fn what_cannot_be_watched_any_more_is_left_alone() {
    let mut bench = Bench::new(&["mail"]);
    bench.until_down("mail");
    // The status that is being written would keep the next one waiting.
    let id = bench.fleet.pools.id(&fixture::key("mail")).unwrap();
    bench.on(Input::Done(id, Done::Published(Err(CallError::Timeout))));
    let effects = bench.on(refuses(WorkloadKind::StatefulSet));
    assert!(
        told(&effects).is_none_or(|text| !text.contains("Unreadable")),
        "{effects:?}"
    );
    let mut effects = bench.on(refuses(WorkloadKind::Deployment));
    assert!(
        has(&effects, |effect| matches!(effect, PoolEffect::AbortScale)),
        "{effects:?}"
    );
    for _ in 0..20 {
        bench.second += 1;
        effects.extend(bench.sample("mail", 300));
    }
    assert!(jobs(&effects).is_empty(), "nothing is written by what is old");
    let text = told(&effects).unwrap_or_default();
    assert!(
        text.starts_with("TargetUnreadable: Deployments cannot be watched any more (status 403)"),
        "{text}"
    );
    // The list comes anew once the right is back.
    let mut effects = bench.on(fixture::target("mail", 3, 1));
    effects.extend(bench.on(fixture::listed(&["mail"])));
    bench.second += 1;
    effects.extend(bench.sample("mail", 300));
    assert!(jobs(&effects).iter().any(|job| job.to > 3), "{effects:?}");
}

#[test]
fn stateful_sets_are_watched_from_the_first_pool_on_that_has_one() {
    let mut bench = Bench::new(&["mail"]);
    let kept = |kind: &str| {
        let mut spec = spec("mail");
        spec["targetRef"]["kind"] = json!(kind);
        spec
    };
    let watches = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::WatchStatefulSets));
    assert!(!watches(&bench.on(fixture::pool("a", &kept("Deployment")))));
    // A standby watches them as well.
    let mut standby = Bench {
        fleet: Fleet::new([None]),
        second: 100,
    };
    for bench in [&mut bench, &mut standby] {
        assert!(watches(&bench.on(fixture::pool("b", &kept("StatefulSet")))));
        assert!(!watches(&bench.on(fixture::pool("c", &kept("StatefulSet")))), "once");
    }
    // The Deployment of that name is another target.
    let older = |name: &str| {
        let pools = &bench.fleet.pools;
        let state = pools.get(bench.id(name)).unwrap();
        pools.older(state).map(|older| older.identity.key.name.clone())
    };
    assert_eq!((older("b"), older("c")), (None, Some("b".into())));
    let effects = bench.on(Input::WatchFailed(
        Watched::Targets(WorkloadKind::StatefulSet),
        None,
        CallError::Refused { code: 403 },
    ));
    let told = |effect: &PoolEffect| match effect {
        PoolEffect::WriteStatus(_, status) => {
            let mut conditions = status.conditions.iter();
            conditions.any(|one| one.reason == "TargetMissing" && one.message.contains("rbac.statefulSets"))
        }
        _ => false,
    };
    assert!(has(&effects, told), "{effects:?}");
}
