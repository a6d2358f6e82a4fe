//! Recorded work: tasks from a CSV text.
//!
//! The header shows which of two forms the file has. One line for each task:
//!
//! ```text
//! arrival_seconds,duration_seconds
//! 0.000,1.255
//! ```
//!
//! or one line for each interval, as a metrics system exports it; the tasks are spread evenly over the interval:
//!
//! ```text
//! interval_start_seconds,count,duration_seconds
//! 0,120,3.5
//! 60,80,3.9
//! ```
//!
//! `duration_seconds` may be missing if a mean is given. Times may count from anywhere (Unix time, say): the first
//! arrival becomes 0. Lines may be in any order; empty ones and those that start with `#` do not count.
#![deny(clippy::disallowed_methods)]
use super::{Seconds, Task};

const ARRIVAL: &str = "arrival_seconds";
const START: &str = "interval_start_seconds";
const COUNT: &str = "count";
const DURATION: &str = "duration_seconds";

/// Largest number of tasks: 160 MB; more are probably a mistaken column.
pub const MOST_TASKS: u64 = 10_000_000;

/// Reason why a trace cannot be read, and what to change in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The text has no line.
    #[error("the trace is empty: the first line must be `{ARRIVAL},{DURATION}` or `{START},{COUNT},{DURATION}`")]
    Empty,
    /// The text has a header without rows, or counts of 0 only.
    #[error("the trace has no tasks: below the header, add a line for each task or interval")]
    NoTasks,
    /// The header has neither form.
    #[error(
        "line {line}: the header has no column `{missing}`: it must be `{ARRIVAL},{DURATION}` or \
         `{START},{COUNT},{DURATION}`"
    )]
    Missing {
        /// Number of the line, counted from 1.
        line: usize,
        /// Name of the column that is missing.
        missing: &'static str,
    },
    /// The header has a column of another name, one twice, or one of the other form.
    #[error(
        "line {line}: column `{column}` does not belong there: the header must be `{ARRIVAL},{DURATION}` or \
         `{START},{COUNT},{DURATION}`"
    )]
    Strange {
        /// Number of the line, counted from 1.
        line: usize,
        /// Name of the column as written.
        column: String,
    },
    /// A line has more or fewer fields than the header.
    #[error("line {line}: {found} fields, but the header has {expected}: give each column one value")]
    Fields {
        /// Number of the line, counted from 1.
        line: usize,
        /// Number of fields in the line.
        found: usize,
        /// Number of columns in the header.
        expected: usize,
    },
    /// A field is not a number, or none that makes sense there.
    #[error("line {line}, column `{column}`: `{value}` is not {expected}")]
    Value {
        /// Number of the line, counted from 1.
        line: usize,
        /// Name of the column.
        column: &'static str,
        /// Field as written.
        value: String,
        /// Description of the expected value.
        expected: &'static str,
    },
    /// Neither a column nor a mean gives the durations.
    #[error("line {line}: nothing tells how long tasks run: add a column `{DURATION}`, or give their mean duration")]
    NoDurations {
        /// Number of the header's line, counted from 1.
        line: usize,
    },
    /// Two intervals start at the same time.
    #[error("line {line}, column `{START}`: a second interval starts at {start}: add their counts up in one line")]
    Twice {
        /// Number of the line, counted from 1.
        line: usize,
        /// Value of the field.
        start: String,
    },
    /// The trace has a single interval, whose length is unknown.
    #[error("line {line}: one interval alone has no length: add a line for the next one (its count may be 0)")]
    OneInterval {
        /// Number of the line, counted from 1.
        line: usize,
    },
    /// The trace has more tasks than are accepted.
    #[error("line {line}, column `{COUNT}`: more than {MOST_TASKS} tasks so far: use a shorter stretch of the trace")]
    TooMany {
        /// Number of the line, counted from 1.
        line: usize,
    },
}

/// Reads a trace. `mean_duration`, in seconds, is for traces that have no column for it.
///
/// # Errors
/// A [`TraceError`] that names line and column and says what to change.
pub fn read(text: &str, mean_duration: Option<Seconds>) -> Result<Vec<Task>, TraceError> {
    // Spreadsheets put a byte-order mark in front.
    let mut lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .zip(1..)
        .map(|(text, line)| (line, text.trim()))
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    let (line, header) = lines.next().ok_or(TraceError::Empty)?;
    let columns = Columns::of(line, header, mean_duration)?;
    let rows: Vec<Row<'_>> = lines
        .map(|(line, text)| Row::of(line, text, &columns))
        .collect::<Result<_, _>>()?;
    let mut tasks = match columns.time {
        ARRIVAL => rows.iter().map(|row| columns.task(row)).collect::<Result<_, _>>()?,
        _ => spread(&columns, &rows)?,
    };
    tasks.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    match tasks.is_empty() {
        true => Err(TraceError::NoTasks),
        false => Ok(from_the_first(tasks)),
    }
}

/// Columns of the header.
struct Columns {
    /// Name of the first column, which shows the form: [`ARRIVAL`] or [`START`].
    time: &'static str,
    names: Vec<&'static str>,
    mean_duration: Seconds,
}

impl Columns {
    fn of(line: usize, header: &str, mean_duration: Option<Seconds>) -> Result<Self, TraceError> {
        let mut names = Vec::new();
        for column in fields(header) {
            let known = [ARRIVAL, START, COUNT, DURATION]
                .into_iter()
                .find(|name| *name == column);
            let strange = || TraceError::Strange {
                line,
                column: column.to_owned(),
            };
            names.push(known.filter(|name| !names.contains(name)).ok_or_else(strange)?);
        }
        let has = |name| names.contains(&name);
        let time = if has(START) { START } else { ARRIVAL };
        let of_the_other_form = if time == START { ARRIVAL } else { COUNT };
        if has(of_the_other_form) && has(time) {
            let column = of_the_other_form.to_owned();
            return Err(TraceError::Strange { line, column });
        }
        for (missing, needed) in [(ARRIVAL, time == ARRIVAL), (COUNT, time == START)] {
            if needed && !has(missing) {
                return Err(TraceError::Missing { line, missing });
            }
        }
        if !has(DURATION) && mean_duration.is_none() {
            return Err(TraceError::NoDurations { line });
        }
        Ok(Self {
            time,
            names,
            mean_duration: mean_duration.unwrap_or_default(),
        })
    }

    fn task(&self, row: &Row<'_>) -> Result<Task, TraceError> {
        Ok(Task {
            arrival: self.seconds(row, self.time)?,
            duration: self.duration(row)?,
        })
    }

    fn duration(&self, row: &Row<'_>) -> Result<Seconds, TraceError> {
        if !self.names.contains(&DURATION) {
            return Ok(self.mean_duration);
        }
        let duration = self.seconds(row, DURATION)?;
        if duration < 0.0 {
            return Err(row.wrong(DURATION, self.field(row, DURATION), "a number of seconds, 0 or more"));
        }
        Ok(duration)
    }

    fn count(&self, row: &Row<'_>) -> Result<u64, TraceError> {
        let field = self.field(row, COUNT);
        let count = field.parse().ok();
        count.ok_or_else(|| row.wrong(COUNT, field, "a whole number of tasks, 0 or more"))
    }

    fn seconds(&self, row: &Row<'_>, column: &'static str) -> Result<Seconds, TraceError> {
        let field = self.field(row, column);
        let seconds = field.parse().ok().filter(|seconds: &f64| seconds.is_finite());
        seconds.ok_or_else(|| row.wrong(column, field, "a number of seconds, such as 12.5"))
    }

    fn field<'a>(&self, row: &Row<'a>, column: &str) -> &'a str {
        let at = self.names.iter().position(|name| *name == column);
        at.and_then(|at| row.fields.get(at)).copied().unwrap_or_default()
    }
}

/// Line with as many fields as the header has.
struct Row<'a> {
    line: usize,
    fields: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn of(line: usize, text: &'a str, columns: &Columns) -> Result<Self, TraceError> {
        let fields: Vec<_> = fields(text).collect();
        let (found, expected) = (fields.len(), columns.names.len());
        match found == expected {
            true => Ok(Self { line, fields }),
            false => Err(TraceError::Fields { line, found, expected }),
        }
    }

    fn wrong(&self, column: &'static str, value: &str, expected: &'static str) -> TraceError {
        TraceError::Value {
            line: self.line,
            column,
            value: value.to_owned(),
            expected,
        }
    }
}

fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|field| field.trim().trim_matches('"'))
}

/// Tasks of an interval, spread evenly over it.
fn evenly(start: Seconds, length: Seconds, count: u64, duration: Seconds) -> impl Iterator<Item = Task> {
    let step = length / count as f64;
    (0..count).map(move |number| Task {
        arrival: start + step * number as f64,
        duration,
    })
}

/// Tasks of counts one after the other, each spread evenly over its interval; where a count is not known nothing arrives.
/// The first arrival becomes 0.
pub fn counted(length: Seconds, counts: &[Option<u32>], duration: Seconds) -> Vec<Task> {
    let starts = counts.iter().zip(0_u32..);
    let spread = starts.filter_map(|(count, number)| {
        let start = length * f64::from(number);
        count.map(|count| evenly(start, length, u64::from(count), duration))
    });
    from_the_first(spread.flatten().collect())
}

/// The same tasks, with the first arrival at 0. They are in order.
fn from_the_first(mut tasks: Vec<Task>) -> Vec<Task> {
    let first = tasks.first().map_or(0.0, |task| task.arrival);
    for task in &mut tasks {
        task.arrival -= first;
    }
    tasks
}

/// Tasks of intervals. All intervals are as long as the shortest distance of two starts: exports leave empty ones out.
fn spread(columns: &Columns, rows: &[Row<'_>]) -> Result<Vec<Task>, TraceError> {
    let mut starts = Vec::with_capacity(rows.len());
    for row in rows {
        starts.push((columns.seconds(row, START)?, row));
    }
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut length = f64::INFINITY;
    for ((before, _), (start, row)) in starts.iter().zip(starts.iter().skip(1)) {
        if before == start {
            let (line, start) = (row.line, start.to_string());
            return Err(TraceError::Twice { line, start });
        }
        length = length.min(start - before);
    }
    if let [(_, row)] = starts.as_slice() {
        return Err(TraceError::OneInterval { line: row.line });
    }
    let (mut tasks, mut total) = (Vec::new(), 0u64);
    for (start, row) in starts {
        let (count, duration) = (columns.count(row)?, columns.duration(row)?);
        total = total.saturating_add(count);
        if total > MOST_TASKS {
            return Err(TraceError::TooMany { line: row.line });
        }
        tasks.extend(evenly(start, length, count, duration));
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(text: &str) -> Vec<(f64, f64)> {
        let tasks = read(text, None).unwrap();
        tasks.iter().map(|task| (task.arrival, task.duration)).collect()
    }

    fn error(text: &str) -> String {
        read(text, None).unwrap_err().to_string()
    }

    #[test]
    fn tasks_start_at_the_first_arrival_in_order() {
        let text = "\u{feff}# a note\r\narrival_seconds, duration_seconds\r\n107,2\r\n\r\n100.5,\"1.5\"\r\n";
        assert_eq!(tasks(text), [(0.0, 1.5), (6.5, 2.0)]);
        assert_eq!(tasks("duration_seconds,arrival_seconds\n3,5\n"), [(0.0, 3.0)]);
    }

    #[test]
    fn counts_are_spread_over_their_interval() {
        let text = "interval_start_seconds,count,duration_seconds\n60,2,1\n120,0,9\n240,3,2\n";
        let expected = [(0.0, 1.0), (30.0, 1.0), (180.0, 2.0), (200.0, 2.0), (220.0, 2.0)];
        assert_eq!(tasks(text), expected);
    }

    #[test]
    fn counts_one_after_the_other_are_spread_likewise_and_one_that_is_not_known_is_a_gap() {
        let counts = [None, Some(2), None, Some(0), Some(1)];
        let tasks = counted(30.0, &counts, 1.5);
        let arrivals: Vec<_> = tasks.iter().map(|task| task.arrival).collect();
        assert_eq!(arrivals, [0.0, 15.0, 90.0]);
        assert!(tasks.iter().all(|task| task.duration == 1.5));
        let text = "interval_start_seconds,count\n30,2\n60,0\n90,0\n120,1\n";
        assert_eq!(read(text, Some(1.5)), Ok(tasks));
        assert_eq!(counted(30.0, &[None, Some(0)], 1.0), []);
    }

    #[test]
    fn a_mean_serves_where_there_is_no_duration() {
        for text in ["interval_start_seconds,count\n0,1\n60,0\n", "arrival_seconds\n5\n"] {
            let only = Task {
                arrival: 0.0,
                duration: 4.0,
            };
            assert_eq!(read(text, Some(4.0)), Ok(vec![only]));
            assert_eq!(read(text, None), Err(TraceError::NoDurations { line: 1 }));
        }
    }

    #[test]
    fn errors_name_line_and_column_and_the_fix() {
        let table = [
            ("", "the trace is empty: the first line must be"),
            (
                "arrival_seconds,duration_seconds\n",
                "has no tasks: below the header, add a line",
            ),
            (
                "0.5,1.0\n",
                "line 1: column `0.5` does not belong there: the header must be",
            ),
            (
                "# x\ncount,duration_seconds\n",
                "line 2: the header has no column `arrival_seconds`",
            ),
            ("interval_start_seconds,duration_seconds\n", "no column `count`"),
            (
                "arrival_seconds,count,duration_seconds\n",
                "column `count` does not belong there",
            ),
            (
                "arrival_seconds,arrival_seconds\n",
                "column `arrival_seconds` does not belong",
            ),
            (
                "arrival_seconds,duration_seconds\n1\n",
                "line 2: 1 fields, but the header has 2",
            ),
            (
                "arrival_seconds,duration_seconds\n1,2\nsoon,2\n",
                "line 3, column `arrival_seconds`: `soon` is not a number of seconds, such as 12.5",
            ),
            ("arrival_seconds,duration_seconds\nNaN,2\n", "`NaN` is not a number"),
            (
                "arrival_seconds,duration_seconds\n1,-2\n",
                "column `duration_seconds`: `-2` is not",
            ),
            (
                "interval_start_seconds,count,duration_seconds\n0,1.5,1\n60,1,1\n",
                "line 2, column `count`: `1.5` is not a whole number",
            ),
            (
                "interval_start_seconds,count,duration_seconds\n0,1,1\n0,1,1\n",
                "line 3, column `interval_start_seconds`: a second interval starts at 0",
            ),
            (
                "interval_start_seconds,count,duration_seconds\n0,1,1\n",
                "line 2: one interval alone",
            ),
            (
                "interval_start_seconds,count,duration_seconds\n0,1,1\n60,99999999999999999,1\n",
                "line 3, column `count`: more than 10000000 tasks",
            ),
        ];
        for (text, expected) in table {
            let found = error(text);
            assert!(found.contains(expected), "{text:?}: {found}");
        }
    }
}
