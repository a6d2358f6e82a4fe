//! Runs small enough to be computed by hand, each switch of the world, and what holds for every run.
mod world;

use super::*;
use crate::sim::{NodeLimit, Point, Span, Task, random::Random, workloads};

/// Scaler that follows a script, and records what it sees.
struct Script {
    /// Times, and the number of replicas from then on.
    wants: Vec<(Seconds, u32)>,
    victims: Victims,
    period: Seconds,
    seen: Vec<Seen>,
}

fn script(wants: &[(Seconds, u32)]) -> Script {
    Script {
        wants: wants.to_vec(),
        victims: Victims::Newest,
        period: 1.0,
        seen: Vec::new(),
    }
}

impl Script {
    fn victims(self, victims: Victims) -> Self {
        Self { victims, ..self }
    }

    /// Record of one time.
    fn at(&self, now: Seconds) -> &Seen {
        self.seen.iter().find(|seen| seen.now == now).unwrap()
    }
}

impl Scaler for Script {
    fn name(&self) -> String {
        "script".to_owned()
    }
    fn period(&self) -> Seconds {
        self.period
    }
    fn victims(&self) -> Victims {
        self.victims
    }
    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        self.seen.push(seen.clone());
        self.wants
            .iter()
            .find(|(at, _)| *at == seen.now)
            .map(|(_, wanted)| *wanted)
    }
}

/// Scaler with one pod for this number of outstanding tasks, at once and in both directions.
struct Proportional(f64);

impl Scaler for Proportional {
    fn name(&self) -> String {
        "proportional".to_owned()
    }
    fn period(&self) -> Seconds {
        5.0
    }
    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        Some(((seen.waiting + seen.in_flight) as f64 / self.0).ceil() as u32)
    }
}

/// Workload with one slot a pod: (arrival, duration).
fn tasks(tasks: &[(Seconds, Seconds)]) -> Workload {
    let task = |(arrival, duration): &(Seconds, Seconds)| Task {
        arrival: *arrival,
        duration: *duration,
    };
    Workload {
        name: "by hand".to_owned(),
        wait_target: 10.0,
        slots: 1,
        tasks: tasks.iter().map(task).collect(),
    }
}

/// All pods take 10 s to start. So few tasks get two pods at the start; `max` makes them fewer.
fn world(max: u32) -> World {
    World {
        start_up: 10.0,
        start_up_sigma: 0.0,
        max,
        ..World::default()
    }
}

/// Three long tasks on two pods, of which one goes at 10 s: the one that runs the second task.
fn cut(world: World, victims: Victims) -> Run {
    let three = tasks(&[(0.0, 100.0), (1.0, 100.0), (2.0, 100.0)]);
    run(&three, &world, &mut script(&[(10.0, 1)]).victims(victims), 1, false)
}

fn hours(seconds: Seconds) -> f64 {
    seconds / 3600.0
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_run_from_zero_waits_for_the_first_pod() {
    let from_zero = World {
        first_pods: Some(0),
        min: 0,
        ..world(1)
    };
    let two = tasks(&[(1.0, 10.0), (2.0, 10.0)]);
    let found = run(&two, &from_zero, &mut Proportional(1.0), 1, true);
    // Seen at 5 s, ready at 15 s.
    assert_eq!(found.each_wait, [14.0, 23.0]);
    assert_eq!((found.starts, found.waits.max, found.series[0].replicas), (1, 23.0, 0));
}

#[test]
fn one_pod_serves_three_tasks_in_turn() {
    let three = tasks(&[(0.0, 10.0), (1.0, 10.0), (2.0, 10.0)]);
    let found = run(&three, &world(1), &mut script(&[]), 1, false);
    // They start at 0, 10 and 20.
    let waits = found.waits;
    assert_eq!((waits.p50, waits.p95, waits.max), (9.0, 18.0, 18.0));
    close(waits.late, 1.0 / 3.0);
    assert_eq!(
        (found.tasks, found.max_backlog, found.starts, found.actions),
        (3, 2, 0, 0)
    );
    close(found.pod_hours, hours(602.0));
}

#[test]
fn a_new_pod_starts_serves_and_goes() {
    // One of the first pods goes unused at once. A new one is created at 5 s and ready at 15 s.
    let two = tasks(&[(0.0, 30.0), (1.0, 30.0)]);
    let mut scaler = script(&[(0.0, 1), (5.0, 2), (50.0, 1)]);
    let found = run(&two, &world(2), &mut scaler, 1, false);
    assert_eq!(
        (found.starts, found.unused, found.actions, found.waits.max),
        (1, 1, 3, 14.0)
    );
    assert_eq!((found.oscillations, found.flaps), (1, 2));
    let starting = scaler.at(8.0);
    assert_eq!(
        (starting.starting.as_slice(), starting.replicas, starting.ready),
        ([3.0].as_slice(), 2, 1)
    );
    assert_eq!([15.0, 16.0].map(|t| scaler.at(t).started.clone()), [vec![10.0], vec![]]);
    assert_eq!([40.0, 46.0].map(|t| scaler.at(t).idle), [1, 2]);
    // The new one is idle at 50 s and gone then.
    close(found.pod_hours, hours(601.0 + 45.0));
    // The limits count, whatever the policy wants.
    let limited = run(&two, &world(1), &mut script(&[(0.0, 0), (5.0, 2)]), 1, false);
    assert_eq!((limited.starts, limited.actions, limited.waits.max), (0, 0, 29.0));
}

#[test]
fn the_slot_that_idled_longest_is_served_first() {
    // The second pod is idle from 3 s on, the first from 5 s on: the task of 10 s runs on the second.
    let three = tasks(&[(0.0, 5.0), (0.0, 3.0), (10.0, 50.0)]);
    let mut scaler = script(&[(20.0, 1)]);
    let found = run(&three, &world(2), &mut scaler, 1, false);
    assert_eq!((found.killed, scaler.at(20.0).idle, scaler.at(21.0).idle), (1, 1, 1));
}

#[test]
fn a_killed_task_waits_again_at_the_head() {
    let found = cut(world(2), Victims::Newest);
    // Killed at 40, after 39 s of work; it starts again at 100 and the third task at 200.
    assert_eq!((found.tasks, found.killed, found.redelivered, found.lost), (3, 1, 1, 0));
    assert_eq!((found.waits.p50, found.waits.max), (99.0, 198.0));
    close(found.wasted_hours, hours(39.0));
    close(found.pod_hours, hours(602.0 + 40.0));
}

#[test]
fn a_pod_that_finishes_within_the_grace_period_is_not_killed() {
    let patient = World {
        grace: 91.0,
        ..world(2)
    };
    let found = cut(patient, Victims::Newest);
    assert_eq!((found.killed, found.waits.max), (0, 98.0));
    close(found.pod_hours, hours(602.0 + 101.0));
}

#[test]
fn idle_only_never_kills() {
    let found = cut(world(2), Victims::IdleOnly);
    assert_eq!((found.killed, found.actions, found.waits.max), (0, 0, 98.0));
    assert_eq!(cut(world(2), Victims::LeastBusy).killed, 1);
}

#[test]
fn early_acknowledgement_loses_what_is_killed() {
    let early = World {
        early_ack: true,
        ..world(2)
    };
    let found = cut(early, Victims::Newest);
    assert_eq!((found.tasks, found.killed, found.lost, found.redelivered), (2, 1, 1, 0));
    assert_eq!(found.waits.max, 98.0);
}

#[test]
fn a_visibility_timeout_delays_the_return() {
    let redis = World {
        visibility_timeout: 500.0,
        ..world(2)
    };
    let found = cut(redis, Victims::Newest);
    // Delivered at 1, so visible again at 501; the third task does not wait for that.
    assert_eq!((found.tasks, found.redelivered), (3, 1));
    assert_eq!((found.waits.p50, found.waits.max), (98.0, 500.0));
}

#[test]
fn prefetch_hides_waiting_tasks_on_pods() {
    let six = tasks(&[(0.0, 10.0); 6]);
    let seen = |prefetch, early_ack| {
        let mut scaler = script(&[]);
        let with = World {
            prefetch,
            early_ack,
            ..world(1)
        };
        let found = run(&six, &with, &mut scaler, 1, false);
        assert_eq!((found.tasks, found.waits.max), (6, 50.0));
        let seen = scaler.at(0.0);
        assert_eq!(seen.in_flight, seen.in_flight_live);
        (seen.waiting, seen.in_flight, seen.running)
    };
    assert_eq!(seen(0, false), (5, 1, 1));
    assert_eq!(seen(4, false), (2, 4, 1));
    assert_eq!(seen(4, true), (1, 5, 1));
}

#[test]
fn prefetched_tasks_wait_behind_a_long_one_until_their_pod_goes() {
    // Served in turn: the third task goes to the first pod, behind the long one.
    let three = tasks(&[(0.0, 100.0), (0.0, 1.0), (0.5, 1.0)]);
    let greedy = World {
        prefetch: 4,
        ..world(2)
    };
    let found = run(&three, &greedy, &mut script(&[]), 1, false);
    assert_eq!(found.waits.max, 99.5);
    assert_eq!(run(&three, &world(2), &mut script(&[]), 1, false).waits.max, 0.5);
    // The pod with the long task is killed at 80 s: what it ran and what it held wait again, the older one first.
    let none_for_a_while = World { min: 0, ..greedy };
    let mut scaler = script(&[(50.0, 0), (90.0, 1)]);
    let found = run(&three, &none_for_a_while, &mut scaler, 1, false);
    assert_eq!((found.tasks, found.killed, found.redelivered), (3, 1, 2));
    assert_eq!((found.waits.p50, found.waits.max), (100.0, 199.5));
}

#[test]
fn a_policy_that_never_serves_comes_to_an_end() {
    let none = World { min: 0, ..world(0) };
    let found = run(&tasks(&[(0.0, 1.0), (5.0, 1.0)]), &none, &mut script(&[]), 1, false);
    assert_eq!((found.tasks, found.pod_hours, found.max_backlog), (0, 0.0, 2));
    assert_eq!((found.waits.late, found.waits.max), (1.0, 24.0 * 3600.0 + 5.0));
    let nothing = run(&tasks(&[]), &World::default(), &mut script(&[]), 1, false);
    close(nothing.pod_hours, hours(600.0));
}

#[test]
fn the_series_is_taken_every_ten_seconds() {
    let found = run(
        &tasks(&[(0.0, 15.0), (3.0, 15.0)]),
        &world(1),
        &mut script(&[]),
        1,
        true,
    );
    assert_eq!(found.series.len(), 61);
    let expected = Point {
        at: 10.0,
        waiting: 1,
        in_flight: 1,
        replicas: 1,
        ready: 1,
        oldest_wait: 7.0,
    };
    assert_eq!(found.series[1], expected);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let workload = workloads::sparse(5);
    let with = |seed| run(&workload, &World::default(), &mut Proportional(2.0), seed, true);
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
}

/// No scaler sees the future: the common part of two workloads looks the same.
#[test]
fn nothing_is_seen_of_what_is_to_come() {
    const APART: Seconds = 2000.0;
    let one = workloads::steps(4);
    let mut other = one.clone();
    other.tasks.retain(|task| task.arrival < APART || task.duration > 3.0);
    let seen = |workload: &Workload| {
        let mut scaler = script(&[(100.0, 9), (700.0, 4), (1500.0, 30)]);
        run(workload, &World::default(), &mut scaler, 1, false);
        scaler.seen
    };
    let (one, other) = (seen(&one), seen(&other));
    let apart = one.iter().zip(&other).position(|(a, b)| a != b).unwrap();
    assert!(one[apart].now >= APART, "{:?}", one[apart]);
    assert!(one[apart].now < APART + 5.0, "{:?}", one[apart]);
}

/// Scaler that wants anything at any time.
struct Chaos {
    random: Random,
    victims: Victims,
}

impl Scaler for Chaos {
    fn name(&self) -> String {
        "chaos".to_owned()
    }
    fn period(&self) -> Seconds {
        7.0
    }
    fn victims(&self) -> Victims {
        self.victims
    }
    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        assert!(
            seen.in_flight_live <= seen.in_flight && seen.running <= seen.in_flight_live,
            "{seen:?}"
        );
        assert_eq!(seen.replicas, seen.ready + seen.starting.len() as u32);
        assert!(seen.starting.is_sorted_by(|a, b| a >= b) && seen.idle <= seen.ready);
        Some(self.random.whole(0, 12))
    }
}

#[test]
fn whatever_a_policy_does_no_task_disappears() {
    let mut workload = workloads::long(2);
    workload.slots = 2;
    workload.tasks.truncate(300);
    for number in 0..24 {
        let world = World {
            min: 0,
            prefetch: [0, 1, 4][number % 3],
            early_ack: number % 2 == 1,
            visibility_timeout: [0.0, 3600.0][number % 4 / 2],
            purges: vec![5000.0, 9000.0],
            counter_resets: vec![7000.0],
            metric_lag: 5.0,
            heartbeat: 2.0,
            crash_loops: vec![Span { from: 300.0, to: 900.0 }],
            ..World::default()
        };
        let mut scaler = Chaos {
            random: Random::new(number as u64, 0),
            victims: [Victims::Newest, Victims::LeastBusy, Victims::IdleOnly][number / 8],
        };
        let found = run(&workload, &world, &mut scaler, 1, false);
        let ended = found.tasks + found.lost + found.purged;
        // Where busy pods are stopped, some task of ten minutes may never see its end.
        match scaler.victims {
            Victims::IdleOnly => {
                assert_eq!((ended, found.killed, found.lost), (workload.tasks.len() as u64, 0, 0));
            }
            _ => assert!(ended <= workload.tasks.len() as u64 && found.killed > 0),
        }
        assert_eq!(found.lost > 0, world.early_ack && found.killed > 0);
    }
}
