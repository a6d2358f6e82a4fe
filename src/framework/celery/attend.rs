//! Attention to single pods: their workers are asked what they hold, and told to stop fetching, or to fetch again.
//!
//! While a pod is to stop and its workers do not say that they have, the command is repeated.

use std::{collections::BTreeMap, time::Duration};

use super::workers::Worker;
use super::{CeleryConfig, asking::Asking, own::Own};
use crate::framework::celery::ask::{Ask, Inspect, Order};
use crate::model::{Intent, Moment, Now, PodIntents};

/// Questions to a pod that needs attention. `reserved` before `active`: a task that starts between the two is counted
/// in both rather than in none.
const QUESTIONS: [Inspect; 3] = [Inspect::ActiveQueues, Inspect::Reserved, Inspect::Active];

/// Pace of the questions: with each sample.
const PACE: Duration = Duration::from_millis(400);

/// Pace of the question for tasks that are not due: those change seldom, and a worker may hold very many.
const SCHEDULED_PACE: Duration = Duration::from_secs(2);
/// Number of tasks of a worker above which that question is asked less often.
const MANY: u32 = 100;
/// Pace of the question for such a worker.
const MANY_PACE: Duration = Duration::from_secs(10);

/// Time after a new intent for a pod during which all workers are asked for their presence: a worker without heartbeats
/// is known only by its answer, also beside one that has them.
const SEEK: Duration = Duration::from_secs(10);
/// Pace of that question, which is also asked while no worker of a pod is known.
const SEEK_PACE: Duration = Duration::from_secs(4);

/// Commands first, so that the answers to the questions reflect them. `came`: time from which each pod has had its
/// intent.
pub(super) fn reads(
    config: &CeleryConfig,
    own: &Own,
    intents: &PodIntents,
    came: &BTreeMap<String, Moment>,
    asking: &mut Asking,
    now: Now,
) -> Vec<Ask> {
    let mut orders = BTreeMap::<Order, Vec<String>>::new();
    let mut nodes = Vec::new();
    let mut many = Vec::new();
    let mut seek = false;
    for (pod, pod_intent) in intents {
        let since = came
            .get(pod)
            .map_or(Duration::ZERO, |came| now.moment.saturating_sub(*came));
        let mut known = false;
        for (node, worker) in own.on(pod) {
            known |= worker.is_live(now.moment);
            if asking.is_due(Inspect::ActiveQueues, node, worker, PACE, now.moment) {
                for order in due(&pod_intent.intent, node, worker) {
                    orders.entry(order).or_default().push(node.to_owned());
                }
            }
            let holds_many = worker
                .inspections
                .get(&Inspect::Scheduled)
                .is_some_and(|(_, told)| told.tasks > MANY);
            if holds_many && since > SEEK {
                &mut many
            } else {
                &mut nodes
            }
            .push((node, worker));
        }
        seek |= !known || since <= SEEK;
    }
    if intents.is_empty() {
        return Vec::new();
    }
    let mut reads: Vec<_> = orders
        .into_iter()
        .map(|(order, nodes)| Ask::Tell {
            order,
            mailbox: config.mailbox(nodes),
        })
        .collect();
    if seek {
        reads.extend(asking.ping(config, SEEK_PACE, now));
    }
    let scheduled = [(&nodes, SCHEDULED_PACE), (&many, MANY_PACE)];
    for (nodes, pace) in scheduled {
        reads.extend(asking.ask(config, Inspect::Scheduled, nodes, pace, now));
    }
    nodes.extend(many);
    for method in QUESTIONS {
        reads.extend(asking.ask(config, method, &nodes, PACE, now));
    }
    reads
}

/// Commands that a worker still needs. Only for its own queues: another worker of its pod may fetch from others.
fn due(intent: &Intent, node: &str, worker: &Worker) -> Vec<Order> {
    let (consumers, order, wanted): (_, fn(String) -> Order, _) = match intent {
        Intent::Report => return Vec::new(),
        Intent::Cordon(consumers) => (consumers, Order::CancelConsumer, false),
        Intent::Uncordon(consumers) => (consumers, Order::AddConsumer, true),
    };
    let fetches = worker.queues.as_ref().map(|(_, queues)| queues);
    // A worker that has not said what it fetches from gets the command as well: it does no harm.
    let open = |queue: &&String| fetches.is_none_or(|queues| queues.contains(*queue) != wanted);
    let own = consumers.get(node).into_iter().flatten();
    own.filter(open).cloned().map(order).collect()
}

#[cfg(test)]
mod tests;
