//! Versions of servers and of Celery, each for real: `make versions` (a part of `make verify`).
//!
//! Servers and workers are processes of this machine, fetched by `versions/install.sh`; no cluster. `TWP_VERSIONS` names those
//! to try, such as `redis-6.0,celery-5.4`: a pair runs if both its names, or its server alone, are there; without it all.
//!
//! | file | holds |
//! |---|---|
//! | `table.rs` | what is tried with what |
//! | `process.rs` | servers and workers as processes that end with the test |
//! | `asked.rs` | what is asked of each pair |

mod asked;
mod process;
mod table;
