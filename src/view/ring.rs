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
    arrived: u32,
}

impl Point {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        waiting: NONE,
        oldest: NONE,
        wanted: NONE,
        set: NONE,
        ready: NONE,
        arrived: NONE,
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
            arrived: 0,
        }
    }

    /// Point of a time that began with `self` and ends with `last`: the highest wait, the last replicas, all arrivals.
    fn then(self, last: Self) -> Self {
        let highest = |a: u32, b: u32| match (a, b) {
            (NONE, one) | (one, NONE) => one,
            (a, b) => a.max(b),
        };
        Self {
            waiting: highest(self.waiting, last.waiting),
            oldest: highest(self.oldest, last.oldest),
            arrived: sum(self.arrived, last.arrived),
            ..last
        }
    }
}

/// Sum that is known where both are. What does not fit is the largest that does.
fn sum(a: u32, b: u32) -> u32 {
    match (a, b) {
        (NONE, _) | (_, NONE) => NONE,
        (a, b) => a.saturating_add(b).min(NONE - 1),
    }
}

/// Count of arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Number of tasks that have arrived since some time; `None`: not known. A smaller one counts from another time.
    pub tasks: Option<u64>,
    /// Time of the count before: what is new came later. While nothing is known: time of the last count.
    pub since: Moment,
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
    /// Number of tasks that have arrived, as it was told last.
    arrived: Option<u64>,
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
    /// Tasks that arrived within the time of each point.
    pub arrived: Vec<Option<u32>>,
}

impl Ring {
    /// Ring that begins with this point, of whose time no more is known than its end.
    pub fn new(now: Moment, point: Point, arrivals: Arrivals) -> Self {
        let mut ring = Self {
            points: [Point::UNKNOWN; POINTS],
            filled: 0,
            newest: number(now),
            held: point,
            arrived: None,
        };
        ring.push(point);
        ring.arrive(now, arrivals);
        ring
    }

    /// Takes in the numbers of now.
    pub fn record(&mut self, now: Moment, point: Point, arrivals: Arrivals) {
        self.advance(now);
        let at = self.place(0);
        if let Some(newest) = self.points.get_mut(at) {
            *newest = newest.then(point);
        }
        self.held = point;
        self.arrive(now, arrivals);
    }

    /// Takes in arrivals: spread evenly over the time in which they came, or not known in all of it.
    fn arrive(&mut self, now: Moment, arrivals: Arrivals) {
        let Arrivals { tasks, since } = arrivals;
        let new = self.arrived.zip(tasks);
        let new = new.and_then(|(before, now)| now.checked_sub(before));
        self.arrived = tasks;
        self.held.arrived = tasks.map_or(NONE, |_| 0);
        let since = since.min(now);
        let oldest = self.newest.saturating_sub(POINTS as u64 - 1);
        let mut told = 0;
        for point in number(since).max(oldest)..=self.newest {
            let within = match new {
                None => NONE,
                Some(new) => {
                    let until = end(point).min(now);
                    let share = (until - since).as_secs_f64() / (now - since).as_secs_f64().max(f64::MIN_POSITIVE);
                    let by_then = if point == self.newest {
                        new
                    } else {
                        (new as f64 * share) as u64
                    };
                    let within = by_then.saturating_sub(told);
                    told = by_then;
                    u32::try_from(within).unwrap_or(NONE - 1)
                }
            };
            let at = self.place(usize::try_from(self.newest - point).unwrap_or(0));
            if let Some(point) = self.points.get_mut(at) {
                point.arrived = sum(point.arrived, within);
            }
        }
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
        columns.arrived.push(known(point.arrived));
    }
    columns
}

/// Number of the point that a time belongs to.
fn number(now: Moment) -> u64 {
    now.as_secs() / EVERY.as_secs()
}

/// End of the point of this number.
fn end(point: u64) -> Moment {
    Duration::from_secs(EVERY.as_secs().saturating_mul(point + 1))
}

#[cfg(test)]
mod tests;
