//! Totals of the management API beside the AMQP side: a task of its own asks, so that a slow API delays a sample by no
//! more than a moment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::memory::{QueueAnswer, QueueMemory};
use crate::{
    broker::{management::Client, task::AbortOnDrop},
    model::{Backoff, Moment, Reply, SampleError},
};

/// Time that a sample waits for an API that answered the last time; a healthy one takes 2 to 20 ms.
const PATIENCE: Duration = Duration::from_millis(150);

/// Age up to which an answer is used if no newer one came.
const OLD: Duration = Duration::from_secs(5);

/// Pause after the first failed call; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause. Also the first one after a refused login: many of them lock an account.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Management API, with the memory of its answers.
#[derive(Debug)]
pub(super) struct Totals {
    /// Client that is not started yet: that needs a runtime.
    client: Option<Client>,
    task: Option<AbortOnDrop>,
    wanted: watch::Sender<Wanted>,
    found: watch::Receiver<LastTotals>,
    memory: QueueMemory,
    /// Whether the last answer did not come in time.
    late: bool,
    /// Whether the last call failed.
    failed: bool,
    /// Passes on the answers of the task.
    brings: watch::Sender<LastTotals>,
}

/// Request for the task: the newest one counts.
#[derive(Clone, Debug, Default)]
struct Wanted {
    number: u64,
    queues: Arc<[String]>,
}

/// Result of the task.
#[derive(Clone, Debug, Default)]
struct LastTotals {
    /// Number of the last request that was answered, by an answer or an error.
    number: u64,
    /// Last answers, and the time when they came.
    answers: Option<(Instant, Arc<BTreeMap<String, QueueAnswer>>)>,
    /// Error of the last call, if it brought none.
    error: Option<SampleError>,
}

/// Totals of one sample.
#[derive(Debug)]
pub(super) struct TotalsSample {
    /// Answers, one for each queue, in their order.
    pub(super) answers: Vec<QueueAnswer>,
    /// Whether they were asked for with this sample; else they are a little older.
    pub(super) is_fresh: bool,
}

impl Totals {
    /// Totals of this API, asked from the first sample on.
    pub(super) fn new(client: Client) -> Self {
        let (brings, found) = watch::channel(LastTotals::default());
        Self {
            client: Some(client),
            task: None,
            wanted: watch::channel(Wanted::default()).0,
            found,
            memory: QueueMemory::default(),
            late: false,
            failed: false,
            brings,
        }
    }

    /// Answers, one for each queue, in their order: of now, or of a moment ago. After a failure a fall to zero is not
    /// believed at once.
    pub(super) async fn ask(&mut self, queues: &[&str], moment: Moment) -> TotalsSample {
        if queues.is_empty() {
            let (answers, is_fresh) = (Vec::new(), true);
            return TotalsSample { answers, is_fresh };
        }
        if let Some(client) = self.client.take() {
            self.task = Some(AbortOnDrop::spawn(keep_asking(
                client,
                self.wanted.subscribe(),
                self.brings.clone(),
            )));
        }
        let number = self.wanted.borrow().number + 1;
        let names = queues.iter().map(|queue| (*queue).to_owned()).collect();
        self.wanted.send_replace(Wanted { number, queues: names });
        let is_answered = |found: &LastTotals| found.number >= number;
        let fails = self.found.borrow().error.is_some();
        // An API that let a sample wait in vain is not waited for again until it has answered.
        self.late = self.late && self.found.borrow().number + 1 < number;
        if !fails && !self.late {
            let came = timeout(PATIENCE, self.found.wait_for(is_answered)).await;
            self.late = came.is_err();
        }
        let found = self.found.borrow().clone();
        let is_fresh = is_answered(&found) && found.error.is_none();
        let young = |at: &Instant| at.elapsed() < OLD;
        let answers = match (found.error, found.answers) {
            (Some(error), _) => {
                self.failed = true;
                vec![Err(error); queues.len()]
            }
            (None, Some((at, answers))) if young(&at) => {
                if std::mem::take(&mut self.failed) {
                    self.memory.reconnected(moment);
                }
                let answer = |queue: &&str| answers.get(*queue).cloned().unwrap_or(Err(SampleError::NotYet));
                let learnt = queues
                    .iter()
                    .map(|queue| self.memory.learn(queue, answer(queue), moment));
                learnt.collect()
            }
            (None, Some(_)) => vec![Err(SampleError::ManagementTimeout); queues.len()],
            (None, None) => vec![Err(SampleError::NotYet); queues.len()],
        };
        TotalsSample { answers, is_fresh }
    }
}

/// Asks for what is requested for as long as the requests come.
async fn keep_asking(mut client: Client, mut wanted: watch::Receiver<Wanted>, brings: watch::Sender<LastTotals>) {
    let mut backoff = Backoff::default();
    while wanted.changed().await.is_ok() {
        let Wanted { number, queues } = wanted.borrow_and_update().clone();
        let names: Vec<&str> = queues.iter().map(String::as_str).collect();
        match client.totals(&names).await {
            Ok(answers) => {
                backoff.succeeded();
                let answers = Arc::new(queues.iter().cloned().zip(answers).collect());
                brings.send_replace(LastTotals {
                    number,
                    answers: Some((Instant::now(), answers)),
                    error: None,
                });
            }
            Err(error) => {
                brings.send_modify(|found| (found.number, found.error) = (number, Some(error)));
                let shortest = match error {
                    SampleError::ManagementAuthentication => PAUSE_MAX,
                    _ => PAUSE,
                };
                sleep(backoff.failed(shortest, PAUSE_MAX)).await;
            }
        }
    }
}

/// Totals corrected by the depth beside them, which is newer: what has left the queue meanwhile counts as being with a
/// worker.
pub(super) fn since_then(totals: QueueAnswer, depth: Option<&QueueAnswer>) -> QueueAnswer {
    match (totals, depth) {
        (Ok(Reply::Totals { ready, unacked }), Some(Ok(Reply::Depth { ready: now, .. }))) => Ok(Reply::Totals {
            ready: *now,
            unacked: unacked.saturating_add(ready.saturating_sub(*now)),
        }),
        (totals, _) => totals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_the_queue_since_the_totals_were_counted_is_in_flight() {
        let totals = |ready, unacked| Ok(Reply::Totals { ready, unacked });
        let depth = |ready| Ok(Reply::Depth { ready, consumers: None });
        assert_eq!(since_then(totals(5, 1), Some(&depth(2))), totals(2, 4));
        assert_eq!(since_then(totals(5, 1), Some(&depth(9))), totals(9, 1));
        assert_eq!(since_then(totals(5, 1), None), totals(5, 1));
        let error = Err(SampleError::Management);
        assert_eq!(since_then(error.clone(), Some(&depth(2))), error);
    }
}
