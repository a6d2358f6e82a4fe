//! Passive declares: the number of ready messages of each queue, fresh and pipelined on a few channels.
//!
//! A declare that fails (404 no such queue, 403 no right) closes its channel, and the declares behind it are lost.
//! Answers come in order, so the first one that fails is the cause; those behind it are asked again on a new channel in
//! the same sample. Queues known to fail are probed apart, each on a channel of its own, where no other declare is lost
//! with them. Queues that are new are asked one after the other: a declare that the library sends at the very moment at
//! which it confirms the end of the channel breaks the whole connection.
//!
//! A declare may hang for a minute (the node of the queue is gone). Its channel is not closed meanwhile: a channel that
//! is closed by both sides at once breaks the client library's connection. So it waits, apart, until the answer comes.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, future::join_all, stream::FuturesOrdered};
use lapin::{Channel, options::QueueDeclareOptions, types::FieldTable};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{
    connection::{Live, broken, is_missing, short},
    memory::{Found, QueueAnswer},
};
use crate::model::{Reply, SampleError};

/// Time for all declares of one sample.
const DEADLINE: Duration = Duration::from_secs(2);

/// Time for the probes that begin with a sample; later answers count in a later sample.
const PROBING: Duration = Duration::from_millis(250);

/// Time that a round with a distant broker may take: none begins with less time left.
const ROUND: Duration = Duration::from_millis(500);

/// Time for a sign that the connection lives.
const SIGN: Duration = Duration::from_secs(1);

/// Duration from which an answer may be a false one: RabbitMQ waits a quarter of a second for the leader of a quorum
/// queue, and then says "none ready, no consumers".
const SLOW: Duration = Duration::from_millis(200);

/// Largest number of channels, besides those of the probes.
const LANES: usize = 8;

/// Number of declares on one channel before another one is opened: the broker works on channels in parallel.
const LANE: usize = 16;

/// Number of channels that one lane may lose in one sample; what is left then is asked in the next one.
const LOSSES: usize = 64;

/// Size of a declare's answer in bytes, besides the queue's name.
const ANSWER: usize = 32;

/// Channels that are kept between samples, and the probes under way.
#[derive(Debug, Default)]
pub(super) struct Depths {
    channels: Vec<Channel>,
    probes: BTreeMap<String, oneshot::Receiver<QueueAnswer>>,
}

impl Depths {
    /// Forgets the channels: their connection is gone.
    pub(super) fn reset(&mut self) {
        self.channels.clear();
        self.probes.clear();
    }

    /// Answer that a probe of an earlier sample has found meanwhile.
    pub(super) fn probed(&mut self, queue: &str) -> Option<QueueAnswer> {
        let answer = self.probes.get_mut(queue)?.try_recv();
        if answer == Err(oneshot::error::TryRecvError::Empty) {
            return None;
        }
        self.probes.remove(queue);
        // Without an answer it ended with its connection.
        answer.ok()
    }

    /// Whether a probe of this queue is under way.
    pub(super) fn is_probing(&self, queue: &str) -> bool {
        self.probes.contains_key(queue)
    }

    /// Asks for `queues` within two seconds (`sure`: number of the first ones that gave counts the last time), and
    /// begins to probe the `doubtful` ones: one answer each, in that order.
    pub(super) async fn ask(
        &mut self,
        live: &Live,
        (queues, sure): (&[&str], usize),
        doubtful: &[&str],
    ) -> (Vec<Found>, Vec<QueueAnswer>) {
        for queue in doubtful {
            let (answer, probe) = oneshot::channel();
            let (live, name) = (live.clone(), (*queue).to_owned());
            // It ends with its answer or with the connection.
            tokio::spawn(async move { answer.send(probe_one(&live, name).await) });
            self.probes.insert((*queue).to_owned(), probe);
        }
        let lanes = lanes(queues.len());
        let deadline = Instant::now() + DEADLINE;
        let asking: Vec<_> = (lanes.iter())
            .map(|places| {
                let lane = Lane {
                    live,
                    deadline,
                    // Taken, not borrowed: if the sample is given up, half-asked channels must not be used again.
                    channel: self.channels.pop(),
                    queues: places.iter().filter_map(|place| queues.get(*place)).copied().collect(),
                    sure: places.iter().filter(|place| **place < sure).count(),
                };
                lane.ask()
            })
            .collect();
        let probing = join_all(doubtful.iter().filter_map(|queue| {
            let probe = self.probes.remove(*queue)?;
            Some(wait(queue, probe))
        }));
        let (asked, probed) = tokio::join!(join_all(asking), probing);
        let mut found = vec![Found::failed(SampleError::Protocol); queues.len()];
        for (places, (own, channel)) in lanes.iter().zip(asked) {
            self.channels.extend(channel);
            for (place, answer) in places.iter().zip(own) {
                if let Some(slot) = found.get_mut(*place) {
                    *slot = answer;
                }
            }
        }
        let mut answers = Vec::with_capacity(probed.len());
        for (queue, answer, still) in probed {
            answers.push(answer);
            if let Some(probe) = still {
                self.probes.insert(queue, probe);
            }
        }
        (found, answers)
    }
}

/// Whether the connection lives: it opens a channel, which needs no queue.
pub(super) async fn lives(live: &Live) -> bool {
    matches!(timeout(SIGN, live.channel()).await, Ok(Ok(_)))
}

/// Answer of a probe, if it comes soon; else the probe as well, for later.
async fn wait(
    queue: &str,
    mut probe: oneshot::Receiver<QueueAnswer>,
) -> (String, QueueAnswer, Option<oneshot::Receiver<QueueAnswer>>) {
    let (answer, still) = match timeout(PROBING, &mut probe).await {
        Ok(answer) => (answer.unwrap_or(Err(SampleError::Disconnected)), None),
        Err(_) => (Err(SampleError::Timeout), Some(probe)),
    };
    (queue.to_owned(), answer, still)
}

/// Asks for one queue, however long it takes.
async fn probe_one(live: &Live, queue: String) -> QueueAnswer {
    let channel = live.channel().await.map_err(|error| broken(&error))?;
    let size = queue.len();
    let answer = declare(channel, queue).await.or_else(|error| failure(&error));
    live.undigested.digested(ANSWER + size);
    answer
}

/// Distributes the places of `queues` over as many lanes as they are worth.
fn lanes(queues: usize) -> Vec<Vec<usize>> {
    let wide = queues.div_ceil(LANE).clamp(1, LANES);
    (0..wide).map(|lane| (lane..queues).step_by(wide).collect()).collect()
}

/// Share of one channel in a sample.
struct Lane<'a> {
    live: &'a Live,
    deadline: Instant,
    channel: Option<Channel>,
    queues: Vec<&'a str>,
    /// Number of the first queues that gave counts the last time.
    sure: usize,
}

impl Lane<'_> {
    /// Answers, one for each queue, and the channel if it can be used again.
    async fn ask(mut self) -> (Vec<Found>, Option<Channel>) {
        let mut answers = Vec::with_capacity(self.queues.len());
        let mut losses = 0;
        while losses < LOSSES {
            let asked = answers.len();
            let together = self.sure.max(asked + 1).min(self.queues.len());
            let next = self.queues.get(asked..together).unwrap_or_default();
            if next.is_empty() {
                return (answers, self.channel);
            }
            // One after the other takes its time with a broker that is far away: the rest is asked in the next sample.
            if asked > self.sure && self.deadline < Instant::now() + ROUND {
                return (fill(answers, self.queues.len(), SampleError::NotYet), self.channel);
            }
            let channel = match self.channel.take() {
                Some(channel) if channel.status().connected() => channel,
                _ => match self.open().await {
                    Ok(channel) => channel,
                    Err(error) => return (fill(answers, self.queues.len(), error), None),
                },
            };
            match round(&channel, next, self.live, self.deadline, &mut answers).await {
                None => self.channel = Some(channel),
                Some(Lost::Channel) => losses += 1,
                // The culprit has its own answer; what is behind it was not looked at.
                Some(Lost::Time) => return (fill(answers, self.queues.len(), SampleError::NotYet), None),
                Some(Lost::Connection(error)) => return (fill(answers, self.queues.len(), error), None),
            }
        }
        // Not asked in this sample.
        (fill(answers, self.queues.len(), SampleError::NotYet), None)
    }

    /// Opens a new channel.
    async fn open(&self) -> Result<Channel, SampleError> {
        match timeout_at(self.deadline, self.live.channel()).await {
            Ok(opened) => opened.map_err(|error| broken(&error)),
            Err(_) => Err(SampleError::Timeout),
        }
    }
}

/// Answers, with the error for those that are missing.
fn fill(mut answers: Vec<Found>, to: usize, error: SampleError) -> Vec<Found> {
    answers.resize(to.max(answers.len()), Found::failed(error));
    answers
}

/// Loss that came with a declare that failed.
enum Lost {
    /// Its channel.
    Channel,
    /// The rest of the sample's time.
    Time,
    /// The connection.
    Connection(SampleError),
}

/// Asks for all `queues` on this channel at once and takes the answers up to the first failure, its own included.
async fn round(
    channel: &Channel,
    queues: &[&str],
    live: &Live,
    deadline: Instant,
    answers: &mut Vec<Found>,
) -> Option<Lost> {
    let ask = |queue: &&str| declare(channel.clone(), (*queue).to_owned());
    let mut replies: FuturesOrdered<_> = queues.iter().map(ask).collect();
    let mut last = Instant::now();
    for queue in queues {
        let Ok(Some(reply)) = timeout_at(deadline, replies.next()).await else {
            answers.push(Found::failed(SampleError::Timeout));
            let hangs = channel.clone();
            tokio::spawn(async move {
                while replies.next().await.is_some() {}
                drop(hangs);
            });
            return Some(Lost::Time);
        };
        live.undigested.digested(ANSWER + queue.len());
        let slow = last.elapsed() >= SLOW;
        last = Instant::now();
        match reply {
            Ok(reply) => answers.push(Found {
                answer: Ok(reply),
                slow,
            }),
            Err(error) if error.is_amqp_soft_error() => {
                answers.push(Found {
                    answer: failure(&error),
                    slow,
                });
                return Some(Lost::Channel);
            }
            Err(error) => return Some(Lost::Connection(broken(&error))),
        }
    }
    None
}

/// Meaning of a declare's failure for its queue.
fn failure(error: &lapin::Error) -> QueueAnswer {
    match is_missing(error) {
        true => Ok(Reply::Missing),
        false => Err(broken(error)),
    }
}

/// One passive declare.
async fn declare(channel: Channel, queue: String) -> Result<Reply, lapin::Error> {
    // No queue can have a name that does not fit.
    let Some(name) = short(&queue) else {
        return Ok(Reply::Missing);
    };
    let options = QueueDeclareOptions::default().passive();
    let queue = channel.queue_declare(name, options, FieldTable::default()).await?;
    Ok(Reply::Depth {
        ready: u64::from(queue.message_count()),
        consumers: Some(u64::from(queue.consumer_count())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_grow_with_the_queues() {
        assert_eq!(lanes(0), [[0; 0]]);
        assert_eq!(lanes(3), [[0, 1, 2]]);
        assert_eq!(lanes(17).len(), 2);
        let many = lanes(500);
        assert_eq!(many.len(), LANES);
        assert!(many.iter().all(|lane| (62..=63).contains(&lane.len())));
        let mut places = many.concat();
        places.sort_unstable();
        assert_eq!(places, (0..500).collect::<Vec<_>>());
    }
}
