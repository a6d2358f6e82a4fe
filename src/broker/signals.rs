//! Queue of the workers' signals from a connection to the sampler: bounded in number and in bytes, and no sender waits.

use std::{future, sync::Arc};

use tokio::sync::mpsc;

use super::room::{self, Room, Share};
use crate::model::Signal;

/// Largest number of signals that wait.
pub(super) const MOST: usize = 4_096;

/// Queue of one endpoint.
pub(super) fn channel() -> (Sender, Receiver) {
    of(&room::SIGNALS)
}

fn of(room: &'static Room) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(MOST);
    let share = Arc::new(Share::of(room));
    let sender = Sender {
        signals: sender,
        share: Arc::clone(&share),
    };
    let receiver = Receiver {
        signals: receiver,
        share,
    };
    (sender, receiver)
}

/// Sending half.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    signals: mpsc::Sender<Signal>,
    share: Arc<Share>,
}

impl Sender {
    /// Passes a signal on; one that does not fit is dropped: workers repeat themselves. `false`: it did not fit.
    pub(super) fn send(&self, signal: Signal) -> bool {
        let bytes = signal.bytes();
        if !self.share.take(bytes) {
            return false;
        }
        let sent = self.signals.try_send(signal).is_ok();
        if !sent {
            self.share.give_back(bytes);
        }
        sent
    }
}

/// Receiving half.
#[derive(Debug)]
pub(super) struct Receiver {
    signals: mpsc::Receiver<Signal>,
    share: Arc<Share>,
}

impl Receiver {
    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => {
                self.share.give_back(signal.bytes());
                signal
            }
            // Never: the endpoint holds a sender itself.
            None => future::pending().await,
        }
    }

    /// Number of signals that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.signals.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static HALL: Room = Room::of(600_000, 1_000);

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes_and_in_number() {
        let large = |number: usize| Signal::new("any", number, 5_000);
        let (sender, mut receiver) = of(&HALL);
        let sent = (0..10_000).filter(|number| sender.send(large(*number))).count();
        assert!((20..=500_000 / large(0).bytes()).contains(&sent), "{sent}");
        for number in 0..sent {
            assert_eq!(receiver.next().await.said(), Some(number));
        }
        let small = || Signal::new("any", (), 0);
        let (sender, _receiver) = of(Box::leak(Box::new(Room::of(usize::MAX, 0))));
        assert_eq!((0..5_000).filter(|_| sender.send(small())).count(), MOST);
    }
}
