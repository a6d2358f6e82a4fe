//! What the operator knows of its pools, for people: a read-only API, and a page on it. Off unless an address is given;
//! nothing is kept then.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `types.rs` | data | the JSON of the API; who reads it uses the same types |
//! | `state.rs` | pure | one word for a pool, the worst first |
//! | `ring.rs` | pure | one hour of numbers, in a place of fixed size |
//! | `record.rs` | pure | what is kept of a pool while it is looked after |
//! | `json.rs` | pure | from what is kept to the JSON |
//! | `host.rs` | pure | whether a request's `Host` is one of ours |
//! | `server.rs` | shell | the paths, what they answer, and the questions to the event loop |
//! | `page.html`, `view.js`, `view.css` | | the page |
//!
//! Only the process that leads has live numbers; any other one names it. No task, no argument, no credential is in it: of
//! a broker its kind and its host.

mod host;
mod json;
mod record;
mod ring;
mod server;
mod state;
pub mod types;

pub use host::HostRule;
pub use json::{recorded, waits_for_source};
pub use record::{Decided, Entry, PodSeen, PoolView, Record, Snapshot, Whole};
pub use server::{Question, View};
pub use types::{PodState, State};
