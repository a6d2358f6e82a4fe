//! An endpoint and a framework that do as the test wants.

use std::sync::Mutex;

use super::*;
use crate::model::{Application, Hearing, Named, Place, Query, Reply, Roster, Step, Tally, keep};

/// What the fake endpoint saw.
#[derive(Default)]
pub struct Seen {
    /// Every call of `sample`: when, and what was asked.
    pub calls: Vec<(Moment, Vec<Query>)>,
    /// Every call of `listen`.
    pub listens: Vec<Vec<Subscription>>,
}

/// Every queue has 7 messages, except for the one that fails.
pub struct Fake {
    pub seen: Arc<Mutex<Seen>>,
    pub takes: Duration,
    pub fails: &'static str,
    pub signals: mpsc::Receiver<Signal>,
}

impl Endpoint for Fake {
    async fn sample(&mut self, reads: &[Query], moment: Moment) -> Vec<Result<Reply, SampleError>> {
        self.seen.lock().unwrap().calls.push((moment, reads.to_vec()));
        tokio::time::sleep(self.takes).await;
        let reply = |read: &Query| match read {
            Query::QueueDepth { queue } if queue == self.fails => Err(SampleError::WrongType),
            _ => Ok(Reply::Depth {
                ready: 7,
                consumers: None,
            }),
        };
        reads.iter().map(reply).collect()
    }

    fn listen(&mut self, to: Vec<Subscription>) {
        self.seen.lock().unwrap().listens.push(to);
    }

    fn connection(&self) -> u64 {
        7
    }

    fn hearing(&self, _: &Subscription) -> Hearing {
        Hearing::Works
    }

    async fn next_signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

/// What its workers announce: that they are there.
#[derive(Debug)]
pub struct Here;

pub fn here() -> Signal {
    Signal::new("Queues", Here, 0)
}

/// Counts queues, and knows when a worker was heard.
#[derive(Debug, Default)]
pub struct FakeFramework {
    pub pools: BTreeMap<PoolId, (Vec<&'static str>, Option<Arc<Tally>>)>,
    pub heard: Option<Moment>,
}

pub fn queues(keys: &[&'static str]) -> Application {
    Application::new("Queues", |_| Box::<FakeFramework>::default(), keys.to_vec())
}

pub fn listen(key: &str) -> Subscription {
    Subscription {
        place: Place::Pattern {
            pattern: key.to_owned(),
            channel: Named::new("any", |_| true),
        },
        read: Named::new("nothing", |_| Vec::new()),
    }
}

impl Framework for FakeFramework {
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription> {
        let keys: Vec<&'static str> = application.said()?;
        let first = keys.first().map(|key| listen(key));
        self.pools.insert(id, (keys, None));
        first
    }

    fn remove(&mut self, id: PoolId) {
        self.pools.remove(&id);
    }

    fn subscriptions(&mut self) -> BTreeSet<Subscription> {
        let first = self.pools.values().filter_map(|(keys, _)| keys.first());
        first.map(|key| listen(key)).collect()
    }

    fn hear(&mut self, signal: Signal, moment: Moment) {
        assert!(signal.said::<Here>().is_some());
        self.heard = Some(moment);
    }

    fn prune(&mut self, now: Moment) {
        self.heard = self.heard.filter(|heard| now - *heard < Duration::from_secs(15));
    }

    /// Where there is a pool that talks, in two steps.
    fn converse(&mut self, replies: Vec<Result<Reply, SampleError>>, connection: u64, _: Now) -> Vec<Query> {
        assert_eq!(connection, 7);
        let talks = self.pools.values().any(|(keys, _)| keys.contains(&"talks"));
        let said = match replies.len() {
            0 => &["a", "b"][..],
            2 => &["c"],
            _ => &[],
        };
        let read = |queue: &&str| Query::QueueDepth {
            queue: (*queue).to_owned(),
        };
        said.iter().filter(|_| talks).map(read).collect()
    }

    fn farewell(&mut self) -> Vec<Query> {
        vec![Query::QueueDepth { queue: "bye".into() }]
    }

    fn start(&mut self, id: PoolId, _: Now) -> Vec<Query> {
        let read = |key: &&str| Query::QueueDepth { queue: (*key).into() };
        self.pools[&id].0.iter().map(read).collect()
    }

    /// Where there is a queue `more`, that and `most` are asked for next, one after the other.
    fn next(
        &mut self,
        id: PoolId,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        _: Now,
    ) -> Result<Step, SampleError> {
        let mut tally = Tally::default();
        for reply in replies {
            if let Reply::Depth { ready, .. } = reply? {
                tally.work.ready += ready;
            }
        }
        let depth = |queue: &str| Query::QueueDepth { queue: queue.into() };
        if let Some(last) = queries.last() {
            for (asked, next) in [("asks", "more"), ("more", "most"), ("endless", "endless")] {
                if *last == depth(asked) {
                    return Ok(Step::Ask(vec![depth(next)]));
                }
            }
        }
        tally.workers_heard = self.heard.is_some();
        Ok(Step::Done(keep(&mut self.pools.get_mut(&id).unwrap().1, tally)))
    }

    fn roster(&mut self, _: PoolId, _: Roster) {}

    fn queues(&mut self, id: PoolId, queues: Vec<String>) {
        let keys = queues.into_iter().map(|queue| &*queue.leak());
        self.pools.get_mut(&id).unwrap().0 = keys.collect();
    }
}
