//! Source of a pool's broker address: its references are read, and read again while it works, because their content may
//! change; another address is another source.

use std::{sync::Arc, time::Duration};

use super::{BrokerLink, Cx, FIRST, MOST, PoolState, RosterState, Samples, held, remembered, scattered, spread};
use crate::{
    broker::{Address, PoolId, Sampled, SamplerInput},
    controller::{
        effect::{Note, PoolEffect},
        pool::{Pool, Problem},
        status::BrokerAddress,
        validate,
        vanished::Vanished,
    },
    model::{Control, Moment, Now, SampleError, Tally},
    scaling::Memory,
    telemetry::PoolEvent,
};

/// Time within which references are read again.
const READ_AGAIN: Duration = Duration::from_secs(55);
/// Number of samples in a row without a connection after which the next address is tried.
const PATIENCE: u32 = 2;
/// Time without any worker heard at another address than the first, after which the first is tried again.
const UNHEARD: Duration = Duration::from_secs(300);
/// Time for which the first sample of a broker is awaited.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Age of references above which they are read again before replicas go down.
const OLD: Duration = Duration::from_secs(5);

impl PoolState {
    /// Reads the pool's references, unless they are being read or were a short while ago.
    fn resolve(&mut self, cx: &mut Cx) {
        let now = cx.now.moment;
        let Ok(pool) = &self.pool else { return };
        if self.tasks.resolving.is_some() || now < self.tasks.resolve_not_before {
            return;
        }
        let pool = Box::new(pool.clone());
        if self.link == BrokerLink::None && self.samples.since == Moment::ZERO {
            self.samples.since = now;
        }
        let asked = self.next_question();
        self.tasks.resolving = Some(asked);
        self.tasks.read_again_at = next_turn(now, self.id);
        cx.ask(PoolEffect::Resolve {
            asked,
            namespace: self.identity.key.namespace.clone(),
            pool,
        });
    }

    /// Starts the pool's samples, or stops them while it is suspended. Returns the time until the next check.
    pub(super) fn connect(&mut self, pool: &Pool, cx: &mut Cx) -> Duration {
        match (&self.link, pool.policy.suspended) {
            (BrokerLink::None | BrokerLink::Failed(_), false) => {
                let wait = self.tasks.resolve_not_before.saturating_sub(cx.now.moment);
                self.resolve(cx);
                match self.tasks.resolving.is_some() {
                    // Once it has waited for long enough, the pool goes on without.
                    true if self.is_awaited(cx.now.moment) => FIRST_WORD,
                    true => READ_AGAIN,
                    false => wait,
                }
            }
            (BrokerLink::Linked(_), true) => {
                self.unlink(cx);
                READ_AGAIN
            }
            (BrokerLink::Linked(_), false) => self.read_again(pool, cx),
            _ => READ_AGAIN,
        }
        .max(Duration::from_millis(100))
    }

    /// Reads the references of a working pool again when it is time. Returns the time until the next check.
    fn read_again(&mut self, pool: &Pool, cx: &mut Cx) -> Duration {
        let tasks = &self.tasks;
        if !pool.source.refers() || tasks.resolving.is_some() {
            return READ_AGAIN;
        }
        let wait = tasks
            .read_again_at
            .max(tasks.resolve_not_before)
            .saturating_sub(cx.now.moment);
        if wait.is_zero() {
            self.resolve(cx);
            return READ_AGAIN;
        }
        wait
    }

    /// Whether the references were read too long ago to trust that an empty queue is the application's: they are read
    /// now.
    pub(super) fn references_are_old(&mut self, pool: &Pool, cx: &mut Cx) -> bool {
        let old = pool.source.refers() && cx.now.moment.saturating_sub(self.tasks.read_at) > OLD;
        if old {
            self.resolve(cx);
        }
        old
    }

    /// Takes in that the target's template changed, perhaps because of something that its pods read: the references are
    /// read again at once. And the new pods may end by themselves.
    pub(super) fn template_changed(&mut self) {
        self.tasks.read_again_at = Moment::ZERO;
        self.drain.overstayed = None;
    }

    pub(super) fn resolved(&mut self, result: Result<Vec<Arc<Address>>, Problem>, cx: &mut Cx) {
        let now = cx.now.moment;
        let tasks = &mut self.tasks;
        tasks.resolving = None;
        tasks.read_at = now;
        tasks.resolve_not_before = now + scattered(tasks.resolve_backoff.failed(FIRST, MOST), self.id);
        match (result, self.pool.clone()) {
            // An address that is in use is not given up because its Secret has gone or cannot be read just now.
            (Err(problem), _) if !matches!(self.link, BrokerLink::Linked(_)) => self.link = BrokerLink::Failed(problem),
            (Ok(addresses), Ok(pool)) => {
                let known = matches!(&self.link, BrokerLink::Linked(address) if addresses.contains(address));
                if let Some(first) = addresses.first().filter(|_| !known) {
                    self.relink(&pool, first.clone(), cx);
                }
                self.addresses = addresses;
            }
            _ => {}
        }
    }

    /// Samples the pool at this address, and nowhere else.
    fn relink(&mut self, pool: &Pool, address: Arc<Address>, cx: &mut Cx) {
        if self.link.address().is_some_and(|old| !old.is_at(&address)) {
            self.note(Note::SourceChanged, cx);
            self.uncordon_there(pool, cx);
            if self.tasks.writing.take().is_some() {
                // The job was decided on from what is forgotten now. Whatever it has done already is found on the pods.
                cx.ask(PoolEffect::AbortScale);
                self.drain.left = true;
            }
            self.begin_anew();
        }
        self.unlink(cx);
        self.tasks.resolve_not_before = cx.now.moment + FIRST;
        self.sample_at(pool, address, cx);
    }

    /// Begins to sample at this address.
    fn sample_at(&mut self, pool: &Pool, address: Arc<Address>, cx: &mut Cx) {
        self.samples.since = cx.now.moment;
        self.samples.unreached = 0;
        cx.ask(PoolEffect::Sample {
            address: address.clone(),
            subscription: SamplerInput::Add {
                id: self.id,
                application: validate::application(pool, self.queues(pool), &address, held(self.stored.as_ref())),
                period: pool.policy.period,
            },
        });
        self.link = BrokerLink::Linked(address);
    }

    /// Stops asking the broker for this pool.
    pub(super) fn leave(&mut self, cx: &mut Cx) {
        if let BrokerLink::Linked(address) = &self.link {
            cx.ask(PoolEffect::Leave(address.clone()));
        }
        self.drain.intents.clear();
        // The next sampler has to get the roster anew.
        self.roster = RosterState::default();
        self.link = BrokerLink::None;
    }

    /// Takes in a sample. Returns whether the pool is to be reconciled.
    pub(super) fn sampled(&mut self, sampled: Sampled, cx: &mut Cx) -> bool {
        // A sample that was under way when the pool moved is of another broker.
        if self.link.address().is_none() || sampled.at < self.samples.since {
            return false;
        }
        match sampled.result {
            Ok(tally) => self.was_counted(&tally, sampled.at, sampled.rest, cx),
            Err(why) => {
                self.note(Note::SourceFailed(why), cx);
                let since = self.samples.failing.map_or(sampled.at, |(_, since)| since);
                self.samples.failing = Some((why, since));
                if may_be_credentials(why) {
                    self.resolve(cx);
                }
                self.unreached(why, cx);
                true
            }
        }
    }

    fn was_counted(&mut self, tally: &Arc<Tally>, at: Moment, rest: Duration, cx: &mut Cx) -> bool {
        self.check(tally, at, cx);
        let samples = &mut self.samples;
        let now = Now {
            wall: cx.now.wall,
            moment: at,
        };
        if let Control::Refused { right } = &tally.control {
            self.drain.refused = Some((at, right.clone()));
        }
        let is_new = samples
            .last
            .as_ref()
            .is_none_or(|(last, _)| last.degraded != tally.degraded);
        let same = samples.failing.is_none() && samples.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, tally));
        samples.before = samples.last.as_ref().map(|(_, at)| at.moment);
        samples.last = Some((tally.clone(), now));
        samples.rest = rest;
        samples.failing = None;
        self.tasks.resolve_backoff.succeeded();
        if !same && self.tasks.writing.is_some() {
            cx.ask(PoolEffect::Counted(tally.clone()));
        }
        // It was counted all the same, so no failure would have the references read.
        if is_new && tally.degraded == Some(SampleError::ManagementAuthentication) {
            self.resolve(cx);
        }
        self.prefer_the_first(tally.workers_heard, cx);
        // An unchanged pool costs only this comparison; what time alone changes is left to the wake-up.
        !same
    }

    /// Takes in that the broker in use was counted. If it is another one than before, the memory starts over.
    fn check(&mut self, tally: &Tally, at: Moment, cx: &mut Cx) {
        let address = self.link.address().cloned();
        self.samples.unreached = 0;
        let before = std::mem::replace(&mut self.samples.counted_at, address);
        let same = self.samples.counted_at.as_ref().zip(before.as_ref());
        if same.is_some_and(|(new, old)| !new.is_at(old)) {
            self.begin_anew();
            self.samples.last = None;
        }
        let ready = self.target().and_then(|key| Some(cx.shared.targets.get(&key)?.ready));
        if let Some(tasks) = ready.and_then(|ready| self.vanished.look(tally, ready, at)) {
            self.note(Note::TasksVanished(tasks), cx);
            self.publish([PoolEvent::TasksVanished { tasks }], cx);
        }
    }

    /// Takes in a failed sample. If the URL names several addresses, the next one is tried, as Celery does: in order,
    /// and round again. The last count stays, with its age, until one of them answers.
    fn unreached(&mut self, why: SampleError, cx: &mut Cx) {
        if !why.is_of_the_connection() {
            return;
        }
        self.samples.unreached += 1;
        let current = self.link.address();
        let place = self.addresses.iter().position(|one| Some(one) == current);
        let of = self.addresses.len();
        if let Some(place) = place.filter(|_| self.samples.unreached >= PATIENCE && of > 1) {
            let next = (place + 1) % of;
            self.note(
                Note::NextAddress {
                    why,
                    next: next + 1,
                    of,
                },
                cx,
            );
            self.go_to(next, cx);
        }
    }

    /// Tries the first address again if no worker has been heard for long at another one: an application begins with
    /// the first.
    fn prefer_the_first(&mut self, heard: bool, cx: &mut Cx) {
        let first = self.addresses.first();
        let elsewhere = first.is_some()
            && first != self.link.address()
            && cx.now.moment.saturating_sub(self.samples.since) > UNHEARD;
        if elsewhere && !heard {
            self.go_to(0, cx);
        }
    }

    /// Leaves the address in use for another one of the broker URL.
    fn go_to(&mut self, place: usize, cx: &mut Cx) {
        if let (Some(next), Ok(pool)) = (self.addresses.get(place).cloned(), self.pool.clone()) {
            self.uncordon_there(&pool, cx);
            self.leave(cx);
            self.sample_at(&pool, next, cx);
        }
    }

    /// Stops the samples of a pool.
    pub(super) fn unlink(&mut self, cx: &mut Cx) {
        self.leave(cx);
        self.samples = Samples::default();
        // The read under way may be of earlier references.
        self.tasks.resolving = None;
        self.tasks.resolve_not_before = Moment::ZERO;
        self.tasks.resolve_backoff.succeeded();
    }

    /// Starts over as after a restart, with what was learned: observations of other work are of no use.
    pub fn begin_anew(&mut self) {
        let learned = self.decision.take().and_then(|(_, decision)| decision.estimates);
        self.memory = match learned {
            Some(learned) => Memory::remembering(&learned),
            None => remembered(self.stored.as_ref()),
        };
        self.vanished = Vanished::default();
        if let Some(stored) = &mut self.stored {
            stored.held = None;
        }
    }

    /// Whether the first sample may come any moment. If the broker or its Secret is silent for long, or its address is
    /// not known, the pool goes on without.
    pub fn is_awaited(&self, now: Moment) -> bool {
        match self.link {
            BrokerLink::None | BrokerLink::Linked(_) => now.saturating_sub(self.samples.since) < FIRST_WORD,
            BrokerLink::Failed(_) => false,
        }
    }

    /// Address in use, by its number among all, and the management API's host and port.
    pub fn broker(&self) -> BrokerAddress {
        let BrokerLink::Linked(address) = &self.link else {
            return BrokerAddress::default();
        };
        BrokerAddress {
            number: self.addresses.iter().position(|one| one == address).unwrap_or(0) + 1,
            of: self.addresses.len(),
            management: address
                .management
                .as_ref()
                .map(|api| format!("{}:{}", api.host, api.port)),
        }
    }
}

/// Whether the Secret may hold newer credentials after this error.
fn may_be_credentials(why: SampleError) -> bool {
    !why.passes()
        && !matches!(
            why,
            SampleError::NotYet | SampleError::JustReconnected | SampleError::QueueUnsure
        )
}

/// Time at which the references of this pool are read again. Each pool has its own turn, so that not all read in the
/// same second, even if they began together.
fn next_turn(now: Moment, id: PoolId) -> Moment {
    let turn = READ_AGAIN.mul_f64(spread(id));
    let since = now.saturating_add(READ_AGAIN).saturating_sub(turn).as_millis() % READ_AGAIN.as_millis();
    now + READ_AGAIN.saturating_sub(Duration::from_millis(u64::try_from(since).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
