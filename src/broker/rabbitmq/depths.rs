//! Passive declares: how many messages are ready, fresh and pipelined on a few channels.
//!
//! A declare that fails (404 no such queue, 403 not yours) closes its channel and takes the declares behind it along.
//! Answers come in order, so the first one that fails is the culprit; those behind it are asked again on a new channel
//! in the same sample. Queues known to fail go last, where they take nobody along.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream::FuturesOrdered};
use lapin::{Channel, options::QueueDeclareOptions, types::FieldTable};
use tokio::time::{Instant, timeout_at};

use super::{
    connection::{Live, broken, is_missing, short},
    memory::Answer,
    transport::Undigested,
};
use crate::work::{Reply, SampleError};

/// For all declares of one sample.
const DEADLINE: Duration = Duration::from_secs(2);

/// Channels at most.
const LANES: usize = 8;

/// Declares on one channel before another one is opened: the broker works on channels side by side.
const LANE: usize = 16;

/// Channels that one lane may lose in one sample; what is left then is asked in the next one.
const LOSSES: usize = 64;

/// Bytes of a declare's answer besides the queue's name.
const ANSWER: usize = 32;

/// The channels between samples.
#[derive(Debug, Default)]
pub(super) struct Depths {
    channels: Vec<Channel>,
}

impl Depths {
    /// Forgets the channels: their connection is gone.
    pub(super) fn reset(&mut self) {
        self.channels.clear();
    }

    /// Asks for `queues`, then for the `doubtful` ones; one answer each, in that order, within two seconds.
    pub(super) async fn ask(&mut self, live: &Live, queues: &[&str], doubtful: &[&str]) -> Vec<Answer> {
        let deadline = Instant::now() + DEADLINE;
        let all: Vec<&str> = queues.iter().chain(doubtful).copied().collect();
        let lanes = lanes(queues.len(), doubtful.len());
        let asking = lanes.iter().map(|places| {
            let lane = Lane {
                live,
                deadline,
                // Taken, not borrowed: if the sample is given up, half-asked channels must not be used again.
                channel: self.channels.pop(),
                queues: places.iter().filter_map(|place| all.get(*place)).copied().collect(),
            };
            lane.ask()
        });
        let asking: Vec<_> = asking.collect();
        let mut answers = vec![Err(SampleError::Protocol); all.len()];
        for (places, (own, channel)) in lanes.iter().zip(join_all(asking).await) {
            self.channels.extend(channel);
            for (place, answer) in places.iter().zip(own) {
                if let Some(slot) = answers.get_mut(*place) {
                    *slot = answer;
                }
            }
        }
        answers
    }
}

/// Deals the places of `queues` out to as many lanes as they are worth, and those of the `doubtful` ones behind to all.
fn lanes(queues: usize, doubtful: usize) -> Vec<Vec<usize>> {
    let wide = queues.div_ceil(LANE).max(doubtful).clamp(1, LANES);
    let narrow = queues.div_ceil(LANE).clamp(1, LANES);
    let mut lanes = vec![Vec::new(); wide];
    let places = (0..queues).map(|place| (place % narrow, place));
    let behind = (0..doubtful).map(|place| (place % wide, queues + place));
    for (lane, place) in places.chain(behind) {
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(place);
        }
    }
    lanes
}

/// One channel's share of a sample.
struct Lane<'a> {
    live: &'a Live,
    deadline: Instant,
    channel: Option<Channel>,
    queues: Vec<&'a str>,
}

impl Lane<'_> {
    /// One answer for each queue, and the channel if it can be used again.
    async fn ask(mut self) -> (Vec<Answer>, Option<Channel>) {
        let mut answers = Vec::with_capacity(self.queues.len());
        for _ in 0..LOSSES {
            let rest = self.queues.get(answers.len()..).unwrap_or_default();
            if rest.is_empty() {
                return (answers, self.channel);
            }
            let channel = match self.channel.take() {
                Some(channel) if channel.status().connected() => channel,
                _ => match self.open().await {
                    Ok(channel) => channel,
                    Err(error) => return (fill(answers, self.queues.len(), error), None),
                },
            };
            match round(&channel, rest, &self.live.undigested, self.deadline, &mut answers).await {
                None => self.channel = Some(channel),
                Some(Lost::Channel) => {}
                // The culprit has its own answer; what is behind it was not looked at.
                Some(Lost::Time) => return (fill(answers, self.queues.len(), SampleError::NotYet), None),
                Some(Lost::Connection(error)) => return (fill(answers, self.queues.len(), error), None),
            }
        }
        // Not asked in this sample.
        (fill(answers, self.queues.len(), SampleError::NotYet), None)
    }

    /// A new channel.
    async fn open(&self) -> Result<Channel, SampleError> {
        match timeout_at(self.deadline, self.live.channel()).await {
            Ok(opened) => opened.map_err(|error| broken(&error)),
            Err(_) => Err(SampleError::Timeout),
        }
    }
}

/// Those who got no answer get the error.
fn fill(mut answers: Vec<Answer>, to: usize, error: SampleError) -> Vec<Answer> {
    answers.resize(to.max(answers.len()), Err(error));
    answers
}

/// What a declare that failed took along.
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
    undigested: &Undigested,
    deadline: Instant,
    answers: &mut Vec<Answer>,
) -> Option<Lost> {
    let mut replies: FuturesOrdered<_> = queues.iter().map(|queue| declare(channel, queue)).collect();
    for queue in queues {
        let Ok(Some(reply)) = timeout_at(deadline, replies.next()).await else {
            answers.push(Err(SampleError::Timeout));
            return Some(Lost::Time);
        };
        undigested.digested(ANSWER + queue.len());
        match reply {
            Ok(answer) => answers.push(Ok(answer)),
            Err(error) if error.is_amqp_soft_error() => {
                answers.push(if is_missing(&error) {
                    Ok(Reply::Missing)
                } else {
                    Err(broken(&error))
                });
                return Some(Lost::Channel);
            }
            Err(error) => return Some(Lost::Connection(broken(&error))),
        }
    }
    None
}

/// One passive declare.
async fn declare(channel: &Channel, queue: &str) -> Result<Reply, lapin::Error> {
    // No queue can have a name that does not fit.
    let Some(name) = short(queue) else {
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
    fn lanes_grow_with_the_queues_and_the_doubtful_ones_go_last() {
        assert_eq!(lanes(0, 0), [[0; 0]]);
        assert_eq!(lanes(3, 0), [[0, 1, 2]]);
        assert_eq!(lanes(2, 3), [vec![0, 1, 2], vec![3], vec![4]]);
        assert_eq!(lanes(17, 0).len(), 2);
        let many = lanes(500, 20);
        assert_eq!(many.len(), LANES);
        assert!(many.iter().all(|lane| (64..=66).contains(&lane.len())));
        assert!(many.iter().all(|lane| lane.is_sorted()));
        let mut places = many.concat();
        places.sort_unstable();
        assert_eq!(places, (0..520).collect::<Vec<_>>());
    }
}
