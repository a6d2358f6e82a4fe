use serde_json::{Value, json};

use super::*;
use crate::{
    api::ConditionStatus,
    controller::fixture::{FakeRedis, key},
    kube::fixture::{self, Asked, Log, refused},
};

/// Name of the one pod of the Deployment.
const POD: &str = "mail-5d8f7c9b4-x2k4q";

/// Time that goes by at once.
const STEP: Duration = Duration::from_millis(10);
/// Real time that it takes at least: sockets have some of their own.
const TAKES: Duration = Duration::from_millis(1);
/// Turns of all that is under way meanwhile.
const TURNS: u32 = 20;

/// An API server with one Deployment and these pools, whose watches never say anything. `ready`: number of its replicas and of its
/// ready pods.
fn server(pools: Vec<Value>, ready: u32) -> (Client, Log) {
    fixture::server(move |asked: Asked| {
        let answer = answer(&asked, &pools, ready);
        async move {
            match asked.uri.contains("watch=true") {
                true => std::future::pending().await,
                false => answer,
            }
        }
    })
}

fn answer(asked: &Asked, pools: &[Value], ready: u32) -> (u16, Value) {
    let list = |version: &str, kind: &str, items: Value| {
        let meta = json!({"resourceVersion": "5"});
        (
            200,
            json!({"apiVersion": version, "kind": kind, "metadata": meta, "items": items}),
        )
    };
    match asked.path().rsplit('/').next().unwrap_or_default() {
        "taskworkerpools" => list("taskworkerpool.dev/v1alpha1", "TaskWorkerPoolList", json!(pools)),
        // Whose pods are drained is asked by a label.
        "pods" if ready == 0 || !asked.uri.contains("app") => list("v1", "PodList", json!([])),
        "pods" => {
            let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "mail-5d8f7c9b4", "uid": "r-1", "controller": true});
            let pod = json!({
                "metadata": {"name": POD, "namespace": "shop", "uid": "p-1", "ownerReferences": [owner], "labels": {"app": "mail"}},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            });
            list("v1", "PodList", json!([pod]))
        }
        "deployments" => list(
            "apps/v1",
            "DeploymentList",
            json!([{
                "metadata": {"name": "mail", "namespace": "shop", "uid": "u-1", "resourceVersion": "3"},
                "spec": {"replicas": ready, "selector": {"matchLabels": {"app": "mail"}}},
                "status": {"readyReplicas": ready},
            }]),
        ),
        _ => refused(404),
    }
}

fn pool(name: &str, url: &str, more: &Value) -> Value {
    let mut spec = json!({
        "targetRef": {"name": "mail"}, "broker": {"url": url}, "maxReplicas": 5, "queues": ["celery"],
        "target": {"backlogPerReplica": 10},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "spec": spec,
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1, "resourceVersion": "4",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
    })
}

async fn examined(pools: Vec<Value>, name: &str) -> (Examined, Log) {
    examined_with(pools, name, 0).await
}

async fn examined_with(pools: Vec<Value>, name: &str, ready: u32) -> (Examined, Log) {
    let (client, log) = server(pools, ready);
    let cluster = Cluster::open(client.clone());
    let found = hurried(examine(&client, &cluster, Egress::loopback(), &key(name))).await;
    (found, log)
}

/// Does work while time flies, up to ten times as fast as it does: a paused clock alone leaps ahead while an answer is on its way.
async fn hurried<T>(work: impl Future<Output = T>) -> T {
    let time = async {
        loop {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            std::thread::sleep(TAKES);
            tokio::time::advance(STEP).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = time => unreachable!("time has no end"),
    }
}

fn reason(found: &Examined, kind: &str) -> (ConditionStatus, String) {
    let condition = found.conditions.iter().find(|condition| condition.kind == kind);
    let condition = condition.unwrap_or_else(|| panic!("{kind}: {found:#?}"));
    (condition.status, condition.reason.clone())
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_found_as_the_operator_finds_it_and_nothing_is_written() {
    let redis = FakeRedis::start(30).await;
    // The operator itself would order three replicas at once; of a suspended pool it would ask nothing.
    for suspend in [false, true] {
        let one = pool("mail", &redis.url(), &json!({ "suspend": suspend }));
        let (found, log) = examined(vec![one], "mail").await;
        let tally = found.tally.clone().expect("a count");
        assert_eq!((tally.queues[0].ready, found.failing), (30, None));
        assert_eq!(reason(&found, "SourceAvailable").0, ConditionStatus::True);
        assert_eq!((found.broker, found.addresses.len()), ("Redis", 1));
        assert_eq!(
            (found.addresses[0].port, found.addresses[0].result),
            (redis.port, Ok(()))
        );
        assert_eq!(found.target.map(|target| target.replicas), Some(0));
        let pool = found.pool.expect("the pool").expect("a good spec");
        assert_eq!(pool.policy.suspended, suspend, "as it is written");
        let log = log.lock().unwrap();
        assert!(log.iter().all(|asked| asked.method == "GET"), "{log:#?}");
        assert_eq!(redis.told("cancel_consumer") + redis.told("add_consumer"), 0);
    }
}

/// The operator itself says so after a minute.
async fn told_of(node: Option<&str>, expected: &str) {
    let redis = FakeRedis::start(30).await;
    if let Some(node) = node {
        redis.beats(node);
    }
    let (found, log) = examined_with(vec![pool("mail", &redis.url(), &json!({}))], "mail", 1).await;
    assert_eq!(
        reason(&found, "WorkersKnown"),
        (ConditionStatus::False, expected.to_owned())
    );
    let mut known = found
        .conditions
        .iter()
        .filter(|condition| condition.kind == "WorkersKnown");
    assert!(
        known.all(|known| known.message.contains(node.unwrap_or(POD))),
        "{found:#?}"
    );
    assert!(log.lock().unwrap().iter().all(|asked| asked.method == "GET"));
}

#[tokio::test(start_paused = true)]
async fn workers_that_nobody_hears_are_told_of_within_the_time_that_is_spent() {
    told_of(None, "NobodyHeard").await;
}

#[tokio::test(start_paused = true)]
async fn workers_of_other_names_are_told_of_within_the_time_that_is_spent() {
    told_of(Some("worker@mail"), "NodeNamesUnknown").await;
}

/// A worker that is heard, and more replicas than the work needs: the operator itself would ask it, and tell it to stop.
#[tokio::test(start_paused = true)]
async fn no_worker_is_told_to_stop() {
    let redis = FakeRedis::start(0).await;
    redis.beats(&format!("celery@{POD}"));
    let idle = json!({"scaleDown": {"idleSeconds": 0}});
    let (found, log) = examined_with(vec![pool("mail", &redis.url(), &idle)], "mail", 1).await;
    assert!(
        found.tally.clone().is_some_and(|tally| tally.pods.contains_key(POD)),
        "{found:#?}"
    );
    assert_eq!(redis.told("cancel_consumer") + redis.told("add_consumer"), 0);
    assert!(log.lock().unwrap().iter().all(|asked| asked.method == "GET"));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_at_its_step() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("redis://127.0.0.1:{nobody}/0");
    let (found, _) = examined(vec![pool("mail", &url, &json!({}))], "mail").await;
    assert_eq!(found.addresses[0].result, Err(SampleError::Refused));
    assert_eq!((found.failing, found.tally), (Some(SampleError::Refused), None));
}

#[tokio::test(start_paused = true)]
async fn of_two_pools_on_one_target_the_younger_one_is_told() {
    let redis = FakeRedis::start(1).await;
    let mut second = pool("second", &redis.url(), &json!({}));
    second["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
    let pools = vec![pool("mail", &redis.url(), &json!({})), second];
    let (found, _) = examined(pools.clone(), "second").await;
    assert_eq!(
        reason(&found, "Ready"),
        (ConditionStatus::False, "TargetTaken".to_owned())
    );
    let (found, _) = examined(pools, "mail").await;
    assert_eq!(reason(&found, "Ready").0, ConditionStatus::True);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_not_there_is_none() {
    let (found, _) = examined(Vec::new(), "mail").await;
    assert!(found.pool.is_none() && found.unseen.is_empty(), "{found:?}");
}
