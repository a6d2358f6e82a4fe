use std::collections::BTreeSet;

use super::{
    super::{
        BrokerKind,
        tests::{EVERY, MAIL, config, nobody, node, now, workers},
    },
    *,
};
use crate::framework::celery::Workers;
use crate::model::{Consumers, Moment, PodIntent};

const PODS: [&str; 3] = ["mail-6d5f7c9b8-aaaa0", "mail-6d5f7c9b8-aaaa1", "mail-6d5f7c9b8-aaaa2"];

fn queues(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The worker of each of the pods fetches from these.
fn each(names: &[&str]) -> Consumers {
    (0..3).map(|of| (node(of), queues(names))).collect()
}

fn pod_intent(intent: Intent) -> PodIntent {
    PodIntent {
        intent,
        since: Moment::ZERO,
    }
}

/// What the pool `mail` asks and tells of these workers: orders with their nodes, and the nodes that are asked.
fn said(workers: &Workers, intents: &[(&str, Intent)]) -> (Vec<(Order, Vec<String>)>, Vec<String>) {
    let config = config(BrokerKind::Redis { db: 0 }, &["celery"]);
    let own = Own::among(workers, (&config.target, &config.queues), nobody(), now().moment);
    let intents = intents
        .iter()
        .map(|(pod, intent)| ((*pod).to_owned(), pod_intent(intent.clone())));
    let (mut orders, mut asked, mut methods) = (Vec::new(), Vec::new(), Vec::new());
    let (intents, mut asking) = (intents.collect(), Asking::default());
    for read in reads(&config, &own, &intents, &BTreeMap::new(), &mut asking, now()) {
        match read {
            Ask::Tell { order, mailbox } => {
                assert!(methods.is_empty(), "orders come before the questions");
                orders.push((order, mailbox.nodes));
            }
            // Everybody is asked who is there.
            Ask::Inspect {
                method: Inspect::Ping, ..
            } => {}
            Ask::Inspect { method, mailbox } => {
                methods.push(method);
                asked = mailbox.nodes;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        methods.is_empty()
            || methods[0] == Inspect::Scheduled
                && methods[1..] == [Inspect::ActiveQueues, Inspect::Reserved, Inspect::Active],
        "{methods:?}"
    );
    (orders, asked)
}

fn cancel(queue: &str) -> Order {
    Order::CancelConsumer(queue.to_owned())
}

fn add(queue: &str) -> Order {
    Order::AddConsumer(queue.to_owned())
}

#[test]
fn a_watched_pod_is_asked_and_told_nothing() {
    let workers = workers(&[1, 0]);
    assert_eq!(said(&workers, &[]), (vec![], vec![]));
    assert_eq!(said(&workers, &[(PODS[1], Intent::Report)]), (vec![], vec![node(1)]));
    // A pod that nobody hears cannot be asked.
    assert_eq!(said(&workers, &[(PODS[2], Intent::Report)]), (vec![], vec![]));
    assert_eq!(
        said(&workers, &[("mail-x-6d5f7c9b8-aaaa0", Intent::Report)]),
        (vec![], vec![])
    );
}

#[test]
fn a_stop_is_repeated_until_each_queue_is_seen_to_be_left() {
    let mut workers = workers(&[0, 0, 0]);
    workers.told_queues(&node(1), &queues(&["celery", "other"]), now().moment, now().moment);
    workers.told_queues(&node(2), &queues(&[]), now().moment, now().moment);
    let stop = Intent::Cordon(each(&["celery", "bulk"]));
    let all = PODS.map(|pod| (pod, stop.clone()));
    // The first has not said from which queues it fetches, the last from none.
    let told = vec![
        (cancel("bulk"), vec![node(0)]),
        (cancel("celery"), vec![node(0), node(1)]),
    ];
    for _ in 0..2 {
        assert_eq!(said(&workers, &all), (told.clone(), vec![node(0), node(1), node(2)]));
    }
    workers.told_queues(&node(0), &queues(&["bulk"]), now().moment, now().moment);
    workers.told_queues(&node(1), &queues(&["other"]), now().moment, now().moment);
    let (orders, asked) = said(&workers, &all);
    assert_eq!(orders, [(cancel("bulk"), vec![node(0)])]);
    assert_eq!(asked.len(), 3, "the answers are still wanted");
    // It comes back fetching.
    workers.told_queues(&node(2), &queues(&["celery"]), now().moment, now().moment);
    assert!(said(&workers, &all).0.contains(&(cancel("celery"), vec![node(2)])));
}

#[test]
fn a_pod_that_is_to_fetch_again_is_told_until_it_does() {
    let mut workers = workers(&[0, 0]);
    workers.told_queues(&node(1), &queues(&["celery"]), now().moment, now().moment);
    let resume = Intent::Uncordon(each(&["bulk", "celery"]));
    let all = [(PODS[0], resume.clone()), (PODS[1], resume)];
    let both = vec![node(0), node(1)];
    let told = vec![(add("bulk"), both.clone()), (add("celery"), vec![node(0)])];
    assert_eq!(said(&workers, &all), (told, both.clone()));
    for node in &both {
        workers.told_queues(node, &queues(&["bulk", "celery"]), now().moment, now().moment);
    }
    assert_eq!(said(&workers, &all), (vec![], both));
}

#[test]
fn all_nodes_of_a_pod_are_told_and_each_its_own_queues() {
    let mut workers = workers(&[0, 0]);
    let second = format!("second@{MAIL}aaaa0");
    workers.heard(&second, 0, 7, EVERY, now().moment);
    let of_first: Consumers = [(node(0), queues(&["celery"])), (second.clone(), queues(&["bulk"]))].into();
    let intents = [
        (PODS[0], Intent::Cordon(of_first.clone())),
        (PODS[1], Intent::Uncordon(each(&["celery"]))),
    ];
    let (orders, asked) = said(&workers, &intents);
    let told = [
        (cancel("bulk"), vec![second.clone()]),
        (cancel("celery"), vec![node(0)]),
        (add("celery"), vec![node(1)]),
    ];
    assert_eq!(orders, told);
    assert_eq!(asked, [node(0), second.clone(), node(1)]);
    let (orders, _) = said(&workers, &[(PODS[0], Intent::Uncordon(of_first))]);
    assert_eq!(orders, [(add("bulk"), vec![second]), (add("celery"), vec![node(0)])]);
}
