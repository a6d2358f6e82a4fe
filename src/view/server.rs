//! The paths of the view, and what they answer. The event loop is asked for counted references; the JSON is written
//! elsewhere.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    host::HostRule,
    json,
    record::{Snapshot, Whole},
    types::Leader,
};
use crate::{
    kube::Key,
    telemetry::{NoText, SharedText, server::Handler},
};

/// Number of questions that wait for the event loop; one more is refused.
const QUESTIONS: usize = 16;
/// Time within which the event loop answers, or nobody waits any more.
const DEADLINE: Duration = Duration::from_secs(2);

/// The page: nothing of it comes from elsewhere, and nothing in it runs but `view.js`.
const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("view.js");
const STYLE: &str = include_str!("view.css");
/// A heading for each reason of a condition.
const TROUBLESHOOTING: &str = include_str!("../../docs/troubleshooting.md");

/// What a page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Question to the event loop. No answer: this process does not act yet.
#[derive(Debug)]
pub enum Question {
    /// All pools.
    Pools(oneshot::Sender<Snapshot>),
    /// One pool; `None`: there is none of this name.
    Pool(Key, oneshot::Sender<Option<Whole>>),
}

/// The view; clones share it.
#[derive(Clone, Debug)]
pub struct View(Arc<ViewState>);

#[derive(Debug)]
struct ViewState {
    /// This process.
    own: Leader,
    rule: HostRule,
    /// Name of the pod that leads, as far as it is known.
    holder: watch::Receiver<Option<String>>,
    questions: mpsc::Sender<Question>,
    list: SharedText,
}

/// Reason why there is no answer.
#[derive(Clone, Copy, Debug)]
enum No {
    Leader,
    Starting,
    Busy,
    Pool,
    Path,
    Host,
}

impl View {
    /// View of the pools that `pod` looks after while it is the holder of the Lease; and the questions that come.
    pub fn new(
        own: Leader,
        rule: HostRule,
        holder: watch::Receiver<Option<String>>,
    ) -> (Self, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let state = ViewState {
            own,
            rule,
            holder,
            questions,
            list: SharedText::default(),
        };
        (Self(Arc::new(state)), asked)
    }

    /// Pod that leads, where it is known.
    fn leader(&self) -> Option<Leader> {
        let own = &self.0.own;
        let holder = self.0.holder.borrow().clone()?;
        Some(match holder == own.pod {
            true => own.clone(),
            false => Leader {
                pod: holder,
                namespace: own.namespace.clone(),
                port: own.port,
                version: None,
            },
        })
    }

    /// Asks the event loop, unless another process leads.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T, No> {
        if self.leader().is_none_or(|leader| leader.pod != self.0.own.pod) {
            return Err(No::Leader);
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.0.questions.try_send(question(answer));
        asked.map_err(|_| No::Busy)?;
        match timeout(DEADLINE, answered).await {
            Ok(answer) => answer.map_err(|_| No::Starting),
            Err(_) => Err(No::Busy),
        }
    }

    async fn pools(&self) -> Response<Full<Bytes>> {
        let write = async {
            let snapshot = self.ask(Question::Pools).await?;
            let own = self.0.own.clone();
            written(move || json::list(snapshot, own)).await
        };
        match self.0.list.read(write).await {
            Ok(text) => reply(StatusCode::OK, JSON, text),
            Err(NoText::Failed(no)) => self.refuse(no),
            Err(NoText::Crowded) => self.refuse(No::Busy),
        }
    }

    async fn pool(&self, namespace: &str, name: &str) -> Response<Full<Bytes>> {
        let key = Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let found = self.ask(|answer| Question::Pool(key, answer)).await;
        match found.and_then(|found| found.ok_or(No::Pool)) {
            Ok(whole) => {
                let own = self.0.own.clone();
                match written(move || json::one(&whole, own)).await {
                    Ok(text) => reply(StatusCode::OK, JSON, text),
                    Err(no) => self.refuse(no),
                }
            }
            Err(no) => self.refuse(no),
        }
    }

    /// Answer that says why there is none, always of the same shape.
    fn refuse(&self, no: No) -> Response<Full<Bytes>> {
        let leader = self.leader();
        let (status, reason, message) = match (no, &leader) {
            (No::Leader, Some(Leader { pod, namespace, .. })) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "NotLeader",
                format!(
                    "This replica stands by. The one that acts has the live numbers: look at the pod {pod} in {namespace}."
                ),
            ),
            (No::Leader, None) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "NotLeader",
                "No replica is known to act. Ask again in some seconds; if it lasts, look at the operator's log."
                    .to_owned(),
            ),
            (No::Starting, _) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Starting",
                "This replica has just begun to act. Ask again in a second.".to_owned(),
            ),
            (No::Busy, _) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Busy",
                "Too much is asked at once. Ask again in a second.".to_owned(),
            ),
            (No::Pool, _) => (
                StatusCode::NOT_FOUND,
                "NotFound",
                "There is no such pool: /api/v1/pools lists all of them.".to_owned(),
            ),
            (No::Path, _) => (
                StatusCode::NOT_FOUND,
                "NotFound",
                "There are /, /api/v1/pools and /api/v1/pools/NAMESPACE/NAME.".to_owned(),
            ),
            (No::Host, _) => (
                StatusCode::FORBIDDEN,
                "HostNotAllowed",
                "The request names a host that is not this one: use an IP address or localhost, or add the name to \
                 view.hosts (--view-host)."
                    .to_owned(),
            ),
        };
        // A page from elsewhere learns no name.
        let leader = leader.filter(|_| status != StatusCode::FORBIDDEN);
        match text(&json::refusal(reason, message, leader)) {
            Ok(text) => reply(status, JSON, text),
            Err(_) => reply(status, JSON, Bytes::new()),
        }
    }
}

impl Handler for View {
    async fn answer(&self, request: &Request<()>) -> Response<Full<Bytes>> {
        if !is_ours(request, &self.0.rule) {
            return self.refuse(No::Host);
        }
        let path = request.uri().path();
        let still = |kind, text: &'static str| reply(StatusCode::OK, kind, Bytes::from_static(text.as_bytes()));
        match path {
            "/" => still("text/html; charset=utf-8", PAGE),
            "/view.js" => still("text/javascript; charset=utf-8", SCRIPT),
            "/view.css" => still("text/css; charset=utf-8", STYLE),
            "/troubleshooting.md" => still("text/plain; charset=utf-8", TROUBLESHOOTING),
            "/api/v1/pools" => self.pools().await,
            _ => {
                let pool = path
                    .strip_prefix("/api/v1/pools/")
                    .and_then(|rest| rest.split_once('/'));
                match pool {
                    Some((namespace, name)) => self.pool(namespace, name).await,
                    None => self.refuse(No::Path),
                }
            }
        }
    }
}

/// Whether all hosts that the request names are ours.
fn is_ours(request: &Request<()>, rule: &HostRule) -> bool {
    let target = request.uri().authority().map(|authority| authority.as_str());
    let named: Vec<_> = request.headers().get_all(HOST).iter().collect();
    let named = match named[..] {
        [] => None,
        [one] => Some(one.to_str().unwrap_or("")),
        // Whoever sends two wants to be understood in two ways.
        _ => Some(""),
    };
    rule.allows(named) && target.is_none_or(|target| rule.allows(Some(target)))
}

const JSON: &str = "application/json";

/// JSON, written where it is in nobody's way.
async fn written<T: Serialize>(make: impl FnOnce() -> T + Send + 'static) -> Result<Bytes, No> {
    let writing = spawn_blocking(move || text(&make()));
    writing.await.map_err(|_| No::Busy)?.map_err(|_| No::Busy)
}

fn text(value: &impl Serialize) -> serde_json::Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from)
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
        .headers_mut()
        .insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests;
