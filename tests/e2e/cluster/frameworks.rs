//! Pools of other frameworks than Celery: from zero to several workers and back, and nothing is cut off on the way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    app::{App, AppStage, Load},
    bed::eventually,
    celery_stage::LONG,
    operator::Operator,
    rq::Rq,
    stage::pool,
    taskiq::Taskiq,
};

/// A pool of one slot a replica, with these changes.
async fn with_pool(stage: &AppStage, app: &impl App, url: &str, changes: Value) -> Operator {
    app.workers(0).await;
    let mut spec = json!({
        "broker": {"url": url}, "worker": {"concurrency": 1}, "target": {"backlogPerReplica": 2}, "maxReplicas": 4,
    });
    for (field, value) in changes.as_object().cloned().unwrap_or_default() {
        spec[field] = value;
    }
    stage.ns.apply(pool(app.name(), spec).to_string()).await;
    Operator::start(&stage.ns.name).await
}

/// Lets the tasks end that are held.
async fn release(stage: &AppStage, app: &impl App) {
    let key = format!("released:{}", app.name());
    stage.redis_cli(&["-n", "15", "set", &key, "1"]).await;
}

/// Waits until these tasks have started once and ended, and nobody is left.
async fn done(stage: &AppStage, app: &impl App, tasks: usize, operator: &Operator) {
    eventually(&format!("{tasks} tasks have ended"), LONG, async || {
        match app.truth().await.ended.len() {
            ended if ended == tasks => Ok(()),
            ended => Err(format!("{ended} have; {}", operator.log())),
        }
    })
    .await;
    let mut starts = BTreeMap::<String, u32>::new();
    for start in app.truth().await.started {
        *starts.entry(start.id).or_default() += 1;
    }
    assert!(
        starts.len() == tasks && starts.values().all(|starts| *starts == 1),
        "{starts:?}"
    );
    eventually("no worker is left", LONG, async || {
        match stage.ns.replicas(app.name()).await? {
            0 => Ok(()),
            left => Err(format!("{left}: {:?}", stage.ns.pool(app.name()).await?.status)),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rq_goes_from_zero_to_several_and_back_and_no_busy_worker_is_removed() {
    let stage = &AppStage::with_pools("rq").await;
    let app = Rq {
        // Longer than any job is what a pod must not need.
        grace: 1,
        ..Rq::new(stage, "mail", 0)
    };
    let spec = json!({"framework": "RQ", "queues": app.queues});
    let operator = with_pool(stage, &app, &app.broker, spec).await;
    app.publish(&[Load::new(1, 0).with("held", json!(true)), Load::new(12, 3)])
        .await;
    stage.ns.wait_replicas("mail", 4).await;
    // The short ones end, and all workers but one are idle: that one stays.
    app.wait_ended(12).await;
    stage.ns.wait_replicas("mail", 1).await;
    stage
        .ns
        .wait_condition("mail", "WorkersKnown", "True", "AllKnown")
        .await;
    assert_eq!(app.truth().await.ended.len(), 12, "the held one runs still");
    release(stage, &app).await;
    done(stage, &app, 13, &operator).await;
    stage
        .ns
        .wait_condition("mail", "QueuesMatch", "True", "AsConfigured")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taskiq_stream_goes_from_zero_to_several_and_back_when_nothing_is_pending() {
    let stage = &AppStage::with_pools("taskiq-stream").await;
    let app = Taskiq {
        options: json!({"xread_count": 1}),
        slots: 1,
        ..Taskiq::new(stage, "mail", "stream", 0)
    };
    let spec = json!({"framework": "Taskiq", "queues": [app.queue]});
    let operator = with_pool(stage, &app, &app.broker, spec).await;
    app.publish(&[Load::new(1, 0).with("held", json!(true)), Load::new(8, 3)])
        .await;
    stage.ns.wait_replicas("mail", 4).await;
    // Who of them runs the long one nobody can say: fewer are wanted, and none goes.
    app.wait_ended(8).await;
    eventually("fewer replicas are wanted than there are", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        match status.desired_replicas {
            Some(desired) if desired < 4 => Ok(()),
            desired => Err(format!("{desired:?} are; {}", operator.log())),
        }
    })
    .await;
    assert_eq!(stage.ns.replicas("mail").await, Ok(4));
    release(stage, &app).await;
    done(stage, &app, 9, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_taskiq_list_nobody_goes_unless_the_grace_period_covers_it() {
    let stage = &AppStage::with_pools("taskiq-list").await;
    let app = Taskiq {
        slots: 1,
        ..Taskiq::new(stage, "mail", "list", 0)
    };
    let spec = json!({"framework": "Taskiq", "queues": [app.queue]});
    let operator = with_pool(stage, &app, &app.broker, spec).await;
    app.publish(&[Load::new(6, 3)]).await;
    stage.ns.wait_replicas("mail", 3).await;
    app.wait_ended(6).await;
    let told = stage
        .ns
        .wait_condition("mail", "WorkersKnown", "False", "NobodyHeard")
        .await;
    assert!(told.contains("a list does not show what they run"), "{told}");
    assert_eq!(
        stage.ns.replicas("mail").await,
        Ok(3),
        "nothing says that they are idle"
    );
    let graceful = json!({"worker": {"concurrency": 1, "maxTaskSeconds": 5}, "scaleDown": {"removal": "Graceful", "idleSeconds": 0}});
    stage.ns.change_pool("mail", graceful).await;
    done(stage, &app, 6, &operator).await;
}
