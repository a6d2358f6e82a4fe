use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::kube::{
    DEADLINE, Key,
    events::CONTROLLER,
    fixture::{self, Log},
};

/// API server that answers every request in the same way.
fn server(status: u16) -> (Cluster, Log) {
    let (client, log) = fixture::server(move |asked| async move {
        let events = "/apis/events.k8s.io/v1/namespaces/shop/events";
        assert!(asked.uri.starts_with(events), "{asked:?}");
        (status, asked.body)
    });
    (Cluster::open(client), log)
}

fn about() -> Identity {
    Identity {
        key: Key {
            namespace: "shop".into(),
            name: "mail".into(),
        },
        uid: "1".into(),
        generation: 1,
        created: Timestamp::UNIX_EPOCH,
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
    let (client, sent) = server(201);
    let events = Events::new(client, "twp-0".into());
    events.publish(&about(), scaled(2, 5)).await;
    events.publish(&about(), scaled(5, 9)).await;
    events.publish(&about(), PoolEvent::FallbackEnded).await;
    events.publish(&about(), PoolEvent::FallbackEnded).await;
    let sent: Vec<Value> = sent.lock().unwrap().iter().map(|asked| asked.body.clone()).collect();
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
    let (client, sent) = server(403);
    Events::new(client, "twp-0".into())
        .publish(&about(), scaled(0, 1))
        .await;
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_not_waited_for() {
    let events = Events::new(Cluster::open(fixture::silent()), "twp-0".into());
    let start = Instant::now();
    events.publish(&about(), scaled(0, 1)).await;
    assert_eq!(start.elapsed(), DEADLINE);
}
