//! Events.
use crate::work::Signal;

/// How a payload is wrapped on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Redis: kombu's JSON envelope with a base64 body.
    Kombu,
    /// AMQP: the body itself.
    Plain,
}

/// What a worker event says.
pub fn read(_payload: &[u8], _wire: Wire) -> Vec<Signal> {
    Vec::new()
}
