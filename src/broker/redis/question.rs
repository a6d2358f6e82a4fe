//! One read's way through the round trips of a sample: its size first, then, only if there is something to see, a
//! bounded look at it.

use std::{mem, sync::Arc};

use super::{
    memory::KeyMemory,
    plain,
    resp::{Commands, KeyPlace, LINE, Value},
    route::NoReply,
};
use crate::model::{
    Decoder, Query, Reply, SampleError, Scan,
    scan::{BYTES_A_TURN, MAX_TAGS},
};

/// A set with more members is not read: killed workers leave theirs behind, but not so many.
const MAX_MEMBERS: u64 = 10_000;

/// The members of a set have at most so many bytes together.
const MEMBERS_BYTES: u64 = 1 << 20;

/// The tags of an index have at most so many bytes together: twice what 10,000 UUIDs need.
const TAGS_BYTES: u64 = 1 << 20;

/// The elements of a list that one look brings. Their sizes cannot be asked for, so this is more than a look plans.
const LIST_BYTES: u64 = 2 * BYTES_A_TURN as u64;

/// A larger value of a hash is not fetched: it counts as a message of unknown kind.
const MAX_VALUE: u64 = 256 << 10;

/// Sizes of the values that one round trip fetches from a hash.
const VALUES_BYTES: u64 = BYTES_A_TURN as u64;

/// A read and how far it got.
#[derive(Debug)]
pub(super) struct Question<'a> {
    read: &'a Query,
    next: Next,
}

/// What to ask next.
#[derive(Debug, PartialEq)]
enum Next {
    /// How many are there? `LLEN`, `HLEN`, `SCARD`.
    Size,
    /// One command, and its reply is the answer.
    Command,
    /// What is popped is read apart: `RPOP`.
    Pop,
    /// `SMEMBERS`.
    Members,
    /// Some elements of the list: `LRANGE`.
    Elements { length: u64, range: (i64, i64) },
    /// The hash's tags: `ZRANGE` of its index.
    Tags { total: u64 },
    /// How large are the values of these tags? `HSTRLEN` each.
    Sizes { hash: FoundHash, missing: Vec<String> },
    /// The values of these tags: `HMGET`. `unread` are too large.
    Values {
        hash: FoundHash,
        asked: Vec<String>,
        unread: Vec<String>,
    },
    /// Nothing.
    Done(Result<Reply, SampleError>),
}

/// A hash as this sample found it.
#[derive(Debug, PartialEq)]
struct FoundHash {
    total: u64,
    tags: Vec<String>,
}

impl<'a> Question<'a> {
    /// Asks for nothing yet. Reads that are no business of Redis are done at once.
    pub(super) fn new(read: &'a Query) -> Self {
        let next = match read {
            Query::ScanList { .. } | Query::ScanHash { .. } | Query::SetMembers { .. } => Next::Size,
            Query::Pop { .. } => Next::Pop,
            Query::QueueDepth { .. } | Query::QueueTotals { .. } | Query::Post { .. } => {
                Next::Done(Err(SampleError::Protocol))
            }
            _ => Next::Command,
        };
        Self { read, next }
    }

    /// There is an answer.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.next, Next::Done(_))
    }

    /// It has to be asked, with others.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.next, Next::Pop | Next::Done(_))
    }

    /// This is the answer.
    pub(super) fn done(&mut self, answer: Result<Reply, SampleError>) {
        self.next = Next::Done(answer);
    }

    /// Asks for the contents, not only for their number: may be left out.
    pub(super) fn is_look(&self) -> bool {
        !matches!(
            self.next,
            Next::Size | Next::Command | Next::Pop | Next::Members | Next::Done(_)
        )
    }

    /// Adds the commands to ask next.
    pub(super) fn ask(&self, commands: &mut Commands) {
        let (size, key, index) = match self.read {
            Query::ScanList { key, .. } => ("LLEN", key, key),
            Query::ScanHash { hash, index, .. } => ("HLEN", hash, index),
            Query::SetMembers { key } => ("SCARD", key, key),
            command => return plain::add(command, commands),
        };
        let key = key.as_bytes();
        match &self.next {
            Next::Size => commands.add(KeyPlace::FIRST, &[size.as_bytes(), key]),
            Next::Members => commands.add_for(MEMBERS_BYTES, KeyPlace::FIRST, &[b"SMEMBERS", key]),
            Next::Elements {
                range: (start, stop), ..
            } => {
                let (start, stop) = (start.to_string(), stop.to_string());
                let words: [&[u8]; 4] = [b"LRANGE", key, start.as_bytes(), stop.as_bytes()];
                commands.add_for(LIST_BYTES, KeyPlace::FIRST, &words);
            }
            Next::Tags { .. } => {
                let last = (MAX_TAGS - 1).to_string();
                let words: [&[u8]; 4] = [b"ZRANGE", index.as_bytes(), b"0", last.as_bytes()];
                commands.add_for(TAGS_BYTES, KeyPlace::FIRST, &words);
            }
            Next::Sizes { missing, .. } => {
                for tag in missing {
                    commands.add(KeyPlace::FIRST, &[b"HSTRLEN", key, tag.as_bytes()]);
                }
            }
            Next::Values { asked, .. } => {
                let tags = asked.iter().map(String::as_bytes);
                let words: Vec<_> = [b"HMGET", key].into_iter().chain(tags).collect();
                commands.add_for(VALUES_BYTES + LINE + 32 * asked.len() as u64, KeyPlace::FIRST, &words);
            }
            Next::Command | Next::Pop | Next::Done(_) => {}
        }
    }

    /// Takes the replies to [`Question::ask`] in, in their order.
    pub(super) fn take(&mut self, replies: Vec<Value>, memory: &mut KeyMemory) {
        if self.is_look() && replies.contains(&Value::Refused(SampleError::TooLarge)) {
            self.look_at_less(memory);
            return self.leave_unseen(memory);
        }
        let next = mem::replace(&mut self.next, Next::Done(Err(SampleError::Protocol)));
        self.next = self
            .follow(next, replies, memory)
            .unwrap_or_else(|error| Next::Done(Err(error)));
    }

    fn follow(&self, next: Next, replies: Vec<Value>, memory: &mut KeyMemory) -> Result<Next, SampleError> {
        match next {
            Next::Sizes { hash, missing } => {
                let sizes: Result<Vec<u64>, _> = replies.iter().map(Value::count).collect();
                let (asked, unread) = choose(missing, &sizes?);
                Ok(if asked.is_empty() {
                    self.absorb(hash, unknown(unread).collect(), memory)
                } else {
                    Next::Values { hash, asked, unread }
                })
            }
            done @ Next::Done(_) => Ok(done),
            next => {
                let reply = replies.into_iter().next().ok_or(SampleError::Protocol)?;
                self.follow_one(next, reply, memory)
            }
        }
    }

    /// The steps that are one command.
    fn follow_one(&self, next: Next, reply: Value, memory: &mut KeyMemory) -> Result<Next, SampleError> {
        match next {
            Next::Command => {
                let answer = plain::reply(self.read, reply)?;
                if let Some(size) = plain::size(self.read, &answer) {
                    memory.believe(self.read, size)?;
                }
                Ok(Next::Done(Ok(answer)))
            }
            Next::Size => {
                let size = reply.count()?;
                memory.believe(self.read, size)?;
                self.sized(size, memory)
            }
            Next::Members => Ok(Next::Done(Ok(Reply::Members(as_strings(reply.texts()?))))),
            Next::Elements { length, range } => {
                let now = memory.now();
                let mut elements = reply.texts()?;
                if !memory.has_room() {
                    // The last one tells what is gone of those that are known.
                    elements.drain(..elements.len().saturating_sub(1));
                }
                let kept = memory.list(self.read);
                let before = kept.scan.known();
                let scan = kept.scan.absorb(length, range, elements, self.decoder(), now);
                let learned = kept.scan.known().saturating_sub(before);
                kept.last = Arc::new(scan);
                memory.learned(learned);
                let room = memory.has_room();
                let kept = memory.list(self.read);
                let more = (room && kept.scan.wants_more()).then(|| kept.scan.plan(length, room));
                Ok(match more.flatten() {
                    Some(range) => Next::Elements { length, range },
                    None => answered(&kept.last),
                })
            }
            Next::Tags { total } => {
                let tags = as_strings(reply.texts()?);
                Ok(self.turn(FoundHash { total, tags }, memory))
            }
            Next::Values { hash, asked, unread } => {
                let values = reply.optional_texts()?;
                if values.len() != asked.len() {
                    return Err(SampleError::Protocol);
                }
                let fetched = asked.into_iter().zip(values).chain(unknown(unread)).collect();
                Ok(self.absorb(hash, fetched, memory))
            }
            next @ (Next::Sizes { .. } | Next::Pop | Next::Done(_)) => Ok(next),
        }
    }

    /// The size is known: is there anything to look at?
    fn sized(&self, size: u64, memory: &mut KeyMemory) -> Result<Next, SampleError> {
        if size == 0 {
            memory.emptied(self.read);
        }
        match self.read {
            Query::SetMembers { .. } if size > MAX_MEMBERS => Err(SampleError::TooLarge),
            Query::SetMembers { .. } if size > 0 => Ok(Next::Members),
            Query::SetMembers { .. } => Ok(Next::Done(Ok(Reply::Members(Vec::new())))),
            _ if size == 0 => Ok(answered(&Arc::default())),
            Query::ScanHash { .. } => {
                let now = memory.now();
                let kept = memory.hash(self.read);
                Ok(if kept.rests(now) {
                    answered(&kept.unseen(size))
                } else {
                    Next::Tags { total: size }
                })
            }
            _ => {
                let (now, room) = (memory.now(), memory.has_room());
                let kept = memory.list(self.read);
                Ok(match kept.scan.plan(size, room).filter(|_| !kept.rests(now)) {
                    Some(range) => Next::Elements { length: size, range },
                    None => answered(&kept.unseen(size)),
                })
            }
        }
    }

    /// Asks for the values that the scan misses, if any.
    fn turn(&self, hash: FoundHash, memory: &mut KeyMemory) -> Next {
        let missing = memory.hash(self.read).scan.missing(&hash.tags);
        if missing.is_empty() {
            self.absorb(hash, Vec::new(), memory)
        } else {
            Next::Sizes { hash, missing }
        }
    }

    /// Ends a turn of the hash's scan; perhaps another one follows.
    fn absorb(&self, hash: FoundHash, fetched: Vec<(String, Option<Vec<u8>>)>, memory: &mut KeyMemory) -> Next {
        let kept = memory.hash(self.read);
        let nothing_new = fetched.is_empty();
        let scan = kept.scan.absorb(&hash.tags, hash.total, fetched, self.decoder());
        kept.last = Arc::new(scan);
        if nothing_new || !kept.scan.wants_more() {
            return answered(&kept.last);
        }
        self.turn(hash, memory)
    }

    /// The replies were too large or came too slowly, perhaps not because of this question: it looks at less next time.
    fn look_at_less(&self, memory: &mut KeyMemory) {
        match &self.next {
            Next::Elements { length, .. } => memory.refused(self.read, *length),
            Next::Values { asked, .. } => memory.hash(self.read).scan.refused(asked),
            _ => {}
        }
    }

    /// There are no replies to [`Question::ask`]. Where something was too large or too slow, the number is an answer
    /// still.
    pub(super) fn fail(&mut self, why: NoReply, memory: &mut KeyMemory) {
        if matches!(why.error, SampleError::TooLarge | SampleError::Timeout) {
            if why.suspect {
                self.look_at_less(memory);
                if why.error == SampleError::Timeout && self.is_look() {
                    memory.too_slow(self.read);
                }
            }
            self.leave_unseen(memory);
        }
        if !self.is_done() {
            self.next = Next::Done(Err(why.error));
        }
    }

    /// Leaves the contents out: of a look, the number and what was seen before are the answer.
    pub(super) fn leave_unseen(&mut self, memory: &mut KeyMemory) {
        let scan = match &self.next {
            Next::Elements { length, .. } => memory.list(self.read).unseen(*length),
            Next::Tags { total } => memory.hash(self.read).unseen(*total),
            Next::Sizes { hash, .. } | Next::Values { hash, .. } => memory.hash(self.read).unseen(hash.total),
            Next::Size | Next::Command | Next::Pop | Next::Members | Next::Done(_) => return,
        };
        self.next = answered(&scan);
    }

    /// The answer; an unfinished question has none.
    pub(super) fn answer(self) -> Result<Reply, SampleError> {
        match self.next {
            Next::Done(answer) => answer,
            _ => Err(SampleError::Timeout),
        }
    }

    fn decoder(&self) -> Decoder {
        match self.read {
            Query::ScanHash { decoder, .. } | Query::ScanList { decoder, .. } => *decoder,
            _ => Decoder::NOTHING,
        }
    }
}

/// Of the missing tags, those whose values fit into one round trip, and those whose values are too large for any.
fn choose(missing: Vec<String>, sizes: &[u64]) -> (Vec<String>, Vec<String>) {
    let (mut asked, mut unread, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (tag, size) in missing.into_iter().zip(sizes) {
        if *size > MAX_VALUE {
            unread.push(tag);
        } else if bytes + size <= VALUES_BYTES {
            bytes += size;
            asked.push(tag);
        }
    }
    (asked, unread)
}

/// Tags whose values are not read: to a scan, no bytes are a message of unknown kind.
fn unknown(tags: Vec<String>) -> impl Iterator<Item = (String, Option<Vec<u8>>)> {
    tags.into_iter().map(|tag| (tag, Some(Vec::new())))
}

fn answered(scan: &Arc<Scan>) -> Next {
    Next::Done(Ok(Reply::Scan(Arc::clone(scan))))
}

/// Names that are no UTF-8 are none of an application's.
fn as_strings(texts: Vec<Vec<u8>>) -> Vec<String> {
    texts
        .into_iter()
        .filter_map(|text| String::from_utf8(text).ok())
        .collect()
}
