//! What can be seen of a run while it goes on.
#![deny(clippy::disallowed_methods)]
use super::{Engine, Phase, Seen};
use crate::sim::Point;

impl Engine<'_> {
    /// What is to be seen of the tasks now.
    pub(super) fn look(&self) -> Seen {
        let completed = match self.world.no_counter {
            true => 0,
            false => self.queue.finished - self.counted_from,
        };
        let live = || self.pods.present().filter(|pod| pod.is_live());
        Seen {
            waiting: self.queue.waiting(),
            in_flight: self.queue.in_flight,
            in_flight_live: live().map(|pod| pod.held() as u64).sum(),
            running: live().map(|pod| pod.running.len() as u64).sum(),
            arrived: self.queue.arrived,
            completed,
            taken: match self.world.no_counter {
                true => 0,
                false => completed + self.pods.present().map(|pod| pod.running.len() as u64).sum::<u64>(),
            },
            oldest_wait: self.queue.oldest_wait(self.now),
            ..Seen::default()
        }
    }

    /// What the scaler sees now: the tasks as they were one lag ago, the pods as they are.
    pub(super) fn seen(&mut self) -> Seen {
        let looked = self.looked.pop_front().unwrap_or_default();
        let broker_down = self.world.blind(self.now);
        let starting = self.pods.present().filter(|pod| pod.phase == Phase::Starting);
        Seen {
            now: self.now,
            replicas: self.pods.live(),
            ready: self.pods.count(Phase::Ready),
            idle: self.pods.present().filter(|pod| pod.is_idle()).count() as u32,
            starting: starting.map(|pod| self.now - pod.created).collect(),
            started: std::mem::take(&mut self.started),
            terminating: self.pods.count(Phase::Leaving),
            uncounted: self.world.no_counter,
            stamped: self.world.stamped,
            broker_down,
            ..if broker_down { Seen::default() } else { looked }
        }
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
