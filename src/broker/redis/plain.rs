//! Reads and writes that are one command each: what is sent, and what its reply means.

use super::resp::{Commands, KeyPlace, Value};
use crate::model::{ListEnd, Query, Reply, SampleError, StreamGroup};

/// Bytes of one element at the end of a list: a larger one is dropped.
const ELEMENT_BYTES: u64 = 64 << 10;

/// Bytes of the fields of one hash. Thousands of hashes may be read in one sample.
const FIELDS_BYTES: u64 = 8 << 10;

/// Bytes of a stream's next entries, which come whole.
const ENTRIES_BYTES: u64 = 1 << 20;

/// Bytes of what is said of a stream's groups.
const GROUPS_BYTES: u64 = 64 << 10;

/// Adds the command; nothing for a query that is not one command.
pub(super) fn add(query: &Query, commands: &mut Commands) {
    match query {
        Query::ListLength { key } => commands.add(KeyPlace::FIRST, &[b"LLEN", key.as_bytes()]),
        Query::Exists { key } => commands.add(KeyPlace::FIRST, &[b"EXISTS", key.as_bytes()]),
        Query::ListEnd { key, end } => {
            let index: &[u8] = match end {
                ListEnd::Left => b"0",
                ListEnd::Right => b"-1",
            };
            commands.add_for(ELEMENT_BYTES, KeyPlace::FIRST, &[b"LINDEX", key.as_bytes(), index]);
        }
        Query::ScoreCount { key, up_to } => {
            let up_to = up_to.map_or_else(|| "+inf".to_owned(), |score| score.to_string());
            commands.add(KeyPlace::FIRST, &[b"ZCOUNT", key.as_bytes(), b"-inf", up_to.as_bytes()]);
        }
        Query::LowestScore { key } => {
            commands.add_for(
                ELEMENT_BYTES,
                KeyPlace::FIRST,
                &[b"ZRANGE", key.as_bytes(), b"0", b"0", b"WITHSCORES"],
            );
        }
        Query::HashFields { key, fields } => {
            let fields = fields.iter().map(|field| field.as_bytes());
            let words: Vec<_> = [b"HMGET", key.as_bytes()].into_iter().chain(fields).collect();
            commands.add_for(FIELDS_BYTES, KeyPlace::FIRST, &words);
        }
        Query::StreamGroups { key } => {
            commands.add_for(GROUPS_BYTES, KeyPlace::Word(2), &[b"XINFO", b"GROUPS", key.as_bytes()])
        }
        Query::StreamAfter { key, after, most } => {
            let (key, after, most) = (key.as_bytes(), next_id(after), most.to_string());
            let words: [&[u8]; 6] = [b"XRANGE", key, after.as_bytes(), b"+", b"COUNT", most.as_bytes()];
            commands.add_for(ENTRIES_BYTES, KeyPlace::FIRST, &words);
        }
        Query::Publish { channel, payload } => commands.add(KeyPlace::None, &[b"PUBLISH", channel.as_bytes(), payload]),
        Query::AddMember { key, member } => {
            commands.add(KeyPlace::FIRST, &[b"SADD", key.as_bytes(), member.as_bytes()])
        }
        Query::RemoveMember { key, member } => {
            commands.add(KeyPlace::FIRST, &[b"SREM", key.as_bytes(), member.as_bytes()])
        }
        Query::Delete { key } => commands.add(KeyPlace::FIRST, &[b"DEL", key.as_bytes()]),
        _ => {}
    }
}

/// What the reply means.
///
/// # Errors
/// That the command was refused; [`SampleError::Protocol`] for a reply of another kind.
pub(super) fn reply(query: &Query, value: Value) -> Result<Reply, SampleError> {
    match query {
        Query::ListEnd { .. } => match value {
            Value::Text(element) => Ok(Reply::Texts(vec![element.and_then(text)])),
            Value::Refused(error) => Err(error),
            _ => Err(SampleError::Protocol),
        },
        Query::LowestScore { .. } | Query::HashFields { .. } => {
            let texts = value.optional_texts()?.into_iter();
            Ok(Reply::Texts(texts.map(|value| value.and_then(text)).collect()))
        }
        Query::StreamGroups { .. } => groups(value),
        Query::StreamAfter { .. } => {
            // An entry is its id and its fields.
            let id = |entry: Value| match entry.items()?.into_iter().next() {
                Some(Value::Text(Some(id))) => Ok(text(id)),
                _ => Err(SampleError::Protocol),
            };
            let ids = value.items()?.into_iter().map(id);
            Ok(Reply::Texts(ids.collect::<Result<_, _>>()?))
        }
        _ => Ok(Reply::Number(value.count()?)),
    }
}

/// The number of a read that holds nothing if it is 0: such a 0 may be doubted after a reconnect.
pub(super) fn size(query: &Query, reply: &Reply) -> Option<u64> {
    match (query, reply) {
        (Query::ListLength { .. } | Query::ScoreCount { up_to: None, .. }, Reply::Number(size)) => Some(*size),
        (Query::StreamGroups { .. }, Reply::Groups(groups)) => {
            let work = |group: &StreamGroup| group.pending.saturating_add(group.lag.unwrap_or(0));
            Some(groups.iter().fold(0, |sum, group| work(group).saturating_add(sum)))
        }
        (Query::StreamGroups { .. }, Reply::Missing) => Some(0),
        _ => None,
    }
}

/// `[[name, value, …], …]`: Redis 7 has more pairs than Redis 5, and newer ones may have still more. A stream that does not
/// exist is an error, and has none.
fn groups(value: Value) -> Result<Reply, SampleError> {
    let all = match value {
        Value::Refused(SampleError::NoSuchKey) => return Ok(Reply::Missing),
        value => value.items()?,
    };
    let group = |value: Value| {
        let mut group = StreamGroup::default();
        let mut items = value.items()?.into_iter();
        while let (Some(Value::Text(Some(name))), Some(value)) = (items.next(), items.next()) {
            match (name.as_slice(), value) {
                (b"name", Value::Text(Some(name))) => group.name = text(name).unwrap_or_default(),
                (b"last-delivered-id", Value::Text(Some(id))) => group.last_delivered = text(id).unwrap_or_default(),
                (b"consumers", number) => group.consumers = number.count()?,
                (b"pending", number) => group.pending = number.count()?,
                (b"lag", number @ Value::Number(_)) => group.lag = Some(number.count()?),
                _ => {}
            }
        }
        Ok(group)
    };
    Ok(Reply::Groups(all.into_iter().map(group).collect::<Result<_, _>>()?))
}

/// The first id after this one: exclusive ranges (`(`) came with Redis 6.2 only.
fn next_id(id: &str) -> String {
    let (time, number) = id.split_once('-').unwrap_or((id, "0"));
    let next = number.parse::<u64>().ok().and_then(|number| number.checked_add(1));
    format!("{time}-{}", next.unwrap_or(u64::MAX))
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}
