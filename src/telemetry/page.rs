//! `/metrics` as it is served. The text of a thousand pools is a megabyte: all readers within a second share one.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    metrics::Metrics,
    server::{Handler, text},
};

/// Age up to which a text is served again.
const FRESH: Duration = Duration::from_secs(1);
/// Number of readers at a time; each may hold a text as old as a connection may live.
const READERS: usize = 8;

/// Page of the metrics; clones share it.
#[derive(Clone, Debug)]
pub struct Page(Arc<PageState>);

/// State that all readers share.
#[derive(Debug)]
struct PageState {
    metrics: Metrics,
    /// Newest text, and the time when it was written.
    written: Mutex<Option<(Instant, Bytes)>>,
    readers: Arc<Semaphore>,
}

/// Shared text in the hands of one reader: its place is free again when all is sent or the connection has ended.
struct SharedText {
    text: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Page {
    /// Page of these metrics; it is written when a reader asks.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(PageState {
            metrics,
            written: Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }))
    }

    /// Text, at most [`FRESH`] old. While one reader has it written, the others wait without holding a thread.
    async fn text(&self) -> Result<Bytes, std::fmt::Error> {
        let mut written = self.0.written.lock().await;
        let now = Instant::now();
        if let Some((at, text)) = written.as_ref()
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(text.clone());
        }
        // Before the new one is there: it may have no reader left.
        *written = None;
        let text = Bytes::from(self.0.metrics.text()?);
        *written = Some((now, text.clone()));
        Ok(text)
    }

    /// `/metrics` for one more reader.
    async fn read(&self) -> Response<Full<Bytes>> {
        let Ok(room) = self.0.readers.clone().try_acquire_owned() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many read it already\n");
        };
        match self.text().await {
            Ok(shared) => {
                let reading = SharedText {
                    text: shared,
                    _room: room,
                };
                text(StatusCode::OK, Bytes::from_owner(reading))
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }
}

impl Handler for Page {
    async fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/metrics" => self.read().await,
            _ => text(StatusCode::NOT_FOUND, "there is /metrics\n"),
        }
    }
}

#[cfg(test)]
mod tests;
