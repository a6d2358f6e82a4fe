//! Queues that each pod fetches from, as its workers report.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::own::Own;
use super::workers::{Worker, bytes_of};
use crate::model::{Moment, Queues};

/// Largest memory, in bytes, for the combined queue sets of pods with several workers: those of honest pods are few and
/// alike.
const MOST_SUMS: usize = 256 << 10;

/// Time without a new worker after which all workers of a pod are taken to be known.
const COMPLETE: Duration = Duration::from_secs(10);

/// Time after which a worker that fetches from nothing is reported.
const LONG_STOPPED: Duration = Duration::from_secs(20);

impl Own<'_> {
    /// Queues that each pod's workers last reported to fetch from. Pods are left out whose workers may not all have
    /// reported yet, or are silent: they may have different queues.
    pub(super) fn fetches(&self) -> BTreeMap<String, Queues> {
        let mut fetches = BTreeMap::<&str, Queues>::new();
        let mut sums = Sums::default();
        let comes = |worker: &Worker| self.now.saturating_sub(worker.since) < COMPLETE || !worker.is_live(self.now);
        let coming = self.known.iter().filter(|(_, _, worker)| comes(worker));
        let mut unknown: BTreeSet<&str> = coming.map(|(pod, ..)| *pod).collect();
        for (pod, worker) in &self.workers {
            // A worker that fetches from nothing is reported only after a while: it may just have been told to stop.
            let told = |asked: &Moment| {
                let long = |since: Moment| asked.saturating_sub(since) >= LONG_STOPPED;
                worker.stopped_since.is_none_or(long)
            };
            if let Some((asked, queues)) = &worker.queues
                && told(asked)
            {
                let all = match fetches.get(pod) {
                    Some(others) => sums.of(others, queues),
                    None => Some(Arc::clone(queues)),
                };
                match all {
                    Some(all) => drop(fetches.insert(pod, all)),
                    None => drop(unknown.insert(pod)),
                }
            }
        }
        fetches.retain(|pod, _| !unknown.contains(pod));
        fetches
            .into_iter()
            .map(|(pod, queues)| (pod.to_owned(), shared(queues)))
            .collect()
    }
}

/// Queues that other workers fetch from as well; all, if there are none. The queue of one worker alone
/// (`worker_direct`, kombu's `Broadcast`) holds no work that another worker could do.
fn shared(queues: Queues) -> Queues {
    let own = |queue: &&String| queue.ends_with(".dq") || queue.starts_with("bcast.");
    if !queues.iter().any(|queue| own(&queue)) || queues.iter().all(|queue| own(&queue)) {
        return queues;
    }
    Queues::new(queues.iter().filter(|queue| !own(queue)).cloned().collect())
}

/// Queues that several workers of one pod fetch from together. Equal sets are held once.
#[derive(Default)]
struct Sums {
    sums: BTreeSet<Queues>,
    bytes: usize,
}

impl Sums {
    /// Union of both sets; `None`: too many different ones are held already.
    fn of(&mut self, some: &Queues, others: &Queues) -> Option<Queues> {
        if others.is_subset(some) {
            return Some(Arc::clone(some));
        }
        let both: BTreeSet<String> = some.union(others).cloned().collect();
        if let Some(known) = self.sums.get(&both) {
            return Some(Arc::clone(known));
        }
        self.bytes += bytes_of(&both);
        (self.bytes <= MOST_SUMS).then(|| {
            let both = Queues::new(both);
            self.sums.insert(Arc::clone(&both));
            both
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_one_worker_alone_is_left_out() {
        let of = |names: &[&str]| shared(Queues::new(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(of(&["mail", "celery@p-1.dq", "bcast.7"]), of(&["mail"]));
        assert_eq!(of(&["celery@p-1.dq"]).len(), 1);
        assert!(of(&[]).is_empty());
    }
}
