//! From what is kept of the pools to the JSON.
#![deny(clippy::disallowed_methods)]

use std::{cmp::Reverse, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{
    record::{Entry, PodSeen, Record, Snapshot, Whole},
    ring::EVERY,
    types::{
        Candidate, Condition, Decision, Detail, Estimates, History, Leader, OnePool, Pod, Pool, Pools, Promise, Queue,
        Refusal, Refused, Replicas, Sparkline, VERSION, Work,
    },
};
use crate::{
    api::{self, ConditionStatus},
    model::{Moment, Now},
    scaling,
};

/// Number of queues of a pool in the list.
const QUEUES: usize = 16;
/// Number of points of a sparkline.
const SPARKS: usize = 30;
/// Type of the condition that says whether the broker is read.
pub const SOURCE: &str = "SourceAvailable";
/// Page that has a heading for each reason.
const DOCS: &str = "docs/troubleshooting.md";

/// List of all pools, the worst first. They are made one after the other while they are written.
pub fn list(snapshot: Snapshot, leader: Leader) -> Pools<Each> {
    let Snapshot { now, mut entries } = snapshot;
    entries.sort_by_cached_key(|entry| rank(&entry.record));
    Pools {
        api_version: VERSION.to_owned(),
        at: whole_second(now.wall),
        leader,
        pools: Each { entries, now },
    }
}

/// One pool.
pub fn one(whole: &Whole, leader: Leader) -> OnePool {
    let now = whole.now;
    OnePool {
        api_version: VERSION.to_owned(),
        at: whole_second(now.wall),
        leader,
        pool: Pool {
            detail: Some(detail(whole)),
            ..pool(&whole.entry, now, usize::MAX)
        },
    }
}

/// Pool of which no more is known than its record: no hour, no pods, no decisions.
pub fn recorded(record: Record, now: Now) -> Pool {
    let entry = Entry {
        record: Arc::new(record),
        ring: None,
    };
    pool(&entry, now, usize::MAX)
}

/// Answer of another status than 200.
pub fn refusal(reason: &str, message: String, leader: Option<Leader>) -> Refusal {
    Refusal {
        api_version: VERSION.to_owned(),
        leader,
        error: Refused {
            reason: reason.to_owned(),
            message,
        },
    }
}

/// Pools, as a sequence.
#[derive(Debug)]
pub struct Each {
    entries: Vec<Entry>,
    now: Now,
}

impl Serialize for Each {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|entry| pool(entry, self.now, QUEUES)))
    }
}

/// Place of a pool in the list: by its state, by how much of its target the oldest wait takes, by what waits.
fn rank(record: &Record) -> impl Ord + use<> {
    let work = record.status.work.as_ref();
    let wait = work.and_then(|work| work.oldest_wait_seconds).unwrap_or(0);
    // In thousandths: whole numbers have an order.
    let share = record
        .wait_seconds
        .map_or(0, |target| wide(wait).saturating_mul(1000) / target.max(1));
    let waiting = work.map_or(0, |work| work.waiting);
    (record.state(), Reverse(share), Reverse(waiting), record.key.clone())
}

fn pool(entry: &Entry, now: Now, most_queues: usize) -> Pool {
    let record = &*entry.record;
    let status = &record.status;
    let omitted = status.queues.len().saturating_sub(most_queues);
    let spark = entry.ring.as_ref().map(|ring| ring.short(now.moment, SPARKS));
    let spark = spark.unwrap_or_default();
    Pool {
        namespace: record.key.namespace.clone(),
        name: record.key.name.clone(),
        state: record.state(),
        message: status.message.clone().unwrap_or_default(),
        target: record.target.clone(),
        framework: record.framework.to_owned(),
        mode: if record.observes { "Observe" } else { "Act" }.to_owned(),
        broker: record.broker.clone(),
        work: status.work.as_ref().map(|of| work(of, record)),
        promise: Promise {
            wait_seconds: record.wait_seconds,
            backlog_per_replica: record.backlog_per_replica,
        },
        replicas: Replicas {
            wanted: status.desired_replicas.and_then(count),
            set: status.replicas.and_then(count),
            ready: status.ready_replicas.and_then(count),
            min: record.limits[0],
            max: record.limits[1],
        },
        candidates: candidates(record),
        estimates: record.estimates.as_ref().map(estimates),
        queues: status.queues.iter().take(most_queues).map(queue).collect(),
        queues_omitted: record
            .queues_omitted
            .saturating_add(u32::try_from(omitted).unwrap_or(u32::MAX)),
        conditions: {
            let unread = record.is_lost();
            let told = status.conditions.iter();
            told.map(|told| condition(told, unread)).collect()
        },
        sparkline: Sparkline {
            every_seconds: seconds(EVERY) * 4,
            waiting: spark.waiting,
            set: spark.set,
        },
        detail: None,
    }
}

fn detail(whole: &Whole) -> Detail {
    let Whole { now, entry, log, .. } = whole;
    let status = &entry.record.status;
    let columns = entry.ring.as_ref().map(|ring| ring.columns(now.moment));
    let columns = columns.unwrap_or_default();
    let replicas = status.replicas.and_then(count).unwrap_or(0);
    Detail {
        pods: whole.pods.iter().map(|seen| pod(seen, now.moment)).collect(),
        pods_omitted: whole.pods_omitted,
        starting: replicas.saturating_sub(status.ready_replicas.and_then(count).unwrap_or(0)),
        decisions: log
            .iter()
            .map(|decided| Decision {
                at: whole_second(decided.at),
                from: decided.from,
                to: decided.to,
                rule: decided.rule.reason().to_owned(),
                message: decided.sentence.clone(),
            })
            .collect(),
        history: History {
            every_seconds: seconds(EVERY),
            waiting: columns.waiting,
            oldest_wait_seconds: columns.oldest,
            wanted: columns.wanted,
            set: columns.set,
            ready: columns.ready,
            arrived: columns.arrived,
        },
    }
}

/// What each rule asked for. The rule that set the number is always among them.
fn candidates(record: &Record) -> Vec<Candidate> {
    let Some((rule, replicas, candidates)) = &record.decision else {
        return Vec::new();
    };
    let mut all: Vec<_> = candidates
        .each()
        .map(|(of, replicas)| Candidate {
            rule: of.reason().to_owned(),
            replicas,
            chosen: of == *rule,
        })
        .collect();
    if all.iter().all(|candidate| !candidate.chosen) {
        all.push(Candidate {
            rule: rule.reason().to_owned(),
            replicas: *replicas,
            chosen: true,
        });
    }
    all
}

fn work(work: &api::WorkStatus, record: &Record) -> Work {
    Work {
        waiting: wide(work.waiting),
        running: wide(work.running),
        in_flight: wide(work.in_flight),
        scheduled: wide(work.scheduled),
        oldest_wait_seconds: work.oldest_wait_seconds.map(wide),
        fresh: !record.is_lost(),
        counted_at: work.sampled_at.as_ref().map(|at| at.0),
    }
}

fn estimates(learned: &scaling::Estimates) -> Estimates {
    Estimates {
        task_milliseconds: learned.task.map(|task| (task * 1e3) as u64),
        arrivals_per_minute: Some((learned.rate * 60.0).round() as u64),
        startup_seconds: learned.startup.map(|startup| startup.ceil() as u64),
        concurrency: learned.slots,
        in_time: learned.in_time,
    }
}

fn queue(queue: &api::QueueStatus) -> Queue {
    Queue {
        name: queue.name.clone(),
        waiting: wide(queue.waiting),
        missing: queue.missing,
    }
}

/// Whether this condition is Unknown for no other cause than that the broker is not read: `SourceAvailable` says why.
pub fn waits_for_source(condition: &api::Condition) -> bool {
    let reasons: &[&str] = match condition.kind.as_str() {
        SOURCE => &[],
        // Of the workers it means that they have just begun.
        "Ready" => &["Starting"],
        _ => &["NotAsked", "NotSampledYet", "SourceLost"],
    };
    condition.status == ConditionStatus::Unknown && reasons.contains(&condition.reason.as_str())
}

/// `unread`: whether `SourceAvailable` is not as it should be either.
fn condition(condition: &api::Condition, unread: bool) -> Condition {
    let status = match condition.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    Condition {
        kind: condition.kind.clone(),
        status: status.to_owned(),
        unknown_because: (unread && waits_for_source(condition)).then(|| SOURCE.to_owned()),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.last_transition_time.0,
        docs: format!("{DOCS}#{}", condition.reason.to_lowercase()),
    }
}

fn pod(seen: &PodSeen, now: Moment) -> Pod {
    Pod {
        name: seen.name.clone(),
        state: seen.state,
        running: seen.running,
        reserved: seen.holds.map(|[reserved, _]| reserved),
        scheduled: seen.holds.map(|[_, scheduled]| scheduled),
        seconds: seen.since.map(|since| now.saturating_sub(since).as_secs()),
        fresh: seen.fresh,
    }
}

fn count(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

fn wide(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn seconds(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
