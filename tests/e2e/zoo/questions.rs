//! The seven questions, asked of everything that was seen of a set-up. Pure.

use std::collections::BTreeSet;

use super::{conditions, set_up::SetUp, watch::Sample};
use crate::support::{
    bystander::{self, Error, Ping, SETTLED, Word},
    truth::{Started, Truth},
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

/// Where nothing has happened for so long, the status must say what is so, in seconds: within 5 it is promised to be fresh,
/// and heartbeats come every two.
const FRESH: f64 = 8.0;
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
    /// What the tasks recorded …
    pub truth: Truth,
    /// … their workers, and the bystander.
    pub words: Vec<Word>,
    pub errors: Vec<Error>,
    pub pings: Vec<Ping>,
    pub samples: Vec<Sample>,
    /// ERROR lines in the logs of the pods that were left.
    pub lines: Vec<String>,
    /// When its turn came: what was before is not judged.
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
    let (outstanding, running) = (seen.truth.outstanding(), seen.truth.running());
    let mut wrong = Vec::new();
    let mut compared = 0;
    for sample in seen.samples.iter().filter(|sample| sample.at > seen.begun + FRESH) {
        let at = sample.at;
        if !sample.is("SourceAvailable", "True") || !quiet(seen, at - FRESH, at) {
            continue;
        }
        let work = sample.status.work.clone().unwrap_or_default();
        let (all, busy) = (outstanding.at(at), running.at(at));
        compared += usize::from(all > 0);
        let counted = work.waiting + work.in_flight + work.scheduled;
        if counted != all || work.in_flight < busy {
            wrong.push(format!(
                "at {:.0} s: waiting {} + in flight {} + scheduled {}, and {all} were outstanding, {busy} ran",
                at - seen.begun,
                work.waiting,
                work.in_flight,
                work.scheduled,
            ));
        }
    }
    if !seen.truth.published.is_empty() && compared == 0 {
        wrong.push("nothing was counted".to_owned());
    }
    wrong
}

/// Nothing changed between two moments, and no worker came or went.
fn quiet(seen: &Everything, from: f64, to: f64) -> bool {
    seen.truth.quiet(from, to) && !seen.words.iter().any(|word| word.at >= from && word.at <= to)
}

/// 2. Every attempt came to its end, and every task to one.
fn whole(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let cut_off = seen.truth.cut_off();
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
    let left = seen.truth.outstanding().at(f64::MAX);
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
    let twice = seen.truth.twice();
    if twice.len() <= set_up.expect.again {
        return Vec::new();
    }
    let line = |starts: &Vec<&Started>| {
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
    let silent = set_up.bystander.nobody_answers;
    let judged = bystander::judge(&seen.words, &seen.pings, set_up.bystander.one_name, |worker, round| {
        silent || ends_meanwhile(seen, worker, round) || is_deaf(set_up, seen, worker, round)
    });
    let line = |(at, what): (f64, String)| format!("at {:.0} s {what}", at - seen.begun);
    let mut wrong: Vec<_> = judged.wrong.into_iter().map(line).collect();
    if judged.complete < ROUNDS && !silent && !set_up.bystander.short_lived {
        wrong.push(format!("only {} rounds with anyone to answer", judged.complete));
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

/// A pod that is told to end may end without a word (a shell as the first process): it was not there all the time.
fn ends_meanwhile(seen: &Everything, worker: &Word, round: &Ping) -> bool {
    let around = |sample: &&Sample| sample.at >= round.begin - 2.0 && sample.at <= round.end + SETTLED;
    let is_there = |sample: &Sample| sample.pods.iter().any(|pod| pod.name == worker.pod && !pod.terminating);
    let mut around = seen.samples.iter().filter(around).peekable();
    around.peek().is_none() || !around.all(is_there)
}

/// A worker of one process that runs a task.
fn is_deaf(set_up: &SetUp, seen: &Everything, worker: &Word, round: &Ping) -> bool {
    set_up.bystander.busy_are_silent && seen.truth.busy(&worker.node, &worker.pod, round.begin - 1.0, round.end)
}

/// 5. No worker has logged an ERROR.
fn no_error(set_up: &SetUp, seen: &Everything) -> Vec<String> {
    let allowed = |text: &str| set_up.expect.errors.keys().any(|part| text.contains(part.as_str()));
    let recorded = seen.errors.iter().map(|error| format!("{}: {}", error.pod, error.text));
    let all = recorded.chain(seen.lines.iter().cloned());
    let all: BTreeSet<String> = all.filter(|text| !allowed(text)).map(|text| ends(&text)).collect();
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
