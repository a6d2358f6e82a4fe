//! How bodies travel: kombu wraps them in a JSON envelope on Redis; AMQP carries them as they are.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::message::Text;

/// How a body is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Redis: kombu's JSON envelope with a base64 body.
    Kombu,
    /// AMQP: the body itself.
    Plain,
}

/// A body out of its wrapping, with the `ticket` header that answers to remote control carry.
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
    ticket: Text<'a>,
}

/// Takes a body out. `None`: it is no such payload.
pub(super) fn unwrap(payload: &[u8], wire: Wire) -> Option<Unwrapped<'_>> {
    match wire {
        Wire::Plain => Some(Unwrapped {
            body: Cow::Borrowed(payload),
            ticket: None,
        }),
        Wire::Kombu => {
            let envelope: Envelope = serde_json::from_slice(payload).ok()?;
            Some(Unwrapped {
                body: Cow::Owned(STANDARD.decode(envelope.body.as_bytes()).ok()?),
                ticket: Some(envelope.headers.ticket.as_str().to_owned()),
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

/// A name that may be kept and shown: a node's, hence a host's, in printable ASCII.
pub(super) fn is_node_name(node: &str) -> bool {
    (1..=255).contains(&node.len()) && node.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The body is a JSON object. (To serde an array of the fields' values would do as well.)
pub(super) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}
