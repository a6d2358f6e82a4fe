//! The operator on a real cluster, with real brokers and workers: what it must do, and what it must survive.
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --all-features --test cluster -- --test-threads=4`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "cluster/api_server.rs"]
mod api_server;
#[path = "cluster/broker_down.rs"]
mod broker_down;
#[path = "cluster/crowd.rs"]
mod crowd;
#[path = "cluster/door.rs"]
mod door;
#[path = "cluster/drain.rs"]
mod drain;
#[path = "cluster/eta.rs"]
mod eta;
#[path = "cluster/hands.rs"]
mod hands;
#[path = "cluster/hostile.rs"]
mod hostile;
#[path = "cluster/misfortune.rs"]
mod misfortune;
#[path = "cluster/pod_policy.rs"]
mod pod_policy;
#[path = "cluster/policy.rs"]
mod policy;
#[path = "cluster/process.rs"]
mod process;
#[path = "cluster/references.rs"]
mod references;
#[path = "cluster/removal.rs"]
mod removal;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/running.rs"]
mod running;
#[path = "cluster/shop.rs"]
mod shop;
#[path = "cluster/spikes.rs"]
mod spikes;
#[path = "cluster/stage.rs"]
mod stage;
mod support;
#[path = "cluster/wait.rs"]
mod wait;
