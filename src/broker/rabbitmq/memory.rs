//! What an endpoint remembers of its queues: which ones gave no count lately, and what the others held before the
//! connection broke. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::HashMap, time::Duration};

use crate::work::{Moment, Reply, SampleError};

/// A queue that gave no count is asked again after this time. Asking costs a channel and a line in the broker's log.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// For so long after a reconnect a queue that had work is not believed to be empty: a broker that starts, or a cluster
/// that fails over, shows queues before their messages.
const DISBELIEF: Duration = Duration::from_secs(10);

/// Queues that nobody asked for this long are forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// A queue's answer.
pub(super) type Answer = Result<Reply, SampleError>;

/// What is remembered, by queue name.
#[derive(Debug, Default)]
pub(super) struct Memory {
    queues: HashMap<String, Known>,
    reconnected: Option<Moment>,
    tidied: Moment,
}

/// One queue.
#[derive(Debug, Default)]
struct Known {
    /// When it was last answered for.
    seen: Moment,
    /// Its answer, if that was no count, with the time it came.
    doubtful: Option<(Moment, Answer)>,
    /// When it was counted last, if it held messages then.
    had_work: Option<Moment>,
}

/// What to do about a queue in this sample.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    /// Ask: it answers.
    Ask,
    /// Ask where a failure harms no other: the last time it gave no count but this answer.
    Probe(Answer),
    /// Its last answer is young enough.
    Repeat(Answer),
}

impl Memory {
    /// The connection was made anew.
    pub(super) fn reconnected(&mut self, now: Moment) {
        self.reconnected = Some(now);
    }

    /// What to do about this queue.
    pub(super) fn plan(&self, queue: &str, now: Moment) -> Plan {
        match self.queues.get(queue).and_then(|known| known.doubtful.as_ref()) {
            None => Plan::Ask,
            Some((at, answer)) if now.saturating_sub(*at) >= ASK_AGAIN => Plan::Probe(answer.clone()),
            Some((_, answer)) => Plan::Repeat(answer.clone()),
        }
    }

    /// Takes a broker's answer in.
    ///
    /// # Errors
    /// The answer's own, and [`SampleError::JustReconnected`] if it is not believed.
    pub(super) fn learn(&mut self, queue: &str, answer: Answer, now: Moment) -> Answer {
        self.tidy(now);
        let known = self.queues.entry(queue.to_owned()).or_default();
        known.seen = now;
        known.doubtful = match answer {
            Ok(Reply::Missing)
            | Err(SampleError::Permission | SampleError::Timeout | SampleError::Protocol | SampleError::NotReady) => {
                Some((now, answer.clone()))
            }
            _ => None,
        };
        let has_work = match answer {
            Ok(Reply::Depth { ready, .. }) => ready > 0,
            Ok(Reply::Totals { ready, unacked }) => ready > 0 || unacked > 0,
            Ok(Reply::Missing) => false,
            _ => return answer,
        };
        if !has_work
            && known
                .had_work
                .is_some_and(|counted| disbelieved(counted, self.reconnected, now))
        {
            known.doubtful = None;
            return Err(SampleError::JustReconnected);
        }
        known.had_work = has_work.then_some(now);
        answer
    }

    /// Forgets what nobody asks for, now and then.
    fn tidy(&mut self, now: Moment) {
        if now.saturating_sub(self.tidied) >= FORGET {
            self.tidied = now;
            self.queues.retain(|_, known| now.saturating_sub(known.seen) < FORGET);
        }
    }
}

/// Work that was counted before the connection broke is not believed to be gone so soon after.
fn disbelieved(counted: Moment, reconnected: Option<Moment>, now: Moment) -> bool {
    reconnected.is_some_and(|reconnected| counted < reconnected && now.saturating_sub(reconnected) < DISBELIEF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(ready: u64) -> Answer {
        Ok(Reply::Depth {
            ready,
            consumers: Some(1),
        })
    }

    const fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_queue_without_a_count_is_probed_every_two_seconds_and_its_answer_repeated_in_between() {
        let mut memory = Memory::default();
        assert_eq!(memory.plan("q", at(0)), Plan::Ask);
        for answer in [
            Ok(Reply::Missing),
            Err(SampleError::Permission),
            Err(SampleError::Timeout),
        ] {
            assert_eq!(memory.learn("q", answer.clone(), at(0)), answer);
            assert_eq!(memory.plan("q", at(1999)), Plan::Repeat(answer.clone()));
            assert_eq!(memory.plan("q", at(2000)), Plan::Probe(answer));
            assert_eq!(memory.plan("other", at(0)), Plan::Ask);
        }
        assert_eq!(memory.learn("q", depth(0), at(2000)), depth(0));
        assert_eq!(memory.plan("q", at(2001)), Plan::Ask);
    }

    #[test]
    fn a_broken_connection_makes_no_queue_doubtful() {
        let mut memory = Memory::default();
        let broken = Err(SampleError::Disconnected);
        assert_eq!(memory.learn("q", broken.clone(), at(0)), broken);
        assert_eq!(memory.plan("q", at(1)), Plan::Ask);
    }

    #[test]
    fn a_fall_to_nothing_after_a_reconnect_is_not_believed_for_ten_seconds() {
        for nothing in [depth(0), Ok(Reply::Missing), Ok(Reply::Totals { ready: 0, unacked: 0 })] {
            let mut memory = Memory::default();
            assert_eq!(memory.learn("busy", depth(3), at(0)), depth(3));
            assert_eq!(memory.learn("idle", depth(0), at(0)), depth(0));
            memory.reconnected(at(1000));
            let unbelieved = Err(SampleError::JustReconnected);
            assert_eq!(memory.learn("busy", nothing.clone(), at(1500)), unbelieved);
            assert_eq!(memory.plan("busy", at(1501)), Plan::Ask);
            assert_eq!(memory.learn("busy", nothing.clone(), at(10_999)), unbelieved);
            assert_eq!(memory.learn("busy", nothing.clone(), at(11_000)), nothing);
            assert_eq!(memory.learn("idle", nothing.clone(), at(1500)), nothing);
            assert_eq!(memory.learn("new", nothing.clone(), at(1500)), nothing);
        }
    }

    #[test]
    fn work_seen_after_the_reconnect_is_believed() {
        let mut memory = Memory::default();
        assert_eq!(memory.learn("q", depth(3), at(0)), depth(3));
        memory.reconnected(at(1000));
        assert_eq!(memory.learn("q", depth(2), at(1500)), depth(2));
        assert_eq!(memory.learn("q", depth(0), at(2000)), depth(0));
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut memory = Memory::default();
        for number in 0..1000 {
            let _ = memory.learn(&format!("q{number}"), depth(1), at(0));
        }
        let _ = memory.learn("q", depth(1), at(600_000));
        assert_eq!(memory.queues.len(), 1);
    }
}
