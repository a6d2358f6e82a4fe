//! The rows of the status contract: the pools in `tests/contract`, on which Argo CD's script and kstatus are tried,
//! carry the very status that is published.
use std::collections::BTreeSet;

use super::*;
use crate::{
    api::TaskWorkerPool,
    broker::Secret,
    controller::{
        resolve::Failure,
        validate::{self, Texts},
    },
    kube::CallError,
    model::{DrainSupport, PodIntents, PodReport},
};

macro_rules! rows {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../tests/contract/", $name, ".yaml")))),*]
    };
}

/// Counted work, as in the status; in one row a worker fetches from another queue.
fn counted(row: &str, status: &Status) -> Tally {
    let waiting = status.work.as_ref().map_or(0, |work| work.waiting as u64);
    let heard = (row == "other-queues").then_some("mail-worker-1");
    let live = PodReport {
        live: true,
        fresh: true,
        ..PodReport::default()
    };
    Tally {
        work: Work {
            ready: waiting,
            ..Work::default()
        },
        queues: vec![QueueTally {
            ready: waiting,
            ..QueueTally::none("celery")
        }],
        pods: heard.map(|pod| (pod.to_owned(), live)).into_iter().collect(),
        fetches: heard
            .map(|pod| (pod.to_owned(), BTreeSet::from(["mail".to_owned()]).into()))
            .into_iter()
            .collect(),
        drain: DrainSupport::StopFetching,
        ..Tally::default()
    }
}

/// Decision of the status, with what the conditions need besides.
fn decided(row: &str, status: &Status) -> Option<Decision> {
    let written = status.decision.as_ref()?;
    let rule = match written.rule.as_str() {
        "Maximum" => Rule::Maximum,
        "Minimum" => Rule::Minimum,
        "BlockedQueue" => Rule::BlockedQueue,
        "Stale" => Rule::Stale,
        "Unknown" => Rule::Unknown,
        "Suspended" => Rule::Suspended,
        _ => Rule::Backlog,
    };
    Some(Decision {
        replicas: written.replicas as u32,
        sentence: written.message.replace(" (Observe: nothing is written.)", ""),
        limited: Some(rule).filter(|rule| matches!(rule, Rule::Maximum | Rule::Minimum)),
        wanted: if row == "at-limit" {
            100
        } else {
            written.replicas as u32
        },
        oldest_wait: None,
        ..decision(rule)
    })
}

/// What keeps the pool of this row from working, as those find it who read its references, its spec and its target.
fn problem(row: &str, pool: &TaskWorkerPool) -> Problem {
    let from = pool.spec.broker.url_from.as_ref().expect("a reference");
    let unread = |failure: Failure| failure.problem("broker.urlFrom", from);
    match row {
        "reference-missing" => unread(Failure::Call(CallError::Refused { code: 404 })),
        "key-missing" => unread(Failure::NoKey),
        "target-taken" => Problem::taken("mail"),
        "spec-cannot-work" => {
            let texts = Texts {
                url: Secret::new("amqp://rabbitmq"),
                ca: None,
                identity: None,
                management: None,
            };
            let valid = validate::pool(pool).expect("valid without the text of its Secret");
            validate::addresses(&valid, "shop", &texts).expect_err("an amqp:// URL with a prefix of Redis keys")
        }
        other => panic!("nothing is known to keep {other} from working"),
    }
}

#[test]
fn every_row_of_the_contract_is_published_as_it_is_written() {
    let rows = rows![
        "just-created",
        "working",
        "at-limit",
        "broker-lost-briefly",
        "broker-lost",
        "reference-missing",
        "key-missing",
        "permission-denied",
        "replicas-overwritten",
        "nothing-starts",
        "pods-not-ready",
        "observed",
        "other-queues",
        "spec-cannot-work",
        "suspended",
        "target-taken",
        "deleted"
    ];
    for (row, text) in rows {
        let mut pool: TaskWorkerPool = serde_saphyr::from_str(text).unwrap();
        let written = pool.status.take().expect("a status");
        let (tally, decision) = (counted(row, &written), decided(row, &written));
        let ready = written
            .conditions
            .iter()
            .find(|one| one.kind == "Ready")
            .expect("Ready");
        let problem = (ready.status == False).then(|| problem(row, &pool));
        let at = written.work.as_ref().and_then(|work| work.sampled_at.clone());
        let at = at.map_or(at_nine(), |at| at.0);
        let age = |age| SourceState::Lost {
            why: match row {
                "permission-denied" => SampleError::Permission,
                _ => SampleError::Refused,
            },
            age: Duration::from_secs(age),
            last: Some((&tally, at)),
        };
        let ready = written.ready_replicas.map_or(0, |ready| ready as u32);
        let nobody = PodIntents::new();
        let facts = Facts {
            generation: written.observed_generation.unwrap_or_default(),
            problem: problem.as_ref(),
            suspended: pool.spec.suspend,
            mode: pool.spec.mode,
            target: written.replicas.map(|replicas| (replicas as u32, ready)),
            pods: Pods {
                late: if row == "pods-not-ready" { 2 } else { 0 },
                why: None,
            },
            min: pool.spec.min_replicas as u32,
            max: pool.spec.max_replicas as u32,
            intents: Some(&nobody),
            fought_by: (row == "replicas-overwritten").then_some("argocd-controller"),
            source: match row {
                "broker-lost-briefly" => age(29),
                "broker-lost" | "permission-denied" => age(30),
                _ if written.work.is_some() => SourceState::Read { tally: &tally, at },
                _ => SourceState::NotYet,
            },
            decision: decision.as_ref(),
            workers: Heard {
                ready,
                heard: ready,
                ..Heard::default()
            },
            now: at_nine(),
            ..Facts::default()
        };
        let published = status(&facts, Some(&written));
        assert_eq!(
            serde_json::to_value(&published).unwrap(),
            serde_json::to_value(&written).unwrap(),
            "{row}"
        );
    }
}

fn at_nine() -> Timestamp {
    "2026-11-30T09:00:01Z".parse().unwrap()
}
