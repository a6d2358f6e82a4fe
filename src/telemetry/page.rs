//! `/metrics` as it is served. The text of a thousand pools is a megabyte: all who ask within a second share one.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    metrics::Metrics,
    server::{Answers, text},
};

/// So long a text is not written anew.
const FRESH: Duration = Duration::from_secs(1);
/// Readers at a time; each may hold a text as old as a connection may live.
const READERS: usize = 8;

/// The page; clones share it.
#[derive(Clone, Debug)]
pub struct Page(Arc<Shared>);

/// What all readers share.
#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    /// The newest text, and when it was written.
    written: Mutex<Option<(Instant, Bytes)>>,
    readers: Arc<Semaphore>,
}

/// A reader's hold on the shared text: its room is free again when all is sent or the connection has ended.
struct Reading {
    text: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Reading {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Page {
    /// The page of these metrics; it is written when somebody asks.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            metrics,
            written: Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }))
    }

    /// The text, at most [`FRESH`] old. While one reader has it written, the others wait without holding a thread.
    async fn text(&self) -> Result<Bytes, std::fmt::Error> {
        let mut written = self.0.written.lock().await;
        let now = Instant::now();
        if let Some((at, text)) = written.as_ref()
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(text.clone());
        }
        // Before the new one is there: nobody may be reading it.
        *written = None;
        let text = Bytes::from(self.0.metrics.text()?);
        *written = Some((now, text.clone()));
        Ok(text)
    }

    /// `/metrics` for one reader more.
    async fn read(&self) -> Response<Full<Bytes>> {
        let Ok(room) = self.0.readers.clone().try_acquire_owned() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many read it already\n");
        };
        match self.text().await {
            Ok(shared) => {
                let reading = Reading {
                    text: shared,
                    _room: room,
                };
                text(StatusCode::OK, Bytes::from_owner(reading))
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }
}

impl Answers for Page {
    async fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/metrics" => self.read().await,
            _ => text(StatusCode::NOT_FOUND, "there is /metrics\n"),
        }
    }
}

#[cfg(test)]
mod tests;
