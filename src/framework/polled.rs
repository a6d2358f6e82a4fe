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
    Application::new(framework, |_| Box::new(PolledPools::<P>(BTreeMap::new())), pool)
}

/// Pools of one endpoint, each with its last tally.
#[derive(Debug)]
struct PolledPools<P>(BTreeMap<PoolId, (P, Option<Arc<Tally>>)>);

impl<P: Polled> Framework for PolledPools<P> {
    fn add(&mut self, id: PoolId, application: Application) -> Option<Subscription> {
        let pool: P = application.said()?;
        self.0.insert(id, (pool, None));
        None
    }

    fn remove(&mut self, id: PoolId) {
        self.0.remove(&id);
    }

    fn roster(&mut self, id: PoolId, roster: Roster) {
        if let Some((pool, _)) = self.0.get_mut(&id) {
            pool.roster(roster);
        }
    }

    fn start(&mut self, id: PoolId, now: Now) -> Vec<Query> {
        self.0.get_mut(&id).map_or_else(Vec::new, |(pool, _)| pool.start(now))
    }

    fn next(
        &mut self,
        id: PoolId,
        queries: Vec<Query>,
        replies: Vec<Result<Reply, SampleError>>,
        now: Now,
    ) -> Result<Step, SampleError> {
        let (pool, last) = self.0.get_mut(&id).ok_or(SampleError::NotYet)?;
        let more = pool.next(queries, replies, now)?;
        Ok(match more.is_empty() {
            true => Step::Done(keep(last, pool.tally(now))),
            false => Step::Ask(more),
        })
    }
}
