//! Messages.
use crate::work::Entry;

/// A message as it lies in a queue's list.
pub(crate) fn queued(_bytes: &[u8]) -> Entry {
    Entry::default()
}

/// A value of the `unacked` hash.
pub(crate) fn unacked(_bytes: &[u8]) -> Entry {
    Entry::default()
}
