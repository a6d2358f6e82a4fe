//! Asks Celery's workers what they hold, and tells them what to do, by remote control over Redis; answers are collected
//! at later samples.
//!
//! An answer is an element of a list of our own, into which workers push as long as a set says where we are. That entry
//! is there only while answers are outstanding, so that nothing is pushed for ever after we are gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    backoff::random,
    link::Link,
    resp::{Commands, LINE, Value},
};
use crate::work::{
    Inspect, Mailbox, Moment, Read, SampleError, Signal,
    celery::{
        control::{self, ReplyTo},
        events::Wire,
    },
};

/// Answers are waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a refusal nothing is asked for so long.
const REFUSED: Duration = Duration::from_secs(300);

/// Answers taken from the list at once, at most.
const MAX_ANSWERS: usize = 64;

/// Round trips for answers in one sample, at most.
const MAX_ROUNDS: usize = 8;

/// Bytes of the answers taken at once: they hold the tasks' arguments.
const ANSWERS_BYTES: u64 = 2 << 20;

/// The questions and answers of one endpoint.
#[derive(Debug)]
pub(super) struct Inspections {
    /// Our address; the fixed beginning lets an ACL name our lists.
    reply: ReplyTo,
    db: u32,
    /// By control exchange and key prefix.
    channels: BTreeMap<(String, String), Channel>,
    /// How many answers to take at once: fewer after too large ones.
    at_once: usize,
}

/// One application's remote control.
#[derive(Debug, Default)]
pub(super) struct Channel {
    /// When each question was put to all workers last.
    asked: BTreeMap<Inspect, Moment>,
    /// Workers push their answers to our list.
    bound: bool,
    /// Then the last answer is waited for no longer.
    until: Moment,
    /// Workers that heard the questions, and answers that came.
    heard: u64,
    answered: u64,
    /// Refused: nothing is asked until then.
    off_until: Moment,
    /// The log tells of it already.
    told: bool,
}

impl Inspections {
    /// For this database.
    pub(super) fn new(db: u32) -> Self {
        let oid = format!("twp-operator-{:016x}{:016x}", random(), random());
        Self {
            reply: ReplyTo { oid },
            db,
            channels: BTreeMap::new(),
            at_once: MAX_ANSWERS,
        }
    }

    /// Collects answers, ends what is over and asks what `reads` wish, in as few round trips as that needs: none, if
    /// there is nothing to do.
    ///
    /// # Errors
    /// What breaks the connection. A refused command is no error: remote control pauses.
    pub(super) async fn round(
        &mut self,
        link: &mut Link,
        reads: &[Read],
        now: Moment,
    ) -> Result<Vec<Signal>, SampleError> {
        let signals = self.collect(link, now).await?;
        self.end(link, now).await?;
        self.ask(link, reads, now).await?;
        self.channels.retain(|_, channel| channel.is_of_use(now));
        Ok(signals)
    }

    async fn collect(&mut self, link: &mut Link, now: Moment) -> Result<Vec<Signal>, SampleError> {
        let mut signals = Vec::new();
        for ((exchange, prefix), channel) in self.channels.iter_mut().filter(|(_, channel)| channel.bound) {
            let list = control::reply_list(prefix, exchange, &self.reply.oid);
            for _ in 0..MAX_ROUNDS {
                let pop = Commands::one(&[b"RPOP", list.as_bytes(), self.at_once.to_string().as_bytes()]);
                let replies = link.ask(&pop, ANSWERS_BYTES).await;
                if replies == Err(SampleError::TooLarge) {
                    channel.too_large(&mut self.at_once, now);
                }
                let answers = match replies?.pop().map(Value::texts) {
                    Some(Ok(answers)) => answers,
                    _ => {
                        channel.refused(now);
                        break;
                    }
                };
                channel.answered += answers.len() as u64;
                let read = |payload: &Vec<u8>| control::answer(payload, None, Wire::Kombu);
                signals.extend(answers.iter().flat_map(read));
                if answers.len() < self.at_once {
                    break;
                }
                self.at_once = (self.at_once * 2).min(MAX_ANSWERS);
            }
        }
        Ok(signals)
    }

    /// Takes our entry and our list away where all have answered or nobody is waited for any more.
    async fn end(&mut self, link: &mut Link, now: Moment) -> Result<(), SampleError> {
        let commands = self.unbind(|channel| channel.answered >= channel.heard || channel.until <= now);
        // If this is refused, so was the entry itself.
        link.ask(&commands, LINE * commands.count() as u64).await.map(drop)
    }

    /// What takes our entry and our list away from these channels.
    pub(super) fn unbind(&mut self, over: impl Fn(&Channel) -> bool) -> Commands {
        let mut commands = Commands::default();
        for ((exchange, prefix), channel) in &mut self.channels {
            if channel.bound && over(channel) {
                let (set, member) = control::reply_binding(prefix, exchange, &self.reply.oid, "\x06\x16");
                let list = control::reply_list(prefix, exchange, &self.reply.oid);
                commands.add(&[b"SREM", set.as_bytes(), member.as_bytes()]);
                commands.add(&[b"DEL", list.as_bytes()]);
                (channel.bound, channel.heard, channel.answered) = (false, 0, 0);
            }
        }
        commands
    }

    /// Publishes questions and orders, application by application.
    async fn ask(&mut self, link: &mut Link, reads: &[Read], now: Moment) -> Result<(), SampleError> {
        let mailboxes = reads.iter().filter_map(mailbox);
        let applications: BTreeSet<_> = mailboxes.map(|of| (&of.exchange, &of.prefix)).collect();
        for (exchange, prefix) in applications {
            let channel = self.channels.entry((exchange.clone(), prefix.clone())).or_default();
            let to = control::channel(prefix, self.db, exchange);
            let mut commands = Commands::default();
            // How many answers each command brings at most.
            let mut answers = Vec::new();
            for (number, read) in reads.iter().enumerate() {
                let of = mailbox(read).filter(|of| (&of.exchange, &of.prefix) == (exchange, prefix));
                let Some(Mailbox { nodes, .. }) = of.filter(|_| channel.off_until <= now) else {
                    continue;
                };
                let (payload, expected) = match read {
                    Read::Inspect { method, .. } if nodes.is_empty() && !channel.may_ask(*method, now) => continue,
                    Read::Inspect { method, .. } => {
                        if !channel.bound {
                            let (set, member) = control::reply_binding(prefix, exchange, &self.reply.oid, "\x06\x16");
                            commands.add(&[b"SADD", set.as_bytes(), member.as_bytes()]);
                            answers.push(0);
                        }
                        // Whatever happens to the reply, the entry may be there then.
                        channel.bound = true;
                        channel.until = now.saturating_add(PATIENCE);
                        if nodes.is_empty() {
                            channel.asked.insert(*method, now);
                        }
                        let request = control::request(*method, nodes, &self.reply, Wire::Kombu, exchange, now);
                        let all = nodes.is_empty().then_some(u64::MAX);
                        (request, all.unwrap_or(nodes.len() as u64))
                    }
                    Read::Tell { order, .. } => {
                        let tag = format!("{}.{}.{number}", self.reply.oid, now.as_millis());
                        (control::order(order, nodes, Wire::Kombu, exchange, &tag), 0)
                    }
                    _ => continue,
                };
                commands.add(&[b"PUBLISH", to.as_bytes(), &payload]);
                answers.push(expected);
            }
            let replies = link.ask(&commands, LINE * commands.count() as u64).await?;
            match replies.iter().map(Value::count).collect::<Result<Vec<_>, _>>() {
                Ok(heard) => channel.heard += heard.iter().zip(&answers).map(|(a, b)| a.min(b)).sum::<u64>(),
                Err(_) => channel.refused(now),
            }
        }
        Ok(())
    }

    /// These workers can be neither asked nor told anything: it is refused.
    pub(super) fn is_refused(&self, read: &Read, now: Moment) -> bool {
        let channel = mailbox(read).and_then(|of| self.channels.get(&(of.exchange.clone(), of.prefix.clone())));
        channel.is_some_and(|channel| channel.off_until > now)
    }
}

/// Whose remote control a read means, if any.
fn mailbox(read: &Read) -> Option<&Mailbox> {
    match read {
        Read::Inspect { mailbox, .. } | Read::Tell { mailbox, .. } => Some(mailbox),
        _ => None,
    }
}

impl Channel {
    fn may_ask(&self, method: Inspect, now: Moment) -> bool {
        let lately = |asked: &Moment| now.saturating_sub(*asked) < method.every();
        self.off_until <= now && !self.asked.get(&method).is_some_and(lately)
    }

    /// A command was refused: what is there goes at once, and nothing is asked for a while.
    fn refused(&mut self, now: Moment) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::info!("remote control on Redis is refused: for five minutes workers are not asked what they hold");
        }
        self.off_until = now.saturating_add(REFUSED);
        self.until = now;
    }

    /// The answers were too large: fewer at once, or none.
    fn too_large(&mut self, at_once: &mut usize, now: Moment) {
        if *at_once == 1 {
            self.refused(now);
        }
        *at_once = (*at_once / 8).max(1);
    }

    /// It still has something to remember.
    fn is_of_use(&self, now: Moment) -> bool {
        let lately = |(method, asked): (&Inspect, &Moment)| now.saturating_sub(*asked) < method.every().max(PATIENCE);
        self.bound || self.off_until > now || self.asked.iter().any(lately)
    }
}
