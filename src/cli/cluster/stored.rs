//! A pool as its object alone shows it: what the operator wrote into the status.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use crate::{
    api::{Status, TaskWorkerPool},
    controller::{is_well, validate},
    kube::Key,
    model::{Moment, Now},
    scaling::Estimates,
    view::{Record, recorded, types},
};

/// Pool of an object; `None`: the object has no name, which no API server returns.
pub(super) fn pool(object: &TaskWorkerPool) -> Option<types::Pool> {
    let key = Key {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone()?,
    };
    let mut status = object.status.clone().unwrap_or_default();
    let pool = validate::pool(object).ok();
    let learned = estimates(&status);
    let decision = status.decision.clone();
    status.conditions.retain(|condition| !is_well(condition));
    let record = Record {
        estimates: learned,
        status,
        ..match pool {
            Some(pool) => pool.record(key),
            None => Record::new(key),
        }
    };
    // Nothing in a record alone depends on the time.
    let now = Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: Moment::ZERO,
    };
    let mut pool = recorded(record, now);
    // The other rules' numbers are not in a status.
    pool.candidates.extend(decision.map(|decision| types::Candidate {
        rule: decision.rule,
        replicas: u32::try_from(decision.replicas).unwrap_or(0),
        chosen: true,
    }));
    Some(pool)
}

fn estimates(status: &Status) -> Option<Estimates> {
    let learned = status.estimates.as_ref()?;
    Some(Estimates {
        task: learned.task_milliseconds.map(|task| task as f64 / 1e3),
        rate: learned.arrivals_per_minute.unwrap_or(0) as f64 / 60.0,
        startup: learned.startup_seconds.map(|startup| startup as f64),
        slots: learned.concurrency.and_then(|slots| u32::try_from(slots).ok()),
        in_time: None,
        arrived: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pool_is_what_its_object_says() {
        let object = json!({
            "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
            "metadata": {"name": "mail", "namespace": "shop"},
            "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}, "maxReplicas": 8,
                "target": {"waitSeconds": 60}},
            "status": {
                "message": "Capped at 8.", "replicas": 8, "readyReplicas": 8, "desiredReplicas": 8,
                "work": {"waiting": 400, "inFlight": 8, "scheduled": 0, "oldestWaitSeconds": 70},
                "decision": {"replicas": 8, "rule": "Maximum", "message": "Capped at 8."},
                "conditions": [
                    {"type": "Ready", "status": "True", "reason": "Working", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "SourceAvailable", "status": "True", "reason": "Sampled", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "ScalingLimited", "status": "True", "reason": "Maximum", "message": "It is capped.",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"},
                ],
            },
        });
        let found = pool(&serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(found.state, types::State::Late);
        assert_eq!(
            (found.replicas.min, found.replicas.max, found.replicas.set),
            (0, 8, Some(8))
        );
        assert_eq!(found.promise.wait_seconds, Some(60));
        let wrong: Vec<_> = found
            .conditions
            .iter()
            .map(|condition| condition.kind.as_str())
            .collect();
        assert_eq!(wrong, ["ScalingLimited"]);
        assert_eq!(found.candidates.len(), 1);
        assert!(found.detail.is_none());
    }

    #[test]
    fn a_pool_that_nobody_has_seen_is_unknown() {
        let object = json!({
            "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool", "metadata": {"name": "mail"},
            "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}},
        });
        let found = pool(&serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(found.state, types::State::Unknown);
    }
}
