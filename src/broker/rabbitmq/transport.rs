//! Transport for `lapin`: a [`Stream`] with the guards that a hostile broker needs: no frame larger than agreed, no
//! body of a message that is too large, no more bytes than can be digested, and an end even if the broker never
//! answers.
//!
//! `lapin` buffers whatever arrives, parses a frame before it checks its size, and keeps the thread of a connection
//! whose handshake hangs. So all three are cut off here, below it.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures::io::{AsyncRead, AsyncWrite};
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    sync::oneshot,
};

use super::frames::Frames;
use crate::{broker::stream::Stream, model::SampleError};

/// Number of bytes that may have arrived without being digested: more is a flood.
const UNDIGESTED_MAX: u64 = 16 << 20;

/// Number of bytes read at once.
const READ: usize = 16 << 10;

/// Runtime for `lapin`: tokio's, over guarded streams.
pub(super) type Kit = RuntimeParts<Tokio, Streams>;

/// The current tokio runtime in the form that `lapin` needs.
pub(super) fn runtime() -> Runtime<Kit> {
    Runtime::new(RuntimeParts::new(Tokio::current(), Streams(Tokio::current())))
}

/// Number of bytes that arrived and were not digested. Clones share one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Undigested(Arc<AtomicU64>);

impl Undigested {
    /// Subtracts bytes that arrived and are done with.
    pub(super) fn digested(&self, bytes: usize) {
        let take = |owed: u64| Some(owed.saturating_sub(bytes as u64));
        // The update always yields a value, so it cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    }

    fn arrived(&self, bytes: usize) -> io::Result<()> {
        let before = self.0.fetch_add(bytes as u64, Ordering::Relaxed);
        match before.saturating_add(bytes as u64) <= UNDIGESTED_MAX {
            true => Ok(()),
            false => Err(io::Error::other(SampleError::TooLarge)),
        }
    }
}

/// Guarded [`Stream`].
pub(super) struct Guarded {
    stream: Stream,
    frames: Frames,
    /// Arrived bytes that may be read.
    passed: Vec<u8>,
    undigested: Undigested,
    /// Fails when the owner of the connection drops its half.
    owner: oneshot::Receiver<Infallible>,
    ended: bool,
}

impl Guarded {
    /// Guards `stream`, which ends when `owner`'s other half is dropped.
    pub(super) fn new(stream: Stream, undigested: Undigested, owner: oneshot::Receiver<Infallible>) -> Self {
        // The account of undigested bytes takes the place of the stream's own budget.
        stream.budget().arm(u64::MAX);
        Self {
            stream,
            frames: Frames::default(),
            passed: Vec::new(),
            undigested,
            owner,
            ended: false,
        }
    }

    /// Error once the owner has dropped its half.
    fn owned(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.ended = self.ended || Pin::new(&mut self.owner).poll(cx).is_ready();
        match self.ended {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.owned(cx)?;
        let mut arrived = [0; READ];
        while self.passed.is_empty() {
            let mut here = ReadBuf::new(&mut arrived);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut here))?;
            if here.filled().is_empty() {
                return Poll::Ready(Ok(0));
            }
            let Self { frames, passed, .. } = &mut *self;
            frames.pass(here.filled(), passed).map_err(io::Error::other)?;
            let bytes = self.passed.len();
            self.undigested.arrived(bytes)?;
        }
        let bytes = buf.len().min(self.passed.len());
        for (slot, byte) in buf.iter_mut().zip(self.passed.drain(..bytes)) {
            *slot = byte;
        }
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Part of the runtime that makes streams. The streams are made beforehand, so it only keeps time.
#[derive(Clone, Debug)]
pub(super) struct Streams(Tokio);

impl Reactor for Streams {
    type TcpStream = Guarded;
    type Sleep = tokio::time::Sleep;

    fn register<H: Send + 'static>(&self, _: H) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Guarded, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl futures::Stream<Item = std::time::Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undigested_bytes_are_bounded() {
        let account = Undigested::default();
        assert!(account.arrived(10 << 20).is_ok());
        account.digested(5 << 20);
        assert!(account.arrived(10 << 20).is_ok());
        assert!(account.arrived(10 << 20).is_err());
        account.digested(usize::MAX);
        assert!(account.arrived(10 << 20).is_ok());
    }
}
