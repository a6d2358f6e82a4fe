//! Pools for tests: those that the view's own tests write, so that they cannot drift from what the operator serves.

use crate::view::types::{OnePool, Pool, Pools};

/// Several pools, the worst first.
pub fn pools() -> Vec<Pool> {
    let read: Pools = serde_json::from_str(include_str!("../../tests/view/pools.json")).expect("the list");
    read.pools
}

/// One pool with all that the operator knows of it.
pub fn pool() -> Pool {
    let read: OnePool = serde_json::from_str(include_str!("../../tests/view/pool.json")).expect("the pool");
    read.pool
}
