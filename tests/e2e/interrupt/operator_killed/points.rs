//! The points of a drain at which the operator is killed, as they look from outside. Pure.

use crate::interrupt::proof::snapshot::{Said, Snapshot, Worker};

/// In the order in which a drain passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// A pod says that it is being drained.
    Labelled,
    /// Its worker has stopped fetching …
    Cancelled,
    /// … and still holds tasks.
    Holding,
    /// It holds none any more.
    Empty,
    /// It is marked to go before others.
    Costed,
    /// Fewer replicas are wished.
    Lowered,
    /// It has been told to end.
    Terminating,
    /// Work has come back, and traces of a drain are still there.
    Undoing,
}

impl Point {
    pub const ALL: [Self; 8] = [
        Self::Labelled,
        Self::Cancelled,
        Self::Holding,
        Self::Empty,
        Self::Costed,
        Self::Lowered,
        Self::Terminating,
        Self::Undoing,
    ];

    /// Whether the workers must be asked to see it.
    pub fn asks(self) -> bool {
        matches!(self, Self::Cancelled | Self::Holding | Self::Empty)
    }

    /// Whether a snapshot shows it, where so many replicas were wished before.
    pub fn is_reached(self, snapshot: &Snapshot, before: i32) -> bool {
        let drained = || snapshot.workers.iter().filter(|worker| worker.draining);
        let up = || drained().filter(|worker| !worker.terminating);
        let stopped = |holds: fn(&Said) -> bool| {
            up().any(|worker: &Worker| {
                worker
                    .said
                    .as_ref()
                    .is_some_and(|said| said.queues.is_empty() && holds(said))
            })
        };
        match self {
            Self::Labelled => up().next().is_some(),
            Self::Cancelled => stopped(|_| true),
            Self::Holding => stopped(|said| said.held() > 0),
            Self::Empty => stopped(|said| said.held() == 0),
            Self::Costed => up().any(|worker| worker.cost.is_some()),
            Self::Lowered => snapshot.replicas < before,
            Self::Terminating => drained().any(|worker| worker.terminating),
            Self::Undoing => snapshot.workers.iter().any(|worker| worker.draining || worker.noted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(replicas: i32, change: impl Fn(&mut Worker)) -> Snapshot {
        let mut drained = Worker {
            running: true,
            draining: true,
            ..Worker::default()
        };
        change(&mut drained);
        Snapshot {
            replicas,
            workers: vec![drained, Worker::default()],
            ..Snapshot::default()
        }
    }

    fn reached(snapshot: &Snapshot) -> Vec<Point> {
        let drained = Point::ALL.into_iter().filter(|point| *point != Point::Undoing);
        drained.filter(|point| point.is_reached(snapshot, 4)).collect()
    }

    #[test]
    fn each_point_has_its_look() {
        use Point::*;
        let said = |running| {
            Some(Said {
                running,
                ..Said::default()
            })
        };
        assert_eq!(reached(&snapshot(4, |worker| worker.draining = false)), []);
        assert_eq!(reached(&snapshot(4, |_| {})), [Labelled]);
        let holding = snapshot(4, |worker| worker.said = said(1));
        assert_eq!(reached(&holding), [Labelled, Cancelled, Holding]);
        let empty = snapshot(4, |worker| worker.said = said(0));
        assert_eq!(reached(&empty), [Labelled, Cancelled, Empty]);
        assert_eq!(
            reached(&snapshot(4, |worker| worker.cost = Some(-1))),
            [Labelled, Costed]
        );
        assert_eq!(reached(&snapshot(3, |_| {})), [Labelled, Lowered]);
        assert_eq!(
            reached(&snapshot(3, |worker| worker.terminating = true)),
            [Lowered, Terminating]
        );
    }
}
