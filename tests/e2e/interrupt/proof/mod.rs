//! A proof that no task is interrupted: real work in a namespace, everything about it recorded twice, and a judge.
//!
//! | file | concept |
//! |---|---|
//! | `variant.rs` | what a run is about: the broker, when tasks are acknowledged, the workers |
//! | `stage.rs` | the namespace that it takes place in: broker, records, workers, pool |
//! | `client.rs` | asks `app/client.py`, which publishes and asks workers and broker by Celery's own client |
//! | `history.rs` | what the pods and the replicas did, by watches: pod-seconds, scale-downs, killed pods |
//! | `snapshot.rs` | the pods and what their workers say, at one moment |
//! | `stranded.rs` | pure: workers that live and fetch nothing, and nobody cares |
//! | `verdict.rs` | pure: what came of each task, by the records |
//! | `run.rs` | a plan from its first task to the end, and all of the above as its outcome |

pub mod client;
pub mod history;
pub mod run;
pub mod snapshot;
pub mod stage;
pub mod stranded;
pub mod variant;
pub mod verdict;
