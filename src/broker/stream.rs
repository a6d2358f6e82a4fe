//! Connection to a broker, plain or TLS: made within a deadline, and never reading more bytes than it was allowed.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use rustls::{AlertDescription, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Egress, Tls, tls::client_config};
use crate::model::SampleError;

/// Number of bytes that a fresh connection may read before its budget is armed: enough for any broker's greeting.
const GREETING: u64 = 256 << 10;

/// Time for which one of several addresses is tried alone, before the next one is tried as well.
const HEAD_START: Duration = Duration::from_millis(300);

/// First bytes of a TLS alert: the answer of a TLS port to a client that does not speak TLS.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// Connects to `host`, which may be a name or an IP address, if `egress` allows it; the whole, with the TLS handshake, takes
/// `deadline` at most.
///
/// # Errors
/// Reason why the connection cannot be made: [`SampleError::Dns`], `NotAllowed`, `Refused`, `Timeout`, `Disconnected`
/// or one of the TLS errors.
pub async fn connect(
    egress: &Egress,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    deadline: Duration,
) -> Result<Stream, SampleError> {
    let connecting = async {
        let tcp = connect_tcp(egress, host, port, deadline.mul_f32(0.8)).await?;
        Ok(Stream::new(match tls {
            Some(tls) => Transport::Tls(Box::new(handshake(tcp, host, tls).await?)),
            None => Transport::Plain(tcp),
        }))
    };
    timeout(deadline, connecting).await.unwrap_or(Err(SampleError::Timeout))
}

/// Looks the host up and connects to one of its addresses. A name server that does not answer for a name (many do not,
/// for names outside the cluster) is a different error than a broker that does not answer. Nothing is sent to an
/// address that is not allowed, so that nobody can find out what is there.
async fn connect_tcp(egress: &Egress, host: &str, port: u16, deadline: Duration) -> Result<TcpStream, SampleError> {
    let found = lookup(&egress.absolute(host), port, deadline).await;
    if found.is_empty() {
        return Err(SampleError::Dns);
    }
    let mut api_server = Vec::new();
    for host in egress.api_server() {
        let addresses = lookup(host, port, deadline).await;
        api_server.extend(addresses.iter().map(SocketAddr::ip));
    }
    let is_allowed = |address: &SocketAddr| egress.allows(address.ip(), &api_server);
    match found.into_iter().filter(is_allowed).collect::<Vec<_>>().as_slice() {
        [] => Err(SampleError::NotAllowed),
        allowed => connect_any(allowed, deadline).await,
    }
}

/// Addresses of a host; none if there are none, or no name server answers.
async fn lookup(host: &str, port: u16, deadline: Duration) -> Vec<SocketAddr> {
    match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => match timeout(deadline, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            _ => Vec::new(),
        },
    }
}

/// Connects to the first of these addresses that answers, in their order: one that is silent gets a head start and no
/// more, because it may be the address of a machine that is gone. The last error counts.
async fn connect_any(addresses: &[SocketAddr], deadline: Duration) -> Result<TcpStream, SampleError> {
    let among = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let head_start = HEAD_START.min(deadline / among);
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = SampleError::Dns;
    loop {
        attempts.extend(waiting.next().map(|address| TcpStream::connect(*address)));
        let first = match waiting.len() {
            0 => attempts.next().await,
            _ => match timeout(head_start, attempts.next()).await {
                Ok(first) => first,
                Err(_) => continue,
            },
        };
        match first {
            Some(Ok(tcp)) => {
                // Small questions that must not wait for each other; without it they are slower, not wrong.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Some(Err(error)) => failed = classify(&error),
            None => return Err(failed),
        }
    }
}

/// Speaks TLS and verifies the server under `tls.server_name`, else under `host`.
async fn handshake(tcp: TcpStream, host: &str, tls: &Tls) -> Result<TlsStream<TcpStream>, SampleError> {
    let config = client_config(tls)?;
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned()).map_err(|_| SampleError::TlsCertificate)?;
    let connected = TlsConnector::from(config).connect(name, tcp).await;
    connected.map_err(|error| classify(&error))
}

/// Meaning of an IO error of a [`Stream`].
pub fn classify(error: &io::Error) -> SampleError {
    if let Some(inner) = error.get_ref() {
        if let Some(ours) = inner.downcast_ref::<SampleError>() {
            return *ours;
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return classify_tls(tls);
        }
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => SampleError::Refused,
        io::ErrorKind::TimedOut => SampleError::Timeout,
        _ => SampleError::Disconnected,
    }
}

/// Meaning of a TLS error: whose certificate was refused, or that the other side does not speak TLS.
fn classify_tls(error: &rustls::Error) -> SampleError {
    match error {
        rustls::Error::InvalidMessage(_) => SampleError::TlsNotSpoken,
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType => SampleError::TlsCertificate,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => SampleError::TlsIdentity,
        _ => SampleError::Protocol,
    }
}

/// Number of bytes that a [`Stream`] may still read. Clones share one account.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// Allows `bytes` from now on, whatever was left.
    pub fn arm(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Number of bytes that are left.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes `bytes` off; an error if there were fewer.
    fn spend(&self, bytes: u64) -> io::Result<()> {
        let take = |left: u64| Some(left.saturating_sub(bytes));
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(left) if left >= bytes => Ok(()),
            _ => Err(io::Error::other(SampleError::TooLarge)),
        }
    }
}

/// Connection whose reads beyond its [`Budget`] fail with an error that [`classify`] knows as
/// [`SampleError::TooLarge`].
pub struct Stream {
    transport: Transport,
    budget: Budget,
    /// Whether nothing was read yet.
    fresh: bool,
}

/// Transport of the bytes.
enum Transport {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            budget: Budget(Arc::new(AtomicU64::new(GREETING))),
            fresh: true,
        }
    }

    /// Handle that allows more bytes, also after the stream itself was given away.
    pub fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Charges what one read brought; checks the first bytes of a plain connection for a TLS alert.
    fn account(&mut self, read: &[u8]) -> io::Result<()> {
        let first = std::mem::take(&mut self.fresh);
        if first && matches!(self.transport, Transport::Plain(_)) && read.starts_with(&TLS_ALERT) {
            return Err(io::Error::other(SampleError::TlsExpected));
        }
        self.budget.spend(read.len() as u64)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.transport {
            Transport::Plain(_) => "Stream(plain)",
            Transport::Tls(_) => "Stream(tls)",
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Transport::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        })?;
        let accounted = self.account(buf.filled().get(before..).unwrap_or_default());
        if accounted.is_err() {
            // A reader that fails must not have filled anything.
            buf.set_filled(before);
        }
        Poll::Ready(accounted)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Transport::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
