//! Gives a pool's workers back: those that were told to stop are told to fetch again, and the marks go. For pools that the
//! desk looks after no more: deleted, suspended, only observed, or with another target.

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    pool::{Key, Pool},
    registry::sampler,
    resolve, validate,
};
use crate::{
    broker::{Address, Clock, SubscriberId, Subscription},
    work::{Attention, Tally},
    workers::{self, Look, Means, pods},
};

/// How often pods and workers are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Answers to older questions are old.
const FRESH: Duration = Duration::from_secs(5);
/// A worker that has not answered by then is gone, or will never answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// So many looks in a row must find nothing left.
const CLEAN: u32 = 6;
/// After a failed call.
const AGAIN: Duration = Duration::from_secs(2);

/// Whose workers, and where.
#[derive(Clone, Debug)]
pub struct Release {
    /// The pool's own name.
    pub key: Key,
    /// The pool as it was.
    pub pool: Pool,
    /// Its target's label selector.
    pub selector: String,
    /// Its broker, if it was known.
    pub address: Option<Arc<Address>>,
}

/// Starts it; ends by itself.
pub fn start(client: Client, clock: Clock, release: Release) -> AbortHandle {
    let task = tokio::spawn(async move {
        let key = release.key.clone();
        let done = timeout(PATIENCE, give_back(&client, clock, release)).await;
        let (namespace, name) = (key.namespace, key.name);
        match done {
            Ok(()) => tracing::info!(namespace, name, "workers that were told to stop fetch again"),
            Err(_) => tracing::warn!(
                namespace,
                name,
                "workers that were told to stop may not fetch again: look for pods with the label {}, and delete them \
                 when they are idle",
                workers::DRAINING
            ),
        }
    });
    task.abort_handle()
}

async fn give_back(client: &Client, clock: Clock, release: Release) {
    const ID: SubscriberId = 0;
    let Release {
        key,
        pool,
        selector,
        mut address,
    } = release;
    let address = loop {
        if let Some(address) = address {
            break address;
        }
        address = resolve::address(client, &key.namespace, &pool).await.ok();
        if address.is_none() {
            sleep(AGAIN).await;
        }
    };
    let (out, mut samples) = mpsc::channel(4);
    let sampler = sampler(&address, clock, out);
    sampler.send(Subscription::Add {
        id: ID,
        framework: validate::framework(&pool, &address, None),
        period: PERIOD,
    });
    let mut told = Attention::new();
    let mut tally = Arc::<Tally>::default();
    let mut clean = 0;
    loop {
        let found = pods::list(client, &key.namespace, &selector, clock.now().wall).await;
        let Ok(found) = found else {
            sleep(AGAIN).await;
            continue;
        };
        let plan = workers::plan(&Look {
            pool: &key.name,
            pods: &found,
            work: &tally.pods,
            attention: &told,
            means: Means::of(&tally, false),
            from: 0,
            to: 0,
            graceful: None,
            now: clock.now().moment,
            fresh: FRESH,
        });
        // A write that was under way when the desk let go may still come.
        clean = if plan.unfinished { 0 } else { clean + 1 };
        if clean > CLEAN {
            return;
        }
        let _again = pods::mark(client, &key.namespace, &plan.marks).await;
        let wished = workers::attention(&told, &plan.stances, clock.now().moment);
        if wished != told {
            told.clone_from(&wished);
            let attention = wished;
            sampler.send(Subscription::Attend { id: ID, attention });
        }
        match samples.recv().await {
            Some(sampled) => tally = sampled.result.unwrap_or(tally),
            None => return,
        }
    }
}
