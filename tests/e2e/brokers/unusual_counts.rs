//! A broker restarted empty, tasks with an ETA on RabbitMQ, RabbitMQ 3.

use taskworkerpool::model::SampleError;

use crate::support::{
    app::{App, AppStage, Load},
    celery::Celery,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restarted_empty_is_not_believed_at_once() {
    let stage = &AppStage::new("restart").await;
    let forgetful = stage.redis_with("forgetful", &[]).await;
    let app = Celery::new(stage, "restart", &format!("redis://{forgetful}/0"));
    let watch = app.watch(None);
    app.publish(&[Load::endless(5)]).await;
    watch.settles("5 ready", |tally| tally.work.ready == 5).await;
    let before = watch.history().len();
    let now = ["delete", "pods", "-l", "app=forgetful", "--grace-period=0", "--force"];
    stage.ns.kubectl(&now).await;
    stage.ns.wait_ready("forgetful").await;
    watch
        .settles("nothing is left", |tally| tally.work.outstanding() == 0)
        .await;
    let after = watch.history().split_off(before);
    let empty = after
        .iter()
        .position(|sample| sample.result.as_ref().is_ok_and(|tally| tally.work.ready == 0))
        .expect("an empty sample");
    let doubted = after[..empty]
        .iter()
        .any(|sample| sample.result.as_ref().err() == Some(&SampleError::JustReconnected));
    assert!(doubted, "the first empty answer was believed: {after:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_with_an_eta_on_rabbitmq_need_their_worker_and_block_the_head() {
    let stage = &AppStage::new("eta").await;
    let rabbit = stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let app = Celery::new(stage, "blocked", &format!("amqp://{rabbit}//"));
    let watches = [
        app.watch(None),
        app.watch(Some(&format!("http://guest:guest@{rabbit}:15672"))),
    ];
    app.publish(&[Load::endless(30).due_in(900)]).await;
    app.publish(&[Load::endless(5)]).await;
    app.workers(1).await;
    for (watch, how) in watches.iter().zip(["AMQP only", "management"]) {
        // The worker takes eight: two slots, four messages each. They are the head; nothing behind them starts.
        let what = format!("{how}: 8 scheduled in the worker's memory, 27 ready, none running");
        let tally = watch
            .settles(&what, |tally| {
                let work = &tally.work;
                (work.scheduled, work.ready, work.in_flight, work.running) == (8, 27, 0, 0)
            })
            .await;
        assert!(tally.work.next_due.is_some() && tally.workers_heard, "{tally:?}");
        assert_eq!(tally.processed, Some(0), "{tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_3_is_counted_with_management_and_without() {
    let stage = &AppStage::new("rabbitmq3").await;
    let rabbit = stage.rabbitmq("rabbitmq", "RABBITMQ3", "").await;
    for late in [false, true] {
        let app = Celery {
            late,
            ..Celery::new(
                stage,
                if late { "late" } else { "early" },
                &format!("amqp://{rabbit}//"),
            )
        };
        let watches = [
            app.watch(None),
            app.watch(Some(&format!("http://guest:guest@{rabbit}:15672"))),
        ];
        app.workers(1).await;
        app.publish(&[Load::endless(14)]).await;
        app.wait_started(2).await;
        for (watch, how) in watches.iter().zip(["AMQP only", "management"]) {
            let ready = if late { 6 } else { 4 };
            let what =
                format!("late={late}, {how}: 14 outstanding, {ready} of them ready, 2 running, nothing degraded");
            watch
                .settles(&what, |tally| {
                    let work = &tally.work;
                    (work.outstanding(), work.ready, work.running) == (14, ready, 2) && tally.degraded.is_none()
                })
                .await;
        }
    }
}
