//! From the object as written to a [`Pool`] that can work, once; and from the texts of its Secrets to an [`Address`].
//! Pure. The schema refuses most of this at the API server already; stored objects may be older than the schema.
#![deny(clippy::disallowed_methods)]

mod address;
mod parts;

use std::time::Duration;

pub use address::{Texts, addresses, describe, named, plain};
pub use parts::{PartTexts, url_of_parts};

pub use crate::broker::Address;

use super::pool::{Pool, Problem, Source, Text, UrlSource};
use crate::{
    api::{
        self, NOT_OBSERVED, ProfileName, Removal, ScalingRules, Status, TargetKind, TargetRef, TaskWorkerPool,
        TaskWorkerPoolSpec,
    },
    broker::url,
    framework::registry::{self, App},
    model::{Application, Delayed, Words, Workload, WorkloadKind},
    scaling::{
        Behavior, BehaviorPolicy, Fallback, Policy, PolicyType, Profile, Rules, Schedule, Select, TargetRule, Wait,
    },
};

/// Default wait target in seconds, where the pool sets no target.
const WAIT_SECONDS: i32 = 60;

/// Longest name, in bytes, in RabbitMQ's short strings.
const NAME_BYTES: usize = 255;

/// Largest number of schedules, as in the schema.
const MOST_SCHEDULES: usize = 16;

/// Validates a spec.
///
/// # Errors
/// A [`Problem`] that names the field and the fix.
pub fn pool(object: &TaskWorkerPool) -> Result<Pool, Problem> {
    let spec = &object.spec;
    if spec.min_replicas > spec.max_replicas {
        return Err(Problem::invalid(
            "`minReplicas` must be less than or equal to `maxReplicas`",
        ));
    }
    let app = app(spec)?;
    Ok(Pool {
        target: workload(&spec.target_ref),
        source: source(&spec.broker)?,
        policy: policy(spec, app.framework.words)?,
        app,
        mode: spec.mode,
        graceful: graceful(spec)?,
        protect: spec.protect_from_disruption,
    })
}

/// Status that an operator has written; the API server gives each new pool one of its own.
pub fn published(status: Option<Status>) -> Option<Status> {
    status.filter(|status| status.observed_generation != Some(NOT_OBSERVED))
}

/// Longest task, if busy replicas may be removed whose grace period covers it.
fn graceful(spec: &TaskWorkerPoolSpec) -> Result<Option<Duration>, Problem> {
    if spec.scale_down.removal != Removal::Graceful {
        return Ok(None);
    }
    let longest = spec.worker.as_ref().and_then(|worker| worker.max_task_seconds);
    let longest = longest.ok_or_else(|| {
        Problem::invalid(
            "`scaleDown.removal: Graceful` needs `worker.maxTaskSeconds`, the longest that a task may take",
        )
    })?;
    Ok(Some(seconds("worker.maxTaskSeconds", longest)?))
}

fn queues(names: &[String]) -> Result<(), Problem> {
    if names.is_empty() || names.len() > 64 {
        return Err(Problem::invalid("`queues` must name 1 to 64 queues"));
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
            return Err(Problem::invalid(format!(
                "`queues[{at}]` must be 1 to {NAME_BYTES} bytes long, without control characters"
            )));
        }
        if names.iter().take(at).any(|other| other == name) {
            return Err(Problem::invalid(format!(
                "`queues[{at}]` must not repeat an earlier queue"
            )));
        }
    }
    Ok(())
}

fn source(broker: &api::Broker) -> Result<Source, Problem> {
    let encrypted = broker.tls.as_ref().is_some_and(|tls| tls.enabled != Some(false));
    let tls = broker.tls.clone().unwrap_or_default();
    let identity = match (tls.client_cert_from, tls.client_key_from) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => {
            return Err(Problem::invalid(
                "`broker.tls.clientCertFrom` and `clientKeyFrom` must be set together",
            ));
        }
    };
    let management = broker
        .management
        .as_ref()
        .map(|management| {
            text(
                "broker.management",
                management.url.as_ref(),
                management.url_from.as_ref(),
            )
        })
        .transpose()?;
    Ok(Source {
        url: match (&broker.parts, &broker.url, &broker.url_from) {
            (Some(spec), None, None) => UrlSource::Parts(Box::new(parts::parts(spec)?)),
            (None, url, from) if url.is_some() != from.is_some() => {
                UrlSource::Whole(text("broker", url.as_ref(), from.as_ref())?)
            }
            _ => {
                return Err(Problem::invalid(
                    "`broker` must set exactly one of `url`, `urlFrom` and `parts`",
                ));
            }
        },
        encrypted,
        ca: tls.ca_from,
        identity,
        server_name: tls.server_name,
        management,
    })
}

fn text(field: &str, plain: Option<&String>, from: Option<&api::ValueFrom>) -> Result<Text, Problem> {
    match (plain, from) {
        (Some(url), None) if url::has_password(url) => Err(Problem::invalid(format!(
            "`{field}.url` must not carry a password: put the URL in a Secret and use `{field}.urlFrom`"
        ))),
        (Some(url), None) => Ok(Text::Plain(url.clone())),
        (None, Some(from)) => Ok(Text::From(from.clone())),
        _ => Err(Problem::invalid(format!(
            "`{field}` must set exactly one of `url` and `urlFrom`"
        ))),
    }
}

fn workload(target: &TargetRef) -> Workload {
    Workload {
        kind: match target.kind {
            TargetKind::Deployment => WorkloadKind::Deployment,
            TargetKind::StatefulSet => WorkloadKind::StatefulSet,
        },
        name: target.name.clone(),
    }
}

fn app(spec: &TaskWorkerPoolSpec) -> Result<App, Problem> {
    let framework = registry::row(spec.framework.name());
    let (whose, options) = spec.options();
    if whose != spec.framework {
        return Err(Problem::invalid("`celery` must not be set with another `framework`"));
    }
    let told = spec.queues_from.is_some();
    let app = App {
        framework,
        queues: match &spec.queues {
            Some(_) if told => {
                return Err(Problem::invalid(
                    "`queuesFrom` must not be set with `queues`: leave one of them out",
                ));
            }
            Some(named) => named.clone(),
            None if told => Vec::new(),
            None => vec![framework.queue.to_owned()],
        },
        told,
        key_prefix: spec.broker.key_prefix.clone().unwrap_or_default(),
        target: workload(&spec.target_ref),
        options,
    };
    if !told {
        queues(&app.queues)?;
    } else if !framework.tells_queues {
        return Err(Problem::invalid(format!(
            "`queuesFrom` must not be set with `framework: {}`, whose workers do not say what they fetch: name the queues in \
             `queues`",
            framework.name
        )));
    }
    if !framework.key_prefix && !app.key_prefix.is_empty() {
        return Err(Problem::invalid(format!(
            "`broker.keyPrefix` must not be set with `framework: {}`, whose keys have none",
            framework.name
        )));
    }
    (framework.check)(&app).map_err(Problem::invalid)?;
    Ok(app)
}

fn target(spec: &TaskWorkerPoolSpec) -> Result<TargetRule, Problem> {
    let rule = spec.target.clone().unwrap_or_default();
    let wait = match (rule.wait_seconds, rule.backlog_per_replica) {
        (None, Some(backlog)) => return Ok(TargetRule::Backlog(number("target.backlogPerReplica", backlog)?.max(1))),
        (wait, None) => wait.unwrap_or(WAIT_SECONDS),
        (Some(_), Some(_)) => {
            let both = "`target` must set exactly one of `waitSeconds` and `backlogPerReplica`";
            return Err(Problem::invalid(both));
        }
    };
    let hint = spec
        .worker
        .as_ref()
        .and_then(|worker| worker.expected_task_milliseconds);
    let profile = match spec.profile.unwrap_or_default() {
        ProfileName::Economy => Profile::Economy,
        ProfileName::Balanced => Profile::Balanced,
        ProfileName::Responsive => Profile::Responsive,
    };
    Ok(TargetRule::Wait(Wait {
        within: seconds("target.waitSeconds", wait)?.max(Duration::from_secs(1)),
        hint: hint
            .map(|hint| number("worker.expectedTaskMilliseconds", hint))
            .transpose()?
            .map(|hint| Duration::from_millis(u64::from(hint.max(1)))),
        tuning: profile.tuning(),
    }))
}

fn policy(spec: &TaskWorkerPoolSpec, words: &Words) -> Result<Policy, Problem> {
    let concurrency = spec.worker.as_ref().and_then(|worker| worker.concurrency);
    let behavior = spec.behavior.clone().unwrap_or_default();
    Ok(Policy {
        min: number("minReplicas", spec.min_replicas)?,
        max: number("maxReplicas", spec.max_replicas)?,
        schedules: schedules(&spec.schedules)?,
        target: target(spec)?,
        slots: concurrency
            .map(|slots| number("worker.concurrency", slots))
            .transpose()?,
        idle: seconds("scaleDown.idleSeconds", spec.scale_down.idle_seconds)?,
        behavior: Behavior {
            up: rules(behavior.scale_up)?,
            down: rules(behavior.scale_down)?,
        },
        fallback: spec
            .fallback
            .as_ref()
            .map(|fallback| {
                Ok(Fallback {
                    replicas: number("fallback.replicas", fallback.replicas)?,
                    after: seconds("fallback.afterSeconds", fallback.after_seconds)?,
                })
            })
            .transpose()?,
        suspended: spec.suspend,
        stranded: words.stranded,
        period: Duration::from_millis(u64::from(
            number("sampleMilliseconds", spec.sample_milliseconds)?.max(100),
        )),
    })
}

fn rules(rules: Option<ScalingRules>) -> Result<Option<Rules>, Problem> {
    let Some(rules) = rules else { return Ok(None) };
    let policies = rules
        .policies
        .iter()
        .map(|policy| {
            Ok(BehaviorPolicy {
                kind: match policy.kind {
                    api::PolicyType::Pods => PolicyType::Pods,
                    api::PolicyType::Percent => PolicyType::Percent,
                },
                value: number("behavior.policies.value", policy.value)?,
                period: seconds("behavior.policies.periodSeconds", policy.period_seconds)?,
            })
        })
        .collect::<Result<_, Problem>>()?;
    Ok(Some(Rules {
        window: rules
            .stabilization_window_seconds
            .map(|window| seconds("behavior.stabilizationWindowSeconds", window))
            .transpose()?,
        select: match rules.select_policy {
            api::SelectPolicy::Max => Select::Max,
            api::SelectPolicy::Min => Select::Min,
            api::SelectPolicy::Disabled => Select::Disabled,
        },
        policies,
    }))
}

/// Reads the schedules.
///
/// # Errors
/// A [`Problem`] that names the field and the fix.
fn schedules(written: &[api::Schedule]) -> Result<Vec<Schedule>, Problem> {
    if written.len() > MOST_SCHEDULES {
        return Err(Problem::invalid(format!(
            "`schedules` must be at most {MOST_SCHEDULES}"
        )));
    }
    for (at, one) in written.iter().enumerate() {
        if written.iter().take(at).any(|other| other.name == one.name) {
            return Err(Problem::invalid(format!(
                "`schedules[{at}].name` must not repeat an earlier schedule's"
            )));
        }
    }
    let read = |(at, one): (usize, &api::Schedule)| {
        let replicas = format!("schedules[{at}].minReplicas");
        let min = number(&replicas, one.min_replicas)?;
        if min == 0 {
            return Err(Problem::invalid(format!(
                "`{replicas}` must be at least 1: a floor of 0 keeps nothing, leave the schedule out"
            )));
        }
        Schedule::new(&one.name, &one.start, &one.end, &one.time_zone, min)
            .map_err(|error| Problem::invalid(format!("`schedules[{at}].{}` {}", error.field, error.must)))
    };
    written.iter().enumerate().map(read).collect()
}

fn number(field: &str, value: i32) -> Result<u32, Problem> {
    u32::try_from(value).map_err(|_| Problem::invalid(format!("`{field}` must not be negative")))
}

fn seconds(field: &str, value: i32) -> Result<Duration, Problem> {
    Ok(Duration::from_secs(u64::from(number(field, value)?)))
}

/// Application of this pool at this address, with the queues to count. `held`: what is remembered of tasks that are not
/// due.
pub fn application(pool: &Pool, queues: Vec<String>, address: &Address, held: Option<Delayed>) -> Application {
    let app = App {
        queues,
        ..pool.app.clone()
    };
    (app.framework.application)(&app, address.broker(), held)
}

#[cfg(test)]
mod tests;
