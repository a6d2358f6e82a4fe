//! Whose entries of kombu's `unacked` hash are whose: it is shared by all queues and applications of a database.
//!
//! * Sent to the default exchange (empty name; Celery's own way): the routing key is the queue.
//! * Sent to a named exchange: the queues whose bindings match the routing key, by the rules of kombu's router. An
//!   entry that several queues match counts for each. An entry that no binding matches is nobody's.
//! * Bindings not known (yet): the queue of the same name as the routing key, if the pool has it; else the owner is
//!   unknown, as it is of an entry that could not be read or was not looked at.
//! * What has no known owner is split in proportion to what has one, rounded up; if nothing has one, the pool takes it
//!   all. So several pools together never count fewer than there are. An entry not looked at is taken for due or not
//!   due in proportion as well.

use jiff::Timestamp;

use super::redis::Later;
use crate::work::Census;

/// Whose an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// One of the pool's queues.
    Pool,
    /// Another queue, or none.
    Other,
    /// It cannot be told.
    Unknown,
}

/// The pool's share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Due: reserved or running.
    pub(super) due: u64,
    /// Not due yet.
    pub(super) later: Later,
}

/// One binding of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    routing_key: String,
    /// The routing key is a topic pattern.
    topic: bool,
    queue: String,
}

/// Members of `_kombu.binding.<exchange>`: routing key, regular expression (topic exchanges only), queue.
/// The separator by which a binding of a queue to its exchange is joined, where the queue's name is known: it stands twice
/// between a routing key and the queue (the pattern between them is empty for a direct exchange). `None`: it cannot be told.
pub(super) fn separator_of(member: &str, queue: &str) -> Option<String> {
    let joined = member.strip_suffix(queue)?;
    // The routing key of a queue that Celery makes by itself is its name.
    let twice = joined.strip_prefix(queue)?;
    let (first, second) = twice.split_at_checked(twice.len() / 2)?;
    (!first.is_empty() && first == second).then(|| first.to_owned())
}

pub(super) fn bindings(members: &[String], separator: &str) -> Vec<Binding> {
    let parse = |member: &String| {
        let mut parts = member.split(separator);
        let (routing_key, pattern, queue) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Binding {
            routing_key: routing_key.to_owned(),
            topic: !pattern.is_empty(),
            queue: queue.to_owned(),
        })
    };
    members.iter().filter_map(parse).collect()
}

/// Whose an entry is that was sent so. `bindings`: those of the exchange, none if they are not known.
pub(super) fn owner(exchange: &str, routing_key: &str, queues: &[String], bindings: &[Binding]) -> Owner {
    let own = |queue: &str| queues.iter().any(|own| own == queue);
    let to = |yes: bool| if yes { Owner::Pool } else { Owner::Other };
    match (exchange, routing_key) {
        ("", "") => Owner::Unknown,
        ("", queue) => to(own(queue)),
        (_, key) if !bindings.is_empty() => to(bindings
            .iter()
            .any(|binding| own(&binding.queue) && binding.matches(key))),
        (_, key) if own(key) => Owner::Pool,
        _ => Owner::Unknown,
    }
}

/// The share of the pool, given whose each kind of entry is.
pub(super) fn share(held: &Census, wall: Timestamp, owner: impl Fn(&str, &str) -> Owner) -> Share {
    let (mut pool, mut other, mut unknown) = (Share::default(), Share::default(), Share::default());
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

impl Share {
    fn size(&self) -> u64 {
        self.due.saturating_add(self.later.count)
    }
}

/// `n` × `part` / `whole`, rounded up; all of `n` if the whole is nothing.
fn part(n: u64, part: u64, whole: u64) -> u64 {
    match whole {
        0 => n,
        _ => u64::try_from((u128::from(n) * u128::from(part)).div_ceil(u128::from(whole))).unwrap_or(u64::MAX),
    }
}

impl Binding {
    /// As kombu's router: topic patterns; equal keys in a direct exchange; every key in a fanout, which binds by none.
    fn matches(&self, key: &str) -> bool {
        match self.topic {
            true => topic_matches(&self.routing_key, key),
            false => self.routing_key.is_empty() || self.routing_key == key,
        }
    }
}

/// Topic patterns as kombu matches them: the word `*` stands for one word that is not empty, the word `#` for any text
/// (kombu: `[^\.]+` and `.*?`; its dots stay, unlike AMQP's). Time: pattern × key, whatever they are.
fn topic_matches(pattern: &str, key: &str) -> bool {
    let key = key.as_bytes();
    // Which prefixes of the key the pattern read so far can match, by length.
    let mut reached = vec![false; key.len() + 1];
    reached.iter_mut().take(1).for_each(|start| *start = true);
    for (n, word) in pattern.split('.').enumerate() {
        if n > 0 {
            reached = after_text(&reached, key, b".");
        }
        reached = match word {
            "#" => after_anything(&reached),
            "*" => after_word(&reached, key),
            text => after_text(&reached, key, text.as_bytes()),
        };
    }
    reached.last().is_some_and(|whole| *whole)
}

/// The prefixes that are reached by any text after one of those reached before.
fn after_anything(reached: &[bool]) -> Vec<bool> {
    let mut any = false;
    let ends = reached.iter().map(|start| {
        any |= start;
        any
    });
    ends.collect()
}

/// Those that are reached by one word.
fn after_word(reached: &[bool], key: &[u8]) -> Vec<bool> {
    let mut inside = false;
    let ends = reached.iter().zip(key).map(|(start, byte)| {
        inside = (inside || *start) && *byte != b'.';
        inside
    });
    std::iter::once(false).chain(ends).collect()
}

/// Those that are reached by this text.
fn after_text(reached: &[bool], key: &[u8], text: &[u8]) -> Vec<bool> {
    let start = |end: usize| end.checked_sub(text.len());
    (0..reached.len())
        .map(|end| {
            start(end).is_some_and(|start| reached.get(start) == Some(&true) && key.get(start..end) == Some(text))
        })
        .collect()
}

#[cfg(test)]
mod tests;
