//! Looking after single pods: what their workers hold is asked for, and they are told to fetch no more, or again.
//!
//! As long as a pod is to stop and its workers do not say that they have, they are told again.

use std::{collections::BTreeMap, time::Duration};

use super::workers::Worker;
use super::{CeleryConfig, asking::Asking, own::Own};
use crate::framework::celery::ask::{Ask, Inspect, Order};
use crate::model::{Intent, Moment, Now, PodIntents};

/// What is asked of a pod that is looked after. `reserved` before `active`: a task that begins between the two is in both
/// rather than in none.
const QUESTIONS: [Inspect; 3] = [Inspect::ActiveQueues, Inspect::Reserved, Inspect::Active];

/// They are asked again with the next sample.
const PACE: Duration = Duration::from_millis(400);

/// Tasks that are not due change seldom, and a worker may hold very many of them.
const SCHEDULED_PACE: Duration = Duration::from_secs(2);
/// It is asked for more tasks than this less often.
const MANY: u32 = 100;
/// So often.
const MANY_PACE: Duration = Duration::from_secs(10);

/// For so long after a pod is looked after anew everybody is asked who is there: a worker that does not beat is known by
/// its answer alone, also beside one that beats.
const SEEK: Duration = Duration::from_secs(10);
/// So often meanwhile, and as long as nobody of a pod is known.
const SEEK_PACE: Duration = Duration::from_secs(4);

/// Orders first, so that the answers to the questions tell of them. `came`: since when each pod has been looked after so.
pub(super) fn reads(
    config: &CeleryConfig,
    own: &Own,
    attention: &PodIntents,
    came: &BTreeMap<String, Moment>,
    asking: &mut Asking,
    now: Now,
) -> Vec<Ask> {
    let mut orders = BTreeMap::<Order, Vec<String>>::new();
    let mut nodes = Vec::new();
    let mut many = Vec::new();
    let mut seek = false;
    for (pod, care) in attention {
        let since = came
            .get(pod)
            .map_or(Duration::ZERO, |came| now.moment.saturating_sub(*came));
        let mut known = false;
        for (node, worker) in own.on(pod) {
            known |= worker.is_live(now.moment);
            if asking.is_due(Inspect::ActiveQueues, node, worker, PACE, now.moment) {
                for order in due(&care.stance, node, worker) {
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
    if attention.is_empty() {
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

/// What a worker is still to be told. Only its own queues: another one of its pod may fetch from others.
fn due(stance: &Intent, node: &str, worker: &Worker) -> Vec<Order> {
    let (consumers, order, wanted): (_, fn(String) -> Order, _) = match stance {
        Intent::Report => return Vec::new(),
        Intent::Cordon(consumers) => (consumers, Order::CancelConsumer, false),
        Intent::Uncordon(consumers) => (consumers, Order::AddConsumer, true),
    };
    let fetches = worker.queues.as_ref().map(|(_, queues)| queues);
    // One that has not said what it fetches from is told as well: no order does harm.
    let open = |queue: &&String| fetches.is_none_or(|queues| queues.contains(*queue) != wanted);
    let own = consumers.get(node).into_iter().flatten();
    own.filter(open).cloned().map(order).collect()
}

#[cfg(test)]
mod tests;
