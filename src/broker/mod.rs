//! Brokers: sends [`Query`]s and returns [`Reply`]s. Knows no framework's layout and no Kubernetes.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the seam: [`Endpoint`], [`Address`] |
//! | `url.rs` | broker URLs, parsed as the application's own library parses them (pure) |
//! | `secret.rs` | text that no log, error or `Debug` shows |
//! | `egress.rs` | where connections may go (pure) |
//! | `task.rs` | tasks that end with their owner |
//! | `tls.rs`, `stream.rs` | TCP and TLS streams with deadlines and a byte cap |
//! | `redis/` | commands, scans, heartbeats and remote control on Redis |
//! | `rabbitmq/` | passive declares, heartbeats and remote control on RabbitMQ |
//! | `management.rs` | RabbitMQ's management API, totals form only |
//! | `allowance.rs` | limits on what is read of the workers' messages |
//! | `room.rs`, `signals.rs` | limits on what is kept of the workers' messages in the process; their way to the sampler |
//! | `sampler.rs` | one task per endpoint: batches the reads of the pools that are due, tallies, slows down where samples are expensive |

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
mod task;
mod tls;
pub mod url;

use std::{
    fmt,
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

/// Address of one broker, with its credentials. Pools with equal addresses share one endpoint.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Protocol: Redis or RabbitMQ.
    pub kind: Kind,
    /// Host name or IP address (without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name, where there is one.
    pub user: Option<String>,
    /// Password, where there is one.
    pub password: Option<Secret>,
    /// TLS settings, if the connection is encrypted.
    pub tls: Option<Tls>,
    /// RabbitMQ's management API, where the pool configures it.
    pub management: Option<Management>,
}

impl Address {
    /// Whether both addresses lead to the same queues: only the credentials may differ.
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

impl Kind {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Redis { .. } => "Redis",
            Self::RabbitMq { .. } => "RabbitMQ",
        }
    }
}

/// Protocol of a broker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Redis and compatible servers, one database.
    Redis {
        /// Number of the database.
        db: u32,
    },
    /// RabbitMQ, one virtual host.
    RabbitMq {
        /// Name of the virtual host.
        vhost: String,
    },
}

/// TLS settings: the authorities to trust and, perhaps, the client certificate. PEM texts, read from Secrets or
/// ConfigMaps, never paths.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Certificates to trust instead of the system's.
    pub ca: Option<String>,
    /// Client certificate chain and key.
    pub identity: Option<(String, Secret)>,
    /// Name that the server's certificate must carry, if not the host.
    pub server_name: Option<String>,
}

/// RabbitMQ's management API.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Management {
    /// Whether the connection uses https.
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

/// `Debug` that shows nothing but the name: each field may have come from a Secret.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(concat!("[", stringify!($name), "]"))
            }
        }
    )*};
}
hidden!(Address, Kind, Tls, Management);

/// Connection to a broker that answers batches of reads. One per endpoint; it reconnects by itself.
pub trait Endpoint: Send {
    /// Asks all reads, in few round trips; one answer per read, in their order. Never hangs: every step has a deadline.
    fn sample(
        &mut self,
        reads: &[Query],
        moment: Moment,
    ) -> impl Future<Output = Vec<Result<Reply, SampleError>>> + Send;

    /// Listens to these subscriptions from now on (more or fewer than before); they survive reconnects.
    fn listen(&mut self, to: Vec<Subscription>);

    /// Number of the connection: another one after each reconnect.
    fn connection(&self) -> u64;

    /// State of one of the subscriptions.
    fn hearing(&self, to: &Subscription) -> Hearing;

    /// Waits for the next signal of a worker. Never returns if nothing is listened to.
    fn next_signal(&mut self) -> impl Future<Output = Signal> + Send;
}

/// Input of an endpoint's sampler, from the controller.
#[derive(Debug)]
pub enum SamplerInput {
    /// Sample for this pool (again, if it was known: the application and the period are replaced).
    Add {
        /// Id of the pool.
        id: PoolId,
        /// Application whose work is counted.
        application: Application,
        /// Time between two samples.
        period: Duration,
    },
    /// Carry out these intents for pods of a pool, and no others, from now on; its next sample comes at once.
    Intend {
        /// Id of the pool.
        id: PoolId,
        /// Intents, by pod.
        intents: PodIntents,
    },
    /// Count these queues of the pool from now on, and forget nothing else; its next sample comes at once.
    Queues {
        /// Id of the pool.
        id: PoolId,
        /// Names of the queues.
        queues: Vec<String>,
    },
    /// Use this roster of the pool's target from now on.
    Roster {
        /// Id of the pool.
        id: PoolId,
        /// Pods of the target.
        roster: Roster,
    },
    /// Forget this pool.
    Remove {
        /// Id of the pool.
        id: PoolId,
    },
}

/// Output of a sampler, for the controller: one sample of one pool.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Id of the pool.
    pub id: PoolId,
    /// Tally, or the error.
    pub result: Result<Arc<Tally>, SampleError>,
    /// Time of the sample.
    pub at: Moment,
    /// Duration of the sample, whatever came of it.
    pub took: Duration,
    /// Time by which the next sample comes later than the pool's period, because samples are expensive at this
    /// endpoint.
    pub rest: Duration,
}

/// Time for a connection that is made only to see whether it can be.
const REACH: Duration = Duration::from_secs(5);

/// Connects to this address as its endpoint does, with TLS where it is wanted, says nothing, and closes the connection.
///
/// # Errors
/// The first step that fails: `Dns`, `NotAllowed`, `Refused`, `Timeout`, `Disconnected`, or an error of TLS.
pub async fn reach(address: &Address, egress: &Egress) -> Result<(), SampleError> {
    let Address { host, port, tls, .. } = address;
    stream::connect(egress, host, *port, tls.as_ref(), REACH)
        .await
        .map(drop)
}

/// The pause, of which the last half is random, so that many that failed together do not come back together.
fn scattered(pause: Duration) -> Duration {
    let share = u32::try_from(random() % 500).unwrap_or(0);
    pause * (500 + share) / 1000
}

/// A random number, from the keys of the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
