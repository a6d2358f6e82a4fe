//! The counts against the truth: real servers, real workers in pods, the library's own endpoints.
//!
//! | file | proves |
//! |---|---|
//! | `bystander.rs` | remote control disturbs no application, whatever it joins its bindings by |
//! | `counts.rs` | the table of acceptance: what others see, what we count, what is so |
//! | `redis_keys.rs` | pools that share a database, prefixes, priorities, separators |
//! | `remote_control.rs` | single workers stop fetching and fetch again, and nothing is lost |
//! | `worker_kinds.rs` | what each kind of worker says of itself, idle and busy |
//! | `rights.rs` | users with no more rights than the docs list |
//! | `connections.rs` | TLS and plain, wrong passwords, ports, certificates, vhosts, missing queues |
//! | `rows.rs` | the rows of that table, for any framework |
//! | `rq.rs`, `taskiq.rs` | other frameworks: every place of a task, and what is known of workers |
//! | `unusual_counts.rs` | a broker restarted empty, blocked heads, RabbitMQ 3 |
//! | `wait_times.rs` | how long tasks have waited that were there before the first count |

mod bystander;
mod connections;
mod counts;
mod redis_keys;
mod remote_control;
mod rights;
mod rows;
mod rq;
mod taskiq;
mod unusual_counts;
mod wait_times;
mod worker_kinds;
