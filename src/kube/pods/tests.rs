use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::*;
use crate::{
    drain::disruption::{DO_NOT_DISRUPT, PROTECTED, SAFE_TO_EVICT},
    kube::{
        DEADLINE,
        fixture::{self, Log, refused},
    },
};

/// API server that answers by method and path.
fn server(answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static) -> (Cluster, Log) {
    let (client, log) = fixture::server(move |asked| std::future::ready(answer(&asked.method, &asked.uri)));
    (Cluster::open(client), log)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn all_pages_are_read_and_reduced() {
    let (cluster, asked) = server(|_, uri| {
        let ready = json!([{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]);
        let items = if uri.contains("continue=next") {
            json!([
                {"metadata": {"name": "c", "creationTimestamp": "2025-12-31T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:00Z",
                              "annotations": {COST: "x"}},
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
    let pods = list(&cluster, "shop", "app=mail", &[], now()).await.unwrap();
    let pod = |name: &str, readiness, terminating: bool, cost| Pod {
        name: name.into(),
        readiness,
        killed_at: terminating.then(now),
        cost,
        ..Pod::default()
    };
    assert_eq!(
        pods,
        [
            pod("a", Readiness::Ready, false, Some(101)),
            pod("b", Readiness::Unassigned, false, None),
            pod("c", Readiness::Down, true, None)
        ]
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0].uri.starts_with("/api/v1/namespaces/shop/pods?"),
        "{}",
        asked[0].uri
    );
    assert!(asked[0].uri.contains("labelSelector=app%3Dmail"), "{}", asked[0].uri);
}

#[tokio::test]
async fn what_stands_on_a_pod_is_read() {
    let (cluster, _) = server(|_, _| {
        let drain = r#"{"pool":"mail","queues":{"celery@a":["celery"]},"cost":5,"empty":true,"of a later version":1}"#;
        let owners = json!([{"kind": "Node", "uid": "n"}, {"kind": "ReplicaSet", "name": "mail-6d5f7c9b8", "uid": "u", "controller": true}]);
        let runs = |at: &str| json!([{"state": {"running": {"startedAt": at}}}]);
        let items = json!([
            {"metadata": {"name": "a", "labels": {DRAINING: "true", "pod-template-hash": "6d5f7c9b8"}, "annotations": {DRAIN: drain}, "ownerReferences": owners},
             "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30},
             "status": {"phase": "Running", "containerStatuses": runs("2026-01-01T00:00:00Z")}},
            {"metadata": {"name": "b", "annotations": {DRAIN: "not ours"}}, "spec": {"nodeName": "n"},
             "status": {"phase": "Running", "containerStatuses": runs("2025-12-31T23:58:59Z")}},
        ]);
        (
            200,
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}),
        )
    });
    let pods = list(&cluster, "shop", "app=mail", &[], now()).await.unwrap();
    let drain = Drain {
        pool: "mail".into(),
        queues: [("celery@a".to_owned(), ["celery".to_owned()].into())].into(),
        cost: Some(5),
        empty: true,
    };
    let first = Pod {
        name: "a".into(),
        readiness: Readiness::Booting,
        owner: "u".into(),
        replica_set: "mail-6d5f7c9b8".into(),
        template_hash: "6d5f7c9b8".into(),
        began: Some(now()),
        renewed: Some(now()),
        grace: Duration::from_secs(30),
        drain: Some(drain),
        ..Pod::default()
    };
    assert_eq!(pods[0], first);
    assert_eq!(
        (pods[1].readiness, pods[1].drain.clone()),
        (Readiness::NotReady, Some(Drain::default()))
    );
}

#[tokio::test]
async fn pools_with_pods_on_their_way_out_are_found_by_the_label() {
    let (cluster, asked) = server(|_, _| {
        let drain = r#"{"pool":"mail","queues":{}}"#;
        let items = json!([
            {"metadata": {"name": "a", "namespace": "shop", "annotations": {DRAIN: drain}}},
            {"metadata": {"name": "b", "namespace": "shop", "annotations": {DRAIN: drain}}},
            {"metadata": {"name": "c", "namespace": "shop"}},
        ]);
        (
            200,
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}),
        )
    });
    let found = draining(&cluster, None).await.unwrap();
    let mail = Key {
        namespace: "shop".into(),
        name: "mail".into(),
    };
    assert_eq!(found, [mail].into());
    let uri = asked.lock().unwrap()[0].uri.clone();
    assert!(
        uri.starts_with("/api/v1/pods?") && uri.contains("labelSelector=taskworkerpool.dev%2Fdraining%3Dtrue"),
        "{uri}"
    );
}

fn mark_of(pod: &str, drain: Option<Drain>, cost: Option<i32>) -> Mark {
    Mark {
        pod: pod.into(),
        uid: format!("uid-{pod}"),
        drain,
        cost,
    }
}

#[tokio::test]
async fn marks_are_merge_patches_and_a_lost_pod_is_no_error() {
    let (cluster, asked) = server(|_, uri| {
        if uri.contains("/gone") {
            return refused(404);
        }
        if uri.contains("/again") {
            return refused(409);
        }
        (
            200,
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}),
        )
    });
    let drain = Some(Drain {
        pool: "mail".into(),
        ..Drain::default()
    });
    let marks = [
        mark_of("a", drain.clone(), Some(102)),
        mark_of("gone", drain.clone(), None),
        mark_of("again", drain, None),
        mark_of("b", None, None),
    ];
    mark(&cluster, "shop", &marks).await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.method == "PATCH"));
    let text = r#"{"pool":"mail","queues":{},"empty":false}"#;
    let set =
        json!({"metadata": {"uid": "uid-a", "labels": {DRAINING: "true"}, "annotations": {COST: "102", DRAIN: text}}});
    let unset =
        json!({"metadata": {"uid": "uid-b", "labels": {DRAINING: null}, "annotations": {COST: null, DRAIN: null}}});
    for (path, expected) in [("a", set), ("b", unset)] {
        let asked = asked
            .iter()
            .find(|asked| asked.uri.contains(&format!("/pods/{path}?")))
            .unwrap();
        assert_eq!(asked.body, expected);
    }
}

#[tokio::test]
async fn busy_pods_are_protected_and_others_only_if_it_was_the_operator() {
    let (cluster, asked) = server(|method, _| {
        let items = json!([
            {"metadata": {"name": "busy", "annotations": {SAFE_TO_EVICT.0: "true"}}},
            {"metadata": {"name": "idle", "annotations": {SAFE_TO_EVICT.0: "true"}}},
            {"metadata": {"name": "by-its-owner", "annotations": {SAFE_TO_EVICT.0: "false", DO_NOT_DISRUPT.0: "true"}}},
            {"metadata": {"name": "was-busy", "annotations": {
                SAFE_TO_EVICT.0: "false", DO_NOT_DISRUPT.0: "true",
                PROTECTED: json!({SAFE_TO_EVICT.0: "true", DO_NOT_DISRUPT.0: null}).to_string(),
            }}},
        ]);
        match method {
            "GET" => (200, json!({"metadata": {}, "items": items})),
            _ => (200, json!({"metadata": {"name": "a"}})),
        }
    });
    let busy = ["busy".to_owned()].into();
    protect(&cluster, "shop", "app=mail", &busy, now()).await.unwrap();
    let asked = asked.lock().unwrap();
    let written = asked.iter().filter(|asked| asked.method == "PATCH");
    let written: BTreeMap<_, _> = written
        .map(|asked| {
            (
                asked.uri.split(['/', '?']).nth(6).unwrap(),
                &asked.body["metadata"]["annotations"],
            )
        })
        .collect();
    let before = json!({SAFE_TO_EVICT.0: "true", DO_NOT_DISRUPT.0: null}).to_string();
    let protected = json!({SAFE_TO_EVICT.0: "false", DO_NOT_DISRUPT.0: "true", PROTECTED: before});
    let back = json!({SAFE_TO_EVICT.0: "true", DO_NOT_DISRUPT.0: null, PROTECTED: null});
    assert_eq!(written, [("busy", &protected), ("was-busy", &back)].into());
}

/// The admission policy of the chart allows these names on pods, and no others.
#[test]
fn the_charts_admission_policy_knows_what_is_written() {
    let policy = include_str!("../../../charts/twp-operator/templates/admissionpolicy.yaml");
    let names = |after: &str| -> BTreeSet<&str> {
        let (_, list) = policy.split_once(after).unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let (_, list) = list.split_once('[').unwrap();
        list.split(',').map(|name| name.trim().trim_matches('\'')).collect()
    };
    assert_eq!(names("name: ownLabels"), [DRAINING].into());
    let annotations = [DRAIN, PROTECTED, COST, SAFE_TO_EVICT.0, DO_NOT_DISRUPT.0];
    assert_eq!(names("name: ownAnnotations"), annotations.into());
}

#[tokio::test]
async fn one_refusal_is_told_and_the_others_are_still_written() {
    let (cluster, asked) = server(|_, uri| match uri.contains("/pods/a?") {
        true => refused(403),
        false => (200, json!({"metadata": {"name": "b"}})),
    });
    let marks = [mark_of("a", None, Some(101)), mark_of("b", None, Some(101))];
    let error = mark(&cluster, "shop", &marks).await.unwrap_err();
    assert_eq!(error, CallError::Refused { code: 403 });
    assert!(!error.to_string().contains("secret"));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let (cluster, asked) = server(|_, _| (200, json!({"metadata": {"continue": "again"}, "items": []})));
    assert_eq!(
        list(&cluster, "shop", "", &[], now()).await,
        Err(CallError::NotUnderstood)
    );
    assert_eq!(asked.lock().unwrap().len(), PAGES);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_waited_for() {
    let start = Instant::now();
    assert_eq!(
        list(&Cluster::open(fixture::silent()), "shop", "", &[], now()).await,
        Err(CallError::Timeout)
    );
    assert_eq!(start.elapsed(), DEADLINE);
}
