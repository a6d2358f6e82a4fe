//! What workers push into a list of our own.

use super::{
    link::Link,
    resp::{Commands, Key, Value},
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
/// What breaks the connection. A command that is refused is a reply.
pub(super) async fn pop(
    link: &mut Link,
    list: &str,
    most: usize,
    read: Named<Reader>,
    signals: &Sender,
) -> Result<Result<Reply, SampleError>, SampleError> {
    let mut commands = Commands::default();
    (0..most).for_each(|_| commands.add_for(ELEMENT_BYTES, Key::FIRST, &[b"RPOP", list.as_bytes()]));
    let (mut elements, mut largest, mut failed) = (0, 0, None);
    let take = |reply| match reply {
        Value::Text(Some(payload)) => {
            elements += 1;
            largest = largest.max(payload.len() as u64);
            for signal in (read.get())(&payload) {
                signals.send(signal);
            }
        }
        Value::Refused(SampleError::TooLarge) => {
            elements += 1;
            largest = ELEMENT_BYTES;
        }
        Value::Refused(error) => failed = failed.or(Some(error)),
        _ => {}
    };
    link.ask_each(&commands, take).await?;
    Ok(failed.map_or(Ok(Reply::Popped { elements, largest }), Err))
}
