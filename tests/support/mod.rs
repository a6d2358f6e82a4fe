//! What the tests on the test bed share.
//!
//! | file | concept |
//! |---|---|
//! | `bed.rs` | a namespace for each test, and waiting for what ought to become true |
//! | `app.rs` | an application of any framework, and the stage that it is on; `celery.rs`, `rq.rs`, `taskiq.rs` are its implementations |
//! | `truth.rs` | pure: what its tasks recorded, and what is true by that |
//! | `watch.rs` | a sampler of the test's own |
//! | `stage.rs` | a stage for pools: a broker, and workers that cost nothing |
//! | `celery_stage.rs` | the same with Celery workers that run |
//! | `pods.rs` | servers and programs as pods |
//! | `records.rs` | a Redis in which an application records, and through which its clients are asked |
//! | `operator.rs` | an operator of the test's own |
//! | `certificates.rs` | certificates for brokers with TLS |
//! | `bystander.rs` | an application's own `inspect ping`, judged |
//! | `figures.rs` | what is measured |

pub mod app;
pub mod bed;
pub mod bystander;
pub mod celery;
pub mod celery_stage;
pub mod certificates;
pub mod figures;
pub mod operator;
pub mod pods;
pub mod records;
pub mod rq;
pub mod stage;
pub mod taskiq;
pub mod truth;
pub mod watch;
