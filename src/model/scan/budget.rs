//! Number of messages to read at a time: few at first, then as many as their sizes allow.

/// Number of bytes that one turn reads, roughly, at most.
pub const BYTES_A_TURN: usize = 1 << 20;
/// Largest number of messages that one turn reads.
pub const MAX_ELEMENTS: usize = 500;
/// Largest number of messages of a list that are read in all, and of any key in one sample.
pub const MAX_LOOK: usize = 2_000;

/// Number of bytes after which a sample takes no further turn.
const BYTES_A_SAMPLE: usize = 4 * BYTES_A_TURN;
/// Number of messages in the very first turn, when nothing is known of their size.
const FIRST: usize = 4;
/// Largest growth of a turn over the one before, as a factor: sizes learned from few messages may mislead.
const GROWTH: usize = 8;

/// Budget: the number of messages for the next turn, and what this sample has spent.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget {
    next: usize,
    /// Typical size of a message in bytes: rises at once, falls slowly.
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
    /// Number of messages for the next turn, at least one.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Takes in the size of a turn.
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

    /// Takes in that a turn was too large. `false`: it was a single message, so that fewer do not help.
    pub(super) fn refused(&mut self) -> bool {
        let several = self.next > 1;
        self.next = (self.next / GROWTH).max(1);
        several
    }

    /// Ends a turn; `more`: another one in this sample would be of use.
    pub(super) fn end_turn(&mut self, more: bool) {
        self.open = more && self.messages < MAX_LOOK && self.bytes < BYTES_A_SAMPLE;
        if !self.open {
            (self.messages, self.bytes) = (0, 0);
        }
    }

    /// Whether the sample may take another turn.
    pub(super) fn open(&self) -> bool {
        self.open
    }
}
