//! A bystander: beside everything that the operator does, the application asks its workers by `inspect ping`, and every one
//! that is up and steady must answer in each round. `bystander/bystander.py` records, this judges.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What goes beside an application's own file.
pub const PROGRAM: (&str, &str) = ("bystander.py", include_str!("bystander/bystander.py"));

/// A worker must answer so long after it said that it is ready, and until so long before its end, in seconds.
pub const SETTLED: f64 = 5.0;

/// What a worker says of itself.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Saying {
    Ready,
    Ending,
}

/// And when.
#[derive(Clone, Debug, Deserialize)]
pub struct Word {
    pub what: Saying,
    pub node: String,
    pub pod: String,
    pub at: f64,
}

/// An ERROR of a worker's log.
#[derive(Clone, Debug, Deserialize)]
pub struct Error {
    pub pod: String,
    pub text: String,
    pub at: f64,
}

/// A round of pings.
#[derive(Clone, Debug, Deserialize)]
pub struct Ping {
    pub begin: f64,
    pub end: f64,
    pub answered: Vec<String>,
    pub failed: Option<String>,
}

/// Everything that a bystander saw, judged.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Rounds in which somebody had to answer and everybody did.
    pub complete: usize,
    /// What was wrong in others: when the round began, and who was missing.
    pub wrong: Vec<(f64, String)>,
}

/// Judges the rounds. `excused` says who need not have answered, for reasons of its own; with `one_name` one answer is enough
/// for all workers of a name.
pub fn judge(words: &[Word], pings: &[Ping], one_name: bool, excused: impl Fn(&Word, &Ping) -> bool) -> Judged {
    let mut judged = Judged::default();
    for round in pings {
        if let Some(failed) = &round.failed {
            judged.wrong.push((round.begin, format!("the ping failed: {failed}")));
            continue;
        }
        let mut awaited: BTreeMap<&str, usize> = BTreeMap::new();
        for worker in steady(words, round).filter(|worker| !excused(worker, round)) {
            *awaited.entry(&worker.node).or_default() += 1;
        }
        let answers = |node: &str| round.answered.iter().filter(|answered| *answered == node).count();
        let wanted = |number: usize| if one_name { 1 } else { number };
        let missing = awaited.iter().filter(|(node, number)| answers(node) < wanted(**number));
        let missing: Vec<_> = missing.map(|(node, _)| *node).collect();
        if !missing.is_empty() {
            judged
                .wrong
                .push((round.begin, format!("no answer of {}", missing.join(", "))));
        } else if !awaited.is_empty() {
            judged.complete += 1;
        }
    }
    judged
}

/// The workers that were ready some time before a round and did not end until some time after it.
fn steady<'a>(words: &'a [Word], round: &Ping) -> impl Iterator<Item = &'a Word> {
    let mut up: BTreeMap<(&str, &str), Vec<&Word>> = BTreeMap::new();
    for word in words.iter().filter(|word| word.at <= round.end + SETTLED) {
        let of = up.entry((&word.pod, &word.node)).or_default();
        match word.what {
            Saying::Ready => of.push(word),
            Saying::Ending => of.clear(),
        }
    }
    let begin = round.begin;
    up.into_values()
        .flatten()
        .filter(move |word| word.at <= begin - SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(what: Saying, pod: &str, at: f64) -> Word {
        Word {
            what,
            node: format!("celery@{pod}"),
            pod: pod.to_owned(),
            at,
        }
    }

    fn ping(begin: f64, answered: &[&str]) -> Ping {
        Ping {
            begin,
            end: begin + 0.1,
            answered: answered.iter().map(|pod| format!("celery@{pod}")).collect(),
            failed: None,
        }
    }

    fn judged(words: &[Word], ping: Ping) -> (usize, usize) {
        let judged = judge(words, &[ping], false, |_, _| false);
        (judged.complete, judged.wrong.len())
    }

    #[test]
    fn who_is_up_must_answer_and_who_starts_or_ends_need_not() {
        let words = [
            word(Saying::Ready, "a", 0.0),
            word(Saying::Ready, "b", 0.0),
            word(Saying::Ending, "b", 50.0),
        ];
        assert_eq!(judged(&words, ping(2.0, &[])), (0, 0), "both start");
        assert_eq!(judged(&words, ping(20.0, &["a", "b"])), (1, 0));
        assert_eq!(judged(&words, ping(20.0, &["a"])), (0, 1));
        assert_eq!(judged(&words, ping(48.0, &["a"])), (1, 0), "one is about to end");
        assert_eq!(judged(&words, ping(70.0, &["a"])), (1, 0), "one has ended");
        assert_eq!(judged(&words, ping(70.0, &[])), (0, 1));
    }

    #[test]
    fn two_workers_of_one_name_owe_two_answers_unless_that_is_said() {
        let words = [word(Saying::Ready, "a", 0.0), word(Saying::Ready, "a", 1.0)];
        assert_eq!(judged(&words, ping(20.0, &["a"])), (0, 1));
        let one = judge(&words, &[ping(20.0, &["a"])], true, |_, _| false);
        assert_eq!((one.complete, one.wrong.len()), (1, 0));
    }

    #[test]
    fn a_ping_that_fails_is_wrong() {
        let failed = Ping {
            failed: Some("ConnectionError".to_owned()),
            ..ping(20.0, &[])
        };
        assert_eq!(judged(&[], failed), (0, 1));
    }
}
