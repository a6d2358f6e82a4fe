//! Form of bodies on the wire: kombu wraps them in a JSON envelope on Redis; AMQP carries them as they are.

use std::{borrow::Cow, fmt, marker::PhantomData};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};
use serde_json::json;

use super::lenient::JsonText;

/// Form of a body on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Redis: kombu's JSON envelope with a base64 body.
    Kombu,
    /// AMQP: the body itself.
    Plain,
}

/// Body without its envelope, with the `ticket` header of answers to remote control.
pub(super) struct Unwrapped<'a> {
    pub(super) body: Cow<'a, [u8]>,
    pub(super) ticket: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Headers<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Headers<'a> {
    #[serde(borrow)]
    ticket: JsonText<'a>,
}

/// Takes a body out of its envelope. `None`: it is no such payload. `fits`: whether the body of a message with this
/// ticket may have this number of bytes; one that does not fit is not built.
pub(super) fn unwrap(
    payload: &[u8],
    wire: Wire,
    fits: impl FnOnce(Option<&str>, usize) -> bool,
) -> Option<Unwrapped<'_>> {
    match wire {
        Wire::Plain => fits(None, payload.len()).then_some(Unwrapped {
            body: Cow::Borrowed(payload),
            ticket: None,
        }),
        Wire::Kombu => {
            let envelope: Envelope = serde_json::from_slice(payload).ok()?;
            let ticket = envelope.headers.ticket.as_str();
            if !fits(Some(ticket), envelope.body.len() / 4 * 3) {
                return None;
            }
            Some(Unwrapped {
                body: Cow::Owned(STANDARD.decode(envelope.body.as_bytes()).ok()?),
                ticket: Some(ticket.to_owned()),
            })
        }
    }
}

/// Puts a JSON body into kombu's envelope, for this exchange and an empty routing key. `tag` names the delivery.
pub(super) fn envelope(body: &[u8], exchange: &str, tag: &str) -> Vec<u8> {
    json!({
        "body": STANDARD.encode(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"clock": 1, "expires": 0},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": exchange, "routing_key": ""},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": tag,
        },
    })
    .to_string()
    .into_bytes()
}

/// Whether a name may be kept and shown: a node's, hence a host's, in printable ASCII.
pub(super) fn is_node_name(node: &str) -> bool {
    (1..=255).contains(&node.len()) && node.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the body is a JSON object. (serde would also accept an array of the fields' values.)
pub(super) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Answer of one node, with its name: an object with one entry. An object with several is an error, as no node answers
/// for others, and so is never built.
struct One<'a, T> {
    node: JsonText<'a>,
    says: T,
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for One<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneVisitor(PhantomData))
    }
}

struct OneVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for OneVisitor<T> {
    type Value = One<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what one node says")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let none = || de::Error::invalid_length(0, &self);
        let (node, says) = map.next_entry()?.ok_or_else(none)?;
        match map.next_key::<IgnoredAny>()? {
            Some(_) => Err(de::Error::invalid_length(2, &self)),
            None => Ok(One { node, says }),
        }
    }
}

/// Answer of the node in this body; `None`: it is no such answer, or the name is not valid.
pub(super) fn answer_of_one<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<(String, T)> {
    let One { node, says } = serde_json::from_slice(body).ok()?;
    is_node_name(node.as_str()).then(|| (node.as_str().to_owned(), says))
}
