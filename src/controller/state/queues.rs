//! Queues that the pool counts, where its workers name them (`queuesFrom: Workers`).

use std::time::Duration;

use super::{BrokerLink, Cx, PoolState};
use crate::{
    broker::SamplerInput,
    controller::{
        effect::{Note, PoolEffect},
        learned::{LearnedQueues, is_complete},
        pool::{Pool, Problem},
    },
    kube::Target,
    model::Tally,
};

/// Longest time until the next check.
const LONGEST: Duration = Duration::from_secs(60);

impl PoolState {
    /// Names of the queues to count.
    pub fn queues(&self, pool: &Pool) -> Vec<String> {
        match pool.app.told {
            true => self.learned.names().iter().cloned().collect(),
            false => pool.app.queues.clone(),
        }
    }

    /// Whether this count has no queue in it, because no worker has named one yet.
    pub fn counts_nothing(pool: &Pool, tally: &Tally) -> bool {
        pool.app.told && tally.queues.is_empty()
    }

    /// Learns from the latest count which queues the workers fetch from, and has the sampler count those. Returns the
    /// time until the next check.
    pub(super) fn learn_queues(&mut self, pool: &Pool, target: &Target, cx: &mut Cx) -> Duration {
        let Some((tally, at)) = self.samples.last.clone().filter(|_| pool.app.told) else {
            return LONGEST;
        };
        let now = cx.now.moment;
        let fresh = now.saturating_sub(at.moment) <= self.fresh_for(pool);
        let intents = Some(&self.drain.intents).filter(|_| !self.drain.left);
        let complete = fresh && is_complete(&tally, intents, target);
        if self.learned.learn(&tally, complete, now) {
            let queues = self.queues(pool);
            self.note(Note::QueuesLearned(queues.len()), cx);
            if let BrokerLink::Linked(address) = &self.link {
                cx.ask(PoolEffect::Tell {
                    address: address.clone(),
                    subscription: SamplerInput::Queues { id: self.id, queues },
                });
            }
        }
        self.learned.settles_in(now).unwrap_or(LONGEST)
    }

    /// Takes in another spec, as far as it says whose queues are counted: those of other workers are forgotten. A pool
    /// that has just left the names to its workers begins with those that it counted before.
    pub(super) fn other_workers(&mut self, new: &Result<Pool, Problem>) {
        let (Ok(old), Ok(new)) = (&self.pool, new) else { return };
        let same = old.target == new.target && old.app.framework == new.app.framework;
        self.learned = match (same && new.app.told, old.app.told) {
            (true, true) => return,
            (true, false) => LearnedQueues::remembered(self.stored.as_ref()),
            (false, _) => LearnedQueues::default(),
        };
    }
}

#[cfg(test)]
mod tests;
