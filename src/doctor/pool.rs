//! What an examination of a pool found, part by part, in the words of the pool's own conditions. Pure.
#![deny(clippy::disallowed_methods)]

use super::{Finding, broker};
use crate::{
    api::{Condition, ConditionStatus, Mode},
    controller::{
        examine::{Examined, POOLS},
        pool::Pool,
        status::{BEAT_RUNS_TWICE, BEAT_STOPS},
    },
    kube::{Key, Target},
    model::{Control, Hearing, Prefetch, Tally, form},
};

/// Reasons of `WorkersKnown` that have findings of their own.
const OF_THE_BROKER: [&str; 4] = [
    "HeartbeatsRefused",
    "HeartbeatsFail",
    "RemoteControlRefused",
    "RemoteControlFails",
];

/// Findings, in the order in which a pool depends on them. `longest`: the longest task in seconds, as the pool says.
///
/// # Errors
/// A sentence: there is no such pool, or it cannot be read.
pub(super) fn findings(key: &Key, seen: &Examined, longest: Option<u32>) -> Result<Vec<Finding>, String> {
    let Key { namespace, name } = key;
    let Some(pool) = &seen.pool else {
        let refused = seen.unseen.iter().find(|(kind, _)| *kind == POOLS);
        return Err(match refused {
            Some((_, why)) => format!("TaskWorkerPools in `{namespace}` cannot be read: {why}"),
            None => format!(
                "there is no TaskWorkerPool `{name}` in the namespace `{namespace}`: `kubectl get twp -A` lists all"
            ),
        });
    };
    let ready = named(&seen.conditions, "Ready").filter(|ready| ready.status == ConditionStatus::False);
    let Ok(pool) = pool else {
        let why = ready.map_or("the spec cannot be used", |ready| ready.message.as_str());
        return Ok(vec![Finding::wrong("Pool", why)]);
    };
    let mut findings = vec![valid(key, pool)];
    let problem = ready.map(|ready| (part(&ready.reason), ready.message.as_str()));
    findings.push(match (problem, &seen.target) {
        (Some(("Target", why)), _) => Finding::wrong("Target", why),
        (_, Some(target)) => Finding::good("Target", described(pool, target)),
        (_, None) => Finding::unknown("Target", "it was not seen: try again"),
    });
    match problem {
        Some((what, why)) if what != "Target" => findings.push(Finding::wrong(what, why)),
        _ if pool.source.refers() && !seen.addresses.is_empty() => {
            findings.push(Finding::good("References", "each Secret and ConfigMap has its key"));
        }
        _ => {}
    }
    let addresses = seen.addresses.iter().enumerate();
    findings.extend(addresses.flat_map(|(at, address)| {
        let which = match seen.addresses.len() {
            0 | 1 => String::new(),
            of => format!(" (address {} of {of})", at + 1),
        };
        broker::way(address, &which, seen.failing)
    }));
    let source = named(&seen.conditions, "SourceAvailable").filter(|source| source.reason != "Sampled");
    findings.extend(broker::read(seen, source.map(|source| source.message.as_str())));
    if let (Some(tally), None) = (&seen.tally, seen.failing) {
        findings.extend(heard(pool, tally));
        if problem.is_none() {
            findings.extend(workers(seen, pool, tally));
        }
    }
    findings.extend(objects(seen, pool, longest));
    Ok(findings)
}

fn named<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Part that a reason of `Ready` is about.
fn part(reason: &str) -> &'static str {
    match reason {
        reason if reason.starts_with("Target") => "Target",
        reason if reason.starts_with("Reference") => "References",
        "HostNotAllowed" => "Broker",
        _ => "Pool",
    }
}

fn valid(key: &Key, pool: &Pool) -> Finding {
    let Key { namespace, name } = key;
    let does = match (pool.policy.suspended, pool.mode) {
        (true, _) => "`suspend` is true, nothing is counted or scaled",
        (false, Mode::Observe) => "`mode` is Observe, nothing is written",
        (false, Mode::Act) => "it acts",
    };
    let framework = pool.app.framework.name;
    Finding::good("Pool", format!("`{namespace}/{name}` is valid ({framework}); {does}"))
}

fn described(pool: &Pool, target: &Target) -> String {
    let (kind, name) = (pool.target.kind.name(), &pool.target.name);
    let Target {
        replicas,
        ready,
        selector,
        ..
    } = target;
    format!(
        "{kind} `{name}`: {replicas} {}, {ready} ready, pods by `{selector}`",
        form(u64::from(*replicas), "replica", "replicas")
    )
}

/// What the broker lets the operator hear and ask.
fn heard(pool: &Pool, tally: &Tally) -> Vec<Finding> {
    let words = pool.app.framework.words;
    let (hearing, rights) = (words.hearing, words.rights);
    let missing = |right: &str| match right {
        "" => String::new(),
        right => format!(" (missing: {right})"),
    };
    let beats = match &tally.hearing {
        Hearing::Works if words.reports.is_none() => None,
        Hearing::Works => Some(Finding::good("Heartbeats", format!("{hearing} can be read"))),
        Hearing::NotYet => Some(Finding::unknown(
            "Heartbeats",
            format!("{hearing} are not read yet: try again"),
        )),
        Hearing::Failing(why) => Some(Finding::wrong("Heartbeats", format!("{hearing} cannot be read: {why}"))),
        Hearing::Refused { right } => Some(Finding::wrong(
            "Heartbeats",
            format!(
                "the broker's permissions refuse {hearing}{}: grant the rights for {hearing} ({rights})",
                missing(right)
            ),
        )),
    };
    let asked = tally.workers_heard || tally.control != Control::Works;
    let control = words.control.as_ref().filter(|_| asked).map(|_| match &tally.control {
        Control::Works => Finding::good("Remote control", "workers can be asked"),
        Control::Failing(why) => Finding::wrong("Remote control", format!("workers cannot be asked: {why}")),
        Control::Refused { right } => Finding::wrong(
            "Remote control",
            format!(
                "the broker's permissions keep workers from being asked and told{}: grant the rights for remote control ({rights})",
                missing(right)
            ),
        ),
    });
    beats.into_iter().chain(control).collect()
}

/// What the workers say.
fn workers(seen: &Examined, pool: &Pool, tally: &Tally) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ready = seen.target.as_ref().map_or(0, |target| target.ready);
    let live = tally.pods.values().filter(|pod| pod.live).count();
    if let Some(known) = named(&seen.conditions, "WorkersKnown").filter(|known| !is_of_the_broker(known)) {
        findings.push(match known.status {
            _ if ready == 0 => Finding::unknown("Workers", "no pod is ready, so there is nobody to hear"),
            ConditionStatus::True if known.reason == "AllKnown" => {
                Finding::good("Workers", format!("{live} of {ready} ready pods are heard"))
            }
            ConditionStatus::True => Finding::good("Workers", known.message.clone()),
            ConditionStatus::False => Finding::wrong("Workers", known.message.clone()),
            ConditionStatus::Unknown => Finding::unknown("Workers", known.message.clone()),
        });
    }
    if let Some(slots) = tally.slots {
        findings.push(Finding::good("Concurrency", format!("a pod runs {slots} at a time")));
    }
    findings.extend(tally.prefetch.map(|most| match most {
        Prefetch::UpTo(most) => Finding::good(
            "Prefetch",
            format!("a worker holds up to {most} unacknowledged messages"),
        ),
        Prefetch::Unlimited => Finding::wrong(
            "Prefetch",
            format!(
                "a worker fetches all messages that there are: more replicas do not help, {}",
                pool.app.framework.words.prefetch
            ),
        ),
    }));
    if let Some(queues) = named(&seen.conditions, "QueuesMatch") {
        let awaited = ready == 0 && queues.reason == "QueueMissing";
        findings.push(match queues.status {
            ConditionStatus::False if !awaited => Finding::wrong("Queues", queues.message.clone()),
            ConditionStatus::True if !tally.fetches.is_empty() => {
                Finding::good("Queues", "the workers fetch from the queues that the pool counts")
            }
            ConditionStatus::True if pool.app.framework.words.reports.is_some() => {
                Finding::unknown("Queues", "no worker has said from which queues it fetches")
            }
            _ => Finding::unknown("Queues", queues.message.clone()),
        });
    }
    findings
}

fn is_of_the_broker(condition: &Condition) -> bool {
    OF_THE_BROKER.contains(&condition.reason.as_str())
}

/// What the objects say.
fn objects(seen: &Examined, pool: &Pool, longest: Option<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let degraded = named(&seen.conditions, "Degraded");
    let beat = degraded.filter(|degraded| [BEAT_STOPS, BEAT_RUNS_TWICE].contains(&degraded.reason.as_str()));
    findings.extend(beat.map(|beat| Finding::wrong("Beat", beat.message.clone())));
    let Some(target) = &seen.target else {
        return findings;
    };
    let feasible = named(&seen.conditions, "TargetFeasible").filter(|feasible| feasible.reason == "PodsNotReady");
    match feasible {
        Some(feasible) => findings.push(Finding::wrong("Pods", feasible.message.clone())),
        None if target.ready < target.replicas => findings.push(Finding::unknown(
            "Pods",
            format!(
                "{} of {} are ready: `kubectl get pods` says why",
                target.ready, target.replicas
            ),
        )),
        None => {}
    }
    findings.extend(grace(pool, target, longest));
    findings.push(replicas(seen, target));
    findings
}

/// Whether a pod that is stopped has the time to end its tasks.
fn grace(pool: &Pool, target: &Target, longest: Option<u32>) -> Option<Finding> {
    let what = "Grace period";
    let (kind, name, grace) = (pool.target.kind.name(), &pool.target.name, target.grace);
    let short = |longest: u32, by: &str| {
        format!(
            "`terminationGracePeriodSeconds` of the {kind} `{name}` is {grace}, and a task may take {longest} s ({by}): a pod that is \
             stopped kills it; set it to {longest} or more"
        )
    };
    match (longest, time_limit(target)) {
        (Some(longest), _) if longest > grace => Some(Finding::wrong(what, short(longest, "`worker.maxTaskSeconds`"))),
        (Some(longest), _) => Some(Finding::good(
            what,
            format!("pods have {grace} s to end, a task takes {longest} s at most (`worker.maxTaskSeconds`)"),
        )),
        // Many set a limit that no task ever reaches.
        (None, Some(limit)) if limit > grace => Some(Finding::unknown(what, short(limit, "`--time-limit`"))),
        _ => None,
    }
}

/// Seconds after which the workers kill a task, as their commands say.
fn time_limit(target: &Target) -> Option<u32> {
    let words: Vec<&str> = target
        .commands
        .iter()
        .flatten()
        .flat_map(|word| word.split_whitespace())
        .collect();
    let given = words
        .iter()
        .zip(words.iter().skip(1))
        .find_map(|(word, next)| match *word {
            "--time-limit" => Some(*next),
            _ => None,
        });
    let given = given.or_else(|| words.iter().find_map(|word| word.strip_prefix("--time-limit=")));
    // Celery takes fractions.
    given?.split('.').next()?.parse().ok()
}

/// Who else writes the replicas.
fn replicas(seen: &Examined, target: &Target) -> Finding {
    let what = "Replicas";
    let stored = seen.stored.as_ref().map_or(&[][..], |stored| &stored.conditions);
    let conflict = named(stored, "TargetConflict").filter(|conflict| conflict.status == ConditionStatus::True);
    if let Some(conflict) = conflict {
        return Finding::wrong(what, conflict.message.clone());
    }
    let failed = named(stored, "ScalingActive").filter(|active| active.reason == "WriteFailed");
    if let Some(failed) = failed {
        return Finding::wrong(what, failed.message.clone());
    }
    match target.other_owner() {
        Some(other) if !target.is_ours() => Finding::good(
            what,
            format!("the operator has not written them yet; they are `{other}`'s (`metadata.managedFields`)"),
        ),
        Some(other) => Finding::unknown(
            what,
            format!(
                "they are the operator's, and `{other}`'s, too (`metadata.managedFields`): take `spec.replicas` out of what it applies"
            ),
        ),
        None if target.is_ours() => Finding::good(what, "they are the operator's alone"),
        None => Finding::good(what, "nobody has set them"),
    }
}

#[cfg(test)]
mod tests;
