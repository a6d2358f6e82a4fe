use super::*;
use crate::{
    api::QueueStatus,
    controller::ownership::tests::target,
    kube::MANAGER,
    model::{PodIntent, PodReport, QueueTally},
};

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

/// What these pods fetch from, and how much waits in these queues.
fn tally(pods: &[(&str, &[&str])], queues: &[(&str, u64)]) -> Tally {
    let live = PodReport {
        live: true,
        fresh: true,
        ..PodReport::default()
    };
    let set = |names: &[&str]| Arc::new(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    let waiting = |(queue, ready): &(&str, u64)| QueueTally {
        ready: *ready,
        ..QueueTally::none(*queue)
    };
    Tally {
        pods: pods.iter().map(|(pod, _)| ((*pod).to_owned(), live.clone())).collect(),
        fetches: pods
            .iter()
            .map(|(pod, names)| ((*pod).to_owned(), set(names)))
            .collect(),
        queues: queues.iter().map(waiting).collect(),
        ..Tally::default()
    }
}

fn names(learned: &LearnedQueues) -> Vec<&str> {
    learned.names().iter().map(String::as_str).collect()
}

/// One pod has named these.
fn learned(queues: &[&str]) -> LearnedQueues {
    let mut learned = LearnedQueues::default();
    learned.learn(&tally(&[("p-1", queues)], &[]), true, at(0));
    learned
}

#[test]
fn the_list_grows_at_once_by_whatever_any_worker_says() {
    let mut learned = LearnedQueues::default();
    assert!(!learned.learn(&tally(&[], &[]), false, at(1)));
    assert!(learned.learn(&tally(&[("p-1", &["b", "a"])], &[]), false, at(2)));
    assert!(!learned.learn(&tally(&[("p-1", &["b", "a"])], &[]), false, at(3)));
    assert!(learned.learn(
        &tally(&[("p-1", &["b", "a"]), ("p-2", &["c d.e:f"])], &[]),
        false,
        at(3)
    ));
    assert_eq!(names(&learned), ["a", "b", "c d.e:f"]);
    // A name that no queue can have is of somebody who only says that he is a worker.
    let long = "x".repeat(256);
    assert!(!learned.learn(&tally(&[("p-3", &["", "a\u{1b}[2J", &long])], &[]), false, at(4)));
}

#[test]
fn a_queue_is_given_up_once_no_worker_has_fetched_from_it_for_a_minute() {
    let mut learned = learned(&["a", "b"]);
    let fewer = tally(&[("p-1", &["a"])], &[("a", 3), ("b", 0)]);
    assert!(!learned.learn(&fewer, true, at(10)));
    assert_eq!(learned.settles_in(at(30)), Some(at(40)));
    assert!(!learned.learn(&fewer, true, at(69)));
    assert!(learned.learn(&fewer, true, at(70)));
    assert_eq!((names(&learned), learned.settles_in(at(70))), (vec!["a"], None));
}

#[test]
fn nothing_is_given_up_while_some_workers_have_not_said_what_they_fetch() {
    let fewer = tally(&[("p-1", &["a"])], &[("b", 0)]);
    let mut learned = learned(&["a", "b"]);
    for second in [10, 69] {
        learned.learn(&fewer, true, at(second));
    }
    assert!(!learned.learn(&fewer, false, at(71)));
    assert!(!learned.learn(&fewer, true, at(72)), "the time begins anew");
    assert!(!learned.learn(&fewer, true, at(131)));
    // Somebody fetches from it after all.
    learned.learn(&tally(&[("p-1", &["a"]), ("p-2", &["b"])], &[("b", 0)]), true, at(131));
    assert!(!learned.learn(&fewer, true, at(140)));
    assert!(!learned.learn(&fewer, true, at(199)));
    assert!(learned.learn(&fewer, true, at(200)));
}

#[test]
fn a_queue_with_tasks_is_kept_and_told() {
    let mut learned = learned(&["a", "b"]);
    let mut later = tally(&[("p-1", &["a"])], &[("a", 0), ("b", 0)]);
    later.queues[1].not_due = 1;
    for tally in [
        tally(&[("p-1", &["a"])], &[("a", 9), ("b", 1)]),
        later,
        // It has not been counted.
        tally(&[("p-1", &["a"])], &[("a", 0)]),
    ] {
        assert_eq!(learned.left_behind(at(10)).count(), 0);
        learned.learn(&tally, true, at(10));
        assert!(!learned.learn(&tally, true, at(500)));
        assert_eq!(learned.left_behind(at(500)).collect::<Vec<_>>(), ["b"]);
        assert_eq!(learned.settles_in(at(500)), None);
        learned.learn(&tally, false, at(501));
    }
}

#[test]
fn more_than_are_counted_are_told_and_drive_none_out() {
    let many: Vec<_> = (0..MOST + 2).map(|number| format!("q{number:03}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let mut learned = learned(&["z"]);
    assert!(learned.learn(&tally(&[("p-1", &["z"]), ("p-2", &many)], &[]), true, at(1)));
    assert_eq!(learned.names().len(), MOST);
    assert!(learned.names().contains("z"), "it was there first");
    assert_eq!(learned.beyond().iter().collect::<Vec<_>>(), ["q199", "q200", "q201"]);
    assert!(
        !learned.learn(&tally(&[("p-2", &many)], &[]), true, at(2)),
        "nothing new is counted"
    );
    assert!(learned.learn(&tally(&[("p-2", &many)], &[("z", 0)]), true, at(70)));
    assert!(learned.names().contains("q199"), "there is room for one more");
    learned.learn(&tally(&[("p-2", &many[..MOST])], &[]), true, at(71));
    assert!(learned.beyond().is_empty());
}

#[test]
fn the_status_is_the_beginning() {
    let queue = |name: &str| QueueStatus {
        name: name.to_owned(),
        ..QueueStatus::default()
    };
    let status = Status {
        queues: vec![queue("b"), queue("a")],
        ..Status::default()
    };
    assert_eq!(names(&LearnedQueues::remembered(Some(&status))), ["a", "b"]);
    assert!(LearnedQueues::remembered(None).names().is_empty());
}

#[test]
fn all_have_said_it_when_each_ready_pod_has_and_none_was_told_to_stop() {
    let both = || tally(&[("p-1", &["a"]), ("p-2", &["b"])], &[]);
    let two = target(1, 2, MANAGER);
    let nobody = PodIntents::new();
    assert!(is_complete(&both(), Some(&nobody), &two));
    let intends = |intent| {
        let since = Moment::ZERO;
        PodIntents::from([("p-1".to_owned(), PodIntent { intent, since })])
    };
    assert!(is_complete(&both(), Some(&intends(Intent::Report)), &two));
    let stopped: crate::model::Consumers = [("celery@p-1".to_owned(), ["a".to_owned()].into())].into();
    for told in [Intent::Cordon(stopped.clone()), Intent::Uncordon(stopped)] {
        assert!(
            !is_complete(&both(), Some(&intends(told)), &two),
            "the operator told it so"
        );
    }
    assert!(!is_complete(&both(), None, &two), "an earlier process may have");
    for ready in [0, 1, 3] {
        assert!(
            !is_complete(&both(), Some(&nobody), &target(1, ready, MANAGER)),
            "{ready} are ready"
        );
    }
    let rolls = Target {
        rollout: true,
        ..target(1, 2, MANAGER)
    };
    assert!(!is_complete(&both(), Some(&nobody), &rolls));
    let changed = |change: fn(&mut Tally)| {
        let mut tally = both();
        change(&mut tally);
        tally
    };
    for tally in [
        changed(|tally| drop(tally.fetches.remove("p-1"))),
        changed(|tally| drop(tally.fetches.insert("p-1".into(), Arc::default()))),
        changed(|tally| tally.pods.values_mut().for_each(|pod| pod.fresh = false)),
        changed(|tally| tally.pods.values_mut().for_each(|pod| pod.silent = Some(Moment::ZERO))),
        tally(&[], &[]),
    ] {
        assert!(!is_complete(&tally, Some(&nobody), &two), "{tally:?}");
    }
}
