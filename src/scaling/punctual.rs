//! How many of the tasks started lately were in time, and why the others were not.
#![deny(clippy::disallowed_methods)]

/// Starts are forgotten to 37 % after so many seconds.
const LATELY: f64 = 3600.0;
/// Fewer starts than this say nothing.
const ENOUGH: f64 = 20.0;
/// This share of the tasks is to start in time.
const GOAL: f64 = 0.99;

/// Tasks started lately; all three are forgotten alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Punctual {
    started: f64,
    /// They had waited longer than the target.
    late: f64,
    /// They had waited longer than the target at a busy worker, while another one was free and the queue empty.
    held: f64,
}

/// What is known of tasks that start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    /// So many.
    pub(crate) tasks: f64,
    /// They waited longer than the target.
    pub(crate) late: bool,
    /// Tasks waited at busy workers while others were free and the queue empty.
    pub(crate) held: bool,
}

impl Punctual {
    /// Takes starts of the last seconds in.
    pub(crate) fn take(&mut self, start: Start, seconds: f64) {
        let kept = (-seconds / LATELY).exp();
        let add = |to: f64, applies: bool| to * kept + if applies { start.tasks } else { 0.0 };
        self.started = add(self.started, true);
        self.held = add(self.held, start.late && start.held);
        self.late = add(self.late, start.late);
    }

    /// This share of the tasks started in time; `None`: none started.
    pub(crate) fn in_time(&self) -> Option<f64> {
        (self.started >= 1.0).then(|| 1.0 - self.late / self.started)
    }

    /// The share that started in time, if it is too small and enough is known.
    pub(crate) fn missed(&self) -> Option<f64> {
        self.in_time().filter(|share| *share < GOAL && self.started >= ENOUGH)
    }

    /// Most of the late ones were held by busy workers.
    pub(crate) fn is_held(&self) -> bool {
        self.held > self.late / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(tasks: f64, late: bool, held: bool) -> Start {
        Start { tasks, late, held }
    }

    #[test]
    fn one_in_a_hundred_may_be_late() {
        let mut starts = Punctual::default();
        starts.take(start(0.0, false, false), 1.0);
        assert_eq!(starts.in_time(), None);
        starts.take(start(10.0, true, false), 0.0);
        assert_eq!((starts.in_time(), starts.missed()), (Some(0.0), None), "too few");
        starts.take(start(90.0, false, false), 0.0);
        assert_eq!(starts.missed(), Some(0.9));
        starts.take(start(901.0, false, false), 0.0);
        assert_eq!(starts.missed(), None);
        starts.take(start(100.0, false, false), 3600.0);
        assert!(starts.in_time() > Some(0.99));
    }

    #[test]
    fn who_held_them_is_known() {
        let mut starts = Punctual::default();
        starts.take(start(40.0, true, true), 0.0);
        starts.take(start(30.0, true, false), 0.0);
        starts.take(start(30.0, false, true), 0.0);
        assert!(starts.missed().is_some_and(|share| share < 0.31) && starts.is_held());
        starts.take(start(30.0, true, false), 0.0);
        assert!(!starts.is_held());
    }
}
