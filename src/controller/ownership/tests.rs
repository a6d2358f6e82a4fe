use super::*;
use crate::kube::MANAGER;

const SECOND: Duration = Duration::from_secs(1);

/// Deployment at this version, with these replicas, set by this manager.
pub fn target(version: u64, replicas: u32, owner: &str) -> Target {
    Target {
        grace: 30,
        uid: "deployment".into(),
        version,
        replicas,
        ready: replicas,
        rollout: false,
        owners: vec![owner.into()],
        ordinals: crate::drain::Ordinals::default(),
        selector: "app=mail".into(),
        template: 0,
        commands: std::sync::Arc::default(),
        failure: None,
        stuck: None,
    }
}

/// 5 replicas have been written, which led to version 10.
fn holding() -> ReplicaOwnership {
    let mut hold = ReplicaOwnership::default();
    look(&mut hold, &target(9, 1, "kubectl"));
    (hold.intended, hold.version) = (Some(5), 10);
    hold
}

/// A look by an operator that acts, while it writes nothing.
fn look(hold: &mut ReplicaOwnership, target: &Target) -> Option<Change> {
    hold.look(target, true, false, SECOND)
}

#[test]
fn replicas_that_are_not_ours_yet_are_written_even_if_the_number_is_right() {
    let mut hold = ReplicaOwnership::default();
    let seen = target(3, 5, "kubectl");
    look(&mut hold, &seen);
    assert_eq!(hold.replicas(&seen), 5);
    assert!(hold.must_write(5));
    assert_eq!(hold.overwritten, None, "adoption is no fight");
}

#[test]
fn replicas_that_are_ours_are_written_only_for_another_number() {
    let mut hold = ReplicaOwnership::default();
    look(&mut hold, &target(3, 5, MANAGER));
    assert!(!hold.must_write(5));
    assert!(hold.must_write(6));
}

#[test]
fn what_was_seen_before_our_write_is_no_news() {
    let mut hold = holding();
    let old = target(9, 1, "kubectl");
    look(&mut hold, &old);
    assert_eq!(hold.overwritten, None);
    assert_eq!(hold.replicas(&old), 5, "what we wrote counts");
    assert!(!hold.must_write(5));
}

#[test]
fn a_foreign_change_is_put_back_and_counted_once() {
    let mut hold = holding();
    let foreign = target(11, 2, "kubectl");
    for _ in 0..3 {
        look(&mut hold, &foreign);
    }
    assert_eq!(hold.overwritten, Some(("kubectl".into(), 2)));
    assert_eq!(hold.conflicts.len(), 1);
    assert_eq!(hold.replicas(&foreign), 5, "the decision starts from what we wrote");
    assert!(hold.must_write(5), "the same number must be written again");
}

#[test]
fn replicas_that_nobody_owns_were_taken_too() {
    let mut hold = holding();
    let dropped = Target {
        owners: vec![],
        ..target(11, 1, "")
    };
    look(&mut hold, &dropped);
    assert_eq!(hold.overwritten, Some(("unknown".into(), 1)));
}

#[test]
fn another_deployment_of_the_same_name_starts_anew() {
    let mut hold = holding();
    let new = Target {
        uid: "another".into(),
        ..target(3, 1, "kubectl")
    };
    look(&mut hold, &new);
    assert_eq!((hold.intended, hold.version), (None, 0));
    assert_eq!(hold.replicas(&new), 1);
}

#[test]
fn a_pool_that_does_not_act_holds_nothing() {
    let mut hold = holding();
    let foreign = target(11, 2, "kubectl");
    hold.look(&foreign, false, false, SECOND);
    assert_eq!((hold.intended, hold.conflicts.len()), (None, 0));
    assert_eq!(hold.replicas(&foreign), 2);
}

#[test]
fn three_conflicts_in_ten_minutes_are_a_conflict_until_they_are_old() {
    let mut hold = ReplicaOwnership::default();
    let fight = |hold: &mut ReplicaOwnership, at: u64, by: &str| {
        hold.conflicts.push_back((Duration::from_secs(at), by.into()));
        hold.conflicting_manager(Duration::from_secs(at))
    };
    assert_eq!(fight(&mut hold, 0, "a"), None);
    assert_eq!(fight(&mut hold, 300, "b"), None);
    assert_eq!(fight(&mut hold, 600, "c"), Some("c".into()));
    assert_eq!(hold.conflicting_manager(Duration::from_secs(601)), None);
}

#[test]
fn conflicts_without_end_take_no_memory_without_end() {
    let mut hold = ReplicaOwnership::default();
    for _ in 0..1000 {
        hold.conflicts.push_back((SECOND, "a".into()));
        hold.conflicting_manager(SECOND);
    }
    assert!(hold.conflicts.len() <= 16);
}

/// A write that had no answer.
fn unconfirmed(from: u32, to: u32) -> ReplicaOwnership {
    let mut hold = ReplicaOwnership::default();
    look(&mut hold, &target(9, from, MANAGER));
    let change = Change { from, to, kept: 0 };
    (hold.unconfirmed, hold.failed) = (Some(change), Some(("no answer".into(), Moment::ZERO)));
    hold
}

#[test]
fn a_write_without_an_answer_is_found_once_the_target_shows_it() {
    let mut hold = unconfirmed(0, 5);
    assert_eq!(
        look(&mut hold, &target(9, 0, MANAGER)),
        None,
        "not carried out, or not yet"
    );
    assert!(hold.must_write(5), "so it is tried again");
    let found = look(&mut hold, &target(10, 5, MANAGER));
    assert_eq!(
        found,
        Some(Change {
            from: 0,
            to: 5,
            kept: 0
        })
    );
    assert_eq!(look(&mut hold, &target(10, 5, MANAGER)), None, "it is told once");
    assert!(!hold.must_write(5));
}

#[test]
fn adoption_without_an_answer_is_found_as_well() {
    let mut hold = ReplicaOwnership::default();
    look(&mut hold, &target(9, 5, "kubectl"));
    let change = Change {
        from: 5,
        to: 5,
        kept: 0,
    };
    hold.unconfirmed = Some(change);
    assert_eq!(
        look(&mut hold, &target(9, 5, "kubectl")),
        None,
        "the number is there, but not by us"
    );
    assert_eq!(look(&mut hold, &target(10, 5, MANAGER)), Some(change));
}

#[test]
fn while_it_is_tried_again_the_answer_is_awaited() {
    let mut hold = unconfirmed(0, 5);
    assert_eq!(hold.look(&target(10, 5, MANAGER), true, true, SECOND), None);
    assert!(hold.unconfirmed.is_some(), "the second answer may be lost, too");
}

/// When a taking at each of these seconds is put back, which somebody answers five seconds after each putting back.
fn fight(lasts: u64) -> Vec<u64> {
    let mut hold = holding();
    let (mut second, mut version, mut put_back) = (100, 100, Vec::new());
    while second < 100 + lasts {
        version += 2;
        let foreign = target(version, 2, "argocd-controller");
        hold.look(&foreign, true, false, SECOND * u32::try_from(second).unwrap());
        let at = hold.restore_at(&foreign, 5).as_secs();
        put_back.push(at - 100);
        hold.restoring.clone_from(&hold.overwritten);
        hold.written(5, version + 1, SECOND);
        second = at + 5;
    }
    put_back
}

#[test]
fn what_is_taken_again_and_again_is_put_back_ever_more_slowly() {
    assert_eq!(fight(290), [0, 5, 15, 30, 55, 100, 165, 230, 295]);
}

#[test]
fn pods_that_start_are_not_thrown_away_again_and_again() {
    let mut hold = holding();
    let mut at = |second: u64| {
        let starting = Target {
            ready: 5,
            ..target(100 + second, 9, "kube-controller-manager")
        };
        hold.look(&starting, true, false, Duration::from_secs(second));
        let at = hold.restore_at(&starting, 5).as_secs();
        hold.restoring.clone_from(&hold.overwritten);
        hold.written(5, 101 + second, SECOND);
        at - second
    };
    assert_eq!([at(100), at(110), at(120)], [0, 0, 60]);
}

#[test]
fn where_nothing_speaks_for_the_own_number_anothers_is_taken_over() {
    let mut hold = holding();
    let theirs = target(11, 2, "kubectl");
    look(&mut hold, &theirs);
    assert_eq!((hold.replicas(&theirs), hold.conflicts.len()), (5, 1));
    hold.give_way();
    assert_eq!((hold.replicas(&theirs), hold.conflicts.len()), (2, 0));
    assert!(hold.must_write(2), "it becomes ours");
    hold.written(2, 12, SECOND);
    hold.give_way();
    assert_eq!(hold.intended, Some(2), "nobody has changed it");
}
