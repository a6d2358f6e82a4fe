//! What workers push into lists of our own.

use super::{
    resp::{Commands, Key, Value},
    route::{NoReply, Route},
};
use crate::{
    broker::signals::Sender,
    model::{Named, Reader, Reply, SampleError},
};

/// A larger element is dropped: an answer of this size tells of tasks by the ten thousand, and is worth no more of
/// everybody's time.
const ELEMENT_BYTES: u64 = 4 << 20;

/// Takes so many elements from the list, if they are there. Each is read, taken in and let go before the next one. What is
/// too large counts as one that says nothing: that is a matter of whoever pushed it alone.
///
/// # Errors
/// Why there was no reply. A command that is refused is a reply.
pub(super) async fn pop(
    route: &mut dyn Route,
    list: &str,
    most: usize,
    read: Named<Reader>,
    signals: &Sender,
) -> Result<Result<Reply, SampleError>, NoReply> {
    let mut commands = Commands::default();
    (0..most).for_each(|_| commands.add_for(ELEMENT_BYTES, Key::FIRST, &[b"RPOP", list.as_bytes()]));
    let (mut elements, mut largest, mut refused, mut failed) = (0, 0, None, None);
    let mut take = |_, answer| match answer {
        Ok(Value::Text(Some(payload))) => {
            elements += 1;
            largest = largest.max(payload.len() as u64);
            for signal in (read.get())(&payload) {
                signals.send(signal);
            }
        }
        Ok(Value::Refused(SampleError::TooLarge)) => {
            elements += 1;
            largest = ELEMENT_BYTES;
        }
        Ok(Value::Refused(error)) => refused = refused.or(Some(error)),
        Ok(_) => {}
        Err(why) => failed = Some(why),
    };
    route.ask_each(&commands, &mut take).await;
    match failed {
        Some(why) => Err(why),
        None => Ok(refused.map_or(Ok(Reply::Popped { elements, largest }), Err)),
    }
}
