//! Asks Redis (or Valkey): at most two connections, one for commands and one for heartbeats.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`RedisEndpoint`]: samples, reconnects, keeps its memory |
//! | `link.rs` | one connection: round trips with a deadline and a byte budget |
//! | `resp.rs` | the protocol: commands, replies, and what errors mean |
//! | `question.rs` | one read's way through the round trips of a sample |
//! | `plain.rs` | reads and writes that are one command each |
//! | `memory.rs` | scans, and zeros that are not believed yet |
//! | `pop.rs` | what workers push into lists of our own |
//! | `heartbeats.rs` | the pub/sub connection |
//! | `backoff.rs` | pauses between attempts to connect |
//!
//! A sample's first round trips count everything (`LLEN`, `HLEN`, `SCARD`, about a thousand at a time); an idle endpoint
//! needs no others. Then come bounded looks at what is not empty. Commands an ACL must allow: these, `LRANGE`,
//! `ZRANGE`, `HSTRLEN`, `HMGET`, `SMEMBERS`; for RQ and taskiq `LINDEX`, `ZCOUNT`, `XINFO`, `XRANGE`; for heartbeats `PSUBSCRIBE` and `PING`; for remote control `SADD`, `SREM`,
//! `PUBLISH`, `RPOP`, `DEL`. All of them are in Redis 5. `INFO` is asked only where one of them is unknown.

mod backoff;
mod heartbeats;
mod link;
mod memory;
mod plain;
mod pop;
mod question;
mod resp;

use std::{collections::VecDeque, time::Duration};

use tokio::time::timeout;

use self::{
    backoff::Backoff,
    heartbeats::{Heartbeats, pattern},
    link::Link,
    memory::Memory,
    pop::pop,
    question::Question,
    resp::{Commands, Value},
};
use super::{Address, Egress, Endpoint, Kind, signals};
use crate::model::{Hearing, Moment, Query, Reply, SampleError, Signal, Subscription};

/// A whole sample, connecting included, takes no longer.
const SAMPLE: Duration = Duration::from_secs(4);

/// No command joins a batch of so many.
const BATCH_COMMANDS: usize = 1_000;

/// No command joins a batch whose replies may have so many bytes.
const BATCH_BYTES: u64 = 4 << 20;

/// After so many bytes a sample looks into no further key.
const SAMPLE_BYTES: u64 = 8 << 20;

/// One Redis database.
#[derive(Debug)]
pub struct RedisEndpoint {
    egress: Egress,
    address: Address,
    db: u32,
    /// Taken out while it is in use: a sample that is dropped half-way leaves none, and the next one connects.
    link: Option<Link>,
    /// A connection broke or was given up: the next one is another one.
    lost: bool,
    /// Rises with each connection that is another one.
    connection: u64,
    /// No attempt to connect before this moment, and why.
    pause: Option<(Moment, SampleError)>,
    backoff: Backoff,
    memory: Memory,
    heartbeats: Option<Heartbeats>,
    listening: Vec<Subscription>,
    signals: (signals::Sender, signals::Receiver),
}

impl RedisEndpoint {
    /// Connects at the first sample, if `egress` allows it. The address must be one of Redis.
    pub fn new(address: Address, egress: Egress) -> Self {
        let db = match address.kind {
            Kind::Redis { db } => db,
            Kind::RabbitMq { .. } => 0,
        };
        Self {
            egress,
            address,
            db,
            link: None,
            lost: false,
            pause: None,
            backoff: Backoff::default(),
            memory: Memory::default(),
            connection: 0,
            heartbeats: None,
            listening: Vec::new(),
            signals: signals::channel(),
        }
    }

    /// The connection, a new one if need be.
    async fn connect(&mut self) -> Result<Link, SampleError> {
        if let Some(link) = self.link.take() {
            return Ok(link);
        }
        let link = Link::open(&self.egress, &self.address, self.db).await?;
        if self.lost {
            self.memory.reconnected();
            self.connection += 1;
        }
        self.lost = true;
        Ok(link)
    }

    /// Everything that needs the connection.
    async fn converse(&mut self, questions: &mut [Question<'_>], reads: &[Query]) -> Result<(), SampleError> {
        let mut link = self.connect().await?;
        answer_all(&mut link, questions, &mut self.memory).await?;
        if questions.iter().any(Question::was_unknown) && link.is_sentinel().await {
            return Err(SampleError::RedisSentinel);
        }
        for (read, question) in reads.iter().zip(questions.iter_mut()) {
            if let Query::Pop { list, most, read } = read {
                question.done(pop(&mut link, list, *most, *read, &self.signals.0).await?);
            }
        }
        self.link = Some(link);
        Ok(())
    }

    /// Gives the connection up and waits a little before the next one.
    fn give_up(&mut self, error: SampleError, now: Moment) {
        // One key was too large: the others are not to be told so while they wait.
        let why = match error {
            SampleError::TooLarge => SampleError::Disconnected,
            error => error,
        };
        self.link = None;
        self.pause = Some((now.saturating_add(self.backoff.failed(error)), why));
    }
}

/// Asks in batches until every question is done.
async fn answer_all(link: &mut Link, questions: &mut [Question<'_>], memory: &mut Memory) -> Result<(), SampleError> {
    let before = link.read();
    loop {
        let mut open = open(questions);
        if open.is_empty() {
            return Ok(());
        }
        while !open.is_empty() {
            let exhausted = link.read() - before >= SAMPLE_BYTES;
            let batch = Batch::of(&mut open, exhausted, memory);
            let replies = link.ask(&batch.commands).await;
            batch.take(replies, memory)?;
        }
    }
}

/// The questions that are not done.
fn open<'q, 'a>(questions: &'q mut [Question<'a>]) -> VecDeque<&'q mut Question<'a>> {
    questions.iter_mut().filter(|question| question.is_open()).collect()
}

/// The commands of one round trip.
struct Batch<'q, 'a> {
    commands: Commands,
    /// Who asked, with its number of commands.
    askers: Vec<(&'q mut Question<'a>, usize)>,
}

impl<'q, 'a> Batch<'q, 'a> {
    /// The next ones of the open questions; an exhausted sample looks no further into keys.
    fn of(open: &mut VecDeque<&'q mut Question<'a>>, exhausted: bool, memory: &mut Memory) -> Self {
        let mut batch = Self {
            commands: Commands::default(),
            askers: Vec::new(),
        };
        while batch.commands.count() < BATCH_COMMANDS
            && batch.commands.planned() < BATCH_BYTES
            && let Some(question) = open.pop_front()
        {
            if exhausted && question.is_look() {
                question.leave_unseen(memory);
                continue;
            }
            let first = batch.commands.count();
            question.ask(&mut batch.commands);
            batch.askers.push((question, batch.commands.count() - first));
        }
        batch
    }

    /// Hands the replies out.
    fn take(self, replies: Result<Vec<Value>, SampleError>, memory: &mut Memory) -> Result<(), SampleError> {
        let replies = match replies {
            Err(error @ (SampleError::TooLarge | SampleError::Timeout)) => {
                self.askers
                    .into_iter()
                    .for_each(|(question, _)| question.refused(error, memory));
                return Err(error);
            }
            other => other?,
        };
        let mut replies = replies.into_iter();
        for (question, commands) in self.askers {
            question.take(replies.by_ref().take(commands).collect(), memory);
        }
        Ok(())
    }
}

impl Endpoint for RedisEndpoint {
    async fn sample(&mut self, reads: &[Query], moment: Moment) -> Vec<Result<Reply, SampleError>> {
        if let Some((until, error)) = self.pause
            && moment < until
        {
            return vec![Err(error); reads.len()];
        }
        self.pause = None;
        self.memory.begin(moment);
        let mut questions: Vec<_> = reads.iter().map(Question::new).collect();
        let conversation = timeout(SAMPLE, self.converse(&mut questions, reads)).await;
        let broken = conversation.unwrap_or(Err(SampleError::Timeout)).err();
        if let Some(error) = broken {
            for question in &mut questions {
                question.fail(error, &mut self.memory);
            }
        }
        let answers: Vec<_> = questions.into_iter().map(Question::answer).collect();
        // Without credentials every command is refused, one by one, on a connection that is well.
        let locked_out = Err(SampleError::Authentication);
        match broken.or_else(|| answers.contains(&locked_out).then_some(SampleError::Authentication)) {
            Some(error) => self.give_up(error, moment),
            None => {
                self.backoff.succeeded();
                self.memory.end();
            }
        }
        answers
    }

    fn listen(&mut self, to: Vec<Subscription>) {
        let mut to: Vec<_> = to.into_iter().filter(|listen| pattern(listen).is_some()).collect();
        to.sort();
        to.dedup();
        if to != self.listening {
            self.listening.clone_from(&to);
            let (broker, signals) = ((self.egress.clone(), self.address.clone()), self.signals.0.clone());
            let before = self.heartbeats.take();
            self.heartbeats = (!to.is_empty()).then(|| Heartbeats::listen(broker, &to, signals, before.as_ref()));
        }
    }

    fn connection(&self) -> u64 {
        self.connection
    }

    fn hearing(&self, to: &Subscription) -> Hearing {
        let heard = pattern(to).zip(self.heartbeats.as_ref());
        heard.map_or(Hearing::NotYet, |(pattern, heartbeats)| heartbeats.hearing(pattern))
    }

    async fn next_signal(&mut self) -> Signal {
        self.signals.1.next().await
    }
}

#[cfg(test)]
mod tests;
