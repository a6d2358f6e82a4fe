//! Pools for tests: those that the view's own tests write, so that they cannot drift from what the operator serves.

use crate::view::types::{OnePool, Pool, Pools};

/// Several pools, the worst first.
pub fn pools() -> Vec<Pool> {
    let read: Pools = serde_json::from_str(&recorded("pools.json")).expect("the list");
    read.pools
}

/// One pool with all that the operator knows of it.
pub fn pool() -> Pool {
    let read: OnePool = serde_json::from_str(&recorded("pool.json")).expect("the pool");
    read.pool
}

fn recorded(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/view")
        .join(name);
    std::fs::read_to_string(path).expect("a recorded answer")
}
