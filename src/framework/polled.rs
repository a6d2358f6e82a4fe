//! Applications of which everything is read, nothing is heard, and nothing is told: the part that all such frameworks share.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use crate::model::{
    Application, Framework, Now, PoolId, Query, Reply, Roster, SampleError, Step, Subscription, Tally, keep,
};

/// Application of one pool.
pub(super) trait Polled: Debug + Send + 'static {
    /// Takes in the pods of the pool's target.
    fn roster(&mut self, roster: Roster);

    /// Counts these queues from now on. Only for frameworks whose workers say which queues they fetch from.
    fn queues(&mut self, _queues: Vec<String>) {}

    /// Sets the number of bytes that may be remembered of workers; what is remembered already stays until it is forgotten.
    fn allow(&mut self, _bytes: usize) {}

    /// Number of bytes that are remembered of workers, and whether anything was dropped for lack of room since the last
    /// call.
    fn held(&mut self) -> (usize, bool) {
        (0, false)
    }

    /// Queries of the first step of a sample.
    fn start(&mut self, now: Now) -> Vec<Query>;

    /// Takes in the replies of a step. Returns the queries of the next one; none if all was read.
    ///
    /// # Errors
    /// The first error among the replies that the count cannot do without.
    fn next(
        &mut self,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Vec<Query>, SampleError>;

    /// Adds up what was read.
    fn tally(&mut self, now: Now) -> Tally;
}

/// A pool's application, for the framework of this name.
pub(super) fn application<P: Polled>(framework: &'static str, pool: P) -> Application {
    Application::new(framework, |_| Box::new(PolledPools::<P>::default()), pool)
}

/// Pools of one endpoint, each with its last tally.
#[derive(Debug)]
struct PolledPools<P> {
    pools: BTreeMap<PoolId, (P, Option<Arc<Tally>>)>,
    /// Number of bytes that all together may remember.
    most: usize,
    /// Number of bytes that they remember.
    held: usize,
    /// Whether one of them dropped something for lack of room.
    full: bool,
}

impl<P> Default for PolledPools<P> {
    fn default() -> Self {
        Self {
            pools: BTreeMap::new(),
            most: usize::MAX,
            held: 0,
            full: false,
        }
    }
}

impl<P: Polled> Framework for PolledPools<P> {
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription> {
        let pool: P = application.said()?;
        self.remove(id);
        self.pools.insert(id, (pool, None));
        None
    }

    fn remove(&mut self, id: PoolId) {
        if let Some((mut pool, _)) = self.pools.remove(&id) {
            self.held = self.held.saturating_sub(pool.held().0);
        }
    }

    fn roster(&mut self, id: PoolId, roster: Roster) {
        if let Some((pool, _)) = self.pools.get_mut(&id) {
            pool.roster(roster);
        }
    }

    fn queues(&mut self, id: PoolId, queues: Vec<String>) {
        if let Some((pool, _)) = self.pools.get_mut(&id) {
            pool.queues(queues);
        }
    }

    fn allow(&mut self, bytes: usize) {
        self.most = bytes;
    }

    fn held(&mut self) -> (usize, bool) {
        (self.held, std::mem::take(&mut self.full))
    }

    fn start(&mut self, id: PoolId, now: Now) -> Vec<Query> {
        self.pools
            .get_mut(&id)
            .map_or_else(Vec::new, |(pool, _)| pool.start(now))
    }

    fn next(
        &mut self,
        id: PoolId,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Step, SampleError> {
        let (pool, last) = self.pools.get_mut(&id).ok_or(SampleError::NotYet)?;
        let others = self.held.saturating_sub(pool.held().0);
        pool.allow(self.most.saturating_sub(others));
        let step = pool.next(queries, replies, now).map(|more| match more.is_empty() {
            true => Step::Done(keep(last, pool.tally(now))),
            false => Step::Ask(more),
        });
        let (held, full) = pool.held();
        self.held = others.saturating_add(held);
        self.full |= full;
        step
    }
}
