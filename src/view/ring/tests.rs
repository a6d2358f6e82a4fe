use super::*;

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

const UNCOUNTED: Arrivals = Arrivals {
    tasks: None,
    since: Duration::ZERO,
};

fn waiting(tasks: u64, set: u32) -> Point {
    Point::new([Some(tasks), Some(1)], [Some(set), Some(set), Some(set)])
}

#[test]
fn it_fits_into_four_kilobytes() {
    assert!(size_of::<Ring>() <= 4096, "{}", size_of::<Ring>());
}

#[test]
fn numbers_hold_until_others_come_and_a_peak_between_two_points_shows() {
    let mut ring = Ring::new(at(0), waiting(1, 1), UNCOUNTED);
    ring.record(at(10), waiting(90, 2), UNCOUNTED);
    ring.record(at(20), waiting(3, 3), UNCOUNTED);
    ring.record(at(100), waiting(0, 4), UNCOUNTED);
    let columns = ring.columns(at(130));
    assert_eq!(
        columns.waiting,
        [90, 3, 3, 3, 0].map(Some),
        "in 60–89 s and until 100 s there were three"
    );
    assert_eq!(columns.set, [3, 3, 3, 4, 4].map(Some));
}

#[test]
fn after_an_hour_the_oldest_go() {
    let mut ring = Ring::new(at(0), waiting(7, 1), UNCOUNTED);
    for minute in 1..200 {
        ring.record(at(minute * 60), waiting(minute, 1), UNCOUNTED);
    }
    let columns = ring.columns(at(199 * 60));
    assert_eq!(columns.waiting.len(), POINTS);
    assert_eq!(columns.waiting.last(), Some(&Some(199)));
    assert_eq!(columns.waiting[0], Some(139), "60 minutes before the newest");
}

#[test]
fn a_pool_that_nothing_happens_to_for_days_is_still_right() {
    let ring = Ring::new(at(0), waiting(7, 1), UNCOUNTED);
    assert_eq!(ring.columns(at(1_000_000)).waiting, vec![Some(7); POINTS]);
}

#[test]
fn unknown_is_told_apart_from_zero_and_from_the_largest() {
    let mut ring = Ring::new(at(0), waiting(0, 0), UNCOUNTED);
    ring.record(at(30), waiting(5, 0), UNCOUNTED);
    ring.record(at(60), Point::UNKNOWN, UNCOUNTED);
    ring.record(at(120), waiting(u64::MAX, 0), UNCOUNTED);
    assert_eq!(
        ring.columns(at(120)).waiting,
        [Some(0), Some(5), Some(5), None, Some(u32::MAX - 1)],
        "the third was known when it began"
    );
    assert_eq!(ring.columns(at(120)).set[3], None);
}

#[test]
fn the_short_one_has_the_peaks_and_keeps_its_groups() {
    let mut ring = Ring::new(at(0), waiting(0, 0), UNCOUNTED);
    for point in 1..500_u64 {
        let peak = if point == 450 { 1000 } else { 1 };
        ring.record(at(point * 30), waiting(peak, 2), UNCOUNTED);
        let short = ring.short(at(point * 30), 30);
        assert!(short.waiting.len() <= 30);
        let peaks = short.waiting.iter().filter(|tasks| **tasks == Some(1000)).count();
        // The value holds into the next point's time, which may be the next group's.
        assert!((point < 450) == (peaks == 0) && peaks <= 2, "{point}: {peaks}");
    }
}

/// Arrivals of the hour in which this was told: the time of each count, the time of the count before it, what has arrived.
fn arrived(told: &[(u64, u64, Option<u64>)], now: u64) -> Vec<Option<u32>> {
    let mut ring: Option<Ring> = None;
    for (now, before, tasks) in told {
        let arrivals = Arrivals {
            tasks: *tasks,
            since: at(*before),
        };
        match &mut ring {
            Some(ring) => ring.record(at(*now), waiting(0, 1), arrivals),
            None => ring = Some(Ring::new(at(*now), waiting(0, 1), arrivals)),
        }
    }
    ring.unwrap().columns(at(now)).arrived
}

#[test]
fn arrivals_are_those_of_each_point() {
    let told = [
        (10, 10, None),
        (11, 10, Some(4)),
        (40, 39, Some(9)),
        (41, 40, Some(12)),
        (100, 99, Some(12)),
        (125, 124, Some(13)),
    ];
    // Nobody knows what came before the first count, nor what came with it.
    assert_eq!(arrived(&told, 170), [None, Some(8), Some(0), Some(0), Some(1), Some(0)]);
}

#[test]
fn arrivals_between_two_rare_counts_are_spread_over_the_time() {
    let told = [
        (29, 0, Some(0)),
        (59, 0, Some(0)),
        (119, 59, Some(60)),
        (121, 119, Some(61)),
    ];
    assert_eq!(arrived(&told, 121), [None, Some(1), Some(30), Some(29), Some(1)]);
}

#[test]
fn arrivals_are_unknown_where_the_broker_could_not_be_read_and_when_it_counts_anew() {
    let lost = [
        (0, 0, Some(0)),
        (35, 34, Some(5)),
        // The last count before was at 58 s, so in that point too some are not known.
        (61, 58, None),
        (100, 58, None),
        (130, 58, Some(900)),
        (160, 159, Some(903)),
    ];
    assert_eq!(arrived(&lost, 160), [None, None, None, None, None, Some(3)]);
    let short = [
        (0, 0, Some(0)),
        (35, 34, Some(5)),
        (65, 63, None),
        (70, 63, Some(9)),
        (95, 94, Some(10)),
    ];
    assert_eq!(arrived(&short, 95), [None, Some(5), None, Some(1)]);
    let anew = [
        (0, 0, Some(70)),
        (35, 34, Some(75)),
        (65, 64, Some(3)),
        (95, 94, Some(10)),
    ];
    assert_eq!(arrived(&anew, 95), [None, Some(5), None, Some(7)]);
}

#[test]
fn a_pool_whose_broker_cannot_be_read_for_days_says_so() {
    let told = [(0, 0, Some(0)), (40, 39, Some(1)), (41, 40, None)];
    let found = arrived(&told, 1_000_000);
    assert_eq!(found, vec![None; POINTS]);
    assert_eq!(
        arrived(&[(0, 0, Some(7)), (40, 39, Some(7))], 1_000_000),
        vec![Some(0); POINTS]
    );
}
