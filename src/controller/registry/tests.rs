use std::time::Duration;

use super::*;
use crate::controller::state::tests::pool_state;

fn key(namespace: &str, name: &str) -> Key {
    Key {
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// The Deployment `w`.
fn workers(namespace: &str) -> TargetKey {
    TargetKey {
        namespace: namespace.into(),
        workload: "w".into(),
    }
}

fn target(version: u64) -> Target {
    Target {
        grace: 30,
        uid: "u".into(),
        version,
        replicas: 1,
        ready: 1,
        rollout: false,
        owners: vec![],
        ordinals: crate::drain::Ordinals::default(),
        selector: String::new(),
        template: 0,
        commands: std::sync::Arc::default(),
        failure: None,
        stuck: None,
    }
}

/// Three pools; `old` and `young` are on one target.
fn pools() -> Pools {
    let mut pools = Pools::default();
    for state in [
        pool_state(1, "young", "w", 20),
        pool_state(2, "old", "w", 10),
        pool_state(3, "alone", "v", 30),
    ] {
        pools.insert(state);
    }
    pools
}

#[test]
fn a_pool_is_found_by_number_name_and_target() {
    let pools = pools();
    assert_eq!(pools.ids(), [1, 2, 3]);
    assert_eq!(
        (pools.id(&key("shop", "old")), pools.id(&key("other", "old"))),
        (Some(2), None)
    );
    assert_eq!(pools.get(3).unwrap().identity.key.name, "alone");
    assert_eq!(
        (pools.on_target(&workers("shop")), pools.on_target(&workers("other"))),
        (vec![1, 2], vec![])
    );
}

#[test]
fn numbers_are_given_once() {
    let mut pools = Pools::default();
    assert_eq!([pools.next_id(), pools.next_id()], [1, 2]);
}

#[test]
fn the_older_of_two_pools_on_a_target_wins() {
    let mut pools = pools();
    let older = |pools: &Pools, id| pools.older(pools.get(id).unwrap()).map(|older| older.id);
    assert_eq!(
        [older(&pools, 1), older(&pools, 2), older(&pools, 3)],
        [Some(2), None, None]
    );
    pools.remove(2);
    assert_eq!(older(&pools, 1), None, "the older one has gone");
    pools.insert(pool_state(4, "twin", "w", 20));
    assert_eq!(
        [older(&pools, 1), older(&pools, 4)],
        [Some(4), None],
        "of the same age: the lower UID"
    );
}

#[test]
fn a_pool_that_does_not_act_keeps_nobody_from_scaling_and_may_watch() {
    let mut pools = pools();
    let suspend = |pools: &mut Pools, id| pools.get_mut(id).unwrap().pool.as_mut().unwrap().policy.suspended = true;
    suspend(&mut pools, 2);
    let older = |pools: &Pools, id| pools.older(pools.get(id).unwrap()).map(|older| older.id);
    assert_eq!([older(&pools, 1), older(&pools, 2)], [None, None]);
    suspend(&mut pools, 1);
    assert_eq!([older(&pools, 1), older(&pools, 2)], [None, None]);
}

#[test]
fn a_removed_pool_leaves_nothing_behind() {
    let mut pools = pools();
    for id in 1..=3 {
        assert_eq!(pools.remove(id).unwrap().id, id);
    }
    assert!(pools.remove(1).is_none());
    assert_eq!((pools.ids(), pools.next_wake()), (vec![], None));
    assert_eq!(pools.on_target(&workers("shop")), Vec::<PoolId>::new());
    assert!(pools.by_key.is_empty() && pools.by_target.is_empty() && pools.filed.is_empty());
}

#[test]
fn pools_are_woken_in_the_order_of_their_moments() {
    let mut pools = pools();
    let wake_at = |pools: &mut Pools, id, at| {
        pools.get_mut(id).unwrap().wake = at;
        pools.file(id);
    };
    let second = Duration::from_secs;
    for (id, at) in [(1, 30), (2, 10), (3, 20), (1, 15)] {
        wake_at(&mut pools, id, second(at));
    }
    assert_eq!((pools.next_wake(), pools.due(second(9))), (Some(second(10)), None));
    assert_eq!(pools.due(second(10)), Some(2));
    wake_at(&mut pools, 2, second(99));
    assert_eq!(pools.due(second(50)), Some(1), "woken anew, it is not woken twice");
    pools.remove(1);
    assert_eq!(pools.due(second(50)), Some(3));
}

#[test]
fn what_a_list_does_not_name_is_gone_within_its_scope_only() {
    let pools = pools();
    let listed = [key("shop", "old")];
    let gone = [key("shop", "alone"), key("shop", "young")];
    assert_eq!(pools.others(&None, &listed), gone);
    assert_eq!(pools.others(&Some("shop".into()), &listed), gone);
    assert_eq!(pools.others(&Some("other".into()), &[]), []);
}

#[test]
fn a_target_is_news_only_if_it_differs() {
    let mut targets = Targets::default();
    assert!(targets.insert(workers("shop"), target(1)));
    assert!(!targets.insert(workers("shop"), target(1)));
    assert!(targets.insert(workers("shop"), target(2)));
    assert_eq!(targets.get(&workers("shop")).unwrap().version, 2);
    let others = |kind| targets.others(kind, &None, &[]);
    assert_eq!(others(WorkloadKind::Deployment), [workers("shop")]);
    assert_eq!(
        others(WorkloadKind::StatefulSet),
        [],
        "a list of these says nothing of those"
    );
    targets.remove(&workers("shop"));
    assert_eq!(targets.get(&workers("shop")), None);
}

#[test]
fn a_list_is_under_way_refused_or_done_and_done_stays() {
    let listed = |targets: &Targets, namespace| targets.listed(WorkloadKind::Deployment, namespace);
    let mut targets = Targets::default();
    assert_eq!(listed(&targets, "shop"), Listing::Pending);
    targets.listing(WorkloadKind::Deployment, Some("shop".into()), Listing::Refused(403));
    assert_eq!(
        (listed(&targets, "shop"), listed(&targets, "other")),
        (Listing::Refused(403), Listing::Pending)
    );
    targets.listing(WorkloadKind::Deployment, Some("shop".into()), Listing::Done);
    targets.listing(WorkloadKind::Deployment, Some("shop".into()), Listing::Refused(503));
    assert_eq!(targets.refused(WorkloadKind::Deployment, "shop"), None, "that passes");
    targets.listing(WorkloadKind::Deployment, Some("shop".into()), Listing::Refused(403));
    assert_eq!(listed(&targets, "shop"), Listing::Done);
    assert_eq!(
        targets.refused(WorkloadKind::Deployment, "shop"),
        Some(403),
        "what is known is old"
    );
    assert_eq!(targets.refused(WorkloadKind::StatefulSet, "shop"), None);
    targets.listing(WorkloadKind::Deployment, Some("shop".into()), Listing::Done);
    assert_eq!(targets.refused(WorkloadKind::Deployment, "shop"), None);
    targets.listing(WorkloadKind::Deployment, None, Listing::Done);
    assert_eq!(
        listed(&targets, "other"),
        Listing::Done,
        "the list of all namespaces counts for each"
    );
    let sets = targets.listed(WorkloadKind::StatefulSet, "shop");
    assert_eq!(sets, Listing::Pending, "each kind has lists of its own");
}
