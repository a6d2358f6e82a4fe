//! Routing: the queue of a message that was sent to a named exchange, by the exchange's bindings, as in kombu's router.
//!
//! Others write messages and bindings, and there may be very many of both: a tally compares up to a limit; the owner of
//! the rest stays unknown.

use std::collections::BTreeMap;

/// Owner of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// One of the pool's queues.
    Pool,
    /// Another queue, or none.
    Other,
    /// Unknown.
    Unknown,
}

/// Largest effort of a tally, in bytes of routing keys times words of patterns: a few milliseconds.
const MOST: u64 = 1 << 20;

/// Bindings of one exchange, as far as they lead to the pool's queues.
#[derive(Debug, Default)]
pub(super) struct ExchangeBindings<'a> {
    own: Vec<QueueBinding<'a>>,
    /// Whether there are any bindings, wherever they lead.
    known: bool,
}

/// Binding of a queue.
#[derive(Clone, Copy, Debug)]
struct QueueBinding<'a> {
    routing_key: &'a str,
    /// Whether the routing key is a topic pattern.
    topic: bool,
}

/// Separator in a binding of a queue to its exchange, where the queue's name is known: it stands twice between a
/// routing key and the queue (the pattern between them is empty for a direct exchange). `None`: not found.
pub(super) fn separator_of(member: &str, queue: &str) -> Option<String> {
    let joined = member.strip_suffix(queue)?;
    // The routing key of a queue that Celery creates itself is its name.
    let twice = joined.strip_prefix(queue)?;
    let (first, second) = twice.split_at_checked(twice.len() / 2)?;
    (!first.is_empty() && first == second).then(|| first.to_owned())
}

impl<'a> ExchangeBindings<'a> {
    /// Members of `_kombu.binding.<exchange>` that lead to one of the queues: routing key, regular expression (topic
    /// exchanges only), queue.
    pub(super) fn of(members: &'a [String], separator: &str, queues: &[String]) -> Self {
        let mut bindings = Self::default();
        for member in members {
            let mut parts = member.split(separator);
            if let (Some(routing_key), Some(pattern), Some(queue)) = (parts.next(), parts.next(), parts.next()) {
                bindings.known = true;
                if queues.iter().any(|own| own == queue) {
                    let topic = !pattern.is_empty();
                    bindings.own.push(QueueBinding { routing_key, topic });
                }
            }
        }
        bindings
    }
}

/// Finds the owners of entries.
pub(super) struct Owners<'a> {
    queues: &'a [String],
    /// Bindings by exchange; of an exchange that is not here they are unknown.
    bindings: BTreeMap<&'a str, ExchangeBindings<'a>>,
    /// Effort that is left.
    left: u64,
}

impl<'a> Owners<'a> {
    /// Owners for these queues.
    pub(super) fn new(queues: &'a [String], bindings: BTreeMap<&'a str, ExchangeBindings<'a>>) -> Self {
        Self {
            queues,
            bindings,
            left: MOST,
        }
    }

    /// Owner of an entry with this exchange and routing key.
    pub(super) fn of(&mut self, exchange: &str, routing_key: &str) -> Owner {
        let to = |yes: bool| if yes { Owner::Pool } else { Owner::Other };
        let own = self.queues.iter().any(|own| own == routing_key);
        match (exchange, routing_key) {
            ("", "") => Owner::Unknown,
            ("", _) => to(own),
            _ => match self.bindings.get(exchange).filter(|bindings| bindings.known) {
                Some(bindings) => {
                    for binding in &bindings.own {
                        let cost = binding.cost(routing_key);
                        if cost > self.left {
                            self.left = 0;
                            return Owner::Unknown;
                        }
                        self.left -= cost;
                        if binding.matches(routing_key) {
                            return Owner::Pool;
                        }
                    }
                    Owner::Other
                }
                None if own => Owner::Pool,
                None => Owner::Unknown,
            },
        }
    }
}

impl QueueBinding<'_> {
    /// Part of the pattern before its first wildcard word.
    fn beginning(&self) -> &str {
        let mut end = 0;
        for word in self.routing_key.split_inclusive('.') {
            if matches!(word.trim_end_matches('.'), "*" | "#") {
                break;
            }
            end += word.len();
        }
        self.routing_key.get(..end).unwrap_or_default()
    }

    /// Cost of comparing it with this key. Most differ in their beginnings.
    fn cost(&self, key: &str) -> u64 {
        let length = self.routing_key.len() as u64;
        if !self.topic || !key.starts_with(self.beginning()) {
            return 1 + length / 8;
        }
        let words = self.routing_key.split('.').count() as u64;
        1 + length + 2 * words * (key.len() as u64 + 1)
    }

    /// Whether the binding matches, as in kombu's router: topic patterns; equal keys in a direct exchange; every key in
    /// a fanout, which binds without a key.
    fn matches(&self, key: &str) -> bool {
        match self.topic {
            true => key.starts_with(self.beginning()) && topic_matches(self.routing_key, key),
            false => self.routing_key.is_empty() || self.routing_key == key,
        }
    }
}

/// Whether a topic pattern matches, as in kombu: the word `*` stands for one word that is not empty, the word `#` for
/// any text (kombu: `[^\.]+` and `.*?`; its dots stay, unlike AMQP's). Time: pattern × key, whatever they are.
fn topic_matches(pattern: &str, key: &str) -> bool {
    let key = key.as_bytes();
    // Prefixes of the key that the pattern so far can match, by length.
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

/// Prefixes that are reached by any text after one of those reached before.
fn after_anything(reached: &[bool]) -> Vec<bool> {
    let mut any = false;
    let ends = reached.iter().map(|start| {
        any |= start;
        any
    });
    ends.collect()
}

/// Prefixes that are reached by one more word.
fn after_word(reached: &[bool], key: &[u8]) -> Vec<bool> {
    let mut inside = false;
    let ends = reached.iter().zip(key).map(|(start, byte)| {
        inside = (inside || *start) && *byte != b'.';
        inside
    });
    std::iter::once(false).chain(ends).collect()
}

/// Prefixes that are reached by this text.
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
