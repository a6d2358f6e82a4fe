//! Celery: what it keeps in Redis and RabbitMQ, and how the work is counted from that.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`Celery`], the framework on one endpoint |
//! | `config.rs`, `pool.rs` | [`CeleryConfig`], what a pool says of its application; [`CeleryPool`], how its work is counted |
//! | `workers.rs`, `workers/` | who is there, and what they said of themselves last |
//! | `redis.rs`, `unacked.rs`, `routes.rs` | the count on Redis; whose entries of the shared `unacked` hash are whose |
//! | `rabbitmq.rs`, `rabbitmq/held.rs` | the count on RabbitMQ; which ready messages are not due |
//! | `asking.rs` | whom to ask what, and how soon again |
//! | `attend.rs` | asking single pods what they hold, and telling them to stop or resume fetching |
//! | `own.rs`, `fetches.rs` | what the pool's own workers say: running tasks, acknowledged or not; which queues they fetch |
//! | `message.rs`, `stamp.rs` | queue, due time and time of publishing of a task message; times in headers |
//! | `events.rs`, `control.rs`, `wire.rs` | heartbeats; remote control; how both are wrapped |
//! | `lenient.rs` | JSON values that may have any form |
//! | `beat.rs` | whether a container's command starts a worker that runs beat as well |
//! | `stats.rs` | what a worker is: its slots, its counter, its application's options |
//! | `pods.rs` | which pod a node is |
//!
//! A worker that is told to stop (SIGTERM) says goodbye at once, falls silent and finishes what it runs: nobody can see
//! its early acknowledged tasks then, and its prefetched ones stay unacknowledged until it exits.
#![deny(clippy::disallowed_methods)]

mod ask;
mod asking;
mod attend;
mod beat;
mod config;
pub mod control;
pub mod events;
mod fetches;
mod lenient;
pub mod message;
mod own;
mod pidbox;
mod pods;
mod pool;
mod rabbitmq;
mod redis;
mod routes;
mod stamp;
mod stats;
mod unacked;
mod wire;
mod workers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::{
    ask::{Ask, Inspect, Mailbox, Order},
    beat::BEAT,
    config::{BrokerOptions, CeleryConfig, check},
    pidbox::Pidbox,
    pool::CeleryPool,
    workers::{Inspection, MOST, Stats, Worker, WorkerSignal, Workers},
};
use crate::framework::registry::App;
use crate::model::{
    self, Application, BrokerKind, ControlWords, Delayed, Framework, Hearing, Moment, Now, PodIntents, PoolId, Query,
    Reply, ReportWords, Roster, SampleError, Step, Subscription, Tally, Words, keep,
};

/// Name of the framework.
pub const NAME: &str = "Celery";

/// Celery's own terms in messages to users.
pub const WORDS: Words = Words {
    url: "redis://, rediss://, amqp://, amqps:// or pyamqp:// as Celery reads them; Sentinel and other transports are not read",
    stranded: ("in `unacked`", "after the visibility timeout"),
    prefetch: "`worker_prefetch_multiplier = 1` does",
    hearing: "heartbeats",
    rights: "docs/redis.md or docs/rabbitmq.md, \"Rights\"",
    overstays: "A shell as the first process hands no signal on: start the worker with `exec`, or by `tini` or `dumb-init`.",
    silence: "they neither beat nor answer remote control",
    nobody: "Either they use another broker (check the URL, the database or virtual host, `keyPrefix`, `controlExchange`, \
             `eventExchange`), or they run without heartbeats and remote control, or `--pool solo` has had a task since they \
             came.",
    silent: "A worker with `--pool solo` says nothing while it runs a task; one without heartbeats and remote control never \
             does.",
    leaving: "A worker with `--pool solo` says nothing while it runs a task, one that was told to end while it works that \
              off, one without heartbeats and remote control never.",
    reports: Some(ReportWords {
        queues: "`-Q`, `task_default_queue`, `task_queues`",
        no_consumers: "known of Celery after a broker's restart",
        names: "A node's name must have its pod's name in it (`-n name@%h`).",
    }),
    control: Some(ControlWords {
        several: "`-n a@%h`, `-n b@%h`",
        partly: "the answer may be larger than is accepted (very many prefetched tasks or tasks with an ETA), or tasks were sent \
             as pickle with arguments that JSON does not know",
        unresponsive: "`worker_enable_remote_control`, another `task_serializer`",
        overstayed: " On Redis pods stay from now on until their tasks with an ETA have run.",
        solo: "`--pool solo`",
    }),
};

/// Celery on one endpoint: the workers that are heard there, and the pools.
#[derive(Debug)]
pub struct Celery {
    workers: Workers,
    pools: BTreeMap<PoolId, Member>,
    /// Remote control for the pools; `None`: there has been no pool.
    pidbox: Option<Pidbox>,
    seed: [u64; 2],
}

/// Pool on this endpoint.
#[derive(Debug)]
struct Member {
    pool: CeleryPool,
    /// Latest successful tally.
    last: Option<Arc<Tally>>,
    /// Letters to workers for this sample.
    letters: Vec<Ask>,
}

/// Celery application of a pool, from its spec.
pub fn from_app(app: &App, broker: BrokerKind, held: Option<Delayed>) -> Application {
    application(CeleryConfig::of(app, broker), held)
}

/// Celery application of a pool, with what an earlier process remembered of tasks that are not due.
pub fn application(config: CeleryConfig, held: Option<Delayed>) -> Application {
    Application::new(
        NAME,
        |seed| Box::new(Celery::new(seed)),
        CeleryPool::new(config).remembering(held),
    )
}

impl Celery {
    /// Object without pools.
    fn new(seed: [u64; 2]) -> Self {
        Self {
            workers: Workers::default(),
            pools: BTreeMap::new(),
            pidbox: None,
            seed,
        }
    }
}

impl Framework for Celery {
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription> {
        let pool: CeleryPool = application.said()?;
        let listen = pool.listen();
        self.pidbox.get_or_insert_with(|| Pidbox::new(pool.broker(), self.seed));
        let member = Member {
            pool,
            last: None,
            letters: Vec::new(),
        };
        self.pools.insert(id, member);
        Some(listen)
    }

    fn remove(&mut self, id: PoolId) {
        self.pools.remove(&id);
    }

    fn subscriptions(&mut self) -> BTreeSet<Subscription> {
        let listens = self.pools.values().map(|member| member.pool.listen()).collect();
        self.workers.listens_only(&listens);
        listens
    }

    fn hearing(&mut self, subscription: &Subscription, hearing: &Hearing) {
        self.workers.listens(subscription, hearing);
    }

    fn hear(&mut self, signal: model::Signal, moment: Moment) {
        if let Some(signal) = signal.said() {
            self.workers.take(&signal, moment);
        }
    }

    fn allow(&mut self, bytes: usize) {
        self.workers.allow(bytes);
    }

    fn held(&mut self) -> (usize, bool) {
        (self.workers.held(), self.workers.was_full())
    }

    fn prune(&mut self, now: Moment) {
        self.workers.prune(now);
    }

    fn start(&mut self, id: PoolId, now: Now) -> Vec<Query> {
        let Some(Member { pool, last, letters }) = self.pools.get_mut(&id) else {
            return Vec::new();
        };
        let asks = pool.asks(&self.workers, last.as_deref(), now);
        let mut reads = Vec::with_capacity(asks.len());
        letters.clear();
        for ask in asks {
            match ask {
                Ask::Read(read) => reads.push(read),
                letter => letters.push(letter),
            }
        }
        if let Some(pidbox) = &mut self.pidbox {
            letters.iter().for_each(|letter| pidbox.write(letter.clone()));
        }
        reads
    }

    fn converse(&mut self, replies: Vec<Result<Reply, SampleError>>, connection: u64, now: Now) -> Vec<Query> {
        let pidbox = self.pidbox.as_mut();
        pidbox.map_or_else(Vec::new, |pidbox| pidbox.converse(replies, connection, now))
    }

    fn farewell(&mut self) -> Vec<Query> {
        self.pidbox.as_mut().map_or_else(Vec::new, Pidbox::farewell)
    }

    fn notes(&mut self) -> Vec<String> {
        self.pidbox.as_mut().map_or_else(Vec::new, Pidbox::notes)
    }

    fn next(
        &mut self,
        id: PoolId,
        reads: Vec<Query>,
        mut replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Step, SampleError> {
        let Member { pool, last, letters } = self.pools.get_mut(&id).ok_or(SampleError::NotYet)?;
        for letter in &*letters {
            let standing = |pidbox: &Pidbox| Some(pidbox.standing(letter.mailbox()?, now.moment));
            let standing = self.pidbox.as_ref().and_then(standing);
            replies.push(standing.unwrap_or(Ok(Reply::Asked)));
        }
        let asks: Vec<_> = reads.into_iter().map(Ask::Read).chain(letters.drain(..)).collect();
        let tally = pool.tally(&asks, &replies, &self.workers, last.as_deref(), now)?;
        Ok(Step::Done(keep(last, tally)))
    }

    fn roster(&mut self, id: PoolId, roster: Roster) {
        if let Some(member) = self.pools.get_mut(&id) {
            member.pool.roster(roster);
        }
    }

    fn queues(&mut self, id: PoolId, queues: Vec<String>) {
        if let Some(member) = self.pools.get_mut(&id) {
            member.pool.queues(queues);
        }
    }

    fn intend(&mut self, id: PoolId, intents: PodIntents, now: Moment) {
        if let Some(member) = self.pools.get_mut(&id) {
            member.pool.attend(intents, now);
        }
    }
}

#[cfg(test)]
mod tests;
