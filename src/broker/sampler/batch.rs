//! One step of a tick: what the pools ask, each question once, and how each goes on.

use std::{collections::BTreeMap, sync::Arc};

use super::{Endpoint, Sampler};
use crate::model::{Now, PoolId, Query, Reply, SampleError, Step, Tally};

/// The questions of one step, each asked once, whoever asks it.
#[derive(Default)]
pub(super) struct StepBatch {
    queries: Vec<Query>,
    /// Where each of them stands.
    places: BTreeMap<Query, usize>,
    shares: Vec<PoolQueries>,
}

/// One pool's share of a batch.
struct PoolQueries {
    id: PoolId,
    /// The pool's queries in its own order.
    queries: Vec<Query>,
    /// For each of them its place in the batch.
    places: Vec<usize>,
}

/// A pool's count.
pub(super) type PoolCount = (PoolId, Result<Arc<Tally>, SampleError>);

impl StepBatch {
    /// What the endpoint is asked.
    pub(super) fn queries(&self) -> &[Query] {
        &self.queries
    }

    /// Replies as long as there are none.
    pub(super) fn unanswered(&self) -> Vec<Result<Reply, SampleError>> {
        vec![Err(SampleError::Timeout); self.queries.len()]
    }

    /// Number of pools that ask.
    pub(super) fn shares(&self) -> usize {
        self.shares.len()
    }

    /// The pools that ask.
    pub(super) fn ids(&self) -> impl Iterator<Item = PoolId> {
        self.shares.iter().map(|share| share.id)
    }

    fn add(&mut self, id: PoolId, queries: Vec<Query>) {
        let place = |query: &Query| {
            *self.places.entry(query.clone()).or_insert_with(|| {
                self.queries.push(query.clone());
                self.queries.len() - 1
            })
        };
        let places = queries.iter().map(place).collect();
        self.shares.push(PoolQueries { id, queries, places });
    }
}

impl PoolQueries {
    /// The pool's own replies. An endpoint that answers too little has not understood something.
    fn replies(&self, all: &[Result<Reply, SampleError>]) -> Vec<Result<Reply, SampleError>> {
        let reply = |place: &usize| all.get(*place).cloned().unwrap_or(Err(SampleError::Protocol));
        self.places.iter().map(reply).collect()
    }
}

impl<E: Endpoint> Sampler<E> {
    /// The due pools with their first questions.
    pub(super) fn gather(&mut self, now: Now) -> StepBatch {
        let mut batch = StepBatch::default();
        for (id, pool) in self.pools.iter().filter(|(_, pool)| pool.joins(now.moment)) {
            if let Some(framework) = self.frameworks.get_mut(pool.framework) {
                batch.add(*id, framework.start(*id, now));
            }
        }
        batch
    }

    /// Hands the replies out. Whose count is done is in `results`; the batch is what the others ask next.
    pub(super) fn follow(
        &mut self,
        batch: StepBatch,
        replies: &[Result<Reply, SampleError>],
        results: &mut Vec<PoolCount>,
    ) -> StepBatch {
        let now = self.clock.now();
        let mut next = StepBatch::default();
        for share in batch.shares {
            let own = share.replies(replies);
            let Some(framework) = self.of(share.id) else { continue };
            match framework.next(share.id, share.queries, own, now) {
                Ok(Step::Ask(queries)) => next.add(share.id, queries),
                Ok(Step::Done(tally)) => results.push((share.id, Ok(tally))),
                Err(error) => results.push((share.id, Err(error))),
            }
        }
        next
    }
}
