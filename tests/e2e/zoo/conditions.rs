//! The seventh question: every condition is true, and what is wrong is told. Pure; a checker for each.

use taskworkerpool::api::Condition;

use crate::support::bystander::Saying;

use super::{
    questions::Everything,
    set_up::{Says, SetUp},
    watch::Sample,
};

/// Conditions that are `True` while all is well …
const GOOD: [&str; 6] = [
    "Ready",
    "SourceAvailable",
    "ScalingActive",
    "WorkersKnown",
    "QueuesMatch",
    "TargetFeasible",
];
/// … and those that are not.
const BAD: [&str; 5] = ["Degraded", "TargetConflict", "Suspended", "Stalled", "Reconciling"];
/// One of them beside `Degraded=False` is a lie.
const SERIOUS: [(&str, &str); 5] = [
    ("SourceAvailable", "False"),
    ("WorkersKnown", "False"),
    ("QueuesMatch", "False"),
    ("TargetFeasible", "False"),
    ("TargetConflict", "True"),
];
/// A worker that has started may not have been heard for so long, in seconds.
const HEARD: f64 = 20.0;
/// What a pod was so long ago may still be what the status tells of, in seconds.
const LAG: f64 = 5.0;

pub fn all(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    let during = seen.samples.iter().filter(|sample| sample.at > seen.begun);
    for sample in during {
        for condition in &sample.status.conditions {
            if let Some(untrue) = untrue(set_up, seen, sample, condition) {
                let line = format!(
                    "{untrue}: {}={:?}/{}: {}",
                    condition.kind, condition.status, condition.reason, condition.message
                );
                // Once is enough.
                if !wrong.iter().any(|before| before.ends_with(&line)) {
                    wrong.push(format!("at {:.0} s {line}", sample.at - seen.begun));
                }
            }
        }
    }
    for says in set_up.expect.says.iter().filter(|says| !says.maybe) {
        let of = |sample: &Sample| sample.status.conditions.iter().any(|condition| is(says, condition));
        let said = match says.at_end {
            true => seen.samples.last().is_some_and(of),
            false => seen.samples.iter().any(of),
        };
        if !said {
            let last = seen.samples.last().map(Sample::short).unwrap_or_default();
            wrong.push(format!("nobody said {says:?}; at the end: {last}"));
        }
    }
    wrong
}

/// What is not true of a condition at a moment.
fn untrue(set_up: &SetUp, seen: &Everything, sample: &Sample, condition: &Condition) -> Option<String> {
    let status = format!("{:?}", condition.status);
    let kind = condition.kind.as_str();
    match kind {
        "ScalingLimited" => return limited(set_up, sample, condition),
        "Degraded" if status == "False" => return degraded(sample),
        "WorkersKnown" if condition.reason == "NoWorkers" => return nobody(seen, sample),
        _ => {}
    }
    let well = match kind {
        _ if GOOD.contains(&kind) => "True",
        _ if BAD.contains(&kind) => "False",
        _ => "said of",
    };
    let expected = || set_up.expect.says.iter().any(|says| is(says, condition));
    let still = match kind {
        "WorkersKnown" if condition.reason == "Starting" => starting(seen, sample),
        "WorkersKnown" | "QueuesMatch" | "TargetFeasible" if status == "Unknown" => {
            !sample.is("SourceAvailable", "True")
        }
        "WorkersKnown" => starting(seen, sample),
        "SourceAvailable" if condition.reason == "Timeout" => slow(seen, sample.at),
        "ScalingActive" if condition.reason == "SourceLost" => !sample.is("SourceAvailable", "True"),
        // Nobody has declared it yet.
        "QueuesMatch" if condition.reason == "QueueMissing" => unused(seen, sample.at),
        "TargetFeasible" if condition.reason != "NothingStarts" => sample.pods.iter().any(|pod| !pod.ready),
        "Degraded" => others(set_up, seen, sample),
        _ => false,
    };
    (status != well && !still && !expected()).then(|| "not so".to_owned())
}

fn is(says: &Says, condition: &Condition) -> bool {
    condition.kind == says.kind
        && format!("{:?}", condition.status) == says.status
        && (says.reasons.is_empty() || says.reasons.contains(&condition.reason))
        && says
            .contains
            .iter()
            .all(|part| condition.message.contains(part.as_str()))
}

/// The application, too, waited for its answers at this time: the machine has more to do than it can.
fn slow(seen: &Everything, at: f64) -> bool {
    let around = |begin: f64| begin >= at - 20.0 && begin <= at + 5.0;
    let pings = seen.pings.iter().filter(|ping| around(ping.begin));
    pings
        .filter(|ping| !ping.answered.is_empty())
        .any(|ping| ping.end - ping.begin > 1.0)
}

/// Nothing was published and no worker was there until just now.
fn unused(seen: &Everything, at: f64) -> bool {
    let published = seen.truth.published.iter().map(|one| one.at);
    let workers = seen.words.iter().map(|one| one.at);
    published.chain(workers).all(|came| came > at - 10.0)
}

/// A worker that has just started, or not yet, or that is about to end, may well be unknown; a pod that fails at
/// its start is ready for a second only.
fn starting(seen: &Everything, sample: &Sample) -> bool {
    let recent = |then: &&Sample| then.at <= sample.at && then.at >= sample.at - LAG;
    seen.samples.iter().filter(recent).any(|then| starts(seen, then))
}

fn starts(seen: &Everything, sample: &Sample) -> bool {
    let heard = |pod: &str| {
        let mut words = seen.words.iter().filter(|word| word.pod == pod && word.at <= sample.at);
        words
            .next_back()
            .is_some_and(|word| word.what == Saying::Ready && word.at < sample.at - HEARD)
    };
    sample
        .pods
        .iter()
        .filter(|pod| pod.is_ours())
        .any(|pod| pod.terminating || (pod.ready && !heard(&pod.name)))
}

/// `Degraded=True` is true where another condition says what is wrong.
fn others(set_up: &SetUp, seen: &Everything, sample: &Sample) -> bool {
    let others = sample.status.conditions.iter().filter(|one| one.kind != "Degraded");
    others.clone().any(|one| {
        let wrong = match one.kind.as_str() {
            kind if GOOD.contains(&kind) => "False",
            kind if BAD.contains(&kind) => "True",
            _ => return false,
        };
        // What is untrue itself is told of already.
        format!("{:?}", one.status) == wrong && untrue(set_up, seen, sample, one).is_none()
    })
}

fn degraded(sample: &Sample) -> Option<String> {
    let serious = SERIOUS.iter().find(|(kind, status)| {
        // A queue that nobody has declared yet is empty, no more.
        let of = |one: &&Condition| format!("{:?}", one.status) == *status && one.reason != "QueueMissing";
        sample.condition(kind).filter(of).is_some()
    });
    serious.map(|(kind, status)| format!("beside {kind}={status}"))
}

/// "No pod is ready": then none has been so for long.
fn nobody(seen: &Everything, sample: &Sample) -> Option<String> {
    let before = |name: &str| {
        let then = seen.samples.iter().rev().find(|then| then.at < sample.at - HEARD)?;
        then.pods.iter().find(|pod| pod.name == name && pod.ready)
    };
    let mut ready = sample
        .pods
        .iter()
        .filter(|pod| pod.ready && pod.is_ours() && !pod.terminating);
    let long = ready.find(|pod| before(&pod.name).is_some());
    long.map(|pod| format!("{} is ready", pod.name))
}

fn limited(set_up: &SetUp, sample: &Sample, condition: &Condition) -> Option<String> {
    let desired = sample.status.desired_replicas?;
    let maximum = set_up
        .pool
        .get("maxReplicas")
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(3);
    let right = match condition.reason.as_str() {
        "Maximum" => i64::from(desired) == maximum,
        "Minimum" => desired == set_up.minimum(),
        _ => true,
    };
    (!right).then(|| format!("{desired} are desired"))
}
