//! Errors of reads from a broker.

use std::fmt;

/// Reason why a read failed: our own words, never the server's (but for the first word of an error, [`Word`]), and
/// never any part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum SampleError {
    /// The host name does not resolve.
    #[error("the broker's host name does not resolve: check the host in `spec.broker`")]
    Dns,
    /// The address is one where the operator must not connect: the same error for all of them, whatever is there.
    #[error(
        "the operator may not connect to this address: brokers are not on loopback, link-local, metadata or API server \
         addresses, and only in the networks of `--broker-cidr` (chart: `brokerCidrs`) where it is set; what shall be \
         allowed has to be named there"
    )]
    NotAllowed,
    /// Nothing listens at the address.
    #[error("the broker refuses the connection: check host and port in `spec.broker`")]
    Refused,
    /// No answer within the deadline.
    #[error("the broker did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the broker broke")]
    Disconnected,
    /// TLS was spoken to a plain port, or the server's hello is not TLS.
    #[error("the broker's port does not speak TLS: use redis:// or amqp:// without `spec.broker.tls`, or another port")]
    TlsNotSpoken,
    /// A plain connection to a port that wants TLS.
    #[error(
        "the broker's port seems to want TLS: use rediss:// or amqps://, or set `spec.broker.tls` (`{{}}` is enough)"
    )]
    TlsExpected,
    /// The certificate was refused.
    #[error("the broker's certificate is not trusted: check `spec.broker.tls` (caFrom, serverName)")]
    TlsCertificate,
    /// The server wants a client certificate, or refuses ours.
    #[error("the broker refuses the client certificate: check `spec.broker.tls` (clientCertFrom, clientKeyFrom)")]
    TlsIdentity,
    /// Wrong user or password.
    #[error("the broker refuses the user or the password that `spec.broker` gives")]
    Authentication,
    /// The user may not read this key, queue, channel or vhost.
    #[error(
        "the broker's permissions refuse this read: the rights are listed in docs/redis.md, docs/rabbitmq.md and docs/frameworks.md"
    )]
    Permission,
    /// The server's limit on connections is reached.
    #[error(
        "the broker allows no further connection: the limit of its virtual host, of the user or of the node is reached"
    )]
    TooManyConnections,
    /// The vhost or database does not exist.
    #[error("the virtual host or database number that `spec.broker` gives does not exist")]
    NoSuchVhost,
    /// A key is of another type than this framework writes.
    #[error("a queue's key holds another type of value: check `queues` and `broker.keyPrefix`")]
    WrongType,
    /// The server is loading, read-only, in recovery or blocked.
    #[error("the broker is not ready to answer")]
    NotReady,
    /// `LOADING`.
    #[error("Redis is loading its data from disk (`LOADING`)")]
    Loading,
    /// `READONLY`: a replica, or an old master that has become one.
    #[error("this Redis is a read-only replica (`READONLY`): `spec.broker` must lead to the master")]
    ReadOnly,
    /// `MASTERDOWN`.
    #[error("this Redis is a replica that has lost its master (`MASTERDOWN`)")]
    MasterDown,
    /// `NOREPLICAS`.
    #[error("Redis takes no writes because too few replicas are connected to it (`NOREPLICAS`)")]
    NoReplicas,
    /// `MISCONF`.
    #[error("Redis takes no writes because it cannot save its data to disk (`MISCONF`): see its own log")]
    Misconfigured,
    /// `BUSY`.
    #[error("Redis is busy with a script that does not end (`BUSY`)")]
    Busy,
    /// `TRYAGAIN`.
    #[error("Redis asks to be asked again (`TRYAGAIN`)")]
    TryAgain,
    /// `OOM`.
    #[error(
        "Redis is out of memory (`OOM`) and takes no writes, of tasks neither: raise its `maxmemory` or remove what fills it"
    )]
    OutOfMemory,
    /// `MOVED`, `ASK`, `CROSSSLOT`, `CLUSTERDOWN`: a node of a Redis Cluster.
    #[error(
        "this is a node of a Redis Cluster, which is not read: \
         `spec.broker` must lead to a Redis with cluster mode off"
    )]
    RedisCluster,
    /// A Sentinel, which knows where the master is and holds no data.
    #[error(
        "this port belongs to a Redis Sentinel, which holds no tasks: \
         `spec.broker` must lead to the master itself (a Service that follows it)"
    )]
    RedisSentinel,
    /// The key does not exist: Redis answers so to commands that need an existing key.
    #[error("the key does not exist")]
    NoSuchKey,
    /// A command that every Redis knows is unknown here, or hidden.
    #[error(
        "the broker does not know a command that the operator needs: it must be Redis 5 or newer, or Valkey, with no such command renamed"
    )]
    UnknownCommand,
    /// An error reply of a kind that has no name here.
    #[error("the broker answered with the error `{0}`, which the operator does not know: see the broker's own log")]
    ServerError(Word),
    /// More bytes than a reply may have.
    #[error("the broker's reply was larger than the operator accepts")]
    TooLarge,
    /// The number of messages is larger than is read.
    #[error(
        "more messages come where the workers' heartbeats are listened to than the operator reads (6,000 a second): \
         `heartbeatChannel` must be the channel of the workers' events alone"
    )]
    Flooded,
    /// The reply is not of the protocol, or a value is out of range.
    #[error("the broker's reply was not understood")]
    Protocol,
    /// The management API is needed and not configured or not usable.
    #[error("the management API did not give the queue's totals")]
    Management,
    /// The management API did not answer within the deadline.
    #[error("the management API does not answer: check host and port in `broker.management`, and what lies between")]
    ManagementTimeout,
    /// The management API refuses the user or the password, or the user lacks the tag.
    #[error("the management API refuses the user or the password: the user needs the tag `management`")]
    ManagementAuthentication,
    /// The management API cannot be reached.
    #[error("the management API cannot be reached: check host and port in `broker.management`")]
    ManagementUnreachable,
    /// The management API's TLS fails: TLS on a plain port, plain HTTP on a TLS port, or a certificate that is not
    /// trusted.
    #[error("the management API's TLS does not work: check https or http in `broker.management`, and `broker.tls`")]
    ManagementTls,
    /// The broker sent `connection.blocked`.
    #[error("RabbitMQ lets nobody publish, because it is short of memory or disk space")]
    Blocked,
    /// The reply is not believed: empty right after a reconnect. The broker is asked again.
    #[error("the broker was just reconnected: its first empty answer is not believed yet")]
    JustReconnected,
    /// The reply is not believed: neither messages nor consumers, where there were some a moment ago. The broker is
    /// asked again.
    #[error(
        "a queue that held messages says that it has none and no consumers: not believed yet, for RabbitMQ says the same of \
         a quorum queue whose leader does not answer"
    )]
    QueueUnsure,
    /// The broker has not been asked yet.
    #[error("the broker has not been asked yet")]
    NotYet,
}

impl SampleError {
    /// Whether the error means that there is no connection, or none that can be used: another address of the same
    /// broker may work.
    pub fn is_of_the_connection(self) -> bool {
        matches!(
            self,
            Self::Dns
                | Self::NotAllowed
                | Self::Refused
                | Self::Timeout
                | Self::Disconnected
                | Self::TlsNotSpoken
                | Self::TlsExpected
                | Self::TlsCertificate
                | Self::TlsIdentity
                | Self::Authentication
        )
    }

    /// Short, fixed label for metrics and condition reasons.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dns => "HostNotFound",
            Self::NotAllowed => "AddressNotAllowed",
            Self::Refused => "ConnectionRefused",
            Self::Timeout => "Timeout",
            Self::Disconnected => "Disconnected",
            Self::TlsNotSpoken => "TlsNotSpoken",
            Self::TlsExpected => "TlsExpected",
            Self::TlsCertificate => "CertificateNotTrusted",
            Self::TlsIdentity => "ClientCertificateRefused",
            Self::Authentication => "AuthenticationFailed",
            Self::Permission => "PermissionDenied",
            Self::TooManyConnections => "TooManyConnections",
            Self::NoSuchVhost => "NoSuchVirtualHost",
            Self::WrongType => "WrongKeyType",
            Self::NotReady => "BrokerNotReady",
            Self::Loading => "RedisLoading",
            Self::ReadOnly => "RedisReadOnly",
            Self::MasterDown => "RedisMasterDown",
            Self::NoReplicas => "RedisNoReplicas",
            Self::Misconfigured => "RedisMisconf",
            Self::Busy => "RedisBusy",
            Self::TryAgain => "RedisTryAgain",
            Self::OutOfMemory => "RedisOutOfMemory",
            Self::RedisCluster => "RedisCluster",
            Self::RedisSentinel => "RedisSentinel",
            Self::NoSuchKey => "NoSuchKey",
            Self::UnknownCommand => "UnknownCommand",
            Self::ServerError(_) => "ServerError",
            Self::TooLarge => "ReplyTooLarge",
            Self::Flooded => "TooManyMessages",
            Self::Protocol => "ProtocolError",
            Self::Management => "ManagementUnavailable",
            Self::ManagementTimeout => "ManagementTimeout",
            Self::ManagementAuthentication => "ManagementAuthenticationFailed",
            Self::ManagementUnreachable => "ManagementUnreachable",
            Self::ManagementTls => "ManagementTlsFailed",
            Self::Blocked => "RabbitMqBlocked",
            Self::JustReconnected => "JustReconnected",
            Self::QueueUnsure => "QueueUnsure",
            Self::NotYet => "NotSampledYet",
        }
    }

    /// Whether the error may pass by itself: nothing in the URL, the rights or the pool has to change.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::NotReady
                | Self::Loading
                | Self::ReadOnly
                | Self::MasterDown
                | Self::NoReplicas
                | Self::Misconfigured
                | Self::Busy
                | Self::TryAgain
                | Self::OutOfMemory
        )
    }

    /// Whether the right to do this is missing, or the command itself.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Permission | Self::UnknownCommand)
    }

    /// Whether the error is about one command only and will be the same next time: the fault is neither the
    /// connection's nor the server's.
    pub fn is_of_the_key(self) -> bool {
        self.is_refusal() || matches!(self, Self::WrongType | Self::TooLarge | Self::ServerError(_))
    }
}

/// Largest length of the first word of an error, in bytes, that is shown.
const WORD: usize = 12;

/// First word of an error reply, such as `NOSCRIPT`: the only word of a server that is shown. It consists of capital
/// letters; anything else becomes `ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word([u8; WORD]);

impl Default for Word {
    fn default() -> Self {
        Self::of("ERR")
    }
}

impl Word {
    /// Returns this word, or `ERR`.
    pub fn of(word: &str) -> Self {
        let fits = (1..=WORD).contains(&word.len()) && word.bytes().all(|letter| letter.is_ascii_uppercase());
        let word = if fits { word } else { "ERR" };
        let mut letters = [b' '; WORD];
        letters
            .iter_mut()
            .zip(word.bytes())
            .for_each(|(place, letter)| *place = letter);
        Self(letters)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end())
    }
}
