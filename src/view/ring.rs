//! One hour of a pool's numbers, one point for every 30 seconds, in a place of fixed size.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::model::Moment;

/// Number of points: an hour.
pub const POINTS: usize = 120;
/// Time between two points.
pub const EVERY: Duration = Duration::from_secs(30);
/// Number that stands for "not known".
const NONE: u32 = u32::MAX;

/// Numbers at one time. What does not fit is the largest that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    waiting: u32,
    oldest: u32,
    wanted: u32,
    set: u32,
    ready: u32,
}

impl Point {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        waiting: NONE,
        oldest: NONE,
        wanted: NONE,
        set: NONE,
        ready: NONE,
    };

    /// Waiting tasks, seconds that the oldest has waited, and replicas: wanted, set, ready.
    pub fn new([waiting, oldest]: [Option<u64>; 2], [wanted, set, ready]: [Option<u32>; 3]) -> Self {
        let packed = |number: Option<u64>| number.map_or(NONE, |n| u32::try_from(n).unwrap_or(NONE).min(NONE - 1));
        let count = |number: Option<u32>| packed(number.map(u64::from));
        Self {
            waiting: packed(waiting),
            oldest: packed(oldest),
            wanted: count(wanted),
            set: count(set),
            ready: count(ready),
        }
    }

    /// Point of a time that began with `self` and ends with `last`: the highest wait, the last replicas.
    fn then(self, last: Self) -> Self {
        let highest = |a: u32, b: u32| match (a, b) {
            (NONE, one) | (one, NONE) => one,
            (a, b) => a.max(b),
        };
        Self {
            waiting: highest(self.waiting, last.waiting),
            oldest: highest(self.oldest, last.oldest),
            ..last
        }
    }
}

/// Number, where it is known.
fn known(number: u32) -> Option<u32> {
    (number != NONE).then_some(number)
}

/// Points of the last hour.
#[derive(Clone, Debug)]
pub struct Ring {
    points: [Point; POINTS],
    /// Number of points that there are.
    filled: usize,
    /// Number of the newest, counted from the start of the process.
    newest: u64,
    /// Latest numbers: they hold until others come.
    held: Point,
}

/// Columns of the points, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Waiting tasks: the most within the time of each point.
    pub waiting: Vec<Option<u32>>,
    /// Seconds that the oldest had waited: the most.
    pub oldest: Vec<Option<u32>>,
    /// Replicas decided on, at the end of each.
    pub wanted: Vec<Option<u32>>,
    /// Replicas set.
    pub set: Vec<Option<u32>>,
    /// Replicas ready.
    pub ready: Vec<Option<u32>>,
}

impl Ring {
    /// Ring that begins with this point.
    pub fn new(now: Moment, point: Point) -> Self {
        let mut ring = Self {
            points: [Point::UNKNOWN; POINTS],
            filled: 0,
            newest: number(now),
            held: point,
        };
        ring.push(point);
        ring
    }

    /// Takes in the numbers of now.
    pub fn record(&mut self, now: Moment, point: Point) {
        self.advance(now);
        let at = self.place(0);
        if let Some(newest) = self.points.get_mut(at) {
            *newest = newest.then(point);
        }
        self.held = point;
    }

    /// Fills the time up to now with the numbers that have held since.
    fn advance(&mut self, now: Moment) {
        let behind = number(now).saturating_sub(self.newest);
        // Further back than the ring reaches nothing is kept.
        let first = behind.saturating_sub(POINTS as u64);
        self.newest += first;
        for _ in first..behind {
            self.newest += 1;
            self.push(self.held);
        }
    }

    fn push(&mut self, point: Point) {
        self.filled = (self.filled + 1).min(POINTS);
        let at = self.place(0);
        if let Some(newest) = self.points.get_mut(at) {
            *newest = point;
        }
    }

    /// Place of the point that is so many before the newest.
    fn place(&self, before: usize) -> usize {
        let newest = usize::try_from(self.newest % POINTS as u64).unwrap_or(0);
        (newest + POINTS - before) % POINTS
    }

    /// Points up to now, the oldest first.
    fn points(&self, now: Moment) -> Vec<Point> {
        let mut ring = self.clone();
        ring.advance(now);
        let places = (0..ring.filled).rev().map(|before| ring.place(before));
        places.filter_map(|place| ring.points.get(place).copied()).collect()
    }

    /// Columns of the hour before now.
    pub fn columns(&self, now: Moment) -> Columns {
        columns(self.points(now).into_iter())
    }

    /// The same, several points drawn together so that there are at most this many.
    pub fn short(&self, now: Moment, most: usize) -> Columns {
        let points = self.points(now);
        // Counted from the newest, so that a time stays in its group from one call to the next.
        let each = POINTS.div_ceil(most.max(1));
        let newest = usize::try_from(number(now) % each as u64).unwrap_or(0) + 1;
        let (old, last) = points.split_at(points.len().saturating_sub(newest));
        let mut groups: Vec<_> = old.rchunks(each).map(together).collect();
        groups.truncate(most.saturating_sub(1));
        groups.reverse();
        columns(groups.into_iter().chain((!last.is_empty()).then(|| together(last))))
    }
}

fn together(points: &[Point]) -> Point {
    points.iter().copied().reduce(Point::then).unwrap_or(Point::UNKNOWN)
}

fn columns(points: impl Iterator<Item = Point>) -> Columns {
    let mut columns = Columns::default();
    for point in points {
        columns.waiting.push(known(point.waiting));
        columns.oldest.push(known(point.oldest));
        columns.wanted.push(known(point.wanted));
        columns.set.push(known(point.set));
        columns.ready.push(known(point.ready));
    }
    columns
}

/// Number of the point that a time belongs to.
fn number(now: Moment) -> u64 {
    now.as_secs() / EVERY.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn waiting(tasks: u64, set: u32) -> Point {
        Point::new([Some(tasks), Some(1)], [Some(set), Some(set), Some(set)])
    }

    #[test]
    fn it_fits_into_four_kilobytes() {
        assert!(size_of::<Ring>() <= 4096, "{}", size_of::<Ring>());
    }

    #[test]
    fn numbers_hold_until_others_come_and_a_peak_between_two_points_shows() {
        let mut ring = Ring::new(at(0), waiting(1, 1));
        ring.record(at(10), waiting(90, 2));
        ring.record(at(20), waiting(3, 3));
        ring.record(at(100), waiting(0, 4));
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
        let mut ring = Ring::new(at(0), waiting(7, 1));
        for minute in 1..200 {
            ring.record(at(minute * 60), waiting(minute, 1));
        }
        let columns = ring.columns(at(199 * 60));
        assert_eq!(columns.waiting.len(), POINTS);
        assert_eq!(columns.waiting.last(), Some(&Some(199)));
        assert_eq!(columns.waiting[0], Some(139), "60 minutes before the newest");
    }

    #[test]
    fn a_pool_that_nothing_happens_to_for_days_is_still_right() {
        let ring = Ring::new(at(0), waiting(7, 1));
        assert_eq!(ring.columns(at(1_000_000)).waiting, vec![Some(7); POINTS]);
    }

    #[test]
    fn unknown_is_told_apart_from_zero_and_from_the_largest() {
        let mut ring = Ring::new(at(0), waiting(0, 0));
        ring.record(at(30), waiting(5, 0));
        ring.record(at(60), Point::UNKNOWN);
        ring.record(at(120), waiting(u64::MAX, 0));
        assert_eq!(
            ring.columns(at(120)).waiting,
            [Some(0), Some(5), Some(5), None, Some(u32::MAX - 1)],
            "the third was known when it began"
        );
        assert_eq!(ring.columns(at(120)).set[3], None);
    }

    #[test]
    fn the_short_one_has_the_peaks_and_keeps_its_groups() {
        let mut ring = Ring::new(at(0), waiting(0, 0));
        for point in 1..500_u64 {
            let peak = if point == 450 { 1000 } else { 1 };
            ring.record(at(point * 30), waiting(peak, 2));
            let short = ring.short(at(point * 30), 30);
            assert!(short.waiting.len() <= 30);
            let peaks = short.waiting.iter().filter(|tasks| **tasks == Some(1000)).count();
            // The value holds into the next point's time, which may be the next group's.
            assert!((point < 450) == (peaks == 0) && peaks <= 2, "{point}: {peaks}");
        }
    }
}
