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

/// One sentence.
pub(crate) fn explain(case: &Case) -> String {
    let Case {
        policy, seen, replicas, ..
    } = case;
    if case.rule == Rule::Suspended {
        return format!("Suspended: hands off {}.", count(*replicas, "replica"));
    }
    let work = match &seen.reading {
        Reading::Fresh(work) => work,
        Reading::Stale { .. } | Reading::Unknown { .. } => return unread(case),
    };
    match case.rule {
        Rule::Maximum => format!("{}; the maximum is {}.", need(case, work), policy.max),
        Rule::Minimum => format!("{}; the minimum is {}.", need(case, work), policy.min.min(policy.max)),
        Rule::Schedule => format!("{}; {}.", need(case, work), keeps(case)),
        Rule::Idle if seen.replicas > *replicas => idle(&format!("No work for {}", seconds(policy.idle)), work),
        Rule::Idle => idle("No work", work),
        Rule::CoolingDown => kept(case, &format!("no work, but not for {} yet", seconds(policy.idle))),
        Rule::Window => kept_though(case, &format!("a {} window has not passed", seconds(case.window))),
        Rule::RunningWork => kept_though(case, &protects(case, work)),
        Rule::Rollout => kept_though(case, "the target is rolling out"),
        Rule::JustStarted => {
            let guard = seconds(policy.guard());
            kept_though(case, &format!("the work has been watched for less than {guard}"))
        }
        Rule::Behavior => behavior(case),
        Rule::BlockedQueue => format!(
            "{} kept: {} and the workers start none of them, so more workers would not help.",
            count(*replicas, "replica"),
            verb(work.ready, "task", "waits", "wait"),
        ),
        _ => format!("{}.", need(case, work)),
    }
}

/// The broker cannot be read.
fn unread(case: &Case) -> String {
    let (what, why) = match &case.seen.reading {
        Reading::Stale { why, .. } => {
            let age = seconds(case.policy.stale_after());
            (format!("the last count is older than {age}"), *why)
        }
        Reading::Fresh(_) => ("the broker cannot be read".to_owned(), None),
        Reading::Unknown { why } => ("the broker cannot be read".to_owned(), Some(*why)),
    };
    let why = why.map_or_else(String::new, |why| format!(" ({})", why.label()));
    match (case.rule, case.policy.fallback) {
        (Rule::Fallback, Some(fallback)) => format!(
            "The broker could not be read for {}{why}: at least {}, as the fallback says.",
            seconds(fallback.after),
            count(case.replicas.min(fallback.replicas), "replica"),
        ),
        (Rule::Schedule, _) => format!("{}: {}; {what}{why}.", count(case.replicas, "replica"), keeps(case)),
        (Rule::Minimum, _) => format!("The minimum is {}; {what}{why}.", count(case.replicas, "replica")),
        _ => format!(
            "Holding {}: {what}{why}; nothing is scaled down.",
            count(case.replicas, "replica")
        ),
    }
}

/// `the schedule "office" keeps at least 2`.
fn keeps(case: &Case) -> String {
    let name = case.floor.name.unwrap_or_default();
    let (floor, max) = (case.floor.replicas, case.policy.max);
    let limit = match floor > max {
        true => format!(", but the maximum is {max}"),
        false => String::new(),
    };
    format!("the schedule \"{name}\" keeps at least {floor}{limit}")
}

/// What the work asks for, without the full stop.
fn need(case: &Case, work: &Work) -> String {
    let needed = case.demand.answer.map_or(0, |answer| answer.needed);
    let replicas = count(case.demand.wanted.max(needed), "replica");
    let needs = |tasks: u64| if tasks == 1 { "needs" } else { "need" };
    let each = case.policy.backlog_per_replica();
    match case.demand.rule {
        Rule::Backlog => {
            let reserved = work.in_flight.saturating_sub(work.running);
            let held = work.running.saturating_add(reserved);
            let on_theirs = held_that_counts(work, case.policy, case.seen) < held;
            let stay = match on_theirs && case.rule == Rule::Backlog {
                true if reserved > 0 => ", held ones only theirs",
                true => ", running ones only theirs",
                false => "",
            };
            let soon = due_soon(work, case.seen, case.keep_one.within);
            let tasks = work.ready.saturating_add(work.in_flight).saturating_add(soon);
            let outstanding = count(tasks, "task");
            let verb = needs(tasks);
            format!(
                "{outstanding} outstanding ({}) {verb} {replicas} at {each} each{stay}",
                parts(case, work)
            )
        }
        Rule::Scheduled if due_soon(work, case.seen, case.keep_one.within) > 0 => {
            let due = verb(work.due_soon, "scheduled task", "comes", "come");
            let verb = needs(work.due_soon);
            let at = match case.policy.target {
                TargetRule::Backlog(_) => format!(" at {each} each"),
                TargetRule::Wait(_) => String::new(),
            };
            format!(
                "{due} due within {} and {verb} {replicas}{at}",
                seconds(case.keep_one.within)
            )
        }
        Rule::Stranded => {
            let waits = verb(case.keep_one.stranded, "task", "waits", "wait");
            let (place, when) = case.policy.stranded;
            format!(
                "{waits} {place} for a worker that died or is stopping: {replicas} to give {} back {when}",
                if case.keep_one.stranded == 1 { "it" } else { "them" },
            )
        }
        Rule::Deadline | Rule::Rate | Rule::Reserve => {
            format!("{}{}", by_wait(case, work, &replicas), only(case))
        }
        Rule::Scheduled => scheduled(case, work, &replicas),
        _ => "No work".to_owned(),
    }
}

/// One worker for what is not due.
fn scheduled(case: &Case, work: &Work, replicas: &str) -> String {
    let due = case.seen.next_due_in.is_some_and(|due| due <= case.keep_one.within);
    match work.stay.filter(|_| !due) {
        Some(KeepAlive::UnknownDue) => {
            let live = verb(work.scheduled, "scheduled task", "lives", "live");
            format!("{live} in a worker's memory, due at a time that is not known: {replicas} for that")
        }
        Some(KeepAlive::Unreported) => {
            format!("The workers have not all said whether they hold tasks that are not due: {replicas} until they do")
        }
        Some(KeepAlive::Refused) => format!(
            "The broker's permissions refuse to ask the workers whether they hold tasks that are not due: {replicas} in case they do"
        ),
        None => format!(
            "A scheduled task comes due within {} and needs {replicas}",
            seconds(case.keep_one.within)
        ),
    }
}

/// `, but only 22 are ordered while 3 pods are not ready`: fewer than the work needs, because more would not help.
fn only(case: &Case) -> String {
    let Some(answer) = case.demand.answer.filter(|answer| answer.needed > case.demand.wanted) else {
        return String::new();
    };
    let why = match answer.stuck {
        Some(pods) => format!("while {} not ready", verb(pods.into(), "pod", "is", "are")),
        None if answer.hangs => "while no task finishes".to_owned(),
        None => "until one of those ordered lately is ready".to_owned(),
    };
    let pods = case.demand.wanted;
    let verb = if pods == 1 { "is" } else { "are" };
    format!(", but only {pods} {verb} ordered {why}")
}

/// What the wait rule found.
fn by_wait(case: &Case, work: &Work, replicas: &str) -> String {
    let (Some(answer), TargetRule::Wait(wait)) = (&case.demand.answer, &case.policy.target) else {
        return "No work".to_owned();
    };
    let target = seconds(wait.within);
    let task = seconds(rounded(answer.service));
    let slots = count(answer.slots, "slot");
    let waiting = waiting(work, work.running);
    match case.demand.rule {
        Rule::Rate => {
            format!(
                "{} tasks a second at {task} each need {replicas} of {slots}",
                per_second(answer.rate)
            )
        }
        Rule::Reserve => format!(
            "Pods start in {}, later than the target of {target}: {replicas} for what may arrive meanwhile",
            seconds(rounded(answer.startup)),
        ),
        _ if waiting == 0 && work.in_flight == 0 => {
            format!("Nothing waits or runs now: {replicas} for what may still come at the recent rate")
        }
        _ if waiting == 0 => {
            let running = count(work.in_flight, "task");
            let verb = if work.in_flight == 1 {
                "runs and needs"
            } else {
                "run and need"
            };
            format!("{running} {verb} {replicas}")
        }
        _ => {
            let tasks = verb(waiting, "task", "waits", "wait");
            let late = match answer.fetched {
                Some(fetched) => format!(", {fetched} of them fetched by busy workers, and no other can start those"),
                None if answer.need.overdue => ", too many for pods to start in time".to_owned(),
                None => String::new(),
            };
            format!("{tasks} to start within {target}{late}: at {task} each that needs {replicas} of {slots}")
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
        (reserved, "in flight"),
        (due_soon(work, case.seen, case.keep_one.within), "due soon"),
    ];
    let parts = parts.iter().filter(|(tasks, _)| *tasks > 0);
    let parts: Vec<_> = parts.map(|(tasks, state)| format!("{tasks} {state}")).collect();
    parts.join(", ")
}

fn idle(no_work: &str, work: &Work) -> String {
    match work.scheduled {
        0 => format!("{no_work}."),
        1 => format!("{no_work}; 1 scheduled task is not due yet."),
        tasks => format!("{no_work}; {tasks} scheduled tasks are not due yet."),
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
    let wish = if up { needed(case.wish) } else { enough(case.wish) };
    format!(
        "{}: {wish}, but behavior.{direction} {verdict}.",
        count(case.replicas, "replica")
    )
}

/// Who would be interrupted.
fn protects(case: &Case, work: &Work) -> String {
    if case.seen.silent_pods > 0 {
        let silent = verb(
            case.seen.silent_pods.into(),
            "silent pod",
            "may run more",
            "may run more",
        );
        return match work.running {
            0 => silent.replace(" more", " tasks"),
            tasks => format!("{}, and {silent}", verb(tasks, "task", "runs", "run")),
        };
    }
    if case.seen.workers_heard && case.seen.drains && case.policy.slots.or(case.seen.slots).is_some() {
        return format!("{} need the room", count(work.running, "running task"));
    }
    match (case.seen.workers_heard, case.replicas) {
        (true, 1) => "1 runs tasks".to_owned(),
        (true, busy) => format!("{busy} run tasks"),
        (false, _) => format!("{} in flight may run on any of them", count(work.in_flight, "task")),
    }
}

/// `7 replicas kept: <why>.`
fn kept(case: &Case, why: &str) -> String {
    format!("{} kept: {why}.", count(case.replicas, "replica"))
}

/// `7 replicas kept: 3 are enough, but <why>.`
fn kept_though(case: &Case, why: &str) -> String {
    kept(case, &format!("{}, but {why}", enough(case.wish)))
}

fn enough(replicas: u32) -> String {
    match replicas {
        0 => "none is needed".to_owned(),
        1 => "1 is enough".to_owned(),
        more => format!("{more} are enough"),
    }
}

fn needed(replicas: u32) -> String {
    match replicas {
        1 => "1 is needed".to_owned(),
        more => format!("{more} are needed"),
    }
}

/// `1 task`, `3 tasks`.
fn count(number: impl Into<u64>, one: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}

/// `1 task waits`, `3 tasks wait`.
fn verb(number: u64, noun: &str, one: &str, many: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { one } else { many })
}

/// `60 s`, `1.5 s`.
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests;
