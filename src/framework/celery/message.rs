//! Fields of a task message: its queue, its due time, and the time of publishing, if the application sets the header
//! `enqueued_at`. Everything else, above all the body, is skipped without being built. Layout: kombu's virtual
//! transports with Celery's message protocol 2 (the default since Celery 4; protocol 1 has the `eta` in the body, where
//! it is not looked for: such tasks count as due).

use serde::Deserialize;

use super::{
    lenient::JsonText,
    stamp::{Stamp, iso_8601},
};
use crate::model::{Decoder, MessageInfo};

/// Longest name that is kept, in bytes: AMQP allows no longer ones.
const MAX_NAME: usize = 255;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    headers: TaskHeaders<'a>,
    #[serde(borrow)]
    properties: Properties<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaskHeaders<'a> {
    #[serde(borrow)]
    eta: JsonText<'a>,
    enqueued_at: Stamp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties<'a> {
    #[serde(borrow)]
    delivery_info: DeliveryInfo<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeliveryInfo<'a> {
    #[serde(borrow)]
    exchange: JsonText<'a>,
    #[serde(borrow)]
    routing_key: JsonText<'a>,
}

/// Decoder of a message in a queue's list.
pub const QUEUED: Decoder = Decoder::new("a Celery message", queued);

/// Decoder of a value of the `unacked` hash: `[message, exchange, routing_key]`.
pub const UNACKED: Decoder = Decoder::new("an entry of kombu's `unacked`", unacked);

fn queued(bytes: &[u8]) -> MessageInfo {
    let message: Message = serde_json::from_slice(bytes).unwrap_or_default();
    let to = &message.properties.delivery_info;
    entry(&to.exchange, &to.routing_key, &message)
}

fn unacked(bytes: &[u8]) -> MessageInfo {
    let (message, exchange, routing_key): (Message, JsonText, JsonText) =
        serde_json::from_slice(bytes).unwrap_or_default();
    entry(&exchange, &routing_key, &message)
}

fn entry(exchange: &JsonText, routing_key: &JsonText, message: &Message) -> MessageInfo {
    let (exchange, routing_key) = (exchange.as_str(), routing_key.as_str());
    let named = exchange.len() <= MAX_NAME && routing_key.len() <= MAX_NAME;
    let name = |text: &str| if named { text.to_owned() } else { String::new() };
    MessageInfo {
        exchange: name(exchange),
        routing_key: name(routing_key),
        eta: iso_8601(message.headers.eta.as_str()),
        published: message.headers.enqueued_at.0,
    }
}

#[cfg(test)]
mod tests;
