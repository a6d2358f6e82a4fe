//! One application's remote control: how its workers are asked and told, and how their answers come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    bindings::{self, Bindings, NoSeparator},
    link::Link,
    resp::{Commands, Value},
};
use crate::framework::celery::{
    control::{self, ReplyTo},
    events::Wire,
};
use crate::model::{Inspect, Mailbox, Moment, Read, SampleError};

/// Answers are waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our entry is put there again after this time, for it may be lost: a server that began anew, a flush, an eviction.
const ADD_AGAIN: Duration = Duration::from_secs(2);

/// A refusal is believed for so long; then it is tried again.
const REFUSED: Duration = Duration::from_secs(60);

/// Where nobody hears although workers are bound, the other name of the channel is tried no more often.
const OTHER_NAME: Duration = Duration::from_secs(60);

/// What is known of an application of which nothing is wished is forgotten after this time.
const REMEMBERED: Duration = Duration::from_secs(600);

/// One application's remote control.
#[derive(Debug)]
pub(super) struct Channel {
    exchange: String,
    prefix: String,
    db: u32,
    bindings: Bindings,
    /// When each question was put to all workers last.
    asked: BTreeMap<Inspect, Moment>,
    /// Workers push their answers to our list.
    bound: Option<Bound>,
    /// Then the last answer is waited for no longer.
    until: Moment,
    /// Workers that heard the questions, and answers that came.
    heard: u64,
    answered: u64,
    /// Until when nothing is asked, because this right is missing.
    refused: Option<(Moment, String)>,
    /// What was asked or told did not get through, or answers could not be fetched, for a reason that passes: in the last
    /// sample that tried.
    failing: Option<SampleError>,
    /// The log tells of it already.
    told: bool,
    /// The application names its channels without the database (`fanout_prefix: False`).
    bare: bool,
    /// When the other name was tried last.
    tried: Option<Moment>,
    /// When anything was wished of it last.
    used: Moment,
}

/// Our entry in the set, and the list that it leads to.
#[derive(Debug)]
struct Bound {
    separator: String,
    set: String,
    member: String,
    list: String,
    /// When it was put there last.
    added: Moment,
}

/// A question or an order to publish.
struct Post {
    payload: Vec<u8>,
    /// How many answers it brings at most.
    answers: u64,
    /// The question, if it goes to all workers.
    to_all: Option<Inspect>,
}

impl Channel {
    /// Nothing was asked yet.
    pub(super) fn new(exchange: &str, prefix: &str, db: u32) -> Self {
        Self {
            exchange: exchange.to_owned(),
            prefix: prefix.to_owned(),
            db,
            bindings: Bindings::default(),
            asked: BTreeMap::new(),
            bound: None,
            until: Moment::ZERO,
            heard: 0,
            answered: 0,
            refused: None,
            failing: None,
            told: false,
            bare: false,
            tried: None,
            used: Moment::ZERO,
        }
    }

    /// The connection is another one.
    pub(super) fn reconnected(&mut self) {
        self.bindings.forget();
        self.bound.iter_mut().for_each(|bound| bound.added = Moment::ZERO);
    }

    /// The list that holds answers, while any are waited for.
    pub(super) fn list(&self) -> Option<&str> {
        self.bound.as_ref().map(|bound| bound.list.as_str())
    }

    /// Answers came.
    pub(super) fn answered(&mut self, answers: u64) {
        self.answered = self.answered.saturating_add(answers);
    }

    /// All have answered, or nobody is waited for any more.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.answered >= self.heard || self.until <= now
    }

    /// Adds what takes our entry and our list away.
    pub(super) fn unbind(&mut self, commands: &mut Commands) {
        if let Some(bound) = self.bound.take() {
            commands.add(&[b"SREM", bound.set.as_bytes(), bound.member.as_bytes()]);
            commands.add(&[b"DEL", bound.list.as_bytes()]);
        }
        (self.heard, self.answered) = (0, 0);
    }

    /// It still has something to remember.
    pub(super) fn is_of_use(&self, now: Moment) -> bool {
        self.bound.is_some() || now.saturating_sub(self.used) < REMEMBERED
    }

    /// The right that is missing, if the workers can be neither asked nor told anything.
    pub(super) fn refused(&self, now: Moment) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|(until, _)| *until > now);
        refused.map(|(_, right)| right.as_str())
    }

    /// Why the workers can be neither asked nor told anything just now.
    pub(super) fn failing(&self) -> Option<SampleError> {
        self.failing
    }

    /// A sample begins.
    pub(super) fn begin(&mut self) {
        self.failing = None;
    }

    /// Answers cannot be fetched just now.
    pub(super) fn pop_failed(&mut self, error: SampleError) {
        self.failing = Some(error);
    }

    /// Answers cannot be fetched: this is refused.
    pub(super) fn pop_refused(&mut self, now: Moment) {
        let lists = bindings::lists(&self.prefix, &self.exchange);
        self.refuse(format!("`RPOP` on `{lists}`"), now);
    }

    /// A command was refused: what is there goes at once, and nothing is asked for a while.
    fn refuse(&mut self, right: String, now: Moment) {
        self.until = now;
        if self.refused(now).is_some() {
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            tracing::info!(
                right,
                "remote control on Redis is refused: workers are not asked what they hold"
            );
        }
        self.refused = Some((now.saturating_add(REFUSED), right));
    }

    /// Asks and tells what these reads of this application wish.
    ///
    /// # Errors
    /// What breaks the connection.
    pub(super) async fn ask(
        &mut self,
        link: &mut Link,
        reads: &[(usize, &Read, &Mailbox)],
        reply: &ReplyTo,
        now: Moment,
    ) -> Result<(), SampleError> {
        self.used = now;
        if self.refused(now).is_some() {
            return Ok(());
        }
        let wanted = |(_, read, of): &&(usize, &Read, &Mailbox)| match read {
            Read::Inspect { method, .. } => !of.nodes.is_empty() || self.may_ask_all(*method, now),
            _ => true,
        };
        let reads: Vec<_> = reads.iter().filter(wanted).collect();
        let questions = reads.iter().any(|(_, read, _)| matches!(read, Read::Inspect { .. }));
        let bound = questions && self.bind(link, &reads, reply, now).await?;
        let posts = reads.into_iter().filter_map(|read| self.post(read, bound, reply, now));
        let posts: Vec<_> = posts.collect();
        self.publish(link, &posts, now).await
    }

    fn may_ask_all(&self, method: Inspect, now: Moment) -> bool {
        let lately = |asked: &Moment| now.saturating_sub(*asked) < method.every();
        !self.asked.get(&method).is_some_and(lately)
    }

    /// Makes our entry as the application makes its own. `false`: nothing can be asked now.
    async fn bind(
        &mut self,
        link: &mut Link,
        reads: &[&(usize, &Read, &Mailbox)],
        reply: &ReplyTo,
        now: Moment,
    ) -> Result<bool, SampleError> {
        let nodes: BTreeSet<_> = reads
            .iter()
            .flat_map(|(.., of)| &of.nodes)
            .map(String::as_str)
            .collect();
        let said: BTreeSet<_> = reads.iter().filter_map(|(.., of)| of.separator.as_deref()).collect();
        let application = (self.exchange.as_str(), self.prefix.as_str());
        self.bindings.look(link, application, &nodes, &reply.oid, now).await?;
        let mut commands = self.bindings.clean(application);
        let separator = self.bindings.separator(&said);
        if self
            .bound
            .as_ref()
            .is_some_and(|bound| separator.as_ref() != Ok(&bound.separator))
        {
            self.unbind(&mut commands);
        }
        // Refused only where nobody else can do it either.
        link.ask(&commands).await?;
        let separator = match separator {
            Ok(separator) => separator,
            Err(NoSeparator::NotShown) => return Ok(false),
            Err(NoSeparator::Unread(error)) => {
                self.failing = Some(error);
                return Ok(false);
            }
            Err(NoSeparator::Refused(right)) => {
                self.refuse(right, now);
                return Ok(false);
            }
        };
        let lately = |bound: &Bound| now.saturating_sub(bound.added) < ADD_AGAIN;
        if self.bound.as_ref().is_some_and(lately) {
            return Ok(true);
        }
        let (set, member) = control::reply_binding(&self.prefix, &self.exchange, &reply.oid, &separator);
        let command = Commands::one(&[b"SADD", set.as_bytes(), member.as_bytes()]);
        let list = control::reply_list(&self.prefix, &self.exchange, &reply.oid);
        let right = format!("`SADD` on `{set}`");
        // Whatever happens to the reply, the entry may be there then.
        self.until = self.until.max(now.saturating_add(PATIENCE));
        self.bound = Some(Bound {
            separator,
            set,
            member,
            list,
            added: now,
        });
        let replies = link.ask(&command).await?;
        Ok(match replies.first().map(Value::count) {
            Some(Ok(_)) => true,
            Some(Err(error)) if error.is_refusal() => {
                self.refuse(right, now);
                false
            }
            // It passes: again at the next sample.
            Some(Err(error)) => {
                self.failing = Some(error);
                self.bound.iter_mut().for_each(|bound| bound.added = Moment::ZERO);
                false
            }
            None => false,
        })
    }

    /// What to publish for this read. Questions need our entry, orders do not.
    fn post(
        &self,
        (number, read, of): &(usize, &Read, &Mailbox),
        bound: bool,
        reply: &ReplyTo,
        now: Moment,
    ) -> Option<Post> {
        match read {
            Read::Inspect { method, .. } if bound => Some(Post {
                payload: control::request(*method, &of.nodes, reply, Wire::Kombu, &self.exchange, now),
                answers: if of.nodes.is_empty() {
                    u64::MAX
                } else {
                    of.nodes.len() as u64
                },
                to_all: of.nodes.is_empty().then_some(*method),
            }),
            Read::Tell { order, .. } => {
                let tag = format!("{}.{}.{number}", reply.oid, now.as_millis());
                Some(Post {
                    payload: control::order(order, &of.nodes, Wire::Kombu, &self.exchange, &tag),
                    answers: 0,
                    to_all: None,
                })
            }
            _ => None,
        }
    }

    async fn publish(&mut self, link: &mut Link, posts: &[Post], now: Moment) -> Result<(), SampleError> {
        let name = self.name(self.bare);
        let heard = publish_on(link, &name, posts).await?;
        let nobody = heard
            .iter()
            .all(|heard| heard.map_or_else(SampleError::is_refusal, |heard| heard == 0));
        if nobody && self.may_try_the_other_name(posts, now) {
            self.tried = Some(now);
            let other = publish_on(link, &self.name(!self.bare), posts).await?;
            if other.iter().flatten().any(|heard| *heard > 0) {
                self.bare = !self.bare;
                self.heard_by(posts, &other, now);
                return Ok(());
            }
        }
        self.heard_by(posts, &heard, now);
        let failed = heard
            .iter()
            .find_map(|heard| heard.err().filter(|error| !error.is_refusal()));
        self.failing = self.failing.or(failed);
        if heard.iter().any(|heard| heard.is_err_and(SampleError::is_refusal)) {
            self.refuse(format!("`PUBLISH` on the channel `{name}`"), now);
        }
        Ok(())
    }

    /// Takes in how many workers heard each of them. What failed otherwise than by a missing right passes: it is
    /// published again at the next sample.
    fn heard_by(&mut self, posts: &[Post], heard: &[Result<u64, SampleError>], now: Moment) {
        for (post, heard) in posts.iter().zip(heard) {
            let Ok(heard) = heard else { continue };
            self.heard = self.heard.saturating_add(post.answers.min(*heard));
            if post.answers > 0 {
                self.until = now.saturating_add(PATIENCE);
            }
            if let Some(method) = post.to_all {
                self.asked.insert(method, now);
            }
        }
    }

    /// Nobody hears although workers are bound: perhaps the application leaves the database out of the name.
    fn may_try_the_other_name(&self, posts: &[Post], now: Moment) -> bool {
        let lately = self.tried.is_some_and(|tried| now.saturating_sub(tried) < OTHER_NAME);
        !posts.is_empty() && self.bindings.any_workers() && !lately
    }

    /// The channel that the workers listen to.
    fn name(&self, bare: bool) -> String {
        if bare {
            format!("{}{}.pidbox", self.prefix, self.exchange)
        } else {
            control::channel(&self.prefix, self.db, &self.exchange)
        }
    }
}

/// Publishes all; by how many each was heard.
async fn publish_on(link: &mut Link, name: &str, posts: &[Post]) -> Result<Vec<Result<u64, SampleError>>, SampleError> {
    let mut commands = Commands::default();
    for post in posts {
        commands.add(&[b"PUBLISH", name.as_bytes(), &post.payload]);
    }
    let replies = link.ask(&commands).await?;
    Ok(replies.iter().map(Value::count).collect())
}
