//! Agenda of a run: future events, in the order in which they happen.
#![deny(clippy::disallowed_methods)]
use super::Seconds;
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Event of a run. At the same moment the kind listed first happens first; of one kind, the lower pod or task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RunEvent {
    /// A task is published.
    Arrival { task: usize },
    /// A task has run to its end; void if its pod was killed.
    Completion { pod: usize, task: usize },
    /// A pod has started; void if it is gone.
    Ready { pod: usize },
    /// The grace period is over; void if the pod is gone.
    Kill { pod: usize },
    /// A killed pod's task waits again; the youngest first, because each of them goes to the head of the queue.
    Return { task: Reverse<usize> },
    /// The waiting tasks are dropped.
    Purge,
    /// The counter of completed tasks restarts.
    CounterReset,
    /// A worker reports what it runs; void if its pod is gone.
    Beat { pod: usize },
    /// The numbers of a later tick are recorded.
    Record,
    /// The scaler decides.
    Tick,
    /// A point of the series is recorded.
    Sample,
}

/// Future events.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Seconds, event: RunEvent) {
        self.heap.push(Entry { at, event });
    }

    /// Next event and its time, if that is not after `end`.
    pub(super) fn next_until(&mut self, end: Seconds) -> Option<(Seconds, RunEvent)> {
        let next = self.heap.peek()?;
        // By the order of the heap, in which even what is no number has its place: after all others.
        if next.at.total_cmp(&end).is_gt() {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[derive(Debug)]
struct Entry {
    at: Seconds,
    event: RunEvent,
}

impl Ord for Entry {
    /// Order of the heap: the next event is the greatest, because a [`BinaryHeap`] returns the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then_with(|| other.event.cmp(&self.event))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_then_kind_then_number() {
        let mut agenda = Agenda::default();
        let completion = |pod| RunEvent::Completion { pod, task: 0 };
        let back = |task| RunEvent::Return { task: Reverse(task) };
        let arrival = |task| RunEvent::Arrival { task };
        let order = [
            (1.0, arrival(3)),
            (1.0, completion(7)),
            (1.0, completion(8)),
            (1.0, back(2)),
            (1.0, back(1)),
            (1.0, RunEvent::Tick),
            (2.0, arrival(9)),
        ];
        for (at, event) in order.iter().rev().chain([&(f64::NAN, RunEvent::Purge)]) {
            agenda.enter(*at, *event);
        }
        assert_eq!(agenda.next_until(0.9), None);
        let found: Vec<_> = std::iter::from_fn(|| agenda.next_until(f64::INFINITY)).collect();
        assert_eq!(found, order);
    }
}
