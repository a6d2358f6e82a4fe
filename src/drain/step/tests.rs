//! Histories: pods with Celery workers as they are, the real framework and the real plan between them, and everything that
//! may go wrong in between. In none of them does a pod go that holds a task, and in the end no worker is left stopped.

use std::{cmp::Reverse, collections::BTreeSet};

use proptest::prelude::*;

use crate::{
    drain::{Departed, Ordinals, PlanInput, Pod, Readiness, dated_intents, plan},
    framework::celery::{Ask, CeleryConfig, CeleryPool, Inspect, Inspection, Order, WorkerSignal, Workers},
    model::{BrokerKind, Moment, Now, PodIntents, Query, Reply, Tally, Workload, WorkloadKind},
};

use super::*;

const TICK: Duration = Duration::from_millis(500);
const SLOTS: u32 = 2;
const PREFETCH: u32 = 4;

/// Generator of numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Message to a worker, and the time when it arrives.
#[derive(Clone)]
enum Delivery {
    Order(Order),
    Question(Inspect, Moment),
}

/// Pod with one worker.
struct WorkerPod {
    pod: Pod,
    kind: LifeSigns,
    /// Deletion cost, as the ReplicaSet controller sees it: a moment later.
    seen: Option<i32>,
    fetches: bool,
    /// Time when each running task ends.
    running: Vec<Moment>,
    reserved: u32,
    processed: u64,
    post: Vec<(Moment, Delivery)>,
}

impl WorkerPod {
    fn node(&self) -> String {
        format!("celery@{}", self.pod.name)
    }

    fn holds(&self) -> u32 {
        self.reserved + self.running.len() as u32
    }
}

struct World {
    target: Workload,
    dice: Dice,
    now: Moment,
    bodies: Vec<WorkerPod>,
    queue: u64,
    replicas: u32,
    celery: CeleryPool,
    heard: Workers,
    /// Signals on their way to the operator.
    signals: Vec<(Moment, WorkerSignal)>,
    intents: PodIntents,
    /// Intents that the framework does not know yet: a sample was under way.
    wished: Option<PodIntents>,
    departed: Departed,
    last: Tally,
    born: u32,
    calm: bool,
}

fn framework(target: &Workload) -> CeleryPool {
    CeleryPool::new(CeleryConfig {
        broker: BrokerKind::RabbitMq { management: false },
        target: target.clone(),
        ..CeleryConfig::default()
    })
}

fn clocks(moment: Moment) -> Now {
    Now {
        wall: Timestamp::UNIX_EPOCH + moment,
        moment,
    }
}

/// Signs of life that a worker gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum LifeSigns {
    /// It beats and answers.
    Beats,
    /// It answers, and does not beat.
    Answers,
    /// It does neither.
    Mute,
}

impl World {
    fn new(seed: u64, kind: WorkloadKind) -> Self {
        let target = Workload {
            kind,
            name: "mail".into(),
        };
        Self {
            dice: Dice(seed | 1),
            now: Duration::from_secs(100),
            bodies: Vec::new(),
            queue: 0,
            replicas: 0,
            celery: framework(&target),
            target,
            heard: Workers::default(),
            signals: Vec::new(),
            intents: PodIntents::new(),
            wished: None,
            departed: Departed::new(),
            last: Tally::default(),
            born: 0,
            calm: false,
        }
    }

    /// Another pod. A StatefulSet's has a name that one before it may have had.
    fn pod(&mut self) -> Pod {
        self.born += 1;
        let began = Some(clocks(self.now).wall);
        match self.target.kind {
            WorkloadKind::Deployment => Pod {
                name: format!("mail-6d5f7c9b8-{:05}", self.born),
                readiness: Readiness::Ready,
                replica_set: "mail-6d5f7c9b8".into(),
                template_hash: "6d5f7c9b8".into(),
                ..Pod::default()
            },
            WorkloadKind::StatefulSet => {
                let ordinal = self.bodies.len() as u32;
                Pod {
                    name: format!("mail-{ordinal}"),
                    readiness: Readiness::Ready,
                    began,
                    renewed: began,
                    owner: "set".into(),
                    ordinal: Some(ordinal),
                    ..Pod::default()
                }
            }
        }
    }

    /// Actions of the controller that makes and removes pods, sooner or later.
    fn reconcile(&mut self) {
        if !self.calm && !self.dice.once_in(3) {
            return;
        }
        while (self.bodies.len() as u32) < self.replicas {
            let pod = self.pod();
            self.bodies.push(WorkerPod {
                pod,
                kind: match self.dice.below(12) {
                    0 => LifeSigns::Mute,
                    1..4 => LifeSigns::Answers,
                    _ => LifeSigns::Beats,
                },
                seen: None,
                fetches: true,
                running: Vec::new(),
                reserved: 0,
                processed: 0,
                post: Vec::new(),
            });
        }
        self.bodies.sort_by_key(|body| {
            let ordinal = body.pod.ordinal;
            let cost = (body.pod.readiness, body.seen.unwrap_or(0));
            (Reverse(ordinal), cost, Reverse(body.pod.name.clone()))
        });
        let gone = self.bodies.len() - self.replicas as usize;
        for body in self.bodies.drain(..gone) {
            assert_eq!(body.holds(), 0, "{} went with tasks at {:?}", body.pod.name, self.now);
        }
    }

    /// Workers fetch, run, read their messages, and beat.
    fn work(&mut self) {
        let now = self.now;
        let beat = now.as_millis().is_multiple_of(2000);
        for body in &mut self.bodies {
            body.seen = body.pod.cost;
            body.running.retain(|end| *end > now);
            let due: Vec<_> = body.post.iter().filter(|(at, _)| *at <= now).cloned().collect();
            body.post.retain(|(at, _)| *at > now);
            let node = body.node();
            for (_, letter) in due.into_iter().filter(|_| body.kind != LifeSigns::Mute) {
                let tasks = match letter {
                    Delivery::Order(Order::CancelConsumer(_)) => {
                        body.fetches = false;
                        continue;
                    }
                    Delivery::Order(Order::AddConsumer(_)) => {
                        body.fetches = true;
                        continue;
                    }
                    Delivery::Question(Inspect::ActiveQueues, asked) => {
                        let queues = body.fetches.then(|| "celery".to_owned()).into_iter().collect();
                        let node = node.clone();
                        self.signals
                            .push((now + TICK, WorkerSignal::Queues { node, queues, asked }));
                        continue;
                    }
                    Delivery::Question(Inspect::Active, asked) => (Inspect::Active, asked, body.running.len() as u32),
                    Delivery::Question(Inspect::Reserved, asked) => (Inspect::Reserved, asked, body.reserved),
                    Delivery::Question(Inspect::Ping, asked) => {
                        let node = node.clone();
                        self.signals.push((now + TICK, WorkerSignal::Pong { node, asked }));
                        continue;
                    }
                    Delivery::Question(Inspect::Stats, _) => continue,
                    Delivery::Question(method, asked) => (method, asked, 0),
                };
                let (method, asked, tasks) = tasks;
                let answer = Inspection {
                    tasks,
                    ..Inspection::default()
                };
                let node = node.clone();
                let signal = WorkerSignal::Inspected {
                    node,
                    method,
                    answer,
                    asked,
                };
                self.signals.push((now + TICK, signal));
            }
            if body.fetches {
                let room = u64::from((SLOTS * PREFETCH).saturating_sub(body.reserved));
                let taken = room.min(self.queue);
                self.queue -= taken;
                body.reserved += taken as u32;
            }
            while body.reserved > 0 && (body.running.len() as u32) < SLOTS {
                body.reserved -= 1;
                body.processed += 1;
                body.running.push(now + TICK * (1 + self.dice.below(60) as u32));
            }
            if beat && body.kind == LifeSigns::Beats {
                let (node, active, processed) = (body.node(), body.running.len() as u32, body.processed);
                self.signals.push((
                    now,
                    WorkerSignal::Heartbeat {
                        node,
                        active,
                        processed,
                        interval: TICK * 4,
                    },
                ));
            }
        }
    }

    /// One sample: signals are heard, questions and orders are sent; some of them are lost.
    fn sample(&mut self) -> Tally {
        let now = self.now;
        let (there, later) = std::mem::take(&mut self.signals)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.signals = later;
        let there: Vec<_> = there;
        there.iter().for_each(|(_, signal)| self.heard.take(signal, now));
        let clocks = clocks(now);
        let reads = self.celery.asks(&self.heard, None, clocks);
        let (lost, late) = (!self.calm && self.dice.once_in(8), self.dice.below(3) as u32);
        for read in reads.iter().filter(|_| !lost) {
            let (letter, nodes) = match read {
                Ask::Tell { order, mailbox } => (Delivery::Order(order.clone()), &mailbox.nodes),
                Ask::Inspect { method, mailbox } => (Delivery::Question(*method, now), &mailbox.nodes),
                _ => continue,
            };
            for body in &mut self.bodies {
                if nodes.is_empty() || nodes.contains(&body.node()) {
                    // A message that is sent later does not arrive earlier.
                    let last = body.post.last().map_or(now, |(at, _)| *at);
                    body.post.push((last.max(now + TICK * late), letter.clone()));
                }
            }
        }
        let replies: Vec<_> = reads
            .iter()
            .map(|read| match read {
                Ask::Read(Query::QueueDepth { .. }) => Ok(Reply::Depth {
                    ready: self.queue,
                    consumers: None,
                }),
                _ => Ok(Reply::Asked),
            })
            .collect();
        self.celery
            .tally(&reads, &replies, &self.heard, None, clocks)
            .expect("a tally")
    }

    /// The job that the operator performs, perhaps cut short; what it leaves undone is done the next time.
    fn act(&mut self, to: u32) {
        // A job may come before the next sample, or during one.
        if self.calm || !self.dice.once_in(4) {
            let late = !self.calm && self.dice.once_in(4);
            // It comes when the sampler takes it in, not when it was given.
            if let Some(wished) = self.wished.take_if(|_| !late) {
                self.celery.attend(wished, self.now);
            }
            self.last = self.sample();
        }
        let tally = self.last.clone();
        let from = self.replicas;
        self.replicas = to.max(from);
        let pods: Vec<_> = self.bodies.iter().map(|body| body.pod.clone()).collect();
        let plan = plan(&PlanInput {
            pool: "mail",
            target: &self.target,
            uid: "set",
            ordinals: Ordinals::default(),
            pods: &pods,
            work: &tally.pods,
            intents: &self.intents,
            departed: &self.departed,
            support: DrainSupport::StopFetching,
            from,
            to,
            graceful: None,
            overstays: false,
            returned: true,
            now: clocks(self.now),
            fresh: Duration::from_secs(3),
        });
        for mark in &plan.marks {
            if !self.calm && self.dice.once_in(10) {
                return;
            }
            for body in self.bodies.iter_mut().filter(|body| body.pod.name == mark.pod) {
                (body.pod.drain, body.pod.cost) = (mark.drain.clone(), mark.cost);
            }
        }
        let stopped = plan
            .intents
            .values()
            .filter(|intent| matches!(intent, Intent::Cordon(_)))
            .count();
        assert!(
            stopped <= pods.len().saturating_sub(to as usize),
            "more slots are taken away than allowed"
        );
        self.replicas = self.replicas.min(plan.allowed);
        self.departed = plan.departed;
        let intents = plan.intents;
        let wished = dated_intents(&self.intents, &intents, self.now);
        if wished != self.intents {
            self.intents.clone_from(&wished);
            self.wished = Some(wished);
        }
    }

    /// The operator is killed, and another one begins, which has heard nothing yet.
    fn restart(&mut self) {
        (self.celery, self.heard, self.intents) = (framework(&self.target), Workers::default(), PodIntents::new());
        self.signals.clear();
        (self.wished, self.last) = (None, Tally::default());
        self.departed.clear();
    }

    /// Whether all that was told stands on the pods. Not so in the moments in which a stopped pod's name comes again: whoever
    /// begins then cannot know what the new one may have been told.
    fn knows_all_that_was_told(&self) -> bool {
        let marked = |name: &String| {
            self.bodies
                .iter()
                .any(|body| body.pod.name == *name && body.pod.drain.is_some())
        };
        let told = self
            .intents
            .iter()
            .filter(|(_, told)| matches!(told.intent, Intent::Cordon(_)));
        self.departed.is_empty() && self.wished.is_none() && told.map(|(name, _)| name).all(marked)
    }

    fn stranded(&self) -> BTreeSet<&str> {
        let left = self
            .bodies
            .iter()
            // Who hears nothing never says that it fetches again after one of its name was stopped: that stays on the pod.
            .filter(|body| !body.fetches || body.kind != LifeSigns::Mute || body.pod.ordinal.is_none())
            .filter(|body| !body.fetches || body.pod.drain.is_some() || body.pod.cost.is_some());
        left.map(|body| body.pod.name.as_str()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_interrupted_and_no_worker_is_left_alone(seed in any::<u64>(), numbered in any::<bool>()) {
        let kind = if numbered { WorkloadKind::StatefulSet } else { WorkloadKind::Deployment };
        let mut world = World::new(seed, kind);
        let (mut to, mut quiet) = (4, 0_u32);
        for _ in 0..800 {
            world.now += TICK;
            if world.dice.once_in(20) {
                world.queue += world.dice.below(12);
            }
            if world.dice.once_in(5) {
                to = world.dice.below(7) as u32;
            }
            if world.dice.once_in(150) && world.knows_all_that_was_told() {
                world.restart();
                // The operator decides nothing before it has heard which workers are there.
                quiet = 10;
            }
            quiet = quiet.saturating_sub(1);
            let held = quiet > 0 || world.last.pods.is_empty();
            let wished = if held { to.max(world.replicas) } else { to };
            world.act(wished);
            world.reconcile();
            world.work();
        }
        world.calm = true;
        for _ in 0..40 {
            world.now += TICK;
            world.act(world.replicas);
            world.reconcile();
            world.work();
        }
        prop_assert_eq!(world.stranded(), BTreeSet::new());
        // And when there is no work, all go.
        world.queue = 0;
        for _ in 0..800 {
            world.now += TICK;
            world.act(0);
            world.reconcile();
            world.work();
        }
        // Except for those of which nothing is known, and those that they hold back.
        let mut left = world.bodies.iter().map(|body| body.kind == LifeSigns::Mute);
        let unknown = if numbered { left.next().unwrap_or(true) } else { left.all(|mute| mute) };
        prop_assert!(unknown);
    }
}
