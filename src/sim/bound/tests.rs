use super::*;

const START_UP: Seconds = 25.79;

/// Generator of numbers from 0 to 1 that are the same on every machine.
struct Uniform(u64);

impl Uniform {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn lognormal(&mut self, mean: f64, variation: f64) -> f64 {
        let normal = (-2.0 * (1.0 - self.roll()).ln()).sqrt() * (std::f64::consts::TAU * self.roll()).cos();
        let square = (1.0 + variation * variation).ln();
        (mean.ln() - square / 2.0 + square.sqrt() * normal).exp()
    }

    /// Arrivals at a rate that varies, by thinning.
    fn arrivals(&mut self, until: Seconds, ceiling: f64, rate: impl Fn(Seconds) -> f64) -> Vec<Seconds> {
        let (mut at, mut arrivals) = (0.0, Vec::new());
        loop {
            at -= (1.0 - self.roll()).ln() / ceiling;
            if at > until {
                return arrivals;
            }
            if self.roll() * ceiling < rate(at) {
                arrivals.push(at);
            }
        }
    }
}

fn workload(wait_target: Seconds, slots: u32, tasks: &[(Seconds, Seconds)]) -> Workload {
    let tasks = tasks.iter().map(|&(arrival, duration)| Task { arrival, duration });
    Workload {
        name: "test".into(),
        wait_target,
        slots,
        tasks: tasks.collect(),
    }
}

/// A day with a peak at noon, 240,000 tasks (S2).
fn diurnal() -> Workload {
    let mut dice = Uniform(2);
    let rate = |t: Seconds| 0.3 + 5.7 * (0.5 - 0.5 * (std::f64::consts::TAU * t / 86_400.0).cos()).powf(1.5);
    let arrivals = dice.arrivals(86_400.0, 6.0, rate);
    let tasks: Vec<_> = arrivals.into_iter().map(|at| (at, dice.lognormal(4.0, 1.0))).collect();
    workload(30.0, 4, &tasks)
}

/// Half a day of ten-minute tasks (S4).
fn long() -> Workload {
    let mut dice = Uniform(4);
    let rate = |t: Seconds| (1.0 + 0.8 * (std::f64::consts::TAU * t / 21_600.0).sin()) / 45.0;
    let arrivals = dice.arrivals(43_200.0, 0.04, rate);
    let tasks: Vec<_> = arrivals
        .into_iter()
        .map(|at| (at, dice.lognormal(600.0, 0.6).min(3_600.0)))
        .collect();
    workload(120.0, 1, &tasks)
}

/// A batch every hour of a day, silence between (S5).
fn sparse() -> Workload {
    let mut dice = Uniform(5);
    let mut tasks = Vec::new();
    for hour in 0..24 {
        let start = f64::from(hour) * 3600.0 + 600.0 * dice.roll();
        let many = 20 + (dice.roll() * 101.0) as u32;
        tasks.extend((0..many).map(|_| (start + 3.0 * dice.roll(), dice.lognormal(20.0, 0.8))));
    }
    tasks.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    workload(120.0, 1, &tasks)
}

fn work_hours(workload: &Workload) -> f64 {
    let work: f64 = workload.tasks.iter().map(|task| task.duration).sum();
    work / f64::from(workload.slots) / 3600.0
}

#[track_caller]
fn assert_near(got: f64, wanted: f64, relative: f64) {
    assert!((got - wanted).abs() <= relative * wanted.abs(), "{got} is not {wanted}");
}

#[test]
fn one_task_costs_one_start_and_its_work() {
    let one = workload(0.0, 1, &[(100.0, 60.0)]);
    let hours = lower_bound(&one, 30.0, 0, 0).unwrap();
    assert_near(hours, (30.0 + 60.0) / 3600.0, 1e-5);
    assert_near(optimum_without_wait(&one, 30.0, 0, 0).unwrap(), hours, 1e-5);
}

#[test]
fn two_tasks_at_once_share_a_pod_if_one_may_wait() {
    let tasks = [(100.0, 60.0), (100.0, 60.0)];
    // At once: two pods start and run a minute each.
    let hours = lower_bound(&workload(0.0, 1, &tasks), 30.0, 0, 0).unwrap();
    assert_near(hours, 180.0 / 3600.0, 1e-5);
    // One after the other: one start less, the same work.
    let hours = lower_bound(&workload(60.0, 1, &tasks), 30.0, 0, 0).unwrap();
    assert_near(hours, 150.0 / 3600.0, 1e-5);
}

#[test]
fn a_pod_stays_through_a_gap_that_is_shorter_than_its_start() {
    let gap = |gap: Seconds| workload(0.0, 1, &[(0.0, 60.0), (60.0 + gap, 60.0)]);
    for (seconds, wanted) in [(20.0, 140.0), (200.0, 150.0)] {
        let bound = lower_bound(&gap(seconds), 30.0, 1, 0).unwrap();
        assert_near(bound, wanted / 3600.0, 1e-5);
        assert_near(optimum_without_wait(&gap(seconds), 30.0, 1, 0).unwrap(), bound, 1e-5);
    }
}

#[test]
fn the_minimum_is_paid_for_until_the_end_and_its_missing_pods_are_started() {
    let nothing = workload(60.0, 1, &[]);
    for (initial, starts) in [(5, 0.0), (3, 0.0), (1, 2.0)] {
        let hours = lower_bound(&nothing, 30.0, initial, 3).unwrap();
        assert_near(hours, (3.0 * 600.0 + starts * 30.0) / 3600.0, 1e-5);
        assert_near(optimum_without_wait(&nothing, 30.0, initial, 3).unwrap(), hours, 1e-5);
    }
}

#[test]
fn without_waiting_and_on_the_grid_the_fluid_is_the_integer_optimum() {
    let mut dice = Uniform(7);
    let mut grid = |span: f64| (dice.roll() * span).floor() * CELL;
    let tasks: Vec<_> = (0..400).map(|_| (grid(720.0), CELL + grid(30.0))).collect();
    let on_grid = workload(0.0, 1, &tasks);
    for (initial, min) in [(0, 0), (4, 1), (1, 4)] {
        let optimum = optimum_without_wait(&on_grid, START_UP, initial, min).unwrap();
        assert_near(lower_bound(&on_grid, START_UP, initial, min).unwrap(), optimum, 1e-5);
    }
}

#[test]
fn without_waiting_the_bound_is_a_little_below_the_integer_optimum() {
    let mut all = long();
    all.tasks.truncate(200);
    all.wait_target = 0.0;
    let optimum = optimum_without_wait(&all, START_UP, 22, 1).unwrap();
    let bound = lower_bound(&all, START_UP, 22, 1).unwrap();
    assert!(bound <= optimum && bound > 0.98 * optimum, "{bound} of {optimum}");
    // With four slots the integer optimum rounds up pods that the fluid shares out.
    all.slots = 4;
    let optimum = optimum_without_wait(&all, START_UP, 6, 1).unwrap();
    let bound = lower_bound(&all, START_UP, 6, 1).unwrap();
    assert!(bound <= optimum && bound > 0.85 * optimum, "{bound} of {optimum}");
}

#[test]
fn more_patience_never_costs_more() {
    let mut all = sparse();
    all.tasks.retain(|task| task.arrival < 10_800.0);
    let mut last = f64::INFINITY;
    for wait_target in [0.0, 3.0, 10.0, 45.0, 120.0, 600.0] {
        all.wait_target = wait_target;
        let bound = lower_bound(&all, START_UP, 7, 0).unwrap();
        assert!(bound <= last * 1.000_001, "{bound} after {last} at {wait_target} s");
        last = bound;
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the solver takes a minute for it without optimisation")]
fn the_known_workloads_cost_what_is_known() {
    // Known bounds of other draws: what carries over is the ratio to the work.
    let day = diurnal();
    assert!((220_000..260_000).contains(&day.tasks.len()), "{}", day.tasks.len());
    let bound = lower_bound(&day, START_UP, 2, 1).unwrap();
    assert_near(bound / work_hours(&day), 71.81 / 67.01, 0.01);
    let exempt = lower_bound_exempt(&day, START_UP, 2, 1, 0.01).unwrap();
    assert_near(exempt / bound, 70.75 / 71.81, 0.01);

    let long = long();
    let bound = lower_bound(&long, START_UP, 22, 1).unwrap();
    assert_near(bound / work_hours(&long), 159.58 / 159.75, 0.01);
    let exempt = lower_bound_exempt(&long, START_UP, 22, 1, 0.01).unwrap();
    assert_near(exempt / bound, 157.77 / 159.58, 0.01);

    let sparse = sparse();
    let bound = lower_bound(&sparse, START_UP, 7, 0).unwrap();
    assert_near(bound / work_hours(&sparse), 9.55 / 8.34, 0.02);
    let with_one = lower_bound(&sparse, START_UP, 7, 1).unwrap();
    assert!(
        with_one > bound + 20.0 && with_one < bound + 24.0,
        "{with_one} and {bound}"
    );
}

#[test]
fn what_is_exempt_may_be_late_or_never_done() {
    // The second task needs a pod of its own; without it (a third of the work) the first pod is enough.
    let tasks = workload(0.0, 1, &[(100.0, 120.0), (100.0, 60.0)]);
    let all = lower_bound_exempt(&tasks, 30.0, 1, 0, 0.0).unwrap();
    let two_thirds = lower_bound_exempt(&tasks, 30.0, 1, 0, 1.0 / 3.0).unwrap();
    assert_near(all, (30.0 + 180.0 + 30.0) / 3600.0, 1e-5);
    assert_near(two_thirds, (30.0 + 120.0) / 3600.0, 1e-5);
}

#[test]
fn work_is_counted_as_if_nothing_waited() {
    let tasks = workload(0.0, 1, &[(5.0, 20.0), (10.0, 5.0), (12.0, 0.0)]).tasks;
    let times = [-30.0, 0.0, 5.0, 10.0, 12.0, 15.0, 25.0, 100.0];
    let done = work_by(&tasks, times.into_iter());
    assert_eq!(done, [0.0, 0.0, 0.0, 5.0, 9.0, 15.0, 25.0, 25.0]);
}

#[test]
fn nonsense_is_refused() {
    let no_slots = workload(0.0, 0, &[(0.0, 1.0)]);
    assert_eq!(lower_bound(&no_slots, 30.0, 0, 0), Err(BoundError::Slots));
    for tasks in [[(-1.0, 1.0)], [(0.0, f64::NAN)], [(f64::INFINITY, 1.0)]] {
        let bad = workload(0.0, 1, &tasks);
        assert_eq!(lower_bound(&bad, 30.0, 0, 0), Err(BoundError::Number));
        assert_eq!(optimum_without_wait(&bad, 30.0, 0, 0), Err(BoundError::Number));
    }
    let fine = workload(0.0, 1, &[(0.0, 1.0)]);
    assert_eq!(lower_bound_exempt(&fine, 30.0, 0, 0, 1.5), Err(BoundError::Number));
}
