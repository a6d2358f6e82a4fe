//! Remote control of one application on Redis: how its workers are asked and told, and how their answers arrive.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use super::{
    super::{
        ask::{Ask, Inspect},
        control::{self, ReplyTo},
    },
    REMEMBERED,
    bindings::{self, NoSeparator, ShownBindings, remove},
    pops::{Pops, answered},
    posts::{Post, heard, post, publish_on},
};
use crate::model::{Moment, Named, Now, Query, Reply, SampleError};

/// Time for which answers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time after which our entry is added again, because it may be lost: a server that restarted, a flush, an eviction.
const ADD_AGAIN: Duration = Duration::from_secs(2);

/// Time for which a refusal is believed; then it is tried again.
const REFUSED: Duration = Duration::from_secs(60);

/// Shortest time between two tries of the channel's other name, where no client receives although workers are bound.
const OTHER_NAME: Duration = Duration::from_secs(60);

/// Remote control of one application.
#[derive(Debug)]
pub(super) struct Channel {
    exchange: String,
    prefix: String,
    db: u32,
    bindings: ShownBindings,
    /// Time of the latest question to all workers, by method.
    asked: BTreeMap<Inspect, Moment>,
    /// Entry by which workers push their answers to our list.
    bound: Option<Bound>,
    /// Time until which the last answer is waited for.
    until: Moment,
    /// Number of workers that received the questions, and of answers that arrived.
    heard: u64,
    answered: u64,
    /// Time until which nothing is asked, and the right that is missing.
    refused: Option<(Moment, String)>,
    /// Error of the last sample that sent letters or fetched answers, for a reason that may pass.
    failing: Option<SampleError>,
    /// Whether the log already has it.
    told: bool,
    /// Whether the application names its channels without the database (`fanout_prefix: False`).
    bare: bool,
    /// Time of the last try of the other name.
    tried: Option<Moment>,
    /// Time of the last use.
    used: Moment,
    /// Letters for this sample, with numbers that distinguish them.
    letters: Vec<(usize, Ask)>,
    stage: Stage,
}

/// Stage of this sample's conversation: what the next replies answer.
#[derive(Debug, Default)]
enum Stage {
    /// Nothing has been sent; `renew`: our address changes now.
    Begins { renew: bool },
    /// Answers were requested; `asked`: number at once, `rounds`: number of round trips.
    Pops { asked: usize, rounds: usize, renew: bool },
    /// Our entry was removed.
    Ends,
    /// The application's bindings were read.
    Looks,
    /// Stale entries were removed.
    Cleans,
    /// Our entry was added; `right`: the right that this needs.
    Binds { right: String },
    /// Letters were published.
    Publishes { posts: Vec<Post> },
    /// Letters were published under the channel's other name, because no client received them.
    Tries {
        posts: Vec<Post>,
        heard: Vec<Result<u64, SampleError>>,
    },
    /// The conversation is over.
    #[default]
    Rests,
}

/// Our entry in the set, and the list that it leads to.
#[derive(Debug)]
struct Bound {
    separator: String,
    set: String,
    member: String,
    list: String,
    /// Time at which it was last added.
    added: Moment,
}

impl Channel {
    /// Remote control that has not been used.
    pub(super) fn new(exchange: &str, prefix: &str, db: u32) -> Self {
        Self {
            exchange: exchange.to_owned(),
            prefix: prefix.to_owned(),
            db,
            bindings: ShownBindings::default(),
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
            letters: Vec::new(),
            stage: Stage::Rests,
        }
    }

    /// Takes in that the connection is a new one.
    pub(super) fn reconnected(&mut self) {
        self.bindings.forget();
        self.bound.iter_mut().for_each(|bound| bound.added = Moment::ZERO);
    }

    /// Begins a sample with these letters.
    pub(super) fn begin(&mut self, letters: Vec<(usize, Ask)>, renew: bool) {
        self.failing = None;
        self.letters = letters;
        self.stage = Stage::Begins { renew };
    }

    /// Whether all have answered, or the time to wait is over.
    fn is_over(&self, now: Moment) -> bool {
        self.answered >= self.heard || self.until <= now
    }

    /// Queries that remove our entry and our list.
    pub(super) fn unbind(&mut self) -> Vec<Query> {
        (self.heard, self.answered) = (0, 0);
        let bound = self.bound.take().into_iter();
        bound
            .flat_map(|bound| remove(bound.set, bound.member, bound.list))
            .collect()
    }

    /// Whether it still has something to remember.
    pub(super) fn is_of_use(&self, now: Moment) -> bool {
        self.bound.is_some() || now.saturating_sub(self.used) < REMEMBERED
    }

    /// State of the commands to workers.
    pub(super) fn standing(&self, now: Moment) -> Result<Reply, SampleError> {
        match (self.refused(now), self.failing) {
            (Some(right), _) => Ok(Reply::Refused {
                right: right.to_owned(),
            }),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Reply::Asked),
        }
    }

    /// Right that is missing, if workers can be neither asked nor told anything.
    fn refused(&self, now: Moment) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|(until, _)| *until > now);
        refused.map(|(_, right)| right.as_str())
    }

    /// Takes in that a command was refused: our entry and list are removed at once, and nothing is asked for a while.
    fn refuse(&mut self, right: String, now: Moment, notes: &mut Vec<String>) {
        self.until = now;
        if self.refused(now).is_some() {
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            notes.push(format!(
                "remote control on Redis is refused: workers are not asked what they hold (right: {right})"
            ));
        }
        self.refused = Some((now.saturating_add(REFUSED), right));
    }

    /// Next step of this sample, after the replies to the one before; empty: it is over.
    pub(super) fn step(
        &mut self,
        replies: Vec<Result<Reply, SampleError>>,
        pops: &mut Pops,
        reply: &ReplyTo,
        now: Now,
        notes: &mut Vec<String>,
    ) -> Vec<Query> {
        let moment = now.moment;
        match mem::take(&mut self.stage) {
            Stage::Rests => Vec::new(),
            Stage::Begins { renew } => match self.pop(pops, 0, renew) {
                reads if reads.is_empty() => self.end(renew, reply, now, notes),
                reads => reads,
            },
            Stage::Pops { asked, rounds, renew } => {
                let more = self.popped(replies.into_iter().next(), asked, pops, moment, notes);
                let reads = match more && pops.may_go_on(rounds) {
                    true => self.pop(pops, rounds, renew),
                    false => Vec::new(),
                };
                match reads.is_empty() {
                    true => self.end(renew, reply, now, notes),
                    false => reads,
                }
            }
            // If this was refused, so was the entry itself.
            Stage::Ends => self.look(reply, now, notes),
            Stage::Looks => {
                let letters = mem::take(&mut self.letters);
                let nodes = letters.iter().filter_map(|(_, letter)| letter.mailbox());
                let nodes = nodes.flat_map(|of| &of.nodes).map(String::as_str).collect();
                let application = (self.exchange.as_str(), self.prefix.as_str());
                self.bindings.take(replies, application, &nodes, &reply.oid, now, notes);
                self.letters = letters;
                self.clean(reply, now, notes)
            }
            Stage::Cleans => self.bind(reply, now, notes),
            Stage::Binds { right } => {
                let bound = match replies.into_iter().next().unwrap_or(Err(SampleError::Protocol)) {
                    Ok(_) => true,
                    Err(error) if error.is_refusal() => {
                        self.refuse(right, moment, notes);
                        false
                    }
                    // The reason may pass: the next sample tries again.
                    Err(error) => {
                        self.failing = Some(error);
                        self.bound.iter_mut().for_each(|bound| bound.added = Moment::ZERO);
                        false
                    }
                };
                self.publish(bound, reply, moment)
            }
            Stage::Publishes { posts } => self.published(posts, heard(replies), moment, notes),
            Stage::Tries { posts, heard: first } => {
                let other = heard(replies);
                if other.iter().flatten().any(|heard| *heard > 0) {
                    self.bare = !self.bare;
                    self.heard_by(&posts, &other, moment);
                } else {
                    self.settled(&posts, &first, moment, notes);
                }
                Vec::new()
            }
        }
    }

    /// Fetches answers, if any are waited for.
    fn pop(&mut self, pops: &Pops, rounds: usize, renew: bool) -> Vec<Query> {
        let Some(bound) = &self.bound else { return Vec::new() };
        self.stage = Stage::Pops {
            asked: pops.at_once,
            rounds: rounds + 1,
            renew,
        };
        vec![Query::Pop {
            list: bound.list.clone(),
            most: pops.at_once,
            read: Named::new("kombu answer", answered),
        }]
    }

    /// Takes in answers; `true`: perhaps there are more.
    fn popped(
        &mut self,
        reply: Option<Result<Reply, SampleError>>,
        asked: usize,
        pops: &mut Pops,
        now: Moment,
        notes: &mut Vec<String>,
    ) -> bool {
        match reply.unwrap_or(Err(SampleError::Protocol)) {
            Ok(Reply::Popped { elements, largest }) => {
                self.answered = self.answered.saturating_add(elements);
                pops.took(asked, elements, largest);
                elements >= asked as u64
            }
            Err(error) if error.is_refusal() => {
                let lists = bindings::lists(&self.prefix, &self.exchange);
                self.refuse(format!("`RPOP` on `{lists}`"), now, notes);
                false
            }
            other => {
                self.failing = Some(other.err().unwrap_or(SampleError::Protocol));
                false
            }
        }
    }

    /// Removes our entry and our list where all have answered or the time to wait is over, and everywhere when our
    /// address changes.
    fn end(&mut self, renew: bool, reply: &ReplyTo, now: Now, notes: &mut Vec<String>) -> Vec<Query> {
        let over = renew || self.is_over(now.moment);
        let reads = if over { self.unbind() } else { Vec::new() };
        if reads.is_empty() {
            return self.look(reply, now, notes);
        }
        self.stage = Stage::Ends;
        reads
    }

    /// Reads the application's bindings, if there are questions and it is time.
    fn look(&mut self, reply: &ReplyTo, now: Now, notes: &mut Vec<String>) -> Vec<Query> {
        let moment = now.moment;
        if self.letters.is_empty() {
            return Vec::new();
        }
        self.used = moment;
        if self.refused(moment).is_some() {
            return Vec::new();
        }
        let mut letters = mem::take(&mut self.letters);
        letters.retain(|(_, letter)| match letter {
            Ask::Inspect { method, mailbox } => !mailbox.nodes.is_empty() || self.may_ask_all(*method, moment),
            _ => true,
        });
        self.letters = letters;
        let questions = (self.letters.iter()).any(|(_, letter)| matches!(letter, Ask::Inspect { .. }));
        if !questions {
            return self.publish(false, reply, moment);
        }
        let reads = self.bindings.look((&self.exchange, &self.prefix), moment);
        if reads.is_empty() {
            return self.clean(reply, now, notes);
        }
        self.stage = Stage::Looks;
        reads
    }

    /// Removes stale entries, and our own if it is not joined as the application joins its own.
    fn clean(&mut self, reply: &ReplyTo, now: Now, notes: &mut Vec<String>) -> Vec<Query> {
        let mut reads = self.bindings.clean((&self.exchange, &self.prefix));
        let separator = self.separator();
        let otherwise = |bound: &Bound| separator.as_ref() != Ok(&bound.separator);
        if self.bound.as_ref().is_some_and(otherwise) {
            reads.extend(self.unbind());
        }
        if reads.is_empty() {
            return self.bind(reply, now, notes);
        }
        // This is refused only if nobody else can do it either.
        self.stage = Stage::Cleans;
        reads
    }

    fn separator(&self) -> Result<String, NoSeparator> {
        let letters = self.letters.iter().filter_map(|(_, letter)| letter.mailbox());
        let said: BTreeSet<_> = letters.filter_map(|of| of.separator.as_deref()).collect();
        self.bindings.separator(&said)
    }

    /// Adds our entry, joined as the application joins its own.
    fn bind(&mut self, reply: &ReplyTo, now: Now, notes: &mut Vec<String>) -> Vec<Query> {
        let moment = now.moment;
        let separator = match self.separator() {
            Ok(separator) => separator,
            Err(why) => {
                match why {
                    NoSeparator::NotShown => {}
                    NoSeparator::Unread(error) => self.failing = Some(error),
                    NoSeparator::Refused(right) => self.refuse(right, moment, notes),
                }
                return self.publish(false, reply, moment);
            }
        };
        let lately = |bound: &Bound| moment.saturating_sub(bound.added) < ADD_AGAIN;
        if self.bound.as_ref().is_some_and(lately) {
            return self.publish(true, reply, moment);
        }
        let (set, member) = control::reply_binding(&self.prefix, &self.exchange, &reply.oid, &separator);
        let list = control::reply_list(&self.prefix, &self.exchange, &reply.oid);
        self.stage = Stage::Binds {
            right: format!("`SADD` on `{set}`"),
        };
        // Whatever the reply says, the entry may exist then.
        self.until = self.until.max(moment.saturating_add(PATIENCE));
        let read = Query::AddMember {
            key: set.clone(),
            member: member.clone(),
        };
        self.bound = Some(Bound {
            separator,
            set,
            member,
            list,
            added: moment,
        });
        vec![read]
    }

    fn may_ask_all(&self, method: Inspect, now: Moment) -> bool {
        let lately = |asked: &Moment| now.saturating_sub(*asked) < method.every();
        !self.asked.get(&method).is_some_and(lately)
    }

    /// Publishes the letters. Questions need our entry: `bound`.
    fn publish(&mut self, bound: bool, reply: &ReplyTo, now: Moment) -> Vec<Query> {
        let letters = mem::take(&mut self.letters);
        let posts: Vec<_> = (letters.iter())
            .filter_map(|letter| post(&self.exchange, letter, bound, reply, now))
            .collect();
        let reads = publish_on(&self.name(self.bare), &posts);
        if !posts.is_empty() {
            self.stage = Stage::Publishes { posts };
        }
        reads
    }

    /// Takes in that the letters were published: if no client received them, the channel may have its other name.
    fn published(
        &mut self,
        posts: Vec<Post>,
        heard: Vec<Result<u64, SampleError>>,
        now: Moment,
        notes: &mut Vec<String>,
    ) -> Vec<Query> {
        let nobody = heard
            .iter()
            .all(|heard| heard.map_or_else(SampleError::is_refusal, |heard| heard == 0));
        if nobody && self.may_try_the_other_name(&posts, now) {
            self.tried = Some(now);
            let reads = publish_on(&self.name(!self.bare), &posts);
            self.stage = Stage::Tries { posts, heard };
            return reads;
        }
        self.settled(&posts, &heard, now, notes);
        Vec::new()
    }

    /// Keeps the name in use.
    fn settled(&mut self, posts: &[Post], heard: &[Result<u64, SampleError>], now: Moment, notes: &mut Vec<String>) {
        self.heard_by(posts, heard, now);
        let failed = heard
            .iter()
            .find_map(|heard| heard.err().filter(|error| !error.is_refusal()));
        self.failing = self.failing.or(failed);
        if heard.iter().any(|heard| heard.is_err_and(SampleError::is_refusal)) {
            let name = self.name(self.bare);
            self.refuse(format!("`PUBLISH` on the channel `{name}`"), now, notes);
        }
    }

    /// Takes in how many workers received each letter. An error other than a missing right may pass: the next sample
    /// publishes again.
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

    /// Whether the other name may be tried: no client receives although workers are bound, so the application may leave
    /// the database out of the name.
    fn may_try_the_other_name(&self, posts: &[Post], now: Moment) -> bool {
        let lately = self.tried.is_some_and(|tried| now.saturating_sub(tried) < OTHER_NAME);
        !posts.is_empty() && self.bindings.any_workers() && !lately
    }

    /// Channel that the workers subscribe to.
    fn name(&self, bare: bool) -> String {
        if bare {
            format!("{}{}.pidbox", self.prefix, self.exchange)
        } else {
            control::channel(&self.prefix, self.db, &self.exchange)
        }
    }
}
