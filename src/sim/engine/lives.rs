//! Life of the pods: how they come and go.
#![deny(clippy::disallowed_methods)]
use super::{Engine, Phase, RunEvent};
use std::cmp::Reverse;

impl Engine<'_> {
    pub(super) fn create(&mut self) {
        let delay = self.world.node_delay(self.pods.present().count());
        let pod = self.pods.create(self.now);
        let start_up = self.world.start_up_of(self.seed, pod);
        self.agenda.enter(self.now + delay + start_up, RunEvent::Ready { pod });
        self.count.run.starts += 1;
    }

    /// Ends a start-up, well or not.
    pub(super) fn starts_up(&mut self, pod: usize) {
        if self.pods.get(pod).phase != Phase::Starting {
            return;
        }
        if let Some(end) = self.world.crashes_until(self.now) {
            let again = end + self.world.start_up_of(self.seed, pod);
            self.agenda.enter(again, RunEvent::Ready { pod });
            return;
        }
        self.started.push(self.now - self.pods.get(pod).created);
        self.becomes_ready(pod);
    }

    pub(super) fn becomes_ready(&mut self, pod: usize) {
        let ready = self.pods.get_mut(pod);
        (ready.phase, ready.ready) = (Phase::Ready, self.now);
        // The first word comes before the worker takes tasks, and how long before is chance.
        if self.world.heartbeat > 0.0 {
            let at = self.now + self.world.heartbeat / 2.0;
            self.agenda.enter(at, RunEvent::Beat { pod });
        }
        for _ in 0..self.workload.slots {
            self.line_up(pod);
        }
        self.deliver();
    }

    /// Lets the pod's worker report what it runs.
    pub(super) fn beat(&mut self, pod: usize) {
        let teller = self.pods.get_mut(pod);
        if teller.phase != Phase::Gone {
            teller.reported = (teller.running.len(), teller.taken);
            self.agenda
                .enter(self.now + self.world.heartbeat, RunEvent::Beat { pod });
        }
    }

    /// Tells the pod to stop.
    pub(super) fn stop(&mut self, pod: usize) {
        let leaving = self.pods.get_mut(pod);
        leaving.phase = Phase::Leaving;
        if leaving.running.is_empty() {
            self.leave(pod);
        } else {
            self.agenda.enter(self.now + self.world.grace, RunEvent::Kill { pod });
        }
    }

    /// Removes a pod that has finished what it ran; what it had fetched ahead waits again.
    pub(super) fn leave(&mut self, pod: usize) {
        self.remove(pod);
        let mut reserved: Vec<_> = self.pods.get_mut(pod).reserved.drain(..).collect();
        reserved.sort_unstable_by_key(|task| Reverse(*task));
        for task in reserved {
            self.queue.give_back(task);
        }
        self.deliver();
    }

    pub(super) fn kill(&mut self, pod: usize) {
        if self.pods.get(pod).phase != Phase::Leaving {
            return;
        }
        self.remove(pod);
        let killed = self.pods.get_mut(pod);
        let running = std::mem::take(&mut killed.running);
        let mut held: Vec<_> = killed.reserved.drain(..).collect();
        for task in running {
            self.count
                .killed(self.queue.started(task).unwrap_or(self.now), self.now);
            if self.world.early_ack {
                self.queue.lose(task);
            } else {
                self.queue.interrupt(task);
                held.push(task);
            }
        }
        for task in held {
            let visible = self.queue.delivered(task) + self.world.visibility_timeout;
            let task = Reverse(task);
            self.agenda.enter(visible.max(self.now), RunEvent::Return { task });
        }
    }

    pub(super) fn remove(&mut self, pod: usize) {
        let gone = self.pods.remove(pod);
        self.count.pod_existed(gone.created, self.now);
        self.count.run.unused += u32::from(gone.taken == 0);
    }
}
