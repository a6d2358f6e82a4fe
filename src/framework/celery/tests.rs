//! What several test files need, and the framework as a whole.

mod known;
mod told;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::*;
use super::{own::Own, pods::Placed};
use crate::model::{Control, Intent, Place, PodIntent, Prefetch, Work, WorkerReport, Workload, WorkloadKind};

pub(super) const MAIL: &str = "mail-6d5f7c9b8-";

/// The time of all tests: 100 s after the start of the process.
pub(super) fn now() -> Now {
    Now {
        wall: wall(0),
        moment: Duration::from_secs(100),
    }
}

/// Wall-clock time this number of seconds from now.
pub(super) fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_343_146 + seconds).unwrap()
}

/// Workers beat every 2 s.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// No pods have been listed.
pub(super) fn nobody() -> &'static Placed {
    static NOBODY: LazyLock<Placed> = LazyLock::new(Placed::default);
    &NOBODY
}

/// The node of the pool's nth worker.
pub(super) fn node(n: usize) -> String {
    format!("celery@{MAIL}aaaa{n}")
}

/// Workers of the pool `mail` that run these numbers of tasks.
pub(super) fn workers(active: &[u32]) -> Workers {
    let mut workers = Workers::default();
    for (n, active) in active.iter().enumerate() {
        workers.heard(&node(n), *active, 100 + u64::from(*active), EVERY, now().moment);
    }
    workers
}

/// The nth worker answers.
pub(super) fn answers(workers: &mut Workers, n: usize, method: Inspect, tasks: u32, acknowledged: u32) {
    let answer = Inspection {
        tasks,
        acknowledged,
        due: None,
    };
    inspected(workers, n, method, answer);
}

/// Lets the nth worker answer that it holds this number of tasks that are not due, the first of them due in these
/// seconds.
pub(super) fn schedules(workers: &mut Workers, n: usize, tasks: u32, due: Option<i64>) {
    let answer = Inspection {
        tasks,
        acknowledged: 0,
        due: due.map(wall),
    };
    inspected(workers, n, Inspect::Scheduled, answer);
}

fn inspected(workers: &mut Workers, n: usize, method: Inspect, answer: Inspection) {
    // Each answer is one to a question of its own, later than the last.
    static QUESTIONS: AtomicU64 = AtomicU64::new(0);
    let node = node(n);
    let asked = now().moment - Duration::from_secs(1) + Duration::from_nanos(QUESTIONS.fetch_add(1, Ordering::Relaxed));
    let signal = WorkerSignal::Inspected {
        node,
        method,
        answer,
        asked,
    };
    workers.take(&signal, now().moment);
}

/// Lets the first worker send heartbeats for this number of seconds.
fn beats_on(workers: &mut Workers, active: u32, seconds: u64) {
    for later in (1..=seconds).step_by(2) {
        workers.heard(&node(0), active, 102, EVERY, now().moment + Duration::from_secs(later));
    }
}

/// A pool `mail` with these queues.
pub(super) fn config(broker: BrokerKind, queues: &[&str]) -> CeleryConfig {
    CeleryConfig {
        broker,
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        target: "mail".into(),
        ..CeleryConfig::default()
    }
}

/// (ready, in flight, running, scheduled)
pub(super) fn counts(work: &Work) -> (u64, u64, u64, u64) {
    (work.ready, work.in_flight, work.running, work.scheduled)
}

#[test]
fn where_workers_are_heard() {
    let listen = |config| match CeleryPool::new(config).listen().place {
        Place::Pattern { pattern, .. } => pattern,
        Place::TopicExchange { exchange, key } => format!("{exchange} {key}"),
    };
    let redis = config(BrokerKind::Redis { db: 3 }, &["celery"]);
    assert_eq!(listen(redis.clone()), "/3.celeryev/*");
    let prefixed = CeleryConfig {
        key_prefix: "shop:".into(),
        event_exchange: "ev".into(),
        ..redis.clone()
    };
    assert_eq!(listen(prefixed), "shop:/3.ev/*");
    let exact = CeleryConfig {
        heartbeat_channel: Some("/3.celeryev/worker.*".into()),
        ..redis
    };
    assert_eq!(listen(exact), "/3.celeryev/worker.*");
    let rabbit = config(BrokerKind::RabbitMq { management: true }, &["celery"]);
    assert_eq!(listen(rabbit), "celeryev worker.#");
}

#[test]
fn only_live_workers_in_the_targets_pods_are_the_pools() {
    let mut all = workers(&[1, 0]);
    all.heard(&format!("second@{MAIL}aaaa0"), 2, 7, EVERY, now().moment);
    all.heard("celery@mail-x-6d5f7c9b8-aaaaa", 5, 5, EVERY, now().moment);
    all.heard("celery@mail", 5, 5, EVERY, now().moment);
    all.heard("celery@laptop", 5, 5, EVERY, now().moment);
    all.heard(
        &node(9),
        5,
        5,
        EVERY,
        now().moment.saturating_sub(Duration::from_secs(13)),
    );
    // Of what they took on only what was seen counts.
    all.heard(&node(0), 1, 104, EVERY, now().moment);
    let own = Own::among(&all, (&"mail".into(), &[]), nobody(), now().moment);
    let tally = own.tally(Work::default());
    let busy: Vec<_> = tally.pods.iter().map(|(pod, work)| (&**pod, work.running)).collect();
    // The last one fell silent: whether it is gone or busy is not known.
    let known = [
        ("mail-6d5f7c9b8-aaaa0", 3),
        ("mail-6d5f7c9b8-aaaa1", 0),
        ("mail-6d5f7c9b8-aaaa9", 0),
    ];
    assert_eq!(busy, known);
    let fresh: Vec<_> = tally.pods.values().map(|pod| pod.fresh).collect();
    assert_eq!(fresh, [true, true, false]);
    assert_eq!(tally.processed, Some(3));
    assert!(tally.workers_heard);

    let nobody = Own::among(&all, (&"web".into(), &[]), nobody(), now().moment).tally(Work::default());
    assert_eq!((nobody.workers_heard, nobody.processed), (false, None));
}

#[test]
fn a_namesake_that_fetches_from_other_queues_says_nothing_of_a_stateful_sets_pod() {
    let mut all = Workers::default();
    for ordinal in 0..3 {
        all.heard(&format!("celery@mail-{ordinal}"), 0, 7, EVERY, now().moment);
    }
    let mut tells = |ordinal: u32, queues: &[&str]| {
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let node = format!("celery@mail-{ordinal}");
        let asked = now().moment;
        all.take(&WorkerSignal::Queues { node, queues, asked }, asked);
    };
    tells(0, &["other"]);
    tells(1, &["celery", "more"]);
    tells(2, &[]);
    let set = Workload {
        kind: WorkloadKind::StatefulSet,
        name: "mail".into(),
    };
    let heard = |target: &Workload| {
        let tally = Own::among(&all, (target, &["celery".to_owned()]), nobody(), now().moment).tally(Work::default());
        tally.pods.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        heard(&set),
        ["mail-1", "mail-2"],
        "one that fetches from none was told to stop"
    );
}

fn watched() -> PodIntents {
    let pod_intent = PodIntent {
        intent: Intent::Report,
        since: Moment::ZERO,
    };
    PodIntents::from([(format!("{MAIL}aaaa0"), pod_intent)])
}

/// Attends the pod of the first worker: its tally.
fn attended(workers: &Workers) -> Tally {
    let mut celery = CeleryPool::new(config(BrokerKind::RabbitMq { management: false }, &["celery"]));
    celery.attend(watched(), Moment::ZERO);
    let depth = Ok(Reply::Depth {
        ready: 0,
        consumers: None,
    });
    let reads = celery.asks(workers, None, now());
    let asked = |read: &Ask| matches!(read, Ask::Inspect { .. });
    let replies: Vec<_> = reads
        .iter()
        .map(|read| if asked(read) { Ok(Reply::Asked) } else { depth.clone() })
        .collect();
    celery.tally(&reads, &replies, workers, None, now()).unwrap()
}

#[test]
fn a_pod_has_told_when_all_its_nodes_have_told_everything() {
    let mut all = workers(&[1, 0]);
    let second = format!("second@{MAIL}aaaa0");
    all.heard(&second, 0, 7, EVERY, now().moment);
    let ago = |seconds| now().moment - Duration::from_secs(seconds);
    let told = |all: &Workers| attended(all).pods[&format!("{MAIL}aaaa0")].report.clone();
    let mut tells = |node: &str, asked, queues: &[&str], tasks: [u32; 3]| {
        assert_eq!(told(&all), None, "{node} has not told everything");
        all.told_queues(
            node,
            &queues.iter().map(|queue| (*queue).to_owned()).collect(),
            asked,
            asked,
        );
        for (method, tasks) in [Inspect::Active, Inspect::Reserved, Inspect::Scheduled]
            .into_iter()
            .zip(tasks)
        {
            let answer = Inspection {
                tasks,
                acknowledged: 0,
                due: None,
            };
            all.inspected(node, method, answer, asked, asked);
        }
        told(&all)
    };
    assert_eq!(tells(&node(0), ago(4), &[], [1, 2, 3]), None);
    let both = WorkerReport {
        consumes: [
            (node(0), Default::default()),
            (second.clone(), ["celery".to_owned()].into()),
        ]
        .into(),
        stopped_since: None,
        resumed: false,
        since: Moment::ZERO,
        asked: ago(4),
        running: 1,
        reserved: 6,
        scheduled: 3,
        due: None,
        scheduled_asked: ago(4),
    };
    assert_eq!(tells(&second, ago(2), &["celery"], [0, 4, 0]), Some(both.clone()));
    all.told_queues(&second, &Default::default(), ago(1), ago(1));
    let since = told(&all).unwrap();
    assert_eq!(
        (since.stopped_since, since.fetches_nothing()),
        (Some(ago(1)), true),
        "the last"
    );
    assert_eq!(
        attended(&all).pods[&format!("{MAIL}aaaa1")].report,
        None,
        "nobody looks after it"
    );
}

#[test]
fn a_pod_with_a_node_that_fell_silent_is_not_known() {
    let mut all = workers(&[0, 0]);
    let second = format!("second@{MAIL}aaaa0");
    let ago = |seconds| now().moment - Duration::from_secs(seconds);
    all.heard(&second, 1, 7, EVERY, ago(20));
    all.told_queues(&node(0), &Default::default(), now().moment, now().moment);
    for method in [Inspect::Active, Inspect::Reserved, Inspect::Scheduled] {
        answers(&mut all, 0, method, 0, 0);
    }
    let first = |all: &Workers| attended(all).pods[&format!("{MAIL}aaaa0")].clone();
    assert_eq!(first(&all).silent, Some(ago(20)), "whatever the other one says");
    assert!(attended(&all).pods[&format!("{MAIL}aaaa1")].fresh);
    all.left(&second, ago(3));
    assert_eq!(first(&all).silent, Some(ago(3)), "it works off what it runs");
    all.left(&node(1), ago(3));
    assert!(
        !attended(&all).pods.contains_key(&format!("{MAIL}aaaa1")),
        "nobody of the pod is left"
    );
    all.heard(&second, 0, 0, EVERY, ago(1));
    assert!(first(&all).silent.is_none() && first(&all).live, "it came back");
}

#[test]
fn refused_remote_control_is_told() {
    let mut celery = CeleryPool::new(config(BrokerKind::RabbitMq { management: false }, &["celery"]));
    celery.attend(watched(), Moment::ZERO);
    let workers = workers(&[0]);
    let reads = celery.asks(&workers, None, now());
    let reply = |read: &Ask| match read {
        Ask::Inspect { .. } => Ok(Reply::Refused {
            right: "`write` on the exchange `celery.pidbox`".into(),
        }),
        _ => Ok(Reply::Depth {
            ready: 0,
            consumers: None,
        }),
    };
    let replies: Vec<_> = reads.iter().map(reply).collect();
    let tally = celery.tally(&reads, &replies, &workers, None, now()).unwrap();
    let right = "`write` on the exchange `celery.pidbox`".into();
    assert_eq!(tally.control, Control::Refused { right });
    assert_eq!(attended(&workers).control, Control::Works);
}

fn has(slots: u32) -> Stats {
    Stats {
        slots: Some(slots),
        ..Stats::default()
    }
}

#[test]
fn the_slots_of_a_pod_are_those_of_all_its_nodes_and_the_fewest_of_any_pod() {
    let mut all = workers(&[0, 0]);
    let second = format!("second@{MAIL}aaaa0");
    all.heard(&second, 0, 7, EVERY, now().moment);
    let slots = |all: &Workers| {
        Own::among(all, (&"mail".into(), &[]), nobody(), now().moment)
            .tally(Work::default())
            .slots
    };
    let mut tells = |node: &str, slots: u32| {
        let node = node.to_owned();
        let (stats, asked) = (has(slots), now().moment);
        all.take(&WorkerSignal::Stats { node, stats, asked }, now().moment);
        all.clone()
    };
    assert_eq!(slots(&tells(&node(0), 2)), None, "one of two nodes in its pod");
    assert_eq!(slots(&tells(&node(1), 9)), Some(9));
    assert_eq!(slots(&tells(&second, 4)), Some(6));
    assert_eq!(
        slots(&tells("celery@mail-6d5f7c9b8-mute0", 1)),
        Some(1),
        "it does not beat"
    );
    assert_eq!(slots(&tells("celery@mail-6d5f7c9b8-mute0", 9)), Some(6));
    assert_eq!(slots(&tells(&node(1), 3)), Some(3));
}

#[test]
fn the_prefetch_of_a_pool_is_the_most_of_any_worker_and_none_is_more_than_all() {
    let mut all = workers(&[0, 0]);
    let mut tells = |node: String, prefetch: Option<u32>| {
        let stats = Stats { prefetch, ..has(2) };
        let asked = now().moment;
        all.take(&WorkerSignal::Stats { node, stats, asked }, asked);
        Own::among(&all, (&"mail".into(), &[]), nobody(), asked)
            .tally(Work::default())
            .prefetch
    };
    assert_eq!(tells(node(0), None), None);
    assert_eq!(tells(node(0), Some(8)), Some(Prefetch::UpTo(8)));
    assert_eq!(tells(node(1), Some(2)), Some(Prefetch::UpTo(8)));
    assert_eq!(tells(node(1), Some(0)), Some(Prefetch::Unlimited));
}

#[test]
fn each_worker_is_asked_what_it_is_once_and_again_after_minutes() {
    let asks = |all: &Workers, broker, later: u64| {
        let moment = now().moment + Duration::from_secs(later);
        let reads = CeleryPool::new(config(broker, &["celery"])).asks(all, None, Now { moment, ..now() });
        let asked = reads.into_iter().filter_map(|read| match read {
            Ask::Inspect {
                method: Inspect::Stats,
                mailbox,
            } => Some(mailbox.nodes),
            _ => None,
        });
        asked.flatten().collect::<Vec<_>>()
    };
    for broker in [BrokerKind::Redis { db: 0 }, BrokerKind::RabbitMq { management: true }] {
        let mut all = workers(&[0]);
        assert_eq!(asks(&Workers::default(), broker, 0), [""; 0], "nobody is there");
        assert_eq!(asks(&all, broker, 0), [node(0)]);
        all.told_stats(&node(0), &has(3), now().moment, now().moment);
        assert_eq!(asks(&all, broker, 1), [""; 0]);
        all.heard(&node(1), 0, 0, EVERY, now().moment);
        assert_eq!(asks(&all, broker, 1), [node(1)], "a new one");
    }
    let mut all = workers(&[0]);
    all.told_stats(&node(0), &has(3), now().moment, now().moment);
    beats_on(&mut all, 0, 301);
    let redis = BrokerKind::Redis { db: 0 };
    assert_eq!((asks(&all, redis, 300).len(), asks(&all, redis, 301).len()), (0, 1));
}

#[test]
fn the_way_of_acknowledging_is_learned_from_answers_with_tasks() {
    let mut all = workers(&[4, 4]);
    let early = |all: &Workers, unacked| {
        Own::among(all, (&"mail".into(), &[]), nobody(), now().moment).running_acknowledged(unacked)
    };
    assert_eq!(early(&all, 100), 8, "unknown: all on top");
    answers(&mut all, 0, Inspect::Active, 4, 0);
    assert_eq!(early(&all, 100), 0, "late, and the other worker is as this one");
    assert_eq!(early(&all, 5), 3, "what no message stands for is acknowledged");
    answers(&mut all, 1, Inspect::Active, 2, 2);
    assert_eq!(early(&all, 100), 4, "each its own way");
    answers(&mut all, 1, Inspect::Active, 0, 0);
    assert_eq!(early(&all, 100), 4, "an idle moment teaches nothing");
    answers(&mut all, 1, Inspect::Active, 3, 1);
    assert_eq!(early(&all, 100), 2, "rounded up");
}

#[test]
fn a_busy_worker_is_asked_now_and_then_while_it_matters() {
    let unclear = |all: &Workers, last: Option<&Tally>, later: u64| {
        let moment = now().moment + Duration::from_secs(later);
        !Own::among(all, (&"mail".into(), &[]), nobody(), moment)
            .acknowledging_unclear(last)
            .is_empty()
    };
    let tally = |in_flight, running| Tally {
        work: Work {
            in_flight,
            running,
            ..Work::default()
        },
        ..Tally::default()
    };
    let mut all = workers(&[2]);
    assert!(unclear(&all, None, 0));
    assert!(unclear(&all, Some(&tally(8, 2)), 0));
    assert!(
        !unclear(&all, Some(&tally(2, 2)), 0),
        "nothing is unacknowledged: early"
    );
    assert!(
        !unclear(&workers(&[0]), Some(&tally(8, 2)), 0),
        "an idle one cannot tell"
    );
    answers(&mut all, 0, Inspect::Active, 2, 0);
    assert!(!unclear(&all, Some(&tally(8, 2)), 10));
    beats_on(&mut all, 2, 21);
    assert!(
        unclear(&all, Some(&tally(2, 2)), 21),
        "late: the answer must not expire"
    );
}
