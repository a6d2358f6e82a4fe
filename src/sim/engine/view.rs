//! View of a run: what a scaler can see while it goes on.
#![deny(clippy::disallowed_methods)]
use super::{Engine, Phase, Seen};
use crate::sim::{Point, pods::SimulatedPod};

impl Engine<'_> {
    /// Numbers of the tasks now.
    pub(super) fn tasks_now(&self) -> Seen {
        let completed = match self.world.no_counter {
            true => 0,
            false => self.queue.finished - self.counted_from,
        };
        let present = || self.pods.present();
        let live = || present().filter(|pod| pod.is_live());
        let held: u64 = present().map(|pod| pod.held() as u64).sum();
        let running: u64 = present().map(|pod| pod.running.len() as u64).sum();
        let unreported: u64 = present().map(|pod| pod.taken - self.reported(pod).1).sum();
        Seen {
            waiting: self.queue.waiting(),
            in_flight: self.queue.in_flight + present().map(|pod| self.known(pod)).sum::<u64>() - held,
            in_flight_live: live().map(|pod| self.known(pod)).sum(),
            running: live().map(|pod| self.reported(pod).0 as u64).sum(),
            arrived: self.queue.arrived,
            completed,
            taken: match self.world.no_counter {
                true => 0,
                false => (completed + running).saturating_sub(unreported),
            },
            oldest_wait: self.queue.oldest_wait(self.now),
            ..Seen::default()
        }
    }

    /// View of the scaler now: the tasks as they were one lag ago, the pods as they are.
    pub(super) fn seen(&mut self) -> Seen {
        let records = self.records.pop_front().unwrap_or_default();
        let broker_down = self.world.blind(self.now);
        let starting = self.pods.present().filter(|pod| pod.phase == Phase::Starting);
        Seen {
            now: self.now,
            replicas: self.pods.live(),
            ready: self.pods.count(Phase::Ready),
            idle: self.pods.present().filter(|pod| self.is_idle(pod)).count() as u32,
            starting: starting.map(|pod| self.now - pod.created).collect(),
            started: std::mem::take(&mut self.started),
            terminating: self.pods.count(Phase::Leaving),
            uncounted: self.world.no_counter,
            stamped: self.world.stamped,
            broker_down,
            ..if broker_down { Seen::default() } else { records }
        }
    }

    /// Number of tasks that the pod's worker runs, and of those it has started, by its last report.
    fn reported(&self, pod: &SimulatedPod) -> (usize, u64) {
        match self.world.heartbeat > 0.0 {
            true => pod.reported,
            false => (pod.running.len(), pod.taken),
        }
    }

    /// Number of tasks that the pod is known to hold. A task that is acknowledged is in no queue any more: only the
    /// worker knows of it.
    fn known(&self, pod: &SimulatedPod) -> u64 {
        let (running, _) = self.reported(pod);
        let known = match self.world.early_ack {
            true => pod.reserved.len() + running,
            false => pod.held().max(running),
        };
        known as u64
    }

    fn is_idle(&self, pod: &SimulatedPod) -> bool {
        pod.phase == Phase::Ready && self.reported(pod).0 == 0
    }

    pub(super) fn point(&self) -> Point {
        Point {
            at: self.now,
            waiting: self.queue.waiting(),
            in_flight: self.queue.in_flight,
            replicas: self.pods.live(),
            ready: self.pods.count(Phase::Ready),
            oldest_wait: self.queue.oldest_wait(self.now),
        }
    }
}
