//! Plugin `kubectl twp`: questions that need no cluster.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `simulate/mod.rs` | shell | the command: reads files, starts threads, writes the result |
//! | `simulate/manifest.rs` | pure | from a YAML text to a pool |
//! | `simulate/plan.rs` | pure | which runs are needed |
//! | `simulate/answer.rs` | pure | the results, as text and as a page |

pub mod simulate;
