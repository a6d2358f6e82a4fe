//! Answers on Redis: how many are fetched at a time from a list of our own, and what they say.
#![deny(clippy::disallowed_methods)]

use super::super::{control, wire::Wire};
use crate::model::Signal;

/// Answers taken from the list at once, at most.
const MAX_ANSWERS: usize = 64;

/// At first not so many: nobody knows yet how large they are.
const FIRST_ANSWERS: usize = 8;

/// Round trips for answers in one sample, at most.
const MAX_ROUNDS: usize = 8;

/// So many bytes of answers are to come in one round trip.
const ROUND_BYTES: u64 = 4 << 20;

/// After so many bytes of answers the rest waits for the next sample.
const SAMPLE_BYTES: u64 = 16 << 20;

/// How answers are fetched, from all lists of the endpoint.
#[derive(Debug)]
pub(super) struct Pops {
    /// How many to take at once: fewer after large ones.
    pub(super) at_once: usize,
    /// Bytes that came in this sample.
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
    /// A sample begins.
    pub(super) fn begin(&mut self) {
        self.bytes = 0;
    }

    /// So many came, of so many that were asked for, the largest with so many bytes.
    pub(super) fn took(&mut self, asked: usize, elements: u64, largest: u64) {
        self.bytes = self.bytes.saturating_add(elements.saturating_mul(largest));
        let fits = ROUND_BYTES.checked_div(largest);
        let fits = fits.and_then(|fits| usize::try_from(fits).ok()).unwrap_or(MAX_ANSWERS);
        self.at_once = fits.clamp(1, MAX_ANSWERS.min(asked * 4));
    }

    /// Another round trip is worth its price, after so many.
    pub(super) fn may_go_on(&self, rounds: usize) -> bool {
        rounds < MAX_ROUNDS && self.bytes < SAMPLE_BYTES
    }
}

/// What an element of our list says.
pub(super) fn answered(payload: &[u8]) -> Vec<Signal> {
    control::answer(payload, None, Wire::Kombu)
        .map(Into::into)
        .into_iter()
        .collect()
}
