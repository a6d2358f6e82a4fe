//! Lower bound of the cost: the pod-hours that are needed even if every task is known beforehand.
//!
//! Let U(t) be the work done by t if no task ever waited. A schedule that starts every task within T has done P(t) by
//! then, U(t − T) ≤ P(t) ≤ U(t). In cells of ten seconds, pods and work taken as fluids:
//!
//! ```text
//! min  Σ Δ·N_j + S·Σ u_j          N_j pods, u_j pods started, S start-up, c slots, Δ the cell
//!      0 ≤ x_j ≤ U(t_j) − U(t_j − T)              x_j = U(t_j) − P(t_j): the work put off
//!      U(t_j) − U(t_j−1) − x_j + x_j−1 ≤ c·Δ·N_j
//!      u_j ≥ N_j − N_j−1,  u_j ≥ 0,  N_j ≥ min
//! ```
//!
//! Any true run averages over cells to a point that the program allows, at no more cost: hence a lower bound. Starts are
//! ordered ahead, so that they cost S pod-seconds each and nothing else; the first pods are there for free.
//!
//! That P never falls needs no row: where it would, its running maximum does as well, with less work a cell.
#![deny(clippy::disallowed_methods)]

mod program;
#[cfg(test)]
mod tests;

pub use program::BoundError;

use super::{Seconds, Task, Workload};
use program::Program;

/// Length of the cell Δ.
const CELL: Seconds = 10.0;
/// Seconds after the last arrival up to which costs count.
const TAIL: Seconds = 600.0;
/// Smallest room (slot-seconds) that is no error of rounding: an interior-point method needs an interior.
const LEAST_ROOM: f64 = 1e-6;

/// Smallest number of pod-hours that starts every task within the wait target. `start_up` is the mean time from a pod's
/// creation until it is ready, in seconds; `initial` pods are ready at 0; never fewer than `min_replicas` run until 600
/// s after the last arrival.
///
/// # Errors
/// Times or slots that make no sense, or a solver that gave up.
pub fn lower_bound(workload: &Workload, start_up: Seconds, initial: u32, min_replicas: u32) -> Result<f64, BoundError> {
    lower_bound_exempt(workload, start_up, initial, min_replicas, 0.0)
}

/// As [`lower_bound`], with a share of the work (0 to 1) that may be late or never done. For "99 % of tasks in time"
/// that is 0.01: exact in work, nearly so in tasks.
///
/// # Errors
/// As [`lower_bound`].
pub fn lower_bound_exempt(
    workload: &Workload,
    start_up: Seconds,
    initial: u32,
    min_replicas: u32,
    share: f64,
) -> Result<f64, BoundError> {
    check(workload, start_up)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(BoundError::Number);
    }
    let cells = cells(&workload.tasks);
    let ends = || (1..=cells).map(|cell| cell as f64 * CELL);
    let by = work_by(&workload.tasks, ends());
    let due = work_by(&workload.tasks, ends().map(|end| end - workload.wait_target));
    // From here on work is counted in what one pod does in one cell: then all columns are of like size.
    let unit = f64::from(workload.slots) * CELL;
    let arriving = arriving(&workload.tasks, cells);
    let floor = f64::from(min_replicas);

    let mut program = Program::default();
    let (mut before, mut put_off, mut exempt) = (None, None, None);
    for cell in 0..cells {
        // Pods above the minimum, and pods started: both only as many as they must be.
        let pods = program.column(1.0);
        let started = program.column(start_up / CELL);
        let there = if cell == 0 { f64::from(initial) - floor } else { 0.0 };
        program.not_negative(there, &[(Some(started), 1.0), (Some(pods), -1.0), (before, 1.0)]);
        before = Some(pods);

        if share > 0.0 && arriving[cell] > 0.0 {
            // Cumulative. A cell without arrivals adds nothing, so that the column of the last one with some serves it.
            let sum = program.column(0.0);
            program.cap(sum, arriving[cell] / unit, exempt);
            exempt = Some(sum);
        }
        let room = by[cell] - due[cell];
        let delay = (room > LEAST_ROOM || exempt.is_some()).then(|| program.column(0.0));
        if delay.is_some() {
            program.not_negative(room / unit, &[(delay, -1.0), (exempt, 1.0)]);
        }
        let previous = if cell == 0 { 0.0 } else { by[cell - 1] };
        let new = (by[cell] - previous) / unit;
        program.not_negative(floor - new, &[(Some(pods), 1.0), (delay, 1.0), (put_off, -1.0)]);
        put_off = delay;
    }
    if exempt.is_some() {
        let all: f64 = arriving.iter().sum();
        program.not_negative(share * all / unit, &[(exempt, -1.0)]);
    }
    Ok((program.solve()? + floor * cells as f64) * CELL / 3600.0)
}

/// Smallest number of pod-hours, with whole pods and exactly, if no task may wait at all (whatever the workload's
/// target says); arguments as for [`lower_bound`].
///
/// Without waiting, pod k is needed whenever more than (k − 1)·c tasks run, whatever the others do. So each decides for
/// itself: in a gap it stays, or goes and starts anew, whichever is cheaper.
///
/// # Errors
/// Times or slots that make no sense.
pub fn optimum_without_wait(
    workload: &Workload,
    start_up: Seconds,
    initial: u32,
    min_replicas: u32,
) -> Result<f64, BoundError> {
    check(workload, start_up)?;
    let horizon = cells(&workload.tasks) as f64 * CELL;
    let slots = i64::from(workload.slots);
    // When each pod above the minimum was last needed: the first ones stand there at 0, the others never were.
    let mut pods: Vec<Option<Seconds>> = vec![Some(0.0); initial.saturating_sub(min_replicas) as usize];
    let mut busy_since: Vec<Seconds> = Vec::new();
    let mut cost = f64::from(min_replicas) * horizon + f64::from(min_replicas.saturating_sub(initial)) * start_up;
    let mut running = 0;
    for (at, change) in changes(&workload.tasks) {
        let at = at.min(horizon);
        running += change;
        let needed = ((running + slots - 1) / slots - i64::from(min_replicas)).max(0) as usize;
        while busy_since.len() > needed {
            if let Some(since) = busy_since.pop() {
                cost += at - since;
                pods[busy_since.len()] = Some(at);
            }
        }
        while busy_since.len() < needed {
            let pod = busy_since.len();
            if pod == pods.len() {
                pods.push(None);
            }
            cost += pods[pod].map_or(start_up, |last| (at - last).min(start_up));
            busy_since.push(at);
        }
    }
    Ok(cost / 3600.0)
}

fn check(workload: &Workload, start_up: Seconds) -> Result<(), BoundError> {
    let tasks = workload.tasks.iter().flat_map(|task| [task.arrival, task.duration]);
    let sane = |seconds: Seconds| seconds.is_finite() && seconds >= 0.0;
    if !tasks.chain([workload.wait_target, start_up]).all(sane) {
        return Err(BoundError::Number);
    }
    if workload.slots == 0 {
        return Err(BoundError::Slots);
    }
    Ok(())
}

/// Number of whole cells: a part of one would count more time than there is.
fn cells(tasks: &[Task]) -> usize {
    let last = tasks.iter().map(|task| task.arrival).fold(0.0, f64::max);
    ((last + TAIL) / CELL) as usize
}

/// Times at which the number of running tasks changes, and the change, if none waits. An end goes before a start of the
/// same moment, or a slot that passes from one task to the next would count twice.
fn changes(tasks: &[Task]) -> Vec<(Seconds, i64)> {
    let some = tasks.iter().filter(|task| task.duration > 0.0);
    let mut changes: Vec<_> = some
        .flat_map(|task| [(task.arrival, 1), (task.arrival + task.duration, -1)])
        .collect();
    changes.sort_unstable_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
    changes
}

/// Values of U at each of `times` (in order), in slot-seconds.
fn work_by(tasks: &[Task], times: impl Iterator<Item = Seconds>) -> Vec<f64> {
    let changes = changes(tasks);
    let (mut next, mut at, mut running, mut done) = (0, 0.0, 0, 0.0);
    times
        .map(|time| {
            while let Some((when, change)) = changes.get(next).filter(|(when, _)| *when <= time) {
                done += running as f64 * (when - at);
                at = *when;
                running += change;
                next += 1;
            }
            done + running as f64 * (time - at)
        })
        .collect()
}

/// Work that arrives in each cell, in slot-seconds.
fn arriving(tasks: &[Task], cells: usize) -> Vec<f64> {
    let mut arriving = vec![0.0; cells];
    for task in tasks {
        if let Some(cell) = arriving.get_mut((task.arrival / CELL) as usize) {
            *cell += task.duration;
        }
    }
    arriving
}
