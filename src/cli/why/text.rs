//! The answer of `why`, for a person.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use crate::{
    cli::{
        causes::causes,
        columns::{ago, columns, plain},
    },
    kube::plugin::PoolEvent,
    model::form,
    view::types::{Condition, Detail, Estimates, Pod, Pool, Work},
};

/// Number of pods, queues, decisions and Events that are shown: a screen.
const SHOWN: usize = 20;

pub(super) fn text(pool: &Pool, changes: &[String], events: &[PoolEvent], now: Timestamp) -> String {
    let mut text = format!(
        "{}\n  {}\n\n",
        plain(&format!("{}/{}: {:?}", pool.namespace, pool.name, pool.state)),
        plain(&pool.message)
    );
    text.push_str(&columns(&facts(pool)));
    section(&mut text, "Candidates", candidates(pool));
    section(
        &mut text,
        "What would change it",
        changes.iter().map(|change| format!("  {change}\n")).collect(),
    );
    section(&mut text, "Not as it should be", conditions(&pool.conditions, now));
    section(&mut text, "Queues", queues(pool));
    if let Some(detail) = &pool.detail {
        section(&mut text, "Pods", pods(detail));
        section(&mut text, "Last decisions", decisions(detail, now));
    }
    let told = events.iter().take(SHOWN);
    let told: Vec<_> = told
        .map(|event| {
            [
                format!("{} ago", since(event.at, now)),
                event.reason.clone(),
                event.note.clone(),
            ]
        })
        .collect();
    section(&mut text, "Events", indented(&columns(&told)));
    text
}

/// What is known of it in a few words, each with its name.
pub(in crate::cli) fn facts(pool: &Pool) -> Vec<[String; 2]> {
    let mut facts = vec![["Replicas".to_owned(), replicas(pool)]];
    let work = pool.work.as_ref().map_or_else(
        || "not counted yet".to_owned(),
        |counted| work(counted, pool.promise.wait_seconds),
    );
    facts.push(["Work".to_owned(), work]);
    facts.extend(
        pool.estimates
            .as_ref()
            .and_then(learned)
            .map(|learned| ["Learned".to_owned(), learned]),
    );
    facts.extend(
        pool.target
            .as_ref()
            .map(|target| ["Target".to_owned(), format!("{} `{}`", target.kind, target.name)]),
    );
    facts.extend(
        pool.broker
            .as_ref()
            .map(|broker| ["Broker".to_owned(), format!("{} at {}", broker.kind, broker.host)]),
    );
    facts
}

/// A heading and what belongs to it; nothing where there is nothing.
fn section(text: &mut String, heading: &str, content: String) {
    if !content.is_empty() {
        text.push_str(&format!("\n{heading}\n{content}"));
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

pub(in crate::cli) fn since(at: Timestamp, now: Timestamp) -> String {
    ago(now.as_second() - at.as_second())
}

fn replicas(pool: &Pool) -> String {
    let number = |number: Option<u32>, what: &str| match number {
        Some(number) => format!("{number} {what}"),
        None => format!("? {what}"),
    };
    let of = &pool.replicas;
    format!(
        "{}, {}, {} ({} to {})",
        number(of.set, "set"),
        number(of.ready, "ready"),
        number(of.wanted, "wanted"),
        of.min,
        of.max
    )
}

fn work(work: &Work, target: Option<u64>) -> String {
    let oldest = match (work.oldest_wait_seconds.filter(|_| work.waiting > 0), target) {
        (Some(oldest), Some(target)) => format!(" (the oldest {oldest} s of {target} s)"),
        (Some(oldest), None) => format!(" (the oldest {oldest} s)"),
        (None, _) => String::new(),
    };
    let old = if work.fresh {
        ""
    } else {
        "; the broker cannot be read now"
    };
    format!(
        "{} waiting{oldest}, {} running, {} in flight, {} scheduled{old}",
        work.waiting, work.running, work.in_flight, work.scheduled
    )
}

fn learned(learned: &Estimates) -> Option<String> {
    let parts: Vec<_> = [
        learned
            .task_milliseconds
            .map(|task| format!("{:.1} s a task", task as f64 / 1e3)),
        learned.arrivals_per_minute.map(|rate| format!("{rate} tasks a minute")),
        learned.startup_seconds.map(|start| format!("{start} s to start")),
        learned
            .concurrency
            .map(|slots| format!("{slots} at a time per replica")),
        learned
            .in_time
            .map(|share| format!("{:.1} % started in time lately", share * 100.0)),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn candidates(pool: &Pool) -> String {
    let rows = pool.candidates.iter().map(|one| {
        let chosen = if one.chosen { "chosen" } else { "" };
        [one.rule.clone(), one.replicas.to_string(), chosen.to_owned()]
    });
    indented(&columns(&rows.collect::<Vec<_>>()))
}

/// Each condition that has a cause of its own, and in one line those that follow from another one of them.
fn conditions(all: &[Condition], now: Timestamp) -> String {
    let told = causes(all).map(|(one, follows)| {
        let follows = follows.map(|told| format!("    {}\n", plain(&told)));
        condition(one, now) + &follows.unwrap_or_default()
    });
    told.collect()
}

fn condition(condition: &Condition, now: Timestamp) -> String {
    let since = since(condition.since, now);
    let head = format!(
        "{}={} {}, for {since}",
        condition.kind, condition.status, condition.reason
    );
    let [head, message, docs] = [&head, &condition.message, &condition.docs].map(|text| plain(text));
    format!("  {head}\n    {message}\n    {docs}\n")
}

fn queues(pool: &Pool) -> String {
    let rows = pool.queues.iter().take(SHOWN).map(|queue| {
        let missing = if queue.missing {
            "the broker knows no queue of this name"
        } else {
            ""
        };
        [queue.name.clone(), queue.waiting.to_string(), missing.to_owned()]
    });
    let more = pool.queues.len().saturating_sub(SHOWN) + pool.queues_omitted as usize;
    if pool.queues.is_empty() && more > 0 {
        return format!("  {more} {}, not counted yet\n", form(more as u64, "queue", "queues"));
    }
    indented(&columns(&rows.collect::<Vec<_>>())) + &and_more(more)
}

fn pods(detail: &Detail) -> String {
    let rows = detail
        .pods
        .iter()
        .take(SHOWN)
        .map(|pod| [pod.name.clone(), format!("{:?}", pod.state), held(pod)]);
    let more = detail.pods.len().saturating_sub(SHOWN) + detail.pods_omitted as usize;
    indented(&columns(&rows.collect::<Vec<_>>())) + &and_more(more)
}

fn held(pod: &Pod) -> String {
    let of = |number: Option<u32>, what: &str| {
        number
            .filter(|number| *number > 0)
            .map(|number| format!("{number} {what}"))
    };
    let parts = [
        pod.running.is_none().then(|| "not known".to_owned()),
        of(pod.running, "running"),
        of(pod.reserved, "reserved"),
        of(pod.scheduled, "scheduled"),
        pod.seconds
            .map(|seconds| format!("for {}", ago(i64::try_from(seconds).unwrap_or(i64::MAX)))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn decisions(detail: &Detail, now: Timestamp) -> String {
    let rows = detail.decisions.iter().take(SHOWN).map(|one| {
        let change = format!("{} > {}", one.from, one.to);
        [
            format!("{} ago", since(one.at, now)),
            change,
            one.rule.clone(),
            one.message.clone(),
        ]
    });
    indented(&columns(&rows.collect::<Vec<_>>()))
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!("  … and {more} more\n"),
    }
}
