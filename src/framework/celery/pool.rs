//! Count of Celery's work for one pool.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{CeleryConfig, asking::Asking, attend, own::Own, pods::Placed, rabbitmq, routes, workers::Workers};
use crate::framework::celery::ask::{Ask, Inspect};
use crate::model::{
    BrokerKind, Control, Delayed, DelayedTasks, DrainSupport, Moment, Now, PodIntent, PodIntents, Query, Reply, Roster,
    SampleError, Subscription, Tally,
};

/// Time after which a worker that sends heartbeats without a gap and has not answered takes no questions
/// (`worker_enable_remote_control = False`). A worker that missed a heartbeat may have been too busy to answer (`-P
/// solo`).
const DEAF: Duration = Duration::from_secs(15);

/// Pace at which all workers are asked for their presence while ready pods are not heard.
const SEEK_PACE: Duration = Duration::from_secs(5);

/// Pace at which the bindings are read for the application's separator, where the pool does not set it.
const SEEK_SEPARATOR: Duration = Duration::from_secs(60);

/// Pace at which workers without heartbeats are asked what they run.
const SILENT_PACE: Duration = Duration::from_secs(2);

/// Pace at which workers are asked for unknown properties and queues.
const TRAITS_PACE: Duration = Duration::from_secs(10);

/// Count of Celery's work for one pool.
#[derive(Clone, Debug)]
pub struct CeleryPool {
    config: CeleryConfig,
    roster: Roster,
    placed: Placed,
    intents: PodIntents,
    /// Time from which each intent has held, by pod.
    came: BTreeMap<String, Moment>,
    asking: Asking,
    /// Facts about the application that were found in the broker.
    found: ShownOptions,
    /// Tasks that an earlier process remembered.
    held: Option<Delayed>,
    /// Time at which remote control last failed.
    failed_at: Option<Moment>,
}

/// Facts that an application's own keys show (Redis).
#[derive(Clone, Debug, Default)]
struct ShownOptions {
    /// Separator (`sep`), where the pool does not set it.
    separator: Option<String>,
    /// Time of the last search for it.
    sought: Option<Moment>,
    /// Named exchanges of the messages that workers hold.
    exchanges: BTreeSet<String>,
}

impl CeleryPool {
    /// Count for this pool.
    pub fn new(config: CeleryConfig) -> Self {
        Self {
            config,
            roster: Roster::default(),
            placed: Placed::default(),
            intents: PodIntents::new(),
            came: BTreeMap::new(),
            asking: Asking::default(),
            found: ShownOptions::default(),
            held: None,
            failed_at: None,
        }
    }

    /// Place where its workers announce themselves.
    pub fn listen(&self) -> Subscription {
        self.config.listen()
    }

    /// Kind of broker on which it is counted.
    pub(super) fn broker(&self) -> BrokerKind {
        self.config.broker
    }

    /// Adds what an earlier process remembered of tasks that are not due.
    pub fn remembering(self, held: Option<Delayed>) -> Self {
        Self { held, ..self }
    }

    fn last(&self, last: Option<&Tally>) -> rabbitmq::Last {
        let first = rabbitmq::Last {
            later: DelayedTasks {
                held: self.held,
                ..DelayedTasks::default()
            },
            ..rabbitmq::Last::default()
        };
        last.map_or(first, rabbitmq::Last::of)
    }

    /// Configuration as the pool sets it, and where it sets nothing as the application shows.
    fn known(&self) -> CeleryConfig {
        CeleryConfig {
            separator: self.config.separator.clone().or_else(|| self.found.separator.clone()),
            ..self.config.clone()
        }
    }

    /// Query for the application's separator, if it is to be read now.
    fn seek_separator(&mut self, now: Now) -> Option<Ask> {
        let redis = matches!(self.config.broker, BrokerKind::Redis { .. });
        let sought = |at: Moment| now.moment.saturating_sub(at) < SEEK_SEPARATOR;
        if !redis || self.config.separator.is_some() || self.found.sought.is_some_and(sought) {
            return None;
        }
        self.found.sought = Some(now.moment);
        self.separators()
    }

    /// The same query: it is the first read of a sample, if it is part of it.
    fn separators(&self) -> Option<Ask> {
        let queue = self.config.queues.first()?;
        Some(Ask::Read(Query::SetMembers {
            key: super::redis::binding_key(&self.config, queue),
        }))
    }

    /// Takes in the bindings of the pool's first queue. An error here does not affect the count.
    fn find_separator(&mut self, reply: Option<&Result<Reply, SampleError>>) {
        if let Some(Ok(Reply::Members(members))) = reply
            && let Some(queue) = self.config.queues.first()
            && let Some(separator) = members.iter().find_map(|member| routes::separator_of(member, queue))
        {
            self.found.separator = Some(separator);
        }
    }

    /// Asks for presence and properties while more pods are ready than are heard: workers without heartbeats are known
    /// by their answers, and those with other names by what they fetch from.
    fn seek(&mut self, own: &Own, now: Now) -> Vec<Ask> {
        let missing = self.roster.ready as usize > own.pods_heard();
        if !missing {
            return Vec::new();
        }
        let others = own.others_unclear();
        let mut reads = self
            .asking
            .ask(&self.config, Inspect::ActiveQueues, &others, SEEK_PACE, now);
        reads.extend(self.asking.ping(&self.config, SEEK_PACE, now));
        reads
    }

    /// Questions to the pool's own workers.
    fn questions(&mut self, own: &Own, now: Now) -> Vec<Ask> {
        let config = &self.config;
        let mut reads = Vec::new();
        let silent = own.silent_unclear();
        for (method, nodes, pace) in [
            (Inspect::Reserved, &silent, SILENT_PACE),
            (Inspect::Active, &silent, SILENT_PACE),
            (Inspect::Stats, &own.stats_unclear(), TRAITS_PACE),
            (Inspect::ActiveQueues, &own.queues_unclear(), TRAITS_PACE),
        ] {
            reads.extend(self.asking.ask(config, method, nodes, pace, now));
        }
        reads
    }
}

/// State of the commands to workers, from this sample's attempts; without one, as before.
fn control(reads: &[Ask], replies: &[Result<Reply, SampleError>], last: Option<&Tally>) -> Control {
    let attempts = reads.iter().zip(replies);
    let mut attempts = attempts
        .filter(|(read, _)| matches!(read, Ask::Inspect { .. } | Ask::Tell { .. }))
        .peekable();
    if attempts.peek().is_none() {
        return last.map(|last| last.control.clone()).unwrap_or_default();
    }
    let trouble = attempts.find_map(|(_, reply)| match reply {
        Ok(Reply::Refused { right }) => Some(Control::Refused { right: right.clone() }),
        Err(error) => Some(Control::Failing(*error)),
        Ok(_) => None,
    });
    trouble.unwrap_or_default()
}

impl CeleryPool {
    /// Requests of this pool for its next sample. `last` is its previous tally.
    pub fn asks(&mut self, workers: &Workers, last: Option<&Tally>, now: Now) -> Vec<Ask> {
        self.asking.tidy(now.moment);
        let config = self.known();
        self.placed.renew(workers, &config.target, &self.roster.pods);
        let placed = std::mem::take(&mut self.placed);
        let own = Own::among(workers, (&config.target, &config.queues), &placed, now.moment);
        let mut reads: Vec<_> = self.seek_separator(now).into_iter().collect();
        reads.extend(match config.broker {
            BrokerKind::Redis { .. } => {
                super::redis::reads(&config, &own, &self.found.exchanges, last, &mut self.asking, now)
            }
            BrokerKind::RabbitMq { management } => {
                rabbitmq::reads(&config, management, &own, last, &mut self.asking, now)
            }
        });
        reads.extend(attend::reads(
            &config,
            &own,
            &self.intents,
            &self.came,
            &mut self.asking,
            now,
        ));
        reads.extend(self.questions(&own, now));
        reads.extend(self.seek(&own, now));
        self.placed = placed;
        reads
    }

    /// Adds up the replies. `replies` are in the order of the requests; `last` is the previous tally.
    ///
    /// # Errors
    /// The first error among the replies that the sum cannot do without.
    pub fn tally(
        &mut self,
        reads: &[Ask],
        replies: &[Result<Reply, SampleError>],
        workers: &Workers,
        last: Option<&Tally>,
        now: Now,
    ) -> Result<Tally, SampleError> {
        let (mut reads, mut replies) = (reads, replies);
        if !reads.is_empty() && reads.first() == self.separators().as_ref() {
            self.find_separator(replies.first());
            (reads, replies) = (reads.get(1..).unwrap_or_default(), replies.get(1..).unwrap_or_default());
        }
        let config = self.known();
        self.placed.renew(workers, &config.target, &self.roster.pods);
        let own = Own::among(workers, (&config.target, &config.queues), &self.placed, now.moment);
        let control = control(reads, replies, last);
        if control != Control::Works {
            self.failed_at = Some(now.moment);
        }
        let before = rabbitmq::Last {
            refused: matches!(control, Control::Refused { .. }),
            ..self.last(last)
        };
        let mut tally = match config.broker {
            BrokerKind::Redis { .. } => super::redis::tally(&config, reads, replies, &own, now),
            BrokerKind::RabbitMq { .. } => rabbitmq::tally(&config, reads, replies, &own, before, now),
        }?;
        if let Some(exchanges) = super::redis::exchanges(reads, replies) {
            self.found.exchanges = exchanges;
        }
        tally.drain = match &control {
            Control::Refused { .. } => DrainSupport::ReportsOnly,
            _ => DrainSupport::StopFetching,
        };
        tally.control = control;
        tally.mismatch = own.application().and_then(|application| config.uncounted(&application));
        tally.hearing = workers.hearing(&self.config.listen());
        if self.roster.ready as usize > own.pods_heard() {
            tally.strangers = own.strangers(&config.target, &config.queues);
        }
        for (name, pod_intent) in &self.intents {
            let came = self.came.get(name).copied().unwrap_or(now.moment);
            if let Some(pod) = tally.pods.get_mut(name) {
                pod.report = own.told(name, pod_intent, came);
                let since = own.steady_since(name).map_or(came, |steady| steady.max(came));
                let waited = |since: Moment| now.moment.saturating_sub(since) > DEAF;
                let told = pod.report.as_ref().map_or(since, |told| told.asked.max(since));
                let answered = own.answered(name).is_some_and(|at| !waited(at));
                // A worker that could not be asked has not failed to answer.
                let asked = self.failed_at.is_none_or(waited);
                let unanswered = pod.fresh && asked && waited(told);
                // A worker that ever answered takes questions.
                let never = own.never_answered(name);
                (pod.unresponsive, pod.partly) = (unanswered && never, unanswered && answered);
            }
        }
        Ok(tally)
    }

    /// Sets the pods of the target.
    pub fn roster(&mut self, roster: Roster) {
        self.roster = roster;
    }

    /// Counts these queues from now on.
    pub fn queues(&mut self, queues: Vec<String>) {
        self.config.queues = queues;
    }

    /// Sets the pods that need attention, and no others.
    pub fn attend(&mut self, intents: PodIntents, now: Moment) {
        let came = |(pod, pod_intent): (&String, &PodIntent)| {
            let same = self
                .intents
                .get(pod)
                .is_some_and(|before| before.since == pod_intent.since);
            let came = self.came.get(pod).filter(|_| same);
            (pod.clone(), came.copied().unwrap_or(now))
        };
        self.came = intents.iter().map(came).collect();
        self.intents = intents;
    }
}
