use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten tasks a second that take two seconds each, of which none waits, and what the workers' counter says.
fn steady(counter: impl Fn(u64) -> Option<u64>, times: impl Iterator<Item = u64>) -> Flow {
    let mut flow = Flow::default();
    for now in times {
        let work = Work {
            in_flight: 20,
            running: 20,
            ..Work::default()
        };
        let count = TaskCount {
            work: &work,
            heard: true,
            running: 20,
            taken: counter(now),
            often: true,
            head: None,
            idle: false,
            counted: Counted::at(s(now)),
        };
        flow.take(&count, None, 30.0);
    }
    flow
}

#[test]
fn a_counter_that_fell_teaches_nothing_and_hides_nothing() {
    let sound = steady(|now| Some(10 * now), 0..=600);
    // The counter starts again, and there is no count for a minute.
    let seen = (0..=600).filter(|now| !(300..360).contains(now));
    let restarted = steady(|now| Some(10 * (now - if now < 330 { 0 } else { 330 })), seen);
    let (found, expected) = (restarted.service(None), sound.service(None));
    assert!(
        (found / expected - 1.0).abs() < 0.01,
        "{found} s instead of {expected} s"
    );
    let (found, expected) = (restarted.started(), sound.started());
    assert!(
        (found / expected - 1.0).abs() < 0.01,
        "{found} tasks instead of {expected}"
    );
}

#[test]
fn the_first_tasks_do_not_seem_long_because_none_has_finished_yet() {
    let mut flow = Flow::default();
    let mut longest = 0.0_f64;
    // 40 tasks of 4 s begin at 1 s, and 40 more each 4 s.
    for second in 0..60_u64 {
        let running = if second == 0 { 0 } else { 40 };
        let work = Work {
            in_flight: running,
            running,
            ..Work::default()
        };
        let begun = 40 * second.div_ceil(4);
        let count = TaskCount {
            work: &work,
            heard: true,
            running,
            taken: Some(begun),
            often: true,
            head: None,
            idle: false,
            counted: Counted::at(s(second)),
        };
        flow.take(&count, None, 30.0);
        longest = longest.max(flow.service(None));
    }
    assert!(longest <= 10.0, "{longest} s instead of the guess of 10 s");
    assert!((flow.service(None) - 4.0).abs() < 0.3, "{} s", flow.service(None));
}

#[test]
fn where_nobody_counts_a_task_takes_what_the_user_says() {
    let flow = steady(|_| None, 0..=60);
    assert_eq!((flow.service(Some(2.0)), flow.service(None)), (2.0, 10.0));
}

/// Ten tasks of 30 s that are acknowledged when they start, and workers that are asked what they took every 20 s.
#[test]
fn what_workers_take_and_report_later_arrives_once() {
    let newcomers = |often: bool| {
        let mut flow = Flow::default();
        for now in 0..=60_u64 {
            let work = Work {
                ready: if now == 1 { 10 } else { 0 },
                ..Work::default()
            };
            let count = TaskCount {
                work: &work,
                heard: true,
                running: 0,
                taken: Some(if now < 21 { 0 } else { 10 }),
                often,
                head: None,
                idle: false,
                counted: Counted::at(s(now)),
            };
            flow.take(&count, None, 30.0);
        }
        flow.newcomers()
    };
    assert_eq!(newcomers(false), Some(10.0));
    // Of those who report often it is known after 10 s that nobody took them.
    assert_eq!(newcomers(true), Some(20.0));
}

/// They are still seen to be purged, later.
#[test]
fn what_is_purged_is_no_rate_for_long() {
    let mut flow = Flow::default();
    for now in 0..=120_u64 {
        let work = Work {
            ready: if (1..5).contains(&now) { 100 } else { 0 },
            ..Work::default()
        };
        let count = TaskCount {
            work: &work,
            heard: true,
            running: 0,
            taken: Some(0),
            often: false,
            head: None,
            idle: true,
            counted: Counted::at(s(now)),
        };
        flow.take(&count, None, 30.0);
    }
    assert_eq!(flow.started(), 0.0);
}
