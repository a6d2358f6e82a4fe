use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Time and number of pods of each order.
fn orders(startup: &Startup) -> Vec<(u64, u32)> {
    startup
        .orders
        .iter()
        .map(|order| (order.at.as_secs(), order.pods))
        .collect()
}

fn took(startup: &Startup) -> Vec<u64> {
    let each = |took: &StartupTime| std::iter::repeat_n(took.time.as_secs(), took.pods as usize);
    startup.took.iter().flat_map(each).collect()
}

#[test]
fn pods_that_never_come_are_stuck_unless_others_came() {
    let mut startup = Startup::default();
    startup.take(2, 2, false, s(0));
    startup.take(5, 2, false, s(10));
    assert_eq!(startup.stuck(20.0, s(70)), None);
    assert_eq!(startup.stuck(20.0, s(71)), Some(3));
    startup.take(5, 4, false, s(72));
    assert_eq!(startup.stuck(20.0, s(100)), None, "two came, one is late");
    assert_eq!(startup.stuck(20.0, s(400)), Some(1), "two came long ago");
}

#[test]
fn what_another_process_learned_is_known() {
    let mut startup = Startup::default();
    startup.remember(42.0);
    assert!(startup.is_known());
    assert_eq!(startup.seconds(0.6, s(9)), 42.0);
}

#[test]
fn a_rise_of_ready_ends_the_oldest_orders() {
    let mut startup = Startup::default();
    startup.take(2, 2, false, s(0));
    assert!(
        !startup.is_known(),
        "pods that were there before nobody looked say nothing"
    );
    startup.take(5, 2, false, s(10));
    startup.take(6, 2, false, s(15));
    startup.take(6, 4, false, s(30));
    assert_eq!(took(&startup), [20, 20]);
    assert_eq!(orders(&startup), [(10, 1), (15, 1)]);
    startup.take(6, 6, false, s(40));
    assert_eq!(took(&startup), [20, 20, 30, 25]);
    assert!(startup.orders.is_empty());
    assert_eq!(startup.seconds(0.75, s(40)), 25.0);
}

#[test]
fn the_newest_go_first_when_the_number_falls() {
    let mut startup = Startup::default();
    startup.take(0, 0, false, s(0));
    startup.take(4, 0, false, s(0));
    startup.take(8, 0, false, s(5));
    startup.take(3, 0, false, s(6));
    assert_eq!(orders(&startup), [(0, 3)]);
    startup.take(1, 1, false, s(9));
    assert_eq!(took(&startup), [9]);
}

#[test]
fn arrivals_are_expected_by_age_and_late_ones_soon() {
    let mut startup = Startup::default();
    startup.take(0, 0, false, s(0));
    startup.take(1, 0, false, s(0));
    startup.take(3, 0, false, s(20));
    let at = |now| {
        startup
            .arriving(startup.seconds(0.75, s(now)), s(now))
            .iter()
            .map(|a| (a.after, a.pods))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(20), [(10.0, 1), (30.0, 2)]);
    assert_eq!(at(29), [(2.0, 1), (21.0, 2)]);
    assert_eq!(at(40), [(7.5, 1), (10.0, 2)]);
}

#[test]
fn a_rollout_teaches_nothing_and_lost_pods_are_on_their_way_again() {
    let mut startup = Startup::default();
    startup.take(3, 3, false, s(0));
    startup.take(3, 1, true, s(10));
    assert_eq!(orders(&startup), [(10, 2)]);
    startup.take(3, 3, true, s(100));
    assert!(!startup.is_known());
}

#[test]
fn the_first_pods_to_come_are_the_fastest_and_do_not_speak_for_all() {
    let mut startup = Startup::default();
    startup.take(0, 0, false, s(0));
    startup.take(10, 0, false, s(0));
    startup.take(10, 2, false, s(12));
    assert_eq!(startup.seconds(0.6, s(12)), 30.0, "eight of ten take longer: the guess");
    startup.take(10, 6, false, s(20));
    assert_eq!(startup.seconds(0.6, s(20)), 20.0, "six of ten have taken so long");
    assert_eq!(startup.seconds(0.9, s(50)), 30.0, "still not known");
    startup.take(10, 10, false, s(60));
    assert_eq!(startup.seconds(0.9, s(60)), 60.0);
}

#[test]
fn as_many_pods_are_kept_as_speak_for_all() {
    let mut startup = Startup::default();
    for round in 0..20 {
        startup.take(0, 0, false, s(100 * round));
        startup.take(30, 0, false, s(100 * round));
        startup.take(30, 30, false, s(100 * round + 10 + round));
    }
    assert_eq!(took(&startup).len(), 120, "whole rounds, at least 100 pods");
    assert_eq!(startup.seconds(0.0, s(2000)), 26.0);
}

#[test]
fn what_is_remembered_counts_from_the_first_look_on() {
    let mut startup = Startup::default();
    startup.remember(10.0);
    startup.take(0, 0, false, s(90_000));
    startup.take(2, 0, false, s(90_001));
    assert_eq!(startup.stuck(10.0, s(90_100)), None, "three came lately");
    assert_eq!(startup.stuck(10.0, s(90_301)), Some(2));
}

#[test]
fn the_end_of_a_blockage_teaches_little() {
    let mut startup = Startup::default();
    startup.take(0, 0, false, s(0));
    startup.take(9, 0, false, s(0));
    startup.take(9, 9, false, s(20));
    startup.take(15, 9, false, s(100));
    startup.take(20, 9, false, s(150));
    startup.take(20, 11, false, s(700));
    assert!(startup.recovers(s(700)) && !startup.recovers(s(1000)));
    let usual = startup.seconds(0.6, s(9999));
    assert_eq!(usual, 20.0, "two that were stuck count as one");
    assert_eq!(
        startup.arriving(usual, s(701)),
        [4, 5].map(|pods| Arriving { after: 5.0, pods })
    );
    startup.take(24, 20, false, s(703));
    assert_eq!(took(&startup).len(), 10, "those that were stuck with them do not count");
    startup.take(24, 24, false, s(733));
    assert_eq!(took(&startup)[9..], [600, 30, 30, 30, 30]);
    assert!(!startup.recovers(s(733)), "what was ordered since has come");
}

#[test]
fn pods_that_are_as_slow_again_are_believed() {
    let mut startup = Startup::default();
    for hour in [0, 3600, 7200] {
        startup.take(0, 0, false, s(hour));
        startup.take(9, 0, false, s(hour));
        startup.take(9, 9, false, s(hour + 200));
    }
    assert_eq!(took(&startup), [200; 19]);
}

#[test]
fn what_was_stuck_comes_soon_however_long_pods_take() {
    let mut startup = Startup::default();
    startup.take(0, 0, false, s(0));
    startup.take(5, 0, false, s(0));
    startup.take(5, 1, false, s(600));
    let usual = startup.seconds(0.6, s(9999));
    assert_eq!(usual, 600.0, "nothing else is known");
    assert_eq!(startup.arriving(usual, s(601)), [Arriving { after: 7.5, pods: 4 }]);
}
