//! How much to read at a time: few messages first, then as many as their sizes allow.

/// One turn reads about so many bytes at most.
pub const BYTES_A_TURN: usize = 1 << 20;
/// One turn reads so many messages at most.
pub const MAX_ELEMENTS: usize = 500;
/// So many messages of a list are looked at in all, and of any key in one sample.
pub const MAX_LOOK: usize = 2_000;

/// One sample takes no further turn after so many bytes.
const BYTES_A_SAMPLE: usize = 4 * BYTES_A_TURN;
/// Messages of the very first turn, when nothing is known of their size.
const FIRST: usize = 4;
/// A turn reads at most so many times the messages of the one before: sizes learned from few messages may mislead.
const GROWTH: usize = 8;

/// The number of messages for the next turn, and what this sample has spent.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget {
    next: usize,
    /// Typical bytes of a message: rises at once, falls slowly.
    size: usize,
    messages: usize,
    bytes: usize,
    open: bool,
}

impl Default for ReadBudget {
    fn default() -> Self {
        Self {
            next: FIRST,
            size: 0,
            messages: 0,
            bytes: 0,
            open: false,
        }
    }
}

impl ReadBudget {
    /// So many messages may be read in the next turn, at least one.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// A turn read so much.
    pub(super) fn took(&mut self, messages: usize, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes;
        if let Some(mean) = bytes.checked_div(messages) {
            self.size = mean.max(self.size - self.size / 4).max(1);
            self.next = (BYTES_A_TURN / self.size)
                .min(self.next * GROWTH)
                .clamp(1, MAX_ELEMENTS);
        }
    }

    /// A turn was too large. `false`: it was a single message, so fewer do not help.
    pub(super) fn refused(&mut self) -> bool {
        let several = self.next > 1;
        self.next = (self.next / GROWTH).max(1);
        several
    }

    /// Ends a turn; another one in this sample would be of use or not.
    pub(super) fn end_turn(&mut self, more: bool) {
        self.open = more && self.messages < MAX_LOOK && self.bytes < BYTES_A_SAMPLE;
        if !self.open {
            (self.messages, self.bytes) = (0, 0);
        }
    }

    /// The sample goes on with another turn.
    pub(super) fn open(&self) -> bool {
        self.open
    }
}
