//! What the application itself recorded, and what is true by it at any moment. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::support::bystander::{Error, Ping, Word};

/// A message was published: a task, or its next attempt after a retry of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct Published {
    pub id: String,
    pub retries: u32,
    pub at: f64,
}

/// And now it is with the broker.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    pub at: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Started {
    pub id: String,
    pub retries: u32,
    pub attempt: String,
    pub node: String,
    pub pod: String,
    pub at: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Ended {
    pub id: String,
    pub retries: u32,
    pub attempt: String,
    pub at: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Records {
    pub published: Vec<Published>,
    pub sent: Vec<Sent>,
    pub started: Vec<Started>,
    pub ended: Vec<Ended>,
    pub words: Vec<Word>,
    pub errors: Vec<Error>,
    pub pings: Vec<Ping>,
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

impl Records {
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

    /// Whether nothing was published, begun or done between two moments, and no worker came or went.
    pub fn quiet(&self, from: f64, to: f64) -> bool {
        let published = self.published.iter().map(|one| one.at);
        let sent = self.sent.iter().map(|one| one.at);
        let started = self.started.iter().map(|one| one.at);
        let ended = self.ended.iter().map(|one| one.at);
        let workers = self.words.iter().map(|one| one.at);
        let mut all = published.chain(sent).chain(started).chain(ended).chain(workers);
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

    /// Whether a node ran something between two moments.
    pub fn busy(&self, worker: &Word, from: f64, to: f64) -> bool {
        let mine = |start: &&Started| start.node == worker.node && start.pod == worker.pod && start.at <= to;
        self.started.iter().filter(mine).any(|start| {
            let end = self.ended.iter().find(|end| end.attempt == start.attempt);
            end.is_none_or(|end| end.at >= from)
        })
    }
}
