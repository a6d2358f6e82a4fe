//! RESP2, as far as a sampler needs it: numbers, one-line replies, texts and lists of them, nested a little.
//!
//! The `redis` crate packs the commands and parses the replies. In front of its parser stands a guard that takes one
//! reply at a time off the stream and lets through what has this shape and size only: alone the parser keeps about 90
//! bytes for each byte of a hostile reply (measured: 95 MB for a 1 MiB list of lists of numbers). A text of the server
//! goes nowhere.

use std::ops::Range;

use redis::ServerError;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{
    broker::stream::classify,
    model::{SampleError, Word},
};

/// A one-line reply has at most so many bytes; errors of ACLs repeat the key.
pub(super) const LINE: u64 = 1 << 10;

/// Items of all lists of a reply together, at most.
const MAX_ITEMS: u64 = 16_384;

/// Lists within each other at most: `XRANGE` has three (entries, an entry, its fields).
const MAX_DEPTH: usize = 3;

/// No count of tasks is larger: 2⁴⁰.
const MAX_COUNT: i64 = 1 << 40;

/// Commands to send in one piece, each with its key and the bytes that its reply may have. No `Debug`: one of them may be
/// `AUTH`.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    /// Places of the keys in the bytes.
    keys: Vec<Option<Range<usize>>>,
    replies: Vec<u64>,
    planned: u64,
}

/// Key of a command. Where there are several servers it decides which of them is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeyPlace {
    /// None: any server may be asked, as with `PING` and `PUBLISH`.
    None,
    /// Word at this place; the name of the command is at 0.
    Word(usize),
}

impl KeyPlace {
    /// Word after the name of the command.
    pub(super) const FIRST: Self = Self::Word(1);

    /// Place of the key among the bytes of a packed command, which end here.
    fn place(self, words: &[&[u8]], end: usize) -> Option<Range<usize>> {
        let Self::Word(place) = self else { return None };
        let (word, after) = words.get(place..)?.split_first()?;
        let digits = |length: usize| length.checked_ilog10().unwrap_or(0) as usize + 1;
        // `$`, the length, the word, and two line ends.
        let packed = |word: &&[u8]| digits(word.len()) + word.len() + 5;
        let end = end - after.iter().map(packed).sum::<usize>() - 2;
        Some(end - word.len()..end)
    }
}

impl Commands {
    /// Adds one that is answered by a number or a word.
    pub(super) fn add(&mut self, key: KeyPlace, words: &[&[u8]]) {
        self.add_for(LINE, key, words);
    }

    /// Adds one whose reply has at most so many bytes: a larger one is dropped.
    pub(super) fn add_for(&mut self, bytes: u64, key: KeyPlace, words: &[&[u8]]) {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.write_packed_command(&mut self.bytes);
        self.keys.push(key.place(words, self.bytes.len()));
        self.replies.push(bytes);
        self.planned = self.planned.saturating_add(bytes);
    }

    /// One command alone, without a key.
    pub(super) fn one(words: &[&[u8]]) -> Self {
        let mut commands = Self::default();
        commands.add(KeyPlace::None, words);
        commands
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.replies.len()
    }

    /// Key of the command at this place.
    #[cfg_attr(not(test), expect(dead_code, reason = "a single server is asked for all of them"))]
    pub(super) fn key(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.keys.get(place)?.clone()?)
    }

    /// How many bytes the reply to each of them may have.
    pub(super) fn replies(&self) -> &[u64] {
        &self.replies
    }

    /// How many bytes all replies may have together.
    pub(super) fn planned(&self) -> u64 {
        self.planned
    }

    /// What goes over the wire.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A reply to one command.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// `+OK` or another word.
    Done,
    /// The command was refused.
    Refused(SampleError),
    /// A number.
    Number(i64),
    /// A text, or none.
    Text(Option<Vec<u8>>),
    /// A list of numbers, texts and lists; no list is an empty one.
    List(Vec<Self>),
}

impl Value {
    /// Reads one reply. One of more bytes than these is read to its end and dropped, and counts as refused: what comes
    /// after it is not harmed.
    ///
    /// # Errors
    /// What the stream says; [`SampleError::Protocol`] if it is none of these; [`SampleError::TooLarge`] for a longer
    /// line or list than is accepted.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin), bytes: u64) -> Result<Self, SampleError> {
        let Some(frame) = frame(from, bytes).await? else {
            return Ok(Self::Refused(SampleError::TooLarge));
        };
        match redis::parse_redis_value(&frame) {
            // No list is an empty one.
            Ok(redis::Value::Nil) if frame.starts_with(b"*") => Ok(Self::List(Vec::new())),
            Ok(redis::Value::Okay | redis::Value::SimpleString(_)) => Ok(Self::Done),
            Ok(redis::Value::ServerError(error)) => Ok(Self::Refused(refusal(&error))),
            Ok(value) => Self::of(value),
            // An error without a word.
            Err(_) if frame.starts_with(b"-") => Ok(Self::Refused(SampleError::ServerError(Word::default()))),
            Err(_) => Err(SampleError::Protocol),
        }
    }

    fn of(value: redis::Value) -> Result<Self, SampleError> {
        Ok(match value {
            redis::Value::Int(number) => Self::Number(number),
            redis::Value::BulkString(text) => Self::Text(Some(text)),
            redis::Value::Nil => Self::Text(None),
            redis::Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?),
            _ => return Err(SampleError::Protocol),
        })
    }

    /// The reply is a count.
    pub(super) fn count(&self) -> Result<u64, SampleError> {
        match self {
            Self::Number(n @ 0..=MAX_COUNT) => Ok(n.unsigned_abs()),
            Self::Refused(error) => Err(*error),
            _ => Err(SampleError::Protocol),
        }
    }

    /// The reply is a list of texts, some of which may be missing.
    pub(super) fn optional_texts(self) -> Result<Vec<Option<Vec<u8>>>, SampleError> {
        let text = |item| match item {
            Self::Text(text) => Ok(text),
            _ => Err(SampleError::Protocol),
        };
        self.items()?.into_iter().map(text).collect()
    }

    /// The reply is a list; none is an empty one.
    pub(super) fn items(self) -> Result<Vec<Self>, SampleError> {
        match self {
            Self::List(items) => Ok(items),
            Self::Text(None) => Ok(Vec::new()),
            Self::Refused(error) => Err(error),
            _ => Err(SampleError::Protocol),
        }
    }

    /// The reply is a list of texts.
    pub(super) fn texts(self) -> Result<Vec<Vec<u8>>, SampleError> {
        let texts: Option<_> = self.optional_texts()?.into_iter().collect();
        texts.ok_or(SampleError::Protocol)
    }
}

/// The bytes of a reply as they come: kept up to a limit, and none of them beyond it.
struct Frame {
    bytes: Vec<u8>,
    limit: u64,
    dropped: bool,
}

impl Frame {
    /// There is no room for so many more: what was kept goes as well.
    fn is_full(&mut self, more: u64) -> bool {
        if (self.bytes.len() as u64).saturating_add(more) > self.limit {
            self.dropped = true;
            self.bytes = Vec::new();
        }
        self.dropped
    }
}

/// The guard: the bytes of one reply, which is a line, a number, a text, or a list of numbers, texts and such lists. `None`:
/// it was larger than that, and is gone.
async fn frame(from: &mut (impl AsyncBufRead + Unpin), limit: u64) -> Result<Option<Vec<u8>>, SampleError> {
    // Anything else may never come to the end of a line.
    let begun = from.fill_buf().await.map_err(|error| classify(&error))?;
    if begun.first().is_some_and(|first| !b"+-:$*".contains(first)) {
        return Err(SampleError::Protocol);
    }
    let mut frame = Frame {
        bytes: Vec::new(),
        limit,
        dropped: false,
    };
    let line = line(from, &mut frame).await?;
    match line.split_first() {
        Some((b'+' | b'-', _)) => {}
        Some((b'*', length)) => list(length, from, &mut frame).await?,
        _ => item(&line, from, &mut frame).await?,
    }
    Ok((!frame.dropped).then_some(frame.bytes))
}

/// What belongs to the length of a list: its items, and those of the lists in it.
async fn list(length: &[u8], from: &mut (impl AsyncBufRead + Unpin), frame: &mut Frame) -> Result<(), SampleError> {
    let mut all = 0_u64;
    let mut items = |length: &[u8]| {
        let items = size(length)?.unwrap_or(0);
        all = all.saturating_add(items);
        match all {
            0..=MAX_ITEMS => Ok(items),
            _ => Err(SampleError::TooLarge),
        }
    };
    // Of each list that has begun, the items that are still to come.
    let mut open = vec![items(length)?];
    while let Some(left) = open.last_mut() {
        let Some(rest) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = rest;
        let line = self::line(from, frame).await?;
        match line.split_first() {
            Some((b'*', _)) if open.len() == MAX_DEPTH => return Err(SampleError::Protocol),
            Some((b'*', length)) => open.push(items(length)?),
            _ => item(&line, from, frame).await?,
        }
    }
    Ok(())
}

/// What belongs to a line that is a number, or the length of a text.
async fn item(line: &[u8], from: &mut (impl AsyncBufRead + Unpin), frame: &mut Frame) -> Result<(), SampleError> {
    match line.split_first() {
        Some((b':', digits)) => number(digits).map(drop),
        Some((b'$', length)) => match size(length)? {
            Some(length) if frame.is_full(length) => {
                skip(length, from).await?;
                // Its end shows that it was one.
                text(0, from, &mut Vec::new()).await
            }
            Some(length) => text(length, from, &mut frame.bytes).await,
            None => Ok(()),
        },
        _ => Err(SampleError::Protocol),
    }
}

/// A text of so many bytes. The frame grows as they come: the length is only a promise.
async fn text(length: u64, from: &mut (impl AsyncBufRead + Unpin), frame: &mut Vec<u8>) -> Result<(), SampleError> {
    let with_end = length.saturating_add(2);
    let read = from.take(with_end).read_to_end(frame).await;
    let read = read.map_err(|error| classify(&error))?;
    if (read as u64) < with_end {
        return Err(SampleError::Disconnected);
    }
    if frame.ends_with(b"\r\n") {
        Ok(())
    } else {
        Err(SampleError::Protocol)
    }
}

/// So many bytes go by.
async fn skip(mut bytes: u64, from: &mut (impl AsyncBufRead + Unpin)) -> Result<(), SampleError> {
    while bytes > 0 {
        let came = from.fill_buf().await.map_err(|error| classify(&error))?.len();
        if came == 0 {
            return Err(SampleError::Disconnected);
        }
        let gone = usize::try_from(bytes).unwrap_or(usize::MAX).min(came);
        from.consume(gone);
        bytes -= gone as u64;
    }
    Ok(())
}

/// One line, into the frame; returned without its end.
async fn line(from: &mut (impl AsyncBufRead + Unpin), frame: &mut Frame) -> Result<Vec<u8>, SampleError> {
    let mut line = Vec::new();
    let read = from.take(LINE).read_until(b'\n', &mut line).await;
    let read = read.map_err(|error| classify(&error))?;
    if line.ends_with(b"\r\n") {
        if !frame.is_full(read as u64) {
            frame.bytes.extend(&line);
        }
        line.truncate(read - 2);
        return Ok(line);
    }
    Err(match line.last() {
        Some(b'\n') => SampleError::Protocol,
        _ if read as u64 == LINE => SampleError::TooLarge,
        _ => SampleError::Disconnected,
    })
}

/// A length; −1 is none.
fn size(digits: &[u8]) -> Result<Option<u64>, SampleError> {
    match number(digits)? {
        -1 => Ok(None),
        length => u64::try_from(length).map(Some).map_err(|_| SampleError::Protocol),
    }
}

/// Digits, perhaps with a minus.
fn number(digits: &[u8]) -> Result<i64, SampleError> {
    let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(SampleError::Protocol)
}

/// What an error reply means, by its first word.
fn refusal(error: &ServerError) -> SampleError {
    match error.code() {
        // DENIED: protected mode, where only loopback may connect without a password.
        "NOPERM" | "DENIED" => SampleError::Permission,
        "WRONGTYPE" => SampleError::WrongType,
        "NOAUTH" | "WRONGPASS" => SampleError::Authentication,
        "LOADING" => SampleError::Loading,
        "READONLY" => SampleError::ReadOnly,
        "MASTERDOWN" => SampleError::MasterDown,
        "NOREPLICAS" => SampleError::NoReplicas,
        "MISCONF" => SampleError::Misconfigured,
        "BUSY" => SampleError::Busy,
        "TRYAGAIN" => SampleError::TryAgain,
        "OOM" => SampleError::OutOfMemory,
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => SampleError::RedisCluster,
        "ERR" => unnamed(error.details().unwrap_or_default()),
        word => SampleError::ServerError(Word::of(word)),
    }
}

/// What an error reply without a word of its own means. Servers, proxies and providers word it differently.
fn unnamed(details: &str) -> SampleError {
    let details = details.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| details.starts_with(word));
    if begins(&["max number of clients"]) {
        SampleError::TooManyConnections
    } else if begins(&["unknown command", "unsupported command", "command is not available"]) {
        SampleError::UnknownCommand
    } else if begins(&["no such key"]) {
        SampleError::NoSuchKey
    } else if begins(&["db index is out of range", "invalid db index"]) {
        SampleError::NoSuchVhost
    } else if begins(&["select is not allowed in cluster mode"]) {
        SampleError::RedisCluster
    } else {
        SampleError::ServerError(Word::default())
    }
}

#[cfg(test)]
mod tests;
