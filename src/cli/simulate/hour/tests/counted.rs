//! Arrivals as the history tells them, against those that there really were: the whole way, from the simulated broker and its
//! workers over the core and the ring to the JSON.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    kube::Key,
    model::Now,
    scaling::{Memory, Policy, Profile, TargetRule, Wait, decide},
    sim::{Scaler, Seen, Span, Task, Victims, Workload, World, run, scalers::observation, traces, workloads},
    view::{PoolView, Record, Whole},
};

/// Length of a point, in seconds.
const POINT: f64 = 30.0;
/// Time at which the history is read, in seconds.
const READ: f64 = 3600.0;

/// Pool that decides as ours does, and keeps a view.
struct Watched {
    policy: Policy,
    memory: Memory,
    view: PoolView,
    /// Arrivals, once they were read.
    arrived: Option<Vec<Option<u32>>>,
}

impl Scaler for Watched {
    fn name(&self) -> String {
        "watched".to_owned()
    }

    fn period(&self) -> f64 {
        self.policy.period.as_secs_f64()
    }

    fn victims(&self) -> Victims {
        Victims::IdleOnly
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        let observed = observation(seen);
        let (memory, decision) = decide(&self.policy, std::mem::take(&mut self.memory), &observed);
        self.memory = memory;
        let record = Record {
            estimates: decision.estimates,
            counted_before: observed.now.saturating_sub(self.policy.period),
            ..Record::new(key())
        };
        self.view.tell(record, observed.now);
        if seen.now >= READ - POINT / 10.0 && self.arrived.is_none() {
            let whole = Whole {
                now: Now {
                    wall: Timestamp::UNIX_EPOCH,
                    moment: observed.now,
                },
                entry: self.view.entry(),
                log: self.view.log(),
                pods: Vec::new(),
                pods_omitted: 0,
            };
            self.arrived = whole.json().pool.detail.map(|detail| detail.history.arrived);
        }
        Some(decision.replicas)
    }
}

fn key() -> Key {
    Key {
        namespace: "shop".into(),
        name: "mail".into(),
    }
}

/// Arrivals of each point that is over, as they were and as they are told.
fn compare(workload: &Workload, world: &World) -> Vec<(u32, Option<u32>)> {
    let wait = Wait {
        within: Duration::from_secs_f64(workload.wait_target),
        hint: None,
        tuning: Profile::Balanced.tuning(),
    };
    let mut watched = Watched {
        policy: Policy {
            stranded: ("", ""),
            min: 1,
            max: 200,
            schedules: Vec::new(),
            target: TargetRule::Wait(wait),
            slots: Some(workload.slots),
            idle: Duration::from_secs(60),
            behavior: Default::default(),
            fallback: None,
            suspended: false,
            period: Duration::from_secs(2),
        },
        memory: Memory::default(),
        view: PoolView::new(&key()),
        arrived: None,
    };
    run(workload, world, &mut watched, 1, false);
    let told = watched.arrived.expect("a run of an hour");
    let over = (READ / POINT) as usize - 1;
    let mut real = vec![0; over];
    for task in &workload.tasks {
        if let Some(point) = real.get_mut((task.arrival / POINT) as usize) {
            *point += 1;
        }
    }
    assert_eq!(told.len(), over + 1, "the last point is not over");
    real.into_iter().zip(told).collect()
}

/// Work of the hour, and of a moment more.
fn hour(mut workload: Workload) -> Workload {
    workload.tasks.retain(|task| task.arrival < READ);
    workload.tasks.push(Task {
        arrival: READ + 1.0,
        duration: 1.0,
    });
    workload
}

/// A recorded hour of a very bursty service.
fn recorded() -> Workload {
    let text = include_str!("../../../../../tests/traces/azure_llm_2023_code.csv");
    Workload {
        name: "recorded".into(),
        wait_target: 30.0,
        slots: 2,
        tasks: traces::read(text, None).unwrap(),
    }
}

/// Workers that report what they have taken on every 2 s, as Celery's do, and fetch ahead.
fn celery() -> World {
    World {
        heartbeat: 2.0,
        prefetch: 4,
        ..World::default()
    }
}

/// Number of tasks that really arrived in the points that are known, of those that are told, and of those that are told in
/// another point.
fn sums(points: &[(u32, Option<u32>)]) -> [u32; 3] {
    points
        .iter()
        .filter_map(|(real, told)| Some((*real, (*told)?)))
        .fold([0, 0, 0], |[all, sum, moved], (real, told)| {
            [all + real, sum + told, moved + real.abs_diff(told)]
        })
}

#[test]
fn where_the_workers_counter_is_seen_at_once_the_arrivals_are_exact() {
    for workload in [workloads::burst(1), workloads::steps(1), workloads::sparse(1)].map(hour) {
        let points = compare(&workload, &World::default());
        let unknown: Vec<_> = (0..points.len()).filter(|at| points[*at].1.is_none()).collect();
        assert_eq!(unknown, [0], "{}: the operator started in the first one", workload.name);
        let [real, told, moved] = sums(&points);
        println!("{}: {real} tasks, {told} told, {moved} in another point", workload.name);
        assert!(real > 50 && told == real && moved == 0, "{}: {points:?}", workload.name);
    }
}

#[test]
fn where_workers_report_as_celerys_do_two_in_a_hundred_are_wrong_at_most() {
    let early = World {
        early_ack: true,
        ..celery()
    };
    let works = [
        workloads::burst(1),
        workloads::steps(1),
        workloads::sparse(1),
        recorded(),
    ];
    for workload in works.map(hour) {
        for (name, world) in [("late", celery()), ("early", early.clone())] {
            let points = compare(&workload, &world);
            let [real, told, moved] = sums(&points);
            let name = format!("{}, acknowledged {name}", workload.name);
            println!("{name}: {real} tasks, {told} told, {moved} in another point");
            assert!(
                real > 50 && told.abs_diff(real) <= real / 50,
                "{name}: {told} of {real}"
            );
            assert!(moved <= real / 20, "{name}: {moved} of {real} in another point");
        }
    }
}

#[test]
fn arrivals_while_the_broker_cannot_be_read_are_not_known() {
    let outage = World {
        outages: vec![Span {
            from: 1000.0,
            to: 1100.0,
        }],
        ..celery()
    };
    let points = compare(&hour(workloads::burst(1)), &outage);
    let unknown: Vec<_> = (0..points.len()).filter(|at| points[*at].1.is_none()).collect();
    assert_eq!(unknown, [0, 33, 34, 35, 36]);
    let [real, told, _] = sums(&points);
    assert!(told.abs_diff(real) <= real / 50, "{told} of {real}");
}

/// The core estimates then, and is wrong by a half where tasks are long: good enough for a rate, and for nothing else.
#[test]
fn where_workers_do_not_count_nothing_is_told() {
    for stamped in [false, true] {
        let world = World {
            no_counter: true,
            stamped,
            ..World::default()
        };
        let points = compare(&hour(workloads::sparse(1)), &world);
        assert!(points.iter().all(|(_, told)| told.is_none()), "{points:?}");
    }
}
