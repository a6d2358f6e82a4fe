//! The zoo: applications as people run them, each asked the same seven questions.
//!
//! | question | right is |
//! |---|---|
//! | count | the pool's numbers are what was published and is not done |
//! | whole | no task was cut off |
//! | once | nothing ran twice that is not the broker's own doing |
//! | bystander | the application's own `inspect ping`, every two seconds, has had every answer |
//! | no error | no worker has logged an ERROR |
//! | minimum | the pool is back at its minimum in bounded time, or a condition says why not |
//! | conditions | every condition is true, all the time |
//!
//! | file | concept |
//! |---|---|
//! | `set_ups/` | the applications, one file each |
//! | `app/` | the Celery application that takes any settings, and its clients |
//! | `set_up.rs` | what a file may say |
//! | `stage.rs` | what all set-ups stand on: brokers, records, the clients |
//! | `application.rs` | its application: publishes, has workers, records |
//! | `objects.rs` | a set-up's own namespace |
//! | `watch.rs` | pods, replicas and status, second by second |
//! | `questions.rs`, `conditions.rs` | pure: the answers |
//! | `judged.rs` | whether the questions find what is wrong |
//! | `table.rs` | the answers for people, and the figures |
//! | `diary.rs` | everything that was seen of a set-up, in the order of time, in `target/zoo` |
//! | `run.rs` | one set-up from its first object to its answers |
//!
//! Needs the test bed: `tests/testbed/bed up`, then `cargo test --all-features --test e2e -- zoo:: --nocapture`.
//! `TWP_ZOO` is `quick` (a third of them, chosen for breadth; the default), `all`, or the names of some with commas between;
//! `TWP_ZOO_AT_ONCE` how many run at the same time (default 6).

mod application;
mod conditions;
mod diary;
mod judged;
mod objects;
mod questions;
mod run;
mod set_up;
mod stage;
mod table;
mod watch;

use std::sync::Arc;

use serde_json::json;
use set_up::SetUp;
use stage::ZooStage;
use tokio::{sync::Semaphore, task::LocalSet};

#[tokio::test]
async fn every_application_gets_seven_right_answers() {
    let rows = LocalSet::new().run_until(answers()).await;
    let table = table::show(&rows);
    println!("{table}");
    table::record(&rows);
    assert!(table::is_right(&rows), "not all is right:\n{table}");
}

/// A row for each set-up that was chosen.
async fn answers() -> Vec<table::Row> {
    let set_ups = SetUp::chosen();
    let at_once = std::env::var("TWP_ZOO_AT_ONCE").ok().and_then(|text| text.parse().ok());
    // While some have their turn, the next ones are made ready.
    let [places, preparing] = [(); 2].map(|()| Arc::new(Semaphore::new(at_once.unwrap_or(6))));
    let stage = Arc::new(ZooStage::new().await);
    let runs = set_ups.into_iter().enumerate().map(|(number, set_up)| {
        let (stage, name) = (stage.clone(), set_up.name.clone());
        let (places, preparing) = (places.clone(), preparing.clone());
        let run = tokio::task::spawn_local(async move {
            let being_prepared = preparing.acquire_owned().await.expect("a being_prepared");
            let ready = run::prepare(&stage, number, set_up).await;
            let _place = places.acquire_owned().await.expect("a place");
            drop(being_prepared);
            run::run(&stage, ready).await
        });
        (name, run)
    });
    let mut rows = Vec::new();
    for (name, run) in runs.collect::<Vec<_>>() {
        rows.push(
            run.await
                .unwrap_or_else(|failed| run::trouble(name, &json!(failed.to_string()))),
        );
    }
    rows
}
