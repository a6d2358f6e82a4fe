//! `/metrics` as it is served. The text of a thousand pools is a megabyte: all readers within a second share one.

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes};

use super::{
    metrics::Metrics,
    server::{Handler, text},
    shared_text::{NoText, SharedText},
};

/// Page of the metrics; clones share it.
#[derive(Clone, Debug)]
pub struct Page {
    metrics: Metrics,
    shared: SharedText,
}

impl Page {
    /// Page of these metrics; it is written when a reader asks.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            shared: SharedText::default(),
        }
    }

    /// Text as of now.
    async fn write(&self) -> Result<Bytes, std::fmt::Error> {
        self.metrics.text().map(Bytes::from)
    }

    /// `/metrics` for one more reader.
    async fn read(&self) -> Response<Full<Bytes>> {
        match self.shared.read(self.write()).await {
            Ok(shared) => text(StatusCode::OK, shared),
            Err(NoText::Crowded) => text(StatusCode::SERVICE_UNAVAILABLE, "too many read it already\n"),
            Err(NoText::Failed(_)) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }
}

impl Handler for Page {
    async fn answer(&self, request: &Request<()>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/metrics" => self.read().await,
            _ => text(StatusCode::NOT_FOUND, "there is /metrics\n"),
        }
    }
}

#[cfg(test)]
mod tests;
