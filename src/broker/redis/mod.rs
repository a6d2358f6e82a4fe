//! Asks Redis (or Valkey): at most two connections, one for commands and one for heartbeats.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | [`RedisEndpoint`]: samples, keeps its memory |
//! | `route/` | who is asked: a topology a file |
//! | `link.rs` | one connection: round trips with a deadline and a byte budget |
//! | `resp.rs` | the protocol: commands, replies, and what errors mean |
//! | `question.rs` | one read's way through the round trips of a sample |
//! | `plain.rs` | reads and writes that are one command each |
//! | `memory.rs` | scans, and zeros that are not believed yet |
//! | `heartbeats.rs` | the pub/sub connection |
//!
//! A sample's first round trips count everything (`LLEN`, `HLEN`, `SCARD`, about a thousand at a time); an idle endpoint
//! needs no others. Then come bounded looks at what is not empty. Commands an ACL must allow: these, `LRANGE`,
//! `ZRANGE`, `HSTRLEN`, `HMGET`, `SMEMBERS`; for what is one command `EXISTS`, `LINDEX`, `ZCOUNT`, `XINFO`, `XRANGE`; for
//! heartbeats `PSUBSCRIBE` and `PING`; for remote control `SADD`, `SREM`, `PUBLISH`, `RPOP`, `DEL`. All of them are in Redis 5. `INFO` is asked only where one of them is unknown.

mod heartbeats;
mod link;
mod memory;
mod plain;
mod question;
mod resp;
mod route;

use std::collections::VecDeque;

use self::{
    heartbeats::{Heartbeats, pattern},
    memory::KeyMemory,
    question::Question,
    resp::{Commands, KeyPlace, Value},
    route::{Answer, NoReply, Route},
};
use super::{Address, Egress, Endpoint, signals};
use crate::model::{Hearing, Moment, Named, Query, Reader, Reply, SampleError, Signal, Subscription};

/// No command joins a batch of so many.
const BATCH_COMMANDS: usize = 1_000;

/// No command joins a batch whose replies may have so many bytes.
const BATCH_BYTES: u64 = 4 << 20;

/// After so many bytes a sample looks into no further key.
const SAMPLE_BYTES: u64 = 8 << 20;

/// A larger element is dropped: an answer of this size tells of tasks by the ten thousand, and is worth no more of
/// everybody's time.
const POPPED_BYTES: u64 = 4 << 20;

/// One Redis database.
#[derive(Debug)]
pub struct RedisEndpoint {
    egress: Egress,
    address: Address,
    route: Box<dyn Route>,
    memory: KeyMemory,
    heartbeats: Option<Heartbeats>,
    listening: Vec<Subscription>,
    signals: (signals::Sender, signals::Receiver),
}

impl RedisEndpoint {
    /// Connects at the first sample, if `egress` allows it. The address must be one of Redis.
    pub fn new(address: Address, egress: Egress) -> Self {
        Self {
            route: route::to(egress.clone(), address.clone()),
            egress,
            address,
            memory: KeyMemory::default(),
            heartbeats: None,
            listening: Vec::new(),
            signals: signals::channel(),
        }
    }

    /// Asks in batches until every question is done. Whether each command had its reply.
    async fn answer_all(&mut self, questions: &mut [Question<'_>]) -> bool {
        let mut whole = true;
        loop {
            let mut open = open(questions);
            if open.is_empty() {
                return whole;
            }
            while !open.is_empty() {
                let exhausted = self.route.read() >= SAMPLE_BYTES;
                let batch = Batch::of(&mut open, exhausted, &mut self.memory);
                let answers = route::ask(self.route.as_mut(), &batch.commands).await;
                self.memory.comes_over(self.route.generation(None));
                whole &= batch.take(answers, &mut self.memory);
            }
        }
    }

    /// Pops what is to be popped. Whether each command had its reply.
    async fn pop_all(&mut self, questions: &mut [Question<'_>], reads: &[Query]) -> bool {
        let mut whole = true;
        for (read, question) in reads.iter().zip(questions) {
            if let Query::Pop { list, most, read } = read {
                let popped = pop(self.route.as_mut(), list, *most, *read, &self.signals.0).await;
                whole &= popped.is_ok();
                question.done(popped.unwrap_or_else(|why| Err(why.error)));
            }
        }
        self.memory.comes_over(self.route.generation(None));
        whole
    }
}

/// Takes so many elements from the list, if they are there. Each is read, taken in and let go before the next one. What is
/// too large counts as one that says nothing: that is a matter of whoever pushed it alone.
///
/// # Errors
/// Why there was no reply. A command that is refused is a reply.
async fn pop(
    route: &mut dyn Route,
    list: &str,
    most: usize,
    read: Named<Reader>,
    signals: &signals::Sender,
) -> Result<Result<Reply, SampleError>, NoReply> {
    let mut commands = Commands::default();
    (0..most).for_each(|_| commands.add_for(POPPED_BYTES, KeyPlace::FIRST, &[b"RPOP", list.as_bytes()]));
    let (mut elements, mut largest, mut refused, mut failed) = (0, 0, None, None);
    let mut take = |_, answer| match answer {
        Ok(Value::Text(Some(payload))) => {
            elements += 1;
            largest = largest.max(payload.len() as u64);
            for signal in (read.get())(&payload) {
                signals.send(signal);
            }
        }
        Ok(Value::Refused(SampleError::TooLarge)) => {
            elements += 1;
            largest = POPPED_BYTES;
        }
        Ok(Value::Refused(error)) => refused = refused.or(Some(error)),
        Ok(_) => {}
        Err(why) => failed = Some(why),
    };
    route.ask_each(&commands, &mut take).await;
    match failed {
        Some(why) => Err(why),
        None => Ok(refused.map_or(Ok(Reply::Popped { elements, largest }), Err)),
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
    fn of(open: &mut VecDeque<&'q mut Question<'a>>, exhausted: bool, memory: &mut KeyMemory) -> Self {
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

    /// Hands the answers out. Whether each command had its reply.
    fn take(self, answers: Vec<Answer>, memory: &mut KeyMemory) -> bool {
        let mut answers = answers.into_iter();
        let mut whole = true;
        for (question, commands) in self.askers {
            let own: Vec<Answer> = answers.by_ref().take(commands).collect();
            match own.into_iter().collect::<Result<Vec<Value>, NoReply>>() {
                Ok(replies) => question.take(replies, memory),
                Err(why) => {
                    question.fail(why, memory);
                    whole = false;
                }
            }
        }
        whole
    }
}

impl Endpoint for RedisEndpoint {
    async fn sample(&mut self, reads: &[Query], moment: Moment) -> Vec<Result<Reply, SampleError>> {
        if reads.is_empty() {
            return Vec::new();
        }
        self.route.begin(moment);
        self.memory.begin(moment);
        let mut questions: Vec<_> = reads.iter().map(Question::new).collect();
        let asked = self.answer_all(&mut questions).await;
        let popped = self.pop_all(&mut questions, reads).await;
        if asked && popped {
            self.memory.end();
        }
        questions.into_iter().map(Question::answer).collect()
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
        self.route.generation(None)
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
