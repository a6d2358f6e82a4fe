use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http_body_util::BodyExt;
use hyper::{Request, Response};
use kube::client::Body;
use tokio::time::Instant;

use super::*;

/// What the fake server was asked: method, path with query, body.
type Asked = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An API server that answers with what `answer` says about method and path.
fn server(answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static) -> (Client, Asked) {
    let (asked, answer) = (Asked::default(), Arc::new(answer));
    let keep = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (keep, answer) = (keep.clone(), answer.clone());
        async move {
            let (method, uri) = (request.method().to_string(), request.uri().to_string());
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let (code, reply) = answer(&method, &uri);
            keep.lock().unwrap().push((method, uri, body));
            let response = Response::builder()
                .status(code)
                .body(Body::from(reply.to_string().into_bytes()));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    (Client::new(service, "shop"), asked)
}

fn refused(code: u16) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "", "message": "secret"});
    (code, status)
}

#[tokio::test]
async fn all_pages_are_read_and_reduced() {
    let (client, asked) = server(|_, uri| {
        let ready = json!([{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]);
        let items = if uri.contains("continue=next") {
            json!([
                {"metadata": {"name": "c", "deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {COST: "x"}},
                 "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}},
                {"metadata": {"name": "d"}, "status": {"phase": "Succeeded", "conditions": ready}},
            ])
        } else {
            json!([
                {"metadata": {"name": "a", "annotations": {COST: "101"}}, "spec": {}, "status": {"phase": "Running", "conditions": ready}},
                {"metadata": {"name": "b"}},
            ])
        };
        let token = if uri.contains("continue=next") { "" } else { "next" };
        (
            200,
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": token}, "items": items}),
        )
    });
    let pods = list(&client, "shop", "app=mail").await.unwrap();
    let pod = |name: &str, ready, terminating, cost| Pod {
        name: name.into(),
        ready,
        terminating,
        cost,
    };
    assert_eq!(
        pods,
        [
            pod("a", true, false, Some(101)),
            pod("b", false, false, None),
            pod("c", false, true, None)
        ]
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0].1.starts_with("/api/v1/namespaces/shop/pods?"),
        "{}",
        asked[0].1
    );
    assert!(asked[0].1.contains("labelSelector=app%3Dmail"), "{}", asked[0].1);
}

#[tokio::test]
async fn costs_are_merge_patches_and_a_lost_pod_is_no_error() {
    let (client, asked) = server(|_, uri| {
        if uri.contains("/gone") {
            return refused(404);
        }
        (
            200,
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}),
        )
    });
    let costs = [("a".to_owned(), 102), ("gone".to_owned(), 101), ("b".to_owned(), 0)];
    mark(&client, "shop", &costs).await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|(method, ..)| method == "PATCH"));
    for (path, cost) in [("a", json!("102")), ("b", Value::Null)] {
        let expected = json!({"metadata": {"annotations": {COST: cost}}});
        let (.., body) = asked
            .iter()
            .find(|(_, uri, _)| uri.contains(&format!("/pods/{path}?")))
            .unwrap();
        assert_eq!(*body, expected);
    }
}

#[tokio::test]
async fn one_refusal_is_told_and_the_others_are_still_written() {
    let (client, asked) = server(|_, uri| match uri.contains("/pods/a?") {
        true => refused(403),
        false => (200, json!({"metadata": {"name": "b"}})),
    });
    let costs = [("a".to_owned(), 101), ("b".to_owned(), 101)];
    let error = mark(&client, "shop", &costs).await.unwrap_err();
    assert_eq!(error, CallError::Refused { code: 403 });
    assert!(!error.to_string().contains("secret"));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let (client, asked) = server(|_, _| (200, json!({"metadata": {"continue": "again"}, "items": []})));
    assert_eq!(list(&client, "shop", "").await, Err(CallError::NotUnderstood));
    assert_eq!(asked.lock().unwrap().len(), PAGES);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_waited_for() {
    let silent = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let start = Instant::now();
    assert_eq!(
        list(&Client::new(silent, "shop"), "shop", "").await,
        Err(CallError::Timeout)
    );
    assert_eq!(start.elapsed(), DEADLINE);
}
