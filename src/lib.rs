//! The TaskWorkerPool operator: scales the workers of a background-task system by the work that waits for them.
//!
//! Straight through, no way back; no module calls one to its left:
//!
//! ```text
//!  api ──► controller::validate ──► Pool ────────────┐
//!                                                    ▼
//!  broker ──► Replies ──► framework ──► Tally ──► Observation ──► scaling (decide) ──► Decision
//!                                                    ▼
//!  drain (who is emptied, who may go) ──►   controller::effects ──► kube ──► the API server
//! ```
//!
//! | module | kind | may use | never |
//! |---|---|---|---|
//! | [`api`] | data: the custom resource | serde, schemars, kube derive, k8s-openapi types | any other module |
//! | [`model`] | pure: the words that all share, and the seam between brokers and frameworks | std, jiff | tokio, clients, clocks |
//! | [`framework`] | pure: what counts as work, one file or folder a framework | `model`, serde, jiff | tokio, clients, clocks |
//! | [`scaling`] | pure: how many workers, and why | std, jiff, `model` types | tokio, clients, clocks |
//! | `sim` | pure: how a policy would have scaled a workload | std, `scaling` | clocks, files, `broker` |
//! | [`broker`] | shell: asks Redis and RabbitMQ | redis, lapin, hyper, tokio, `model` types | kube, `api`, `scaling` |
//! | [`drain`] | pure: which pods are emptied, and which may go | std, jiff, serde, `model` | tokio, clients, clocks |
//! | [`kube`] | shell: calls to the API server, through one gate; the objects as far as they are read | kube, k8s-openapi, tokio, `api`, `drain`, `model` types | decisions, `broker`, `framework`, `scaling`, `controller` |
//! | [`view`] | shell: shows people what is known of the pools; all of it but the server is pure | `api`, [`kube`], `model`, `scaling`, `telemetry`, tokio, hyper | decisions, the crates kube and k8s-openapi |
//! | [`controller`] | shell: watches and performs; the state machine between is pure | all of the above | the crates kube and k8s-openapi |
//! | [`telemetry`] | shell: logs, metrics, health, events | tokio, hyper, [`kube`] | decisions, the crates kube and k8s-openapi |
//! | [`doctor`] | shell: whether an installation is whole, and one pool; what it compares is pure | `api`, [`controller`], [`kube`], `model`, tokio, clap | decisions, the crates kube and k8s-openapi |
//! | `cli` | shell: `kubectl twp`; what it says is pure | `api`, `controller::validate`, [`doctor`], [`kube`], `model`, `scaling`, `sim`, [`view`] types, clap, hyper, ratatui, tokio | decisions, the crates kube and k8s-openapi |
//!
//! The words, besides Kubernetes' and Celery's own:
//!
//! | word | meaning |
//! |---|---|
//! | pool | one TaskWorkerPool whose spec was found good |
//! | target, workload | the Deployment or StatefulSet that it scales; its kind and name |
//! | endpoint | one broker address with its credentials; pools with equal ones share it |
//! | query, reply | one bounded question to a broker, and what it answers |
//! | scan, decoder | what a list or a hash holds, looked at bit by bit; how one message is read |
//! | subscription, signal | where workers announce themselves; what one of them says |
//! | sample, tally | one round of queries; what they add up to for one pool |
//! | work | how much there is to do: ready, in flight, scheduled |
//! | delayed task | one that is not due yet (`eta`, `countdown`) |
//! | slot | room for one task in a worker |
//! | roster | the target's pods, as they were listed last |
//! | pod report, worker report | what the workers of a pod announce; what they answer when they are asked |
//! | intent | what is wished of a pod: cordon (fetch no more), uncordon, report |
//! | plan, step | which pods are to go; what is next for one of them |
//! | mark | what is written on a pod, so that it goes first and the next leader goes on from there |
//! | observation, memory | all that a decision may know; what it remembers |
//! | decision | the number of replicas, the rule behind it, and why in one sentence |
//! | input, effect | what came to a pool's state machine; what it wants done in the world |
//! | view, record | what people are shown of the pools; what is kept of one for it |
//!
//! `sim` and `cli` are features: the operator is built without them. `tests/architecture.rs` enforces the table.

pub mod api;
pub mod broker;
#[cfg(feature = "cli")]
pub mod cli;
pub mod controller;
pub mod doctor;
pub mod drain;
pub mod framework;
pub mod kube;
pub mod model;
pub mod scaling;
#[cfg(feature = "sim")]
pub mod sim;
pub mod telemetry;
pub mod view;
