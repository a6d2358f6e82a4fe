//! The same scenario in the simulator: arrivals and start-up times as they really were, the rest as it was set.

use taskworkerpool::{
    controller::validate,
    sim::{Ours, Scaler, Seconds, Seen, Task, Victims, Workload, World, run as simulate},
};

use crate::{
    reality::{
        compare::{History, median},
        real::Measured,
        scenario::{GRACE, SLOTS, Scenario, TARGET, TASK},
    },
    support::stage,
};

/// Draws the start-up times of pods that the real run did not have.
const SEED: u64 = 1;

/// Celery's workers beat so often, in seconds.
const HEARTBEAT: f64 = 2.0;

pub fn run(scenario: &Scenario, measured: &Measured) -> History {
    let pool = serde_json::from_value(stage::pool("mail", Scenario::spec())).expect("a pool");
    let policy = validate::pool(&pool).expect("a pool that can work").policy;
    let (start_up, start_up_sigma) = spread(&measured.start_ups);
    let world = World {
        start_up,
        start_up_sigma,
        start_ups: measured.start_ups.clone(),
        grace: GRACE.into(),
        first_pods: Some(0),
        min: policy.min,
        max: policy.max,
        prefetch: 1,
        early_ack: true,
        heartbeat: HEARTBEAT,
        ..World::default()
    };
    let arrivals = measured.history.waits.iter().map(|(arrival, _)| *arrival);
    let workload = Workload {
        name: scenario.name.to_owned(),
        wait_target: TARGET.into(),
        slots: SLOTS,
        tasks: arrivals
            .map(|arrival| Task {
                arrival,
                duration: TASK,
            })
            .collect(),
    };
    let mut watched = Watched {
        ours: Ours::new(scenario.name, policy),
        history: History::default(),
    };
    let run = simulate(&workload, &world, &mut watched, SEED, true);
    let tasks = workload.tasks.iter().zip(run.each_wait);
    History {
        waits: tasks.map(|(task, wait)| (task.arrival, wait)).collect(),
        ..watched.history
    }
}

/// Median, and the standard deviation of the logarithms.
pub fn spread(start_ups: &[f64]) -> (Seconds, f64) {
    let logarithms: Vec<_> = start_ups.iter().map(|seconds| seconds.ln()).collect();
    let number = logarithms.len().max(1) as f64;
    let mean = logarithms.iter().sum::<f64>() / number;
    let squares: f64 = logarithms.iter().map(|one| (one - mean).powi(2)).sum();
    (median(start_ups.to_vec()), (squares / number).sqrt())
}

/// Our policy, and what it saw of its pods.
struct Watched {
    ours: Ours,
    history: History,
}

impl Scaler for Watched {
    fn name(&self) -> String {
        self.ours.name()
    }

    fn period(&self) -> Seconds {
        self.ours.period()
    }

    fn victims(&self) -> Victims {
        self.ours.victims()
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        note(&mut self.history.replicas, seen.now, seen.replicas);
        note(&mut self.history.ready, seen.now, seen.ready);
        self.ours.tick(seen)
    }
}

/// Continues a curve, if the number is a new one.
pub fn note(curve: &mut Vec<(f64, u32)>, at: f64, number: u32) {
    if curve.last().is_none_or(|(_, last)| *last != number) {
        curve.push((at, number));
    }
}

#[test]
fn a_spread_is_of_the_logarithms() {
    let (median, sigma) = spread(&[8.0, 2.0, 4.0]);
    assert!((median - 4.0).abs() < 1e-9, "{median}");
    assert!((sigma - 2f64.ln() * (2.0 / 3.0f64).sqrt()).abs() < 1e-9, "{sigma}");
}
