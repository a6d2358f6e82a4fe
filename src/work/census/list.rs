//! The census of a list.

use super::{Census, Digest};

/// One turn (one `LRANGE`) reads about so many bytes at most.
pub const BYTES_A_TURN: usize = 1 << 20;
/// One turn reads so many elements at most.
pub const MAX_ELEMENTS: usize = 500;
/// So many elements of a list are looked at in all.
pub const MAX_LOOK: usize = 2_000;

/// The census of one list, kept by the broker from sample to sample.
#[derive(Clone, Debug, Default)]
pub struct ListCensus {}

impl ListCensus {
    /// The `LRANGE` (start, stop) of the next turn for a list of this length (`LLEN`). `None`: nothing to read; the list
    /// is empty (its census is the default one) or its census at this length stays as it was.
    pub fn plan(&self, length: u64) -> Option<(i64, i64)> {
        (length > 0).then_some((-1, -1))
    }

    /// Takes a turn in: what `LRANGE` gave for the planned range. May be repeated within one sample with the same
    /// `length`, plan by plan, while [`ListCensus::wants_more`].
    pub fn absorb(&mut self, length: u64, _range: (i64, i64), _elements: Vec<Vec<u8>>, _digest: Digest) -> Census {
        Census {
            total: length,
            ..Census::default()
        }
    }

    /// Another turn in the same sample is worth its price.
    pub fn wants_more(&self) -> bool {
        false
    }

    /// The reply to the plan for this length was more bytes than the broker reads: plan for fewer.
    pub fn refused(&mut self, _length: u64) {}
}
