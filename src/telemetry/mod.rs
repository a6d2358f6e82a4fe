//! What the operator tells about itself: to people (logs, Events), to Prometheus, and to the kubelet. Decides nothing.
//!
//! | file | concept |
//! |---|---|
//! | `logs.rs` | structured logs on standard error |
//! | `metrics.rs`, `metrics/pools.rs` | counters of the process; the numbers of each pool, which vanish with it |
//! | `health.rs` | `/metrics`, `/livez`, `/readyz` |
//! | `events.rs` | Kubernetes Events about a pool: their words, how often, and the publishing |
//!
//! Nothing here carries a credential, a broker's words or an API server's words.

pub mod events;
pub mod health;
pub mod logs;
pub mod metrics;

pub use events::{Events, PoolEvent, tame};
pub use health::Health;
pub use logs::LogFormat;
pub use logs::init;
pub use metrics::{Direction, Metrics, PoolNumbers};
