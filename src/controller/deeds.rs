//! What the desk has done in tasks of their own, and what it makes of their results: targets written, Events published.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;

use super::{
    apply::{self, Deed, Job, Outcome},
    desk::{Desk, acts},
    entry::{Entry, FIRST, Link, MOST, backoff},
    hold::Change,
    news::News,
};
use crate::{
    api::{LastScale, Status, TaskWorkerPool},
    broker::SubscriberId,
    telemetry::{Direction, PoolEvent},
    workers::{CallError, attention},
};

/// How soon a scale-down that busy pods held up is tried again.
const KEPT_AGAIN: Duration = Duration::from_secs(2);

impl Desk {
    /// Writes the target in a task of its own.
    pub(super) fn write(&mut self, id: SubscriberId, job: Job) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.tasks.writing = true;
        entry.hold.restoring = entry.hold.overwritten.clone();
        let (client, inbox) = (self.client.clone(), self.inbox.clone());
        let job = tokio::spawn(async move {
            let outcome = apply::carry_out(&client, job).await;
            let _gone = inbox.send(News::Wrote(id, outcome));
        });
        entry.job = Some(job.abort_handle());
    }

    pub(super) fn wrote(&mut self, id: SubscriberId, outcome: Outcome) {
        let now = self.clock.now();
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.tasks.writing = false;
        let looked = outcome.plan.is_some();
        if let Some(plan) = outcome.plan {
            if let Some(pod) = plan.conflict.clone() {
                entry.leaving.conflict = Some((now.moment, pod));
            }
            if !plan.own.is_empty() {
                entry.roll.listed(plan.own.clone(), now.moment);
            }
            entry.leaving.saw(plan);
        }
        let key = &entry.identity.key;
        let hold = &mut entry.hold;
        if let Deed::Failed(why) | Deed::Unanswered { why, .. } = outcome.deed {
            tracing::warn!(namespace = key.namespace, name = key.name, why = %why, "the target could not be written");
            hold.not_before = now.moment + backoff(hold.failures, FIRST, MOST, id);
            hold.failures = hold.failures.saturating_add(1);
            hold.failed = Some(why.to_string());
        }
        match outcome.deed {
            Deed::Written { change, version } => self.written(id, change, version),
            Deed::Unanswered { change, .. } => hold.unanswered = Some(change),
            Deed::Failed(_) => hold.restoring = None,
            Deed::None => {
                hold.not_before = now.moment;
                hold.restoring = None;
                hold.well();
            }
            Deed::Kept { kept } => {
                hold.kept = Some(kept);
                hold.not_before = now.moment + KEPT_AGAIN;
                hold.restoring = None;
                hold.well();
            }
        }
        let Some(entry) = self.pools.get_mut(id) else { return };
        if entry.leaving.unfinished() {
            entry.hold.not_before = match entry.hold.failures {
                0 => now.moment + entry.leaving.again_in(),
                _ => entry.hold.not_before,
            };
        }
        if looked && entry.pool.as_ref().is_ok_and(acts) {
            self.attend(id);
        }
        self.pass(id);
    }

    /// The replicas are written: remembers and tells it.
    pub(super) fn written(&mut self, id: SubscriberId, change: Change, version: u64) {
        let now = self.clock.now();
        let Some(entry) = self.pools.get_mut(id) else { return };
        let about = reference(entry);
        let key = &entry.identity.key;
        let (reason, sentence) = entry.decision.as_ref().map_or(("Unknown", ""), |(_, decision)| {
            (decision.rule.reason(), decision.sentence.as_str())
        });
        let Change { from, to, kept } = change;
        let hold = &mut entry.hold;
        self.metrics.scale_written();
        let mut events = Vec::new();
        if let Some((manager, found)) = hold.restoring.take() {
            hold.overwritten = None;
            self.metrics.overwritten(&manager);
            tracing::warn!(
                namespace = key.namespace,
                name = key.name,
                manager,
                found,
                restored = to,
                "replicas overwritten"
            );
            events.push(PoolEvent::ReplicasOverwritten {
                manager,
                found,
                restored: to,
            });
        }
        (hold.intended, hold.version) = (Some(to), version.max(hold.version));
        hold.unanswered = None;
        hold.well();
        hold.kept = (kept > 0).then_some(kept);
        hold.not_before = if kept > 0 { now.moment + KEPT_AGAIN } else { now.moment };
        if from != to {
            let direction = if to > from { Direction::Up } else { Direction::Down };
            self.metrics.scaled(direction, reason);
            tracing::info!(
                namespace = key.namespace,
                name = key.name,
                from,
                to,
                rule = reason,
                why = sentence,
                "scaled"
            );
            entry.last_scale = Some(LastScale {
                from: i32::try_from(from).unwrap_or(i32::MAX),
                to: i32::try_from(to).unwrap_or(i32::MAX),
                at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                    jiff::Timestamp::from_second(now.wall.as_second()).unwrap_or(now.wall),
                ),
                message: sentence.to_owned(),
            });
            events.push(PoolEvent::Scaled {
                from,
                to,
                sentence: sentence.to_owned(),
            });
        }
        self.tell(&about, events);
    }

    pub(super) fn published(&mut self, id: SubscriberId, result: Result<Box<Status>, CallError>) {
        let Some(entry) = self.pools.get_mut(id) else { return };
        entry.tasks.publishing = false;
        entry.said.at = Some(self.clock.now().moment);
        match result {
            Ok(status) => {
                entry.stored = Some(*status);
                entry.said.failures = 0;
                self.metrics.status_written();
            }
            // The watch says soon what became of it.
            Err(why) if why.is_not_found() || why.is_conflict() => {}
            Err(why) => {
                let key = &entry.identity.key;
                tracing::warn!(namespace = key.namespace, name = key.name, why = %why, "the status could not be written");
                entry.said.failures = entry.said.failures.saturating_add(1);
            }
        }
        self.pass(id);
    }

    /// Has the pods looked after as the last plan wishes.
    fn attend(&mut self, id: SubscriberId) {
        let now = self.clock.now().moment;
        let Some(entry) = self.pools.get_mut(id) else { return };
        let Link::Linked(address) = &entry.link else { return };
        let wished = attention(&entry.leaving.attention, &entry.leaving.plan.stances, now);
        if wished != entry.leaving.attention {
            entry.leaving.attention.clone_from(&wished);
            self.endpoints.attend(address, id, wished);
        }
    }

    /// Publishes Events in a task of its own.
    pub(super) fn tell(&self, about: &ObjectReference, events: Vec<PoolEvent>) {
        if events.is_empty() {
            return;
        }
        let (publisher, about) = (self.events.clone(), about.clone());
        tokio::spawn(async move {
            for event in events {
                publisher.publish(&about, event).await;
            }
        });
    }
}

/// What an Event about this pool points to.
pub(super) fn reference(entry: &Entry) -> ObjectReference {
    ObjectReference {
        api_version: Some(TaskWorkerPool::api_version(&()).into_owned()),
        kind: Some(TaskWorkerPool::kind(&()).into_owned()),
        namespace: Some(entry.identity.key.namespace.clone()),
        name: Some(entry.identity.key.name.clone()),
        uid: Some(entry.identity.uid.clone()),
        ..ObjectReference::default()
    }
}
