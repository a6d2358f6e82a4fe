use super::{super::fixture::*, *};

/// Number of tasks after a series of observations.
fn after(series: &[Observation]) -> u64 {
    let mut stranded = Stranded::default();
    series.iter().for_each(|seen| stranded.observe(seen));
    stranded.tasks()
}

/// Observation with tasks in flight, none of which runs, and with the number of those that no worker reports to hold.
fn seen(t: f64, in_flight: u64, unheld: Option<u64>) -> Observation {
    at(t, 2).reserved(in_flight).unheld(unheld)
}

#[test]
fn what_no_worker_holds_for_long_enough_is_stranded() {
    let some = |t, n| seen(t, 9, Some(n));
    assert_eq!(after(&[some(0., 4)]), 0, "not yet");
    assert_eq!(after(&[some(0., 4), some(7.9, 4)]), 0);
    assert_eq!(after(&[some(0., 4), some(8., 4)]), 4);
    assert_eq!(after(&[some(0., 4), some(4., 3), some(8., 5)]), 3, "the least");
    assert_eq!(
        after(&[some(0., 4), some(4., 0), some(8., 5)]),
        0,
        "it was all in somebody's hands"
    );
    assert_eq!(after(&[some(0., 4), some(8., 4), some(9., 8), some(16., 8)]), 4);
    assert_eq!(
        after(&[some(0., 4), some(8., 4), some(9., 8), some(17., 8)]),
        8,
        "another one died"
    );
    assert_eq!(after(&[some(0., 4), some(8., 4), some(9., 0)]), 0, "given back");
    assert_eq!(
        after(&[some(0., 4), some(8., 4), seen(9., 3, Some(4))]),
        3,
        "never more than are in flight"
    );
    let running = |t| at(t, 2).running(2, 1).reserved(2).unheld(Some(4));
    assert_eq!(after(&[running(0.), running(8.)]), 2, "what runs is not stranded");
}

#[test]
fn while_a_ready_pod_is_silent_nothing_is_claimed() {
    let some = |t, n| seen(t, 9, Some(n));
    assert_eq!(
        after(&[some(0., 4).silent(1), some(8., 4).silent(1), some(80., 4).silent(1)]),
        0
    );
    assert_eq!(
        after(&[some(0., 4), some(8., 4), some(9., 4).silent(1)]),
        0,
        "it may hold them"
    );
    let spoke = [some(0., 4), some(8., 4), some(9., 4).silent(1), some(10., 4)];
    assert_eq!(after(&spoke), 0, "it has to be confirmed anew");
    assert_eq!(after(&[&spoke[..], &[some(18., 4)]].concat()), 4);
    let nobody = |t| at(t, 0).unheard().reserved(9).unheld(Some(9));
    assert_eq!(
        after(&[nobody(0.), at(9., 1).unheard().reserved(9).unheld(Some(9)).silent(1)]),
        9,
        "it came later"
    );
    let unready = at(0., 1).ready_pods(0).unheard().reserved(9).unheld(Some(9)).silent(1);
    assert_eq!(after(&[unready]), 0, "a pod that is not ready any more may be busy");
}

#[test]
fn silence_changes_nothing_for_a_while() {
    let known = [seen(0., 9, Some(4)), seen(8., 9, Some(4))];
    let then = |more: &[Observation]| after(&[&known[..], more].concat());
    assert_eq!(then(&[seen(9., 9, None), seen(38.9, 9, None)]), 4);
    assert_eq!(then(&[seen(9., 9, None), seen(39., 9, None)]), 0);
    assert_eq!(then(&[seen(9., 9, None), seen(30., 9, Some(4)), seen(50., 9, None)]), 4);
    assert_eq!(then(&[seen(500., 9, Some(4))]), 4, "nobody looked, for nothing changed");
    assert_eq!(
        after(&[seen(0., 9, None), seen(99., 9, None)]),
        0,
        "remote control is refused: in flight, as ever"
    );
}

#[test]
fn where_nobody_can_hold_it_all_is_stranded_until_the_first_worker_has_told() {
    let nobody = |t, n| at(t, n).ready_pods(0).unheard().reserved(400).unheld(Some(400));
    let ready = |t| at(t, 1).unheard().reserved(400).unheld(Some(400));
    let heard = |t, unheld| seen(t, 400, unheld);
    assert_eq!(after(&[nobody(0., 0)]), 400);
    let began = [nobody(0., 0), nobody(1., 1), ready(90.), ready(95.)];
    let then = |more: &[Observation]| after(&[&began[..], more].concat());
    assert_eq!(then(&[]), 400);
    assert_eq!(then(&[heard(100., None), heard(103., Some(400))]), 400, "at once");
    assert_eq!(then(&[heard(100., None), heard(103., Some(0))]), 0);
    assert_eq!(then(&[heard(100., None), heard(103., Some(40))]), 40);
    assert_eq!(then(&[heard(100., None), heard(150., None)]), 0, "it never tells");
    assert_eq!(then(&[ready(150.)]), 0, "it is never heard");
    assert_eq!(after(&[ready(0.)]), 0, "somebody may hold it");
}

#[test]
fn it_tells_when_time_alone_changes_it() {
    let mut stranded = Stranded::default();
    assert_eq!(stranded.next_change(s(0.)), None);
    stranded.observe(&seen(0., 9, Some(4)));
    assert_eq!(stranded.next_change(s(3.)), Some(s(5.)));
    stranded.observe(&seen(8., 9, Some(4)));
    assert_eq!(stranded.next_change(s(8.)), None);
    stranded.observe(&seen(10., 9, None));
    assert_eq!(stranded.next_change(s(20.)), Some(s(20.)));
}
