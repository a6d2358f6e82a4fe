//! The field `schedules`.
#![deny(clippy::disallowed_methods)]

use super::{Problem, number};
use crate::{api, scaling::Schedule};

/// Largest number of schedules, as in the schema.
const MOST: usize = 16;

/// Reads the schedules.
///
/// # Errors
/// A [`Problem`] that names the field and the fix.
pub(super) fn schedules(written: &[api::Schedule]) -> Result<Vec<Schedule>, Problem> {
    if written.len() > MOST {
        return Err(Problem::invalid(format!("`schedules` must be at most {MOST}")));
    }
    for (at, one) in written.iter().enumerate() {
        if written.iter().take(at).any(|other| other.name == one.name) {
            return Err(Problem::invalid(format!(
                "`schedules[{at}].name` must not repeat an earlier schedule's"
            )));
        }
    }
    let read = |(at, one): (usize, &api::Schedule)| {
        let replicas = format!("schedules[{at}].minReplicas");
        let min = number(&replicas, one.min_replicas)?;
        if min == 0 {
            return Err(Problem::invalid(format!(
                "`{replicas}` must be at least 1: a floor of 0 keeps nothing, leave the schedule out"
            )));
        }
        Schedule::new(&one.name, &one.start, &one.end, &one.time_zone, min)
            .map_err(|error| Problem::invalid(format!("`schedules[{at}].{}` {}", error.field, error.must)))
    };
    written.iter().enumerate().map(read).collect()
}
