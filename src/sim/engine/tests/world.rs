//! Each switch of the world that changes what is seen, or the times of pods.
use super::*;

#[test]
fn the_metrics_lag_and_the_pods_do_not() {
    let workload = workloads::steps(1);
    let watch = |metric_lag| {
        let mut scaler = script(&[(30.0, 9)]);
        let lagging = World {
            metric_lag,
            ..World::default()
        };
        let found = run(&workload, &lagging, &mut scaler, 1, false);
        (scaler.seen, found)
    };
    let ((fresh, before), (late, after)) = (watch(0.0), watch(5.0));
    assert_eq!(before, after);
    for (then, now) in fresh.iter().zip(late.iter().skip(5)).take(500) {
        let of_tasks = |seen: &Seen| (seen.waiting, seen.in_flight, seen.running, seen.arrived, seen.completed);
        assert_eq!((of_tasks(then), then.oldest_wait), (of_tasks(now), now.oldest_wait));
        let pods = |seen: &Seen| (seen.now, seen.replicas, seen.ready, seen.idle, seen.starting.clone());
        assert_eq!(pods(now), pods(&fresh[now.now as usize]));
    }
}

#[test]
fn pods_that_need_a_node_come_later() {
    let few = World {
        nodes: Some(NodeLimit { room: 3, delay: 60.0 }),
        ..world(9)
    };
    let mut scaler = script(&[(1.0, 4)]);
    run(&tasks(&[(0.0, 1.0)]), &few, &mut scaler, 1, false);
    assert_eq!(
        (scaler.at(11.0).ready, scaler.at(70.0).ready, scaler.at(71.0).ready),
        (3, 3, 4)
    );
}

#[test]
fn an_outage_blinds_the_scaler_and_nobody_else() {
    let dark = World {
        outages: vec![Span { from: 3.0, to: 5.0 }],
        ..world(2)
    };
    let mut scaler = script(&[]);
    let found = run(&tasks(&[(0.0, 10.0), (3.0, 10.0)]), &dark, &mut scaler, 1, false);
    assert_eq!((found.tasks, found.waits.max), (2, 0.0));
    assert_eq!(
        [2.0, 3.0, 4.0, 5.0].map(|t| scaler.at(t).broker_down),
        [false, true, true, false]
    );
    let blind = scaler.at(4.0);
    assert_eq!(
        (blind.in_flight, blind.arrived, blind.replicas, blind.ready),
        (0, 0, 2, 2)
    );
}

#[test]
fn the_counter_of_completions_can_restart_or_be_missing() {
    let two = tasks(&[(0.0, 1.0), (4.0, 1.0)]);
    let completed = |with: World| {
        let mut scaler = script(&[]);
        run(&two, &with, &mut scaler, 1, false);
        assert_eq!(scaler.at(1.0).uncounted, with.no_counter);
        [1.0, 3.0, 5.0].map(|t| scaler.at(t).completed)
    };
    assert_eq!(completed(world(1)), [1, 1, 2]);
    let restarted = World {
        counter_resets: vec![3.0],
        ..world(1)
    };
    assert_eq!(completed(restarted), [1, 0, 1]);
    let silent = World {
        no_counter: true,
        ..world(1)
    };
    assert_eq!(completed(silent), [0, 0, 0]);
}

#[test]
fn a_purge_drops_what_waits() {
    let purged = World {
        purges: vec![5.0],
        ..world(1)
    };
    let found = run(
        &tasks(&[(0.0, 20.0), (1.0, 20.0), (6.0, 20.0)]),
        &purged,
        &mut script(&[]),
        1,
        false,
    );
    assert_eq!((found.tasks, found.purged, found.waits.max), (2, 1, 14.0));
}

#[test]
fn crashing_pods_start_for_as_long_as_they_crash() {
    let broken = World {
        crash_loops: vec![Span { from: 0.0, to: 50.0 }],
        ..world(9)
    };
    let mut scaler = script(&[(1.0, 3)]);
    run(&tasks(&[(0.0, 1.0)]), &broken, &mut scaler, 1, false);
    assert_eq!((scaler.at(59.0).ready, scaler.at(59.0).starting.len()), (2, 1));
    assert_eq!(
        (scaler.at(60.0).ready, scaler.at(60.0).started.as_slice()),
        (3, [59.0].as_slice())
    );
}

#[test]
fn workers_tell_what_they_run_with_their_heartbeats() {
    // The tasks start at 1.5 and at 4, after the beats of 1 and 3.
    let two = tasks(&[(1.5, 2.5), (1.5, 5.0)]);
    let seen = |heartbeat| {
        let mut scaler = script(&[]);
        let with = World { heartbeat, ..world(1) };
        run(&two, &with, &mut scaler, 1, false);
        [2.0, 3.0, 4.0, 5.0, 9.0].map(|at| {
            let seen = scaler.at(at);
            (seen.running, seen.taken, seen.idle)
        })
    };
    let exactly = [(1, 1, 0), (1, 1, 0), (1, 2, 0), (1, 2, 0), (0, 2, 1)];
    let told = [(0, 0, 1), (1, 1, 0), (1, 1, 0), (1, 2, 0), (0, 2, 1)];
    assert_eq!((seen(0.0), seen(2.0)), (exactly, told));
}
