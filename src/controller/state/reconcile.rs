//! Reconciliation of a pool whenever something about it has changed: observe → decide → act → report.

use std::time::Duration;

use super::{BrokerLink, Cx, PoolState, glance::Glance, roster, throttle};
use crate::{
    api::Mode,
    broker::Kind,
    controller::{
        effect::{Job, PoolEffect},
        pool::{Pool, Problem, TAKEN},
        registry::Listing,
        report,
        status::{self, Facts, Heard, Pods, SourceState},
    },
    framework::registry::DEFAULT,
    kube::{Target, TargetKey},
    model::{Moment, Now, SampleError, Workload, WorkloadKind},
    scaling::{self, Reading},
};

/// Longest time between two reconciliations of a quiet pool, or of one that waits for an answer: the answer wakes it.
const AT_LEAST: Duration = Duration::from_secs(60);
/// The same, for a pool that waits for a moment.
const SOON: Duration = Duration::from_millis(100);
/// Shortest time between two reconciliations by time alone.
const AT_MOST: Duration = Duration::from_millis(20);

impl PoolState {
    pub(super) fn reconcile(&mut self, cx: &mut Cx) {
        let targets = cx.shared.targets;
        let key = self.target();
        let target = key.and_then(|key| Some((targets.get(&key)?, key)));
        let Some(problem) = self.problem(target.is_some(), cx) else {
            // The list of its kind is not complete: nothing can be said yet.
            return;
        };
        let pool = self.pool.clone();
        let mut next = AT_LEAST;
        if let Ok(pool) = &pool {
            next = next.min(self.connect(pool, cx));
            // A pool that only waits for its Secret still decides: it holds, and it falls back.
            let reason = problem.as_ref().map(|problem| problem.reason);
            let blocked = reason.is_some_and(|reason| [TAKEN, NO_TARGET, UNSEEN].contains(&reason));
            match &target {
                Some((target, key)) if !blocked => {
                    next = next.min(self.learn_queues(pool, target, cx));
                    next = next.min(self.decide(pool, target, cx));
                    next = next.min(self.act(pool, target, key, cx));
                    next = next.min(self.list_unheard(target, cx));
                    next = next.min(self.protect(pool, target, cx));
                }
                Some(_) if reason == Some(UNSEEN) => {
                    if self.tasks.writing.is_some() {
                        self.abort_scale(cx);
                    }
                    self.uncordon(cx);
                }
                // The older pool tells the workers what to do.
                Some(_) => self.stand_back(cx),
                None => {}
            }
        }
        let target = target.map(|(target, _)| target);
        next = next.min(self.tell(problem.as_ref(), pool.as_ref().ok(), target, cx));
        self.wake = cx.now.moment + next.max(AT_MOST);
    }

    /// Problem that keeps the pool from working; the outer `None`: not known yet.
    fn problem(&self, has_target: bool, cx: &Cx) -> Option<Option<Problem>> {
        let pool = match &self.pool {
            Ok(pool) => pool,
            Err(problem) => return Some(Some(problem.clone())),
        };
        if let Some(older) = &cx.shared.older {
            return Some(Some(Problem::taken(older)));
        }
        if !has_target {
            let Workload { kind, name } = &pool.target;
            let missing = match cx.shared.targets.listed(*kind, &self.identity.key.namespace) {
                Listing::Pending => return None,
                Listing::Refused(code) => {
                    let rights = match kind {
                        WorkloadKind::Deployment => "check the operator's rights.",
                        WorkloadKind::StatefulSet => "install the chart with `rbac.statefulSets: true`.",
                    };
                    format!("{kind}s cannot be listed (status {code}): {rights}")
                }
                Listing::Done => format!("There is no {kind} `{name}` in this namespace: create it."),
            };
            return Some(Some(Problem::waiting(NO_TARGET, missing)));
        }
        let Workload { kind, .. } = &pool.target;
        if let Some(code) = cx.shared.targets.refused(*kind, &self.identity.key.namespace) {
            let text = format!(
                "{kind}s cannot be watched any more (status {code}), so nothing is done: check the operator's rights."
            );
            return Some(Some(Problem::waiting(UNSEEN, text)));
        }
        match &self.link {
            BrokerLink::Failed(problem) if !pool.policy.suspended => Some(Some(problem.clone())),
            _ => Some(None),
        }
    }

    fn decide(&mut self, pool: &Pool, target: &Target, cx: &mut Cx) -> Duration {
        let now = cx.now;
        let found = self
            .ownership
            .look(target, pool.acts(), self.tasks.writing.is_some(), now.moment);
        if let Some(change) = found {
            // Reported with the sentence that it was written for: before the next decision.
            self.written(change, target.version, cx);
        }
        if pool.app.told && self.learned.names().is_empty() {
            // Whoever starts a worker that says which queues there are is not in the way.
            self.ownership.give_way();
        }
        let seen = self.observe(pool, target, now);
        let fresh = matches!(seen.reading, Reading::Fresh(_));
        let memory = std::mem::take(&mut self.memory);
        let (memory, decision) = scaling::decide(&pool.policy, memory, &seen);
        self.memory = memory;
        let before = self.decision.take().map(|(_, decision)| decision);
        let look_again = decision.decide_again_in;
        // A fresh reading becomes stale by time alone.
        let stale = if fresh {
            let age = self
                .samples
                .last
                .as_ref()
                .map_or(Moment::ZERO, |(_, at)| now.moment.saturating_sub(at.moment));
            self.fresh_for(pool).saturating_sub(age) + Duration::from_millis(10)
        } else {
            AT_LEAST
        };
        let told = report::decision(before.as_ref(), &decision);
        if told.is_some() {
            self.show_decision(seen.replicas, &decision, now);
        }
        self.decision = Some((seen, decision));
        if let Some((note, event)) = told {
            self.note(note, cx);
            self.publish(event, cx);
        }
        look_again.min(stale)
    }

    /// Starts what the decision asks for, a write of the replicas or an examination of the draining pods, unless one is
    /// under way or it is too early to try again. Returns the time until the next check.
    fn act(&mut self, pool: &Pool, target: &Target, key: &TargetKey, cx: &mut Cx) -> Duration {
        let now = cx.now.moment;
        if !pool.acts() {
            self.uncordon(cx);
            return AT_LEAST;
        }
        self.take_back(key, cx);
        let Some((seen, decision)) = &self.decision else {
            return AT_LEAST;
        };
        // The first count of a broker is awaited: one write from zero to N, not two.
        let silent = matches!(
            seen.reading,
            Reading::Unknown {
                why: SampleError::NotYet
            }
        );
        let not_yet = silent && self.is_awaited(now);
        let (replicas, from) = (decision.replicas, seen.replicas);
        let write = self.ownership.must_write(replicas);
        if !write {
            self.ownership.kept = None;
            self.ownership.clear_failures();
        }
        if !self.drain.unfinished() && !write {
            self.drain.clear_failures();
        }
        if not_yet || !(write || self.drain.unfinished()) {
            return AT_LEAST;
        }
        let rises = write && replicas > target.replicas;
        // An examination takes time, above all where the API server is slow: workers that are needed do not wait.
        if self.tasks.writing.is_some() && rises && !self.tasks.raising {
            self.abort_scale(cx);
        }
        let tally = self.samples.last.as_ref().map(|(tally, _)| tally.clone());
        let drain = &self.drain;
        let glance = Glance::new(
            replicas,
            target,
            drain.is_refused(now),
            tally.as_deref(),
            &drain.intents,
            now,
        );
        // Marks that were just written protect no pod yet: before their time only an examination that lowers nothing is
        // made.
        let look = match rises || replicas > drain.to && replicas >= from {
            true => Moment::ZERO,
            false => drain.look_at(&glance),
        };
        let put_back = self.ownership.restore_at(target, replicas);
        let wait = self.ownership.not_before.max(look).max(put_back).saturating_sub(now);
        if self.tasks.writing.is_some() {
            return AT_LEAST;
        }
        if !wait.is_zero() {
            return wait.max(SOON);
        }
        if write && replicas < from && self.references_are_old(pool, cx) {
            return if self.tasks.resolving.is_some() { AT_LEAST } else { SOON };
        }
        self.drain.looks(replicas, glance);
        let asked = self.next_question();
        (self.tasks.writing, self.tasks.raising) = (Some(asked), rises);
        self.ownership.restoring.clone_from(&self.ownership.overwritten);
        cx.ask(PoolEffect::Scale(Box::new(Job {
            asked,
            pool: self.identity.key.name.clone(),
            target: key.clone(),
            uid: target.uid.clone(),
            selector: target.selector.clone(),
            ordinals: target.ordinals,
            programs: pool.app.framework.programs,
            from: self.ownership.overwritten.as_ref().map_or(from, |_| target.replicas),
            to: replicas,
            write,
            unfinished: self.drain.unfinished(),
            refused: self.drain.is_refused(now),
            intents: self.drain.intents.clone(),
            departed: self.drain.plan.departed.clone(),
            // If a pod did not end by itself, the grace period covers nothing.
            graceful: pool.graceful.filter(|_| self.drain.overstayed.is_none()),
            overstays: self.drain.overstayed.is_some(),
            returned: self
                .link
                .address()
                .is_some_and(|address| matches!(address.kind, Kind::RabbitMq { .. })),
            fresh: self.fresh_for(pool).saturating_add(Duration::from_secs(1)),
            tally: tally.unwrap_or_default(),
        })));
        AT_LEAST
    }

    /// Aborts what is under way at the target. Whatever was done already is found there.
    pub(super) fn abort_scale(&mut self, cx: &mut Cx) {
        self.tasks.writing = None;
        self.drain.left = true;
        cx.ask(PoolEffect::AbortScale);
    }

    /// Writes the status if it is new and the time has come; returns the time until the next check.
    fn tell(
        &mut self,
        problem: Option<&Problem>,
        pool: Option<&Pool>,
        target: Option<&Target>,
        cx: &mut Cx,
    ) -> Duration {
        let now = cx.now;
        let conflicting = self.ownership.conflicting_manager(now.moment);
        let startup = self.startup();
        let (late, late_in) = target.map_or((0, None), |target| self.late.look(target, startup, now.moment));
        let late_in = late_in.unwrap_or(AT_LEAST);
        let failed = self.ownership.failed.as_ref().or(self.drain.failed.as_ref());
        let facts = Facts {
            generation: self.identity.generation,
            problem,
            suspended: pool.is_some_and(|pool| pool.policy.suspended),
            mode: pool.map_or(Mode::Act, |pool| pool.mode),
            kind: pool.map_or(WorkloadKind::Deployment, |pool| pool.target.kind),
            target: target.map(|target| (self.ownership.replicas(target), target.ready)),
            source: pool.map_or(SourceState::NotYet, |pool| source(self, pool, now)),
            pods: Pods::of(target, late),
            scheduler: pool
                .zip(target)
                .is_some_and(|(pool, target)| pool.app.framework.schedules(&target.commands)),
            min: pool.map_or(0, |pool| pool.policy.min),
            max: pool.map_or(0, |pool| pool.policy.max),
            framework: pool.map_or(DEFAULT, |pool| pool.app.framework),
            shared: cx.shared.queue.as_ref(),
            learned: Some(&self.learned).filter(|_| pool.is_none_or(|pool| pool.app.told)),
            left_behind: self.learned.left_behind(now.moment).collect(),
            intents: Some(&self.drain.intents).filter(|_| !self.drain.left),
            // Until the API server has shown the broker's address, what was true before still counts.
            about_to_speak: self.link == BrokerLink::None || self.is_awaited(now.moment),
            broker: self.broker(),
            decision: self.decision.as_ref().map(|(_, decision)| decision),
            kept: self.ownership.kept,
            leaving: Some(&self.drain.plan),
            refused: self.drain.refusal(now.moment),
            workers: workers(self, target, now.moment),
            overstayed: self.drain.overstayed.as_deref(),
            graceful: pool.is_some_and(|pool| pool.graceful.is_some()),
            cost_conflict: self.drain.fought_over(now.moment),
            fought_by: conflicting.as_deref(),
            write_failed: failed.map(|(why, since)| (why.as_str(), now.moment.saturating_sub(*since))),
            last_scale: self.last_scale.as_ref(),
            now: now.wall,
        };
        let new = status::status(&facts, self.stored.as_ref());
        let key = self.identity.key.clone();
        cx.ask(PoolEffect::Numbers(
            key,
            Box::new(report::numbers(self, pool, target, &new)),
        ));
        self.show(pool, &new, now.moment);
        let Some(due) = throttle::due(self.stored.as_ref(), &new) else {
            self.throttle.turn = None;
            return late_in;
        };
        let wait = self.throttle.wait(due.after(), now.moment, self.id);
        if self.tasks.publishing {
            return late_in;
        }
        if !wait.is_zero() {
            return wait.max(SOON).min(late_in);
        }
        let last = self.throttle.at.unwrap_or(now.moment);
        let wait = cx.shared.turns.wait(due, last, &mut self.throttle.turn, now.moment);
        if !wait.is_zero() {
            return wait.min(late_in);
        }
        self.tasks.publishing = true;
        let before = self.throttle.told.as_ref().or(self.stored.as_ref());
        let events = report::conditions(before, &new);
        self.throttle.told = Some(new.clone());
        cx.ask(PoolEffect::WriteStatus(self.identity.clone(), Box::new(new)));
        self.publish(events, cx);
        late_in
    }
}

/// Reason while the target cannot be seen: what is known of it is old.
const UNSEEN: &str = "TargetUnreadable";
/// Reason while the target does not exist.
const NO_TARGET: &str = "TargetMissing";

/// Ready pods that are heard, and those that are not.
fn workers<'a>(state: &'a PoolState, target: Option<&Target>, now: Moment) -> Heard<'a> {
    let ready = target.map_or(0, |target| target.ready);
    let Some((tally, _)) = &state.samples.last else {
        return Heard {
            ready,
            ..Heard::default()
        };
    };
    Heard {
        ready,
        heard: roster::heard(tally).min(ready),
        missing_for: state.roster.missing_for(now),
        not_heard: state.roster.not_heard(tally).collect(),
    }
}

fn source<'a>(state: &'a PoolState, pool: &Pool, now: Now) -> SourceState<'a> {
    let failing = state.samples.failing;
    match (state.reading(pool, now.moment), state.counted()) {
        (Reading::Fresh(_) | Reading::Untold, Some((tally, at))) => SourceState::Read { tally, at },
        (Reading::Stale { age, why, .. }, last) => SourceState::Lost {
            why: why.unwrap_or(SampleError::Timeout),
            age,
            last,
        },
        (
            Reading::Unknown {
                why: SampleError::NotYet,
            },
            _,
        ) => SourceState::NotYet,
        (Reading::Unknown { why }, last) => SourceState::Lost {
            why,
            age: failing.map_or(Duration::ZERO, |(_, since)| now.moment.saturating_sub(since)),
            last,
        },
        (Reading::Fresh(_) | Reading::Untold, None) => SourceState::NotYet,
    }
}
