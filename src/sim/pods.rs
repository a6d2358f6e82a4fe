//! Pods of a run, and the order in which they go.
#![deny(clippy::disallowed_methods)]
use super::{Seconds, Victims};
use std::{cmp::Reverse, collections::VecDeque};

/// Phase of a pod's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    /// The pod was told to stop: it takes no more tasks and finishes what it runs.
    Leaving,
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct SimulatedPod {
    pub(super) phase: Phase,
    pub(super) created: Seconds,
    /// Time when it became ready.
    pub(super) ready: Seconds,
    /// Tasks in its slots.
    pub(super) running: Vec<usize>,
    /// Tasks that it fetched ahead; only while all its slots are taken.
    pub(super) reserved: VecDeque<usize>,
    /// Number of tasks it has started.
    pub(super) taken: u64,
    /// Last report of its worker: number of tasks that ran, and of those it had started. Only where workers have
    /// heartbeats.
    pub(super) reported: (usize, u64),
    /// Whether it stands in the line of pods that take tasks (see [`super::queue::TaskQueue`]).
    pub(super) in_line: bool,
}

impl SimulatedPod {
    /// Whether it counts as a replica.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready)
    }

    /// Number of tasks it holds.
    pub(super) fn held(&self) -> usize {
        self.running.len() + self.reserved.len()
    }
}

/// All pods that ever existed; a pod is known by its number.
#[derive(Debug, Default)]
pub(super) struct PodSet {
    all: Vec<SimulatedPod>,
    /// Numbers of those that are not gone, oldest first.
    present: Vec<usize>,
}

impl PodSet {
    /// Creates a pod and returns its number.
    pub(super) fn create(&mut self, now: Seconds) -> usize {
        let number = self.all.len();
        self.all.push(SimulatedPod {
            phase: Phase::Starting,
            created: now,
            ready: now,
            running: Vec::new(),
            reserved: VecDeque::new(),
            taken: 0,
            reported: (0, 0),
            in_line: false,
        });
        self.present.push(number);
        number
    }

    pub(super) fn get(&self, pod: usize) -> &SimulatedPod {
        &self.all[pod]
    }

    pub(super) fn get_mut(&mut self, pod: usize) -> &mut SimulatedPod {
        &mut self.all[pod]
    }

    /// Removes a pod and returns it.
    pub(super) fn remove(&mut self, pod: usize) -> &SimulatedPod {
        self.present.retain(|other| *other != pod);
        self.all[pod].phase = Phase::Gone;
        &self.all[pod]
    }

    /// Numbers of those that are not gone, oldest first.
    pub(super) fn present(&self) -> impl Iterator<Item = &SimulatedPod> {
        self.present.iter().map(|pod| &self.all[*pod])
    }

    /// Number of pods in a phase.
    pub(super) fn count(&self, phase: Phase) -> u32 {
        self.present().filter(|pod| pod.phase == phase).count() as u32
    }

    /// Number of pods that start or are ready.
    pub(super) fn live(&self) -> u32 {
        self.present().filter(|pod| pod.is_live()).count() as u32
    }

    /// Pods that go when the number falls by `excess`, first to go first. Starting ones go before ready ones.
    pub(super) fn victims(&self, excess: u32, order: Victims) -> Vec<usize> {
        let mut candidates: Vec<_> = self
            .present
            .iter()
            .copied()
            .filter(|pod| self.may_go(*pod, order))
            .collect();
        candidates.sort_by_key(|number| {
            let pod = self.get(*number);
            let load = if order == Victims::Newest { 0 } else { pod.running.len() };
            // Times are never negative, so the order of their bits is theirs.
            let became_ready = Reverse(pod.ready.to_bits());
            (pod.phase == Phase::Ready, load, became_ready, Reverse(*number))
        });
        candidates.truncate(excess as usize);
        candidates
    }

    fn may_go(&self, pod: usize, order: Victims) -> bool {
        let pod = self.get(pod);
        pod.is_live() && (order != Victims::IdleOnly || pod.running.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods that became ready at these times and run this number of tasks; `None` still starts.
    fn pods(of: &[Option<(Seconds, usize)>]) -> PodSet {
        let mut pods = PodSet::default();
        for state in of {
            let number = pods.create(0.0);
            if let Some((ready, running)) = state {
                let pod = pods.get_mut(number);
                (pod.phase, pod.ready, pod.running) = (Phase::Ready, *ready, vec![0; *running]);
            }
        }
        pods
    }

    #[test]
    fn starting_pods_go_first_and_then_in_the_order_asked_for() {
        let pods = pods(&[
            Some((5.0, 0)),
            Some((9.0, 2)),
            Some((7.0, 1)),
            Some((9.0, 0)),
            None,
            None,
        ]);
        assert_eq!(pods.victims(9, Victims::Newest), [5, 4, 3, 1, 2, 0]);
        assert_eq!(pods.victims(9, Victims::LeastBusy), [5, 4, 3, 0, 2, 1]);
        assert_eq!(pods.victims(9, Victims::IdleOnly), [5, 4, 3, 0]);
        assert_eq!(pods.victims(3, Victims::LeastBusy), [5, 4, 3]);
    }

    #[test]
    fn those_that_leave_do_not_go_twice() {
        let mut pods = pods(&[Some((0.0, 0)), Some((0.0, 1))]);
        pods.get_mut(1).phase = Phase::Leaving;
        assert_eq!(pods.victims(2, Victims::Newest), [0]);
        assert_eq!((pods.live(), pods.count(Phase::Leaving)), (1, 1));
        pods.remove(1);
        assert_eq!((pods.count(Phase::Leaving), pods.present().count()), (0, 1));
    }
}
