//! The seven questions, asked of everything that was seen of a set-up. Pure.

use std::collections::BTreeMap;

use super::{
    conditions,
    set_up::SetUp,
    truth::{Records, Word, Worker},
    watch::Sample,
};

pub const QUESTIONS: [&str; 7] = [
    "count",
    "whole",
    "once",
    "bystander",
    "no error",
    "minimum",
    "conditions",
];

/// A count is judged where nothing happened in this time before and after it, in seconds: what is on its way between the
/// broker and a worker's process is nowhere, heartbeats come every two seconds, and counts carry whole seconds.
const BEFORE: f64 = 5.0;
const AFTER: f64 = 1.5;
/// A count that is older tells nothing while there is work, in seconds: 5 are promised, and one passes until it is looked at.
const FRESH: f64 = 8.0;
/// A worker is steady so long after it said that it is ready, and until so long before its end, in seconds.
const SETTLED: f64 = 5.0;
/// What is not a proof: fewer rounds than this with anyone to answer.
const ROUNDS: usize = 3;

/// What one question got for an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Right,
    /// With what was seen.
    Wrong(String),
    /// It cannot be, for this reason.
    Cannot(String),
}

/// All that was seen of a set-up.
#[derive(Clone, Debug, Default)]
pub struct Everything {
    pub records: Records,
    pub samples: Vec<Sample>,
    /// ERROR lines in the logs of the pods that were left.
    pub lines: Vec<String>,
    /// When the pool was first seen to be ready, or refused.
    pub begun: f64,
    /// Whether all that was published came to its end in time.
    pub done: bool,
}

/// The answers in the order of [`QUESTIONS`].
pub fn ask(set_up: &SetUp, seen: &Everything) -> Vec<Answer> {
    let found = [
        count(set_up, seen),
        whole(set_up, seen),
        once(set_up, seen),
        bystander(set_up, seen),
        no_error(set_up, seen),
        minimum(set_up, seen),
        conditions::all(set_up, seen),
    ];
    let answer = |(question, wrong): (&str, Vec<String>)| match set_up.expect.cannot.get(question) {
        Some(why) => Answer::Cannot(why.clone()),
        None if wrong.is_empty() => Answer::Right,
        None => Answer::Wrong(in_short(wrong)),
    };
    QUESTIONS.into_iter().zip(found).map(answer).collect()
}

/// The first few, and how many there are.
fn in_short(wrong: Vec<String>) -> String {
    let (all, some) = (wrong.len(), 4);
    let text = wrong.into_iter().take(some).collect::<Vec<_>>().join("\n      ");
    if all > some {
        format!("{text}\n      … {} more", all - some)
    } else {
        text
    }
}

/// 1. What waits, runs and is due later is what was published and is not done.
fn count(_: &SetUp, seen: &Everything) -> Vec<String> {
    let (outstanding, running) = (seen.records.outstanding(), seen.records.running());
    let mut wrong = Vec::new();
    let mut last = None;
    let mut compared = 0;
    for sample in seen.samples.iter().filter(|sample| sample.at > seen.begun) {
        let Some(work) = &sample.status.work else { continue };
        let Some(sampled) = &work.sampled_at else { continue };
        let at = sampled.0.as_millisecond() as f64 / 1000.0;
        if !sample.is("SourceAvailable", "True") {
            continue;
        }
        if outstanding.between(at, sample.at).0 > 0 && sample.at - at > FRESH {
            let (at, age) = (sample.at - seen.begun, sample.at - at);
            wrong.push(format!("at {at:.0} s the count is {age:.0} s old"));
        }
        if last.replace(at) == Some(at) || !seen.records.quiet(at - BEFORE, at + AFTER) {
            continue;
        }
        let (all, busy) = (outstanding.at(at), running.at(at));
        compared += usize::from(all > 0);
        let counted = work.ready + work.in_flight + work.scheduled;
        if counted != all || work.in_flight < busy {
            wrong.push(format!(
                "at {:.0} s: ready {} + in flight {} + scheduled {}, and {all} were outstanding, {busy} ran",
                at - seen.begun,
                work.ready,
                work.in_flight,
                work.scheduled,
            ));
        }
    }
    if !seen.records.published.is_empty() && compared == 0 {
        wrong.push("nothing was counted".to_owned());
    }
    wrong
}

/// 2. Every attempt came to its end, and every task to one.
fn whole(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let cut_off = seen.records.cut_off();
    let mut wrong = Vec::new();
    if cut_off.len() > set_up.expect.cut_off {
        let starts = cut_off.iter().map(|start| {
            format!(
                "cut off: {} on {} at {:.0} s",
                start.id,
                start.pod,
                start.at - seen.begun
            )
        });
        wrong.extend(starts);
    }
    let left = seen.records.outstanding().at(f64::MAX);
    if left != i64::try_from(set_up.expect.left).expect("a number") {
        wrong.push(format!(
            "{left} tasks were not done, {} were to be left",
            set_up.expect.left
        ));
    }
    if !seen.done {
        wrong.push("it did not come to an end in time".to_owned());
    }
    wrong
}

/// 3. Nothing ran twice.
fn once(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let twice = seen.records.twice();
    if twice.len() <= set_up.expect.again {
        return Vec::new();
    }
    let line = |starts: &Vec<&super::truth::Started>| {
        let places: Vec<_> = starts
            .iter()
            .map(|start| format!("{} at {:.0} s", start.pod, start.at - seen.begun))
            .collect();
        format!("{} ran {} times: {}", starts[0].id, starts.len(), places.join(", "))
    };
    twice.iter().map(line).collect()
}

/// 4. The application's own ping has had every answer, no worker was restarted, no stranger's pod removed.
fn bystander(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut complete = 0;
    for round in &seen.records.pings {
        if let Some(failed) = &round.failed {
            wrong.push(format!(
                "at {:.0} s the ping failed: {failed}",
                round.begin - seen.begun
            ));
            continue;
        }
        let mut awaited: BTreeMap<&str, usize> = BTreeMap::new();
        for worker in steady(set_up, seen, round.begin, round.end) {
            *awaited.entry(&worker.node).or_default() += 1;
        }
        if set_up.bystander.one_name {
            awaited.values_mut().for_each(|number| *number = 1);
        }
        let answers = |node: &str| round.answered.iter().filter(|answered| *answered == node).count();
        let missing: Vec<_> = awaited
            .iter()
            .filter(|(node, number)| answers(node) < **number)
            .collect();
        if !missing.is_empty() {
            wrong.push(format!("at {:.0} s no answer of {missing:?}", round.begin - seen.begun));
        } else if !awaited.is_empty() {
            complete += 1;
        }
    }
    if complete < ROUNDS && !set_up.bystander.nobody_answers {
        wrong.push(format!("only {complete} rounds with anyone to answer"));
    }
    let pods = || seen.samples.iter().flat_map(|sample| &sample.pods);
    if let Some(pod) = pods().find(|pod| pod.restarts > 0).filter(|_| !set_up.expect.restarts) {
        wrong.push(format!("a container of {} was restarted", pod.name));
    }
    if let Some(pod) = pods().find(|pod| pod.foreign && pod.terminating) {
        wrong.push(format!("{} belongs to somebody else and was removed", pod.name));
    }
    wrong
}

/// The workers that must answer a round.
fn steady<'a>(set_up: &SetUp, seen: &'a Everything, begin: f64, end: f64) -> Vec<&'a Worker> {
    if set_up.bystander.nobody_answers {
        return Vec::new();
    }
    let words = &seen.records.workers;
    // The last word of each worker before the end of the round.
    let mut last: BTreeMap<(&str, &str), Vec<&Worker>> = BTreeMap::new();
    for word in words.iter().filter(|word| word.at <= end + SETTLED) {
        let of = last.entry((&word.pod, &word.node)).or_default();
        match word.what {
            Word::Ready => of.push(word),
            Word::Ending => of.clear(),
        }
    }
    let stays = |worker: &&Worker| {
        let around = seen
            .samples
            .iter()
            .filter(|sample| sample.at >= begin - 2.0 && sample.at <= end + SETTLED);
        around.clone().count() > 0
            && around
                .flat_map(|sample| &sample.pods)
                .filter(|pod| pod.name == worker.pod)
                .all(|pod| !pod.terminating)
    };
    let workers = last
        .into_values()
        .flatten()
        .filter(|worker| worker.at <= begin - SETTLED)
        .filter(stays);
    workers
        .filter(|worker| !set_up.bystander.busy_are_silent || !seen.records.busy(worker, begin - 1.0, end))
        .collect()
}

/// 5. No worker has logged an ERROR.
fn no_error(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let allowed = |text: &str| set_up.expect.errors.keys().any(|part| text.contains(part.as_str()));
    let recorded = seen
        .records
        .errors
        .iter()
        .map(|error| format!("{}: {}", error.pod, error.text));
    let all = recorded.chain(seen.lines.iter().cloned());
    let all: std::collections::BTreeSet<String> = all.filter(|text| !allowed(text)).map(|text| ends(&text)).collect();
    all.into_iter().collect()
}

/// The beginning and the end of a text: of a traceback, what matters.
fn ends(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    match characters.len() {
        ..500 => text.to_owned(),
        all => [&characters[..200], &[' ', '…', ' '], &characters[all - 250..]]
            .concat()
            .iter()
            .collect(),
    }
}

/// 6. Back at the minimum, or a condition that says why not.
fn minimum(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let Some(last) = seen.samples.last() else {
        return vec!["nothing was seen".to_owned()];
    };
    let wished = set_up.expect.replicas.unwrap_or(set_up.minimum());
    let mut wrong = Vec::new();
    if last.replicas != wished {
        wrong.push(format!("not {wished}: {}", last.short()));
    }
    let why = set_up.expect.says.iter().any(|says| says.at_end);
    if set_up.expect.replicas.is_some() && !why {
        wrong.push("the set-up names no condition that says why".to_owned());
    }
    wrong
}
