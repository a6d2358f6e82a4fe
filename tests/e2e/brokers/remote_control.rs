//! Single workers are told to fetch no more, work off what they hold, and fetch again; nothing is lost.

use std::time::Duration;

use futures::future::join_all;

use taskworkerpool::model::{Consumers, Intent, Moment, WorkerReport};
use tokio::time::{Instant, sleep};

use crate::support::{
    app::{App, AppStage, Load},
    bed::{PATIENCE, eventually, throughout},
    celery::{Celery, consumers, passive_count},
    watch::Watch,
};

/// One application, its only pod, and how to look after it.
struct Patient<'a> {
    stage: &'a AppStage,
    app: &'a Celery<'a>,
    watch: Watch,
    pod: String,
}

impl<'a> Patient<'a> {
    async fn new(stage: &'a AppStage, app: &'a Celery<'a>) -> Self {
        let watch = app.watch(None);
        app.workers(1).await;
        let pod = stage.pod_of(&app.name).await;
        Self { stage, app, watch, pod }
    }

    fn attend(&self, intent: Intent) {
        self.watch.attend(&self.pod, intent);
    }

    fn queues(&self) -> Consumers {
        match self.app.two_nodes {
            true => ["a", "b"]
                .map(|name| (format!("{name}@{}", self.pod), [self.app.queue.clone()].into()))
                .into(),
            false => consumers(&self.pod, &self.app.queue),
        }
    }

    /// What the pod said last, if it was asked since then.
    fn told_since(&self, since: Moment) -> Option<WorkerReport> {
        let last = self.watch.history().pop()?.result.ok()?;
        last.pods
            .get(&self.pod)?
            .report
            .clone()
            .filter(|told| told.asked >= since)
    }

    /// Waits until the pod answers so: how long that took.
    async fn tells(&self, what: &str, holds: impl Fn(&WorkerReport) -> bool) -> Duration {
        let (started, since) = (Instant::now(), self.watch.now());
        eventually(&format!("{}: {what}", self.app.name), PATIENCE, async || {
            match self.told_since(since) {
                Some(told) if holds(&told) => Ok(()),
                told => Err(format!("{told:?}; {:?}", self.watch.history().pop())),
            }
        })
        .await;
        started.elapsed()
    }

    async fn stop(&self) -> Duration {
        self.attend(Intent::Cordon(self.queues()));
        let stopped = |told: &WorkerReport| told.fetches_nothing() && told.stopped_since.is_some();
        self.tells("it fetches no more", stopped).await
    }

    async fn resume(&self) -> Duration {
        self.attend(Intent::Uncordon(self.queues()));
        let fetches = |told: &WorkerReport| told.consumes == self.queues() && told.stopped_since.is_none();
        self.tells("it fetches again", fetches).await
    }

    async fn publish(&self, count: u32, seconds: u32) {
        self.app.publish(&[Load::new(count, seconds)]).await;
    }

    /// Messages that wait in the queue, by the broker's own word.
    async fn waiting(&self) -> u64 {
        match self.app.broker.strip_prefix("amqp://") {
            Some(rest) => passive_count(rest.trim_end_matches('/'), &self.app.queue).await.into(),
            None => {
                let db = self.app.broker.rsplit('/').next().unwrap_or("0");
                let length = self.stage.redis_cli(&["-n", db, "llen", &self.app.queue]).await;
                length.parse().expect("a length")
            }
        }
    }

    /// Breaks every connection to the broker, ours as well.
    async fn break_connections(&self) {
        match self.app.broker.strip_prefix("amqp://") {
            None => {
                for kind in ["pubsub", "normal"] {
                    self.stage.redis_cli(&["client", "kill", "type", kind]).await;
                }
            }
            Some(rest) => {
                let server = rest.trim_end_matches('/');
                let broken = eventually("connections are listed and broken", PATIENCE, async || {
                    let answer = self.stage.manage(server, "GET", "/connections?columns=name", "").await;
                    let names: Vec<_> = answer.split("\"name\":\"").skip(1).collect();
                    for name in &names {
                        let name = name.split('"').next().unwrap_or_default();
                        let path = format!("/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
                        self.stage.manage(server, "DELETE", &path, "").await;
                    }
                    if names.is_empty() { Err(answer) } else { Ok(names.len()) }
                });
                println!("{}: {} connections broken", self.app.name, broken.await);
            }
        }
    }

    /// Whether the worker fetches after its connections broke, as long as nobody tells it anything.
    async fn comes_back_fetching(&self) -> bool {
        self.attend(Intent::Report);
        sleep(Duration::from_secs(1)).await;
        self.break_connections().await;
        // The answers before the break do not count, nor those from before it has noticed.
        sleep(Duration::from_secs(5)).await;
        let since = self.watch.now();
        self.tells("it answers again", |_| true).await;
        sleep(Duration::from_secs(3)).await;
        let told = self.told_since(since).expect("an answer");
        println!("{}: after the break {told:?}", self.app.name);
        !told.fetches_nothing()
    }
}

/// What a worker of the application does between a stop and a resume.
async fn stopped_and_resumed(stage: &AppStage, app: &Celery<'_>) {
    let patient = Patient::new(stage, app).await;
    app.publish(&[Load::endless(2).due_in(900)]).await;
    patient.publish(6, 15).await;
    app.wait_started(2).await;
    patient.attend(Intent::Report);
    let full = |told: &WorkerReport| (told.running, told.reserved, told.scheduled) == (2, 4, 2);
    patient.tells("2 run, 4 are fetched, 2 come later", full).await;

    let took = patient.stop().await;
    println!("{}: stopped after {} ms", app.name, took.as_millis());
    patient.publish(3, 1).await;
    let done =
        |told: &WorkerReport| (told.running, told.reserved, told.scheduled) == (0, 0, 2) && told.fetches_nothing();
    patient
        .tells("what was fetched is done, what comes later stays", done)
        .await;
    throughout("nothing is fetched", Duration::from_secs(4), async || {
        let seen = (patient.waiting().await, app.truth().await.started.len());
        if seen == (3, 6) {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    assert_eq!(app.truth().await.ended.len(), 6, "{}", app.name);

    let took = patient.resume().await;
    println!("{}: resumed after {} ms", app.name, took.as_millis());
    app.wait_ended(9).await;
    assert_eq!(app.truth().await.started.len(), 9, "{}: each once", app.name);
}

fn apps<'a>(stage: &'a AppStage, broker: impl Fn(u8) -> String, name: &str, quorum: bool) -> Vec<Celery<'a>> {
    let of = |late: bool| Celery {
        late,
        quorum,
        ..Celery::new(
            stage,
            &format!("{name}-{}", if late { "late" } else { "early" }),
            &broker(u8::from(late)),
        )
    };
    vec![of(false), of(true)]
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_a_stopped_worker_works_off_what_it_holds_and_no_more() {
    let stage = &AppStage::new("control").await;
    let apps = apps(stage, |db| format!("redis://{}/{db}", stage.redis), "redis", false);
    join_all(apps.iter().map(|app| stopped_and_resumed(stage, app))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_a_stopped_worker_works_off_what_it_holds_and_no_more() {
    let stage = &AppStage::new("control").await;
    let rabbit = &stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let of = |name, quorum| apps(stage, |_| format!("amqp://{rabbit}//"), name, quorum);
    let apps = [of("classic", false), of("quorum", true)].concat();
    join_all(apps.iter().map(|app| stopped_and_resumed(stage, app))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_ever_asked_workers_the_operator_can_and_the_application_can_afterwards() {
    let stage = &AppStage::new("unasked").await;
    let rabbit = &stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let app = &Celery {
        // Each of them asks the others when it starts, unless it is told not to.
        worker: "-c 2 --without-gossip --without-mingle".to_owned(),
        ..Celery::new(stage, "unasked", &format!("amqp://{rabbit}//"))
    };
    let patient = Patient::new(stage, app).await;
    patient.stop().await;
    patient.resume().await;
    let exchange = stage
        .manage(rabbit, "GET", "/exchanges/%2F/reply.celery.pidbox", "")
        .await;
    for word in [r#""type":"direct""#, r#""durable":false"#, r#""auto_delete":false"#] {
        assert!(exchange.contains(word), "{exchange}");
    }
    let node = format!("celery@{}", patient.pod);
    let ping = [
        "python3", "-m", "celery", "-A", "load", "inspect", "ping", "-t", "30", "-d", &node,
    ];
    let answer = stage.ns.exec("deploy/unasked", &ping).await;
    assert!(answer.contains("pong"), "{answer}");
    let log = stage.ns.kubectl(&["logs", "deploy/unasked"]).await;
    for word in ["ERROR", "Traceback"] {
        assert!(!log.contains(word), "{log}");
    }
}

/// Stops, publishes and resumes again and again: each task runs once. On Redis this meets the `BRPOP` that is under way
/// when the worker is told to stop.
async fn nothing_is_lost(stage: &AppStage, app: &Celery<'_>) {
    let patient = Patient::new(stage, app).await;
    patient.resume_when_it_answers().await;
    let mut published = 0;
    for round in 0..8 {
        let order = async {
            sleep(Duration::from_millis(150 * round)).await;
            patient.attend(Intent::Cordon(patient.queues()));
        };
        futures::join!(order, patient.publish(40, 0));
        published += 40;
        let stopped = |told: &WorkerReport| told.fetches_nothing();
        patient.tells("it fetches no more", stopped).await;
        patient.publish(5, 0).await;
        published += 5;
        patient.resume().await;
    }
    // What is missing is held by somebody, or nowhere: the worker's last report tells which.
    let what = format!("{}: all {published} have ended", app.name);
    eventually(&what, 2 * PATIENCE, async || match app.truth().await.ended.len() {
        seen if seen == published => Ok(()),
        seen => Err(format!(
            "{seen}; {} wait; {:?}",
            patient.waiting().await,
            patient.watch.history().pop()
        )),
    })
    .await;
    assert_eq!(app.truth().await.started.len(), published, "{}: each once", app.name);
    let empty = |told: &WorkerReport| (told.running, told.reserved) == (0, 0);
    patient.tells("it holds nothing", empty).await;
    assert_eq!(patient.waiting().await, 0);
}

impl Patient<'_> {
    async fn resume_when_it_answers(&self) {
        self.attend(Intent::Report);
        self.tells("it answers", |_| true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_or_run_twice_by_stopping_and_resuming() {
    let stage = &AppStage::new("lossless").await;
    let rabbit = &stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    let redis = Celery::new(stage, "on-redis", &format!("redis://{}/0", stage.redis));
    let late = Celery {
        late: true,
        ..Celery::new(stage, "on-redis-late", &format!("redis://{}/1", stage.redis))
    };
    let quorum = Celery {
        quorum: true,
        ..Celery::new(stage, "quorum", &format!("amqp://{rabbit}//"))
    };
    join_all([redis, late, quorum].iter().map(|app| nothing_is_lost(stage, app))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_of_a_pod_answer_and_stop() {
    let stage = &AppStage::new("nodes").await;
    let app = Celery {
        two_nodes: true,
        ..Celery::new(stage, "two", &format!("redis://{}/0", stage.redis))
    };
    let patient = Patient::new(stage, &app).await;
    patient.resume_when_it_answers().await;
    patient.publish(12, 12).await;
    app.wait_started(4).await;
    let both = |told: &WorkerReport| told.running == 4 && told.reserved == 8;
    patient.tells("4 run in both nodes, 8 are fetched", both).await;
    patient.stop().await;
    patient.publish(4, 1).await;
    let done = |told: &WorkerReport| (told.running, told.reserved) == (0, 0) && told.fetches_nothing();
    patient.tells("both have worked off what they held", done).await;
    assert_eq!((patient.waiting().await, app.truth().await.ended.len()), (4, 12));
    patient.resume().await;
    app.wait_ended(16).await;
}

/// What its workers and we had bound is lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_begins_anew_in_the_middle_of_a_drain_loses_no_worker() {
    let stage = &AppStage::new("anew").await;
    let forgetful = stage.redis_with("forgetful", &[]).await;
    let app = Celery::new(stage, "anew", &format!("redis://{forgetful}/0"));
    let patient = Patient::new(stage, &app).await;
    patient.resume_when_it_answers().await;
    patient.publish(2, 90).await;
    app.wait_started(2).await;
    patient.stop().await;
    let now = ["delete", "pods", "-l", "app=forgetful", "--grace-period=0", "--force"];
    stage.ns.kubectl(&now).await;
    stage.ns.wait_ready("forgetful").await;
    // It runs them on, and says so.
    let runs = |told: &WorkerReport| told.running == 2 && told.fetches_nothing();
    patient.tells("it answers again", runs).await;
    patient.resume().await;
    patient.publish(1, 1).await;
    app.wait_ended(3).await;
}

/// A stopped worker whose connections break stays stopped, and one that was resumed fetches on.
async fn survives_a_break(stage: &AppStage, app: &Celery<'_>) {
    let patient = Patient::new(stage, app).await;
    patient.resume_when_it_answers().await;
    patient.stop().await;
    patient.publish(3, 1).await;
    let fetching = patient.comes_back_fetching().await;
    println!("{}: stopped, then broken: comes back fetching: {fetching}", app.name);
    patient.stop().await;
    let (waits, started) = (patient.waiting().await, app.truth().await.started.len() as u64);
    assert_eq!(fetching, started > 0, "{}: {started} started", app.name);
    assert_eq!(waits + started, 3, "{}", app.name);
    patient.resume().await;
    app.wait_ended(3).await;

    let fetching_again = patient.comes_back_fetching().await;
    println!(
        "{}: resumed, then broken: comes back fetching: {fetching_again}",
        app.name
    );
    assert_eq!((fetching, fetching_again), (false, true), "{}", app.name);
    patient.publish(2, 1).await;
    app.wait_ended(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_undoes_no_order() {
    let stage = &AppStage::new("breaks").await;
    let redis = Celery::new(stage, "on-redis", &format!("redis://{}/0", stage.redis));
    survives_a_break(stage, &redis).await;
    let rabbit = &stage.rabbitmq("rabbitmq", "RABBITMQ", "").await;
    for quorum in [false, true] {
        let name = if quorum { "quorum" } else { "classic" };
        let app = Celery {
            quorum,
            ..Celery::new(stage, name, &format!("amqp://{rabbit}//"))
        };
        survives_a_break(stage, &app).await;
        stage.kill(&app.name).await;
    }
}
