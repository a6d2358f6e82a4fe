//! Sampler: one task per endpoint that batches the reads of the pools that are due, adds up, and slows down where a
//! sample is expensive.
//!
//! A tick is one call of [`Endpoint::sample`], however many pools are due. The endpoint spends at most
//! 1/[`REST`] of its time in samples, and a pool whose sample failed is asked again after a second at the earliest.

mod batch;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{Endpoint, Sampled, SamplerInput, random, room};
use crate::model::{Framework, Moment, Now, PoolId, SampleError, Signal, Subscription, Tally};

/// Longest duration of a sample: whatever the endpoint does, signals and inputs are taken in again.
const DEADLINE: Duration = Duration::from_secs(5);

/// Number of sample durations between two ticks, at least: 5 % of the time at most.
const REST: u32 = 20;

/// Longest pause, however long samples take: a pool must not be left without samples.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Longest time between two samples of a pool with intents: what its workers report must not be old, and intents last a
/// short time.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Number of samples in a row that show what one costs.
const FEW: usize = 5;

/// Largest number of signals taken in at once: the ticks must not wait.
const CROWD: usize = 1_000;

/// Shortest pause of a pool whose last sample failed.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Largest number of steps of a conversation with workers in one sample.
const STEPS: usize = 32;

/// A pool's sample has no more steps.
const STEPS_OF_A_SAMPLE: usize = 3;

/// For what is left to say at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Time before the process started from which moments count: what began earlier, such as a task's wait, has a moment as
/// well.
const BEFORE: Duration = Duration::from_secs(86_400);

/// Both clocks of the process. Moments count from [`Clock::start`], so all who compare moments share one clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts the clock; an earlier moment is always in the past.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Time on both clocks.
    pub fn now(&self) -> Now {
        Now {
            wall: jiff::Timestamp::now(),
            moment: BEFORE.saturating_add(self.started.elapsed()),
        }
    }

    /// Moment as the runtime's timer needs it.
    fn instant(&self, moment: Moment) -> Option<Instant> {
        self.started.checked_add(moment.saturating_sub(BEFORE))
    }
}

/// Controls one endpoint's sampler. Dropping it ends the task and with it the connection.
#[derive(Debug)]
pub struct SamplerHandle {
    wishes: mpsc::UnboundedSender<SamplerInput>,
}

impl SamplerHandle {
    /// Adds, replaces or removes a pool. A new pool is sampled at once.
    pub fn send(&self, subscription: SamplerInput) {
        // The task ends only when this handle or the receiver of the samples goes: then nobody waits for samples.
        let _ended = self.wishes.send(subscription);
    }
}

/// Starts the task that samples `endpoint` and sends every pool's samples to `out` until the handle is dropped or `out`
/// is closed. Must be called inside the runtime.
///
/// A pool's consecutive equal tallies are the same `Arc`: compare with [`Arc::ptr_eq`] to skip what has not changed.
pub fn spawn<E: Endpoint + 'static>(endpoint: E, clock: Clock, out: mpsc::Sender<Sampled>) -> SamplerHandle {
    let (wishes, subscriptions) = mpsc::unbounded_channel();
    let sampler = Sampler::new(endpoint, clock, out, room::Share::of(&room::WORKERS));
    tokio::spawn(sampler.run(subscriptions));
    SamplerHandle { wishes }
}

/// State of the task.
struct Sampler<E> {
    endpoint: E,
    clock: Clock,
    out: mpsc::Sender<Sampled>,
    /// Frameworks of the pools, by name: what to ask and what it means.
    frameworks: BTreeMap<&'static str, Box<dyn Framework>>,
    /// Share of the memory for workers.
    room: room::Share,
    /// Whether the log has said already that they take more.
    told_full: bool,
    pools: BTreeMap<PoolId, SampledPool>,
    /// Subscriptions that the endpoint was last given.
    listening: BTreeSet<Subscription>,
    pace: Pace,
    next_tick: Option<Moment>,
}

/// Pool on this endpoint.
struct SampledPool {
    framework: &'static str,
    period: Duration,
    /// Time of the next sample; `None`: at once, for the first time.
    due: Option<Moment>,
    /// Whether some of its pods have an intent.
    attends: bool,
}

/// Pace of samples, by their cost.
#[derive(Default)]
struct Pace {
    /// Durations of the last samples.
    last: VecDeque<Duration>,
    /// Earliest time of the next scheduled tick.
    not_before: Moment,
    /// Earliest time of the next tick for a pool that waits for answers.
    not_before_answers: Moment,
}

impl Pace {
    /// Takes in one sample's duration. The shortest of a few in a row counts: neither the first one, which connects,
    /// nor slow answers now and then may silence an endpoint, nor the waits of this process for a busy processor, which
    /// cost the broker nothing.
    fn took(&mut self, started: Moment, duration: Duration) {
        self.last.push_back(duration);
        if self.last.len() > FEW {
            self.last.pop_front();
        }
        let cost = match self.last.len() {
            1 => Duration::ZERO,
            _ => self.last.iter().min().copied().unwrap_or_default(),
        };
        let rest = cost.saturating_mul(REST);
        self.not_before = started.saturating_add(rest.min(LONGEST_REST));
        self.not_before_answers = started.saturating_add(rest.min(LONGEST_WAIT));
    }
}

impl SampledPool {
    /// Whether the pool is due now, or soon enough to join the batch: within a quarter of its period.
    fn joins(&self, now: Moment) -> bool {
        self.due.is_none_or(|due| due <= now.saturating_add(self.period / 4))
    }

    /// Records that the pool was sampled.
    fn sampled(&mut self, result: &Result<Arc<Tally>, SampleError>, started: Moment) {
        let pause = match result {
            Ok(_) => self.period,
            Err(_) => self.period.max(AFTER_ERROR),
        };
        self.due = Some(started.saturating_add(pause));
    }
}

impl<E: Endpoint> Sampler<E> {
    /// Sampler without pools.
    fn new(endpoint: E, clock: Clock, out: mpsc::Sender<Sampled>, room: room::Share) -> Self {
        Self {
            endpoint,
            clock,
            out,
            frameworks: BTreeMap::new(),
            room,
            told_full: false,
            pools: BTreeMap::new(),
            listening: BTreeSet::new(),
            pace: Pace::default(),
            next_tick: None,
        }
    }

    /// Runs until the samples are no longer wanted, for whichever reason.
    async fn run(mut self, subscriptions: mpsc::UnboundedReceiver<SamplerInput>) {
        self.serve(subscriptions).await;
        self.farewell().await;
    }

    async fn serve(&mut self, mut subscriptions: mpsc::UnboundedReceiver<SamplerInput>) {
        loop {
            let tick = self.next_tick.and_then(|moment| self.clock.instant(moment));
            tokio::select! {
                subscription = subscriptions.recv() => {
                    let Some(subscription) = subscription else { return };
                    let mut elsewhere = self.subscribe(subscription);
                    // A burst of pools (a restart) becomes one batch.
                    while let Ok(subscription) = subscriptions.try_recv() {
                        elsewhere |= self.subscribe(subscription);
                    }
                    if elsewhere {
                        self.listen();
                    }
                    self.plan();
                }
                () = at(tick) => {
                    if self.tick().await.is_err() {
                        return;
                    }
                    self.plan();
                }
                signal = self.endpoint.next_signal() => self.hear(signal),
                () = self.out.closed() => return,
            }
        }
    }

    /// Takes in a signal, and those that came with it: they come in large numbers, and each turn of the loop sets its
    /// timer anew.
    fn hear(&mut self, first: Signal) {
        let moment = self.clock.now().moment;
        self.allow();
        let mut next = Some(first);
        for _ in 0..CROWD {
            let Some(signal) = next else { break };
            if let Some(framework) = self.frameworks.get_mut(signal.framework()) {
                framework.hear(signal, moment);
            }
            next = self.endpoint.next_signal().now_or_never();
        }
        self.hold();
    }

    /// Tells the frameworks how much they may remember of workers.
    fn allow(&mut self) {
        let most = self.room.most() / self.frameworks.len().max(1);
        self.frameworks.values_mut().for_each(|framework| framework.allow(most));
    }

    /// Records how much they remember.
    fn hold(&mut self) {
        let (mut bytes, mut full) = (0, false);
        for held in self.frameworks.values_mut().map(|framework| framework.held()) {
            bytes += held.0;
            full |= held.1;
        }
        self.room.hold(bytes);
        if full && !std::mem::replace(&mut self.told_full, true) {
            tracing::warn!(
                bytes,
                "more workers make themselves known on a broker than are remembered: the others are not heard"
            );
        }
    }

    /// Takes in an input. Returns whether subscriptions may have changed.
    fn subscribe(&mut self, subscription: SamplerInput) -> bool {
        match subscription {
            SamplerInput::Add {
                id,
                application,
                period,
            } => {
                let name = application.framework();
                let pool = SampledPool {
                    framework: name,
                    period,
                    due: None,
                    attends: false,
                };
                let before = self.pools.insert(id, pool);
                if let Some(other) = before.as_ref().filter(|before| before.framework != name) {
                    self.remove(id, other.framework);
                }
                let framework = self
                    .frameworks
                    .entry(name)
                    .or_insert_with(|| application.make([random(), random()]));
                let listens = framework.add(id, application);
                before.is_some() || listens.is_some_and(|listens| !self.listening.contains(&listens))
            }
            SamplerInput::Intend { id, intents } => {
                let now = self.clock.now().moment;
                if let Some(pool) = self.pools.get_mut(&id) {
                    pool.attends = !intents.is_empty();
                    // At once: somebody waits for it.
                    pool.due = None;
                    if let Some(framework) = self.frameworks.get_mut(pool.framework) {
                        framework.intend(id, intents, now);
                    }
                }
                false
            }
            SamplerInput::Queues { id, queues } => {
                if let Some(pool) = self.pools.get_mut(&id) {
                    pool.due = None;
                }
                if let Some(framework) = self.of(id) {
                    framework.queues(id, queues);
                }
                false
            }
            SamplerInput::Roster { id, roster } => {
                if let Some(framework) = self.of(id) {
                    framework.roster(id, roster);
                }
                false
            }
            SamplerInput::Remove { id } => {
                let removed = self.pools.remove(&id);
                if let Some(pool) = &removed {
                    self.remove(id, pool.framework);
                }
                removed.is_some()
            }
        }
    }

    /// Framework of a pool.
    fn of(&mut self, id: PoolId) -> Option<&mut Box<dyn Framework>> {
        self.frameworks.get_mut(self.pools.get(&id)?.framework)
    }

    /// Removes a pool from its framework.
    fn remove(&mut self, id: PoolId, framework: &'static str) {
        if let Some(framework) = self.frameworks.get_mut(framework) {
            framework.remove(id);
        }
    }

    /// Lets the frameworks send and ask workers, step by step.
    async fn converse(&mut self) {
        for framework in self.frameworks.values_mut() {
            let mut replies = Vec::new();
            for _ in 0..STEPS {
                let now = self.clock.now();
                let reads = framework.converse(replies, self.endpoint.connection(), now);
                if reads.is_empty() {
                    break;
                }
                replies = self.endpoint.sample(&reads, now.moment).await;
            }
            for note in framework.notes() {
                tracing::info!("{note}");
            }
        }
    }

    /// Tells the frameworks how it stands with what they listen to.
    fn overhear(&mut self) {
        for listen in &self.listening {
            let hearing = self.endpoint.hearing(listen);
            for framework in self.frameworks.values_mut() {
                framework.hearing(listen, &hearing);
            }
        }
    }

    /// Takes back what would be written to us for ever.
    async fn farewell(&mut self) {
        let frameworks = self.frameworks.values_mut();
        let reads: Vec<_> = frameworks.flat_map(|framework| framework.farewell()).collect();
        if !reads.is_empty() {
            let moment = self.clock.now().moment;
            // As well as that can still be done.
            let _said = timeout(FAREWELL, self.endpoint.sample(&reads, moment)).await;
        }
    }

    /// Gives the endpoint its subscriptions, if they changed.
    fn listen(&mut self) {
        let wanted: BTreeSet<Subscription> = self
            .frameworks
            .values_mut()
            .flat_map(|framework| framework.subscriptions())
            .collect();
        if wanted != self.listening {
            self.endpoint.listen(wanted.iter().cloned().collect());
            self.listening = wanted;
        }
    }

    /// Sets the next tick: at once for a pool that was never sampled, else when the first is due and the pace allows.
    fn plan(&mut self) {
        self.next_tick = self
            .pools
            .values()
            .map(|pool| {
                let not_before = match pool.attends {
                    true => self.pace.not_before_answers,
                    false => self.pace.not_before,
                };
                pool.due.map_or(Moment::ZERO, |due| due.max(not_before))
            })
            .min();
    }

    /// Samples the due pools in one batch.
    ///
    /// # Errors
    /// The receiver of the samples is gone.
    async fn tick(&mut self) -> Result<(), mpsc::error::SendError<Sampled>> {
        let started = self.clock.now();
        self.allow();
        self.frameworks
            .values_mut()
            .for_each(|framework| framework.prune(started.moment));
        self.hold();
        let mut batch = self.gather(started);
        let mut results = Vec::with_capacity(batch.shares());
        let mut answered = false;
        for step in 0..STEPS_OF_A_SAMPLE {
            let left = DEADLINE.saturating_sub(self.clock.now().moment.saturating_sub(started.moment));
            let mut replies = batch.unanswered();
            let sampling = async {
                replies = self.endpoint.sample(batch.queries(), started.moment).await;
                if step == 0 {
                    self.converse().await;
                }
            };
            // What was counted in time is counted, whatever happens to the rest.
            let _in_time = timeout(left, sampling).await;
            if step == 0 {
                self.overhear();
            }
            answered |= replies.iter().any(Result::is_ok);
            batch = self.follow(batch, &replies, &mut results);
            if batch.shares() == 0 {
                break;
            }
        }
        results.extend(batch.ids().map(|id| (id, Err(SampleError::Timeout))));
        let took = self.clock.now().moment.saturating_sub(started.moment);
        // A failure says nothing about what a sample costs the broker; it waits for its own reason.
        if answered {
            self.pace.took(started.moment, took);
        }
        for (id, result) in results {
            let Some(pool) = self.pools.get_mut(&id) else {
                continue;
            };
            pool.sampled(&result, started.moment);
            let at = started.moment;
            let rest = self.pace.not_before.saturating_sub(at.saturating_add(pool.period));
            let sampled = Sampled {
                id,
                result,
                at,
                took,
                rest,
            };
            self.out.send(sampled).await?;
        }
        Ok(())
    }
}

/// Waits until then, or for ever.
async fn at(tick: Option<Instant>) {
    match tick {
        Some(tick) => sleep_until(tick).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
