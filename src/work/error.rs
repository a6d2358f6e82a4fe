//! Why a broker could not be read.

/// Why a read failed: our own words, never the server's, and never anything of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum SampleError {
    /// The host name does not resolve.
    #[error("the broker's host name does not resolve: check the host in the broker URL")]
    Dns,
    /// Nothing listens there.
    #[error("the broker refuses the connection: check host and port in the broker URL")]
    Refused,
    /// No answer within the deadline.
    #[error("the broker did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the broker broke")]
    Disconnected,
    /// TLS was spoken to a plain port, or the server's hello is not TLS.
    #[error("the broker's port does not speak TLS: use redis:// or amqp:// or another port")]
    TlsNotSpoken,
    /// A plain connection to a port that wants TLS.
    #[error("the broker's port seems to want TLS: use rediss:// or amqps://")]
    TlsExpected,
    /// The certificate was refused.
    #[error("the broker's certificate is not trusted: check `spec.broker.tls` (caFrom, serverName)")]
    TlsCertificate,
    /// The server wants a client certificate, or refuses ours.
    #[error("the broker refuses the client certificate: check `spec.broker.tls` (clientCertFrom, clientKeyFrom)")]
    TlsIdentity,
    /// Wrong user or password.
    #[error("the broker refuses the user or the password in the broker URL")]
    Authentication,
    /// The user may not read this key, queue, channel or vhost.
    #[error("the broker's permissions refuse this read: see the README for the rights that are needed")]
    Permission,
    /// The vhost or database does not exist.
    #[error("the virtual host or database number in the broker URL does not exist")]
    NoSuchVhost,
    /// A key is of another type than this framework writes.
    #[error("a queue's key holds another type of value: check `queues` and `broker.keyPrefix`")]
    WrongType,
    /// The server is loading, read-only, in recovery or blocked.
    #[error("the broker is not ready to answer")]
    NotReady,
    /// More bytes than a reply may have.
    #[error("the broker's reply was larger than the operator accepts")]
    TooLarge,
    /// Not the protocol, or a value out of range.
    #[error("the broker's reply was not understood")]
    Protocol,
    /// The management API is needed and not configured or not usable.
    #[error("the management API did not give the queue's totals")]
    Management,
    /// Not believed: empty right after a reconnect; asked again.
    #[error("the broker was just reconnected: its first empty answer is not believed yet")]
    JustReconnected,
    /// Not asked yet.
    #[error("the broker has not been asked yet")]
    NotYet,
}

impl SampleError {
    /// There is no connection, or none that could be used: another address of the same broker may give one.
    pub fn is_of_the_connection(self) -> bool {
        matches!(
            self,
            Self::Dns
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

    /// A short, fixed label for metrics and condition reasons.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dns => "HostNotFound",
            Self::Refused => "ConnectionRefused",
            Self::Timeout => "Timeout",
            Self::Disconnected => "Disconnected",
            Self::TlsNotSpoken => "TlsNotSpoken",
            Self::TlsExpected => "TlsExpected",
            Self::TlsCertificate => "CertificateNotTrusted",
            Self::TlsIdentity => "ClientCertificateRefused",
            Self::Authentication => "AuthenticationFailed",
            Self::Permission => "PermissionDenied",
            Self::NoSuchVhost => "NoSuchVirtualHost",
            Self::WrongType => "WrongKeyType",
            Self::NotReady => "BrokerNotReady",
            Self::TooLarge => "ReplyTooLarge",
            Self::Protocol => "ProtocolError",
            Self::Management => "ManagementUnavailable",
            Self::JustReconnected => "JustReconnected",
            Self::NotYet => "NotSampledYet",
        }
    }
}
