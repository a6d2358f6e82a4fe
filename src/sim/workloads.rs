//! Synthetic workloads: five shapes of load that background workers meet.
//!
//! | name | wait target | slots | shape |
//! |---|---|---|---|
//! | S1 | 60 s | 4 | 6 h: a trickle of short tasks, and about once an hour a batch of 1,000 to 3,000 of them |
//! | S2 | 30 s | 4 | 24 h: short tasks with the daily wave of a web shop, and noise upon it |
//! | S3 | 30 s | 4 | 4 h: short tasks, their rate jumps between 1/s and 10/s every 20 min |
//! | S4 | 120 s | 1 | 12 h: tasks of 10 min, up to an hour: longer than any grace period |
//! | S5 | 120 s | 1 | 24 h: a small batch of 20 s tasks each hour, nothing in between |
#![deny(clippy::disallowed_methods)]
use super::{Seconds, Task, Workload, random::Random};
use std::f64::consts::TAU;

const HOUR: Seconds = 3600.0;

/// Purposes of random numbers, one stream each.
mod stream {
    pub(super) const ARRIVALS: u64 = 1;
    pub(super) const DURATIONS: u64 = 2;
    pub(super) const BATCHES: u64 = 3;
}

/// S1 to S5, in this order.
pub fn all(seed: u64) -> Vec<Workload> {
    vec![burst(seed), diurnal(seed), steps(seed), long(seed), sparse(seed)]
}

/// S1: 6 h of 0.5 tasks/s, and batches: the first after 15 min, the next about an hour later, and so on.
pub fn burst(seed: u64) -> Workload {
    const UNTIL: Seconds = 6.0 * HOUR;
    let mut arrivals = Random::new(seed, stream::ARRIVALS).poisson(|_| 0.5, 0.5, UNTIL);
    let mut random = Random::new(seed, stream::BATCHES);
    let mut at = 900.0;
    while at < UNTIL {
        let size = (2000.0 * random.uniform(0.5, 1.5)) as u32;
        arrivals.extend((0..size).map(|_| at + random.uniform(0.0, 5.0)));
        at += HOUR * random.uniform(0.7, 1.3);
    }
    workload("S1", 60.0, 4, arrivals, seed, short)
}

/// S2: 24 h, 0.3 tasks/s at night and 6 at noon, times a noise that changes every 5 min.
pub fn diurnal(seed: u64) -> Workload {
    const DAY: Seconds = 24.0 * HOUR;
    const NOISE_STEP: Seconds = 300.0;
    let mut random = Random::new(seed, stream::BATCHES);
    let noise: Vec<f64> = (0..(DAY / NOISE_STEP) as usize)
        .map(|_| random.normal(-0.02, 0.2).exp())
        .collect();
    let rate = |t: Seconds| {
        let wave = (0.5 - 0.5 * (TAU * t / DAY).cos()).powf(1.5);
        (0.3 + 5.7 * wave) * noise.get((t / NOISE_STEP) as usize).copied().unwrap_or(1.0)
    };
    // 2.2 times the highest rate without noise: four deviations of the noise.
    let arrivals = Random::new(seed, stream::ARRIVALS).poisson(rate, 13.2, DAY);
    workload("S2", 30.0, 4, arrivals, seed, short)
}

/// S3: 4 h, 20 min of 1 task/s and 20 min of 10 tasks/s in turn.
pub fn steps(seed: u64) -> Workload {
    let rate = |t: Seconds| if t % 2400.0 < 1200.0 { 1.0 } else { 10.0 };
    let arrivals = Random::new(seed, stream::ARRIVALS).poisson(rate, 10.0, 4.0 * HOUR);
    workload("S3", 30.0, 4, arrivals, seed, short)
}

/// S4: 12 h, on average a task every 45 s, in waves of 6 h; a task runs 10 min on average.
pub fn long(seed: u64) -> Workload {
    let rate = |t: Seconds| (1.0 + 0.8 * (TAU * t / (6.0 * HOUR)).sin()) / 45.0;
    let arrivals = Random::new(seed, stream::ARRIVALS).poisson(rate, 1.8 / 45.0, 12.0 * HOUR);
    workload("S4", 120.0, 1, arrivals, seed, |random| {
        random.lognormal(600.0, 0.6).min(HOUR)
    })
}

/// S5: 24 h, within the first 10 min of each hour a batch of 20 to 120 tasks of 20 s.
pub fn sparse(seed: u64) -> Workload {
    let mut random = Random::new(seed, stream::BATCHES);
    let mut arrivals = Vec::new();
    for hour in 0..24 {
        let at = HOUR * f64::from(hour) + random.uniform(0.0, 600.0);
        let size = random.whole(20, 120);
        arrivals.extend((0..size).map(|_| at + random.uniform(0.0, 3.0)));
    }
    workload("S5", 120.0, 1, arrivals, seed, |random| random.lognormal(20.0, 0.8))
}

/// Duration of a task of a web application: 4 s on average, as much deviation.
fn short(random: &mut Random) -> Seconds {
    random.lognormal(4.0, 1.0)
}

fn workload(
    name: &str,
    wait_target: Seconds,
    slots: u32,
    mut arrivals: Vec<Seconds>,
    seed: u64,
    duration: impl Fn(&mut Random) -> Seconds,
) -> Workload {
    arrivals.sort_by(f64::total_cmp);
    let mut random = Random::new(seed, stream::DURATIONS);
    let task = |arrival| Task {
        arrival,
        duration: duration(&mut random),
    };
    Workload {
        name: name.to_owned(),
        wait_target,
        slots,
        tasks: arrivals.into_iter().map(task).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of tasks of a draw and their mean duration, both averaged over this number of seeds.
    fn means(draw: fn(u64) -> Workload, seeds: u64) -> (f64, f64) {
        let (mut tasks, mut work) = (0, 0.0);
        for seed in 0..seeds {
            let drawn = draw(seed);
            assert!(drawn.tasks.is_sorted_by(|a, b| a.arrival <= b.arrival));
            tasks += drawn.tasks.len();
            work += drawn.tasks.iter().map(|task| task.duration).sum::<f64>();
        }
        (tasks as f64 / seeds as f64, work / tasks as f64)
    }

    #[test]
    fn counts_and_durations_are_those_of_the_table() {
        // From the definitions. S1 has 6.25 batches on average (renewals in 5 h 45 min, the first one included); the cap
        // takes 2 s off S4's mean.
        check(means(burst, 60), 10_800.0 + 6.25 * 2000.0, 4.0);
        let wave = 4.0 / (3.0 * std::f64::consts::PI);
        check(means(diurnal, 2), 86_400.0 * (0.3 + 5.7 * wave), 4.0);
        check(means(steps, 3), 79_200.0, 4.0);
        check(means(long, 20), 960.0, 598.0);
        check(means(sparse, 40), 1680.0, 20.0);
    }

    fn check((tasks, mean): (f64, f64), count: f64, duration: f64) {
        assert!((tasks / count - 1.0).abs() < 0.05, "{tasks} tasks instead of {count}");
        assert!((mean / duration - 1.0).abs() < 0.03, "{mean} s instead of {duration}");
    }

    #[test]
    fn targets_and_slots_are_those_of_the_table() {
        let words: Vec<_> = all(1).into_iter().map(|w| (w.name, w.wait_target, w.slots)).collect();
        let of = |name: &str, target, slots| (name.to_owned(), target, slots);
        assert_eq!(
            words,
            [
                of("S1", 60.0, 4),
                of("S2", 30.0, 4),
                of("S3", 30.0, 4),
                of("S4", 120.0, 1),
                of("S5", 120.0, 1)
            ]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_tasks_and_another_one_others() {
        assert_eq!(sparse(7), sparse(7));
        assert_ne!(sparse(7), sparse(8));
        assert!(long(7).tasks.iter().all(|task| task.duration <= HOUR));
    }
}
