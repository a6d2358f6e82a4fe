use std::convert::Infallible;

use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::Value;

use super::*;
use crate::kube::DEADLINE;

/// An API server that answers every request alike and keeps what it was sent.
fn server(status: StatusCode) -> (Cluster, Arc<Mutex<Vec<Value>>>) {
    let sent = Arc::<Mutex<Vec<Value>>>::default();
    let keep = sent.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let keep = keep.clone();
        async move {
            assert!(
                request
                    .uri()
                    .path()
                    .starts_with("/apis/events.k8s.io/v1/namespaces/shop/events")
            );
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            keep.lock().unwrap().push(serde_json::from_slice(&bytes).unwrap());
            let mut response = Response::new(Body::from(bytes.to_vec()));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    (Cluster::open(Client::new(service, "shop")), sent)
}

fn about() -> ObjectReference {
    ObjectReference {
        kind: Some("TaskWorkerPool".into()),
        namespace: Some("shop".into()),
        name: Some("mail".into()),
        uid: Some("1".into()),
        ..ObjectReference::default()
    }
}

fn scaled(from: u32, to: u32) -> PoolEvent {
    PoolEvent::Scaled {
        from,
        to,
        sentence: "work".into(),
    }
}

#[tokio::test]
async fn each_event_keeps_its_own_note() {
    let (client, sent) = server(StatusCode::CREATED);
    let events = Events::new(client, "twp-0".into());
    events.publish(&about(), scaled(2, 5)).await;
    events.publish(&about(), scaled(5, 9)).await;
    events.publish(&about(), PoolEvent::FallbackEnded).await;
    events.publish(&about(), PoolEvent::FallbackEnded).await;
    let sent = sent.lock().unwrap();
    let notes: Vec<_> = sent.iter().map(|event| event["note"].as_str().unwrap()).collect();
    assert_eq!(
        notes,
        [
            "Scaled from 2 to 5 replicas: work",
            "Scaled from 5 to 9 replicas: work",
            "The broker can be read again"
        ]
    );
    assert_eq!(sent[0]["reportingController"], CONTROLLER);
    assert_eq!(sent[0]["reportingInstance"], "twp-0");
    assert_eq!(sent[0]["regarding"]["uid"], "1");
}

#[tokio::test]
async fn a_refused_event_is_no_failure() {
    let (client, sent) = server(StatusCode::FORBIDDEN);
    Events::new(client, "twp-0".into())
        .publish(&about(), scaled(0, 1))
        .await;
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_not_waited_for() {
    let silent = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let events = Events::new(Cluster::open(Client::new(silent, "shop")), "twp-0".into());
    let start = Instant::now();
    events.publish(&about(), scaled(0, 1)).await;
    assert_eq!(start.elapsed(), DEADLINE);
}
