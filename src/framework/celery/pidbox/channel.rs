//! One application's remote control on Redis: how its workers are asked and told, and how their answers come.
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
    bindings::{self, Bindings, NoSeparator, remove},
    pops::{Pops, answered},
    posts::{Post, heard, post, publish_on},
};
use crate::model::{Moment, Named, Now, Query, Reply, SampleError};

/// Answers are waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our entry is put there again after this time, for it may be lost: a server that began anew, a flush, an eviction.
const ADD_AGAIN: Duration = Duration::from_secs(2);

/// A refusal is believed for so long; then it is tried again.
const REFUSED: Duration = Duration::from_secs(60);

/// Where nobody hears although workers are bound, the other name of the channel is tried no more often.
const OTHER_NAME: Duration = Duration::from_secs(60);

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
    /// What is to be written with this sample, with numbers that tell them apart.
    letters: Vec<(usize, Ask)>,
    stage: Stage,
}

/// How far the conversation of this sample has come: what the next replies answer.
#[derive(Debug, Default)]
enum Stage {
    /// Nothing has been asked; `renew`: our address is another one from now on.
    Begins { renew: bool },
    /// Answers were fetched, so many at once, in so many round trips.
    Pops { asked: usize, rounds: usize, renew: bool },
    /// Our entry was taken away.
    Ends,
    /// The application's bindings were looked at.
    Looks,
    /// Entries were taken away.
    Cleans,
    /// Our entry was made; this right is needed for it.
    Binds { right: String },
    /// Letters were published.
    Publishes { posts: Vec<Post> },
    /// The same under the channel's other name, for nobody heard.
    Tries {
        posts: Vec<Post>,
        heard: Vec<Result<u64, SampleError>>,
    },
    /// There is nothing more to do.
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
    /// When it was put there last.
    added: Moment,
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
            letters: Vec::new(),
            stage: Stage::Rests,
        }
    }

    /// The connection is another one.
    pub(super) fn reconnected(&mut self) {
        self.bindings.forget();
        self.bound.iter_mut().for_each(|bound| bound.added = Moment::ZERO);
    }

    /// A sample begins, with these letters.
    pub(super) fn begin(&mut self, letters: Vec<(usize, Ask)>, renew: bool) {
        self.failing = None;
        self.letters = letters;
        self.stage = Stage::Begins { renew };
    }

    /// All have answered, or nobody is waited for any more.
    fn is_over(&self, now: Moment) -> bool {
        self.answered >= self.heard || self.until <= now
    }

    /// What takes our entry and our list away.
    pub(super) fn unbind(&mut self) -> Vec<Query> {
        (self.heard, self.answered) = (0, 0);
        let bound = self.bound.take().into_iter();
        bound
            .flat_map(|bound| remove(bound.set, bound.member, bound.list))
            .collect()
    }

    /// It still has something to remember.
    pub(super) fn is_of_use(&self, now: Moment) -> bool {
        self.bound.is_some() || now.saturating_sub(self.used) < REMEMBERED
    }

    /// How it stands with asking and telling workers.
    pub(super) fn standing(&self, now: Moment) -> Result<Reply, SampleError> {
        match (self.refused(now), self.failing) {
            (Some(right), _) => Ok(Reply::Refused {
                right: right.to_owned(),
            }),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Reply::Asked),
        }
    }

    /// The right that is missing, if the workers can be neither asked nor told anything.
    fn refused(&self, now: Moment) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|(until, _)| *until > now);
        refused.map(|(_, right)| right.as_str())
    }

    /// A command was refused: what is there goes at once, and nothing is asked for a while.
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

    /// The next step of this sample, after the replies to the one before; nothing: there is no more.
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
                    // It passes: again at the next sample.
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

    /// Takes in what came; `true`: perhaps there is more.
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

    /// Takes our entry and our list away where all have answered or nobody is waited for any more, and everywhere when our
    /// address is another one from now on.
    fn end(&mut self, renew: bool, reply: &ReplyTo, now: Now, notes: &mut Vec<String>) -> Vec<Query> {
        let over = renew || self.is_over(now.moment);
        let reads = if over { self.unbind() } else { Vec::new() };
        if reads.is_empty() {
            return self.look(reply, now, notes);
        }
        self.stage = Stage::Ends;
        reads
    }

    /// Looks at the application's bindings, if there are questions and it is time for it.
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

    /// Takes away what nobody needs any more, and our entry if it is not joined as the application joins its own.
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
        // Refused only where nobody else can do it either.
        self.stage = Stage::Cleans;
        reads
    }

    fn separator(&self) -> Result<String, NoSeparator> {
        let letters = self.letters.iter().filter_map(|(_, letter)| letter.mailbox());
        let said: BTreeSet<_> = letters.filter_map(|of| of.separator.as_deref()).collect();
        self.bindings.separator(&said)
    }

    /// Makes our entry as the application makes its own.
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
        // Whatever happens to the reply, the entry may be there then.
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

    /// They were: where nobody heard perhaps the channel has its other name.
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

    /// It stays so.
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
