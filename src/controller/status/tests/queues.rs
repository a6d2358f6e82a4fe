//! Whether the pool counts what its workers fetch.
use super::*;
use crate::framework::celery::{BrokerKind, CeleryConfig};
use crate::model::{BrokerOptions, Intent, PodIntent, PodReport};
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

fn counting(queues: &[&str]) -> CeleryConfig {
    CeleryConfig {
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        ..CeleryConfig::default()
    }
}

/// The reason and the text of `QueuesMatch`, which `Degraded` repeats where it is False.
fn said(tally: &Tally, celery: &CeleryConfig, change: impl FnOnce(&mut Facts)) -> (String, String) {
    let (backlog, nobody) = (decision(Rule::Backlog), BTreeMap::new());
    let mut facts = Facts {
        celery: Some(celery),
        attention: Some(&nobody),
        ..working(tally, &backlog)
    };
    change(&mut facts);
    let status = status(&facts, None);
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
        (&[("p-1", &["mail", "celery@p-1.dq"])], &["mail"]),
        (&[], &["mail"]),
    ] {
        assert_eq!(
            said(&fetching(pods), &counting(queues), |_| ()).0,
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
        let (reason, text) = said(&fetching(&[("p-1", fetched)]), &counting(counted), |_| ());
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
    let (_, text) = said(&fetching(&[("p-1", &many)]), &counting(&["celery"]), |_| ());
    assert!(text.contains("`queue-02` and 47 more"), "{text}");
}

#[test]
fn workers_that_fetch_nothing_are_named_unless_we_told_them_so() {
    let tally = fetching(&[("p-1", &[]), ("p-2", &["mail"])]);
    let celery = counting(&["mail"]);
    let (reason, text) = said(&tally, &celery, |_| ());
    assert_eq!(reason, "NothingFetched");
    assert!(text.contains("1 of the pods") && text.contains("`p-1`"), "{text}");
    let care = PodIntent {
        stance: Intent::Cordon([("celery@p-1".to_owned(), ["mail".to_owned()].into())].into()),
        since: Duration::ZERO,
    };
    let told = BTreeMap::from([("p-1".to_owned(), care)]);
    let (backlog, facts) = (
        decision(Rule::Backlog),
        Facts {
            celery: Some(&celery),
            attention: Some(&told),
            ..Facts::default()
        },
    );
    let facts = Facts {
        celery: facts.celery,
        attention: facts.attention,
        ..working(&tally, &backlog)
    };
    assert!(line(&status(&facts, None)).contains("QueuesMatch=True/AsConfigured"));
    let (reason, _) = said(&tally, &celery, |facts| facts.attention = None);
    assert_eq!(reason, "AsConfigured", "a process before this one may have told them");
    let (reason, _) = said(&tally, &celery, |facts| facts.target = Some((1, 1)));
    assert_eq!(reason, "AsConfigured", "one of the two is ending");
}

#[test]
fn other_steps_and_another_separator_are_told() {
    let with = |steps: Option<&[u8]>, separator: Option<&str>| Tally {
        application: Some(BrokerOptions {
            priority_steps: steps.map(<[u8]>::to_vec),
            separator: separator.map(str::to_owned),
        }),
        ..tally()
    };
    let usual = CeleryConfig::default();
    let colon = CeleryConfig {
        separator: Some(":".into()),
        priority_steps: vec![0, 5],
        ..CeleryConfig::default()
    };
    let rabbit = CeleryConfig {
        broker: BrokerKind::RabbitMq { management: false },
        ..colon.clone()
    };
    for (tally, celery, reason) in [
        (with(None, None), &usual, "AsConfigured"),
        (with(Some(&[0, 1, 9]), Some(":")), &usual, "AsConfigured"),
        (with(Some(&[0, 10]), None), &usual, "PriorityStepsDiffer"),
        (with(None, Some(":")), &colon, "PriorityStepsDiffer"),
        (with(Some(&[0]), Some(":")), &colon, "AsConfigured"),
        (with(Some(&[0]), None), &colon, "SeparatorDiffers"),
        (with(Some(&[0, 10]), None), &rabbit, "AsConfigured"),
    ] {
        let (found, text) = said(&tally, celery, |_| ());
        assert_eq!(found, reason, "{text}");
    }
}

#[test]
fn a_queue_that_another_pool_counts_is_named_with_that_pool() {
    let shared = SharedQueue {
        queue: "mail".into(),
        pool: "shop/other".into(),
    };
    let (celery, quiet) = (CeleryConfig::default(), tally());
    let (backlog, nobody) = (decision(Rule::Backlog), BTreeMap::new());
    let facts = Facts {
        celery: Some(&celery),
        attention: Some(&nobody),
        shared: Some(&shared),
        ..working(&quiet, &backlog)
    };
    let status = status(&facts, None);
    assert!(line(&status).contains("Degraded=True/QueueShared QueuesMatch=False/QueueShared"));
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
