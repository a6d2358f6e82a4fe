//! Schedules: periods of the calendar with a minimum number of replicas.
//!
//! **When a schedule is in force.** From a pod's start-up time before each firing of `start`, so that the workers are
//! there in time, until the next firing of `end`. Of a start and an end that fire at the same minute the start counts.
//!
//! **When the clocks change.** Expressions mean the clock on the wall. Events keep their order on that clock, and none
//! is ever dropped:
//! * A time that the clock skips (02:30 on the day it jumps from 02:00 to 03:00) counts at the moment of the jump.
//! * A time that the clock shows twice (02:30 on the day it falls from 03:00 back to 02:00) counts the first time for a
//!   start and the second time for an end: a schedule is never shorter than what its hours say.
//!
//! The library knows expressions and calendars; it is asked in a calendar without time zones, and this file handles the
//! zones.
#![deny(clippy::disallowed_methods)]
use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase},
};
use std::time::Duration;

/// Longest name, in characters: that of a DNS label.
const LONGEST_NAME: usize = 63;
/// Longest expression, in characters.
const LONGEST_EXPRESSION: usize = 100;
/// Time for which "nothing changes within four years" is remembered: this is the slowest of all results to compute.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Years in which a schedule can be in force: the calendar ends at 9999, and the library panics near its end.
const YEARS: std::ops::Range<i16> = 1900..9900;

/// Period of the calendar with a minimum number of replicas. Equal if it is written equally.
#[derive(Clone, Debug)]
pub struct Schedule {
    name: String,
    start: Cron,
    end: Cron,
    zone_name: String,
    zone: TimeZone,
    min: u32,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.min == other.min && self.written() == other.written()
    }
}

/// Error in a schedule as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// Name of the field, as the user knows it.
    pub field: &'static str,
    /// What the field must be; continues a sentence that begins with the field's name.
    pub must: String,
}

impl Schedule {
    /// Reads a schedule: two expressions of five fields, as a CronJob has them, in an IANA time zone.
    ///
    /// # Errors
    /// The field and what it must be.
    pub fn new(name: &str, start: &str, end: &str, zone: &str, min: u32) -> Result<Self, ScheduleError> {
        let wrong = |field, must: &str| ScheduleError {
            field,
            must: must.to_owned(),
        };
        let label = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !label(name) {
            return Err(wrong(
                "name",
                "must be 1 to 63 letters, digits or `-`, such as `office`",
            ));
        }
        let read = |field, text| Cron::read(text).map_err(|must| ScheduleError { field, must });
        let (start, end) = (read("start", start)?, read("end", end)?);
        if start.text == end.text {
            return Err(wrong(
                "end",
                "must differ from `start`: for a floor at all times use `minReplicas`",
            ));
        }
        // Only the bundled database: the image has no other, and pure code reads no files.
        let Ok(found) = TimeZoneDatabase::bundled().get(zone) else {
            return Err(wrong(
                "timeZone",
                "must be a name of the IANA time zone database, such as `UTC` or `Europe/Berlin`",
            ));
        };
        Ok(Self {
            name: name.to_owned(),
            start,
            end,
            zone_name: zone.to_owned(),
            zone: found,
            min,
        })
    }

    fn written(&self) -> [&str; 4] {
        [&self.name, &self.start.text, &self.end.text, &self.zone_name]
    }

    /// Whether the schedule is in force, and the time until that may change.
    fn state(&self, wall: Timestamp, ahead: Duration) -> (bool, Option<Duration>) {
        let early = later(wall, ahead);
        let started_to = reached(&self.zone, early, Edge::Start);
        let ended_to = reached(&self.zone, wall, Edge::End);
        // Compared by the clock on the wall, not by instants: where the clock jumps, two events may fall on one instant
        // or change places, and the last one would be taken for the first.
        let in_force = match (self.start.last(started_to), self.end.last(ended_to)) {
            (Some(start), Some(end)) => start >= end,
            (start, _) => start.is_some(),
        };
        let until = |civil: Option<DateTime>, from, edge| {
            let at = instant(&self.zone, civil?, edge)?;
            Duration::try_from(at.duration_since(from)).ok()
        };
        let changes = [
            until(self.start.next(started_to), early, Edge::Start),
            until(self.end.next(ended_to), wall, Edge::End),
        ];
        (in_force, changes.into_iter().flatten().min())
    }
}

/// Minimum that the schedules ask for at some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor<'a> {
    /// Minimum number of replicas.
    pub replicas: u32,
    /// Name of the schedule that asks for it.
    pub name: Option<&'a str>,
    /// Time until the minimum may change.
    pub next_change: Option<Duration>,
}

/// Highest minimum of the schedules that are in force, where pods take `ahead` to start.
pub fn floor(schedules: &[Schedule], wall: Timestamp, ahead: Duration) -> Floor<'_> {
    let mut floor = Floor::default();
    for schedule in schedules {
        let (in_force, change) = schedule.state(wall, ahead);
        if in_force && schedule.min > floor.replicas {
            (floor.replicas, floor.name) = (schedule.min, Some(schedule.name.as_str()));
        }
        floor.next_change = [floor.next_change, change].into_iter().flatten().min();
    }
    floor
}

/// The last floor and the time for which it holds. Calendars are slow to compute, and the result changes a few times a
/// day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FloorCache(Option<CachedFloor>);

#[derive(Clone, Debug, PartialEq)]
struct CachedFloor {
    schedules: Vec<Schedule>,
    ahead: Duration,
    from: Timestamp,
    until: Timestamp,
    /// Whether the floor may change at `until`; else it is only computed again.
    changes: bool,
    replicas: u32,
    /// Index of the schedule.
    which: Option<usize>,
}

impl FloorCache {
    /// The same as [`floor`].
    pub(crate) fn floor<'a>(&mut self, schedules: &'a [Schedule], wall: Timestamp, ahead: Duration) -> Floor<'a> {
        if schedules.is_empty() {
            self.0 = None;
            return Floor::default();
        }
        let holds = |known: &&CachedFloor| {
            known.schedules == schedules && known.ahead == ahead && known.from <= wall && wall < known.until
        };
        if let Some(known) = self.0.as_ref().filter(holds) {
            return Floor {
                replicas: known.replicas,
                name: known.which.and_then(|at| schedules.get(at)).map(|one| &*one.name),
                next_change: Duration::try_from(known.until.duration_since(wall))
                    .ok()
                    .filter(|_| known.changes),
            };
        }
        let found = floor(schedules, wall, ahead);
        self.0 = Some(CachedFloor {
            schedules: schedules.to_vec(),
            ahead,
            from: wall,
            until: later(wall, found.next_change.unwrap_or(NEVER)),
            changes: found.next_change.is_some(),
            replicas: found.replicas,
            which: schedules.iter().position(|one| Some(&*one.name) == found.name),
        });
        found
    }
}

/// Kind of an event: start or end of a schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    End,
}

/// Instant at which an event counts that the expression puts at this time on the wall.
fn instant(zone: &TimeZone, civil: DateTime, edge: Edge) -> Option<Timestamp> {
    let offset = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, .. } if edge == Edge::Start => before,
        AmbiguousOffset::Fold { after, .. } => after,
        AmbiguousOffset::Gap { after, .. } => {
            let before_it = after.to_timestamp(civil).ok()?;
            return zone.following(before_it).next().map(|jump| jump.timestamp());
        }
    };
    offset.to_timestamp(civil).ok()
}

/// Last time on the wall whose [`instant`] has come.
fn reached(zone: &TimeZone, at: Timestamp, edge: Edge) -> DateTime {
    let civil = zone.to_datetime(at);
    let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(civil).offset() else {
        return civil;
    };
    let first_pass = zone.to_offset(at) == before;
    let bound = match edge {
        // The second time around: the starts of the whole hour have come.
        Edge::Start if !first_pass => {
            let back = zone.preceding(later(at, Duration::from_nanos(1))).next();
            back.map(|back| before.to_datetime(back.timestamp()))
        }
        // The first time around: none of its ends has.
        Edge::End if first_pass => {
            let back = zone.following(at).next();
            back.map(|back| after.to_datetime(back.timestamp()))
        }
        _ => None,
    };
    bound.map_or(civil, |bound| bound.saturating_sub(1.nanosecond()))
}

fn later(at: Timestamp, time: Duration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// Expression, in a calendar without time zones.
#[derive(Clone, Debug)]
struct Cron {
    /// Text as written, with single spaces and in capitals.
    text: String,
    table: Crontab,
}

impl Cron {
    fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<_> = text.split_ascii_whitespace().collect();
        let must = "must be a cron expression of five fields (minute, hour, day of month, month, day of week), such as `0 8 * * 1-5`";
        if text.len() > LONGEST_EXPRESSION || fields.len() != 5 || !fields.iter().all(|field| is_plain(field)) {
            return Err(must.to_owned());
        }
        let text = fields.join(" ").to_ascii_uppercase();
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let table = cronexpr::parse_crontab_with(&text, options).map_err(|error| {
            // Its last line says why, behind a mark under the place.
            let said = error.to_string();
            let why = said.rsplit('^').next().unwrap_or_default().trim();
            format!("{must}: {why}")
        })?;
        let cron = Self { text, table };
        // The library looks four years ahead; after 28 years the calendar repeats.
        let first_years = (1970..1998)
            .step_by(4)
            .filter_map(|year| DateTime::new(year, 1, 1, 0, 0, 0, 0).ok());
        if !first_years.into_iter().any(|year| cron.next(year).is_some()) {
            return Err("must name a date that exists: this one never comes, such as 30 February".to_owned());
        }
        Ok(cron)
    }

    /// First time after this one, if it is within four years.
    fn next(&self, after: DateTime) -> Option<DateTime> {
        if !YEARS.contains(&after.year()) {
            return None;
        }
        let after = Offset::UTC.to_timestamp(after).ok()?;
        let found = self.table.find_next(MakeTimestamp(after)).ok()?;
        Some(found.datetime())
    }

    /// Last time until this one, if it is within four years. The library searches forward only, so this searches from
    /// further and further back, and then closes in by halves.
    fn last(&self, until: DateTime) -> Option<DateTime> {
        let next = |after| self.next(after).filter(|found| *found <= until);
        let from = |days: i64| next(until.saturating_sub(days.days()));
        let mut found = [1, 8, 64, 1461].into_iter().find_map(from)?;
        let mut none_after = until;
        while found < none_after {
            let half = none_after.duration_since(found).as_mins() / 2;
            let middle = found.saturating_add(SignedDuration::from_mins(half));
            match next(middle) {
                Some(nearer) => found = nearer,
                None => none_after = middle,
            }
        }
        Some(found)
    }
}

/// Whether the field has only what CronJobs know: `*`, numbers and names of three letters, in ranges, lists and steps.
/// The library knows more, but gets some of that wrong (`L` finds no last day of December).
fn is_plain(field: &str) -> bool {
    field.split([',', '-', '/']).all(|item| {
        let number = !item.is_empty() && item.bytes().all(|b| b.is_ascii_digit());
        let name = item.len() == 3 && item.bytes().all(|b| b.is_ascii_alphabetic());
        item == "*" || number || name
    })
}

#[cfg(test)]
mod tests;
