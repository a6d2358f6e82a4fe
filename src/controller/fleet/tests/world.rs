//! A cluster and a broker as values: they perform what the fleet asks for, and tell it what became of that. One thing in it
//! may go wrong.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;

use super::{
    super::*,
    history::{Event, Failure, Fault, Twist},
};
use crate::{
    api::{Status, TaskWorkerPool},
    broker::{Address, Sampled, url},
    controller::{
        effect::{Job, Outcome, ScaleOutcome},
        input::Done,
        ownership::Change,
        pool::Problem,
        validate,
    },
    drain::Plan,
    kube::{Identity, MANAGER, Target, TargetKey},
    model::{DrainSupport, PodReport, SampleError, Tally, Work, WorkloadKind},
    telemetry::PoolEvent,
};

/// Time for which the fleet waits for an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Time from a write to what the watch shows.
const SHOWN: Duration = Duration::from_millis(30);
/// Time from a write to pods that are ready.
const STARTS: Duration = Duration::from_secs(3);
/// Period of the samples.
const SAMPLES: Duration = Duration::from_secs(2);

/// The cluster, the broker and the process.
pub struct World {
    pub now: Duration,
    fleet: Fleet,
    spec: serde_json::Value,
    generation: i64,
    target: Target,
    before: Option<Target>,
    /// When the watches begin anew.
    list_at: Option<Duration>,
    /// When all its pods are ready.
    ready_at: Option<Duration>,
    waiting: u64,
    /// Tasks that were done so far; as many come as are done.
    processed: u64,
    sampled: Arc<Tally>,
    stored: Option<Status>,
    /// What the present process samples: which pool, where, since when.
    sampling: BTreeMap<PoolId, Arc<Address>>,
    /// What is to be said, in its order.
    inputs: BTreeMap<(Duration, usize), Input>,
    /// All that was said so far.
    number: usize,
    fault: Fault,
    /// Effects performed, calls made, inputs said.
    pub effects: usize,
    pub calls: usize,
    pub said: usize,
    /// Which of them a watch said.
    pub watched: Vec<usize>,
    /// The replicas that were written.
    pub writes: Vec<u32>,
    pub statuses: usize,
    pub events: Vec<PoolEvent>,
}

impl World {
    /// With this pool.
    pub fn new(spec: serde_json::Value, replicas: u32, fault: Fault) -> Self {
        let target = Target {
            grace: 30,
            uid: "deployment".into(),
            version: 1,
            replicas,
            ready: replicas,
            rollout: false,
            owners: vec![MANAGER.into()],
            ordinals: crate::drain::Ordinals::default(),
            selector: "app=mail".into(),
            template: 0,
            commands: Arc::default(),
            failure: None,
            stuck: None,
        };
        let mut world = Self {
            now: Duration::from_secs(1000),
            fleet: Fleet::leading([None]),
            spec,
            generation: 1,
            target,
            before: None,
            list_at: None,
            ready_at: None,
            waiting: 0,
            processed: 0,
            sampled: Arc::default(),
            stored: None,
            sampling: BTreeMap::new(),
            inputs: BTreeMap::new(),
            number: 0,
            fault,
            effects: 0,
            calls: 0,
            said: 0,
            watched: Vec::new(),
            writes: Vec::new(),
            statuses: 0,
            events: Vec::new(),
        };
        world.begin();
        world
    }

    /// A process begins: what it samples and what it waits for is forgotten.
    fn begin(&mut self) {
        self.fleet = Fleet::leading([None]);
        self.sampling.clear();
        self.inputs.clear();
        self.say(SHOWN, self.seen());
        self.say(SHOWN, Input::PoolsListed(None, vec![key()]));
        self.say(SHOWN, Input::Target(target_key(), Box::new(self.target.clone())));
        self.say(
            SHOWN,
            Input::TargetsListed(WorkloadKind::Deployment, None, vec![target_key().key()]),
        );
    }

    fn seen(&self) -> Input {
        let object: TaskWorkerPool = serde_json::from_value(json!({
            "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
            "metadata": {"name": "mail", "namespace": "shop", "uid": "pool", "generation": self.generation,
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": self.spec,
        }))
        .unwrap();
        Input::Pool(Box::new(PoolSeen {
            identity: Identity::of(&object.metadata).unwrap(),
            pool: validate::pool(&object),
            status: self.stored.clone(),
        }))
    }

    /// Delivers an input after this time.
    fn say(&mut self, after: Duration, input: Input) {
        self.number += 1;
        self.inputs.insert((self.now + after, self.number), input);
    }

    fn time(&self) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH + self.now,
            moment: self.now,
        }
    }

    /// Something happens by itself.
    pub fn happens(&mut self, event: Event) {
        match event {
            Event::Waiting(tasks) => self.waiting = tasks,
            Event::Foreign(replicas) => {
                self.changed(|target| (target.replicas, target.owners) = (replicas, vec!["argocd".into()]));
                self.starts();
            }
            Event::Template => self.changed(|target| target.template += 1),
            Event::Max(most) => self.respec("maxReplicas", json!(most)),
            Event::Suspended(suspended) => self.respec("suspend", json!(suspended)),
        }
    }

    fn respec(&mut self, field: &str, value: serde_json::Value) {
        self.spec[field] = value;
        self.generation += 1;
        let seen = self.seen();
        self.say(SHOWN, seen);
    }

    fn changed(&mut self, change: impl FnOnce(&mut Target)) {
        change(&mut self.target);
        self.target.version += 1;
        let target = self.target.clone();
        self.say(SHOWN, Input::Target(target_key(), Box::new(target)));
    }

    /// The pods follow: those too many go at once, new ones take their time.
    fn starts(&mut self) {
        if self.target.ready > self.target.replicas {
            self.changed(|target| target.ready = target.replicas);
        }
        self.ready_at = (self.target.ready < self.target.replicas).then_some(self.now + STARTS);
    }

    /// Runs for this number of seconds.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            if self.ready_at.take_if(|at| *at <= self.now).is_some() {
                self.changed(|target| target.ready = target.replicas);
            }
            if self.list_at.take_if(|at| *at <= self.now).is_some() {
                self.list();
            }
            let first = self.inputs.first_key_value().map(|(at, _)| *at);
            match first.filter(|(at, _)| *at <= self.now) {
                Some(at) => {
                    let input = self.inputs.remove(&at).unwrap();
                    self.hand_over(input);
                }
                None => {
                    let effects = self.fleet.wake_due(self.time());
                    self.perform(effects);
                }
            }
        }
        self.now = end;
    }

    fn next(&self) -> Option<Duration> {
        let input = self.inputs.first_key_value().map(|((at, _), _)| *at);
        let own = [self.fleet.next_wake(), self.ready_at, self.list_at];
        input.into_iter().chain(own.into_iter().flatten()).min()
    }

    fn hand_over(&mut self, input: Input) {
        match input {
            Input::Sampled(sampled) => self.sample(sampled),
            Input::Target(_, target) => {
                let before = self.before.replace((*target).clone());
                self.twist(
                    Input::Target(target_key(), target),
                    before.map(|target| Input::Target(target_key(), Box::new(target))),
                );
            }
            seen @ Input::Pool(_) => self.twist(seen, None),
            other => self.take(other),
        }
    }

    /// A sample comes, and the next one is under way.
    fn sample(&mut self, sampled: Sampled) {
        if !self.sampling.contains_key(&sampled.id) {
            return;
        }
        self.processed += self.waiting.min(self.target.ready.into());
        let (before, tally) = (self.sampled.clone(), self.tally());
        if *before != tally {
            self.sampled = Arc::new(tally);
        }
        let of = |tally: &Arc<Tally>| {
            Input::Sampled(Sampled {
                result: Ok(tally.clone()),
                at: self.now,
                ..sampled.clone()
            })
        };
        let (now, stale) = (of(&self.sampled), of(&before));
        self.say(SAMPLES, Input::Sampled(sampled));
        self.twist(now, Some(stale));
    }

    fn tally(&self) -> Tally {
        let pod = |number: u32| {
            let work = PodReport {
                live: true,
                fresh: true,
                tells: true,
                ..PodReport::default()
            };
            (format!("mail-{number}"), work)
        };
        Tally {
            work: Work {
                ready: self.waiting,
                ..Work::default()
            },
            pods: (0..self.target.ready).map(pod).collect(),
            workers_heard: self.target.ready > 0,
            slots: Some(1),
            processed: Some(self.processed),
            drain: DrainSupport::StopFetching,
            ..Tally::default()
        }
    }

    /// Hands an input over, unless it is the one that something happens to.
    fn twist(&mut self, input: Input, before: Option<Input>) {
        self.said += 1;
        if !matches!(input, Input::Sampled(_)) {
            self.watched.push(self.said);
        }
        let twist = match self.fault {
            Fault::Input(number, twist) if number == self.said => twist,
            _ => return self.take(input),
        };
        let list_in =
            |seconds| Some(self.now + Duration::from_secs(seconds)).filter(|_| self.watched.last() == Some(&self.said));
        match twist {
            Twist::Stale => {
                self.list_at = list_in(1);
                self.take(input);
                if let Some(before) = before {
                    self.take(before);
                }
            }
            Twist::Missing => self.list_at = list_in(20),
            Twist::Doubled => {
                self.list_at = Some(self.now);
                self.take(input);
            }
            Twist::Late => self.list_at = list_in(4),
        }
    }

    /// All there is, as it is now.
    fn list(&mut self) {
        self.take(self.seen());
        self.take(Input::Target(target_key(), Box::new(self.target.clone())));
    }

    fn take(&mut self, input: Input) {
        let effects = self.fleet.on(input, self.time());
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Pool(id, effect) = effect else { continue };
            if matches!(effect, PoolEffect::Note(..) | PoolEffect::Numbers(..)) {
                // A process that ends after these has done no more than before.
                continue;
            }
            self.effects += 1;
            self.pool(id, effect);
            if self.fault == Fault::Crash(self.effects) {
                self.begin();
                return;
            }
        }
    }

    fn pool(&mut self, id: PoolId, effect: PoolEffect) {
        match effect {
            PoolEffect::Sample { address, .. } => {
                self.sampling.insert(id, address);
                let first = Sampled {
                    id,
                    result: Err(SampleError::NotYet),
                    at: self.now,
                    took: Duration::ZERO,
                    rest: Duration::ZERO,
                };
                self.say(SHOWN, Input::Sampled(first));
            }
            PoolEffect::Leave(_) => drop(self.sampling.remove(&id)),
            PoolEffect::Resolve { asked, .. } => self.call(
                id,
                |_| {
                    Done::Resolved(
                        asked,
                        Ok(url::all("redis://redis").unwrap().into_iter().map(Arc::new).collect()),
                    )
                },
                |why| Done::Resolved(asked, Err(Problem::waiting("ReferenceUnreadable", why.to_string()))),
            ),
            PoolEffect::Scale(job) => self.scale(id, &job),
            PoolEffect::WriteStatus(_, status) => self.call(
                id,
                |world| {
                    world.statuses += 1;
                    world.stored = Some((*status).clone());
                    Done::Published(Ok(status))
                },
                |why| Done::Published(Err(why)),
            ),
            PoolEffect::ListPods { .. } => self.call(
                id,
                |world| {
                    let pods = (0..world.target.ready).map(|number| (format!("mail-{number}"), true));
                    Done::Listed(Ok(pods.collect()))
                },
                |why| Done::Listed(Err(why)),
            ),
            PoolEffect::Publish(_, event) => self.events.push(event),
            PoolEffect::AbortScale => self
                .inputs
                .retain(|_, input| !matches!(input, Input::Done(_, Done::Scaled(..)))),
            _ => {}
        }
    }

    /// A call to the API server: what is done, and how it is answered where it is not.
    fn call(&mut self, id: PoolId, carry_out: impl FnOnce(&mut Self) -> Done, refused: impl FnOnce(CallError) -> Done) {
        self.calls += 1;
        let failure = match self.fault {
            Fault::Call(number, failure) if number == self.calls => Some(failure),
            _ => None,
        };
        let (after, done) = match failure {
            None => (SHOWN, carry_out(self)),
            Some(Failure::Refused(code)) => (SHOWN, refused(CallError::Refused { code })),
            Some(Failure::Never) => (DEADLINE, refused(CallError::Timeout)),
            Some(Failure::Unanswered) => {
                let _lost = carry_out(self);
                (DEADLINE, refused(CallError::Timeout))
            }
            Some(Failure::Late) => (SHOWN * 3, carry_out(self)),
        };
        self.say(after, Input::Done(id, done));
    }

    fn scale(&mut self, id: PoolId, job: &Job) {
        let change = Change {
            from: job.from,
            to: job.to,
            kept: 0,
        };
        let looked = (job.to < job.from || job.unfinished).then(Plan::default);
        let outcome = |replicas| {
            let plan = looked.clone();
            Done::Scaled(job.asked, Box::new(Outcome { replicas, plan }))
        };
        if !job.write {
            return self.say(SHOWN, Input::Done(id, outcome(ScaleOutcome::None)));
        }
        if job.to < job.from && job.from != self.target.replicas {
            return self.say(SHOWN, Input::Done(id, outcome(ScaleOutcome::Outdated)));
        }
        let to = job.to;
        self.call(
            id,
            |world| {
                world.writes.push(to);
                world.changed(|target| (target.replicas, target.owners) = (to, vec![MANAGER.into()]));
                world.starts();
                let version = world.target.version;
                outcome(ScaleOutcome::Written { change, version })
            },
            |why| match why {
                CallError::Refused { .. } => outcome(ScaleOutcome::Failed(why)),
                _ => outcome(ScaleOutcome::Unconfirmed { change, why }),
            },
        );
    }

    /// The changes of replicas that were told.
    pub fn told(&self) -> Vec<(u32, u32)> {
        let scaled = |event: &PoolEvent| match event {
            PoolEvent::Scaled { from, to, .. } => Some((*from, *to)),
            _ => None,
        };
        self.events.iter().filter_map(scaled).collect()
    }

    /// What a person would see at the end: the replicas and the conditions.
    pub fn end(&self) -> String {
        let status = self.stored.clone().unwrap_or_default();
        let conditions = status
            .conditions
            .iter()
            .map(|condition| format!("{}={:?}/{}", condition.kind, condition.status, condition.reason));
        let rule = status.decision.map(|decision| decision.rule).unwrap_or_default();
        format!(
            "{} of {} replicas, {rule}: {}",
            self.target.ready,
            self.target.replicas,
            conditions.collect::<Vec<_>>().join(" ")
        )
    }
}

fn key() -> Key {
    Key {
        namespace: "shop".into(),
        name: "mail".into(),
    }
}

fn target_key() -> TargetKey {
    TargetKey {
        namespace: "shop".into(),
        workload: "mail-worker".into(),
    }
}
