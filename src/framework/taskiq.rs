//! taskiq on Redis (measured with taskiq 0.13.0 and taskiq-redis 1.2.4): a list (`ListQueueBroker`) or a stream
//! (`RedisStreamBroker`) of the queue's name. Which of both it is shows by itself.
//!
//! | count | list | stream |
//! |---|---|---|
//! | *ready* | `LLEN` | `lag` of the group, by `XINFO GROUPS`; where Redis cannot tell, the entries after the last delivered one, up to 100 |
//! | *in flight* | not visible | `pending` of the group: a worker takes up to 100 entries at once, and acknowledges each when it is done |
//! | *oldest* | not visible | the time in the id of the first entry that was not delivered |
//!
//! The group is the one named `taskiq`, or the only one; groups that never had a consumer count only where no other is. Workers announce nothing, and a consumer's name is a random one: no
//! single pod is known to be busy or idle. With a stream all of them are idle while nothing is pending or to be delivered
//! (a task that is acknowledged when it is received, `ack_type`, is not seen while it runs); only then pods go. With a list
//! nothing shows what they run: they go by the grace period alone (`scaleDown.removal: Graceful`), or not at all.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    polled::{self, Polled},
    registry::App,
};
use crate::model::{
    Application, BrokerKind, Delayed, DrainSupport, Hearing, Moment, Now, PodReport, Query, QueueTally, Reply, Roster,
    SampleError, Since, StreamGroup, Tally, Words,
};

/// Name of the framework.
pub const NAME: &str = "Taskiq";

/// taskiq's own terms in messages to users.
pub const WORDS: Words = Words {
    url: "redis:// or rediss:// as redis-py reads them; Sentinel and sockets are not read",
    stranded: ("in the stream", "when a worker claims them"),
    prefetch: "a smaller `xread_count` does",
    hearing: "heartbeats",
    rights: "docs/frameworks.md, \"taskiq\"",
    overstays: "An idle worker of a list does not end before its next message; a shell as the first process hands no signal on.",
    silence: "taskiq's workers do not make themselves known, and a list does not show what they run",
    nobody: "With `RedisStreamBroker` pods go while nothing is pending in the stream.",
    silent: "With `RedisStreamBroker` pods go while nothing is pending in the stream.",
    leaving: "With `RedisStreamBroker` pods go while nothing is pending in the stream.",
    reports: None,
    control: None,
};

/// Name of the consumer group, unless the application gives another one.
const GROUP: &str = "taskiq";

/// Number of entries that are counted one by one where Redis does not tell their number.
const ONE_BY_ONE: u16 = 100;

/// Time for which an entry that was too large is not asked for again.
const TOO_LARGE: Duration = Duration::from_secs(60);

/// Time for which ready workers leave what waits alone before it is believed that they read another group.
const UNREAD: Duration = Duration::from_secs(120);

/// taskiq application of a pool.
pub fn from_app(app: &App, _: BrokerKind, _: Option<Delayed>) -> Application {
    polled::application(NAME, TaskiqPool::new(app))
}

/// taskiq application of one pool.
#[derive(Debug)]
struct TaskiqPool {
    /// Queues, in the order of `spec.queues`.
    queues: Vec<TaskiqQueue>,
    roster: Roster,
    /// Time since which nothing has been pending or undelivered.
    idle_since: Option<Moment>,
}

/// Queue of an application.
#[derive(Clone, Debug)]
struct TaskiqQueue {
    key: String,
    /// Whether it is a stream, as far as was seen; a missing key is read as a list, which costs no error.
    stream: bool,
    count: QueueCount,
    /// Number of waiting entries that was counted last.
    known: u64,
    /// Number of entries that are counted one by one, as far as they came in one reply.
    most: u16,
    /// Id after which a single entry was too large, and the time since then.
    too_large: Option<(String, Moment)>,
    /// Ids that were delivered last, by group.
    delivered: BTreeMap<String, String>,
    /// Whether any of them has changed since the last count.
    moved: bool,
    /// Time since which nobody has read the group that is counted, although workers are ready.
    unread: Option<Moment>,
}

/// Count of a queue.
#[derive(Clone, Debug, Default)]
struct QueueCount {
    ready: u64,
    pending: u64,
    oldest: Option<Timestamp>,
    /// Number of entries that consumers of any group hold.
    held: u64,
    /// Whether Redis does not tell the number of waiting entries, so that they are counted one by one.
    untold: bool,
    /// Name of the group that is counted, and of another one that is read to its end.
    rival: Option<(String, String)>,
    /// Whether the key was of another type than before.
    other: bool,
    /// Mismatch: the group that was counted is one of several, or there is none.
    odd: Option<(&'static str, String)>,
}

impl TaskiqPool {
    fn new(app: &App) -> Self {
        let queue = |name: &String| TaskiqQueue {
            key: name.clone(),
            stream: false,
            count: QueueCount::default(),
            known: 0,
            most: ONE_BY_ONE,
            too_large: None,
            delivered: BTreeMap::new(),
            moved: false,
            unread: None,
        };
        Self {
            queues: app.queues.iter().map(queue).collect(),
            roster: Roster::default(),
            idle_since: None,
        }
    }
}

impl TaskiqQueue {
    /// First query.
    fn size(&self) -> Query {
        let key = self.key.clone();
        match self.stream {
            true => Query::StreamGroups { key },
            false => Query::ListLength { key },
        }
    }

    fn take(
        &mut self,
        query: &Query,
        reply: Result<Reply, SampleError>,
        now: Moment,
    ) -> Result<Option<Query>, SampleError> {
        match (query, reply) {
            (Query::ListLength { .. } | Query::StreamGroups { .. }, Err(SampleError::WrongType)) => {
                self.stream = !self.stream;
                // Neither a list nor a stream.
                return match std::mem::replace(&mut self.count.other, true) {
                    true => Err(SampleError::WrongType),
                    false => Ok(Some(self.size())),
                };
            }
            (Query::ListLength { .. }, Ok(Reply::Number(length))) => self.count.ready = length,
            (Query::StreamGroups { .. }, Ok(Reply::Missing)) => self.stream = false,
            (Query::StreamGroups { .. }, Ok(Reply::Groups(groups))) => return Ok(self.group(groups, now)),
            (Query::StreamAfter { most, .. }, Ok(Reply::Texts(ids))) => {
                let ids: Vec<_> = ids.into_iter().flatten().collect();
                if self.count.untold {
                    // There may be more than were looked at: as many as were known before.
                    let full = ids.len() >= usize::from(*most);
                    self.count.ready = (ids.len() as u64).max(if full { self.known } else { 0 });
                    // The next look may bring more, as far as they are not too large again.
                    self.most = (self.most + u16::from(full)).min(ONE_BY_ONE);
                }
                self.count.oldest = ids.first().and_then(|id| published(id));
            }
            // At least one entry is there; their age is not known.
            (Query::StreamAfter { after, most, .. }, Err(SampleError::TooLarge)) => {
                if *most == 1 {
                    self.too_large = Some((after.clone(), now));
                }
                if self.count.untold {
                    self.most = (most / 2).max(1);
                    self.count.ready = self.known.max(1);
                }
            }
            (_, Err(error)) => return Err(error),
            (_, Ok(_)) => return Err(SampleError::Protocol),
        }
        Ok(None)
    }

    /// Counts the group that matters.
    fn group(&mut self, groups: Vec<StreamGroup>, now: Moment) -> Option<Query> {
        let ids = groups
            .iter()
            .map(|group| (group.name.clone(), group.last_delivered.clone()));
        let delivered = ids.collect();
        let before = std::mem::replace(&mut self.delivered, delivered);
        self.moved |= self.delivered != before;
        self.count.held = groups.iter().fold(0, |sum, group| group.pending.saturating_add(sum));
        // A group that never had a consumer is read by nobody, unless that is true of all.
        let (read, unread): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.consumers > 0);
        let candidates = if read.is_empty() { unread } else { read };
        let several = candidates.len() > 1;
        let read_to_its_end = |group: &&StreamGroup| group.consumers > 0 && group.lag == Some(0);
        let rival = candidates.iter().find(read_to_its_end).map(|group| group.name.clone());
        let default = candidates.iter().position(|group| group.name == GROUP);
        let Some(group) = candidates.into_iter().nth(default.unwrap_or(0)) else {
            // The first worker creates a group, so that what is published from then on is delivered.
            self.count.ready = 1;
            let text = format!(
                "The stream `{}` has no consumer group yet: what is published before a worker has started (or \
                 `broker.startup()` was awaited) is never delivered.",
                self.key
            );
            self.count.odd = Some(("NoConsumerGroup", text));
            return None;
        };
        if several && default.is_none() {
            let text = format!(
                "The stream `{}` has several consumer groups and none named `{GROUP}`: `{}` is counted.",
                self.key, group.name
            );
            self.count.odd = Some(("SeveralConsumerGroups", text));
        }
        if before.get(&group.name) != Some(&group.last_delivered) {
            self.unread = None;
        }
        self.count.rival = rival
            .filter(|rival| *rival != group.name)
            .map(|rival| (group.name, rival));
        self.count.pending = group.pending;
        self.count.untold = group.lag.is_none();
        self.count.ready = group.lag.unwrap_or(0);
        let same =
            |(after, at): &(String, Moment)| *after == group.last_delivered && now.saturating_sub(*at) < TOO_LARGE;
        if self.too_large.as_ref().is_some_and(same) {
            self.count.ready = group.lag.unwrap_or(self.known.max(1));
            return None;
        }
        // If Redis says that all was delivered, there is nothing to read.
        (group.lag != Some(0)).then(|| Query::StreamAfter {
            key: self.key.clone(),
            after: group.last_delivered,
            most: if group.lag.is_some() { 1 } else { self.most },
        })
    }

    /// Takes in that the sample is complete. `ready`: whether workers are. Another group that is read, while the one that is
    /// counted is not, is the one that the workers use; a group that was renamed keeps its consumers.
    fn counted(&mut self, ready: bool, now: Moment) {
        self.known = self.count.ready;
        let count = &mut self.count;
        let rival = count
            .rival
            .take()
            .filter(|_| ready && count.ready > 0 && count.pending == 0);
        let Some((group, rival)) = rival else {
            self.unread = None;
            return;
        };
        let since = *self.unread.get_or_insert(now);
        if now.saturating_sub(since) >= UNREAD {
            let text = format!(
                "Nobody reads the consumer group `{group}` of the stream `{}`, which is counted, while `{rival}` is read to its \
                 end. If the workers use that one (`consumer_group_name`), destroy the other (`XGROUP DESTROY`).",
                self.key
            );
            count.odd = Some(("SeveralConsumerGroups", text));
        }
    }
}

/// Time at which an entry was added, from its id: milliseconds since 1970, a dash, a number.
fn published(id: &str) -> Option<Timestamp> {
    let (time, _) = id.split_once('-')?;
    Timestamp::from_millisecond(time.parse().ok()?).ok()
}

impl Polled for TaskiqPool {
    fn roster(&mut self, roster: Roster) {
        self.roster = roster;
    }

    fn start(&mut self, _: Now) -> Vec<Query> {
        let first = |queue: &mut TaskiqQueue| {
            queue.count = QueueCount::default();
            queue.size()
        };
        self.queues.iter_mut().map(first).collect()
    }

    fn next(
        &mut self,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Vec<Query>, SampleError> {
        let mut next = Vec::new();
        for (query, reply) in queries.into_iter().zip(replies) {
            let key = match &query {
                Query::ListLength { key } | Query::StreamGroups { key } | Query::StreamAfter { key, .. } => key,
                _ => return Err(SampleError::Protocol),
            };
            if let Some(queue) = self.queues.iter_mut().find(|queue| queue.key == *key) {
                next.extend(queue.take(&query, reply, now.moment)?);
            }
        }
        Ok(next)
    }

    fn tally(&mut self, now: Now) -> Tally {
        let mut tally = Tally {
            hearing: Hearing::Works,
            ..Tally::default()
        };
        let work = &mut tally.work;
        let (mut held, mut moved) = (0_u64, false);
        for queue in &mut self.queues {
            queue.counted(self.roster.ready > 0, now.moment);
            moved |= std::mem::take(&mut queue.moved);
            let TaskiqQueue { key, count, .. } = queue;
            held = held.saturating_add(count.held);
            work.ready = work.ready.saturating_add(count.ready);
            work.in_flight = work.in_flight.saturating_add(count.pending);
            let since = count.oldest.map(Since::Published);
            work.oldest = work.oldest.into_iter().chain(since).max_by_key(|since| since.age(now));
            tally.mismatch = tally.mismatch.take().or_else(|| count.odd.clone());
            tally.queues.push(QueueTally {
                ready: count.ready,
                ..QueueTally::none(key.clone())
            });
        }
        let idle = work.ready == 0 && held == 0;
        // What came and was done between two counts shows by what was delivered.
        let since = self.idle_since.filter(|_| !moved).unwrap_or(now.moment);
        self.idle_since = idle.then_some(since);
        // An application uses one kind of broker; a key that is not there yet is of no kind.
        let streams = self.queues.iter().any(|queue| queue.stream);
        let lists = self.queues.iter().any(|queue| !queue.stream && queue.count.ready > 0);
        if streams && !lists {
            tally.drain = DrainSupport::None;
            let report = PodReport {
                live: true,
                fresh: idle,
                tells: idle,
                idle_since: self.idle_since,
                ..PodReport::default()
            };
            let pods = self.roster.pods.iter();
            tally.pods = pods.map(|pod| (pod.clone(), report.clone())).collect();
        }
        tally
    }
}

#[cfg(test)]
mod tests;
