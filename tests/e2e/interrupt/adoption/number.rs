//! The number of replicas of a Deployment that has a pool of its name.

use std::time::Duration;

use crate::support::{
    bed::{Namespace, eventually, throughout},
    celery_stage::LONG,
};

/// Waits until there are so many. Patient: a pool watches for a minute before it takes anybody away.
pub async fn comes_to(ns: &Namespace, name: &str, wished: i32) {
    let what = format!("{name}: {wished} replicas");
    eventually(&what, 2 * LONG, async || {
        let status = ns.pool(name).await?.status.unwrap_or_default();
        match ns.replicas(name).await? {
            seen if seen == wished => Ok(()),
            seen => Err(format!("{seen}; {:?}", status.message)),
        }
    })
    .await;
}

/// Whoever applies the Deployment leaves the number alone.
pub async fn stays(ns: &Namespace, name: &str, replicas: i32) {
    let what = format!("{name}: the number stays");
    throughout(&what, Duration::from_secs(5), async || {
        match ns.replicas(name).await? {
            seen if seen == replicas => Ok(()),
            seen => Err(format!("{seen} replicas")),
        }
    })
    .await;
}
