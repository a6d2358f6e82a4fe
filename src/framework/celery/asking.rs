//! Which workers to ask what, and when to ask again: only those that are addressed, never faster than they answer.
//!
//! A worker that cannot answer (`-P solo` runs a task, a broken connection) finds all questions when it is back, and
//! answers each: so the pauses grow. One question may fail on a worker that answers others: Celery's `reserved` carries
//! the tasks' arguments, and if those were sent as pickle and cannot be written as JSON, the worker logs an
//! `EncodeError`.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::workers::Worker;
use super::{CeleryConfig, own::Nodes};
use crate::framework::celery::ask::{Ask, Inspect};
use crate::model::{Moment, Now};

/// Time within which an answer is expected: one of the next samples.
const SOON: Duration = Duration::from_millis(400);
/// Number of unanswered questions that are repeated at that pace.
const EAGER: u32 = 3;
/// Longest pause between two questions that are not answered.
const LONGEST: Duration = Duration::from_secs(30);
/// The same, for workers that send heartbeats.
const BEATS: Duration = Duration::from_secs(2);
/// Age at which a question is forgotten.
const FORGET: Duration = Duration::from_secs(120);
/// Largest number of nodes that one message names.
const AT_ONCE: usize = 20;
/// Number of nodes above which all workers are asked.
const MANY: usize = 100;

/// Latest questions, by method and node.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    asked: BTreeMap<NodeQuestion, QuestionState>,
    /// Time at which all workers were last asked for their presence.
    pinged: Option<Moment>,
    tidied: Moment,
}

/// Question to a node, whose name is replaced by a hash: there may be very many names, and long ones. Two nodes with
/// equal hashes share their pauses.
type NodeQuestion = (Inspect, u64);

fn question(method: Inspect, node: &str) -> NodeQuestion {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    (method, hasher.finish())
}

#[derive(Clone, Copy, Debug)]
struct QuestionState {
    at: Moment,
    /// Time of the first question since the last answer.
    first: Moment,
    /// Number of questions in a row without an answer, before the latest one.
    unanswered: u32,
    /// Number of those during which the worker answered another question: only these are the fault of this question.
    overtaken: u32,
}

impl QuestionState {
    /// Whether the worker has answered another question since this one.
    fn is_overtaken(&self, worker: &Worker) -> bool {
        worker.answered.is_some_and(|at| at >= self.first)
    }
}

impl Asking {
    /// Asks those of these workers that answered the last question at least `pace` ago, or have not answered for
    /// longer.
    pub(super) fn ask(
        &mut self,
        config: &CeleryConfig,
        method: Inspect,
        nodes: &Nodes,
        pace: Duration,
        now: Now,
    ) -> Vec<Ask> {
        let is_due = |(node, worker): &&(&str, &Worker)| self.is_due(method, node, worker, pace, now.moment);
        let due: Vec<_> = nodes.iter().filter(is_due).copied().collect();
        for (node, worker) in &due {
            self.put(method, node, worker, now.moment);
        }
        if due.len() > MANY {
            // With one message for each group every worker would read the names of all.
            return vec![config.inspect(method)];
        }
        let due: Vec<_> = due.into_iter().map(|(node, _)| node.to_owned()).collect();
        let reads = due.chunks(AT_ONCE).map(|nodes| Ask::Inspect {
            method,
            mailbox: config.mailbox(nodes.to_vec()),
        });
        reads.collect()
    }

    /// Asks all workers for their presence, unless that was done less than `pace` ago.
    pub(super) fn ping(&mut self, config: &CeleryConfig, pace: Duration, now: Now) -> Option<Ask> {
        let due = self.pinged.is_none_or(|at| now.moment.saturating_sub(at) >= pace);
        due.then(|| {
            self.pinged = Some(now.moment);
            config.inspect(Inspect::Ping)
        })
    }

    /// Whether a worker is to be asked this (again).
    pub(super) fn is_due(&self, method: Inspect, node: &str, worker: &Worker, pace: Duration, now: Moment) -> bool {
        let Some(asked) = self.asked.get(&question(method, node)) else {
            return true;
        };
        let since = now.saturating_sub(asked.at);
        match answered(worker, method).is_some_and(|at| at >= asked.at) {
            true => since >= pace,
            // The worker was too busy even for a heartbeat, and is back, or it is another process.
            false if worker.steady_since > asked.at => since >= SOON,
            // It answers other questions: it cannot answer this one, and logs an error each time.
            false if asked.is_overtaken(worker) => since >= seldom(asked.overtaken),
            // It sends heartbeats and has answered before: a question was lost.
            false if worker.answered.is_some() && worker.beat.is_some_and(|at| at > asked.at) => {
                since >= pause(asked.unanswered).min(BEATS)
            }
            false => since >= pause(asked.unanswered),
        }
    }

    fn put(&mut self, method: Inspect, node: &str, worker: &Worker, now: Moment) {
        // Rounded as in a ticket: an answer must not seem older than its question.
        let now = Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let entry = self.asked.entry(question(method, node));
        let asked = entry.or_insert(QuestionState {
            at: now,
            first: now,
            unanswered: 0,
            overtaken: 0,
        });
        if answered(worker, method).is_some_and(|at| at >= asked.at) || asked.at == now {
            (asked.first, asked.unanswered, asked.overtaken) = (now, 0, 0);
        } else {
            asked.unanswered = asked.unanswered.saturating_add(1);
            asked.overtaken += u32::from(asked.is_overtaken(worker));
        }
        asked.at = now;
    }

    /// Forgets old questions, now and then.
    pub(super) fn tidy(&mut self, now: Moment) {
        if now.saturating_sub(self.tidied) >= FORGET {
            self.tidied = now;
            self.asked.retain(|_, asked| now.saturating_sub(asked.at) < FORGET);
        }
    }
}

/// Pause after this number of unanswered questions in a row, and one more.
fn pause(unanswered: u32) -> Duration {
    unanswered.checked_sub(EAGER).map_or(SOON, seldom)
}

fn seldom(unanswered: u32) -> Duration {
    Duration::from_secs(1 << unanswered.min(5)).min(LONGEST)
}

/// Time of the latest question of this method that a worker answered.
fn answered(worker: &Worker, method: Inspect) -> Option<Moment> {
    match method {
        Inspect::ActiveQueues => worker.queues.as_ref().map(|(at, _)| *at),
        Inspect::Stats => worker.stats.as_ref().map(|(at, _)| *at),
        Inspect::Ping => worker.answered,
        _ => worker.inspections.get(&method).map(|(at, _)| *at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::celery::{WorkerSignal, Workers};

    const NODE: &str = "celery@mail-6d5f7c9b8-aaaa0";

    /// The moments at which a worker is asked within a minute, sampled each half a second, at odd times; one that answers
    /// does so at once, with the time of the question as its ticket tells it.
    fn asked(answers: &[Inspect], beats: bool) -> Vec<u64> {
        asked_through(answers, beats, 0..0)
    }

    /// The same where nothing gets through between these halves of a second.
    fn asked_through(answers: &[Inspect], beats: bool, lapse: std::ops::Range<u64>) -> Vec<u64> {
        let (config, mut asking, mut workers) = (CeleryConfig::default(), Asking::default(), Workers::default());
        let mut moments = Vec::new();
        for half in 0..120_u64 {
            let moment = Duration::from_nanos(100_000_567_891 + half * 500_123_457);
            let now = Now {
                wall: jiff::Timestamp::UNIX_EPOCH,
                moment,
            };
            if beats || half == 0 {
                workers.heard(NODE, 0, 7, Duration::from_secs(2), moment);
            }
            let nodes: Nodes = workers.all().collect();
            let due = [Inspect::Reserved, Inspect::Active]
                .map(|method| (method, !asking.ask(&config, method, &nodes, SOON, now).is_empty()));
            moments.extend(due[0].1.then_some(half / 2));
            let due = due.into_iter().filter(|_| !lapse.contains(&half));
            for (method, _) in due.filter(|(method, due)| *due && answers.contains(method)) {
                let signal = WorkerSignal::Inspected {
                    node: NODE.into(),
                    method,
                    answer: Default::default(),
                    asked: Duration::from_millis(u64::try_from(moment.as_millis()).unwrap()),
                };
                workers.take(&signal, moment);
            }
        }
        moments
    }

    #[test]
    fn who_answers_is_asked_with_each_sample_and_who_does_not_less_and_less_often() {
        let all = [Inspect::Reserved, Inspect::Active];
        assert_eq!(asked(&all, true).len(), 120);
        assert_eq!(asked(&all, false).len(), 120);
        for beats in [true, false] {
            let deaf = asked(&[], beats);
            assert!((5..12).contains(&deaf.len()), "{deaf:?}");
            let partly = asked(&[Inspect::Active], beats);
            assert!((5..8).contains(&partly.len()), "it cannot answer this: {partly:?}");
        }
    }

    #[test]
    fn after_a_time_in_which_nothing_got_through_all_is_asked_at_once() {
        let all = [Inspect::Reserved, Inspect::Active];
        for lapse in [6, 10, 20, 60] {
            let asked = asked_through(&all, true, 20..20 + lapse);
            let back = asked.iter().filter(|second| **second >= (20 + lapse) / 2).count();
            let left = usize::try_from(120 - 20 - lapse).unwrap();
            assert!(back + 5 >= left, "{lapse}: {back} of {left}: {asked:?}");
        }
    }
}
