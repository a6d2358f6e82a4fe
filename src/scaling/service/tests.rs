//! Tasks of a known length, counted each second.
use super::*;
use proptest::prelude::*;

/// Slots that are busy all the time with tasks of a known length; the slots begin one after the other.
struct Busy {
    service: Service,
    slots: u32,
    /// Seconds of work left in each slot.
    left: Vec<f64>,
}

impl Busy {
    fn new(slots: u32, task: f64) -> Self {
        let left = (0..slots)
            .map(|slot| task * f64::from(slot + 1) / f64::from(slots))
            .collect();
        Self {
            service: Service::default(),
            slots,
            left,
        }
    }

    /// Runs for this number of seconds with tasks of this length.
    fn run(&mut self, seconds: u32, task: f64, hint: Option<f64>) -> f64 {
        let slots = f64::from(self.slots);
        for _ in 0..seconds {
            let mut finished = 0.0;
            for left in &mut self.left {
                *left -= 1.0;
                while *left <= 0.0 {
                    finished += 1.0;
                    *left += task;
                }
            }
            let served = Served {
                busy: slots,
                finished,
                running: (slots, slots),
                seconds: 1.0,
                gap: 1.0,
                counted: true,
            };
            self.service.take(&served, hint);
        }
        self.service.seconds(hint, slots)
    }
}

fn near(found: f64, task: f64, share: f64) -> bool {
    (found / task - 1.0).abs() <= share
}

#[test]
fn ten_times_as_long_or_as_short_is_learned_within_a_minute() {
    for hint in [None, Some(1.0), Some(20.0)] {
        for (slots, before, after) in [
            (4, 0.5, 5.0),
            (4, 5.0, 0.5),
            (40, 0.3, 3.0),
            (2, 3.0, 0.3),
            (16, 1.0, 10.0),
        ] {
            let mut busy = Busy::new(slots, before);
            let known = busy.run(1800, before, hint);
            assert!(near(known, before, 0.1), "{known} s instead of {before} s");
            let known = busy.run(60, after, hint);
            assert!(
                near(known, after, 0.5),
                "{known} s instead of {after} s, which were {before} s"
            );
            let known = busy.run(240, after, hint);
            assert!(near(known, after, 0.1), "{known} s instead of {after} s, long after");
        }
    }
}

#[test]
fn a_wrong_hint_is_found_out_soon() {
    for (hint, task) in [(1.0, 10.0), (60.0, 2.0)] {
        let known = Busy::new(8, task).run(90, task, Some(hint));
        assert!(near(known, task, 0.3), "{known} s instead of {task} s, told {hint} s");
    }
}

#[test]
fn short_and_long_ones_mixed_are_no_change() {
    // One in ten takes 11 s, the others 1 s: 2 s on average; two slots.
    let mut service = Service::default();
    let (mut lowest, mut highest, mut left, mut number) = (f64::MAX, 0.0_f64, [1.0, 1.0], 0_u32);
    for second in 0..7200 {
        let mut finished = 0.0;
        for left in &mut left {
            *left -= 1.0;
            if *left <= 0.0 {
                finished += 1.0;
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *left = if number >> 16 < 6554 { 11.0 } else { 1.0 };
            }
        }
        let served = Served {
            busy: 2.0,
            finished,
            running: (2.0, 2.0),
            seconds: 1.0,
            gap: 1.0,
            counted: true,
        };
        service.take(&served, None);
        if second > 600 {
            let known = service.seconds(None, 2.0);
            (lowest, highest) = (lowest.min(known), highest.max(known));
        }
    }
    assert!(lowest > 1.0 && highest < 4.0, "{lowest} to {highest} s");
}

/// Service time learned from tasks that arrive at these times, each second counted at these moments.
fn learned(task: f64, every: f64, together: u32, phase: f64, hint: Option<f64>) -> f64 {
    let mut service = Service::default();
    let arrivals = |until: f64| ((until - phase) / every).floor().max(-1.0) + 1.0;
    let (mut begun, mut ended) = (0.0, 0.0);
    for second in 1..=1830_u32 {
        let now = f64::from(second);
        let before = (begun - ended) * f64::from(together);
        let finished = (arrivals(now - task) - ended) * f64::from(together);
        (begun, ended) = (arrivals(now), arrivals(now - task));
        let running = (begun - ended) * f64::from(together);
        let served = Served {
            busy: (before + running) / 2.0,
            finished,
            running: (before, running),
            seconds: 1.0,
            gap: 1.0,
            counted: true,
        };
        service.take(&served, hint);
        // In the middle of a task it has been running and is not done.
        if second >= 1800 && running == 0.0 {
            break;
        }
    }
    service.seconds(hint, 0.0)
}

#[test]
fn tasks_on_the_grid_of_the_counts_are_not_taken_for_nothing() {
    for hint in [None, Some(0.3)] {
        for (every, phase) in [(1.0, 0.1), (1.0, 0.6), (2.0, 0.5), (5.0, 0.2), (10.0, 0.69)] {
            let known = learned(0.3, every, 1, phase, hint);
            assert!((0.2..=1.05).contains(&known), "{known} s, one each {every} s");
        }
    }
    // Three at a time: together they may have kept a third of a slot busy.
    let known = learned(0.3, 1.0, 3, 0.1, None);
    assert!((0.1..0.3).contains(&known), "{known} s");
    // Just before each count: seen each time.
    let known = learned(0.3, 1.0, 1, 0.9, None);
    assert!((0.3..=1.05).contains(&known), "{known} s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Bounds for short tasks, whenever they fall: never shorter than what no count could have seen, never longer than
    /// the time between two counts, and never more load than a third of a slot above the truth where they come out of
    /// step.
    #[test]
    fn short_tasks_are_bounded(
        task in 0.005_f64..0.95,
        every in prop_oneof![Just(1.0), Just(0.5), Just(2.0), 0.1_f64..7.0],
        together in 1_u32..20,
        phase in 0.0_f64..1.0,
    ) {
        let known = learned(task, every, together, phase, None);
        let each_count = f64::from(together) * (1.0 / every).max(1.0);
        prop_assert!(known > task.min(0.9 * UNSEEN / (each_count + f64::from(together))), "{known} s instead of {task} s");
        prop_assert!(known <= 1.05, "{known} s instead of {task} s");
    }
}
