//! One AMQP connection: made within a deadline, never recovered by the library, ended with its [`OwnedConnection`].

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind,
    types::ShortString,
    uri::{AMQPAuthority, AMQPQueryString, AMQPUri, AMQPUserInfo},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    frames::FRAME_MAX,
    transport::{Guarded, Undigested, runtime},
};
use crate::{
    broker::{
        Address, Egress,
        stream::{self, Stream},
    },
    model::SampleError,
};

/// Name of the operator in the broker's list of connections.
const NAME: &str = "twp-operator";

/// Time to connect and log in.
const CONNECT: Duration = Duration::from_secs(3);

/// Seconds between the heartbeats of an idle connection; a peer that misses two is dead.
const HEARTBEAT: u16 = 30;

/// Largest number of channels, asked of the broker. The library uses no number again whose channel the broker closed
/// upon an error: a new channel of that number would fail with the old error. So each expected loss (no such queue, no
/// right) costs one, and the connection is made anew before they run out ([`OwnedConnection::is_worn`]).
const CHANNELS_MAX: u16 = 2047;

/// Time to close the connection properly.
const FAREWELL: Duration = Duration::from_secs(1);

/// Connection that others may use as long as its [`OwnedConnection`] lives.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// The connection.
    pub(super) connection: Arc<Connection>,
    /// Account that is charged less once arrived bytes were digested.
    pub(super) undigested: Undigested,
    /// Number of channels that were opened.
    opened: Arc<AtomicU32>,
}

impl Live {
    /// Opens a new channel.
    ///
    /// # Errors
    /// Error of the broker or the connection; [`ErrorKind::ChannelsLimitReached`] when the next numbers would be old
    /// ones.
    pub(super) async fn channel(&self) -> Result<Channel, lapin::Error> {
        if self.opened.fetch_add(1, Ordering::Relaxed) >= self.numbers() {
            return Err(ErrorKind::ChannelsLimitReached.into());
        }
        self.connection.create_channel().await
    }

    /// Number of channels that both sides agreed on; 0 sets no limit.
    fn numbers(&self) -> u32 {
        match self.connection.configuration().channel_max() {
            0 => CHANNELS_MAX.into(),
            agreed => agreed.min(CHANNELS_MAX).into(),
        }
    }
}

/// Owner of a connection: dropping it closes the connection properly, whatever the broker does.
#[derive(Debug)]
pub(super) struct OwnedConnection {
    live: Live,
    owner: Option<oneshot::Sender<Infallible>>,
}

impl OwnedConnection {
    /// Connection, to give away.
    pub(super) fn live(&self) -> Live {
        self.live.clone()
    }

    /// Whether neither side has closed it, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        self.live.connection.status().connected()
    }

    /// Whether half of the channel numbers are used up: time for a new connection.
    pub(super) fn is_worn(&self) -> bool {
        self.live.opened.load(Ordering::Relaxed) >= self.live.numbers() / 2
    }

    /// Whether all channel numbers are used up: no channel can be opened any more.
    pub(super) fn is_worn_out(&self) -> bool {
        self.live.opened.load(Ordering::Relaxed) >= self.live.numbers()
    }
}

impl Drop for OwnedConnection {
    fn drop(&mut self) {
        let (connection, owner) = (Arc::clone(&self.live.connection), self.owner.take());
        // Without a runtime the process ends, and the connection with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _told_or_not = timeout(FAREWELL, connection.close(200, "bye".into())).await;
                drop(owner);
            });
        }
    }
}

/// Connects and logs in, all within three seconds.
///
/// # Errors
/// Reason why the broker does not accept the connection, never in its words.
pub(super) async fn connect(egress: &Egress, address: &Address, vhost: &str) -> Result<OwnedConnection, SampleError> {
    short(vhost).ok_or(SampleError::NoSuchVhost)?;
    let connecting = async {
        let stream = stream::connect(egress, &address.host, address.port, address.tls.as_ref(), CONNECT).await?;
        log_in(stream, address, vhost).await
    };
    timeout(CONNECT, connecting).await.unwrap_or(Err(SampleError::Timeout))
}

/// The AMQP handshake.
async fn log_in(stream: Stream, address: &Address, vhost: &str) -> Result<OwnedConnection, SampleError> {
    let undigested = Undigested::default();
    let (owner, owned) = oneshot::channel();
    let stream = Mutex::new(Some(Guarded::new(stream, undigested.clone(), owned)));
    // `lapin` asks again only to reconnect by itself, which it must not.
    let connector = async move |_, _| {
        let stream = stream.lock().ok().and_then(|mut stream| stream.take());
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        Ok(AsyncTcpStream::Plain(stream))
    };
    let properties = ConnectionProperties::default().with_connection_name(NAME.into());
    let connection = Connection::connector(uri(address, vhost), runtime(), connector, properties).await;
    Ok(OwnedConnection {
        live: Live {
            connection: Arc::new(connection.map_err(|error| refused(&error))?),
            undigested,
            opened: Arc::default(),
        },
        owner: Some(owner),
    })
}

/// Settings that `lapin` needs; where to connect to is decided already.
fn uri(address: &Address, vhost: &str) -> AMQPUri {
    let password = address.password.as_ref().map_or("", |password| password.expose());
    AMQPUri {
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: address.user.clone().unwrap_or_default(),
                password: password.to_owned(),
            },
            ..AMQPAuthority::default()
        },
        vhost: vhost.to_owned(),
        query: AMQPQueryString {
            frame_max: Some(FRAME_MAX),
            channel_max: Some(CHANNELS_MAX),
            heartbeat: Some(HEARTBEAT),
            ..AMQPQueryString::default()
        },
        ..AMQPUri::default()
    }
}

/// Name in the protocol; `None`: it has more than 255 bytes, so nothing of that name can exist.
pub(super) fn short(name: &str) -> Option<ShortString> {
    ShortString::try_new(name).ok()
}

/// Reply codes of AMQP 0-9-1 (1.1) as RabbitMQ uses them.
mod code {
    pub(super) const CONNECTION_FORCED: u16 = 320;
    pub(super) const INVALID_PATH: u16 = 402;
    pub(super) const ACCESS_REFUSED: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const RESOURCE_LOCKED: u16 = 405;
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    pub(super) const RESOURCE_ERROR: u16 = 506;
    pub(super) const NOT_ALLOWED: u16 = 530;
    pub(super) const INTERNAL_ERROR: u16 = 541;
}

/// Meaning of an error at login. The text is checked because RabbitMQ gives a missing virtual host, a forbidden and a
/// stopped one the same code; it is never shown.
fn refused(error: &lapin::Error) -> SampleError {
    let ErrorKind::ProtocolError(amqp) = error.kind() else {
        return broken(error);
    };
    let says = |word: &str| amqp.get_message().as_str().contains(word);
    match amqp.get_id() {
        code::ACCESS_REFUSED => SampleError::Authentication,
        code::INVALID_PATH => SampleError::NoSuchVhost,
        code::NOT_ALLOWED if says("not found") => SampleError::NoSuchVhost,
        // "connection limit (3) is reached" (virtual host, user), "… connection limit … is exceeded" (node).
        code::NOT_ALLOWED if says("limit") => SampleError::TooManyConnections,
        code::NOT_ALLOWED if says("refused") => SampleError::Permission,
        code::NOT_ALLOWED => SampleError::NotReady,
        _ => broken(error),
    }
}

/// Meaning of an error on an open connection or one of its channels.
pub(super) fn broken(error: &lapin::Error) -> SampleError {
    match error.kind() {
        ErrorKind::IOError(io) => stream::classify(io),
        ErrorKind::ProtocolError(amqp) => match amqp.get_id() {
            code::ACCESS_REFUSED => SampleError::Permission,
            // A 404 that does not say what is missing: the queue is there, but its process or its node is not.
            code::CONNECTION_FORCED
            | code::NOT_FOUND
            | code::RESOURCE_LOCKED
            | code::RESOURCE_ERROR
            | code::INTERNAL_ERROR => SampleError::NotReady,
            _ => SampleError::Protocol,
        },
        ErrorKind::ParsingError(_) | ErrorKind::SerialisationError(_) | ErrorKind::InvalidProtocolVersion(_) => {
            SampleError::Protocol
        }
        ErrorKind::ChannelsLimitReached => SampleError::NotReady,
        ErrorKind::MissingHeartbeatError => SampleError::Timeout,
        _ => SampleError::Disconnected,
    }
}

/// Whether the channel was closed because the object does not exist. The text has to say so: RabbitMQ uses the same
/// code for a queue whose node is down, whose process is stopped or crashed, or that does not answer in time.
pub(super) fn is_missing(error: &lapin::Error) -> bool {
    let says = |thing: &str| words(error).starts_with(&format!("NOT_FOUND - no {thing} '"));
    has_code(error, code::NOT_FOUND) && (says("queue") || says("exchange"))
}

/// Whether the channel was closed because of a missing right.
pub(super) fn is_forbidden(error: &lapin::Error) -> bool {
    has_code(error, code::ACCESS_REFUSED)
}

/// Whether the channel was closed because the object to declare exists and is of another kind.
pub(super) fn exists_otherwise(error: &lapin::Error) -> bool {
    has_code(error, code::PRECONDITION_FAILED)
}

fn has_code(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(amqp) if amqp.get_id() == code)
}

/// Text of the broker's error, to check, never to show.
pub(super) fn words(error: &lapin::Error) -> &str {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) => amqp.get_message().as_str(),
        _ => "",
    }
}
