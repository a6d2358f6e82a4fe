//! Memory of an endpoint for its queues: which ones gave no count recently, what the others held before the connection
//! broke, and which zeros are not believed yet. Pure.
//!
//! A zero is not a zero
//! * right after a reconnect: a broker that starts shows queues before their messages;
//! * where no process answers for the queue: RabbitMQ says "none ready, no consumers", successfully, of a quorum queue
//!   whose leader does not answer or is gone. It is doubted where the count before differs (messages were ready), or
//!   where nothing was known and the answer was slow. For [`DISBELIEF`]; where consumers went together with the
//!   messages, which workers that empty their queue do not do, for [`LONG_DISBELIEF`]. Consumers that leave an empty
//!   queue are believed: that is what a pool that goes to zero looks like, and there is nothing to lose sight of.
#![deny(clippy::disallowed_methods)]

use std::{collections::HashMap, time::Duration};

use crate::model::{Backoff, Moment, Reply, SampleError};

/// Time after which a queue that gave no count is asked again; twice the time each time it gives none again, up to
/// [`ASK_AGAIN_MAX`]. Asking costs a channel and a line in the broker's log.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Longest pause.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// Longest pause for a queue that does not exist: it appears with an application's first task, which waits for the
/// operator.
const ASK_MISSING_MAX: Duration = Duration::from_secs(4);

/// Time after a worker appeared in which such a queue is asked every [`ASK_AGAIN`]: workers declare the queues they
/// fetch from.
const HURRY: Duration = Duration::from_secs(10);

/// Time for which a fall to zero is not believed.
const DISBELIEF: Duration = Duration::from_secs(10);

/// The same if all consumers went at the same moment.
const LONG_DISBELIEF: Duration = Duration::from_secs(60);

/// Time without a question after which a queue is forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// Answer for a queue.
pub(super) type QueueAnswer = Result<Reply, SampleError>;

/// Answer for a queue as it was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Answer of the broker.
    pub(super) answer: QueueAnswer,
    /// Whether it took long enough that perhaps no process answered for the queue.
    pub(super) slow: bool,
}

impl Found {
    /// Answer that is missing, because of this error.
    pub(super) fn failed(error: SampleError) -> Self {
        Self {
            answer: Err(error),
            slow: false,
        }
    }
}

impl From<QueueAnswer> for Found {
    fn from(answer: QueueAnswer) -> Self {
        Self { answer, slow: false }
    }
}

/// Memory of the queues, by name.
#[derive(Debug, Default)]
pub(super) struct QueueMemory {
    queues: HashMap<String, Known>,
    reconnected: Option<Moment>,
    /// Time when a worker last appeared.
    came: Option<Moment>,
    tidied: Moment,
}

/// Knowledge of one queue.
#[derive(Debug, Default)]
struct Known {
    /// Time of the last answer.
    seen: Moment,
    /// Whether the broker's last answer was a count.
    counts: bool,
    /// Last answer, if it was no count.
    doubtful: Option<Doubtful>,
    /// Last count that was believed.
    last: Option<Count>,
    /// Time until which it is not believed that the queue has neither messages nor consumers.
    unsure: Option<Moment>,
}

/// Queue without a count.
#[derive(Clone, Debug)]
struct Doubtful {
    at: Moment,
    answer: QueueAnswer,
    /// Pause before it is asked again, as long as nothing shortens it.
    backoff: Backoff,
}

/// Count of a queue.
#[derive(Clone, Copy, Debug)]
struct Count {
    at: Moment,
    has_work: bool,
    is_fetched: bool,
}

/// Treatment of a queue in this sample.
#[derive(Debug, PartialEq)]
pub(super) enum QueuePlan {
    /// Ask: the queue answers.
    Ask,
    /// Ask with no other declare behind it: it is not known yet whether the queue answers.
    Try,
    /// Ask where a failure harms no other: the last time it gave no count but this answer.
    Probe(QueueAnswer),
    /// Repeat its last answer, which is recent enough.
    Repeat(QueueAnswer),
}

impl QueueMemory {
    /// Records that the connection was made anew.
    pub(super) fn reconnected(&mut self, now: Moment) {
        self.reconnected = Some(now);
    }

    /// Records that a worker appeared: queues may be there that were not.
    pub(super) fn came(&mut self, now: Moment) {
        self.came = Some(now);
    }

    /// Treatment of this queue.
    pub(super) fn plan(&self, queue: &str, now: Moment) -> QueuePlan {
        let known = self.queues.get(queue);
        let Some(doubtful) = known.and_then(|known| known.doubtful.as_ref()) else {
            return match known.is_some_and(|known| known.counts) {
                true => QueuePlan::Ask,
                false => QueuePlan::Try,
            };
        };
        let hurry = self.came.is_some_and(|came| now.saturating_sub(came) < HURRY);
        let most = match doubtful.answer {
            _ if hurry => ASK_AGAIN,
            Ok(Reply::Missing) => ASK_MISSING_MAX,
            _ => ASK_AGAIN_MAX,
        };
        let pause = doubtful.backoff.pause().min(most);
        let answer = doubtful.answer.clone();
        match now.saturating_sub(doubtful.at) >= pause {
            true => QueuePlan::Probe(answer),
            false => QueuePlan::Repeat(answer),
        }
    }

    /// Records that the queue gives counts again: it is asked like all others.
    pub(super) fn answers(&mut self, queue: &str) {
        if let Some(known) = self.queues.get_mut(queue) {
            (known.doubtful, known.counts) = (None, true);
        }
    }

    /// Takes in a broker's answer.
    ///
    /// # Errors
    /// The answer's own; [`SampleError::JustReconnected`] or [`SampleError::QueueUnsure`] if it is not believed.
    pub(super) fn learn(&mut self, queue: &str, found: impl Into<Found>, now: Moment) -> QueueAnswer {
        self.tidy(now);
        let Found { answer, slow } = found.into();
        let known = self.queues.entry(queue.to_owned()).or_default();
        known.seen = now;
        let mut backoff = known
            .doubtful
            .take()
            .map(|doubtful| doubtful.backoff)
            .unwrap_or_default();
        known.doubtful = match answer {
            Ok(Reply::Missing)
            | Err(SampleError::Permission | SampleError::Timeout | SampleError::Protocol | SampleError::NotReady) => {
                let answer = answer.clone();
                backoff.failed(ASK_AGAIN, ASK_AGAIN_MAX);
                Some(Doubtful {
                    at: now,
                    answer,
                    backoff,
                })
            }
            _ => None,
        };
        known.counts = match answer {
            Ok(Reply::Depth { .. } | Reply::Totals { .. }) => true,
            // What broke the connection says nothing of the queue.
            Err(_) if known.doubtful.is_none() => known.counts,
            _ => false,
        };
        let (has_work, is_fetched) = match answer {
            Ok(Reply::Depth { ready, consumers }) => (ready > 0, consumers.is_none_or(|consumers| consumers > 0)),
            Ok(Reply::Totals { ready, unacked }) => (ready > 0 || unacked > 0, true),
            Ok(Reply::Missing) => (false, true),
            _ => return answer,
        };
        let nothing = !has_work && !is_fetched;
        let doubt = doubt(known.last, slow || known.unsure.is_some()).filter(|_| nothing);
        known.unsure = doubt.map(|doubt| known.unsure.unwrap_or(now.saturating_add(doubt)));
        if !has_work && known.last.is_some_and(|last| last.precedes(self.reconnected, now)) {
            known.doubtful = None;
            return Err(SampleError::JustReconnected);
        }
        if known.unsure.is_some_and(|until| now < until) {
            return Err(SampleError::QueueUnsure);
        }
        known.unsure = None;
        known.last = Some(Count {
            at: now,
            has_work,
            is_fetched,
        });
        answer
    }

    /// Forgets queues that are not asked for any more, now and then.
    fn tidy(&mut self, now: Moment) {
        if now.saturating_sub(self.tidied) >= FORGET {
            self.tidied = now;
            self.queues.retain(|_, known| now.saturating_sub(known.seen) < FORGET);
        }
    }
}

impl Count {
    /// Whether the count is from before the reconnect, so that a fall soon after it is not believed.
    fn precedes(self, reconnected: Option<Moment>, now: Moment) -> bool {
        let lately = |reconnected: Moment| now.saturating_sub(reconnected) < DISBELIEF;
        self.has_work && reconnected.is_some_and(|reconnected| self.at < reconnected && lately(reconnected))
    }
}

/// Time for which it is not believed that a queue has neither messages nor consumers; `None`: it is believed.
fn doubt(last: Option<Count>, slow: bool) -> Option<Duration> {
    match last {
        Some(last) if last.has_work && last.is_fetched => Some(LONG_DISBELIEF),
        Some(last) if last.has_work => Some(DISBELIEF),
        Some(_) => None,
        None => slow.then_some(DISBELIEF),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(ready: u64) -> QueueAnswer {
        Ok(Reply::Depth {
            ready,
            consumers: Some(1),
        })
    }

    const fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_queue_without_a_count_is_probed_in_growing_pauses_and_its_answer_repeated_in_between() {
        for answer in [
            Ok(Reply::Missing),
            Err(SampleError::Permission),
            Err(SampleError::Timeout),
        ] {
            let mut memory = QueueMemory::default();
            assert_eq!(memory.learn("q", answer.clone(), at(0)), answer);
            assert_eq!(memory.plan("q", at(1999)), QueuePlan::Repeat(answer.clone()));
            assert_eq!(memory.plan("q", at(2000)), QueuePlan::Probe(answer));
            assert_eq!(memory.plan("other", at(0)), QueuePlan::Try);
            assert_eq!(memory.learn("q", depth(0), at(2000)), depth(0));
            assert_eq!(memory.plan("q", at(2001)), QueuePlan::Ask);
        }
    }

    #[test]
    fn it_is_asked_within_half_a_minute_however_often_it_failed_and_soon_when_a_worker_came() {
        for (answer, pauses) in [
            (Err(SampleError::Timeout), [2, 4, 8, 16, 30, 30]),
            // An application's first task makes its queue, and waits.
            (Ok(Reply::Missing), [2, 4, 4, 4, 4, 4]),
        ] {
            let mut memory = QueueMemory::default();
            let mut now = 0;
            for pause in pauses {
                let _ = memory.learn("q", answer.clone(), at(now));
                now += pause * 1000;
                assert_eq!(
                    memory.plan("q", at(now - 1)),
                    QueuePlan::Repeat(answer.clone()),
                    "{pause}"
                );
                assert_eq!(memory.plan("q", at(now)), QueuePlan::Probe(answer.clone()), "{pause}");
            }
            let _ = memory.learn("q", answer.clone(), at(now));
            memory.came(at(now + 2_000));
            assert_eq!(memory.plan("q", at(now + 2_000)), QueuePlan::Probe(answer.clone()));
        }
    }

    fn counts(ready: u64, consumers: u64) -> QueueAnswer {
        let consumers = Some(consumers);
        Ok(Reply::Depth { ready, consumers })
    }

    const UNSURE: QueueAnswer = Err(SampleError::QueueUnsure);

    #[test]
    fn messages_and_consumers_that_are_gone_at_one_moment_are_not_believed_for_a_minute() {
        let mut memory = QueueMemory::default();
        assert_eq!(memory.learn("q", counts(500, 8), at(0)), counts(500, 8));
        assert_eq!(memory.learn("q", counts(0, 0), at(500)), UNSURE);
        assert_eq!(memory.plan("q", at(501)), QueuePlan::Ask);
        assert_eq!(memory.learn("q", counts(0, 0), at(60_499)), UNSURE);
        // The leader is back.
        assert_eq!(memory.learn("q", counts(500, 0), at(60_500)), counts(500, 0));
        // No consumers were left then: purged, or gone again.
        assert_eq!(memory.learn("q", counts(0, 0), at(61_000)), UNSURE);
        assert_eq!(memory.learn("q", counts(0, 0), at(70_999)), UNSURE);
        assert_eq!(memory.learn("q", counts(0, 0), at(71_000)), counts(0, 0));
        assert_eq!(memory.learn("q", counts(0, 0), at(71_500)), counts(0, 0));
    }

    #[test]
    fn a_doubt_that_an_answer_interrupts_begins_anew() {
        let mut memory = QueueMemory::default();
        assert_eq!(memory.learn("q", counts(5, 1), at(0)), counts(5, 1));
        assert_eq!(memory.learn("q", counts(0, 0), at(500)), UNSURE);
        assert_eq!(memory.learn("q", counts(5, 1), at(50_000)), counts(5, 1));
        assert_eq!(memory.learn("q", counts(0, 0), at(60_600)), UNSURE);
        assert_eq!(
            memory.learn("q", counts(0, 1), at(61_000)),
            counts(0, 1),
            "consumers show who answers"
        );
    }

    #[test]
    fn a_pool_that_works_its_queue_off_and_goes_to_nothing_is_believed_all_along() {
        let mut memory = QueueMemory::default();
        for (moment, (ready, consumers)) in [(3, 2), (1, 2), (0, 2), (0, 1), (0, 0), (0, 0), (2, 0), (1, 1), (0, 1)]
            .into_iter()
            .enumerate()
        {
            let answer = counts(ready, consumers);
            assert_eq!(memory.learn("q", answer.clone(), at(moment as u64 * 500)), answer);
        }
    }

    #[test]
    fn a_first_nothing_that_took_long_is_not_believed_at_once() {
        let slow = |answer| Found { answer, slow: true };
        let mut memory = QueueMemory::default();
        assert_eq!(memory.learn("q", slow(counts(0, 0)), at(0)), UNSURE);
        assert_eq!(memory.learn("q", counts(0, 0), at(9_999)), UNSURE);
        assert_eq!(memory.learn("q", slow(counts(0, 0)), at(10_000)), counts(0, 0));
        // A broker that is slow, or far away, is no reason once the queue is known.
        assert_eq!(memory.learn("q", slow(counts(0, 0)), at(10_500)), counts(0, 0));
        assert_eq!(memory.learn("new", counts(0, 0), at(0)), counts(0, 0));
    }

    #[test]
    fn a_broken_connection_makes_no_queue_doubtful() {
        let mut memory = QueueMemory::default();
        let broken = Err(SampleError::Disconnected);
        assert_eq!(memory.learn("q", broken.clone(), at(0)), broken);
        assert_eq!(memory.plan("q", at(1)), QueuePlan::Try);
        assert_eq!(memory.learn("q", depth(0), at(1)), depth(0));
        assert_eq!(memory.learn("q", broken.clone(), at(2)), broken);
        assert_eq!(memory.plan("q", at(3)), QueuePlan::Ask);
    }

    #[test]
    fn a_fall_to_nothing_after_a_reconnect_is_not_believed_for_ten_seconds() {
        for nothing in [depth(0), Ok(Reply::Missing), Ok(Reply::Totals { ready: 0, unacked: 0 })] {
            let mut memory = QueueMemory::default();
            assert_eq!(memory.learn("busy", depth(3), at(0)), depth(3));
            assert_eq!(memory.learn("idle", depth(0), at(0)), depth(0));
            memory.reconnected(at(1000));
            let unbelieved = Err(SampleError::JustReconnected);
            assert_eq!(memory.learn("busy", nothing.clone(), at(1500)), unbelieved);
            let counts = nothing != Ok(Reply::Missing);
            assert_eq!(
                memory.plan("busy", at(1501)),
                if counts { QueuePlan::Ask } else { QueuePlan::Try }
            );
            assert_eq!(memory.learn("busy", nothing.clone(), at(10_999)), unbelieved);
            assert_eq!(memory.learn("busy", nothing.clone(), at(11_000)), nothing);
            assert_eq!(memory.learn("idle", nothing.clone(), at(1500)), nothing);
            assert_eq!(memory.learn("new", nothing.clone(), at(1500)), nothing);
        }
    }

    #[test]
    fn work_seen_after_the_reconnect_is_believed() {
        let mut memory = QueueMemory::default();
        assert_eq!(memory.learn("q", depth(3), at(0)), depth(3));
        memory.reconnected(at(1000));
        assert_eq!(memory.learn("q", depth(2), at(1500)), depth(2));
        assert_eq!(memory.learn("q", depth(0), at(2000)), depth(0));
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut memory = QueueMemory::default();
        for number in 0..1000 {
            let _ = memory.learn(&format!("q{number}"), depth(1), at(0));
        }
        let _ = memory.learn("q", depth(1), at(600_000));
        assert_eq!(memory.queues.len(), 1);
    }
}
