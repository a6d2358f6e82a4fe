//! The operator on a real cluster, with real brokers and workers: what it must do, and what it must survive.
//!
//! | file | proves |
//! |---|---|
//! | `api_server.rs` | an API server that refuses, is slow or falls silent (`api_proxy.rs` is a way to it) |
//! | `broker_down.rs` | a broker that is away for a while |
//! | `broker_parts.rs` | a broker whose address a chart carries by parts |
//! | `drain.rs` | workers are emptied before they go, and given back when they are to stay |
//! | `foreign_writers.rs` | others at the same Deployment: people, pipelines, rollouts, another pool |
//! | `frameworks.rs` | RQ and taskiq: from zero to several workers and back |
//! | `hostile.rs` | neighbours that mean harm |
//! | `killed_workers.rs` | pods that others stop, and workers that die |
//! | `learned_queues.rs` | queues that the workers name |
//! | `lint.rs` | the verdict of `kubectl twp lint` is the API server's |
//! | `many_pools.rs` | three hundred pools on one broker |
//! | `operator_process.rs` | the operator is killed, and ended |
//! | `pod_policy.rs` | the chart's admission policy |
//! | `references.rs` | what a pool names and is not there |
//! | `removal.rs` | who goes when there are too many (`admission.rs` is what the API server refuses) |
//! | `running_tasks.rs` | nothing that runs is interrupted |
//! | `scheduled_tasks.rs` | zero with tasks that are due later |
//! | `spikes.rs` | from zero: how soon, and that it is one write |
//! | `stateful_set/` | StatefulSets: the highest ordinals, their turns, and their namesakes |
//! | `wait_target.rs` | the wait target: how many, why, and what is told |
//! | `rights.rs` | operators with the rights of a service account |
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --all-features --test e2e -- cluster:: --test-threads=4`.

mod admission;
mod api_proxy;
mod api_server;
mod broker_down;
mod broker_parts;
mod drain;
mod foreign_writers;
mod frameworks;
mod hostile;
mod killed_workers;
mod learned_queues;
mod lint;
pub mod many_pools;
mod operator_process;
mod pod_policy;
mod references;
mod removal;
pub mod rights;
mod running_tasks;
mod scheduled_tasks;
mod spikes;
mod stateful_set;
mod wait_target;
