//! Asks the brokers. Knows no framework's layout and no Kubernetes: it sends [`Query`]s and brings [`Reply`]s back.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the seam: [`Endpoint`], [`Address`] |
//! | `url.rs` | broker URLs, parsed as kombu parses them (pure) |
//! | `secret.rs` | text that no log, error or `Debug` shows |
//! | `egress.rs` | where connections may go (pure) |
//! | `tls.rs`, `stream.rs` | TCP and TLS streams with deadlines and a byte cap |
//! | `redis/` | commands, scans, heartbeats and remote control on Redis |
//! | `rabbitmq/` | passive declares, heartbeats and remote control on RabbitMQ |
//! | `management.rs` | RabbitMQ's management API, totals form only |
//! | `allowance.rs` | how much of what workers publish is taken in |
//! | `room.rs`, `signals.rs` | how much of what workers say is held in the process; how it comes to the sampler |
//! | `sampler.rs` | one task per endpoint: batches the due pools' reads, tallies, slows itself |

mod allowance;
mod egress;
#[cfg(test)]
mod fixture;
mod management;
mod rabbitmq;
mod redis;
mod room;
mod sampler;
mod secret;
mod signals;
mod stream;
mod tls;
pub mod url;

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

pub use egress::{Egress, Network, cluster_domain};
pub use rabbitmq::RabbitMqEndpoint;
pub use redis::RedisEndpoint;
pub use sampler::{Clock, SamplerHandle, spawn};
pub use secret::Secret;

use crate::model::{
    Application, BrokerKind, Hearing, Moment, PodIntents, Query, Reply, Roster, SampleError, Subscription, Tally,
};
pub use crate::model::{PoolId, Signal};

/// One broker with its credentials: what distinguishes endpoints from each other. Pools with equal addresses share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Redis or RabbitMQ.
    pub kind: Kind,
    /// Host name or IP address (without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name, where there is one.
    pub user: Option<String>,
    /// Password, where there is one.
    pub password: Option<Secret>,
    /// TLS, if the connection is to be encrypted.
    pub tls: Option<Tls>,
    /// RabbitMQ's management API, where the pool configures it.
    pub management: Option<Management>,
}

impl Address {
    /// The same queues: only the way in may differ.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.kind, &self.host, self.port) == (&other.kind, &other.host, other.port)
    }

    /// What a framework has to know of it.
    pub fn broker(&self) -> BrokerKind {
        match self.kind {
            Kind::Redis { db } => BrokerKind::Redis { db },
            Kind::RabbitMq { .. } => BrokerKind::RabbitMq {
                management: self.management.is_some(),
            },
        }
    }
}

/// Which protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Redis and its kin, one database.
    Redis {
        /// The database number.
        db: u32,
    },
    /// RabbitMQ, one virtual host.
    RabbitMq {
        /// The virtual host's name.
        vhost: String,
    },
}

/// How to verify the server and, perhaps, who we are. PEM texts, read from Secrets or ConfigMaps, never paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Certificates to trust instead of the system's.
    pub ca: Option<String>,
    /// Our certificate chain and key.
    pub identity: Option<(String, Secret)>,
    /// The name that the server's certificate must carry, if not the host.
    pub server_name: Option<String>,
}

/// RabbitMQ's management API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Management {
    /// `true`: https.
    pub https: bool,
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path prefix before `/api`, usually empty.
    pub path: String,
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// A connection to a broker that answers batches of reads. One per endpoint; it reconnects by itself.
pub trait Endpoint: Send {
    /// Asks all reads, in few round trips; one answer per read, in their order. Never hangs: every step has a deadline.
    fn sample(
        &mut self,
        reads: &[Query],
        moment: Moment,
    ) -> impl Future<Output = Vec<Result<Reply, SampleError>>> + Send;

    /// Listens to these from now on (more or fewer than before); subscriptions survive reconnects.
    fn listen(&mut self, to: Vec<Subscription>);

    /// Another number with each connection that is another one.
    fn connection(&self) -> u64;

    /// How it stands with one of the subscriptions.
    fn hearing(&self, to: &Subscription) -> Hearing;

    /// Waits for the next thing a worker says of itself. Never returns if nothing is listened to.
    fn next_signal(&mut self) -> impl Future<Output = Signal> + Send;
}

/// What the controller tells an endpoint's sampler.
#[derive(Debug)]
pub enum SamplerInput {
    /// Sample for this pool (again, if it was known: the application and the period are replaced).
    Add {
        /// The pool.
        id: PoolId,
        /// Whose work is counted.
        application: Application,
        /// How often.
        period: Duration,
    },
    /// Look after these pods of a pool closely, and after no others, from now on; its next sample comes at once.
    Intend {
        /// The pool.
        id: PoolId,
        /// The pods.
        attention: PodIntents,
    },
    /// These are the pods of a pool's target from now on.
    Roster {
        /// The pool.
        id: PoolId,
        /// The pods.
        roster: Roster,
    },
    /// Forget this pool.
    Remove {
        /// The pool.
        id: PoolId,
    },
}

/// What a sampler tells the controller: one pool's sample.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// The pool.
    pub id: PoolId,
    /// The count, or why there is none.
    pub result: Result<Arc<Tally>, SampleError>,
    /// When it was taken.
    pub at: Moment,
    /// How much longer than the pool's period the next one takes to come, because samples are dear at this endpoint.
    pub rest: Duration,
}

/// A random number, from the keys of the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
