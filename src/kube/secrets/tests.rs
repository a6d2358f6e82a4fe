use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::kube::fixture;

/// An API server that answers each read of a Secret once it is let, and counts them.
struct Slow {
    asked: AtomicUsize,
    answers: Semaphore,
}

fn slow() -> (Arc<Slow>, References) {
    let slow = Arc::new(Slow {
        asked: AtomicUsize::new(0),
        answers: Semaphore::new(0),
    });
    let server = slow.clone();
    let (client, _) = fixture::server(move |_| {
        let server = server.clone();
        async move {
            let number = server.asked.fetch_add(1, Ordering::SeqCst);
            server.answers.acquire().await.unwrap().forget();
            let value = ["YQ==", "Yg=="][number.min(1)];
            let meta = json!({"name": "env"});
            (
                200,
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"url": value}}),
            )
        }
    });
    (slow, References::new(Cluster::open(client)))
}

fn env() -> At {
    At::Secret("shop".into(), "env".into())
}

/// Until all have got as far as they can.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_are_answered_by_two_reads_and_nothing_older_than_their_question() {
    let (slow, references) = slow();
    let ask = |references: &References| {
        let references = references.clone();
        tokio::spawn(async move { references.read(&env()).await.unwrap().values["url"].clone() })
    };
    let first = ask(&references);
    settle().await;
    let others: Vec<_> = (0..1000).map(|_| ask(&references)).collect();
    settle().await;
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
    slow.answers.add_permits(1);
    assert_eq!(first.await.unwrap(), b"a");
    settle().await;
    assert!(
        others.iter().all(|other| !other.is_finished()),
        "the first was begun before they asked"
    );
    slow.answers.add_permits(1);
    let values = join_all(others).await;
    assert!(values.into_iter().all(|value| value.unwrap() == b"b"));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    assert!(references.lock().is_empty(), "no Secret stays in memory");
}

#[tokio::test]
async fn who_does_not_wait_any_more_keeps_nobody_waiting() {
    let (slow, references) = slow();
    let one = references.clone();
    let gone = tokio::spawn(async move { one.read(&env()).await });
    settle().await;
    let two = references.clone();
    let waits = tokio::spawn(async move { two.read(&env()).await.unwrap().values["url"].clone() });
    settle().await;
    gone.abort();
    settle().await;
    slow.answers.add_permits(2);
    assert_eq!(waits.await.unwrap(), b"b");
    assert!(references.lock().is_empty());
}

#[tokio::test]
async fn of_the_annotations_the_hosts_are_kept_and_nothing_else() {
    for (annotation, hosts) in [
        (
            Some(" redis.example, 10.0.0.1 ,,"),
            vec!["redis.example".to_owned(), "10.0.0.1".to_owned()],
        ),
        (None, Vec::new()),
    ] {
        let (client, _) = fixture::server(move |_| async move {
            let mut annotations =
                json!({"kubectl.kubernetes.io/last-applied-configuration": "{\"data\": {\"url\": \"YQ==\"}}"});
            if let Some(annotation) = annotation {
                annotations[HOSTS] = json!(annotation);
            }
            let meta = json!({"name": "env", "annotations": annotations});
            (
                200,
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"url": "YQ=="}}),
            )
        });
        let read = References::new(Cluster::open(client)).read(&env()).await.unwrap();
        let Content { values, hosts: kept } = &*read;
        assert_eq!((values["url"].as_slice(), kept), (b"a".as_slice(), &hosts));
    }
}
