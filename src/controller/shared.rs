//! Index of the pools that count the same queue, so that a pool is not compared with all others. Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeSet, HashMap};

use super::pool::Pool;
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
    /// Records that the pool counts its queues at this address, and nowhere else. Returns the other pools that count
    /// one of them.
    pub fn count(&mut self, id: PoolId, pool: &Pool, address: &Address) -> BTreeSet<PoolId> {
        self.forget(id);
        let queue = |name: &String| CountedQueue {
            kind: address.kind.clone(),
            host: address.host.clone(),
            port: address.port,
            prefix: pool.app.key_prefix.clone(),
            name: name.clone(),
        };
        let queues: Vec<_> = pool.app.queues.iter().map(queue).collect();
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
    use crate::controller::state::tests::pool_state;

    #[test]
    fn pools_share_a_queue_of_one_broker_database_and_prefix() {
        let pool = |queues: &[&str], prefix: &str| {
            let mut pool = pool_state(1, "mail", "w", 0).pool.unwrap();
            pool.app.queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
            pool.app.key_prefix = prefix.to_owned();
            pool
        };
        let at = |url: &str| crate::broker::url::parse(url).unwrap();
        let mut shared = SharedQueues::default();
        assert!(shared.count(1, &pool(&["a", "b"], ""), &at("redis://h")).is_empty());
        for (id, prefix, url) in [(2, "x:", "redis://h"), (3, "", "redis://h/1"), (4, "", "redis://g")] {
            assert!(shared.count(id, &pool(&["b"], prefix), &at(url)).is_empty(), "{id}");
        }
        let others = shared.count(5, &pool(&["b", "c"], ""), &at("redis://:other@h"));
        assert_eq!(others, BTreeSet::from([1]));
        assert_eq!(shared.others(1).collect::<Vec<_>>(), [("b", 5)]);
        assert_eq!(shared.others(5).collect::<Vec<_>>(), [("b", 1)]);
        shared.count(5, &pool(&["c"], ""), &at("redis://h"));
        assert_eq!(shared.others(1).count(), 0);
        for id in 1..=5 {
            shared.forget(id);
        }
        assert!(shared.users.is_empty() && shared.queues.is_empty());
    }
}
