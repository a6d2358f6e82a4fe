//! Builders for the tests: pools, observations and series of them.
use super::*;

/// Pool with `minReplicas`, `maxReplicas` and a backlog per replica; 4 slots, 60 s idle, sampled every second.
pub(crate) fn pool(min: u32, max: u32, backlog_per_replica: u32) -> Policy {
    Policy {
        min,
        max,
        schedules: Vec::new(),
        target: TargetRule::Backlog(backlog_per_replica),
        slots: Some(4),
        idle: s(60.0),
        behavior: Behavior::default(),
        fallback: None,
        suspended: false,
        stranded: ("in `unacked`", "after the visibility timeout"),
        period: s(1.0),
    }
}

/// The same pool with a wait target in seconds; the task duration is given as 6 s.
pub(crate) fn waits(min: u32, max: u32, target: f64) -> Policy {
    Policy {
        target: TargetRule::Wait(Wait {
            within: s(target),
            hint: Some(s(6.0)),
            tuning: Profile::Balanced.tuning(),
        }),
        ..pool(min, max, 1)
    }
}

/// Policy with a hint of the task duration, in seconds.
pub(crate) fn hinting(policy: Policy, seconds: f64) -> Policy {
    let target = match policy.target {
        TargetRule::Wait(wait) => TargetRule::Wait(Wait {
            hint: Some(s(seconds)),
            ..wait
        }),
        target => target,
    };
    Policy { target, ..policy }
}

/// Observation of no work after this number of seconds; the reading is fresh, the workers are ready and heard.
pub(crate) fn at(seconds: f64, replicas: u32) -> Observation {
    Observation {
        now: s(seconds),
        wall: wall(seconds),
        reading: Reading::Fresh(Work::default()),
        counted: Counted::at(s(seconds)),
        replicas,
        ready: replicas,
        rollout: false,
        busy_pods: 0,
        drains: false,
        workers_heard: true,
        reports_often: true,
        silent_pods: 0,
        slots: None,
        processed: None,
        next_due_in: None,
    }
}

/// Time on the wall clock: the fixture's seconds begin at noon of a Monday, UTC.
pub(crate) fn wall(seconds: f64) -> Timestamp {
    let noon: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
    noon + s(seconds)
}

pub(crate) fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// One policy of `behavior`.
pub(crate) fn allows(kind: PolicyType, value: u32, period: f64) -> BehaviorPolicy {
    BehaviorPolicy {
        kind,
        value,
        period: s(period),
    }
}

/// Rules of one direction.
pub(crate) fn rules(select: Select, window: Option<f64>, policies: &[BehaviorPolicy]) -> Option<Rules> {
    Some(Rules {
        window: window.map(s),
        select,
        policies: policies.to_vec(),
    })
}

impl Policy {
    pub(crate) fn idle(self, seconds: f64) -> Self {
        Self {
            idle: s(seconds),
            ..self
        }
    }

    pub(crate) fn period(self, seconds: f64) -> Self {
        Self {
            period: s(seconds),
            ..self
        }
    }

    pub(crate) fn fallback(self, replicas: u32, after: f64) -> Self {
        let after = s(after);
        Self {
            fallback: Some(Fallback { replicas, after }),
            ..self
        }
    }

    /// Adds a schedule with this minimum of replicas from `start` to `end`, UTC.
    pub(crate) fn schedule(mut self, name: &str, start: &str, end: &str, min: u32) -> Self {
        self.schedules
            .push(Schedule::new(name, start, end, "UTC", min).unwrap());
        self
    }

    pub(crate) fn suspended(self) -> Self {
        Self {
            suspended: true,
            ..self
        }
    }

    pub(crate) fn up(mut self, rules: Option<Rules>) -> Self {
        self.behavior.up = rules;
        self
    }

    pub(crate) fn down(mut self, rules: Option<Rules>) -> Self {
        self.behavior.down = rules;
        self
    }
}

impl Observation {
    fn work(mut self, change: impl FnOnce(&mut Work)) -> Self {
        if let Reading::Fresh(work) = &mut self.reading {
            change(work);
        }
        self
    }

    pub(crate) fn waiting(self, tasks: u64) -> Self {
        self.work(|work| work.ready = tasks)
    }

    /// Age of the oldest waiting task, in seconds.
    pub(crate) fn oldest(self, seconds: f64) -> Self {
        let at = self.wall.checked_sub(s(seconds)).unwrap();
        self.work(|work| work.oldest = Some(Since::Published(at)))
    }

    /// Number of running tasks, and of the pods that run them.
    pub(crate) fn running(mut self, tasks: u64, pods: u32) -> Self {
        self.busy_pods = pods;
        self.work(|work| (work.running, work.in_flight) = (tasks, work.in_flight + tasks))
    }

    pub(crate) fn reserved(self, tasks: u64) -> Self {
        self.work(|work| work.in_flight += tasks)
    }

    /// Number of tasks that no worker reports to hold.
    pub(crate) fn unheld(self, tasks: Option<u64>) -> Self {
        self.work(|work| work.unheld = tasks)
    }

    pub(crate) fn stay(self, stay: KeepAlive) -> Self {
        self.work(|work| work.stay = Some(stay))
    }

    pub(crate) fn due_soon(self, tasks: u64) -> Self {
        self.work(|work| (work.due_soon, work.scheduled) = (tasks, work.scheduled.max(tasks)))
    }

    pub(crate) fn scheduled(self, tasks: u64) -> Self {
        self.work(|work| work.scheduled = tasks)
    }

    pub(crate) fn scheduled_in_memory(self, tasks: u64) -> Self {
        self.work(|work| (work.scheduled, work.stay) = (tasks, Some(KeepAlive::UnknownDue)))
    }

    pub(crate) fn due_in(mut self, seconds: f64) -> Self {
        self.next_due_in = Some(s(seconds));
        self
    }

    pub(crate) fn processed(mut self, tasks: u64) -> Self {
        self.processed = Some(tasks);
        self
    }

    pub(crate) fn ready_pods(mut self, pods: u32) -> Self {
        self.ready = pods;
        self
    }

    /// Number of ready pods that report nothing.
    pub(crate) fn silent(mut self, pods: u32) -> Self {
        self.silent_pods = pods;
        self
    }

    pub(crate) fn unheard(mut self) -> Self {
        self.workers_heard = false;
        self
    }

    pub(crate) fn rollout(mut self) -> Self {
        self.rollout = true;
        self
    }

    pub(crate) fn stale(mut self, seconds: f64) -> Self {
        if let Reading::Fresh(work) = self.reading {
            self.reading = Reading::Stale {
                work,
                age: s(seconds),
                why: Some(SampleError::Timeout),
            };
        }
        self
    }

    pub(crate) fn untold(mut self) -> Self {
        self.reading = Reading::Untold;
        self
    }

    pub(crate) fn unknown(mut self) -> Self {
        self.reading = Reading::Unknown {
            why: SampleError::Timeout,
        };
        self
    }
}

/// Decision on the last of a series of observations; between two of them only time passes.
pub(crate) fn last_of(policy: &Policy, series: &[Observation]) -> Decision {
    let mut memory = Memory::default();
    let mut last: Option<(Decision, Observation)> = None;
    for seen in series {
        while let Some((decision, before)) = &last
            && before.now + decision.decide_again_in < seen.now
        {
            let again = later(before, before.now + decision.decide_again_in);
            let (next, decision) = decide(policy, memory, &again);
            (memory, last) = (next, Some((decision, again)));
        }
        let (next, decision) = decide(policy, memory, seen);
        (memory, last) = (next, Some((decision, seen.clone())));
    }
    last.unwrap().0
}

/// The same observation at another time: ages and remaining times have moved on.
pub(crate) fn later(seen: &Observation, now: Moment) -> Observation {
    let passed = now - seen.now;
    let wall = seen.wall.checked_add(passed).unwrap_or(Timestamp::MAX);
    let mut seen = Observation {
        now,
        wall,
        counted: Counted::at(now),
        ..seen.clone()
    };
    seen.next_due_in = seen.next_due_in.map(|due| due.saturating_sub(passed));
    if let Reading::Stale { age, .. } = &mut seen.reading {
        *age += passed;
    }
    seen
}
