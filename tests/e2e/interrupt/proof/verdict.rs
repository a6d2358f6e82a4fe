//! What came of each task. Pure: records in, verdict out.
//!
//! An *attempt* is one start of a task. A task that no one disturbs has one, and ends. An attempt whose pod has gone before
//! it ended was *interrupted*, whatever became of the task: acknowledged late it is *rerun*, acknowledged early it is lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A task was published.
#[derive(Clone, Debug, Deserialize)]
pub struct Submitted {
    pub number: u32,
    /// Celery's id of it.
    pub id: String,
    /// How long it takes.
    pub seconds: f64,
    pub at: f64,
}

/// A worker has begun with it.
#[derive(Clone, Debug, Deserialize)]
pub struct Started {
    pub number: u32,
    pub attempt: String,
    pub pod: String,
    /// The broker had given it to a worker before.
    pub redelivered: bool,
    pub at: f64,
}

/// An attempt has come to its end.
#[derive(Clone, Debug, Deserialize)]
pub struct Ended {
    pub number: u32,
    pub attempt: String,
    pub at: f64,
}

/// Everything recorded: by the task itself, and (`results`, by the task's number) by Celery's result backend.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub submitted: Vec<Submitted>,
    pub started: Vec<Started>,
    pub ended: Vec<Ended>,
    pub results: BTreeMap<u32, String>,
}

/// Tasks and attempts, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    pub submitted: usize,
    /// Tasks with an end.
    pub finished: usize,
    /// Tasks with one start and one end.
    pub finished_once: usize,
    /// Attempts that ended with their pod.
    pub interrupted: usize,
    /// Tasks with more than one start.
    pub rerun: usize,
    /// Tasks without an end.
    pub lost: usize,
    /// Of these, tasks without a start.
    pub never_started: usize,
    /// Attempts at tasks that had been given to another worker before.
    pub redelivered: usize,
    /// Where the two records contradict each other.
    pub contradictions: Vec<String>,
    /// From publishing to the first start, in seconds, in order.
    pub waits: Vec<f64>,
    /// What the tasks take, in seconds.
    pub work: f64,
    /// The first task's publishing, and the last end.
    pub span: (f64, f64),
}

impl Verdict {
    /// `alive` are the pods that still run: an attempt in one of them may yet end.
    pub fn of(records: &Records, alive: &BTreeSet<String>) -> Self {
        let mut starts: BTreeMap<u32, Vec<&Started>> = BTreeMap::new();
        for start in &records.started {
            starts.entry(start.number).or_default().push(start);
        }
        let attempts: BTreeSet<&str> = records.ended.iter().map(|end| end.attempt.as_str()).collect();
        let ended: BTreeSet<u32> = records.ended.iter().map(|end| end.number).collect();
        let undone = |start: &&Started| !attempts.contains(start.attempt.as_str()) && !alive.contains(&start.pod);
        let mut verdict = Self {
            submitted: records.submitted.len(),
            interrupted: records.started.iter().filter(undone).count(),
            redelivered: records.started.iter().filter(|start| start.redelivered).count(),
            work: records.submitted.iter().map(|task| task.seconds).sum(),
            span: (
                records.submitted.first().map_or(0.0, |task| task.at),
                records.ended.iter().map(|end| end.at).fold(0.0, f64::max),
            ),
            ..Self::default()
        };
        for task in &records.submitted {
            let starts = starts.get(&task.number).map_or(&[][..], Vec::as_slice);
            let end = ended.contains(&task.number);
            verdict.finished += usize::from(end);
            verdict.finished_once += usize::from(end && starts.len() == 1);
            verdict.rerun += usize::from(starts.len() > 1);
            verdict.lost += usize::from(!end);
            verdict.never_started += usize::from(starts.is_empty());
            let first = starts.iter().map(|start| start.at).min_by(f64::total_cmp);
            verdict.waits.extend(first.map(|first| first - task.at));
            let result = records.results.get(&task.number).map(String::as_str);
            if end != (result == Some("SUCCESS")) {
                let said = if end { "ended" } else { "did not end" };
                let line = format!("task {} {said} and its result is {result:?}", task.number);
                verdict.contradictions.push(line);
            }
        }
        verdict.waits.sort_by(f64::total_cmp);
        verdict
    }

    /// The wait that this share of the started tasks did not exceed; NaN if none was.
    pub fn wait(&self, share: f64) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        let place = (self.waits.len() as f64 * share) as usize;
        self.waits.get(place.min(last)).copied().unwrap_or(f64::NAN)
    }

    /// Every task has run once, from its start to its end.
    pub fn is_clean(&self) -> bool {
        self.finished_once == self.submitted
            && (self.interrupted, self.rerun, self.lost) == (0, 0, 0)
            && self.contradictions.is_empty()
    }

    /// In one line, for messages.
    pub fn short(&self) -> String {
        format!(
            "{} submitted, {} finished, {} of them in one go; {} attempts interrupted, {} tasks rerun, {} lost ({} never \
             started), {} starts after a redelivery; contradictions: {:?}",
            self.submitted,
            self.finished,
            self.finished_once,
            self.interrupted,
            self.rerun,
            self.lost,
            self.never_started,
            self.redelivered,
            self.contradictions,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitted(number: u32) -> Submitted {
        Submitted {
            number,
            id: number.to_string(),
            seconds: 5.0,
            at: 10.0,
        }
    }

    fn started(number: u32, attempt: &str, pod: &str, at: f64) -> Started {
        Started {
            number,
            attempt: attempt.into(),
            pod: pod.into(),
            redelivered: false,
            at,
        }
    }

    fn ended(number: u32, attempt: &str) -> Ended {
        Ended {
            number,
            attempt: attempt.into(),
            at: 30.0,
        }
    }

    fn results(numbers: &[u32]) -> BTreeMap<u32, String> {
        numbers.iter().map(|number| (*number, "SUCCESS".to_owned())).collect()
    }

    #[test]
    fn a_task_that_started_and_ended_once_is_clean() {
        let records = Records {
            submitted: vec![submitted(1)],
            started: vec![started(1, "a", "x", 12.0)],
            ended: vec![ended(1, "a")],
            results: results(&[1]),
        };
        let verdict = Verdict::of(&records, &BTreeSet::new());
        assert!(verdict.is_clean(), "{}", verdict.short());
        assert_eq!(
            (verdict.wait(0.5), verdict.work, verdict.span),
            (2.0, 5.0, (10.0, 30.0))
        );
    }

    #[test]
    fn a_killed_attempt_is_interrupted_whether_the_task_is_rerun_or_lost() {
        let records = Records {
            submitted: vec![submitted(1), submitted(2), submitted(3), submitted(4)],
            started: vec![
                started(1, "a", "x", 12.0),
                started(1, "b", "y", 20.0),
                started(2, "c", "x", 12.0),
                started(3, "d", "y", 20.0),
            ],
            ended: vec![ended(1, "b")],
            results: results(&[1]),
        };
        let verdict = Verdict::of(&records, &BTreeSet::from(["y".to_owned()]));
        let counted = (
            verdict.finished,
            verdict.finished_once,
            verdict.interrupted,
            verdict.rerun,
        );
        assert_eq!(counted, (1, 0, 2, 1), "{}", verdict.short());
        // The third is not interrupted, for it may still run; it is not finished either.
        assert_eq!((verdict.lost, verdict.never_started), (3, 1));
        assert!(!verdict.is_clean());
    }

    #[test]
    fn both_records_must_agree() {
        let records = Records {
            submitted: vec![submitted(1), submitted(2)],
            started: vec![started(1, "a", "x", 12.0), started(2, "b", "x", 12.0)],
            ended: vec![ended(1, "a")],
            results: results(&[2]),
        };
        let verdict = Verdict::of(&records, &BTreeSet::new());
        assert_eq!(verdict.contradictions.len(), 2, "{:?}", verdict.contradictions);
    }
}
