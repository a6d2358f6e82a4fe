//! The scan of a list that is pushed at the left and popped at the right: the oldest element is at
//! index −1. It tells tasks that are not due yet from ready ones.
//!
//! Elements are remembered by a short hash, oldest first and without gaps. The oldest element of the list says how far
//! it has moved: those before it are gone. So each element crosses the wire about once; a list that stands still costs
//! one element a sample, one that moves what workers take from it.
//!
//! The oldest element is the one that has waited longest: what it says of that is read once, when it becomes the oldest.
//!
//! How deep it looks, of elements that are there: [`MAX_LOOK`] if any seen has an `eta`; [`MAX_ELEMENTS`] in a list
//! that stands still; [`FEW`] in one that moves, where workers take tasks whether due or not. Memory: about 40 bytes an
//! element looked at; names are not kept.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;

use super::{
    Decoder, Moment, Oldest, Scan,
    budget::{MAX_ELEMENTS, MAX_LOOK, ReadBudget},
};

/// Number of elements that are enough in a list that moves.
const FEW: usize = 50;

/// Scan of one list, kept by the broker from sample to sample.
#[derive(Clone, Debug, Default)]
pub struct ListScan {
    /// Oldest elements, oldest first: hash, and due time of those that are not due at once.
    known: VecDeque<(u64, Option<Timestamp>)>,
    /// Oldest element, by its hash.
    oldest: Option<(u64, Oldest)>,
    budget: ReadBudget,
    /// Whether the oldest element has changed since the sample before.
    moves: bool,
    /// Length of the list at which a single element was larger than the broker reads.
    too_large: Option<u64>,
}

impl ListScan {
    /// `LRANGE` (start, stop) of the next turn for a list of this length (`LLEN`). `None`: nothing to read; the list is
    /// empty (its scan is the default one), or its scan at this length stays as it was. `room`: whether more elements
    /// may be remembered; if not, only the oldest one is read, to find out which of the remembered ones are gone.
    pub fn plan(&self, length: u64, room: bool) -> Option<(i64, i64)> {
        let known = self.known.len();
        if length == 0 || self.too_large == Some(length) || known == 0 && !room {
            return None;
        }
        if !room {
            return Some((-1, -1));
        }
        let wanted = self.depth(length).saturating_sub(known).min(self.budget.next());
        Some(match known {
            0 => (from_the_right(wanted), -1),
            // One element overlaps: it proves that the list has not moved since the last turn.
            _ if self.budget.open() && wanted > 0 => (from_the_right(known + wanted), from_the_right(known)),
            _ => (-1, -1),
        })
    }

    /// Takes in a turn: what `LRANGE` gave for the planned range. May be repeated within one sample with the same
    /// `length`, plan by plan, while [`ListScan::wants_more`].
    pub fn absorb(
        &mut self,
        length: u64,
        range: (i64, i64),
        elements: Vec<Vec<u8>>,
        decoder: Decoder,
        now: Moment,
    ) -> Scan {
        self.too_large = None;
        self.budget.took(elements.len(), elements.iter().map(Vec::len).sum());
        let first_turn = !self.budget.open();
        let progress = match range {
            _ if elements.is_empty() => self.forget(),
            (_, -1) => {
                self.look_at_oldest(elements.last(), decoder, now);
                self.look_at_tail(&elements, decoder) || first_turn
            }
            _ => self.look_deeper(&elements, decoder),
        };
        let gone = self.known.len().saturating_sub(as_usize(length));
        self.known.drain(..gone);
        self.budget.end_turn(progress && self.known.len() < self.depth(length));
        Scan {
            oldest: self.oldest.map(|(_, oldest)| oldest),
            ..Scan::of_one_kind(length, self.known.iter().map(|(_, eta)| *eta))
        }
    }

    /// Number of elements that are remembered.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Whether another turn in the same sample is worth its cost.
    pub fn wants_more(&self) -> bool {
        self.budget.open()
    }

    /// Takes in that the reply to the plan for this length was larger than the broker reads: plans fewer, or none until
    /// the length changes.
    pub fn refused(&mut self, length: u64) {
        if !self.budget.refused() {
            self.forget();
            self.too_large = Some(length);
        }
        self.budget.end_turn(false);
    }

    /// Number of elements of a list of this length that are to be known.
    fn depth(&self, length: u64) -> usize {
        let depth = if self.known.iter().any(|(_, eta)| eta.is_some()) {
            MAX_LOOK
        } else if self.moves {
            FEW
        } else {
            MAX_ELEMENTS
        };
        depth.min(as_usize(length))
    }

    /// Forgets all elements: the list is empty, or so short that nothing known can be found again. Returns `false`, for
    /// no progress.
    fn forget(&mut self) -> bool {
        self.known = VecDeque::new();
        self.oldest = None;
        false
    }

    /// Reads the oldest element, if it has changed.
    fn look_at_oldest(&mut self, element: Option<&Vec<u8>>, decoder: Decoder, now: Moment) {
        let Some(element) = element else { return };
        let hash = fingerprint(element);
        if self.oldest.is_none_or(|(known, _)| known != hash) {
            let entry = decoder.read(element);
            let oldest = Oldest {
                seen: now,
                published: entry.published,
                eta: entry.eta,
            };
            self.oldest = Some((hash, oldest));
        }
    }

    /// Takes in `elements`, which end with the oldest one. If that one is known, those before it are gone; if not, all
    /// are. Returns whether any new element was read.
    fn look_at_tail(&mut self, elements: &[Vec<u8>], decoder: Decoder) -> bool {
        let oldest = elements.last().map(|element| fingerprint(element));
        let found = self.known.iter().position(|(hash, _)| Some(*hash) == oldest);
        self.moves = found.map_or(!self.known.is_empty(), |gone| gone > 0);
        self.known.drain(..found.unwrap_or(self.known.len()));
        self.remember(elements.iter().rev().skip(self.known.len()), decoder)
    }

    /// Takes in `elements`, which end with the deepest known one, unless the list has moved since: the next sample
    /// finds that out. Returns whether any new element was read.
    fn look_deeper(&mut self, elements: &[Vec<u8>], decoder: Decoder) -> bool {
        let mut from_oldest = elements.iter().rev();
        let anchor = from_oldest.next().map(|element| fingerprint(element));
        self.known.back().map(|(hash, _)| *hash) == anchor && self.remember(from_oldest, decoder)
    }

    fn remember<'a>(&mut self, from_oldest: impl Iterator<Item = &'a Vec<u8>>, decoder: Decoder) -> bool {
        let before = self.known.len();
        for element in from_oldest.take(MAX_LOOK.saturating_sub(before)) {
            let eta = decoder.read(element).eta;
            self.known.push_back((fingerprint(element), eta));
        }
        self.known.len() > before
    }
}

/// Redis' index of the nth element from the right, n ≥ 1.
fn from_the_right(n: usize) -> i64 {
    i64::try_from(n).map_or(i64::MIN, |n| -n)
}

fn as_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Hash that distinguishes elements and tags (each message carries a UUID); no protection against a forger, who
/// could push anything.
pub(super) fn fingerprint(element: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    element.hash(&mut hasher);
    hasher.finish()
}
