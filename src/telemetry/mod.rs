//! What the operator reports about itself: to people (logs, Events), to Prometheus, and to the kubelet. Makes no
//! decisions.
//!
//! | file | concept |
//! |---|---|
//! | `logs.rs` | structured logs on standard error |
//! | `metrics.rs`, `metrics/pools.rs` | counters of the process; the numbers of each pool, which vanish with it |
//! | `page.rs`, `shared_text.rs` | `/metrics`: one text for all readers within a second |
//! | `health.rs` | `/livez`, `/readyz` |
//! | `server.rs` | the HTTP servers, which many silent connections cannot block |
//! | `events.rs` | Kubernetes Events about a pool: their text and their limits |
//!
//! Nothing here carries a credential, a broker's words or an API server's words.

pub mod events;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod page;
pub mod server;
mod shared_text;

pub use events::{Events, PoolEvent};
pub use health::Health;
pub use logs::LogFormat;
pub use logs::init;
pub use metrics::{Direction, Metrics, PoolNumbers};
pub use page::Page;
pub use shared_text::{NoText, SharedText};
