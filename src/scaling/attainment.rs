//! Attainment of the wait target: the share of the tasks started recently that were in time, and why the others were
//! not.
#![deny(clippy::disallowed_methods)]

/// Seconds after which the weight of a start has fallen to 37 %.
const LATELY: f64 = 3600.0;
/// Smallest number of starts that means something.
const ENOUGH: f64 = 20.0;
/// Share of the tasks that must start in time.
const GOAL: f64 = 0.99;

/// Number of tasks started recently; all three numbers are forgotten alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Attainment {
    started: f64,
    /// Number of tasks that had waited longer than the target.
    late: f64,
    /// Number of tasks that had waited longer than the target at a busy worker, while another one was free and the
    /// queue empty.
    held: f64,
}

/// Tasks that start in one period between two counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StartedTasks {
    /// Number of tasks.
    pub(crate) tasks: f64,
    /// Whether they waited longer than the target.
    pub(crate) late: bool,
    /// Whether tasks waited at busy workers while others were free and the queue empty.
    pub(crate) held: bool,
}

impl Attainment {
    /// Takes in the starts of the last seconds.
    pub(crate) fn take(&mut self, start: StartedTasks, seconds: f64) {
        let kept = (-seconds / LATELY).exp();
        let add = |to: f64, applies: bool| to * kept + if applies { start.tasks } else { 0.0 };
        self.started = add(self.started, true);
        self.held = add(self.held, start.late && start.held);
        self.late = add(self.late, start.late);
    }

    /// Share of the tasks that started in time; `None`: none started.
    pub(crate) fn in_time(&self) -> Option<f64> {
        (self.started >= 1.0).then(|| 1.0 - self.late / self.started)
    }

    /// Share of the tasks that started in time, if it is too small and enough is known.
    pub(crate) fn missed(&self) -> Option<f64> {
        self.in_time().filter(|share| *share < GOAL && self.started >= ENOUGH)
    }

    /// Whether most of the late tasks were held by busy workers.
    pub(crate) fn is_held(&self) -> bool {
        self.held > self.late / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(tasks: f64, late: bool, held: bool) -> StartedTasks {
        StartedTasks { tasks, late, held }
    }

    #[test]
    fn one_in_a_hundred_may_be_late() {
        let mut starts = Attainment::default();
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
        let mut starts = Attainment::default();
        starts.take(start(40.0, true, true), 0.0);
        starts.take(start(30.0, true, false), 0.0);
        starts.take(start(30.0, false, true), 0.0);
        assert!(starts.missed().is_some_and(|share| share < 0.31) && starts.is_held());
        starts.take(start(30.0, true, false), 0.0);
        assert!(!starts.is_held());
    }
}
