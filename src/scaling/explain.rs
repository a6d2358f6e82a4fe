//! The sentence: the reason for a person, with the numbers.
//!
//! It changes only when its facts change: no ages and no countdowns, which would make every look a new status.
#![deny(clippy::disallowed_methods)]
use super::{
    KeepAlive, Observation, Policy, Reading, Rule, Select, TargetRule, Work,
    demand::{Demand, KeepOne, due_soon, held_that_counts},
    flow::waiting,
    schedule::Floor,
};
use crate::model::{count, form};
use std::time::Duration;

/// What there is to explain.
pub(crate) struct Case<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) seen: &'a Observation,
    pub(crate) demand: Demand,
    pub(crate) keep_one: KeepOne,
    /// What the schedules ask for.
    pub(crate) floor: Floor<'a>,
    /// What is wanted, within the limits.
    pub(crate) wish: u32,
    pub(crate) replicas: u32,
    pub(crate) rule: Rule,
    /// The scale-down window that applies.
    pub(crate) window: Duration,
}

/// One sentence: the number, or what is done with it; in many of them, in brackets, the number that would do instead;
/// and the cause. Where a limit of the spec sets the number it names the field.
pub(crate) fn explain(case: &Case) -> String {
    let Case {
        policy, seen, replicas, ..
    } = case;
    if case.rule == Rule::Suspended {
        return format!("Suspended: replicas stay at {replicas}.");
    }
    let work = match &seen.reading {
        Reading::Fresh(work) => work,
        Reading::Stale { .. } | Reading::Untold | Reading::Unknown { .. } => return unread(case),
    };
    match case.rule {
        Rule::Maximum => {
            let needed = needed(case);
            format!(
                "Capped at {} by maxReplicas ({needed} would do): {}.",
                policy.max,
                cause(case, work)
            )
        }
        Rule::Minimum => format!(
            "Keeping {} by minReplicas{}: {}.",
            policy.min.min(policy.max),
            less(case),
            cause(case, work)
        ),
        Rule::Schedule => format!("{}{}: {}.", keeps(case), less(case), cause(case, work)),
        Rule::Idle if seen.replicas > *replicas => {
            format!("Idle: no work for {}{}.", seconds(policy.idle), later(work))
        }
        Rule::Idle => format!("Idle: no work{}.", later(work)),
        Rule::CoolingDown => format!(
            "Keeping {replicas}: idle for less than scaleDown.idleSeconds ({}).",
            seconds(policy.idle)
        ),
        Rule::Window => kept(
            case,
            &format!("the {} scale-down window has not passed", seconds(case.window)),
        ),
        Rule::RunningWork => kept(case, &protects(case, work)),
        Rule::Rollout => kept(case, "the target is rolling out"),
        Rule::JustStarted => {
            let guard = seconds(policy.guard());
            kept(case, &format!("the work has been watched for less than {guard}"))
        }
        Rule::Behavior => behavior(case),
        Rule::BlockedQueue => {
            let waiting = verb(work.ready, "task", "waits", "wait");
            format!("Keeping {replicas}: {waiting} and the workers start none, so more workers would not help.")
        }
        _ => {
            let verb = match case.demand.rule {
                Rule::Scheduled | Rule::Stranded if seen.replicas >= *replicas => format!("Keeping {replicas}"),
                _ => count(*replicas, "replica"),
            };
            let more = Some(needed(case)).filter(|needed| needed > replicas && case.demand.answer.is_some());
            let more = more.map_or_else(String::new, |needed| format!(" ({needed} would do)"));
            format!("{verb}{more}: {}.", cause(case, work))
        }
    }
}

/// Number of replicas that the work alone asks for.
fn needed(case: &Case) -> u32 {
    case.demand
        .wanted
        .max(case.demand.answer.map_or(0, |answer| answer.needed))
}

/// ` (1 would do)`: the work asks for fewer replicas, but for some.
fn less(case: &Case) -> String {
    match needed(case) {
        0 => String::new(),
        needed => format!(" ({needed} would do)"),
    }
}

/// The broker cannot be read, or nobody has said what to read.
fn unread(case: &Case) -> String {
    let (what, why) = match &case.seen.reading {
        Reading::Stale { why, .. } => {
            let age = seconds(case.policy.stale_after());
            (format!("the last count is older than {age}"), *why)
        }
        Reading::Fresh(_) => ("the broker cannot be read".to_owned(), None),
        Reading::Untold => ("no worker has said yet which queues it fetches from".to_owned(), None),
        Reading::Unknown { why } => ("the broker cannot be read".to_owned(), Some(*why)),
    };
    let why = why.map_or_else(String::new, |why| format!(" ({})", why.label()));
    match (case.rule, case.policy.fallback) {
        (Rule::Fallback, Some(fallback)) => format!(
            "Fallback: at least {} while the broker cannot be read{why}, after fallback.afterSeconds ({}).",
            count(case.replicas.min(fallback.replicas), "replica"),
            seconds(fallback.after),
        ),
        (Rule::Schedule, _) => format!("{}: {what}{why}.", keeps(case)),
        (Rule::Minimum, _) => format!("Keeping {} by minReplicas: {what}{why}.", case.replicas),
        _ => {
            let replicas = count(case.replicas, "replica");
            let then = match (&case.seen.reading, case.replicas) {
                (Reading::Untold, 0) => "start one (minReplicas: 1, or scale the target to 1 once)",
                _ => "nothing is scaled down",
            };
            format!("Holding {replicas}: {what}{why}; {then}.")
        }
    }
}

/// `Keeping 5 by the schedule "office"`.
fn keeps(case: &Case) -> String {
    let name = case.floor.name.unwrap_or_default();
    let (floor, max) = (case.floor.replicas, case.policy.max);
    match floor > max {
        true => format!("Keeping {max} by the schedule \"{name}\" (it asks for {floor}, maxReplicas is {max})"),
        false => format!("Keeping {} by the schedule \"{name}\"", case.replicas),
    }
}

/// What the work asks for, without the full stop.
fn cause(case: &Case, work: &Work) -> String {
    let each = case.policy.backlog_per_replica();
    match case.demand.rule {
        Rule::Backlog => {
            let reserved = work.in_flight.saturating_sub(work.running);
            let held = work.running.saturating_add(reserved);
            let on_theirs = held_that_counts(work, case.policy, case.seen) < held;
            let stay = match on_theirs && case.rule == Rule::Backlog {
                true if reserved > 0 => "; delivered tasks stay on their pods",
                true => "; running tasks stay on their pods",
                false => "",
            };
            let soon = due_soon(work, case.seen, case.keep_one.within);
            let tasks = work.ready.saturating_add(work.in_flight).saturating_add(soon);
            let outstanding = count(tasks, "task");
            format!("{outstanding} ({}), {each} per replica{stay}", parts(case, work))
        }
        Rule::Scheduled if due_soon(work, case.seen, case.keep_one.within) > 0 => {
            let due = verb(work.due_soon, "scheduled task", "comes", "come");
            let at = match case.policy.target {
                TargetRule::Backlog(_) => format!(", {each} per replica"),
                TargetRule::Wait(_) => String::new(),
            };
            format!("{due} due within {}{at}", seconds(case.keep_one.within))
        }
        Rule::Stranded => {
            let (place, when) = case.policy.stranded;
            let stranded = case.keep_one.stranded;
            let (tasks, verb) = (count(stranded, "task"), form(stranded, "returns", "return"));
            format!("{tasks} of a dead or stopping worker ({place}) {verb} to the queue {when}")
        }
        Rule::Deadline | Rule::Rate | Rule::Reserve => format!("{}{}", by_wait(case, work), only(case)),
        Rule::Scheduled => scheduled(case, work),
        _ => "no work".to_owned(),
    }
}

/// One worker for what is not due.
fn scheduled(case: &Case, work: &Work) -> String {
    let due = case.seen.next_due_in.is_some_and(|due| due <= case.keep_one.within);
    match work.stay.filter(|_| !due) {
        Some(KeepAlive::UnknownDue) => format!(
            "a worker holds {} whose due time is not known",
            count(work.scheduled, "scheduled task")
        ),
        Some(KeepAlive::Unreported) => "some workers have not answered whether they hold scheduled tasks".to_owned(),
        Some(KeepAlive::Refused) => {
            "the broker's permissions refuse to ask the workers whether they hold scheduled tasks".to_owned()
        }
        None => format!("a scheduled task comes due within {}", seconds(case.keep_one.within)),
    }
}

/// `; no more while 3 pods are not ready`: fewer than the work needs, because more would not help.
fn only(case: &Case) -> String {
    let Some(answer) = case.demand.answer.filter(|answer| answer.needed > case.demand.wanted) else {
        return String::new();
    };
    let why = match answer.stuck {
        Some(pods) => format!("while {} not ready", verb(pods.into(), "pod", "is", "are")),
        None if answer.hangs => "while no task finishes".to_owned(),
        None => "until one of those ordered lately is ready".to_owned(),
    };
    format!("; no more {why}")
}

/// What the wait rule found.
fn by_wait(case: &Case, work: &Work) -> String {
    let (Some(answer), TargetRule::Wait(wait)) = (&case.demand.answer, &case.policy.target) else {
        return "no work".to_owned();
    };
    let target = seconds(wait.within);
    let task = seconds(rounded(answer.service));
    let pace = format!("({task} each, {} at a time per replica)", answer.slots);
    let waiting = waiting(work, work.running);
    match case.demand.rule {
        Rule::Rate => format!("{} tasks arrive each second {pace}", per_second(answer.rate)),
        Rule::Reserve => format!(
            "for what may arrive while pods start ({}, longer than target.waitSeconds: {target})",
            seconds(rounded(answer.startup)),
        ),
        _ if waiting == 0 && work.in_flight == 0 => {
            "nothing waits or runs; for what may still come at the recent rate".to_owned()
        }
        _ if waiting == 0 => verb(work.in_flight, "task", "runs", "run"),
        _ => {
            let late = match answer.fetched {
                Some(fetched) => {
                    format!("; {fetched} of them are prefetched by busy workers, and no other can start those")
                }
                None if answer.need.overdue => "; too many for pods to start in time".to_owned(),
                None => String::new(),
            };
            format!("{} must start within {target} {pace}{late}", count(waiting, "task"))
        }
    }
}

/// Seconds as people say them: two digits are enough.
fn rounded(seconds: f64) -> Duration {
    let digits = 10_f64.powi(1 - seconds.max(1e-3).log10().floor() as i32);
    Duration::try_from_secs_f64((seconds * digits).round() / digits).unwrap_or_default()
}

/// A rate, two digits.
fn per_second(rate: f64) -> f64 {
    rounded(rate).as_secs_f64()
}

/// `400 waiting, 12 running`: the parts that are not zero.
fn parts(case: &Case, work: &Work) -> String {
    let reserved = work.in_flight.saturating_sub(work.running);
    let parts = [
        (work.ready, "waiting"),
        (work.in_flight.min(work.running), "running"),
        (reserved, "prefetched"),
        (due_soon(work, case.seen, case.keep_one.within), "due soon"),
    ];
    let parts = parts.iter().filter(|(tasks, _)| *tasks > 0);
    let parts: Vec<_> = parts.map(|(tasks, state)| format!("{tasks} {state}")).collect();
    parts.join(", ")
}

/// `; 4 scheduled tasks are not due yet`.
fn later(work: &Work) -> String {
    match work.scheduled {
        0 => String::new(),
        tasks => format!("; {} not due yet", verb(tasks, "scheduled task", "is", "are")),
    }
}

fn behavior(case: &Case) -> String {
    let rules = &case.policy.behavior;
    let up = case.wish > case.seen.replicas;
    let (direction, rules, than) = if up {
        ("scaleUp", &rules.up, "more")
    } else {
        ("scaleDown", &rules.down, "fewer")
    };
    let verdict = match rules.as_ref().map(|rules| rules.select) {
        Some(Select::Disabled) => "is disabled".to_owned(),
        _ => format!("allows no {than} for now"),
    };
    kept(case, &format!("behavior.{direction} {verdict}"))
}

/// Who would be interrupted.
fn protects(case: &Case, work: &Work) -> String {
    if case.seen.silent_pods > 0 {
        let silent = count(case.seen.silent_pods, "silent pod");
        return match work.running {
            0 => format!("{silent} may run tasks"),
            tasks => format!("{}, and {silent} may run more", verb(tasks, "task", "runs", "run")),
        };
    }
    if case.seen.workers_heard && case.seen.drains && case.policy.slots.or(case.seen.slots).is_some() {
        let occupy = if case.replicas == 1 {
            ["occupies it", "occupy it"]
        } else {
            ["occupies them", "occupy them"]
        };
        return verb(work.running, "running task", occupy[0], occupy[1]);
    }
    match (case.seen.workers_heard, case.replicas) {
        (true, 1) => "it runs tasks".to_owned(),
        (true, _) => "they run tasks".to_owned(),
        (false, _) => format!(
            "{} may be on any of them",
            count(work.in_flight, "reserved or running task")
        ),
    }
}

/// `Keeping 7 (3 would do): <why>.`
fn kept(case: &Case, why: &str) -> String {
    format!("Keeping {} ({} would do): {why}.", case.replicas, case.wish)
}

/// `1 task waits`, `3 tasks wait`.
fn verb(number: u64, noun: &str, one: &str, many: &str) -> String {
    format!("{} {}", count(number, noun), form(number, one, many))
}

/// `60 s`, `1.5 s`.
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests;
