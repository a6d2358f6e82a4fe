//! One worker as its hash shows it. What is kept of it has bounds: who writes in the Redis could invent any text.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::model::{Moment, Now, PodReport, SampleError};

/// Fields of a worker's hash that are read.
pub(super) const FIELDS: &[&str] = &[
    "state",
    "hostname",
    "death",
    "queues",
    "successful_job_count",
    "failed_job_count",
    "last_heartbeat",
    "birth",
];

/// Largest host name in bytes; it is DNS' own bound.
const HOST_BYTES: usize = 253;

/// Largest list of queues in bytes.
const QUEUES_BYTES: usize = 16 << 10;

/// Largest number of queues of a worker.
const QUEUES: usize = 256;

/// The plan takes this from the time at which a container began, for nodes' clocks. A worker's heartbeat is written by the
/// same node's clock.
const SKEW: Duration = Duration::from_secs(5);

/// Time within which the workers of one pod start that start together.
const TOGETHER: Duration = Duration::from_secs(30);

/// Worker as it was read last.
#[derive(Clone, Debug)]
pub(super) struct RqWorker {
    pub(super) host: Box<str>,
    pub(super) busy: bool,
    /// Number of jobs that it has done.
    pub(super) done: u64,
    birth: Option<Timestamp>,
    heartbeat: Option<Timestamp>,
    /// Time since which it has run nothing.
    idle_since: Option<Moment>,
    /// Whether it has no hash, although it was busy and has not said goodbye.
    pub(super) vanished: Option<Vanished>,
}

/// Times of a worker that vanished. They are computed once: the two clocks do not go in step to the nanosecond, and a tally
/// that differs by so little would be a new one each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vanished {
    /// Time at which its hash was found missing.
    pub(super) at: Moment,
    /// Time of its last word.
    silent: Moment,
}

/// What a hash tells: the worker, and the queues that it fetches from, unless it has no hash any more.
pub(super) type RqHash = (RqWorker, Option<BTreeSet<String>>);

impl RqWorker {
    /// Reads a hash. `None`: the worker has ended. The hash of one that was killed expires, and so does that of a
    /// `SimpleWorker` whose job lasts long.
    ///
    /// # Errors
    /// [`SampleError::TooLarge`] for texts out of bounds, [`SampleError::Protocol`] for another number of fields.
    pub(super) fn read(
        fields: Vec<Option<String>>,
        before: Option<&Self>,
        now: Now,
    ) -> Result<Option<RqHash>, SampleError> {
        let [state, host, death, queues, good, bad, heartbeat, birth] =
            <[Option<String>; 8]>::try_from(fields).map_err(|_| SampleError::Protocol)?;
        let Some(host) = host else {
            let busy = before.filter(|worker| worker.busy);
            return Ok(busy.map(|worker| (worker.without_hash(now), None)));
        };
        if death.is_some() {
            return Ok(None);
        }
        let queues = queues.unwrap_or_default();
        if host.len() > HOST_BYTES || queues.len() > QUEUES_BYTES || queues.split(',').count() > QUEUES {
            return Err(SampleError::TooLarge);
        }
        let queues = queues.split(',').filter(|queue| !queue.is_empty());
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let done = number(good).saturating_add(number(bad));
        // A worker without a state has begun no job. An unknown state is no evidence.
        let busy = !matches!(state.as_deref(), None | Some("started" | "idle" | "suspended"));
        let same = before.filter(|before| before.done == done);
        let idle_since = same.and_then(|before| before.idle_since).unwrap_or(now.moment);
        let worker = Self {
            host: host.into(),
            busy,
            done,
            birth: time(birth),
            heartbeat: time(heartbeat),
            idle_since: (!busy).then_some(idle_since),
            vanished: None,
        };
        Ok(Some((worker, Some(queues.map(str::to_owned).collect()))))
    }

    /// This one, which was busy, without its hash.
    fn without_hash(&self, now: Now) -> Self {
        let ago = |at: Timestamp| Duration::try_from(now.wall.duration_since(at)).unwrap_or_default();
        let heard = self
            .heartbeat
            .map_or(now.moment, |at| now.moment.saturating_sub(ago(at)));
        let vanished = Vanished {
            at: now.moment,
            silent: heard.saturating_sub(SKEW),
        };
        Self {
            vanished: self.vanished.or(Some(vanished)),
            ..self.clone()
        }
    }

    /// Time of its birth.
    pub(super) fn birth(&self) -> Option<Timestamp> {
        self.birth
    }

    /// Whether it is certain that it lives beside the youngest worker of its pod: it was born together with that one, or has
    /// spoken since. Else it may be the one whose place that one took: the hash of a killed idle worker stays for 8 minutes.
    pub(super) fn lives_beside(&self, youngest: Option<Timestamp>) -> bool {
        let (Some(youngest), Some(birth)) = (youngest, self.birth) else {
            return true;
        };
        let apart = Duration::try_from(youngest.duration_since(birth)).unwrap_or_default();
        apart <= TOGETHER || self.heartbeat.is_some_and(|heard| heard >= youngest)
    }

    pub(super) fn report(&self) -> PodReport {
        match self.vanished {
            Some(vanished) => PodReport {
                silent: Some(vanished.silent),
                ..PodReport::default()
            },
            None => PodReport {
                running: u32::from(self.busy),
                live: true,
                fresh: true,
                tells: true,
                idle_since: self.idle_since,
                ..PodReport::default()
            },
        }
    }
}
