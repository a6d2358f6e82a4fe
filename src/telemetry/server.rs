//! The operator's HTTP servers: one for Prometheus, one for the kubelet, perhaps one for people; each with a port and
//! places of its own.
//!
//! No connection waits for another one to end. Each is accepted at once and has a second for its request. When all
//! places are taken, the one that has been silent longest is closed for the new one. So a client that sends its request
//! at once is answered, however many others connect and send nothing.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::yield_now,
    time::{sleep, timeout},
};

use super::metrics;

/// Time within which a client must have sent its request's headers.
const REQUEST: Duration = Duration::from_secs(1);
/// Longest life of a connection: a client cannot take for ever to read the answer either.
const CONNECTION: Duration = Duration::from_secs(10);
/// Largest size of a request's line and headers, in bytes.
const HEADER_BYTES: usize = 8 * 1024;
/// Number of connections that have not sent their request yet; one more, and the oldest is closed.
const PLACES: usize = 128;
/// Number of connections that the system keeps until they are accepted: more than come while this process does not get
/// to run.
const BACKLOG: u32 = 1024;
/// Pause after a failed `accept` (out of file descriptors, for example).
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Content of a server; clones share it.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answer to this GET.
    fn answer(&self, request: &Request<()>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Listens on this address.
///
/// # Errors
/// The address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As `TcpListener::bind` does: the port is free again as soon as its owner has ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers on `listener`, for ever.
pub async fn serve(listener: TcpListener, answers: impl Handler) {
    let silent = Arc::new(Silent::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let place = silent.enter();
                tokio::spawn(connection(stream, answers.clone(), place));
            }
            Err(error) => {
                tracing::debug!(kind = %error.kind(), "a connection was not accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
        // All others get a turn between two of them: a burst must not close one whose request is there already.
        yield_now().await;
    }
}

/// Answers one connection's request. Errors are the client's, and ignored.
async fn connection(stream: TcpStream, answers: impl Handler, place: SilentPlace) {
    let service = service_fn(|request: Request<Incoming>| {
        place.leave();
        let answers = &answers;
        // Request bodies are not read.
        let request = request.map(drop);
        async move { Ok::<_, Infallible>(answer(&request, answers).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(2 * HEADER_BYTES)
        // An idle connection would hold a place; a new one costs little.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        // First: a request that came in the last moment is still answered.
        _ = timeout(CONNECTION, serving) => {}
        () = place.gone.notified() => {}
    }
}

/// Answer to one request.
async fn answer(request: &Request<()>, answers: &impl Handler) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    answers.answer(request).await
}

/// Response of plain text; the metrics' content type is plain text with a version, which probes do not mind.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Connections that have not sent their request yet.
#[derive(Debug, Default)]
struct Silent(Mutex<SilentQueue>);

/// Signals that close each of them, by number; the lowest has waited longest.
#[derive(Debug, Default)]
struct SilentQueue {
    next: u64,
    gone: BTreeMap<u64, Arc<Notify>>,
}

impl Silent {
    /// Takes a place; if there is none, the oldest connection is closed.
    fn enter(self: &Arc<Self>) -> SilentPlace {
        let mut queue = self.queue();
        if queue.gone.len() >= PLACES
            && let Some((_, oldest)) = queue.gone.pop_first()
        {
            oldest.notify_one();
        }
        let (number, gone) = (queue.next, Arc::new(Notify::new()));
        queue.next += 1;
        queue.gone.insert(number, gone.clone());
        SilentPlace {
            silent: self.clone(),
            number,
            gone,
        }
    }

    /// Access to the queue. Each change is one step, so a panic elsewhere leaves nothing half done.
    fn queue(&self) -> MutexGuard<'_, SilentQueue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Place of one connection among the silent ones.
#[derive(Debug)]
struct SilentPlace {
    silent: Arc<Silent>,
    number: u64,
    /// Notified when a newer connection has the place.
    gone: Arc<Notify>,
}

impl SilentPlace {
    /// Leaves the silent ones, because the request is there: the connection is no longer closed for being silent.
    fn leave(&self) {
        self.silent.queue().gone.remove(&self.number);
    }
}

impl Drop for SilentPlace {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
