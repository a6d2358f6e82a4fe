//! The plugin `kubectl twp`: what a person asks without a cluster.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `simulate/mod.rs` | shell | the command: reads files, starts threads, writes |
//! | `simulate/manifest.rs` | pure | from a YAML text to a pool |
//! | `simulate/plan.rs` | pure | which runs answer the question |
//! | `simulate/answer.rs` | pure | what they came to, as text and as a page |

pub mod simulate;
