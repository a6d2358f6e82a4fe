//! Whether the pool counts what its workers fetch.
use super::*;
use crate::api::QueueStatus;
use crate::controller::learned::LearnedQueues;
use crate::model::{Intent, PodIntent, PodReport};
use std::collections::BTreeMap;

/// What pods fetch.
fn fetching(pods: &[(&str, &[&str])]) -> Tally {
    let queues = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let live = PodReport {
        live: true,
        ..PodReport::default()
    };
    Tally {
        pods: pods.iter().map(|(pod, _)| ((*pod).to_owned(), live.clone())).collect(),
        fetches: pods
            .iter()
            .map(|(pod, names)| ((*pod).to_owned(), queues(names).into()))
            .collect(),
        ..tally()
    }
}

/// The same where the pool counts these queues.
fn counting(queues: &[&str], tally: Tally) -> Tally {
    Tally {
        queues: queues.iter().map(|queue| QueueTally::none(*queue)).collect(),
        ..tally
    }
}

/// The reason and the text of `QueuesMatch`, which `Degraded` repeats where it is False.
fn said(tally: &Tally, change: impl FnOnce(&mut Facts)) -> (String, String) {
    let (backlog, nobody) = (decision(Rule::Backlog), BTreeMap::new());
    let mut facts = Facts {
        intents: Some(&nobody),
        ..working(tally, &backlog)
    };
    change(&mut facts);
    shown(&facts)
}

/// The same where the workers name the queues. `left`: those that hold tasks and that none fetches from any more.
fn said_of_learned(tally: &Tally, learned: &LearnedQueues, left: &[&str]) -> (String, String) {
    let (backlog, nobody) = (decision(Rule::Backlog), BTreeMap::new());
    shown(&Facts {
        intents: Some(&nobody),
        learned: Some(learned),
        left_behind: left.to_vec(),
        ..working(tally, &backlog)
    })
}

fn shown(facts: &Facts) -> (String, String) {
    let status = status(facts, None);
    let of = |kind: &str| status.conditions.iter().find(|one| one.kind == kind).unwrap().clone();
    let (found, degraded) = (of("QueuesMatch"), of("Degraded"));
    assert_eq!(found.status == False, degraded.status == True, "{}", line(&status));
    if found.status == False {
        assert_eq!((&found.reason, &found.message), (&degraded.reason, &degraded.message));
    }
    (found.reason, found.message)
}

#[test]
fn workers_that_fetch_what_the_pool_counts_are_as_configured() {
    for (pods, queues) in [
        (&[("p-1", &["mail"][..])][..], &["mail"][..]),
        (&[("p-1", &["mail"]), ("p-2", &["reports"])], &["mail", "reports"]),
        (&[], &["mail"]),
    ] {
        assert_eq!(
            said(&counting(queues, fetching(pods)), |_| ()).0,
            "AsConfigured",
            "{pods:?}"
        );
    }
}

#[test]
fn workers_that_use_other_queues_are_told_with_both_lists() {
    for (fetched, counted) in [
        (&["default"][..], &["celery"][..]),
        (&["celery", "default"], &["celery"]),
        (&["celery"], &["celery", "default"]),
    ] {
        let (reason, text) = said(&counting(counted, fetching(&[("p-1", fetched)])), |_| ());
        assert_eq!(reason, "WorkersUseOtherQueues", "{text}");
        assert!(
            fetched
                .iter()
                .chain(counted)
                .all(|queue| text.contains(&format!("`{queue}`"))),
            "{text}"
        );
    }
    let many: Vec<_> = (0..50).map(|at| format!("queue-{at:02}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let (_, text) = said(&counting(&["celery"], fetching(&[("p-1", &many)])), |_| ());
    assert!(text.contains("`queue-02` and 47 more"), "{text}");
}

#[test]
fn workers_that_fetch_nothing_are_named_unless_we_told_them_so() {
    let tally = counting(&["mail"], fetching(&[("p-1", &[]), ("p-2", &["mail"])]));
    let (reason, text) = said(&tally, |_| ());
    assert_eq!(reason, "NothingFetched");
    assert!(
        text.contains("1 pod lives and fetches from no queue") && text.contains("`p-1`"),
        "{text}"
    );
    let pod_intent = PodIntent {
        intent: Intent::Cordon([("celery@p-1".to_owned(), ["mail".to_owned()].into())].into()),
        since: Duration::ZERO,
    };
    let told = BTreeMap::from([("p-1".to_owned(), pod_intent)]);
    let backlog = decision(Rule::Backlog);
    let facts = Facts {
        intents: Some(&told),
        ..working(&tally, &backlog)
    };
    assert!(line(&status(&facts, None)).contains("QueuesMatch=True/AsConfigured"));
    let (reason, _) = said(&tally, |facts| facts.intents = None);
    assert_eq!(reason, "AsConfigured", "a process before this one may have told them");
    let (reason, _) = said(&tally, |facts| facts.target = Some((1, 1)));
    assert_eq!(reason, "AsConfigured", "one of the two is ending");
}

#[test]
fn what_the_application_writes_and_the_pool_does_not_count_is_told() {
    let other = Tally {
        mismatch: Some(("SeparatorDiffers", "The application's separator is another one.".into())),
        ..tally()
    };
    let (reason, text) = said(&other, |_| ());
    assert_eq!(
        (&*reason, &*text),
        ("SeparatorDiffers", "The application's separator is another one.")
    );
}

#[test]
fn a_queue_that_another_pool_counts_is_named_with_that_pool() {
    let shared = SharedQueue {
        queue: "mail".into(),
        pool: "shop/other".into(),
    };
    let quiet = tally();
    let (backlog, nobody) = (decision(Rule::Backlog), BTreeMap::new());
    let facts = Facts {
        intents: Some(&nobody),
        shared: Some(&shared),
        ..working(&quiet, &backlog)
    };
    let status = status(&facts, None);
    let line = line(&status);
    assert!(
        line.contains("Degraded=True/QueueShared") && line.contains("QueuesMatch=False/QueueShared"),
        "{line}"
    );
    let text = message(&status, "QueuesMatch");
    assert!(text.contains("`shop/other`") && text.contains("`mail`"), "{text}");
}

#[test]
fn missing_queues_are_named() {
    let tally = Tally {
        queues: vec![
            QueueTally {
                missing: true,
                ..QueueTally::none("a")
            },
            QueueTally::none("b"),
            QueueTally {
                missing: true,
                ..QueueTally::none("c")
            },
        ],
        ..tally()
    };
    let backlog = decision(Rule::Backlog);
    let status = status(&working(&tally, &backlog), None);
    assert!(
        message(&status, "QueuesMatch").contains("no queue `a`, `c`"),
        "{status:?}"
    );
    assert!(line(&status).contains("QueuesMatch=False/QueueMissing"));
}

/// Queues that a worker has named.
fn learned(queues: &[&str]) -> LearnedQueues {
    let mut learned = LearnedQueues::default();
    learned.learn(&fetching(&[("p-1", queues)]), true, Duration::ZERO);
    learned
}

#[test]
fn before_a_worker_has_named_a_queue_somebody_is_told_to_start_one() {
    let nothing = LearnedQueues::default();
    let uncounted = counting(&[], tally());
    let backlog = decision(Rule::Unknown);
    for (replicas, expected, then) in [
        (
            0,
            "QueuesMatch=False/NotTold Degraded=True/NotTold",
            "start one (`minReplicas: 1`, or scale the target to 1 once).",
        ),
        (
            1,
            "QueuesMatch=Unknown/NotTold Degraded=False/AsExpected",
            "the replicas stay as they are until one does.",
        ),
    ] {
        let facts = Facts {
            learned: Some(&nothing),
            target: Some((replicas, replicas)),
            ..working(&uncounted, &backlog)
        };
        let status = status(&facts, None);
        let line = line(&status);
        assert!(
            expected.split(' ').all(|part| line.contains(part)) && line.contains("ScalingActive=Unknown/NotTold"),
            "{line}"
        );
        assert_eq!(
            status.work, None,
            "that nothing is counted does not say that nothing waits"
        );
        let message = message(&status, "QueuesMatch");
        assert_eq!(
            message,
            format!("No worker has said yet which queues it fetches from: {then}")
        );
    }
}

#[test]
fn queues_that_the_workers_name_are_those_that_the_pool_counts() {
    let named = learned(&["a", "b"]);
    let told = |tally: &Tally| said_of_learned(tally, &named, &[]).0;
    assert_eq!(
        told(&counting(&["a", "b"], fetching(&[("p-1", &["a", "b"])]))),
        "AsConfigured"
    );
    assert_eq!(
        told(&counting(&["a", "b"], fetching(&[("p-1", &["a"])]))),
        "AsConfigured",
        "for a while"
    );
    assert_eq!(
        told(&counting(&["a", "b"], fetching(&[("p-1", &[])]))),
        "NothingFetched"
    );
}

#[test]
fn tasks_that_no_worker_fetches_any_more_are_told() {
    let named = learned(&["a", "b"]);
    let (reason, text) = said_of_learned(&counting(&["a", "b"], tally()), &named, &["b"]);
    assert_eq!(reason, "QueueNotFetched");
    assert!(
        text.contains("`b`") && text.contains("`-Q`") && text.contains("purge"),
        "{text}"
    );
}

#[test]
fn more_queues_than_are_counted_are_told() {
    let many: Vec<_> = (0..230).map(|at| format!("queue-{at:03}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let named = learned(&many);
    let (reason, text) = said_of_learned(&counting(&many[..200], tally()), &named, &[]);
    assert_eq!(reason, "TooManyQueues");
    assert!(
        text.contains("230 queues, and 200 are counted, without `queue-200`, `queue-201`, `queue-202` and 27 more"),
        "{text}"
    );
}

#[test]
fn learned_queues_stay_in_the_status_while_nothing_is_counted() {
    let named = learned(&["a"]);
    let before = Status {
        queues: [("a", 3), ("gone", 1)]
            .map(|(name, waiting)| QueueStatus {
                name: name.to_owned(),
                waiting,
                ..QueueStatus::default()
            })
            .into(),
        ..Status::default()
    };
    let problem = Problem::invalid("`maxReplicas` must be positive");
    let facts = |learned| Facts {
        learned,
        problem: Some(&problem),
        ..Facts::default()
    };
    let kept = status(&facts(Some(&named)), Some(&before)).queues;
    assert_eq!(kept, before.queues[..1]);
    assert_eq!(
        status(&facts(None), Some(&before)).queues,
        [],
        "a pool's own stand in its spec"
    );
}
