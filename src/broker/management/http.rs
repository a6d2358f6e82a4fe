//! Small HTTP client: `GET` over one kept-alive connection on a `Stream`. No redirects, no decompression, no cookies;
//! every answer is bounded before it is read.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{Builder, SendRequest},
    header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;

use super::page::Body;
use crate::{
    broker::{
        Egress, Management, Tls,
        stream::{self, Budget},
        task::AbortOnDrop,
    },
    model::SampleError,
};

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// Largest body of an answer, in bytes.
const BODY_MAX: usize = 1 << 20;

/// Largest head of an answer, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// Largest number of header fields of an answer.
const FIELDS_MAX: usize = 64;

/// Number of bytes that one answer may take on the wire, chunk sizes and head included.
const ANSWER_MAX: u64 = 2 << 20;

/// HTTP client of one management API.
#[derive(Debug)]
pub(super) struct Http {
    egress: Egress,
    management: Management,
    tls: Tls,
    connection: Option<Connection>,
}

/// Connection that is kept.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    budget: Budget,
    /// Task that carries the bytes until the connection is dropped.
    _task: AbortOnDrop,
}

impl Http {
    /// Client that connects when it is first asked.
    pub(super) fn new(egress: Egress, management: Management, tls: Tls) -> Self {
        Self {
            egress,
            management,
            tls,
            connection: None,
        }
    }

    /// Drops the connection.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Gets a path.
    ///
    /// # Errors
    /// [`SampleError::Authentication`] for 401, [`SampleError::Management`] for every other answer but 200 and 404.
    pub(super) async fn get(&mut self, path: &str) -> Result<Body, SampleError> {
        let reused = self.connection.is_some();
        match self.try_get(path).await {
            // The server may have ended an idle connection at any time: that is worth a second attempt.
            Err(SampleError::Disconnected) if reused => self.try_get(path).await,
            body => body,
        }
    }

    async fn try_get(&mut self, path: &str) -> Result<Body, SampleError> {
        let request = self.request(path)?;
        // Taken, and put back only after a whole answer: what is left of half an answer must not be read as the next.
        let mut connection = match self.connection.take() {
            Some(connection) if connection.sender.is_ready() => connection,
            _ => self.connect().await?,
        };
        connection.budget.arm(ANSWER_MAX);
        let response = connection
            .sender
            .send_request(request)
            .await
            .map_err(|error| classify(&error))?;
        let (status, body) = read(response).await?;
        self.connection = Some(connection);
        match status {
            StatusCode::OK => Ok(Body::Found(body)),
            StatusCode::NOT_FOUND => Ok(Body::NotFound),
            StatusCode::UNAUTHORIZED => Err(SampleError::Authentication),
            _ => Err(SampleError::Management),
        }
    }

    async fn connect(&self) -> Result<Connection, SampleError> {
        let Management { host, port, https, .. } = &self.management;
        let stream = stream::connect(&self.egress, host, *port, https.then_some(&self.tls), CONNECT).await?;
        let budget = stream.budget();
        let mut builder = Builder::new();
        builder.max_buf_size(HEAD_MAX).max_headers(FIELDS_MAX);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| classify(&error))?;
        let carry = async move {
            // Its error arrives at the request as well.
            let _ended = connection.await;
        };
        Ok(Connection {
            sender,
            budget,
            _task: AbortOnDrop::spawn(carry),
        })
    }

    fn request(&self, path: &str) -> Result<Request<Empty<Bytes>>, SampleError> {
        let Management {
            host,
            port,
            user,
            password,
            ..
        } = &self.management;
        // An IPv6 address needs its brackets here.
        let host = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let credentials = STANDARD.encode(format!("{user}:{}", password.expose()));
        let mut credentials =
            HeaderValue::try_from(format!("Basic {credentials}")).map_err(|_| SampleError::Management)?;
        credentials.set_sensitive(true);
        let request = Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, credentials);
        request.body(Empty::new()).map_err(|_| SampleError::Management)
    }
}

/// Reads a bounded answer to its end.
async fn read(response: Response<Incoming>) -> Result<(StatusCode, Vec<u8>), SampleError> {
    if response.headers().contains_key(CONTENT_ENCODING) {
        return Err(SampleError::Management);
    }
    let status = response.status();
    match Limited::new(response.into_body(), BODY_MAX).collect().await {
        Ok(body) => Ok((status, body.to_bytes().to_vec())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(SampleError::TooLarge),
        Err(error) => Err(error
            .downcast_ref::<hyper::Error>()
            .map_or(SampleError::Management, classify)),
    }
}

/// Meaning of hyper's error: the error of the stream, if it has one.
fn classify(error: &hyper::Error) -> SampleError {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return stream::classify(io);
        }
        source = inner.source();
    }
    match error.is_parse() {
        true => SampleError::Management,
        false => SampleError::Disconnected,
    }
}
