//! Remote control.
use super::events::Wire;
use crate::work::{Inspect, Signal};

/// Where the workers' answers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Our address: routing key of the answers and first part of the reply queue's name.
    pub oid: String,
}

/// The bytes to publish: on Redis to [`channel`], on AMQP to the exchange `<exchange>.pidbox` with an empty routing key.
pub fn request(_method: Inspect, _reply: &ReplyTo, _wire: Wire, _exchange: &str) -> Vec<u8> {
    Vec::new()
}

/// Redis: the channel that the workers listen to.
pub fn channel(_prefix: &str, _db: u32, _exchange: &str) -> String {
    String::new()
}

/// Redis: the set (key) and the member that bind the list of answers.
pub fn reply_binding(_prefix: &str, _exchange: &str, _oid: &str) -> (String, String) {
    (String::new(), String::new())
}

/// Redis: the list into which the answers are pushed.
pub fn reply_list(_prefix: &str, _exchange: &str, _oid: &str) -> String {
    String::new()
}

/// What an answer says. `ticket`: the AMQP message's header of that name (`None` on Redis: it is in the envelope).
pub fn answer(_payload: &[u8], _ticket: Option<&str>, _wire: Wire) -> Vec<Signal> {
    Vec::new()
}
