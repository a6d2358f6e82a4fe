//! RESP2, as far as a sampler needs it: numbers, one-line replies, texts and flat lists of them.
//!
//! Read by hand because a general parser keeps about 90 bytes for each byte of a hostile reply (measured: 95 MB for a
//! 1 MiB list of lists of numbers). Here a reply takes about as much memory as it has bytes, which the stream's budget
//! bounds, and a text of the server goes nowhere.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{broker::stream::classify, work::SampleError};

/// A one-line reply has at most so many bytes; errors of ACLs repeat the key.
pub(super) const LINE: u64 = 1 << 10;

/// A list has at most so many items.
const MAX_ITEMS: u64 = 16_384;

/// No count of tasks is larger: 2⁴⁰.
const MAX_COUNT: i64 = 1 << 40;

/// Commands to send in one piece. No `Debug`: one of them may be `AUTH`.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    /// Adds one.
    pub(super) fn add(&mut self, words: &[&[u8]]) {
        self.bytes.extend(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.bytes.extend(format!("${}\r\n", word.len()).as_bytes());
            self.bytes.extend(*word);
            self.bytes.extend(b"\r\n");
        }
        self.count += 1;
    }

    /// One command alone.
    pub(super) fn one(words: &[&[u8]]) -> Self {
        let mut commands = Self::default();
        commands.add(words);
        commands
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
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
    /// A list; no list is an empty one.
    List(Vec<Item>),
}

/// An item of a list.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A number.
    Number(i64),
    /// A text, or none.
    Text(Option<Vec<u8>>),
}

impl Value {
    /// Reads one reply.
    ///
    /// # Errors
    /// What the stream says; [`SampleError::Protocol`] if it is none of these; [`SampleError::TooLarge`] for a longer
    /// line or list than is accepted.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Self, SampleError> {
        // Anything else may never come to the end of a line.
        let begun = from.fill_buf().await.map_err(|error| classify(&error))?;
        if begun.first().is_some_and(|first| !b"+-:$*".contains(first)) {
            return Err(SampleError::Protocol);
        }
        let line = line(from).await?;
        match line.split_first() {
            Some((b'+', _)) => Ok(Self::Done),
            Some((b'-', error)) => Ok(Self::Refused(refusal(error))),
            Some((b'*', length)) => list(length, from).await,
            _ => Ok(match item(&line, from).await? {
                Item::Number(number) => Self::Number(number),
                Item::Text(text) => Self::Text(text),
            }),
        }
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
            Item::Text(text) => Ok(text),
            Item::Number(_) => Err(SampleError::Protocol),
        };
        match self {
            Self::List(items) => items.into_iter().map(text).collect(),
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

/// What follows `*`.
async fn list(length: &[u8], from: &mut (impl AsyncBufRead + Unpin)) -> Result<Value, SampleError> {
    let Some(length) = size(length)? else {
        return Ok(Value::List(Vec::new()));
    };
    if length > MAX_ITEMS {
        return Err(SampleError::TooLarge);
    }
    let mut items = Vec::new();
    for _ in 0..length {
        let line = line(from).await?;
        items.push(item(&line, from).await?);
    }
    Ok(Value::List(items))
}

/// A number, or a text whose length the line tells.
async fn item(line: &[u8], from: &mut (impl AsyncBufRead + Unpin)) -> Result<Item, SampleError> {
    match line.split_first() {
        Some((b':', digits)) => Ok(Item::Number(number(digits)?)),
        Some((b'$', length)) => Ok(Item::Text(match size(length)? {
            Some(length) => Some(text(length, from).await?),
            None => None,
        })),
        _ => Err(SampleError::Protocol),
    }
}

/// A text of so many bytes. It grows as the bytes come: the length is only a promise.
async fn text(length: u64, from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, SampleError> {
    let mut text = Vec::new();
    let with_end = length.saturating_add(2);
    let read = from.take(with_end).read_to_end(&mut text).await;
    let read = read.map_err(|error| classify(&error))?;
    if (read as u64) < with_end {
        return Err(SampleError::Disconnected);
    }
    if !text.ends_with(b"\r\n") {
        return Err(SampleError::Protocol);
    }
    text.truncate(read - 2);
    Ok(text)
}

/// One line without its end.
async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, SampleError> {
    let mut line = Vec::new();
    let read = from.take(LINE).read_until(b'\n', &mut line).await;
    let read = read.map_err(|error| classify(&error))?;
    if line.ends_with(b"\r\n") {
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
fn refusal(error: &[u8]) -> SampleError {
    let code = error.split(|byte| *byte == b' ').next().unwrap_or_default();
    match code {
        // DENIED: protected mode, where only loopback may connect without a password.
        b"NOPERM" | b"DENIED" => SampleError::Permission,
        b"WRONGTYPE" => SampleError::WrongType,
        b"NOAUTH" | b"WRONGPASS" => SampleError::Authentication,
        b"LOADING" | b"READONLY" | b"MASTERDOWN" | b"CLUSTERDOWN" | b"TRYAGAIN" | b"BUSY" | b"MISCONF" => {
            SampleError::NotReady
        }
        b"ERR" if error.starts_with(b"ERR max number of clients") => SampleError::NotReady,
        _ => SampleError::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Value, SampleError> {
        let value = Value::read(&mut bytes).await;
        if value.is_ok() {
            assert!(bytes.is_empty(), "{} bytes left", bytes.len());
        }
        value
    }

    fn text(text: &str) -> Item {
        Item::Text(Some(text.into()))
    }

    #[tokio::test]
    async fn replies_are_read_to_their_end() {
        for (bytes, expected) in [
            ("+OK\r\n", Value::Done),
            (
                "-NOPERM no permissions for 'key'\r\n",
                Value::Refused(SampleError::Permission),
            ),
            ("-\r\n", Value::Refused(SampleError::Protocol)),
            (":-7\r\n", Value::Number(-7)),
            ("$3\r\na\r\n\r\n", Value::Text(Some("a\r\n".into()))),
            ("$0\r\n\r\n", Value::Text(Some(Vec::new()))),
            ("$-1\r\n", Value::Text(None)),
            ("*-1\r\n", Value::List(Vec::new())),
            ("*0\r\n", Value::List(Vec::new())),
            (
                "*4\r\n$1\r\na\r\n$-1\r\n:5\r\n$1\r\nb\r\n",
                Value::List(vec![text("a"), Item::Text(None), Item::Number(5), text("b")]),
            ),
        ] {
            assert_eq!(read(bytes.as_bytes()).await, Ok(expected), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_an_error() {
        use SampleError::*;
        let long = "x".repeat(2_000);
        for (bytes, expected) in [
            ("", Disconnected),
            ("+O", Disconnected),
            ("$5\r\nabc", Disconnected),
            ("*2\r\n:1\r\n", Disconnected),
            ("HTTP/1.1", Protocol),
            (">1\r\n:1\r\n", Protocol),
            ("*1\r\n*1\r\n:1\r\n", Protocol),
            ("*1\r\n+OK\r\n", Protocol),
            ("*1\r\n-ERR\r\n", Protocol),
            ("$-2\r\n", Protocol),
            ("*-2\r\n", Protocol),
            ("$1\r\nabc", Protocol),
            (":+1\r\n", Protocol),
            (":1\n", Protocol),
            (":\r\n", Protocol),
            (": 1\r\n", Protocol),
            (":9223372036854775808\r\n", Protocol),
            ("*16385\r\n", TooLarge),
            (&format!("+{long}"), TooLarge),
            (&format!("-{long}\r\n"), TooLarge),
        ] {
            assert_eq!(read(bytes.as_bytes()).await, Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn commands_are_counted_and_binary_safe() {
        let mut commands = Commands::one(&[b"PING"]);
        commands.add(&[b"LLEN", b"a\r\n\x06"]);
        assert_eq!(commands.count(), 2);
        assert_eq!(
            commands.bytes(),
            b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nLLEN\r\n$4\r\na\r\n\x06\r\n"
        );
    }
}
