//! RabbitMQ: one AMQP connection for each endpoint, and the management API where it is configured.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the endpoint: which read goes which way |
//! | `amqp.rs` | the AMQP side: the connection kept, the feeds on it |
//! | `connection.rs` | connect, log in, close; errors without the broker's words |
//! | `transport.rs`, `frames.rs` | the layers below the client library that protect it |
//! | `depths.rs` | passive declares |
//! | `memory.rs` | queues that gave no count, and zeros not believed yet (pure) |
//! | `totals.rs` | the management API, in a task of its own |
//! | `feed.rs`, `heartbeats.rs`, `control.rs` | the workers' messages |

mod amqp;
mod connection;
mod control;
mod depths;
mod feed;
mod frames;
mod heartbeats;
mod memory;
mod totals;
mod transport;

use self::{
    amqp::Amqp,
    control::ControlTrouble,
    memory::QueueAnswer,
    totals::{Totals, TotalsSample, since_then},
};
use super::{Address, Egress, Endpoint, Kind, Signal, Tls, management, signals};
use crate::model::{Hearing, Moment, Place, Query, Reply, SampleError, Subscription};

/// Number of queues to declare beyond which one totals call for the virtual host is cheaper: 500 declares take 180 ms,
/// the call 20 ms.
const MANY: usize = 100;

/// Endpoint of a RabbitMQ broker, one virtual host of it.
#[derive(Debug)]
pub struct RabbitMqEndpoint {
    amqp: Amqp,
    totals: Option<Totals>,
    signals: signals::Receiver,
}

impl RabbitMqEndpoint {
    /// Endpoint of this broker. Connects at the first sample, if `egress` allows it.
    pub fn new(address: Address, egress: Egress) -> Self {
        let (sender, signals) = signals::channel();
        let vhost = match &address.kind {
            Kind::RabbitMq { vhost } => vhost.clone(),
            Kind::Redis { .. } => "/".to_owned(),
        };
        let client =
            |management| management::Client::new(egress.clone(), management, &vhost, tls_of_management(&address));
        let totals = address.management.clone().map(client).map(Totals::new);
        Self {
            amqp: Amqp::new(egress, address, vhost, sender),
            totals,
            signals,
        }
    }
}

/// TLS settings for an https management API: the broker's own CA; its other settings only on the same host.
fn tls_of_management(address: &Address) -> Tls {
    let tls = address.tls.clone().unwrap_or_default();
    let same_host = address
        .management
        .as_ref()
        .is_some_and(|management| management.host == address.host);
    match same_host {
        true => tls,
        false => Tls {
            ca: tls.ca,
            ..Tls::default()
        },
    }
}

impl Endpoint for RabbitMqEndpoint {
    async fn sample(&mut self, reads: &[Query], moment: Moment) -> Vec<QueueAnswer> {
        let mut sorted = Sorted::new(reads);
        if let Some(totals) = self.totals.as_mut().filter(|_| sorted.depths.len() > MANY) {
            let told = totals.ask(&sorted.all_queues(), moment).await;
            // What is old replaces no declare.
            if told.is_fresh {
                sorted.depths_from(told.answers);
            }
        }
        let totals = async {
            match &mut self.totals {
                Some(totals) => totals.ask(&names(&sorted.totals), moment).await,
                None => TotalsSample {
                    answers: vec![Err(SampleError::Management); sorted.totals.len()],
                    is_fresh: true,
                },
            }
        };
        let depths = names(&sorted.depths);
        let letters: Vec<_> = sorted.letters.iter().map(|(_, letter)| *letter).collect();
        let depths = self.amqp.ask(&depths, &letters, moment);
        let (told, depths) = tokio::join!(totals, depths);
        for (place, letter) in &sorted.letters {
            match self.amqp.trouble(letter) {
                Some(ControlTrouble::Refused(right)) => put(&mut sorted.answers, *place, Ok(Reply::Refused { right })),
                Some(ControlTrouble::Failing(error)) => put(&mut sorted.answers, *place, Err(error)),
                None => {}
            }
        }
        for ((place, queue), totals) in sorted.totals.iter().zip(told.answers) {
            let same = sorted.depths.iter().position(|(_, depth)| depth == queue);
            let depth = same.filter(|_| !told.is_fresh).and_then(|same| depths.get(same));
            put(&mut sorted.answers, *place, since_then(totals, depth));
        }
        for ((place, _), depth) in sorted.depths.iter().zip(depths) {
            put(&mut sorted.answers, *place, depth);
        }
        sorted.answers
    }

    fn listen(&mut self, to: Vec<Subscription>) {
        let here = |listen: &Subscription| matches!(listen.place, Place::TopicExchange { .. });
        self.amqp.listen(to.into_iter().filter(here).collect());
    }

    fn connection(&self) -> u64 {
        self.amqp.connection()
    }

    fn hearing(&self, to: &Subscription) -> Hearing {
        match to.place {
            Place::TopicExchange { .. } => self.amqp.hearing(to),
            Place::Pattern { .. } => Hearing::Failing(SampleError::Protocol),
        }
    }

    async fn next_signal(&mut self) -> Signal {
        self.signals.next().await
    }
}

/// Reads of one sample, sorted by the way they go.
#[derive(Default)]
struct Sorted<'a> {
    /// Answers, one for each read, as far as they are known.
    answers: Vec<QueueAnswer>,
    /// Places in the sample and names of the queues whose depth is asked.
    depths: Vec<(usize, &'a str)>,
    /// Places in the sample and names of the queues whose totals are asked.
    totals: Vec<(usize, &'a str)>,
    /// Places in the sample, with the questions and orders for workers.
    letters: Vec<(usize, &'a Query)>,
}

impl<'a> Sorted<'a> {
    /// Sorts the reads; a read that RabbitMQ does not have is an error already, one that needs no answer is answered.
    fn new(reads: &'a [Query]) -> Self {
        let mut sorted = Self::default();
        for (place, read) in reads.iter().enumerate() {
            let answer = match read {
                Query::QueueDepth { queue } => {
                    sorted.depths.push((place, queue));
                    Err(SampleError::NotYet)
                }
                Query::QueueTotals { queue } => {
                    sorted.totals.push((place, queue));
                    Err(SampleError::NotYet)
                }
                Query::Post { .. } => {
                    sorted.letters.push((place, read));
                    Ok(Reply::Asked)
                }
                _ => Err(SampleError::Protocol),
            };
            sorted.answers.push(answer);
        }
        sorted
    }

    /// Names of all queues of the sample, depths first.
    fn all_queues(&self) -> Vec<&'a str> {
        names(&self.depths).into_iter().chain(names(&self.totals)).collect()
    }

    /// Takes in totals of [`Self::all_queues`], in their order; what has no answer yet stays to be asked.
    fn depths_from(&mut self, totals: Vec<QueueAnswer>) {
        let depths = std::mem::take(&mut self.depths);
        let known = depths.len();
        let both = depths.into_iter().chain(std::mem::take(&mut self.totals));
        for (number, ((place, queue), answer)) in both.zip(totals).enumerate() {
            let is_depth = number < known;
            match answer {
                Ok(Reply::Totals { ready, .. }) if is_depth => {
                    put(&mut self.answers, place, Ok(Reply::Depth { ready, consumers: None }));
                }
                // What is missing or failed here is asked the other way.
                _ if is_depth => self.depths.push((place, queue)),
                answer => put(&mut self.answers, place, answer),
            }
        }
    }
}

/// Names of the queues without their places.
fn names<'a>(queues: &[(usize, &'a str)]) -> Vec<&'a str> {
    queues.iter().map(|(_, queue)| *queue).collect()
}

/// Puts an answer in its place.
fn put(answers: &mut [QueueAnswer], place: usize, answer: QueueAnswer) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = answer;
    }
}

#[cfg(test)]
mod tests;
