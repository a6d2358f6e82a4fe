//! Plugin `kubectl twp`: questions about pools, in files and in a cluster.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `args.rs` | shell | the commands: [`Args`] |
//! | `answer.rs` | pure | what a command returns, and its forms: [`Answer`] |
//! | `causes.rs` | pure | conditions by their cause |
//! | `columns.rs` | pure | columns of text for a terminal |
//! | `cluster/` | shell | which cluster; its pools, as the operator or their objects show them |
//! | `status.rs` | shell | all pools, the worst first |
//! | `top/` | pure, but for `mod.rs`, `watch.rs` and `screen.rs` | pools on a terminal, live |
//! | `why/` | pure, but for `mod.rs` | why this number, and what would change it |
//! | `doctor/` | shell, but for its text | whether the installation is whole, or one pool |
//! | `suspend.rs` | shell | leaves pools as they are, and lets them follow their work again |
//! | `files.rs` | shell | from paths to texts |
//! | `manifest/` | pure | the objects in a text, and the verdict on a pool |
//! | `broker_url.rs` | pure | broker URLs by their parts |
//! | `commented.rs` | pure | pools as YAML with comments |
//! | `workload/` | pure | what a container runs, by its command |
//! | `convert/` | pure, but for its `run` | from KEDA and HPA to pools |
//! | `init/` | pure, but for its `run` and `fetch.rs` | from workers that run already to a pool |
//! | `lint/` | pure, but for its `run` | what is wrong with manifests |
//! | `simulate/` | pure, but for `mod.rs` | how a pool would have scaled recorded work |

mod answer;
mod args;
pub mod broker_url;
mod causes;
mod cluster;
mod columns;
pub mod commented;
pub mod convert;
pub mod doctor;
mod files;
#[cfg(test)]
mod fixture;
pub mod init;
pub mod lint;
pub mod manifest;
pub mod simulate;
pub mod status;
pub mod suspend;
pub mod top;
pub mod why;
pub mod workload;

pub use answer::{Answer, Format, OutputArgs};
pub use args::{Args, Command};
