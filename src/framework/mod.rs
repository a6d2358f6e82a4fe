//! Layout of each framework in its broker, and how work is counted from it. Pure: values in, values out.
//!
//! | file | concept |
//! |---|---|
//! | `registry.rs` | one row per framework: what the rest of the house knows of it |
//! | `celery/` | Celery on Redis and RabbitMQ |
//! | `rq.rs` | RQ on Redis |
//! | `taskiq.rs` | taskiq on Redis |
//! | `polled.rs` | what those share of which everything is read |
//! | `pods.rs` | which pod a worker is, by the name of its host |
#![deny(clippy::disallowed_methods)]

pub mod celery;
#[cfg(test)]
mod fixture;
pub mod pods;
mod polled;
pub mod registry;
pub mod rq;
pub mod taskiq;
