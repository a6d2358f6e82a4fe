//! How long tasks have waited that were there before the first count.

use std::time::Duration;

use jiff::Timestamp;

use taskworkerpool::model::Since;
use tokio::time::sleep;

use crate::support::{
    app::{App, AppStage, Load},
    celery::Celery,
};

#[tokio::test(flavor = "multi_thread")]
async fn with_the_lines_of_the_docs_a_task_says_since_when_it_waits() {
    let stage = &AppStage::new("waits").await;
    let plain = Celery::new(stage, "plain", &format!("redis://{}/0", stage.redis));
    let stamped = Celery {
        stamped: true,
        ..Celery::new(stage, "stamped", &format!("redis://{}/1", stage.redis))
    };
    let before = Timestamp::now();
    for app in [&plain, &stamped] {
        app.publish(&[Load::new(4, 1)]).await;
    }
    let after = Timestamp::now();
    sleep(Duration::from_secs(5)).await;

    let watch = stamped.watch(None);
    let told = |since| matches!(since, Some(Since::Published(at)) if (before..=after).contains(&at));
    watch
        .settles("4 ready, and the time when the first was published", |tally| {
            tally.work.ready == 4 && told(tally.work.oldest)
        })
        .await;
    let first = plain.watch(None);
    let seen = first
        .settles("4 ready, first seen at the first count", |tally| {
            tally.work.ready == 4 && matches!(tally.work.oldest, Some(Since::Seen(_)))
        })
        .await;
    let same = first
        .settles("the same one is the oldest", |tally| {
            tally.work.oldest == seen.work.oldest
        })
        .await;
    assert_eq!(same.work.ready, 4);

    // Workers take such messages like any other.
    stamped.workers(1).await;
    stamped.wait_started(4).await;
    watch
        .settles("nothing waits", |tally| {
            (tally.work.outstanding(), tally.work.oldest) == (0, None)
        })
        .await;
}
