//! Plugin `kubectl twp`: questions that need no cluster.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `args.rs` | shell | the commands: [`Args`] |
//! | `answer.rs` | pure | what a command returns, and its forms: [`Answer`] |
//! | `files.rs` | shell | from paths to texts |
//! | `manifest/` | pure | the objects in a text, and the verdict on a pool |
//! | `convert/` | pure, but for its `run` | from KEDA and HPA to pools |
//! | `lint/` | pure, but for its `run` | what is wrong with manifests |
//! | `simulate/mod.rs` | shell | the command: reads files, starts threads, writes the result |
//! | `simulate/manifest.rs` | pure | the one pool of a manifest |
//! | `simulate/plan.rs` | pure | which runs are needed |
//! | `simulate/answer.rs` | pure | the results, as text, as a value and as a page |

mod answer;
mod args;
pub mod convert;
mod files;
pub mod lint;
pub mod manifest;
pub mod simulate;

pub use answer::{Answer, Format, OutputArgs};
pub use args::{Args, Command};
