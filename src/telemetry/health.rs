//! The operator's own HTTP server: `/metrics` for Prometheus, `/livez` and `/readyz` for the kubelet.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fmt::Write,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::metrics::{self, Metrics};

/// The main loop has hung if it has not beaten for so long.
const HUNG: Duration = Duration::from_secs(60);
/// A client must have sent a request's headers within this time; also how long an idle connection stays open.
const HEADERS: Duration = Duration::from_secs(5);
/// No connection lives longer, whatever it does: it may not read its response for ever either.
const CONNECTION: Duration = Duration::from_secs(300);
/// A request's line and headers may have so many bytes.
const HEADER_BYTES: usize = 8 * 1024;
/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS: usize = 64;
/// How long to wait after a failed `accept` (out of file descriptors, say).
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// What the probes ask about; clones share it.
///
/// A replica that stands by is ready, and alive although its main loop does not run: liveness is judged from the first
/// beat on.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

/// The last beat, and what is not ready.
#[derive(Debug, Default)]
struct State {
    beat: Option<Instant>,
    waiting: BTreeSet<String>,
}

impl Health {
    /// The main loop turns.
    pub fn beat(&self, now: Instant) {
        self.state().beat = Some(now);
    }

    /// Not ready: waits for this, said as a sentence ("the CRD … is not installed").
    pub fn waiting(&self, what: &str) {
        self.state().waiting.insert(what.to_owned());
    }

    /// Waits for this no longer.
    pub fn ready(&self, what: &str) {
        self.state().waiting.remove(what);
    }

    /// Whether the main loop turns.
    fn alive(&self, now: Instant) -> bool {
        let beat = self.state().beat;
        beat.is_none_or(|beat| now.saturating_duration_since(beat) <= HUNG)
    }

    /// What is not ready, one line each.
    fn missing(&self) -> String {
        let mut lines = String::new();
        for what in &self.state().waiting {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{what}");
        }
        lines
    }

    /// Each change is one step, so a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers on `listener` until `shutdown` resolves; then it accepts no more and returns at once.
pub async fn serve(listener: TcpListener, metrics: Metrics, health: Health, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut shutdown => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let answers = connection(stream, metrics.clone(), health.clone());
                tokio::spawn(async move {
                    let _permit = permit;
                    answers.await;
                });
            }
            Err(error) => {
                tracing::debug!(kind = %error.kind(), "a connection to the metrics port was not accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Answers one connection's requests. What goes wrong is the client's trouble.
async fn connection(stream: TcpStream, metrics: Metrics, health: Health) {
    let service = service_fn(move |request: Request<_>| {
        let response = answer(
            request.method(),
            request.uri().path(),
            &metrics,
            &health,
            Instant::now(),
        );
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(2 * HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION, serving).await;
}

/// The answer to one request. Request bodies are not read.
fn answer(method: &Method, path: &str, metrics: &Metrics, health: &Health, now: Instant) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    match path {
        "/metrics" => match metrics.text() {
            Ok(series) => text(StatusCode::OK, series),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n".into(),
            ),
        },
        "/livez" if health.alive(now) => text(StatusCode::OK, "ok\n".into()),
        "/livez" => {
            let hung = format!("the main loop has not turned for {} s\n", HUNG.as_secs());
            text(StatusCode::SERVICE_UNAVAILABLE, hung)
        }
        "/readyz" => match health.missing() {
            missing if missing.is_empty() => text(StatusCode::OK, "ok\n".into()),
            missing => text(StatusCode::SERVICE_UNAVAILABLE, missing),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n".into()),
    }
}

/// A response of plain text; the metrics' content type is plain text with a version, which probes do not mind.
fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    use super::*;

    fn status(health: &Health, path: &str, now: Instant) -> u16 {
        let metrics = Metrics::new("test");
        answer(&Method::GET, path, &metrics, health, now).status().as_u16()
    }

    #[tokio::test]
    async fn alive_until_the_main_loop_hangs() {
        let (health, now) = (Health::default(), Instant::now());
        let later = now + HUNG + Duration::from_secs(1);
        assert_eq!(status(&health, "/livez", later), 200, "a replica that stands by");
        health.beat(now);
        assert_eq!(status(&health, "/livez", now + HUNG), 200);
        assert_eq!(status(&health, "/livez", later), 503);
        health.beat(later);
        assert_eq!(status(&health, "/livez", later), 200);
    }

    #[tokio::test]
    async fn ready_when_nothing_is_waited_for() {
        let (health, now) = (Health::default(), Instant::now());
        assert_eq!(status(&health, "/readyz", now), 200);
        health.waiting("the CRD is not installed");
        health.waiting("the pools are not listed yet");
        assert_eq!(status(&health, "/readyz", now), 503);
        assert_eq!(
            health.missing(),
            "the CRD is not installed\nthe pools are not listed yet\n"
        );
        health.ready("the CRD is not installed");
        health.ready("the pools are not listed yet");
        assert_eq!(status(&health, "/readyz", now), 200);
        assert_eq!(status(&health, "/", now), 404);
    }

    /// Sends these bytes and reads until the server hangs up.
    async fn talk(address: std::net::SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A server that hangs up on unread bytes resets the connection: what came before counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn serves_until_shutdown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics = Metrics::new("test");
        let server = tokio::spawn(serve(listener, metrics, Health::default(), async {
            let _ = stopped.await;
        }));
        let scrape = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let many = [b"GET / HTTP/1.1\r\nx: ", [b'a'; 3 * HEADER_BYTES].as_slice()].concat();
        let (huge, good, post) = tokio::join!(
            talk(address, &many),
            talk(address, scrape),
            talk(
                address,
                b"POST /livez HTTP/1.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            ),
        );
        assert!(!huge.contains("200"), "{huge}");
        assert!(good.starts_with("HTTP/1.1 200"), "{good}");
        assert!(good.contains("content-type: text/plain; version=0.0.4"), "{good}");
        assert!(good.contains("twp_build_info{version=\"test\"} 1"), "{good}");
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
        stop.send(()).unwrap();
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_its_request_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(
            listener,
            Metrics::new("test"),
            Health::default(),
            std::future::pending(),
        ));
        let start = Instant::now();
        assert!(!talk(address, b"GET /livez HT").await.contains("200"));
        assert!(start.elapsed() <= 2 * HEADERS);
    }
}
