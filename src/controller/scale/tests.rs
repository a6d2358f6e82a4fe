use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::{
    kube::{
        TargetKey,
        fixture::{self, Log, refused},
    },
    model::PodIntents,
};

/// API server with a Deployment `mail` of this number of replicas, without pods.
fn cluster(replicas: &Arc<AtomicU32>, conflict: bool) -> (Tools, Log) {
    let replicas = replicas.clone();
    let (client, log) = fixture::server(move |asked| {
        let replicas = replicas.load(Ordering::SeqCst);
        let meta = json!({"name": "mail", "namespace": "shop", "uid": "u", "resourceVersion": "77"});
        let answer = match asked.path() {
            path if path.ends_with("/scale") && conflict => refused(409),
            path if path.ends_with("/scale") => {
                let meta = json!({"name": "mail", "resourceVersion": "78"});
                (
                    200,
                    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": asked.body["spec"]}),
                )
            }
            path if path.ends_with("/pods") => (
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}),
            ),
            path if path.ends_with("/deployments") => {
                let labels = json!({"app": "mail"});
                let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}});
                let items = json!([{"metadata": meta, "spec": spec}]);
                (
                    200,
                    json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {}, "items": items}),
                )
            }
            _ => refused(404),
        };
        std::future::ready(answer)
    });
    let (_newest, newest) = watch::channel(Arc::default());
    let tools = Tools {
        cluster: Cluster::open(client),
        clock: Clock::start(),
        newest,
    };
    (tools, log)
}

fn job(from: u32, to: u32) -> Job {
    Job {
        asked: 1,
        pool: "mail".into(),
        target: TargetKey {
            namespace: "shop".into(),
            workload: "mail".into(),
        },
        uid: "u".into(),
        selector: "app=mail".into(),
        ordinals: crate::drain::Ordinals::default(),
        programs: &[],
        from,
        to,
        write: true,
        unfinished: false,
        refused: false,
        intents: PodIntents::new(),
        departed: crate::drain::Departed::new(),
        graceful: None,
        overstays: false,
        returned: false,
        fresh: DEADLINE,
        tally: Arc::default(),
    }
}

/// What was sent to `/scale`, and what came of the job.
async fn written(job: &Job, replicas: u32, conflict: bool) -> (Vec<Value>, ScaleOutcome) {
    let (tools, log) = cluster(&Arc::new(AtomicU32::new(replicas)), conflict);
    let outcome = carry_out(&tools, job).await.replicas;
    let log = log.lock().unwrap();
    let scales = log.iter().filter(|asked| asked.path().ends_with("/scale"));
    (scales.map(|asked| asked.body.clone()).collect(), outcome)
}

#[tokio::test]
async fn fewer_replicas_are_written_only_where_the_number_is_still_the_one_decided_on() {
    let (sent, outcome) = written(&job(20, 4), 20, false).await;
    assert_eq!(sent[0]["metadata"]["resourceVersion"], "77");
    assert_eq!(
        (&sent[0]["metadata"]["uid"], &sent[0]["spec"]["replicas"]),
        (&json!("u"), &json!(4))
    );
    assert!(
        matches!(outcome, ScaleOutcome::Written { version: 78, .. }),
        "{outcome:?}"
    );

    let (sent, outcome) = written(&job(20, 4), 30, false).await;
    assert_eq!(
        (sent, outcome),
        (vec![], ScaleOutcome::Outdated),
        "another process ordered more meanwhile"
    );

    let mut renumbered = job(20, 4);
    renumbered.ordinals.start = 1;
    let (sent, outcome) = written(&renumbered, 20, false).await;
    assert_eq!((sent, outcome), (vec![], ScaleOutcome::Outdated), "others would go");

    let (sent, outcome) = written(&job(20, 4), 20, true).await;
    assert_eq!(
        (sent.len(), outcome),
        (1, ScaleOutcome::Outdated),
        "even between the read and the write"
    );
}

#[tokio::test]
async fn more_replicas_wait_for_nothing() {
    let (tools, log) = cluster(&Arc::new(AtomicU32::new(1)), false);
    let outcome = carry_out(&tools, &job(2, 5)).await.replicas;
    assert!(matches!(outcome, ScaleOutcome::Written { .. }), "{outcome:?}");
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0].body["metadata"].get("resourceVersion"), None);
}
