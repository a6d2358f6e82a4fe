//! Pools of the tests: an hour in which a wave of tasks came and went, and what is there now.
use std::time::Duration;

use jiff::Timestamp;

use super::super::*;
use crate::{
    api::{Condition as Told, ConditionStatus, QueueStatus, Status, Time, WorkStatus},
    kube::Key,
    scaling::{Candidates, Rule},
    view::{
        record::{Decided, PodSeen, PoolView},
        types::{Broker, PodState, Target},
    },
};

/// Time at which they look.
pub fn now(seconds: u64) -> Now {
    Now {
        wall: "2026-01-05T12:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(seconds),
        moment: Duration::from_secs(seconds),
    }
}

pub fn leader() -> Leader {
    Leader {
        pod: "twp-operator-7c9d6b5f4-abcde".into(),
        namespace: "twp-system".into(),
        port: 8082,
        version: Some("0.1.0".into()),
    }
}

pub fn told(kind: &str, status: ConditionStatus, reason: &str, message: &str) -> Told {
    Told {
        kind: kind.into(),
        status,
        observed_generation: Some(1),
        last_transition_time: Time(now(600).wall),
        reason: reason.into(),
        message: message.into(),
    }
}

/// Pool of the tests: its replicas wanted and set, what waits and for how long.
pub struct Sample<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub wanted: i32,
    pub set: i32,
    pub waiting: i64,
    pub oldest: i64,
    pub message: &'a str,
    pub wrong: Vec<Told>,
}

impl Default for Sample<'_> {
    fn default() -> Self {
        Self {
            namespace: "shop",
            name: "mail",
            wanted: 2,
            set: 2,
            waiting: 0,
            oldest: 0,
            message: "Keeping 2: nothing waits.",
            wrong: Vec::new(),
        }
    }
}

impl Sample<'_> {
    /// Record of now.
    pub fn record(&self, at: Now) -> Record {
        self.then([self.waiting, self.oldest], [self.wanted, self.set, self.set], at)
    }

    /// Record at a time when so many tasks waited, for so long, with so many replicas wanted, set and ready.
    pub fn then(&self, [waiting, oldest]: [i64; 2], [wanted, set, ready]: [i32; 3], at: Now) -> Record {
        Record {
            target: Some(Target {
                kind: "Deployment".into(),
                name: format!("{}-worker", self.name),
            }),
            framework: "Celery",
            broker: Some(Broker {
                kind: "Redis".into(),
                host: "redis.shop".into(),
            }),
            wait_seconds: Some(60),
            limits: [0, 50],
            decision: Some((
                Rule::Deadline,
                self.wanted as u32,
                Candidates {
                    deadline: Some(self.wanted as u32),
                    rate: Some(7),
                    reserve: Some(0),
                    maximum: 50,
                    ..Candidates::default()
                },
            )),
            estimates: Some(scaling::Estimates {
                task: Some(6.1),
                rate: 3.2,
                startup: Some(23.4),
                slots: Some(4),
                in_time: Some(0.993),
                // As many as the rate says.
                arrived: Some(at.moment.as_secs() * 16 / 5),
            }),
            counted_before: at.moment.saturating_sub(Duration::from_secs(60)),
            status: Status {
                message: Some(self.message.to_owned()),
                replicas: Some(set),
                ready_replicas: Some(ready),
                desired_replicas: Some(wanted),
                work: Some(WorkStatus {
                    waiting,
                    running: i64::from(set) * 4,
                    in_flight: i64::from(set) * 4,
                    scheduled: 90,
                    oldest_wait_seconds: (waiting > 0).then_some(oldest),
                    sampled_at: Some(Time(whole_second(at.wall))),
                }),
                queues: vec![
                    QueueStatus {
                        name: self.name.into(),
                        waiting,
                        missing: false,
                    },
                    QueueStatus {
                        name: format!("{}.high", self.name),
                        waiting: 0,
                        missing: true,
                    },
                ],
                conditions: self.wrong.clone(),
                ..Status::default()
            },
            ..Record::new(Key {
                namespace: self.namespace.into(),
                name: self.name.into(),
            })
        }
    }

    /// View after an hour in which a wave of tasks came and went.
    pub fn view(&self) -> PoolView {
        let mut view = PoolView::new(&Key {
            namespace: self.namespace.into(),
            name: self.name.into(),
        });
        for minute in 0..60_i64 {
            // A wave that ebbs, and the one that is there now.
            let wave = |minute: i64| (26 - (minute - 20).abs()).max(0);
            let rises = (minute - 54).max(0);
            let [waiting, oldest] = [
                wave(minute) * 14 + self.waiting * rises / 6,
                wave(minute) * 2 + self.oldest * rises / 6,
            ];
            let replicas = [0, 1, 2].map(|later| {
                let wanted = wave(minute - later) * 2 / 3 + i64::from(self.set) * (rises - later).max(0) / 6;
                i32::try_from(wanted).unwrap()
            });
            let at = now(minute.unsigned_abs() * 60);
            view.tell(self.then([waiting, oldest], replicas, at), at.moment);
        }
        let at = now(3600);
        for (from, to, seconds, rule) in [
            (0, 7, 1800, Rule::Rate),
            (7, 12, 2460, Rule::Deadline),
            (12, 19, 3590, Rule::Deadline),
        ] {
            view.decided(Decided {
                at: now(seconds).wall,
                from,
                to,
                rule,
                sentence: format!("Scaling to {to}: tasks must start within 60 s [target.waitSeconds]."),
            });
        }
        view.tell(self.record(at), at.moment);
        view
    }
}

pub fn pod(name: &str, state: PodState, running: Option<u32>, holds: Option<[u32; 2]>, since: Option<u64>) -> PodSeen {
    PodSeen {
        name: name.into(),
        state,
        running,
        holds,
        since: since.map(Duration::from_secs),
        fresh: running.is_some(),
    }
}

pub fn three() -> Vec<Sample<'static>> {
    let lost = "The broker did not answer in time: check that it runs and that a NetworkPolicy lets the operator in.";
    vec![
        Sample {
            name: "newsletter",
            message: "Idle at 0: nothing waits.",
            wanted: 0,
            set: 0,
            ..Sample::default()
        },
        Sample {
            wanted: 19,
            set: 12,
            waiting: 412,
            oldest: 18,
            message: "Scaling to 19: 412 tasks must start within 60 s [target.waitSeconds].",
            ..Sample::default()
        },
        Sample {
            namespace: "billing",
            name: "pdf",
            wanted: 4,
            set: 4,
            message: lost,
            wrong: vec![
                told("SourceAvailable", ConditionStatus::False, "Timeout", lost),
                told(
                    "WorkersKnown",
                    ConditionStatus::Unknown,
                    "NotAsked",
                    "The broker is not read: nothing is removed.",
                ),
                told(
                    "TargetFeasible",
                    ConditionStatus::Unknown,
                    "SourceLost",
                    "The broker cannot be read.",
                ),
                told("Degraded", ConditionStatus::True, "SourceLost", lost),
            ],
            ..Sample::default()
        },
    ]
}

pub fn whole(view: &PoolView) -> Whole {
    Whole {
        now: now(3600),
        entry: view.entry(),
        log: view.log(),
        pods: vec![
            pod("mail-worker-5d-d", PodState::Silent, None, None, Some(3560)),
            pod("mail-worker-5d-b", PodState::Draining, Some(1), Some([1, 0]), None),
            pod("mail-worker-5d-a", PodState::Busy, Some(4), None, None),
            pod("mail-worker-5d-c", PodState::Starting, None, None, None),
            pod("mail-worker-5d-e", PodState::Idle, Some(0), None, Some(3590)),
        ],
        pods_omitted: 0,
    }
}
