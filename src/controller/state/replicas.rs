//! Results of a write of the replicas, or of an examination of the pods.

use std::time::Duration;

use super::{Cx, FIRST, MOST, PoolState, scattered};
use crate::{
    api::{LastScale, Time},
    controller::{
        effect::{Note, Outcome, ScaleOutcome},
        ownership::Change,
    },
    drain::Plan,
    kube::CallError,
    telemetry::PoolEvent,
};

/// Longest pause after a write that the API server was too slow or too busy for.
const PASSES: Duration = Duration::from_millis(1500);

/// What failed, and what mends it.
pub(super) fn mended(why: CallError) -> String {
    match why {
        CallError::Refused { code: 403 } => format!("{why}: check the operator's Role, and admission policies"),
        _ => why.to_string(),
    }
}

impl PoolState {
    pub(super) fn scaled(&mut self, outcome: Outcome, cx: &mut Cx) {
        let now = cx.now.moment;
        self.tasks.writing = None;
        let looked = outcome.plan.is_some();
        if let Some(plan) = outcome.plan {
            self.looked(plan, cx);
            // Where the target itself could not be read after its pods, that goes on.
            if !matches!(outcome.replicas, ScaleOutcome::Unseen(_)) {
                self.drain.clear_failures();
            }
        }
        match outcome.replicas {
            ScaleOutcome::Written { change, version } => self.written(change, version, cx),
            ScaleOutcome::Unconfirmed { change, why } => {
                self.refused(why, cx);
                self.ownership.unconfirmed = Some(change);
            }
            ScaleOutcome::Failed(why) => {
                self.refused(why, cx);
                self.ownership.restoring = None;
            }
            ScaleOutcome::Unseen(why) => {
                self.note(Note::ScaleFailed(why), cx);
                self.drain.failed(why, now, self.id);
                self.ownership.restoring = None;
            }
            ScaleOutcome::Outdated => {
                self.drain.outdated(now);
                self.ownership.restoring = None;
            }
            ScaleOutcome::None => {
                self.ownership.clear_failures();
                self.ownership.restoring = None;
            }
            ScaleOutcome::Held { kept } => {
                self.ownership.clear_failures();
                (self.ownership.kept, self.ownership.restoring) = (Some(kept), None);
            }
        }
        self.drain.rest(cx.now, self.ownership.lag(now));
        if looked && self.pool.as_ref().is_ok_and(|pool| pool.acts()) {
            self.attend(cx);
        }
    }

    /// Takes in that the pods have been examined.
    fn looked(&mut self, plan: Plan, cx: &mut Cx) {
        let now = cx.now.moment;
        if let Some(pod) = plan.conflict.clone() {
            self.drain.conflict = Some((now, pod));
        }
        if !plan.own.is_empty() {
            self.roster.listed(plan.own.clone(), now);
        }
        self.drain.record(plan);
    }

    /// Takes in that a write was refused, or had no answer.
    fn refused(&mut self, why: CallError, cx: &mut Cx) {
        self.note(Note::ScaleFailed(why), cx);
        let ownership = &mut self.ownership;
        // What passes by itself is retried soon: all writes wait at one gate.
        let most = if why.passes() { PASSES } else { MOST };
        let pause = ownership.backoff.failed(FIRST, MOST).min(most);
        ownership.not_before = cx.now.moment + scattered(pause, self.id);
        let since = ownership.failed.as_ref().map_or(cx.now.moment, |(_, since)| *since);
        ownership.failed = Some((mended(why), since));
    }

    /// Takes in that the replicas are written: remembers and reports it, with the decision that they were written for.
    pub(super) fn written(&mut self, change: Change, version: u64, cx: &mut Cx) {
        let (rule, sentence) = self.decision.as_ref().map_or(("Unknown", ""), |(_, decision)| {
            (decision.rule.reason(), decision.sentence.as_str())
        });
        let sentence = sentence.to_owned();
        let Change { from, to, kept } = change;
        if let Some((manager, found)) = self.ownership.restoring.clone() {
            let restored = to;
            self.note(
                Note::Overwritten {
                    manager: manager.clone(),
                    found,
                    restored,
                },
                cx,
            );
            let event = PoolEvent::ReplicasOverwritten {
                manager,
                found,
                restored,
            };
            self.publish([event], cx);
        }
        self.ownership.written(to, version, cx.now.moment);
        self.ownership.kept = (kept > 0).then_some(kept);
        self.note(
            Note::Scaled {
                from,
                to,
                rule,
                sentence: sentence.clone(),
            },
            cx,
        );
        if from == to {
            return;
        }
        let wall = cx.now.wall;
        self.last_scale = Some(LastScale {
            from: i32::try_from(from).unwrap_or(i32::MAX),
            to: i32::try_from(to).unwrap_or(i32::MAX),
            at: Time(jiff::Timestamp::from_second(wall.as_second()).unwrap_or(wall)),
            message: sentence.clone(),
        });
        self.publish([PoolEvent::Scaled { from, to, sentence }], cx);
    }
}
