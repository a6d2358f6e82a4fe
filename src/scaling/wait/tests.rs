use super::super::{
    fixture::{at, hinting, last_of, pool, s, waits},
    *,
};

/// Number of task slots: from the user, else from the workers, else the largest number that was seen in use.
#[test]
fn the_slots_of_a_replica() {
    let slots = |said: Option<u32>, learned: Option<u32>, series: &[Observation]| {
        let policy = Policy {
            slots: said,
            ..waits(0, 100, 60.0)
        };
        let memory = Memory::remembering(&Estimates {
            slots: learned,
            ..Estimates::default()
        });
        let decide = |(memory, _), seen| {
            let (memory, decision) = decide(&policy, memory, seen);
            (memory, Some(decision))
        };
        series
            .iter()
            .fold((memory, None), decide)
            .1
            .unwrap()
            .estimates
            .unwrap()
            .slots
    };
    let told = |seconds: f64, slots: u32| Observation {
        slots: Some(slots),
        ..at(seconds, 1)
    };
    assert_eq!(slots(None, None, &[at(0., 1)]), None);
    assert_eq!(slots(None, None, &[told(0., 3)]), Some(3), "before any task has run");
    assert_eq!(slots(Some(4), None, &[told(0., 3)]), Some(4));
    assert_eq!(slots(None, Some(6), &[at(0., 1)]), Some(6));
    assert_eq!(
        slots(None, Some(6), &[told(0., 3)]),
        Some(3),
        "what is told counts more than what is remembered"
    );
    assert_eq!(slots(None, None, &[at(0., 1).running(2, 1)]), Some(2));
    assert_eq!(
        slots(None, None, &[told(0., 3), at(1., 0)]),
        Some(3),
        "the workers are gone, not their number of slots"
    );
    assert_eq!(
        slots(None, None, &[told(0., 3), told(9., 8)]),
        Some(8),
        "after a rollout"
    );

    // 3 tasks run on one replica of 3: three replicas could not share them.
    let busy = |slots| Observation {
        slots,
        ..at(0., 3).running(3, 1)
    };
    let policy = Policy {
        slots: None,
        ..pool(0, 9, 1)
    };
    assert_eq!(
        (
            last_of(&policy, &[busy(None)]).wanted,
            last_of(&policy, &[busy(Some(3))]).wanted
        ),
        (3, 1)
    );
}

/// Age of what waited already when the pool was first counted: as its oldest task says.
#[test]
fn an_operator_that_starts_knows_late_tasks_as_late() {
    let policy = waits(0, 100, 60.0);
    // The clock begins long before the process.
    let first = |oldest: Option<f64>| {
        let seen = at(86_400., 0).waiting(400);
        last_of(&policy, &[oldest.map_or(seen.clone(), |seconds| seen.oldest(seconds))])
    };
    let orders = |oldest: Option<f64>| first(oldest).replicas;
    assert_eq!(first(Some(90.)).oldest_wait, Some(s(90.)));
    assert!(first(Some(90.)).sentence.contains("too many"), "{:?}", first(Some(90.)));
    assert_eq!(
        (orders(None), orders(Some(90.))),
        (29, 29),
        "where nobody tells, all may be late"
    );
    assert_eq!(orders(Some(0.5)), 19, "as many as for a burst that was seen to come");
    assert!((20..29).contains(&orders(Some(8.))), "{}", orders(Some(8.)));

    let mut seen = at(86_400., 0).waiting(400);
    if let Reading::Fresh(work) = &mut seen.reading {
        work.oldest = Some(Since::Seen(s(86_399.5)));
    }
    let decision = last_of(&policy, &[seen]);
    assert_eq!(
        (decision.replicas, decision.oldest_wait),
        (29, Some(s(0.5))),
        "nobody tells"
    );

    // Those that start are late, and the rest grows older.
    let series = [
        at(86_400., 4).waiting(40).oldest(90.).running(16, 4).processed(0),
        at(86_401., 4).waiting(36).running(16, 4).processed(4),
        at(86_402., 4).waiting(32).running(16, 4).processed(8),
    ];
    let decision = last_of(&policy, &series);
    assert!(decision.oldest_wait > Some(s(60.)), "{decision:?}");

    // A task that is passed over, by priority or in another queue, is reported where the curve would not know it.
    let passed = [
        at(86_400., 4).waiting(4).processed(0),
        at(86_500., 4).waiting(4).processed(900).oldest(100.),
    ];
    assert_eq!(last_of(&policy, &passed).oldest_wait, Some(s(100.)));
    let backlog = pool(0, 10, 1);
    assert_eq!(
        last_of(&backlog, &[at(0., 1).waiting(2).oldest(7.)]).oldest_wait,
        Some(s(7.))
    );
    assert_eq!(
        last_of(&backlog, &[at(0., 1).oldest(7.)]).oldest_wait,
        None,
        "nothing waits"
    );
    assert_eq!(
        last_of(&backlog, &[at(0., 1).waiting(2)]).oldest_wait,
        None,
        "nothing tells"
    );
}

/// Without the workers' counters, the ages of the tasks at the head show how many have started.
#[test]
fn without_a_counter_tasks_that_say_when_they_were_published_correct_the_hint() {
    // A task each second; 10 s each on 10 slots, which is just enough; 20 have waited from the start, 20 s each.
    let series = |stamped: bool| {
        let tick = move |n: u32| {
            let seen = at(1000. + f64::from(n), 10).waiting(20).running(10, 10);
            if stamped { seen.oldest(20.) } else { seen }
        };
        (0..300).map(tick).collect::<Vec<_>>()
    };
    let policy = Policy {
        slots: Some(1),
        ..waits(0, 100, 60.0)
    };
    let hinted = hinting(policy, 4.0);
    let task = |series: &[Observation]| last_of(&hinted, series).estimates.unwrap().task;
    assert_eq!(task(&series(false)), None, "nothing to learn from");
    let learned = task(&series(true)).unwrap();
    assert!((8.0..11.0).contains(&learned), "{learned}");
}

#[test]
fn arrivals_are_known_while_all_workers_count_what_they_take_on() {
    // A task each two seconds, taken on at once; from two minutes on one of the pods says nothing.
    let series = |until: u32| -> Vec<_> {
        let seen = |second: u32| {
            let seen = at(f64::from(second), 2).running(1, 1).processed(u64::from(second / 2));
            seen.silent(u32::from(second >= 120))
        };
        (0..=until).step_by(2).map(seen).collect()
    };
    let arrived = |until| last_of(&waits(0, 100, 60.0), &series(until)).estimates.unwrap().arrived;
    assert_eq!(arrived(118), Some(59));
    assert_eq!(
        arrived(178),
        Some(89),
        "a pod is often ready before its worker is heard"
    );
    assert_eq!(arrived(180), None, "what it starts is in nobody's count");
}
