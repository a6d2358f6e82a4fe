//! The operator on a real cluster, with real brokers and workers: what it must do, and what it must survive.
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --test cluster -- --test-threads=4`.

mod support;
