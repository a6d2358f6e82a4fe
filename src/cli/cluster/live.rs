//! What the operator knows of its pools now: its read API, reached through the API server by `pods/portforward`, so that
//! Kubernetes' own rights decide who looks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, HOST},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    kube::{
        Cluster, Key,
        plugin::{self, Viewed},
    },
    model::tame,
    view::types::{OnePool, Pool, Pools, Refusal},
};

/// Time for one answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Largest answer: 10,000 pools are some 25 MB.
const MOST: usize = 64 << 20;
/// Longest reason of a refusal that is shown, in bytes.
const WORDS: usize = 300;

/// Where the numbers of an answer come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator told them now.
    Operator,
    /// The objects' statuses, which may be some seconds old: why the operator could not be asked.
    Objects(String),
}

impl Source {
    /// Word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Objects(_) => "status",
        }
    }

    /// What is said beside an answer that lacks what only the operator knows.
    pub fn aside(&self) -> String {
        match self {
            Self::Operator => String::new(),
            Self::Objects(why) => format!("From the objects' statuses, which may be some seconds old: {why}.\n"),
        }
    }
}

/// The operator of a cluster.
#[derive(Debug, Default)]
pub(super) struct Operator {
    /// Its namespace, where it is given.
    pub namespace: Option<String>,
    /// Pod that answered last: whoever asks again asks it, and lists no pods.
    answered: Mutex<Option<Viewed>>,
}

/// Answer of one kind, or who has it.
enum Told<T> {
    Answer(T),
    Refusal(StatusCode, Refusal),
}

impl Operator {
    pub(super) fn new(namespace: Option<String>) -> Self {
        Self {
            namespace,
            ..Self::default()
        }
    }

    /// All pools.
    pub(super) async fn pools(&self, cluster: &Cluster) -> Result<Vec<Pool>, String> {
        let answer: Pools = self.ask(cluster, "/api/v1/pools").await?;
        Ok(answer.pools)
    }

    /// One pool.
    pub(super) async fn pool(&self, cluster: &Cluster, key: &Key) -> Result<Pool, String> {
        let path = format!("/api/v1/pools/{}/{}", key.namespace, key.name);
        let answer: OnePool = self.ask(cluster, &path).await?;
        Ok(answer.pool)
    }

    fn answered(&self) -> MutexGuard<'_, Option<Viewed>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the pod that answered last, else one of the operator's pods, and then the one that it names.
    async fn ask<T: DeserializeOwned>(&self, cluster: &Cluster, path: &str) -> Result<T, String> {
        let last = self.answered().take();
        if let Some(last) = last
            && let Ok(Told::Answer(answer)) = get(cluster, &last, path).await
        {
            *self.answered() = Some(last);
            return Ok(answer);
        }
        let found = plugin::operators(cluster, self.namespace.as_deref()).await;
        let found = found.map_err(|why| plugin::explained("the operator's pods cannot be listed", why))?;
        if found.is_empty() {
            return Err("no operator runs, or in another namespace than `--operator-namespace` says".to_owned());
        }
        let served: Vec<_> = found.into_iter().filter(|pod| pod.port.is_some()).collect();
        let Some(first) = served.first() else {
            return Err("the operator's view is off: `view.enabled=true` in the chart switches it on".to_owned());
        };
        let (status, Refusal { leader, error, .. }) = match get(cluster, first, path).await? {
            Told::Answer(answer) => {
                *self.answered() = Some(first.clone());
                return Ok(answer);
            }
            Told::Refusal(status, refusal) => (status, refusal),
        };
        let leader = leader.and_then(|leader| {
            let found = served
                .iter()
                .find(|pod| pod.pod == leader.pod && pod.namespace == leader.namespace);
            found.filter(|pod| *pod != first)
        });
        let Some(leader) = leader.filter(|_| status == StatusCode::SERVICE_UNAVAILABLE) else {
            return Err(refused(status, &error.message));
        };
        match get(cluster, leader, path).await? {
            Told::Answer(answer) => {
                *self.answered() = Some(leader.clone());
                Ok(answer)
            }
            Told::Refusal(status, Refusal { error, .. }) => Err(refused(status, &error.message)),
        }
    }
}

/// Why it gave no answer, as a part of a sentence.
fn refused(status: StatusCode, message: &str) -> String {
    match status {
        StatusCode::NOT_FOUND => {
            "the operator that was asked does not know it: it does not watch its namespace (`watchNamespaces` of the \
                                  chart), or has not seen it yet"
                .to_owned()
        }
        _ => tame(message, WORDS).trim_end_matches('.').to_owned(),
    }
}

async fn get<T: DeserializeOwned>(cluster: &Cluster, viewed: &Viewed, path: &str) -> Result<Told<T>, String> {
    let Viewed {
        namespace, pod, port, ..
    } = viewed;
    let stream = plugin::forward(cluster, namespace, pod, port.unwrap_or_default()).await;
    let stream = stream.map_err(|why| {
        plugin::explained(
            &format!(
                "no connection to the pod `{pod}` in `{namespace}`, which takes `create` on pods/portforward there"
            ),
            why,
        )
    })?;
    let failed = |what: &str| format!("the operator's pod `{pod}` {what}");
    let answer = timeout(DEADLINE, async {
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let _reads = tokio::spawn(connection);
        let request = Request::get(path)
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .ok()?;
        let answer = send.send_request(request).await.ok()?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST).collect().await.ok()?;
        Some((status, body.to_bytes()))
    });
    let answer = answer.await.map_err(|_| failed("did not answer in time"))?;
    let (status, body) = answer.ok_or_else(|| failed("did not answer"))?;
    let read = match status {
        StatusCode::OK => serde_json::from_slice(&body).map(Told::Answer),
        status => serde_json::from_slice(&body).map(|refusal| Told::Refusal(status, refusal)),
    };
    read.map_err(|_| failed("answered something else: is it of another version than this plugin?"))
}
