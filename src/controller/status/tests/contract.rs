//! The ten rows of the status contract: the pools in `tests/contract`, on which Argo CD's script and kstatus are tried,
//! carry the very status that is published.
use super::*;
use crate::api::TaskWorkerPool;

macro_rules! rows {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../tests/contract/", $name, ".yaml")))),*]
    };
}

/// Counted work, as in the status.
fn counted(status: &Status) -> Tally {
    let waiting = status.work.as_ref().map_or(0, |work| work.waiting as u64);
    Tally {
        work: Work {
            ready: waiting,
            ..Work::default()
        },
        queues: vec![QueueTally {
            ready: waiting,
            ..QueueTally::none("celery")
        }],
        ..Tally::default()
    }
}

/// Decision of the status, with what the conditions need besides.
fn decided(row: &str, status: &Status) -> Option<Decision> {
    let written = status.decision.as_ref()?;
    let rule = match written.rule.as_str() {
        "Maximum" => Rule::Maximum,
        "Stale" => Rule::Stale,
        "Unknown" => Rule::Unknown,
        "Suspended" => Rule::Suspended,
        _ => Rule::Backlog,
    };
    Some(Decision {
        replicas: written.replicas as u32,
        sentence: written.message.clone(),
        limited: (row == "at-limit").then_some(Rule::Maximum),
        wanted: if row == "at-limit" {
            100
        } else {
            written.replicas as u32
        },
        oldest_wait: None,
        ..decision(rule)
    })
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
        "spec-cannot-work",
        "suspended",
        "target-taken",
        "deleted"
    ];
    for (row, text) in rows {
        let pool: TaskWorkerPool = serde_saphyr::from_str(text).unwrap();
        let written = pool.status.expect("a status");
        let (tally, decision) = (counted(&written), decided(row, &written));
        let ready = written
            .conditions
            .iter()
            .find(|one| one.kind == "Ready")
            .expect("Ready");
        let problem = (ready.status == False).then(|| Problem {
            reason: match row {
                "reference-missing" => "ReferenceMissing",
                "target-taken" => "TargetTaken",
                _ => "InvalidSpec",
            },
            message: ready.message.clone(),
            wait: row == "reference-missing",
        });
        let at = written.work.as_ref().and_then(|work| work.sampled_at.clone());
        let at = at.map_or(at_nine(), |at| at.0);
        let age = |age| SourceState::Lost {
            why: SampleError::Refused,
            age: Duration::from_secs(age),
            last: Some((&tally, at)),
        };
        let ready = written.ready_replicas.map_or(0, |ready| ready as u32);
        let facts = Facts {
            generation: written.observed_generation.unwrap_or_default(),
            problem: problem.as_ref(),
            suspended: pool.spec.suspend,
            target: written.replicas.map(|replicas| (replicas as u32, ready)),
            max: pool.spec.max_replicas as u32,
            source: match row {
                "broker-lost-briefly" => age(29),
                "broker-lost" => age(30),
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
