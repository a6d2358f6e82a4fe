//! What each kind of worker says of itself, idle and busy: what can be promised for it.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use taskworkerpool::model::{Intent, Moment, Tally};
use tokio::time::sleep;

use crate::support::{
    app::{App, AppStage, Load},
    bed::{PATIENCE, eventually},
    celery::{Celery, consumers},
    watch::Watch,
};

/// A task's time: long enough to miss many beats.
const TASK: u32 = 25;

/// What was seen of one worker.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Idle: it is heard, by its heartbeats or its answers.
    beats: bool,
    /// Idle: it answers questions.
    answers: bool,
    /// While it runs one task: the most tasks that it is known to run.
    busy_beats: u32,
    /// While it runs one task: what is known of it is never old.
    busy_fresh: bool,
    /// While it runs one task: the most tasks that its answers tell of; `None`: it answers nothing.
    busy_answers: Option<u32>,
    /// After the task it is heard again, and answers.
    again: bool,
    /// An order to fetch no more, and one to fetch again, is followed.
    obeys: bool,
    /// It is known that it takes no questions.
    deaf: bool,
}

struct Subject<'a> {
    app: Celery<'a>,
    pod: String,
    watch: Watch,
}

impl Subject<'_> {
    fn attend(&self, intent: Intent) {
        self.watch.attend(&self.pod, intent);
    }

    /// The samples since then.
    fn since(&self, since: Moment) -> Vec<std::sync::Arc<Tally>> {
        let samples = self.watch.history().into_iter().filter(|sample| sample.at >= since);
        samples.filter_map(|sample| sample.result.ok()).collect()
    }

    /// Whether this comes about in time.
    async fn comes(&self, holds: impl Fn(&Tally) -> bool) -> bool {
        for _ in 0..60 {
            if self
                .since(self.watch.now().saturating_sub(Duration::from_secs(1)))
                .last()
                .is_some_and(|tally| holds(tally))
            {
                return true;
            }
            sleep(Duration::from_millis(500)).await;
        }
        false
    }

    async fn is_heard(&self) -> bool {
        self.comes(|tally| tally.pods.contains_key(&self.pod)).await
    }

    async fn answers(&self) -> bool {
        let since = self.watch.now();
        let told = |tally: &Tally| {
            tally
                .pods
                .get(&self.pod)?
                .report
                .clone()
                .filter(|told| told.asked >= since)
        };
        self.comes(|tally| told(tally).is_some()).await
    }

    async fn obeys(&self) -> bool {
        let queues = || consumers(&self.pod, &self.app.queue);
        let told = |tally: &Tally| tally.pods.get(&self.pod)?.report.clone();
        self.attend(Intent::Cordon(queues()));
        let stops = self
            .comes(|tally| told(tally).is_some_and(|told| told.fetches_nothing()))
            .await;
        self.attend(Intent::Uncordon(queues()));
        stops
            && self
                .comes(|tally| told(tally).is_some_and(|told| told.consumes == queues()))
                .await
    }
}

async fn examine(stage: &AppStage, name: &str, db: u8, worker: &str, settings: Value) -> Seen {
    let app = Celery {
        worker: worker.to_owned(),
        settings,
        ..Celery::new(stage, name, &format!("redis://{}/{db}", stage.redis))
    };
    let watch = app.watch(None);
    app.workers(1).await;
    let pod = stage.pod_of(&app.name).await;
    let subject = Subject { app, pod, watch };
    subject.attend(Intent::Report);
    stage.ns.wait_ready(name).await;
    // That it lives is seen by a task, not by what it says.
    subject.app.publish(&[Load::new(1, 0)]).await;
    subject.app.wait_ended(1).await;
    let (beats, answers) = futures::join!(subject.is_heard(), subject.answers());

    subject.app.publish(&[Load::new(1, TASK)]).await;
    subject.app.wait_started(2).await;
    sleep(Duration::from_secs(8)).await;
    let since = subject.watch.now();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(subject.app.truth().await.ended.len(), 1, "{name}: the task still runs");
    let busy = subject.since(since);
    let pods: Vec<_> = busy.iter().filter_map(|tally| tally.pods.get(&subject.pod)).collect();
    let told = pods.iter().filter_map(|pod| pod.report.as_ref());
    let seen = Seen {
        beats,
        answers,
        busy_beats: pods.iter().map(|pod| pod.running).max().unwrap_or(0),
        busy_fresh: !busy.is_empty() && pods.len() == busy.len() && pods.iter().all(|pod| pod.fresh),
        busy_answers: told.filter(|told| told.asked >= since).map(|told| told.running).max(),
        ..Seen::default()
    };
    subject.app.wait_ended(2).await;
    let again = if beats {
        subject.is_heard().await && subject.answers().await
    } else {
        false
    };
    let obeys = again && subject.obeys().await;
    let known = |tally: &Tally| tally.pods.get(&subject.pod).is_some_and(|work| work.unresponsive);
    let deaf = beats && !again && subject.comes(known).await;
    let seen = Seen {
        again,
        obeys,
        deaf,
        ..seen
    };
    println!("kind {name} ({worker}): {seen:?}");
    stage.kill(&subject.app.name).await;
    seen
}

/// Says everything, busy or not, and does as it is told.
fn exact() -> Seen {
    Seen {
        beats: true,
        answers: true,
        busy_beats: 1,
        busy_fresh: true,
        busy_answers: Some(1),
        again: true,
        obeys: true,
        deaf: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_worker_says_what_the_docs_promise() {
    let stage = &AppStage::new("kinds").await;
    let kinds = [
        ("prefork", "-c 2", json!({}), exact()),
        ("threads", "-P threads -c 2", json!({}), exact()),
        ("gevent", "-P gevent -c 2", json!({}), exact()),
        ("eventlet", "-P eventlet -c 2", json!({}), exact()),
        (
            "solo",
            "-P solo",
            json!({}),
            Seen {
                busy_beats: 0,
                busy_fresh: false,
                busy_answers: None,
                ..exact()
            },
        ),
        (
            "silent",
            "-c 2 --without-heartbeat --without-gossip --without-mingle",
            json!({}),
            exact(),
        ),
        (
            "mute",
            "-c 2 --without-heartbeat",
            json!({"worker_enable_remote_control": false}),
            Seen::default(),
        ),
        (
            "deaf",
            "-c 2",
            json!({"worker_enable_remote_control": false}),
            Seen {
                busy_answers: None,
                answers: false,
                again: false,
                obeys: false,
                deaf: true,
                ..exact()
            },
        ),
    ];
    let mut wrong = Vec::new();
    // Few at a time: a machine with two processors starts them slowly.
    let mut number = 0;
    for few in kinds.chunks(4) {
        let seen = join_all(few.iter().map(|(name, worker, settings, _)| {
            number += 1;
            examine(stage, name, number, worker, settings.clone())
        }));
        for ((name, .., expected), seen) in few.iter().zip(seen.await) {
            if seen != *expected {
                wrong.push(format!("{name}: {seen:?} instead of {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A solo worker that runs a task longer than its silence is borne is no idle worker: nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_solo_worker_is_unknown_and_not_idle() {
    let stage = &AppStage::new("solo").await;
    let app = Celery {
        worker: "-P solo".to_owned(),
        ..Celery::new(stage, "alone", &format!("redis://{}/1", stage.redis))
    };
    let watch = app.watch(None);
    app.workers(1).await;
    let pod = stage.pod_of(&app.name).await;
    eventually("it is heard", PATIENCE, async || {
        let last = watch.history().pop().and_then(|sample| sample.result.ok());
        last.filter(|tally| tally.pods.contains_key(&pod))
            .map(drop)
            .ok_or_else(String::new)
    })
    .await;
    watch.attend(&pod, Intent::Report);
    // The last ones let it speak now and then, but not for long.
    for (count, seconds) in [(1, 40), (8, 3)] {
        app.publish(&[Load::new(count, seconds)]).await;
    }
    app.wait_started(1).await;
    watch
        .settles("it fell silent", |tally| {
            let pod = tally.pods.get(&pod);
            !tally.workers_heard && pod.is_some_and(|work| !work.fresh && work.running == 0)
        })
        .await;
    assert_eq!(app.truth().await.ended.len(), 0, "and runs its task");
    app.wait_ended(9).await;
    let deaf = |tally: &Tally| tally.pods.get(&pod).is_some_and(|work| work.unresponsive);
    for sample in watch.history() {
        let tally = sample.result.expect("a count");
        assert!(!deaf(&tally), "it takes questions whenever it can: {tally:?}");
    }
}
