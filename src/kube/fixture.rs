//! API server for unit tests: it answers as a closure says, and keeps the requests.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
};

use http_body_util::BodyExt;
use hyper::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, such as `GET` or `PATCH`.
    pub method: String,
    /// Path, with the query.
    pub uri: String,
    /// Body; `null` where there is none.
    pub body: Value,
}

impl Asked {
    /// Path, without the query.
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }
}

/// All requests, in their order.
pub type Log = Arc<Mutex<Vec<Asked>>>;

/// Server that answers each request with the result of `answer`: an HTTP status and a body; never, if that never ends.
pub fn server<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> (Client, Log)
where
    F: Future<Output = (u16, Value)> + Send + 'static,
{
    let (log, answer) = (Log::default(), Arc::new(answer));
    let keep = log.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (keep, answer) = (keep.clone(), answer.clone());
        async move {
            let (method, uri) = (request.method().to_string(), request.uri().to_string());
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let asked = Asked { method, uri, body };
            keep.lock().unwrap().push(asked.clone());
            let (code, body) = answer(asked).await;
            let response = Response::builder().status(code);
            Ok::<_, Infallible>(response.body(Body::from(body.to_string().into_bytes())).unwrap())
        }
    });
    (Client::new(service, "shop"), log)
}

/// Server that does not answer.
pub fn silent() -> Client {
    server(|_| std::future::pending()).0
}

/// Answer of a server that refuses; its words must never be shown.
pub fn refused(code: u16) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "secret",
        "reason": reason, "code": code});
    (code, status)
}
