//! What the tasks of an application themselves recorded, and what is true by it at any moment. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A message was published: a task, or its next attempt after a retry of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct Published {
    pub id: String,
    #[serde(default)]
    pub retries: u32,
    pub at: f64,
    /// When it may start, if that is later.
    pub due: Option<f64>,
}

/// And now it is with the broker.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    pub at: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Started {
    pub id: String,
    #[serde(default)]
    pub retries: u32,
    /// What tells apart the attempts at one message.
    #[serde(default)]
    pub attempt: String,
    /// Where it runs, if the program says so.
    #[serde(default)]
    pub node: String,
    #[serde(default)]
    pub pod: String,
    pub at: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Ended {
    pub id: String,
    #[serde(default)]
    pub retries: u32,
    #[serde(default)]
    pub attempt: String,
    pub at: f64,
}

/// All of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Truth {
    pub published: Vec<Published>,
    #[serde(default)]
    pub sent: Vec<Sent>,
    pub started: Vec<Started>,
    pub ended: Vec<Ended>,
}

/// How many tasks there are at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Due, and not started.
    pub waiting: u64,
    pub running: u64,
    /// Not due yet.
    pub scheduled: u64,
}

/// A number that changes, by its changes.
#[derive(Clone, Debug, Default)]
pub struct Curve(Vec<(f64, i64)>);

impl Curve {
    fn new(mut steps: Vec<(f64, i64)>) -> Self {
        steps.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self(steps)
    }

    pub fn at(&self, at: f64) -> i64 {
        self.0.iter().take_while(|step| step.0 <= at).map(|step| step.1).sum()
    }
}

impl Truth {
    /// How many tasks wait, run and are due later, where each runs once.
    pub fn counts(&self, at: f64) -> Counts {
        let started: BTreeSet<&str> = self.started.iter().map(|start| start.id.as_str()).collect();
        let ended = self.ended.iter().map(|end| end.id.as_str()).collect();
        let mut counts = Counts {
            running: started.difference(&ended).count() as u64,
            ..Counts::default()
        };
        for task in self.published.iter().filter(|task| !started.contains(task.id.as_str())) {
            match task.due {
                Some(due) if due > at => counts.scheduled += 1,
                _ => counts.waiting += 1,
            }
        }
        counts
    }

    /// Messages that were published and have not been done.
    pub fn outstanding(&self) -> Curve {
        let mut done: BTreeMap<(&str, u32), f64> = BTreeMap::new();
        for end in &self.ended {
            let at = done.entry((&end.id, end.retries)).or_insert(end.at);
            *at = at.min(end.at);
        }
        let mut begun = BTreeSet::new();
        let mut steps = Vec::new();
        for message in self.published.iter().filter(|one| begun.insert((&one.id, one.retries))) {
            steps.push((message.at, 1));
            steps.extend(done.get(&(message.id.as_str(), message.retries)).map(|end| (*end, -1)));
        }
        Curve::new(steps)
    }

    /// Attempts that have begun and not ended; one that was cut off is over when the next one at the same message begins.
    pub fn running(&self) -> Curve {
        let ends: BTreeMap<&str, f64> = self.ended.iter().map(|end| (end.attempt.as_str(), end.at)).collect();
        let mut steps = Vec::new();
        for start in &self.started {
            let again =
                |other: &&Started| other.id == start.id && other.retries == start.retries && other.at > start.at;
            let next = self.started.iter().filter(again).map(|other| other.at).reduce(f64::min);
            steps.push((start.at, 1));
            steps.extend(ends.get(start.attempt.as_str()).copied().or(next).map(|end| (end, -1)));
        }
        Curve::new(steps)
    }

    /// Whether nothing was published, begun or done between two moments.
    pub fn quiet(&self, from: f64, to: f64) -> bool {
        let published = self.published.iter().map(|one| one.at);
        let sent = self.sent.iter().map(|one| one.at);
        let started = self.started.iter().map(|one| one.at);
        let ended = self.ended.iter().map(|one| one.at);
        let mut all = published.chain(sent).chain(started).chain(ended);
        !all.any(|at| at >= from && at <= to)
    }

    /// Attempts without an end.
    pub fn cut_off(&self) -> Vec<&Started> {
        let ended: BTreeSet<&str> = self.ended.iter().map(|end| end.attempt.as_str()).collect();
        let starts = self.started.iter();
        starts.filter(|start| !ended.contains(start.attempt.as_str())).collect()
    }

    /// Messages with more than one start: their starts.
    pub fn twice(&self) -> Vec<Vec<&Started>> {
        let mut starts: BTreeMap<(&str, u32), Vec<&Started>> = BTreeMap::new();
        for start in &self.started {
            starts.entry((&start.id, start.retries)).or_default().push(start);
        }
        starts.into_values().filter(|starts| starts.len() > 1).collect()
    }

    /// Whether a node of a pod ran something between two moments.
    pub fn busy(&self, node: &str, pod: &str, from: f64, to: f64) -> bool {
        let mine = |start: &&Started| start.node == node && start.pod == pod && start.at <= to;
        self.started.iter().filter(mine).any(|start| {
            let end = self.ended.iter().find(|end| end.attempt == start.attempt);
            end.is_none_or(|end| end.at >= from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_waits_runs_comes_later_or_is_done() {
        let truth = serde_json::json!({
            "published": [{"id": "a", "at": 1.0}, {"id": "b", "at": 1.0}, {"id": "c", "at": 1.0}, {"id": "d", "at": 1.0, "due": 9.0}],
            "started": [{"id": "a", "at": 2.0}, {"id": "b", "at": 2.0}],
            "ended": [{"id": "a", "at": 3.0}],
        });
        let truth: Truth = serde_json::from_value(truth).expect("records");
        let counts = |waiting, scheduled| Counts {
            waiting,
            running: 1,
            scheduled,
        };
        assert_eq!(truth.counts(4.0), counts(1, 1));
        assert_eq!(truth.counts(9.0), counts(2, 0));
    }
}
