//! Answers on Redis: how many are taken from one of our lists at a time, and what they say.
#![deny(clippy::disallowed_methods)]

use super::super::{control, wire::Wire};
use crate::model::Signal;

/// Largest number of answers taken from the list at once.
const MAX_ANSWERS: usize = 64;

/// The same at first, when nothing is known of their size.
const FIRST_ANSWERS: usize = 8;

/// Largest number of round trips for answers in one sample.
const MAX_ROUNDS: usize = 8;

/// Number of bytes of answers intended for one round trip.
const ROUND_BYTES: u64 = 4 << 20;

/// Number of bytes of answers after which the rest waits for the next sample.
const SAMPLE_BYTES: u64 = 16 << 20;

/// State of fetching answers, from all lists of the endpoint.
#[derive(Debug)]
pub(super) struct Pops {
    /// Number of answers to take at once: fewer after large ones.
    pub(super) at_once: usize,
    /// Number of bytes that came in this sample.
    bytes: u64,
}

impl Default for Pops {
    fn default() -> Self {
        Self {
            at_once: FIRST_ANSWERS,
            bytes: 0,
        }
    }
}

impl Pops {
    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.bytes = 0;
    }

    /// Takes in a round trip: number of elements asked for and received, and the size of the largest in bytes.
    pub(super) fn took(&mut self, asked: usize, elements: u64, largest: u64) {
        self.bytes = self.bytes.saturating_add(elements.saturating_mul(largest));
        let fits = ROUND_BYTES.checked_div(largest);
        let fits = fits.and_then(|fits| usize::try_from(fits).ok()).unwrap_or(MAX_ANSWERS);
        self.at_once = fits.clamp(1, MAX_ANSWERS.min(asked * 4));
    }

    /// Whether another round trip is worth its cost, after this number of them.
    pub(super) fn may_go_on(&self, rounds: usize) -> bool {
        rounds < MAX_ROUNDS && self.bytes < SAMPLE_BYTES
    }
}

/// Signals in an element of our list.
pub(super) fn answered(payload: &[u8]) -> Vec<Signal> {
    control::answer(payload, None, Wire::Kombu)
        .map(Into::into)
        .into_iter()
        .collect()
}
