//! Queue, line of the pods that take from it, and fate of each task.
//!
//! The line is what makes deliveries fair. Without prefetch it holds one entry for each idle slot, so the slot that has
//! idled longest is served first. With prefetch it holds a pod once, as long as that may hold more, and the pod goes to
//! the line's end after each task: so both RabbitMQ and Redis serve their consumers in turn.
#![deny(clippy::disallowed_methods)]
use super::{Seconds, Task};
use std::collections::VecDeque;

/// Fate of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// The task waits, or a pod has it, or it has not arrived.
    #[default]
    Open,
    Finished,
    /// The task was killed after it had been acknowledged.
    Lost,
    /// The task was purged.
    Dropped,
}

#[derive(Clone, Debug, Default)]
struct Record {
    fate: Fate,
    deliveries: u32,
    delivered: Seconds,
    started: Option<Seconds>,
}

/// All tasks of a run; a task is known by its place in the workload.
#[derive(Debug)]
pub(super) struct TaskQueue<'a> {
    tasks: &'a [Task],
    records: Vec<Record>,
    waiting: VecDeque<usize>,
    /// Line of the pods.
    pub(super) line: VecDeque<usize>,
    /// Number of tasks that were published.
    pub(super) arrived: u64,
    /// Number of tasks that are delivered, not finished and not waiting again.
    pub(super) in_flight: u64,
    /// Number of tasks that were finished.
    pub(super) finished: u64,
    /// Number of tasks that were acknowledged and killed.
    pub(super) lost: u64,
    /// Number of tasks purged.
    pub(super) dropped: u64,
    /// Number of tasks delivered more than once.
    pub(super) redelivered: u64,
    /// Largest number of tasks that waited at a time.
    pub(super) most_waiting: u64,
}

impl<'a> TaskQueue<'a> {
    pub(super) fn new(tasks: &'a [Task]) -> Self {
        Self {
            tasks,
            records: vec![Record::default(); tasks.len()],
            waiting: VecDeque::new(),
            line: VecDeque::new(),
            arrived: 0,
            in_flight: 0,
            finished: 0,
            lost: 0,
            dropped: 0,
            redelivered: 0,
            most_waiting: 0,
        }
    }

    /// Publishes a task.
    pub(super) fn arrive(&mut self, task: usize) {
        self.arrived += 1;
        self.waiting.push_back(task);
    }

    /// Takes the head of the queue for a pod.
    pub(super) fn deliver(&mut self, now: Seconds) -> Option<usize> {
        let task = self.waiting.pop_front()?;
        let record = &mut self.records[task];
        record.deliveries += 1;
        record.delivered = now;
        self.redelivered += u64::from(record.deliveries == 2);
        self.in_flight += 1;
        Some(task)
    }

    /// Starts a task that was delivered; returns the time of its end.
    pub(super) fn start(&mut self, task: usize, now: Seconds) -> Seconds {
        self.records[task].started = Some(now);
        now + self.tasks[task].duration
    }

    pub(super) fn finish(&mut self, task: usize) {
        self.records[task].fate = Fate::Finished;
        self.in_flight -= 1;
        self.finished += 1;
    }

    /// Loses a running task that was killed and that no broker remembers.
    pub(super) fn lose(&mut self, task: usize) {
        self.records[task].fate = Fate::Lost;
        self.in_flight -= 1;
        self.lost += 1;
    }

    /// Puts a task that was delivered back to the head of the queue.
    pub(super) fn give_back(&mut self, task: usize) {
        self.in_flight -= 1;
        self.waiting.push_front(task);
    }

    /// Stops a task, whenever it may come back.
    pub(super) fn interrupt(&mut self, task: usize) {
        self.records[task].started = None;
    }

    /// Drops all waiting tasks.
    pub(super) fn purge(&mut self) {
        self.dropped += self.waiting.len() as u64;
        for task in self.waiting.drain(..) {
            self.records[task].fate = Fate::Dropped;
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Records the backlog, after all has been delivered that can be.
    pub(super) fn note_backlog(&mut self) {
        self.most_waiting = self.most_waiting.max(self.waiting());
    }

    /// Seconds that the head of the queue has waited.
    pub(super) fn oldest_wait(&self, now: Seconds) -> Seconds {
        self.waiting.front().map_or(0.0, |task| now - self.tasks[*task].arrival)
    }

    /// Time when a task was last delivered.
    pub(super) fn delivered(&self, task: usize) -> Seconds {
        self.records[task].delivered
    }

    /// Time when a running task started.
    pub(super) fn started(&self, task: usize) -> Option<Seconds> {
        self.records[task].started
    }

    /// Number of tasks that are not at their end.
    pub(super) fn open(&self) -> u64 {
        self.tasks.len() as u64 - self.finished - self.lost - self.dropped
    }

    /// Wait of each task that was not purged: until its last start, or until now if that is still to come.
    pub(super) fn each_wait(&self, now: Seconds) -> Vec<Seconds> {
        let tasks = self.tasks.iter().zip(&self.records);
        let kept = tasks.filter(|(_, record)| record.fate != Fate::Dropped);
        kept.map(|(task, record)| record.started.unwrap_or(now) - task.arrival)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [Task; 3] = [
        Task {
            arrival: 0.0,
            duration: 5.0,
        },
        Task {
            arrival: 1.0,
            duration: 5.0,
        },
        Task {
            arrival: 2.0,
            duration: 5.0,
        },
    ];

    fn full() -> TaskQueue<'static> {
        let mut queue = TaskQueue::new(&TASKS);
        (0..3).for_each(|task| queue.arrive(task));
        queue
    }

    #[test]
    fn first_in_first_out_and_back_at_the_head() {
        let mut queue = full();
        assert_eq!((queue.waiting(), queue.oldest_wait(4.0)), (3, 4.0));
        assert_eq!(queue.deliver(4.0), Some(0));
        assert_eq!((queue.in_flight, queue.oldest_wait(4.0)), (1, 3.0));
        queue.give_back(0);
        assert_eq!(queue.in_flight, 0);
        let order: Vec<_> = std::iter::from_fn(|| queue.deliver(5.0)).collect();
        assert_eq!((order, queue.redelivered), (vec![0, 1, 2], 1));
    }

    #[test]
    fn each_task_ends_once() {
        let mut queue = full();
        assert_eq!([queue.deliver(3.0), queue.deliver(3.0)], [Some(0), Some(1)]);
        assert_eq!(queue.start(0, 3.0), 8.0);
        queue.finish(0);
        queue.start(1, 3.5);
        queue.lose(1);
        assert_eq!(queue.open(), 1);
        queue.purge();
        assert_eq!((queue.finished, queue.lost, queue.dropped), (1, 1, 1));
        assert_eq!((queue.open(), queue.in_flight, queue.waiting()), (0, 0, 0));
        // The purged one does not count.
        assert_eq!(queue.each_wait(100.0), [3.0, 2.5]);
    }

    #[test]
    fn what_never_starts_waits_until_the_end() {
        let mut queue = full();
        queue.deliver(0.0);
        queue.start(0, 0.0);
        assert_eq!(queue.each_wait(50.0), [0.0, 49.0, 48.0]);
        queue.interrupt(0);
        assert_eq!(queue.each_wait(50.0), [50.0, 49.0, 48.0]);
    }
}
