//! Owners of the entries in kombu's `unacked` hash, which all queues and applications of a database share.
//!
//! * Sent to the default exchange (empty name; Celery's own way): the routing key is the queue.
//! * Sent to a named exchange: the queues whose bindings match the routing key, by the rules of kombu's router. An
//!   entry that several queues match counts for each. An entry that no binding matches is nobody's.
//! * Bindings not known (yet): the queue of the same name as the routing key, if the pool has it; else the owner is
//!   unknown, as it is of an entry that could not be read, was not looked at or is of one kind too many ([`super::routes`]).
//! * What has no known owner is split in proportion to what has one, rounded up; if nothing has one, the pool takes it
//!   all. So several pools together never count fewer than there are. An entry not looked at is taken for due or not
//!   due in proportion as well.

use jiff::Timestamp;

use super::redis::Later;
use super::routes::Owner;
use crate::model::Scan;

/// Share of the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PoolShare {
    /// Number of entries that are due: reserved or running.
    pub(super) due: u64,
    /// Entries that are not due yet.
    pub(super) later: Later,
}

/// Computes the share of the pool from the owner of each kind of entry.
pub(super) fn share(held: &Scan, wall: Timestamp, mut owner: impl FnMut(&str, &str) -> Owner) -> PoolShare {
    let (mut pool, mut other, mut unknown) = (PoolShare::default(), PoolShare::default(), PoolShare::default());
    let mut looked = 0_u64;
    for ((exchange, routing_key), kind) in &held.kinds {
        let share = match owner(exchange, routing_key) {
            Owner::Pool => &mut pool,
            Owner::Other => &mut other,
            Owner::Unknown => &mut unknown,
        };
        let mut later = Later::default();
        later.add(&kind.etas, wall);
        share.due = share.due.saturating_add(kind.count.saturating_sub(later.count));
        share.later.join(&later);
        looked = looked.saturating_add(kind.count);
    }

    let owned = pool.size().saturating_add(other.size());
    let mine = |n: u64| part(n, pool.size(), owned);
    let later = Later {
        count: mine(unknown.later.count),
        soon: mine(unknown.later.soon),
        next: unknown.later.next.filter(|_| mine(unknown.later.count) > 0),
    };
    let unread = held.total.saturating_sub(looked);
    let unread_due = part(unread, pool.due, owned);
    let unread_later = Later {
        count: mine(unread).saturating_sub(unread_due),
        ..Later::default()
    };

    let mut share = pool.clone();
    share.due = share.due.saturating_add(mine(unknown.due)).saturating_add(unread_due);
    share.later.join(&later);
    share.later.join(&unread_later);
    share
}

impl PoolShare {
    fn size(&self) -> u64 {
        self.due.saturating_add(self.later.count)
    }
}

/// `n` × `part` / `whole`, rounded up; all of `n` if the whole is 0.
pub(super) fn part(n: u64, part: u64, whole: u64) -> u64 {
    match whole {
        0 => n,
        _ => u64::try_from((u128::from(n) * u128::from(part)).div_ceil(u128::from(whole))).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_rounded_up() {
        assert_eq!(part(10, 0, 0), 10);
        assert_eq!(part(10, 0, 3), 0);
        assert_eq!(part(10, 1, 3), 4);
        assert_eq!(part(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(part(u64::MAX, u64::MAX, 1), u64::MAX);
    }
}
