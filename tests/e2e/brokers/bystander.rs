//! Remote control beside an application's own: whatever joins its bindings, and whatever the pool says of that, it goes
//! on answering itself.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};
use taskworkerpool::framework::celery::CeleryConfig;
use taskworkerpool::model::{Control, Intent};

use crate::support::{
    app::{App, AppStage},
    bed::{PATIENCE, eventually},
    celery::{Celery, consumers, watching},
    watch::address,
};

const SET: &str = "_kombu.binding.reply.celery.pidbox";

/// An application, and what its pool says of it.
struct Case<'a> {
    app: Celery<'a>,
    db: &'static str,
    config: CeleryConfig,
}

impl<'a> Case<'a> {
    fn new(stage: &'a AppStage, name: &str, db: &'static str, options: Value, said: CeleryConfig) -> Self {
        let mut app = Celery::new(stage, name, &format!("redis://{}/{db}", stage.redis));
        app.options = options;
        let config = CeleryConfig {
            queues: vec![app.queue.clone()],
            target: app.name.as_str().into(),
            ..said
        };
        Self { app, db, config }
    }

    async fn members(&self, stage: &AppStage) -> String {
        let set = format!("{}{SET}", self.config.key_prefix);
        stage.redis_cli(&["-n", self.db, "smembers", &set]).await
    }

    /// Its worker is asked without a pause and told to stop and to fetch again; meanwhile it answers its own application.
    async fn goes_well(&self, stage: &AppStage) {
        let (app, name) = (&self.app, &self.app.name);
        app.workers(1).await;
        let pod = stage.pod_of(&app.name).await;
        let watch = watching(address(&app.broker, None), self.config.clone());
        let queues = || consumers(&pod, &app.queue);
        let none = [(format!("celery@{pod}"), BTreeSet::new())].into();
        for (intent, expected) in [(Intent::Cordon(queues()), none), (Intent::Uncordon(queues()), queues())] {
            watch.attend(&pod, intent);
            watch
                .settles(&format!("{name}: it fetches from {expected:?}"), |tally| {
                    let told = tally.pods.get(&pod).and_then(|pod| pod.report.clone());
                    told.is_some_and(|told| told.consumes == expected) && tally.control == Control::Works
                })
                .await;
            let node = format!("celery@{pod}");
            let ping = [
                "python3", "-m", "celery", "-A", "load", "inspect", "ping", "-t", "30", "-d", &node,
            ];
            let answer = stage.ns.exec(&format!("deploy/{name}"), &ping).await;
            assert!(answer.contains("pong"), "{name}: {answer}");
        }
        drop(watch);
        eventually(&format!("{name}: nothing of ours is left"), PATIENCE, async || {
            let members = self.members(stage).await;
            if members.contains("twp-operator-") {
                Err(members)
            } else {
                Ok(())
            }
        })
        .await;
        let log = stage.ns.kubectl(&["logs", &format!("deploy/{name}")]).await;
        for word in ["ERROR", "Traceback"] {
            assert!(!log.contains(word), "{name}: {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_goes_on_answering_itself_whatever_joins_its_bindings() {
    let stage = &AppStage::new("bystander").await;
    let usual = CeleryConfig::default;
    let separator = |said: &str| CeleryConfig {
        separator: Some(said.to_owned()),
        ..usual()
    };
    let bare = CeleryConfig {
        heartbeat_channel: Some("celeryev/*".to_owned()),
        ..usual()
    };
    let prefixed = CeleryConfig {
        key_prefix: "shop:".to_owned(),
        ..usual()
    };
    let cases = [
        Case::new(stage, "not-said", "1", json!({"sep": ":"}), usual()),
        Case::new(stage, "wrongly-said", "2", json!({}), separator(":")),
        Case::new(stage, "bare", "3", json!({"sep": "|", "fanout_prefix": false}), bare),
        Case::new(
            stage,
            "prefixed",
            "4",
            json!({"sep": ":", "global_keyprefix": "shop:"}),
            prefixed,
        ),
        Case::new(stage, "left-over", "5", json!({"sep": ":"}), usual()),
    ];
    // An operator of an earlier version was killed there.
    let oid = "twp-operator-0123456789abcdef0123456789abcdef";
    let member = format!("{oid}\x06\x16\x06\x16{oid}.reply.celery.pidbox");
    stage.redis_cli(&["-n", "5", "sadd", SET, &member]).await;
    join_all(cases.iter().map(|case| case.goes_well(stage))).await;
}
