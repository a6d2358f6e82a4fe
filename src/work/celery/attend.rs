//! Looking after single pods: what their workers hold is asked for, and they are told to fetch no more, or again.
//!
//! Nothing here is remembered: as long as a pod is to stop and its workers do not say that they have, they are told again.

use std::collections::{BTreeMap, BTreeSet};

use super::{CeleryConfig, own::Own};
use crate::work::{Attention, Inspect, Order, Read, Stance, Worker};

/// What is asked of a pod that is looked after.
const QUESTIONS: [Inspect; 4] = [
    Inspect::ActiveQueues,
    Inspect::Active,
    Inspect::Reserved,
    Inspect::Scheduled,
];

/// Orders first, so that the answers to the questions tell of them.
pub(super) fn reads(config: &CeleryConfig, own: &Own, attention: &Attention) -> Vec<Read> {
    let mut orders = BTreeMap::<Order, Vec<String>>::new();
    let mut nodes = Vec::new();
    for (pod, stance) in attention {
        for (node, worker) in own.on(pod) {
            nodes.push(node.to_owned());
            for order in due(stance, worker) {
                orders.entry(order).or_default().push(node.to_owned());
            }
        }
    }
    if nodes.is_empty() {
        return Vec::new();
    }
    let tells = orders.into_iter().map(|(order, nodes)| Read::Tell {
        order,
        mailbox: config.mailbox(nodes),
    });
    let asks = QUESTIONS.map(|method| Read::Inspect {
        method,
        mailbox: config.mailbox(nodes.clone()),
    });
    tells.chain(asks).collect()
}

/// What a worker is still to be told. One that has not said what it fetches from is told as well: no order does harm.
fn due(stance: &Stance, worker: &Worker) -> Vec<Order> {
    let fetches = worker.queues.as_ref().map(|(_, queues)| queues);
    let from = |queue: &String, unknown| fetches.map_or(unknown, |queues| queues.contains(queue));
    let some = |queues: &BTreeSet<String>, order: fn(String) -> Order, wanted: bool| {
        let open = queues.iter().filter(|queue| from(queue, !wanted) != wanted);
        open.cloned().map(order).collect()
    };
    match stance {
        Stance::Watch => Vec::new(),
        Stance::Stop(queues) => some(queues, Order::CancelConsumer, false),
        Stance::Resume(queues) => some(queues, Order::AddConsumer, true),
    }
}

#[cfg(test)]
mod tests;
