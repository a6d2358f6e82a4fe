//! The census of a hash.

use super::{Census, Digest};

/// The broker asks the index for so many tags at most (`ZRANGE index 0 MAX_TAGS-1`).
pub const MAX_TAGS: usize = 10_000;
/// At most so many values are fetched in one turn.
pub const MAX_FETCH: usize = 500;

/// The census of one (hash, index) pair, kept by the broker from sample to sample.
#[derive(Clone, Debug, Default)]
pub struct HashCensus {}

impl HashCensus {
    /// The tags among `tags` whose values are to be fetched in this turn, at most [`MAX_FETCH`]; empty: nothing to fetch.
    pub fn missing(&self, tags: &[String]) -> Vec<String> {
        tags.iter().take(MAX_FETCH).cloned().collect()
    }

    /// Takes a turn in: `tags` are in the index now, `total` is `HLEN`, `fetched` the values of [`HashCensus::missing`]
    /// (`None`: gone meanwhile). May be repeated within one sample with the same `tags` and `total`, while
    /// [`HashCensus::wants_more`].
    pub fn absorb(
        &mut self,
        _tags: &[String],
        total: u64,
        _fetched: Vec<(String, Option<Vec<u8>>)>,
        _digest: Digest,
    ) -> Census {
        Census {
            total,
            ..Census::default()
        }
    }

    /// Another turn in the same sample is worth its price.
    pub fn wants_more(&self) -> bool {
        false
    }

    /// The values of `asked` were more bytes than the broker reads: ask for fewer, or not for this one.
    pub fn refused(&mut self, _asked: &[String]) {}
}
