//! Remote control on one endpoint: the pools' letters become queries, step by step, and its state is known.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`Pidbox`]: the letters of a sample, and their way on RabbitMQ, which is one step |
//! | `channel.rs` | one application's remote control on Redis, step by step |
//! | `posts.rs`, `pops.rs` | what is published there, and the answers |
//! | `bindings.rs` | how an application joins its bindings on Redis, and entries that nobody took back |
//!
//! On Redis an answer is an element of one of our lists, to which workers push while a set contains our address. That
//! entry exists only while answers are outstanding, so that nothing is pushed for ever after the operator is gone; if
//! it was killed meanwhile, another operator removes the entry.
#![deny(clippy::disallowed_methods)]

mod bindings;
mod channel;
mod pops;
mod posts;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    mem,
    time::Duration,
};

use self::{bindings::RENEWED, channel::Channel, pops::Pops};
use super::{
    BrokerKind,
    ask::{Ask, Inspect, Mailbox},
    control::{self, ReplyTo},
    wire::Wire,
};
use crate::model::{Letter, Moment, Named, Now, Postbox, Query, Reply, SampleError, Signal};

/// Seconds after which a worker need not answer any more.
const EXPIRES: i64 = 10;

/// Placeholder for our address in a letter: no node's name comes after it.
const OUR_ADDRESS: &str = "our-address";

/// Letters of one endpoint.
#[derive(Debug)]
pub struct Pidbox {
    broker: BrokerKind,
    /// Random numbers of which addresses are made, so that nobody can guess them.
    seed: [u64; 2],
    /// Our address on Redis, and when it was made.
    reply: Option<(ReplyTo, Moment)>,
    /// Number of addresses made so far.
    addresses: u64,
    /// Letters for this sample; equal ones of several pools are sent once.
    letters: Vec<Ask>,
    /// Applications of the last step, with the number of queries of each.
    asked: Vec<(Remote, usize)>,
    /// Whether the conversation of this sample has begun.
    begun: bool,
    connection: u64,
    /// Remote controls by control exchange and key prefix; Redis only.
    channels: BTreeMap<Remote, Channel>,
    pops: Pops,
    /// Time of the latest question to all workers, by method and exchange; RabbitMQ only.
    to_all: BTreeMap<(Inspect, String), Moment>,
    /// Result of the latest letter to each exchange; RabbitMQ only.
    posted: BTreeMap<String, (Result<Reply, SampleError>, Moment)>,
    /// Lines for the log.
    notes: Vec<String>,
}

/// Control exchange and key prefix, which distinguish the remote controls of applications.
type Remote = (String, String);

/// Time after which an unused remote control is forgotten.
const REMEMBERED: Duration = Duration::from_secs(600);

impl Pidbox {
    /// Remote control on this broker.
    pub fn new(broker: BrokerKind, seed: [u64; 2]) -> Self {
        Self {
            broker,
            seed,
            reply: None,
            addresses: 0,
            letters: Vec::new(),
            asked: Vec::new(),
            begun: false,
            connection: 0,
            channels: BTreeMap::new(),
            pops: Pops::default(),
            to_all: BTreeMap::new(),
            posted: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a letter for this sample.
    pub fn write(&mut self, letter: Ask) {
        if !self.letters.contains(&letter) {
            self.letters.push(letter);
        }
    }

    /// Next step, after the replies to the one before; empty: it is over.
    pub fn converse(&mut self, replies: Vec<Result<Reply, SampleError>>, connection: u64, now: Now) -> Vec<Query> {
        match self.broker {
            BrokerKind::Redis { db } => self.step(replies, connection, db, now),
            BrokerKind::RabbitMq { .. } => self.post(replies, now),
        }
    }

    /// Queries that remove the entries by which workers push their answers.
    pub fn farewell(&mut self) -> Vec<Query> {
        self.channels.values_mut().flat_map(Channel::unbind).collect()
    }

    /// Lines for the log.
    pub(super) fn notes(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }

    /// State of the letters to these workers.
    pub fn standing(&self, mailbox: &Mailbox, now: Moment) -> Result<Reply, SampleError> {
        // A conversation that was cut short may not have been written: no worker is to be taken for one that does not
        // answer.
        if self.begun || !self.asked.is_empty() || !self.letters.is_empty() {
            return Err(SampleError::Timeout);
        }
        match self.broker {
            BrokerKind::Redis { .. } => {
                let channel = self.channels.get(&(mailbox.exchange.clone(), mailbox.prefix.clone()));
                channel.map_or(Ok(Reply::Asked), |channel| channel.standing(now))
            }
            BrokerKind::RabbitMq { .. } => {
                let posted = self.posted.get(&mailbox.exchange);
                posted.map_or(Ok(Reply::Asked), |(reply, _)| reply.clone())
            }
        }
    }

    fn step(&mut self, replies: Vec<Result<Reply, SampleError>>, connection: u64, db: u32, now: Now) -> Vec<Query> {
        if mem::replace(&mut self.connection, connection) != connection {
            self.channels.values_mut().for_each(Channel::reconnected);
        }
        // A conversation that was cut short has no replies.
        if replies.is_empty() || !self.begun {
            self.asked.clear();
            self.begun = true;
            self.begin(db, now);
        }
        let mut replies = replies.into_iter();
        let mut came: BTreeMap<Remote, Vec<_>> = BTreeMap::new();
        for (application, reads) in self.asked.drain(..) {
            came.insert(application, replies.by_ref().take(reads).collect());
        }
        let mut all = Vec::new();
        if let Some((reply, _)) = &self.reply {
            for (application, channel) in &mut self.channels {
                let own = came.remove(application).unwrap_or_default();
                let reads = channel.step(own, &mut self.pops, reply, now, &mut self.notes);
                self.asked.push((application.clone(), reads.len()));
                all.extend(reads);
            }
        }
        if all.is_empty() {
            self.begun = false;
            self.asked.clear();
            self.channels.retain(|_, channel| channel.is_of_use(now.moment));
        }
        all
    }

    /// Distributes the letters, and replaces our address if it is old.
    fn begin(&mut self, db: u32, now: Now) {
        let old = |made: Moment| now.moment.saturating_sub(made) >= RENEWED;
        let renew = self.reply.as_ref().is_none_or(|(_, made)| old(*made));
        if renew {
            let oid = bindings::new_address(self.random(), now.wall);
            self.reply = Some((ReplyTo { oid }, now.moment));
        }
        let mut letters = BTreeMap::<Remote, Vec<(usize, Ask)>>::new();
        for (number, letter) in mem::take(&mut self.letters).into_iter().enumerate() {
            if let Some(of) = letter.mailbox() {
                let application = (of.exchange.clone(), of.prefix.clone());
                letters.entry(application).or_default().push((number, letter));
            }
        }
        for application in letters.keys() {
            let new = || Channel::new(&application.0, &application.1, db);
            self.channels.entry(application.clone()).or_insert_with(new);
        }
        self.pops.begin();
        for (application, channel) in &mut self.channels {
            channel.begin(letters.remove(application).unwrap_or_default(), renew);
        }
    }

    fn random(&mut self) -> [u64; 2] {
        self.addresses += 1;
        [0_u64, 1].map(|half| {
            let mut hasher = DefaultHasher::new();
            (self.seed, self.addresses, half).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// RabbitMQ: posts the letters, except questions to all workers that were asked a moment ago.
    fn post(&mut self, replies: Vec<Result<Reply, SampleError>>, now: Now) -> Vec<Query> {
        for (((exchange, _), _), reply) in self.asked.drain(..).zip(replies) {
            if reply.is_err() {
                // It may not have been sent: the next sample asks again.
                self.to_all.retain(|(_, to), _| *to != exchange);
            }
            self.posted.insert(exchange, (reply, now.moment));
        }
        let mut reads = Vec::new();
        for letter in mem::take(&mut self.letters) {
            let Some(exchange) = letter.mailbox().map(|of| of.exchange.clone()) else {
                continue;
            };
            if let Ask::Inspect { method, mailbox } = &letter
                && mailbox.nodes.is_empty()
            {
                let question = (*method, exchange.clone());
                let lately = |last: &Moment| now.moment.saturating_sub(*last) < method.every();
                if self.to_all.get(&question).is_some_and(lately) {
                    continue;
                }
                self.to_all.insert(question, now.moment);
            }
            let Some(letter) = letter_of(&letter, now) else {
                continue;
            };
            let postbox = Postbox {
                exchange: format!("{exchange}.pidbox"),
                replies: format!("reply.{exchange}.pidbox"),
                ticket: "ticket",
                read: Named::new("celery", answered),
            };
            reads.push(Query::Post { postbox, letter });
            self.asked.push(((exchange, String::new()), 1));
        }
        let lately = |last: &Moment| now.moment.saturating_sub(*last) < REMEMBERED;
        self.to_all.retain(|_, last| lately(last));
        self.posted.retain(|_, (_, last)| lately(last));
        reads
    }
}

impl Ask {
    /// Workers that are addressed, if any.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Inspect { mailbox, .. } | Self::Tell { mailbox, .. } => Some(mailbox),
            Self::Read(_) => None,
        }
    }
}

/// Letter on RabbitMQ.
fn letter_of(ask: &Ask, now: Now) -> Option<Letter> {
    let headers = vec![("clock", 1), ("expires", now.wall.as_second().saturating_add(EXPIRES))];
    match ask {
        Ask::Read(_) => None,
        Ask::Inspect { method, mailbox } => {
            let reply = ReplyTo {
                oid: OUR_ADDRESS.to_owned(),
            };
            let exchange = &mailbox.exchange;
            let whole = control::request(*method, &mailbox.nodes, &reply, Wire::Plain, exchange, now.moment);
            let text = String::from_utf8(whole).ok()?;
            let (begin, end) = text.rsplit_once(OUR_ADDRESS)?;
            Some(Letter {
                begin: begin.as_bytes().to_vec(),
                end: Some(end.as_bytes().to_vec()),
                headers,
            })
        }
        Ask::Tell { order, mailbox } => Some(Letter {
            begin: control::order(order, &mailbox.nodes, Wire::Plain, &mailbox.exchange, ""),
            end: None,
            headers,
        }),
    }
}

/// Signals in an answer on RabbitMQ.
fn answered(payload: &[u8], ticket: Option<&str>) -> Vec<Signal> {
    control::answer(payload, ticket, Wire::Plain)
        .map(Into::into)
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::celery::{CeleryConfig, Order, tests::now};

    /// On both brokers: a conversation that the sampler gave up before its end.
    #[test]
    fn a_conversation_that_is_cut_short_is_told_as_one_that_failed() {
        for broker in [BrokerKind::Redis { db: 0 }, BrokerKind::RabbitMq { management: false }] {
            let config = CeleryConfig {
                broker,
                ..CeleryConfig::default()
            };
            let mailbox = config.mailbox(vec!["celery@a".to_owned()]);
            let mut pidbox = Pidbox::new(broker, [1, 2]);
            let letter = || Ask::Tell {
                order: Order::CancelConsumer("mail".to_owned()),
                mailbox: mailbox.clone(),
            };
            let cut = Err(SampleError::Timeout);
            pidbox.write(letter());
            assert_eq!(pidbox.standing(&mailbox, now().moment), cut, "not begun");
            assert_eq!(pidbox.converse(Vec::new(), 1, now()).len(), 1);
            assert_eq!(pidbox.standing(&mailbox, now().moment), cut, "not answered");
            // The next sample starts over.
            pidbox.write(letter());
            assert_eq!(pidbox.converse(Vec::new(), 1, now()).len(), 1);
            let heard = match broker {
                BrokerKind::Redis { .. } => Reply::Number(1),
                BrokerKind::RabbitMq { .. } => Reply::Asked,
            };
            assert!(pidbox.converse(vec![Ok(heard)], 1, now()).is_empty());
            assert_eq!(pidbox.standing(&mailbox, now().moment), Ok(Reply::Asked));
        }
    }
}
