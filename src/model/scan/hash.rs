//! The scan of a hash whose tags an index lists: values are written once and removed, never changed.
//!
//! Cost for the broker: an empty hash one `HLEN`; else one `ZRANGE` of the index (about 50 bytes a tag) and an `HMGET`
//! of the tags that are new. Each value crosses the wire once. Memory here: about 50 bytes a tag.

use std::collections::{HashMap, HashSet};

use super::{Decoder, Names, Scan, SeenMessage, budget::ReadBudget, list::fingerprint};

/// Largest number of tags that are read from the index (`ZRANGE index 0 MAX_TAGS-1`).
pub const MAX_TAGS: usize = 10_000;
/// Largest number of values that are fetched in one turn.
pub const MAX_FETCH: usize = super::budget::MAX_ELEMENTS;

/// Longest tag that is fetched, in bytes: they are UUIDs.
const MAX_TAG_BYTES: usize = 255;

/// Scan of one (hash, index) pair, kept by the broker from sample to sample.
#[derive(Clone, Debug, Default)]
pub struct HashScan {
    /// Values by the tag's fingerprint. `None`: in the index, but not in the hash when it was fetched.
    read: HashMap<u64, Option<SeenMessage>>,
    names: Names,
    budget: ReadBudget,
}

impl HashScan {
    /// Tags among `tags` whose values are to be fetched in this turn: at most [`MAX_FETCH`], and no more than the sizes
    /// seen so far allow. Empty: nothing to fetch. Tags whose values were missing before come last.
    pub fn missing(&self, tags: &[String]) -> Vec<String> {
        let never = proper(tags).filter(|tag| !self.read.contains_key(&of(tag)));
        let gone = proper(tags).filter(|tag| matches!(self.read.get(&of(tag)), Some(None)));
        never.chain(gone).take(self.budget.next()).map(str::to_owned).collect()
    }

    /// Takes in a turn: `tags` are in the index now, `total` is `HLEN`, `fetched` the values of [`HashScan::missing`]
    /// (`None`: gone meanwhile). May be repeated within one sample with the same `tags` and `total`, while
    /// [`HashScan::wants_more`].
    pub fn absorb(
        &mut self,
        tags: &[String],
        total: u64,
        fetched: Vec<(String, Option<Vec<u8>>)>,
        decoder: Decoder,
    ) -> Scan {
        let listed: HashSet<u64> = proper(tags).map(of).collect();
        self.read.retain(|tag, _| listed.contains(tag));
        self.names.tidy();
        let bytes = fetched.iter().flat_map(|(_, value)| value).map(Vec::len).sum();
        self.budget.took(fetched.len(), bytes);
        let before = self.read.len();
        for (tag, value) in fetched {
            let tag = of(&tag);
            if listed.contains(&tag) {
                let seen = value.map(|value| self.names.keep(decoder.read(&value)));
                self.read.insert(tag, seen);
            }
        }
        let progress = self.read.len() > before;
        self.budget.end_turn(progress && self.read.len() < listed.len());
        Scan::of(total, self.read.values().flatten())
    }

    /// Whether another turn in the same sample is worth its cost.
    pub fn wants_more(&self) -> bool {
        self.budget.open()
    }

    /// Takes in that the values of `asked` were larger than the broker reads: fewer are fetched next time; a single one
    /// is skipped and counts as a message of unknown kind.
    pub fn refused(&mut self, asked: &[String]) {
        if !self.budget.refused() {
            let unknown = self.names.keep(super::MessageInfo::default());
            for tag in proper(asked) {
                self.read.insert(of(tag), Some(unknown.clone()));
            }
        }
        self.budget.end_turn(false);
    }
}

fn of(tag: &str) -> u64 {
    fingerprint(tag.as_bytes())
}

/// Tags that a scan fetches.
fn proper(tags: &[String]) -> impl Iterator<Item = &str> {
    tags.iter()
        .take(MAX_TAGS)
        .map(String::as_str)
        .filter(|tag| tag.len() <= MAX_TAG_BYTES)
}
