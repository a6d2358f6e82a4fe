//! The pass over one pool: look → decide → apply → publish. Short, and the only place where they meet.

use std::time::Duration;

use super::{
    apply::Job,
    deeds::reference,
    desk::{Desk, acts},
    entry::{Entry, Link},
    news::News,
    pool::{Key, Pool, Problem},
    publish,
    registry::Listing,
    report, roll,
    status::{self, Facts, Heard, Pods, Source},
    target::Target,
};
use crate::{
    api::Mode,
    broker::SubscriberId,
    scaling::{self, Reading},
    work::{Moment, Now, SampleError, celery::BrokerKind},
};

/// A quiet pool is looked at again at least this often.
const AT_LEAST: Duration = Duration::from_secs(60);
/// While something is awaited that comes by itself.
const SOON: Duration = Duration::from_millis(100);

impl Desk {
    /// Makes a pass over one pool.
    pub(super) fn pass(&mut self, id: SubscriberId) {
        let now = self.clock.now();
        let Some(entry) = self.pools.get(id) else { return };
        let target = entry
            .target()
            .and_then(|key| Some((self.targets.get(&key)?.clone(), key)));
        let problem = self.problem(entry, target.is_some());
        let Some(problem) = problem else {
            // The list of Deployments is not complete: nothing can be said yet.
            return;
        };
        let pool = entry.pool.clone();
        let mut next = AT_LEAST;
        if let Ok(pool) = &pool {
            next = next.min(self.connect(id, pool, now.moment));
            // A pool that only waits for its Secret still decides: it holds, and it falls back.
            let blocked = problem
                .as_ref()
                .is_some_and(|problem| problem.reason == CONFLICT || problem.reason == NO_TARGET);
            if let Some((target, key)) = target.as_ref().filter(|_| !blocked) {
                next = next.min(self.decide(id, pool, target, now));
                next = next.min(self.act(id, pool, target, key, now.moment));
                next = next.min(self.call_roll(id, target, now.moment));
                next = next.min(self.protect(id, pool, target, now.moment));
            }
        }
        let target = target.map(|(target, _)| target);
        next = next.min(self.publish(id, problem.as_ref(), pool.as_ref().ok(), target.as_ref(), now));
        self.pools.wake_at(id, now.moment + next.max(Duration::from_millis(20)));
    }

    /// What keeps the pool from working; the outer `None`: not known yet.
    fn problem(&self, entry: &Entry, has_target: bool) -> Option<Option<Problem>> {
        let pool = match &entry.pool {
            Ok(pool) => pool,
            Err(problem) => return Some(Some(problem.clone())),
        };
        if let Some(elder) = self.pools.elder(entry) {
            return Some(Some(Problem {
                reason: CONFLICT,
                message: format!(
                    "The older pool `{}` scales the same target: delete one of the two, or change `targetRef`.",
                    elder.identity.key.name
                ),
                wait: false,
            }));
        }
        if !has_target {
            let missing = match self.targets.listed(&entry.identity.key.namespace) {
                Listing::Under => return None,
                Listing::Refused(code) => {
                    format!("Deployments cannot be listed (status {code}): check the operator's rights.")
                }
                Listing::Done => format!("There is no Deployment `{}` in this namespace: create it.", pool.target),
            };
            return Some(Some(Problem::waiting(NO_TARGET, missing)));
        }
        match &entry.link {
            Link::Failed(problem) if !pool.policy.suspended => Some(Some(problem.clone())),
            _ => Some(None),
        }
    }

    /// Sees to it that the pool is sampled, or, while suspended, that it is not. Says when to look again.
    fn connect(&mut self, id: SubscriberId, pool: &Pool, now: Moment) -> Duration {
        let Some(entry) = self.pools.get(id) else {
            return AT_LEAST;
        };
        match (&entry.link, pool.policy.suspended) {
            (Link::None | Link::Failed(_), false) => {
                let wait = entry.tasks.resolve_not_before.saturating_sub(now);
                self.resolve(id);
                wait
            }
            (Link::Linked(_), true) => {
                if let Some(mut entry) = self.pools.remove(id) {
                    self.unlink(&mut entry);
                    self.pools.insert(entry);
                }
                AT_LEAST
            }
            (Link::Linked(_), false) => self.read_again(id, pool, now),
            _ => AT_LEAST,
        }
        .max(Duration::from_millis(100))
    }

    fn decide(&mut self, id: SubscriberId, pool: &Pool, target: &Target, now: Now) -> Duration {
        let Some(entry) = self.pools.get_mut(id) else {
            return AT_LEAST;
        };
        let found = entry.hold.look(target, acts(pool), entry.tasks.writing, now.moment);
        if let Some(change) = found {
            // Told with the sentence that it was written for: before the next decision.
            self.written(id, change, target.version);
        }
        let Some(entry) = self.pools.get_mut(id) else {
            return AT_LEAST;
        };
        let seen = entry.observe(pool, target, now);
        let fresh = matches!(seen.reading, Reading::Fresh(_));
        let memory = std::mem::take(&mut entry.memory);
        let (memory, decision) = scaling::decide(&pool.policy, memory, &seen);
        entry.memory = memory;
        let before = entry.decision.take().map(|(_, decision)| decision);
        let look_again = decision.look_again_in;
        // A fresh reading goes stale by time alone.
        let stale = if fresh {
            let age = entry
                .samples
                .last
                .as_ref()
                .map_or(Moment::ZERO, |(_, at)| now.moment.saturating_sub(at.moment));
            entry.fresh_for(pool).saturating_sub(age) + Duration::from_millis(10)
        } else {
            AT_LEAST
        };
        let events = report::decision(&entry.identity, before.as_ref(), &decision, &self.metrics);
        entry.decision = Some((seen, decision));
        let about = reference(entry);
        self.tell(&about, events);
        look_again.min(stale)
    }

    /// Starts what the decision asks for, a write of the replicas or a look at the pods on their way out, unless one is
    /// under way or it is too early to try again. Says when to look again.
    fn act(&mut self, id: SubscriberId, pool: &Pool, target: &Target, key: &Key, now: Moment) -> Duration {
        if !acts(pool) {
            if let Some(mut entry) = self.pools.remove(id) {
                self.give_back(&mut entry);
                self.pools.insert(entry);
            }
            return AT_LEAST;
        }
        let Some(entry) = self.pools.get_mut(id) else {
            return AT_LEAST;
        };
        if let Some(release) = entry.leaving.release.take() {
            // Back at work: the desk sees to them again.
            release.abort();
            entry.leaving.left = true;
        }
        let Some((seen, decision)) = &entry.decision else {
            return AT_LEAST;
        };
        // The first word of a broker that has not spoken yet is awaited: one write from zero to N, not two.
        let silent = matches!(
            seen.reading,
            Reading::Unknown {
                why: SampleError::NotYet
            }
        );
        let not_yet = silent && entry.is_awaited(now);
        let (replicas, from) = (decision.replicas, seen.replicas);
        let write = entry.hold.must_write(replicas);
        if !write {
            entry.hold.kept = None;
            if !entry.leaving.unfinished() {
                entry.hold.well();
            }
        }
        if not_yet || !(write || entry.leaving.unfinished()) {
            return AT_LEAST;
        }
        let urgent = replicas > target.replicas || replicas > entry.leaving.to;
        let wait = entry.hold.not_before.saturating_sub(now);
        if entry.tasks.writing || !(wait.is_zero() || (urgent && entry.hold.failures == 0)) {
            return wait.max(Duration::from_millis(100));
        }
        if write && replicas < from && self.references_are_old(id, pool, now) {
            return SOON;
        }
        let Some(entry) = self.pools.get_mut(id) else {
            return AT_LEAST;
        };
        entry.leaving.to = replicas;
        let job = Job {
            pool: entry.identity.key.name.clone(),
            target: key.clone(),
            uid: target.uid.clone(),
            selector: target.selector.clone(),
            from: entry.hold.overwritten.as_ref().map_or(from, |_| target.replicas),
            to: replicas,
            write,
            unfinished: entry.leaving.unfinished(),
            refused: entry.leaving.is_refused(now),
            attention: entry.leaving.attention.clone(),
            // Where a pod did not end by itself the grace period covers nothing.
            graceful: pool.graceful.filter(|_| entry.leaving.overstayed.is_none()),
            overstays: entry.leaving.overstayed.is_some(),
            returned: matches!(pool.celery.broker, BrokerKind::RabbitMq { .. }),
            fresh: entry.fresh_for(pool).saturating_add(Duration::from_secs(1)),
            newest: entry.samples.newest.subscribe(),
            clock: self.clock,
        };
        self.write(id, job);
        AT_LEAST
    }

    /// Writes the status if it says something new and it is time; says when to look again.
    fn publish(
        &mut self,
        id: SubscriberId,
        problem: Option<&Problem>,
        pool: Option<&Pool>,
        target: Option<&Target>,
        now: Now,
    ) -> Duration {
        let shared = self.shares(id);
        let Some(entry) = self.pools.get_mut(id) else {
            return AT_LEAST;
        };
        let fought_by = entry.hold.fought_by(now.moment);
        let startup = entry.startup();
        let (late, late_in) = target.map_or((0, None), |target| entry.late.look(target, startup, now.moment));
        let late_in = late_in.unwrap_or(AT_LEAST);
        let facts = Facts {
            generation: entry.identity.generation,
            problem,
            suspended: pool.is_some_and(|pool| pool.policy.suspended),
            mode: pool.map_or(Mode::Act, |pool| pool.mode),
            target: target.map(|target| (entry.hold.replicas(target), target.ready)),
            source: pool.map_or(Source::NotYet, |pool| source(entry, pool, now)),
            pods: Pods::of(target, late),
            beat: target.is_some_and(|target| target.beat),
            min: pool.map_or(0, |pool| pool.policy.min),
            max: pool.map_or(0, |pool| pool.policy.max),
            celery: pool.map(|pool| &pool.celery),
            shared: shared.as_ref(),
            attention: Some(&entry.leaving.attention).filter(|_| !entry.leaving.left),
            about_to_speak: entry.is_awaited(now.moment),
            broker: entry.broker(),
            decision: entry.decision.as_ref().map(|(_, decision)| decision),
            kept: entry.hold.kept,
            leaving: Some(&entry.leaving.plan),
            refused: entry.leaving.refusal(now.moment),
            workers: workers(entry, target, now.moment),
            overstayed: entry.leaving.overstayed.as_deref(),
            graceful: pool.is_some_and(|pool| pool.graceful.is_some()),
            cost_conflict: entry.leaving.fought_over(now.moment),
            fought_by: fought_by.as_deref(),
            write_failed: entry.hold.failed.as_deref(),
            last_scale: entry.last_scale.as_ref(),
            now: now.wall,
        };
        let new = status::status(&facts, entry.stored.as_ref());
        report::numbers(entry, pool, target, &new, &self.metrics);
        let Some(due) = publish::due(entry.stored.as_ref(), &new) else {
            entry.said.turn = None;
            return late_in;
        };
        let wait = entry.said.wait(due.after(), now.moment, id);
        if entry.tasks.publishing || !wait.is_zero() {
            return wait.max(SOON).min(late_in);
        }
        let last = entry.said.at.unwrap_or(now.moment);
        let wait = self.turns.wait(due, last, &mut entry.said.turn, now.moment);
        if !wait.is_zero() {
            return wait.min(late_in);
        }
        entry.tasks.publishing = true;
        let before = entry.said.told.as_ref().or(entry.stored.as_ref());
        let events = report::conditions(before, &new);
        entry.said.told = Some(new.clone());
        let about = reference(entry);
        let (client, inbox, identity) = (self.client.clone(), self.inbox.clone(), entry.identity.clone());
        tokio::spawn(async move {
            let result = publish::write(&client, &identity, &new).await.map(|()| Box::new(new));
            let _gone = inbox.send(News::Published(id, result));
        });
        self.tell(&about, events);
        late_in
    }
}

/// Another pool scales the same target.
const CONFLICT: &str = "TargetTaken";
/// There is nothing to scale.
const NO_TARGET: &str = "TargetMissing";

/// Who of the ready pods is heard, and who is not.
fn workers<'a>(entry: &'a Entry, target: Option<&Target>, now: Moment) -> Heard<'a> {
    let ready = target.map_or(0, |target| target.ready);
    let Some((tally, _)) = &entry.samples.last else {
        return Heard {
            ready,
            ..Heard::default()
        };
    };
    Heard {
        ready,
        heard: roll::heard(tally).min(ready),
        missing_for: entry.roll.missing_for(now),
        not_heard: entry.roll.not_heard(tally).collect(),
    }
}

fn source<'a>(entry: &'a Entry, pool: &Pool, now: Now) -> Source<'a> {
    let failing = entry.samples.failing;
    match (entry.reading(pool, now.moment), entry.counted()) {
        (Reading::Fresh(_), Some((tally, at))) => Source::Read { tally, at },
        (Reading::Stale { age, why, .. }, last) => Source::Lost {
            why: why.unwrap_or(SampleError::Timeout),
            age,
            last,
        },
        (
            Reading::Unknown {
                why: SampleError::NotYet,
            },
            _,
        ) => Source::NotYet,
        (Reading::Unknown { why }, last) => Source::Lost {
            why,
            age: failing.map_or(Duration::ZERO, |(_, since)| now.moment.saturating_sub(since)),
            last,
        },
        (Reading::Fresh(_), None) => Source::NotYet,
    }
}
