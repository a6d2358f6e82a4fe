//! Celery on Redis.
//!
//! * *ready* = Σ over the lists of all queues and priority steps of (length − tasks seen in them that are not due yet).
//!   Of the part below the scanned depth, the same share is not due as of the scanned part, but at least one task may be
//!   due.
//! * *in flight* = the pool's entries of `unacked` that are due + its running tasks that are acknowledged already.
//! * *scheduled* = the tasks in both places that are not due yet.
//! * *unheld* = those entries of `unacked` that are due and that no worker says it holds, so perhaps a dead one's: only a
//!   living worker gives them back, after the visibility timeout. The workers are asked only while nothing is ready and
//!   there is more in flight than runs.
//! * *oldest* = the list's oldest task that has waited longest: since its header `enqueued_at`, if the application sets
//!   it; else since it was seen first at the head of its list, which is less than the truth.
//!
//! `unacked` is shared by all queues and applications of the database (or prefix): see [`super::unacked`].

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    CeleryConfig,
    asking::Asking,
    message,
    own::Own,
    routes::{ExchangeBindings, Owners},
    unacked,
};
use crate::framework::celery::ask::{Ask, Inspect};
use crate::model::{
    Now, Oldest, Query, QueueTally, Reply, SampleError, Scan, Since, Tally, WAKE_AHEAD, Work, scan::MAX_LOOK,
};

/// Shortest time after which a worker that answered is asked again.
const PACE: Duration = Duration::from_secs(2);

/// Pace at which all workers are asked for their presence, while tasks belong to no known worker.
const OTHERS_PACE: Duration = Duration::from_secs(10);

/// Number of scanned messages from which the scanned part of a list says something about the rest.
const DEEP: u64 = MAX_LOOK as u64 / 2;

/// Largest number of exchanges whose bindings are read.
const MAX_EXCHANGES: usize = 16;

/// Largest believed age of a message, by its own time of publishing: more means another clock.
const LONGEST_AGO: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Scans of the lists queue by queue, the scan of `unacked`, bindings and remote control as needed.
pub(super) fn reads(
    config: &CeleryConfig,
    own: &Own,
    exchanges: &BTreeSet<String>,
    last: Option<&Tally>,
    asking: &mut Asking,
    now: Now,
) -> Vec<Ask> {
    let prefix = &config.key_prefix;
    let lists = config.queues.iter().flat_map(|queue| {
        steps(config).into_iter().map(move |step| {
            Ask::Read(Query::ScanList {
                key: list_key(config, queue, step),
                decoder: message::QUEUED,
            })
        })
    });
    let unacked = Ask::Read(Query::ScanHash {
        hash: format!("{prefix}{}", config.unacked_key),
        index: format!("{prefix}{}", config.unacked_index_key),
        decoder: message::UNACKED,
    });
    let bindings = exchanges.iter().map(|exchange| {
        Ask::Read(Query::SetMembers {
            key: binding_key(config, exchange),
        })
    });
    let mut reads: Vec<_> = lists.chain([unacked]).chain(bindings).collect();
    if last.is_some_and(|tally| to_account_for(&tally.work)) {
        let mut unclear = own.account_unclear();
        // Workers of others may hold what none of the pool's own does. Those without heartbeats are known by their
        // pongs.
        if own.anybody() && last.is_some_and(|tally| tally.work.unheld.is_some_and(|tasks| tasks > 0)) {
            reads.extend(asking.ping(config, OTHERS_PACE, now));
            unclear.extend(own.others_account_unclear());
        }
        for method in [Inspect::Reserved, Inspect::Active] {
            reads.extend(asking.ask(config, method, &unclear, PACE, now));
        }
    }
    reads.extend(asking.ask(config, Inspect::Active, &own.acknowledging_unclear(last), PACE, now));
    reads
}

/// Adds up the replies.
pub(super) fn tally(
    config: &CeleryConfig,
    reads: &[Ask],
    replies: &[Result<Reply, SampleError>],
    own: &Own,
    now: Now,
) -> Result<Tally, SampleError> {
    let wall = now.wall;
    let mut queues: Vec<QueueTally> = config.queues.iter().map(QueueTally::none).collect();
    let lists: BTreeMap<String, usize> = (config.queues.iter().enumerate())
        .flat_map(|(n, queue)| {
            steps(config)
                .into_iter()
                .map(move |step| (list_key(config, queue, step), n))
        })
        .collect();
    let mut later = Later::default();
    let mut held: Option<&Scan> = None;
    let mut bindings = BTreeMap::new();
    let mut degraded = None;
    let mut oldest: Option<Since> = None;

    for (n, read) in reads.iter().enumerate() {
        match (read, replies.get(n).unwrap_or(&Err(SampleError::NotYet))) {
            (Ask::Read(Query::ScanList { key, .. }), Ok(Reply::Scan(scan))) => {
                let not_due = not_due(scan, wall);
                if let Some(queue) = lists.get(key).and_then(|n| queues.get_mut(*n)) {
                    queue.ready = queue.ready.saturating_add(scan.total.saturating_sub(not_due.count));
                    queue.not_due = queue.not_due.saturating_add(not_due.count);
                    later.join(&not_due);
                    let since = scan.oldest.and_then(|oldest| waits_since(oldest, wall));
                    oldest = oldest.into_iter().chain(since).max_by_key(|since| since.age(now));
                }
            }
            (Ask::Read(Query::ScanHash { .. }), Ok(Reply::Scan(scan))) => held = Some(scan),
            (Ask::Read(Query::SetMembers { key }), Ok(Reply::Members(members))) => {
                if let Some(exchange) = key.strip_prefix(&binding_key(config, "")) {
                    bindings.insert(
                        exchange,
                        ExchangeBindings::of(members, config.separator(), &config.queues),
                    );
                }
            }
            (Ask::Read(Query::SetMembers { .. }) | Ask::Inspect { .. } | Ask::Tell { .. }, Err(error)) => {
                degraded = degraded.or(Some(*error))
            }
            (Ask::Inspect { .. } | Ask::Tell { .. }, Ok(_)) => {}
            (_, Err(error)) => return Err(*error),
            (_, Ok(_)) => return Err(SampleError::Protocol),
        }
    }

    let held = held.ok_or(SampleError::NotYet)?;
    let mut owners = Owners::new(&config.queues, bindings);
    let share = unacked::share(held, wall, |exchange, routing_key| owners.of(exchange, routing_key));
    later.join(&share.later);
    let in_flight = share.due.saturating_add(own.running_acknowledged(share.due));
    let work = Work {
        ready: queues.iter().fold(0, |sum, queue| queue.ready.saturating_add(sum)),
        in_flight,
        unheld: own.unheld(share.due).filter(|_| in_flight > own.running()),
        running: own.running(),
        scheduled: later.count,
        due_soon: later.soon,
        next_due: later.next,
        oldest,
        ..Work::default()
    };
    Ok(Tally {
        queues,
        degraded,
        ..own.tally(work)
    })
}

/// Tasks of a list that are not due yet.
fn not_due(list: &Scan, wall: Timestamp) -> Later {
    let mut not_due = Later::default();
    let mut seen = 0_u64;
    for kind in list.kinds.values() {
        not_due.add(&kind.etas, wall);
        seen = seen.saturating_add(kind.count);
    }
    let unseen = list.total.saturating_sub(seen);
    // A short scan says nothing about the rest.
    if seen >= DEEP && unseen > 0 {
        let due = unacked::part(unseen, seen.saturating_sub(not_due.count), seen).max(1);
        not_due.count = not_due.count.saturating_add(unseen - due);
    }
    not_due
}

/// Whether it matters who holds unacknowledged messages: nothing else is left to do, or it was known that nobody holds
/// some.
fn to_account_for(work: &Work) -> bool {
    work.in_flight > work.running && (work.ready == 0 || work.unheld.is_some_and(|tasks| tasks > 0))
}

/// Time since which the oldest message of a list has waited; `None`: it does not wait, it is not due yet. A message
/// that comes back by a retry or has an ETA waits from its due time on, whenever it was published.
fn waits_since(oldest: Oldest, wall: Timestamp) -> Option<Since> {
    if oldest.eta.is_some_and(|eta| eta > wall) {
        return None;
    }
    let plausible = |at: &Timestamp| *at <= wall && wall.duration_since(*at) <= LONGEST_AGO;
    let told = oldest.published.filter(plausible).max(oldest.eta);
    Some(told.map_or(Since::Seen(oldest.seen), Since::Published))
}

/// Tasks that are not due yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Later {
    /// Number of tasks.
    pub(super) count: u64,
    /// Number of those that come due within [`WAKE_AHEAD`].
    pub(super) soon: u64,
    /// First due time.
    pub(super) next: Option<Timestamp>,
}

impl Later {
    /// Adds those of these due times (ascending) that are still to come.
    pub(super) fn add(&mut self, etas: &[Timestamp], wall: Timestamp) {
        let soon = wall.checked_add(WAKE_AHEAD).unwrap_or(Timestamp::MAX);
        let etas = etas.get(etas.partition_point(|eta| *eta <= wall)..).unwrap_or_default();
        self.join(&Self {
            count: etas.len() as u64,
            soon: etas.partition_point(|eta| *eta <= soon) as u64,
            next: etas.first().copied(),
        });
    }

    /// Adds another count.
    pub(super) fn join(&mut self, others: &Self) {
        self.count = self.count.saturating_add(others.count);
        self.soon = self.soon.saturating_add(others.soon);
        self.next = self.next.into_iter().chain(others.next).min();
    }
}

/// Priority steps; if there are none, each queue has one list.
fn steps(config: &CeleryConfig) -> BTreeSet<u8> {
    match config.priority_steps.as_slice() {
        [] => BTreeSet::from([0]),
        steps => steps.iter().copied().collect(),
    }
}

/// List of a queue's messages of one priority step: step 0 has the queue's own name.
fn list_key(config: &CeleryConfig, queue: &str, step: u8) -> String {
    let (prefix, separator) = (&config.key_prefix, config.separator());
    match step {
        0 => format!("{prefix}{queue}"),
        step => format!("{prefix}{queue}{separator}{step}"),
    }
}

/// Set of an exchange's bindings.
pub(super) fn binding_key(config: &CeleryConfig, exchange: &str) -> String {
    format!("{}_kombu.binding.{exchange}", config.key_prefix)
}

/// Named exchanges among the entries of `unacked`, whose bindings the next sample reads; few. `None`: the entries were
/// not read.
pub(super) fn exchanges(reads: &[Ask], replies: &[Result<Reply, SampleError>]) -> Option<BTreeSet<String>> {
    let held = reads.iter().zip(replies).find_map(|asked| match asked {
        (Ask::Read(Query::ScanHash { .. }), Ok(Reply::Scan(held))) => Some(held),
        _ => None,
    });
    held.map(|held| named(held))
}

fn named(held: &Scan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut previous = "";
    // Kinds are ordered by exchange: each name is compared once.
    for (exchange, _) in held.kinds.keys() {
        if mem::replace(&mut previous, exchange) != exchange {
            names.insert(exchange.clone());
        }
        if names.len() == MAX_EXCHANGES {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests;
