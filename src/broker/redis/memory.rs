//! What is remembered from sample to sample: scans, and which keys held something before the connection broke.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
    time::Duration,
};

use crate::model::{
    Backoff, Moment, Query, SampleError, Scan,
    scan::{HashScan, ListScan},
};

/// The scan of what has not been read for so long is forgotten.
const FORGET: Duration = Duration::from_secs(120);

/// So many messages of lists are remembered in all; of the lists beyond, only the number is known, and all of it counts as due.
const MOST_KNOWN: usize = 50_000;

/// That a key held something is remembered for so long, not counting the time without a connection.
const REMEMBERED: Duration = Duration::from_secs(600);

/// For so long after a reconnect, a key that held something before and is empty now is not believed: a restarted old
/// master says "master, empty" for 10 s before it becomes a replica.
const DOUBT: Duration = Duration::from_secs(10);

/// A list with a message that is too large for a look is left alone for so long.
const REST: Duration = Duration::from_secs(60);

/// A key is left alone for so long after a look that took too long, and for twice as long after the next one.
const SHORT_REST: Duration = Duration::from_secs(5);

/// The memory of one endpoint, by read.
#[derive(Debug, Default)]
pub(super) struct KeyMemory {
    now: Moment,
    pub(super) lists: HashMap<Query, Kept<ListScan>>,
    pub(super) hashes: HashMap<Query, Kept<HashScan>>,
    /// The reads whose last believed count was not 0, and when.
    filled: HashMap<Query, Moment>,
    doubt_until: Moment,
    /// Generation of the route when it was last told.
    generation: u64,
    /// Messages of lists that are remembered.
    known: usize,
}

/// A scan in progress.
#[derive(Debug, Default)]
pub(super) struct Kept<C> {
    pub(super) scan: C,
    /// Its last result.
    pub(super) last: Arc<Scan>,
    used: Moment,
    /// No look before this moment, and how long that rest is in all.
    rests_until: Moment,
    rest: Backoff,
}

impl<C> Kept<C> {
    /// It is not looked at now: that brought too much, or took too long.
    pub(super) fn rests(&self, now: Moment) -> bool {
        now < self.rests_until
    }

    /// A look failed: the next one waits. Longer each time, unless it went well for a while.
    fn rest(&mut self, now: Moment, shortest: Duration) {
        if now.saturating_sub(self.rests_until) > FORGET {
            self.rest.succeeded();
        }
        self.rests_until = now.saturating_add(self.rest.failed(shortest, REST));
    }

    /// The scan at this total without another look: as it was, if that can still be.
    pub(super) fn unseen(&self, total: u64) -> Arc<Scan> {
        let looked_at: u64 = self.last.kinds.values().map(|kind| kind.count).sum();
        if self.last.total == total {
            return Arc::clone(&self.last);
        }
        let kinds = if looked_at <= total {
            self.last.kinds.clone()
        } else {
            BTreeMap::new()
        };
        // Which message is the oldest now is not known.
        Arc::new(Scan {
            total,
            kinds,
            oldest: None,
        })
    }
}

impl KeyMemory {
    /// A sample begins.
    pub(super) fn begin(&mut self, now: Moment) {
        self.now = now;
        let recent = |used: Moment| now.saturating_sub(used) < FORGET;
        self.lists.retain(|_, kept| recent(kept.used));
        self.hashes.retain(|_, kept| recent(kept.used));
        self.known = self.lists.values().map(|kept| kept.scan.known()).sum();
    }

    /// More messages of lists may be remembered.
    pub(super) fn has_room(&self) -> bool {
        self.known < MOST_KNOWN
    }

    /// So many of them are new.
    pub(super) fn learned(&mut self, more: usize) {
        self.known = self.known.saturating_add(more);
    }

    /// A sample ended well: what has not been asked for in all of its time is forgotten.
    pub(super) fn end(&mut self) {
        let now = self.now;
        self.filled.retain(|_, at| now.saturating_sub(*at) < REMEMBERED);
    }

    /// When the sample began.
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Takes in over which generation of the route the counts come from now on. If it is another one, what was there
    /// before the connection broke is remembered, however long there was none.
    pub(super) fn comes_over(&mut self, generation: u64) {
        if mem::replace(&mut self.generation, generation) == generation {
            return;
        }
        self.filled.values_mut().for_each(|at| *at = self.now);
        self.doubt_until = self.now.saturating_add(DOUBT);
    }

    /// Takes a count in.
    ///
    /// # Errors
    /// [`SampleError::JustReconnected`] if it fell to 0 with the connection.
    pub(super) fn believe(&mut self, read: &Query, count: u64) -> Result<(), SampleError> {
        if count > 0 {
            match self.filled.get_mut(read) {
                Some(at) => *at = self.now,
                None => drop(self.filled.insert(read.clone(), self.now)),
            }
        } else if self.filled.contains_key(read) {
            if self.now < self.doubt_until {
                return Err(SampleError::JustReconnected);
            }
            self.filled.remove(read);
        }
        Ok(())
    }

    /// The scan of this list.
    pub(super) fn list(&mut self, read: &Query) -> &mut Kept<ListScan> {
        keep(&mut self.lists, read, self.now)
    }

    /// The scan of this hash.
    pub(super) fn hash(&mut self, read: &Query) -> &mut Kept<HashScan> {
        keep(&mut self.hashes, read, self.now)
    }

    /// A look into a list of this length brought too much: the next one brings less, or, if it was a single message,
    /// does not come for a while, however the list moves.
    pub(super) fn refused(&mut self, read: &Query, length: u64) {
        let now = self.now;
        let kept = self.list(read);
        kept.scan.refused(length);
        if kept.scan.plan(length, true).is_none() {
            kept.rest(now, REST);
        }
    }

    /// A look took too long, which cost the connection: the next one does not come at once.
    pub(super) fn too_slow(&mut self, read: &Query) {
        let now = self.now;
        match read {
            Query::ScanList { .. } => self.list(read).rest(now, SHORT_REST),
            _ => self.hash(read).rest(now, SHORT_REST),
        }
    }

    /// The key is empty: there is nothing to remember of it.
    pub(super) fn emptied(&mut self, read: &Query) {
        self.lists.remove(read);
        self.hashes.remove(read);
    }
}

fn keep<'a, C: Default>(kept: &'a mut HashMap<Query, Kept<C>>, read: &Query, now: Moment) -> &'a mut Kept<C> {
    let kept = kept.entry(read.clone()).or_default();
    kept.used = now;
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Decoder;

    fn seconds(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn list(key: &str) -> Query {
        Query::ScanList {
            key: key.to_owned(),
            decoder: Decoder::NOTHING,
        }
    }

    #[test]
    fn a_fall_to_zero_with_the_connection_is_doubted_for_ten_seconds() {
        let (busy, idle, drained) = (list("busy"), list("idle"), list("drained"));
        let mut memory = KeyMemory::default();
        memory.begin(seconds(100));
        for (read, count) in [(&busy, 5), (&idle, 0), (&drained, 1), (&drained, 0)] {
            assert_eq!(memory.believe(read, count), Ok(()), "no doubt on the first connection");
        }
        memory.comes_over(1);
        for (at, expected) in [
            (100, Err(SampleError::JustReconnected)),
            (109, Err(SampleError::JustReconnected)),
            (110, Ok(())),
            (111, Ok(())),
        ] {
            memory.begin(seconds(at));
            assert_eq!(memory.believe(&busy, 0), expected, "{at}");
            assert_eq!(memory.believe(&idle, 0), Ok(()));
            assert_eq!(memory.believe(&drained, 0), Ok(()));
        }
        memory.comes_over(2);
        assert_eq!(memory.believe(&busy, 0), Ok(()), "the empty count was believed");
    }

    #[test]
    fn what_is_not_read_is_forgotten() {
        let mut memory = KeyMemory::default();
        memory.begin(seconds(0));
        memory.list(&list("a"));
        memory.begin(seconds(100));
        memory.list(&list("b"));
        memory.begin(seconds(130));
        assert!(!memory.lists.contains_key(&list("a")));
        assert!(memory.lists.contains_key(&list("b")));
        memory.emptied(&list("b"));
        assert!(memory.lists.is_empty());
    }
}
