//! Room: how much of what workers publish is kept in this process, for all brokers together. Who controls one broker
//! can invent any number of workers, and must not take the room of the others.
//!
//! An endpoint may take five sixths of what the others leave, so each leaves some to those that come after it. However
//! little is left, every endpoint has a small share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for one kind of data, in bytes.
#[derive(Debug)]
pub(super) struct Room {
    /// Number of bytes that all endpoints together may hold, besides their small shares.
    most: usize,
    /// Number of bytes that each of them may hold in any case.
    least: usize,
    held: AtomicUsize,
}

/// Room for remembered workers: 10 MiB for a single endpoint, which is enough for 10,000 of them.
pub(super) static WORKERS: Room = Room::of(12 << 20, 128 << 10);

/// Room for signals that wait for an endpoint's sampler.
pub(super) static SIGNALS: Room = Room::of(3 << 20, 64 << 10);

impl Room {
    pub(super) const fn of(most: usize, least: usize) -> Self {
        Self {
            most,
            least,
            held: AtomicUsize::new(0),
        }
    }

    /// Number of bytes that are held.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Share of one endpoint; what it holds goes back with it. Endpoints do not wait for each other: two that take at the
/// same moment may take a little too much.
#[derive(Debug)]
pub(super) struct Share {
    room: &'static Room,
    own: AtomicUsize,
}

impl Share {
    /// Share of this room that holds nothing yet.
    pub(super) fn of(room: &'static Room) -> Self {
        Self {
            room,
            own: AtomicUsize::new(0),
        }
    }

    /// Number of bytes that this endpoint may hold now, in all.
    pub(super) fn most(&self) -> usize {
        let held = self.room.held.load(Ordering::Relaxed);
        let others = held.saturating_sub(self.own.load(Ordering::Relaxed));
        let left = self.room.most.saturating_sub(others);
        (left / 6 * 5).max(self.room.least)
    }

    /// Records that it holds this number of bytes now, in all.
    pub(super) fn hold(&self, bytes: usize) {
        let before = self.own.swap(bytes, Ordering::Relaxed);
        self.room.held.fetch_add(bytes, Ordering::Relaxed);
        self.room.held.fetch_sub(before, Ordering::Relaxed);
    }

    /// Takes this number of bytes more, if it may.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let fits = self.own.load(Ordering::Relaxed).saturating_add(bytes) <= self.most();
        if fits {
            self.own.fetch_add(bytes, Ordering::Relaxed);
            self.room.held.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Gives back this number of bytes.
    pub(super) fn give_back(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.room.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static HALL: Room = Room::of(12_000, 100);

    #[test]
    fn whoever_takes_all_that_it_may_leaves_room_for_others() {
        let hostile = Share::of(&HALL);
        assert_eq!(hostile.most(), 10_000);
        while hostile.take(10) {}
        let honest = Share::of(&HALL);
        assert_eq!(honest.most(), 1_665);
        honest.hold(1_000);
        assert_eq!(HALL.held(), 11_000);
        let many: Vec<_> = (0..20).map(|_| Share::of(&HALL)).collect();
        for share in &many {
            while share.take(10) {}
            assert!(share.most() >= 100);
        }
        assert!(HALL.held() <= 12_000 + 20 * 100, "{}", HALL.held());
        drop(many);
        assert_eq!(HALL.held(), 11_000);
        drop(hostile);
        assert_eq!((HALL.held(), honest.most()), (1_000, 10_000));
    }
}
