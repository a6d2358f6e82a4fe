//! Rate: number of tasks that arrive in a second, told apart from batches and noise.
//!
//! A batch of 2,000 tasks is a backlog, not a rate: the bins are winsorised, so that a single one has little weight. A
//! rate that has really changed shows in the last minute against the longer window, and sooner in the last three spans
//! of five seconds if they all agree.
#![deny(clippy::disallowed_methods)]
use super::{
    Moment,
    flow::{BIN, Flow},
};
use std::time::Duration;

/// Shortest and longest window, in seconds; in between it is two service times.
const SHORTEST_WINDOW: f64 = 300.0;
const LONGEST_WINDOW: f64 = 1800.0;
/// Number of bins of the fast window: a minute.
const FAST_BINS: usize = 6;
/// Number of standard deviations from which a difference is a change.
const SURE: f64 = 2.5;
/// Length of a span; a change that all of the last spans show counts at once.
const SPAN: Duration = Duration::from_secs(5);
const SPANS: u32 = 3;

/// Number of tasks that arrive in a second.
pub(crate) fn per_second(flow: &Flow, service: f64, now: Moment) -> f64 {
    let window = (2.0 * service).clamp(SHORTEST_WINDOW, LONGEST_WINDOW);
    let bins = flow.bins();
    let many = bins.len().min((window / BIN) as usize);
    let slow = winsorised(bins.clone().take(many)) / BIN;
    let few = many.min(FAST_BINS);
    let fast = winsorised(bins.take(few)) / BIN;
    let seconds = few as f64 * BIN;
    let surprise = (fast - slow) * seconds / (slow * seconds).max(1.0).sqrt();
    let rate = if surprise.abs() > SURE { fast } else { slow };
    rate.max(stepped(flow, rate, now).unwrap_or(0.0))
}

/// Lowest rate of the last spans, if even that is surely more than `rate`.
fn stepped(flow: &Flow, rate: f64, now: Moment) -> Option<f64> {
    let mut lowest = f64::INFINITY;
    for n in 0..SPANS {
        let end = now.checked_sub(SPAN * n)?;
        let start = end.checked_sub(SPAN)?;
        lowest = lowest.min((flow.arrived_by(end) - flow.arrived_by(start)) / SPAN.as_secs_f64());
    }
    let seconds = (SPAN * SPANS).as_secs_f64();
    ((lowest - rate) * seconds > SURE * (rate * seconds).max(1.0).sqrt()).then_some(lowest)
}

/// Mean after everything is cut off that lies four standard deviations of a Poisson count above the mean of the lower
/// nine tenths.
fn winsorised(bins: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let number = bins.len();
    if number == 0 {
        return 0.0;
    }
    let mut sorted: Vec<f64> = bins.clone().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let lower = sorted.get(..number - number / 10).unwrap_or(&sorted);
    let mean = lower.iter().sum::<f64>() / lower.len().max(1) as f64;
    let cap = mean + 4.0 * mean.sqrt() + 2.0;
    bins.map(|bin| bin.min(cap)).sum::<f64>() / number as f64
}
