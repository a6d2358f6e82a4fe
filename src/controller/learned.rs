//! Queues of a pool that leaves their names to its workers (`queuesFrom: Workers`). The list grows by what any worker
//! says, at once. It shrinks only by what all of them have said for a while: while pods come and go, or have been told to
//! stop fetching, a queue that none of them names is no evidence. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    api::Status,
    kube::Target,
    model::{Intent, Moment, PodIntents, Tally},
};

/// Largest number of queues that are counted, as in the schema of the status.
const MOST: usize = 200;

/// Time for which all workers must have named other queues only before a queue is given up.
const SETTLED: Duration = Duration::from_secs(60);

/// Longest name of a queue, in bytes, as in `spec.queues`.
const NAME_BYTES: usize = 255;

/// Queues that the workers fetch from, or did when they were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnedQueues {
    /// Names of the queues that are counted.
    names: BTreeSet<String>,
    /// Queues that the workers fetch from and that are not counted, because there are too many.
    beyond: BTreeSet<String>,
    /// Counted queues that no worker fetches from, although all have said from which they do, and the time since.
    unfetched: BTreeMap<String, Moment>,
}

impl LearnedQueues {
    /// Queues in the status, which an earlier process wrote.
    pub fn remembered(stored: Option<&Status>) -> Self {
        let queues = stored.into_iter().flat_map(|status| &status.queues);
        Self {
            names: queues.map(|queue| queue.name.clone()).take(MOST).collect(),
            ..Self::default()
        }
    }

    /// Names of the queues to count.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Queues that the workers fetch from and that are not counted, because there are too many.
    pub fn beyond(&self) -> &BTreeSet<String> {
        &self.beyond
    }

    /// Takes in a count. `complete`: every worker has said from which queues it fetches ([`is_complete`]). Returns
    /// whether other queues are to be counted now.
    pub fn learn(&mut self, tally: &Tally, complete: bool, now: Moment) -> bool {
        let told = told(tally);
        match complete {
            true => {
                let unfetched = self.names.iter().filter(|name| !told.contains(name.as_str()));
                let since = |name: &String| (name.clone(), self.unfetched.get(name).copied().unwrap_or(now));
                self.unfetched = unfetched.map(since).collect();
            }
            false => self.unfetched.clear(),
        }
        let before = self.names.len();
        let settled = |name: &String| self.unfetched.get(name).is_some_and(|since| is_settled(*since, now));
        self.names.retain(|name| !(settled(name) && is_empty(tally, name)));
        let mut changed = self.names.len() < before;
        self.unfetched.retain(|name, _| self.names.contains(name));
        self.beyond.clear();
        // What is counted already goes before what is new: no queue with waiting tasks gives way to another one.
        for name in told.into_iter().filter(|name| is_name(name)) {
            if self.names.contains(name) {
                continue;
            }
            changed |= self.names.len() < MOST;
            let list = if self.names.len() < MOST {
                &mut self.names
            } else {
                &mut self.beyond
            };
            list.insert(name.to_owned());
        }
        changed
    }

    /// Queues that hold tasks, and that no worker has fetched from for long.
    pub fn left_behind(&self, now: Moment) -> impl Iterator<Item = &str> {
        let settled = self.unfetched.iter().filter(move |(_, since)| is_settled(**since, now));
        settled.map(|(name, _)| name.as_str())
    }

    /// Time until a queue may be given up; `None`: none, or only those that hold tasks.
    pub fn settles_in(&self, now: Moment) -> Option<Duration> {
        let pending = self.unfetched.values().filter(|since| !is_settled(**since, now));
        pending.map(|since| (*since + SETTLED).saturating_sub(now)).min()
    }
}

fn is_settled(since: Moment, now: Moment) -> bool {
    now.saturating_sub(since) >= SETTLED
}

/// Whether the count shows that a queue holds no task.
fn is_empty(tally: &Tally, name: &str) -> bool {
    let queue = tally.queues.iter().find(|queue| queue.queue == name);
    queue.is_some_and(|queue| queue.ready == 0 && queue.not_due == 0)
}

/// Whether this can be the name of a queue. What a worker says may come from whoever can publish at the broker.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Queues that the workers say they fetch from. Those of one target mostly have one set.
fn told(tally: &Tally) -> BTreeSet<&str> {
    let mut sets: Vec<_> = tally.fetches.values().collect();
    sets.dedup_by(|some, others| Arc::ptr_eq(some, others));
    sets.into_iter()
        .flat_map(|set| set.iter().map(String::as_str))
        .collect()
}

/// Whether every worker of the target has said from which queues it fetches, and none was told to stop: then a queue that
/// none of them names is one that none fetches from. `intents`: `None`: an earlier process may have told them something.
pub fn is_complete(tally: &Tally, intents: Option<&PodIntents>, target: &Target) -> bool {
    let left_alone = |intents: &PodIntents| intents.values().all(|pod| pod.intent == Intent::Report);
    let live: Vec<_> = tally.pods.iter().filter(|(_, pod)| pod.live).collect();
    // A worker without any queue has lost its consumers.
    let fetches = |pod: &str| tally.fetches.get(pod).is_some_and(|queues| !queues.is_empty());
    intents.is_some_and(left_alone)
        && !target.rollout
        && target.ready > 0
        && u32::try_from(live.len()) == Ok(target.ready)
        && live
            .iter()
            .all(|(name, pod)| pod.fresh && pod.silent.is_none() && fetches(name))
}

#[cfg(test)]
mod tests;
