//! The operator on a real cluster, with real brokers and workers: what it must do, and what it must survive.
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --all-features --test e2e -- cluster:: --test-threads=4`.

mod api_server;
mod broker_down;
mod crowd;
mod door;
mod drain;
mod eta;
mod hands;
mod hostile;
mod misfortune;
mod pod_policy;
mod policy;
mod process;
mod references;
mod removal;
mod rights;
mod running;
mod spikes;
mod wait;
