//! RQ on Redis (layout measured with RQ 3.0.0, 2.6.1 and 1.16.2). All keys begin with `rq:`, or with `RQ_KEY_PREFIX`
//! (RQ 3), which is `spec.broker.keyPrefix`.
//!
//! | count | from |
//! |---|---|
//! | *ready* | `LLEN rq:queue:<q>` |
//! | *in flight* | `ZCOUNT rq:wip:<q>`, and jobs that stick in `rq:queue:<q>:intermediate` |
//! | *running* | the pool's own workers that are `busy` |
//! | *unheld* | entries of `rq:wip:<q>` that have expired (their workers beat no more), and those that stick: a starting worker cleans them up |
//! | *scheduled* | `rq:scheduled:<q>` (score: due, Unix seconds) and `rq:deferred:<q>` (wait for another job) |
//! | *oldest* | `enqueued_at` of the job at the left of the list |
//!
//! Workers are read, not heard: `rq:workers` names them, and a worker's hash tells its host (in a pod the pod's name) and
//! its state. Members of workers that were killed stay; their hashes expire (90 s if busy, 480 s if idle). Nothing tells a
//! single worker to pause: `rq suspend` holds for the whole database, reaches no worker that waits in its blocking pop, and
//! keeps new ones from starting. So a pod goes when all its workers have been idle for a while, by their own word; a worker
//! that is told to end (SIGTERM) while it runs a job finishes it.
#![deny(clippy::disallowed_methods)]

mod worker;
mod workers;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;

use self::workers::{RqScope, RqWorkers};
use super::{
    polled::{self, Polled},
    registry::App,
};
use crate::model::{
    Application, BrokerKind, Delayed, DrainSupport, ListEnd, Moment, Now, Query, QueueTally, Replies, Reply,
    ReportWords, Roster, SampleError, Since, Tally, WAKE_AHEAD, Words, Work,
};

/// Name of the framework.
pub const NAME: &str = "RQ";

/// RQ's own terms in messages to users.
pub const WORDS: Words = Words {
    url: "redis:// or rediss:// as redis-py reads them; Sentinel and sockets are not read",
    stranded: ("in RQ's registry of started jobs", "when it cleans that up"),
    prefetch: "RQ fetches one job at a time",
    hearing: "workers' entries in Redis",
    rights: "docs/frameworks.md, \"RQ\"",
    overstays: "A shell as the first process hands no signal on: start the worker with `exec`, or by `tini` or `dumb-init`.",
    silence: "no entry of theirs is in Redis (`rq:workers`)",
    nobody: "Either they use another Redis (check the URL, the database, `keyPrefix`), or other queues, or they do not start \
             (see their logs; `rq suspend` keeps new workers from starting, and so does a fixed `--name`), or Redis lost its \
             data: running workers do not register again, restart them.",
    silent: "A worker that was killed has no entry until its container has started again.",
    leaving: "A worker that was killed has no entry until its container has started again.",
    reports: Some(ReportWords {
        queues: "`rq worker QUEUE …`",
        no_consumers: "no queue is in their entries in Redis",
        names: "RQ takes a worker's host from the pod (`hostname`): `spec.hostname` and `hostNetwork` hide the pod's name.",
    }),
    control: None,
};

/// Time for which a job sticks in the intermediate list before it is believed that no worker has it: one that is being
/// started passes in milliseconds.
const STICKS: Duration = Duration::from_secs(5);

/// Time for which due jobs are not moved, though workers are there, before it is believed that none of those does it.
const UNMOVED: Duration = Duration::from_secs(60);

/// Fields that are read of a job.
const JOB: &[&str] = &["enqueued_at"];

/// RQ application of a pool.
pub fn from_app(app: &App, _: BrokerKind, _: Option<Delayed>) -> Application {
    polled::application(NAME, RqPool::new(app))
}

/// RQ application of one pool.
#[derive(Debug)]
struct RqPool {
    prefix: String,
    scope: RqScope,
    /// Results of the first step of a sample.
    found: FirstCounts,
    workers: RqWorkers,
    /// Hash of the job's id at the left of the intermediate list, and the time since which it has been there, by queue. An
    /// id may be long.
    sticks: BTreeMap<String, (u64, Moment)>,
    /// Time since which due jobs have not been moved although workers are alive.
    unmoved: Option<Moment>,
}

/// Results of the first step of a sample.
#[derive(Debug, Default)]
struct FirstCounts {
    work: Work,
    queues: Vec<QueueTally>,
    /// Number of jobs whose heads are asked for.
    heads: usize,
    /// Number of jobs that are due, and that are moved by nobody.
    overdue: u64,
    suspended: bool,
    /// Reason why the workers could not be read.
    trouble: Option<SampleError>,
}

impl RqPool {
    fn new(app: &App) -> Self {
        let prefix = Some(&app.key_prefix).filter(|prefix| !prefix.is_empty());
        Self {
            prefix: prefix.map_or("rq", String::as_str).to_owned(),
            scope: RqScope {
                target: app.target.clone(),
                roster: Roster::default(),
                queues: app.queues.clone(),
            },
            found: FirstCounts::default(),
            workers: RqWorkers::default(),
            sticks: BTreeMap::new(),
            unmoved: None,
        }
    }

    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }

    /// Queries for all counts and the names of the workers.
    fn counts(&self, now: Now) -> Vec<Query> {
        let wall = now.wall.as_second();
        let soon = wall.saturating_add(i64::try_from(WAKE_AHEAD.as_secs()).unwrap_or(0));
        let of_queue = |queue: &String| {
            let (list, wip, scheduled) = (
                self.key("queue", queue),
                self.key("wip", queue),
                self.key("scheduled", queue),
            );
            let intermediate = format!("{list}:intermediate");
            let (left, count) = (ListEnd::Left, |key: &String, up_to| Query::ScoreCount {
                key: key.clone(),
                up_to,
            });
            [
                Query::ListLength { key: list.clone() },
                Query::ListEnd { key: list, end: left },
                Query::ListLength {
                    key: intermediate.clone(),
                },
                Query::ListEnd {
                    key: intermediate,
                    end: left,
                },
                count(&wip, None),
                count(&wip, Some(wall)),
                count(&scheduled, None),
                count(&scheduled, Some(wall)),
                count(&scheduled, Some(soon)),
                Query::LowestScore { key: scheduled },
                count(&self.key("deferred", queue), None),
                Query::Exists {
                    key: self.key("scheduler-lock", queue),
                },
            ]
        };
        let of_all = [
            Query::Exists {
                key: format!("{}:suspended", self.prefix),
            },
            Query::SetMembers {
                key: format!("{}:workers", self.prefix),
            },
        ];
        self.scope.queues.iter().flat_map(of_queue).chain(of_all).collect()
    }

    /// Takes in the counts; asks for the workers' hashes and the oldest jobs.
    fn ask_more(&mut self, replies: Vec<Result<Reply, SampleError>>, now: Now) -> Result<Vec<Query>, SampleError> {
        let mut replies = Replies::new(replies);
        let mut found = FirstCounts::default();
        let (mut heads, mut unheld) = (Vec::new(), 0_u64);
        for queue in self.scope.queues.clone() {
            let (ready, head) = (replies.number()?, first(replies.texts()?));
            let (between, between_head) = (replies.number()?, first(replies.texts()?));
            let (wip, expired) = (replies.number()?, replies.number()?);
            let (scheduled, due, soon) = (replies.number()?, replies.number()?, replies.number()?);
            let next = replies.texts()?;
            let (deferred, locked) = (replies.number()?, replies.number()? > 0);
            let stuck = match self.sticks(&queue, between_head, now.moment) {
                true => between,
                false => 0,
            };
            let work = &mut found.work;
            // What is due and has not been moved waits as well.
            work.ready = work.ready.saturating_add(ready).saturating_add(due);
            work.in_flight = work.in_flight.saturating_add(wip).saturating_add(stuck);
            unheld = unheld.saturating_add(expired.min(wip)).saturating_add(stuck);
            let later = scheduled.saturating_sub(due).saturating_add(deferred);
            work.scheduled = work.scheduled.saturating_add(later);
            work.due_soon = work.due_soon.saturating_add(soon.saturating_sub(due));
            found.overdue = found.overdue.saturating_add(if locked { 0 } else { due });
            let at = next.get(1).and_then(|score| score.as_deref()).and_then(due_at);
            work.next_due = work.next_due.into_iter().chain(at.filter(|at| *at > now.wall)).min();
            heads.extend(head.filter(|_| ready > 0));
            found.queues.push(QueueTally {
                ready,
                not_due: scheduled.saturating_add(deferred),
                ..QueueTally::none(queue)
            });
        }
        found.suspended = replies.number()? > 0;
        let keys = replies.members().map_err(|error| found.trouble = Some(error)).ok();
        found.work.unheld = Some(unheld);
        found.heads = heads.len();
        let heads = heads.iter().map(|id| Query::HashFields {
            key: self.key("job", id),
            fields: JOB,
        });
        let mut queries: Vec<_> = heads.collect();
        queries.extend(self.workers.ask(keys, &self.scope));
        self.found = found;
        Ok(queries)
    }

    /// Whether the job at the left of this queue's intermediate list has been there for long.
    fn sticks(&mut self, queue: &str, head: Option<String>, now: Moment) -> bool {
        let Some(head) = head else {
            self.sticks.remove(queue);
            return false;
        };
        let mut hasher = DefaultHasher::new();
        head.hash(&mut hasher);
        let head = hasher.finish();
        let entry = self.sticks.entry(queue.to_owned()).or_insert((head, now));
        if entry.0 != head {
            *entry = (head, now);
        }
        now.saturating_sub(entry.1) >= STICKS
    }

    /// Takes in the oldest jobs and the workers' hashes.
    fn read(&mut self, replies: Vec<Result<Reply, SampleError>>, now: Now) {
        let mut replies = Replies::new(replies);
        let found = &mut self.found;
        for _ in 0..found.heads {
            // A job that has expired has no time.
            let at = replies.texts().ok().and_then(first).and_then(|at| at.parse().ok());
            let told = |since: &Since| matches!((since, at), (Since::Published(before), Some(at)) if *before <= at);
            if !found.work.oldest.as_ref().is_some_and(told) {
                found.work.oldest = at.map(Since::Published).or(found.work.oldest);
            }
        }
        found.trouble = self.workers.take(&mut replies, found.trouble, &self.scope, now);
    }

    /// Reason why the workers do not take what is counted. Jobs that are due and that none of the workers moves keep
    /// one of them, and order no more.
    fn mismatch(&mut self, found: &mut FirstCounts, heard: bool, now: Moment) -> Option<(&'static str, String)> {
        let unmoved = found.overdue > 0 && heard;
        let since = *self.unmoved.get_or_insert(now);
        self.unmoved = unmoved.then_some(since);
        let unmoved = unmoved && now.saturating_sub(since) >= UNMOVED;
        let work = &mut found.work;
        if unmoved {
            work.ready = work.ready.saturating_sub(found.overdue).saturating_add(1);
            // The others have not gone: no number of tasks may seem to vanish.
            work.scheduled = work.scheduled.saturating_add(found.overdue - 1);
        }
        if found.suspended {
            // Nobody takes it before it is resumed, and a worker that starts now ends at once: it cleans nothing up either.
            let unheld = work.unheld.replace(0).unwrap_or(0);
            work.in_flight = work.in_flight.saturating_sub(unheld);
            let waits = std::mem::take(&mut work.ready).saturating_add(unheld);
            work.scheduled = work.scheduled.saturating_add(waits);
            (work.due_soon, work.next_due) = (0, None);
        }
        if found.suspended {
            let text = "RQ is suspended (`rq suspend`): its workers take no jobs, and new ones end at once. `rq resume` ends \
                        that.";
            return Some(("Suspended", text.to_owned()));
        }
        unmoved.then(|| {
            let text =
                "Scheduled jobs are due and no worker moves them into the queue: start one with `--with-scheduler`.";
            ("NoScheduler", text.to_owned())
        })
    }
}

fn first(texts: Vec<Option<String>>) -> Option<String> {
    texts.into_iter().next().flatten()
}

/// Time of a score in Unix seconds, perhaps with a fraction.
fn due_at(score: &str) -> Option<Timestamp> {
    let seconds: f64 = score.parse().ok()?;
    Timestamp::from_second(seconds as i64).ok()
}

impl Polled for RqPool {
    fn roster(&mut self, roster: Roster) {
        self.scope.roster = roster;
    }

    fn queues(&mut self, queues: Vec<String>) {
        self.sticks.retain(|queue, _| queues.contains(queue));
        self.scope.queues = queues;
    }

    fn allow(&mut self, bytes: usize) {
        self.workers.allow(bytes);
    }

    fn held(&mut self) -> (usize, bool) {
        self.workers.held()
    }

    fn start(&mut self, now: Now) -> Vec<Query> {
        self.counts(now)
    }

    fn next(
        &mut self,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Vec<Query>, SampleError> {
        // The second step reads hashes only, and the first one none.
        if matches!(queries.first(), Some(Query::HashFields { .. })) {
            self.read(replies, now);
            return Ok(Vec::new());
        }
        let more = self.ask_more(replies, now)?;
        if more.is_empty() {
            self.read(Vec::new(), now);
        }
        Ok(more)
    }

    fn tally(&mut self, now: Now) -> Tally {
        let mut found = std::mem::take(&mut self.found);
        let mut tally = Tally {
            drain: DrainSupport::ReportsOnly,
            hearing: workers::hearing(found.trouble),
            degraded: found.trouble,
            ..Tally::default()
        };
        self.workers.report(&mut tally, &self.scope, now);
        found.work.running = tally.work.running;
        tally.mismatch = self.mismatch(&mut found, tally.workers_heard, now.moment);
        tally.queues = found.queues;
        tally.work = found.work;
        tally
    }
}

#[cfg(test)]
mod tests;
