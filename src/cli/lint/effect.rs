//! Fields of a pool that do nothing beside its other fields.
#![deny(clippy::disallowed_methods)]

use crate::{
    api::{Mode, Removal, ScalingRules, SelectPolicy, TaskWorkerPoolSpec},
    cli::manifest::{CheckedPool, Object},
};

/// Field with a sentence about it.
type Found = (String, String);

/// Fields that are written and do nothing.
pub(super) fn without_effect(object: &Object, checked: &CheckedPool) -> Vec<Found> {
    let spec = &checked.spec;
    let mut found = Vec::new();
    let is_written = |path: &str| {
        let way: Vec<_> = std::iter::once("spec").chain(path.split('.')).collect();
        object.get(&way).is_some()
    };
    let mut say = |path: &str, text: &str| {
        if is_written(path) {
            found.push((format!("spec.{path}"), format!("`{path}` has no effect {text}")));
        }
    };
    worker(spec, &mut say);
    celery(checked, &mut say);
    tls(checked, &mut say);
    if spec.min_replicas == spec.max_replicas {
        let text = "where `minReplicas` and `maxReplicas` are the same: the number of replicas never changes; raise `maxReplicas`";
        for path in ["target", "profile", "scaleDown", "behavior", "schedules", "fallback"] {
            say(path, text);
        }
    }
    if let Some(fallback) = spec
        .fallback
        .as_ref()
        .filter(|fallback| fallback.replicas <= spec.min_replicas)
    {
        let text = format!(
            "with {} replicas: `minReplicas` keeps as many anyway; raise `fallback.replicas` above {}, or take it out",
            fallback.replicas, spec.min_replicas
        );
        say("fallback", &text);
    }
    if spec.mode == Mode::Observe {
        say(
            "protectFromDisruption",
            "with `mode: Observe`, which writes nothing; set `mode: Act`, or take it out",
        );
    }
    found.extend(schedules(spec));
    found.extend(behavior(spec));
    found
}

fn worker(spec: &TaskWorkerPoolSpec, say: &mut impl FnMut(&str, &str)) {
    if spec.scale_down.removal != Removal::Graceful {
        say(
            "worker.maxTaskSeconds",
            "without `scaleDown.removal: Graceful`: busy replicas are not removed at all; take it out, or set that",
        );
    }
    if spec
        .target
        .as_ref()
        .is_some_and(|target| target.backlog_per_replica.is_some())
    {
        say(
            "worker.expectedTaskMilliseconds",
            "with `target.backlogPerReplica`, which does not ask how long tasks take; take it out, or use `target.waitSeconds`",
        );
    }
}

/// Options that belong to the other broker.
fn celery(checked: &CheckedPool, say: &mut impl FnMut(&str, &str)) {
    let url = checked.spec.broker.url.as_deref();
    let parts = checked.spec.broker.parts.as_ref().map(|parts| parts.scheme.name());
    let Some(scheme) = url.or(parts) else { return };
    if scheme.starts_with("amqp") || scheme.starts_with("pyamqp") {
        for option in [
            "prioritySteps",
            "separator",
            "unackedKey",
            "unackedIndexKey",
            "heartbeatChannel",
        ] {
            say(
                &format!("celery.{option}"),
                "with RabbitMQ: it is an option of Celery's transport for Redis; take it out",
            );
        }
    }
}

fn tls(checked: &CheckedPool, say: &mut impl FnMut(&str, &str)) {
    if checked
        .spec
        .broker
        .tls
        .as_ref()
        .is_none_or(|tls| tls.enabled != Some(false))
    {
        return;
    }
    let url = checked.spec.broker.url.as_deref();
    let parts = checked.spec.broker.parts.as_ref().map(|parts| parts.scheme.name());
    let Some(scheme) = url.or(parts).and_then(|text| text.split(':').next()) else {
        return;
    };
    match ["rediss", "amqps"].contains(&scheme) {
        true => say(
            "broker.tls.enabled",
            "with a URL that asks for TLS itself; take it out, or change the scheme of the URL",
        ),
        false => {
            for field in ["caFrom", "clientCertFrom", "clientKeyFrom", "serverName"] {
                say(
                    &format!("broker.tls.{field}"),
                    "with `broker.tls.enabled: false`: nothing is encrypted; take one of them out",
                );
            }
        }
    }
}

fn schedules(spec: &TaskWorkerPoolSpec) -> Vec<Found> {
    let of = |(at, schedule): (usize, &crate::api::Schedule)| {
        let field = format!("schedules[{at}].minReplicas");
        let (floor, min, max) = (schedule.min_replicas, spec.min_replicas, spec.max_replicas);
        let text = if floor <= min {
            format!(
                "`{field}` has no effect: `minReplicas` is {min} at all times; raise it above {min}, or take the schedule out"
            )
        } else if floor > max {
            format!("`{field}` is {floor}, and only {max} come: `maxReplicas` stays the limit; raise that")
        } else {
            return None;
        };
        Some((format!("spec.{field}"), text))
    };
    spec.schedules.iter().enumerate().filter_map(of).collect()
}

fn behavior(spec: &TaskWorkerPoolSpec) -> Vec<Found> {
    let behavior = spec.behavior.clone().unwrap_or_default();
    let of = |(name, rules): (&str, Option<ScalingRules>)| {
        let rules =
            rules.filter(|rules| rules.select_policy == SelectPolicy::Disabled && !rules.policies.is_empty())?;
        let field = format!("behavior.{name}.policies");
        let text = format!(
            "`{field}` has no effect with `selectPolicy: Disabled`, which allows no change; take one of them out ({} policies)",
            rules.policies.len()
        );
        Some((format!("spec.{field}"), text))
    };
    [("scaleUp", behavior.scale_up), ("scaleDown", behavior.scale_down)]
        .into_iter()
        .filter_map(of)
        .collect()
}
