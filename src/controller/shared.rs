//! Index of the pools that count the same queue, so that a pool is not compared with all others. Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeSet, HashMap};

use crate::broker::{Address, Kind, PoolId};

/// Queue at its broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CountedQueue {
    kind: Kind,
    host: String,
    port: u16,
    prefix: String,
    name: String,
}

/// All queues that are counted, and the pools that count them.
#[derive(Debug, Default)]
pub struct SharedQueues {
    users: HashMap<CountedQueue, BTreeSet<PoolId>>,
    queues: HashMap<PoolId, Vec<CountedQueue>>,
}

impl SharedQueues {
    /// Records that the pool counts these queues at this address, and nothing else. Returns the other pools that count
    /// one of them.
    pub fn count(&mut self, id: PoolId, queues: &[String], prefix: &str, address: &Address) -> BTreeSet<PoolId> {
        self.forget(id);
        let queue = |name: &String| CountedQueue {
            kind: address.kind.clone(),
            host: address.host.clone(),
            port: address.port,
            prefix: prefix.to_owned(),
            name: name.clone(),
        };
        let queues: Vec<_> = queues.iter().map(queue).collect();
        let mut others = BTreeSet::new();
        for queue in &queues {
            let users = self.users.entry(queue.clone()).or_default();
            others.extend(users.iter().copied());
            users.insert(id);
        }
        self.queues.insert(id, queues);
        others
    }

    /// Records that the pool counts nothing any more.
    pub fn forget(&mut self, id: PoolId) {
        for queue in self.queues.remove(&id).unwrap_or_default() {
            if let Some(users) = self.users.get_mut(&queue) {
                users.remove(&id);
                if users.is_empty() {
                    self.users.remove(&queue);
                }
            }
        }
    }

    /// Queues that others count, too, and those pools.
    pub fn others(&self, id: PoolId) -> impl Iterator<Item = (&str, PoolId)> {
        let queues = self.queues.get(&id).into_iter().flatten();
        queues.flat_map(move |queue| {
            let users = self.users.get(queue).into_iter().flatten();
            let others = users.copied().filter(move |user| *user != id);
            others.map(|user| (queue.name.as_str(), user))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_share_a_queue_of_one_broker_database_and_prefix() {
        let mut shared = SharedQueues::default();
        let mut count = |id, queues: &[&str], prefix: &str, url: &str| {
            let queues: Vec<_> = queues.iter().map(|queue| (*queue).to_owned()).collect();
            shared.count(id, &queues, prefix, &crate::broker::url::parse(url).unwrap())
        };
        assert!(count(1, &["a", "b"], "", "redis://h").is_empty());
        for (id, prefix, url) in [(2, "x:", "redis://h"), (3, "", "redis://h/1"), (4, "", "redis://g")] {
            assert!(count(id, &["b"], prefix, url).is_empty(), "{id}");
        }
        let others = count(5, &["b", "c"], "", "redis://:other@h");
        assert_eq!(others, BTreeSet::from([1]));
        assert_eq!(shared.others(1).collect::<Vec<_>>(), [("b", 5)]);
        assert_eq!(shared.others(5).collect::<Vec<_>>(), [("b", 1)]);
        shared.count(
            5,
            &["c".to_owned()],
            "",
            &crate::broker::url::parse("redis://h").unwrap(),
        );
        assert_eq!(shared.others(1).count(), 0);
        for id in 1..=5 {
            shared.forget(id);
        }
        assert!(shared.users.is_empty() && shared.queues.is_empty());
    }
}
