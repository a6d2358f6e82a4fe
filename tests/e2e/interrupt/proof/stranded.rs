//! Workers that live and fetch nothing, and nobody cares. Pure: snapshots in, names out.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::Snapshot;

/// A worker without a queue is stranded after so many seconds: whoever stopped it has had time to go on.
pub const PATIENCE: f64 = 45.0;

/// Looks at one snapshot after another.
#[derive(Clone, Debug, Default)]
pub struct Lookout {
    /// Since when each worker has been without a queue and without a reason.
    since: BTreeMap<String, f64>,
    /// Workers that were stranded at any time.
    pub stranded: BTreeSet<String>,
}

impl Lookout {
    /// A worker without a queue has a reason as long as it is being drained and the drain goes on: it, or another one that
    /// is being drained with it, still holds tasks.
    pub fn see(&mut self, snapshot: &Snapshot) {
        let goes_on = snapshot.workers.iter().any(super::snapshot::Worker::empties);
        let idle = snapshot.workers.iter().filter(|worker| worker.idles());
        let idle: BTreeSet<_> = idle
            .filter(|worker| !(worker.draining && goes_on))
            .map(|worker| worker.pod.clone())
            .collect();
        // One that did not answer this time has not been seen to fetch.
        let silent = snapshot
            .workers
            .iter()
            .filter(|worker| worker.said.is_none() && !worker.terminating);
        let silent: BTreeSet<_> = silent.map(|worker| worker.pod.as_str()).collect();
        self.since
            .retain(|pod, _| idle.contains(pod) || silent.contains(pod.as_str()));
        for pod in idle {
            let since = *self.since.entry(pod.clone()).or_insert(snapshot.at);
            if snapshot.at - since >= PATIENCE {
                self.stranded.insert(pod);
            }
        }
    }

    /// Whether all workers of the last snapshot are above suspicion.
    pub fn calm(&self) -> bool {
        self.since.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::proof::snapshot::{Said, Worker};

    fn worker(pod: &str, draining: bool, queues: &[&str], running: u32) -> Worker {
        let queues = queues.iter().map(|&queue| queue.to_owned()).collect();
        let said = Some(Said {
            queues,
            running,
            reserved: 0,
        });
        Worker {
            pod: pod.into(),
            running: true,
            draining,
            said,
            ..Worker::default()
        }
    }

    fn snapshot(at: f64, workers: &[Worker]) -> Snapshot {
        Snapshot {
            at,
            replicas: 2,
            workers: workers.to_vec(),
        }
    }

    #[test]
    fn a_worker_that_no_one_drains_and_that_fetches_nothing_is_stranded_after_a_while() {
        let mut lookout = Lookout::default();
        let workers = [worker("a", false, &[], 1), worker("b", false, &["tasks"], 0)];
        lookout.see(&snapshot(0.0, &workers));
        assert!(lookout.stranded.is_empty() && !lookout.calm());
        lookout.see(&snapshot(PATIENCE, &workers));
        assert_eq!(lookout.stranded, BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn a_drain_that_goes_on_is_a_reason_and_one_that_stands_still_is_none() {
        let mut lookout = Lookout::default();
        let goes_on = [worker("a", true, &[], 0), worker("b", true, &[], 1)];
        lookout.see(&snapshot(0.0, &goes_on));
        lookout.see(&snapshot(100.0, &goes_on));
        assert!(lookout.stranded.is_empty() && lookout.calm());
        let stands = [worker("a", true, &[], 0), worker("b", false, &["tasks"], 1)];
        lookout.see(&snapshot(101.0, &stands));
        lookout.see(&snapshot(101.0 + PATIENCE, &stands));
        assert_eq!(lookout.stranded, BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn a_worker_that_fetches_again_is_forgiven_and_one_that_goes_silent_is_not() {
        let mut lookout = Lookout::default();
        lookout.see(&snapshot(0.0, &[worker("a", false, &[], 0)]));
        lookout.see(&snapshot(
            30.0,
            &[Worker {
                said: None,
                ..worker("a", false, &[], 0)
            }],
        ));
        lookout.see(&snapshot(31.0, &[worker("a", false, &["tasks"], 0)]));
        assert!(lookout.calm());
        lookout.see(&snapshot(60.0, &[worker("a", false, &[], 0)]));
        assert!(lookout.stranded.is_empty());
    }
}
