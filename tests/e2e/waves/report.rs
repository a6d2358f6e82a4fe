//! The tables, and `target/figures/interrupt.json`: lists with a row for each run, and a run replaces its own row.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use super::keda;
use crate::{
    interrupt::proof::run::Outcome,
    support::{figures, pods::merge},
};

/// Puts a row into a list of the figures, in place of the one with the same `cell` and `pool` (or at the end).
pub fn row(list: &str, row: Value) {
    let mut all = match read() {
        Value::Object(mut file) => file.remove(list).unwrap_or_default(),
        _ => Value::Null,
    };
    let rows = match &mut all {
        Value::Array(rows) => rows,
        other => {
            *other = json!([]);
            other.as_array_mut().expect("a list")
        }
    };
    let same = |other: &Value| ["what", "cell", "pool"].iter().all(|key| other[key] == row[key]);
    match rows.iter_mut().find(|other| same(other)) {
        Some(other) => *other = row,
        None => rows.push(row),
    }
    figures::record_in("interrupt", list, all);
}

/// Adds up the stranded workers of all recorded runs.
pub fn stranded() {
    let figures = read();
    let lists = ["runs", "waves"]
        .into_iter()
        .filter_map(|list| figures[list].as_array());
    let stranded = lists.flatten().filter_map(|row| row["stranded_workers"].as_u64());
    figures::record_in("interrupt", "stranded_workers", stranded.sum::<u64>());
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")
}

fn read() -> Value {
    let text = fs::read_to_string(folder().join("figures/interrupt.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A run's figures under the names that the list of waves has.
pub fn wave(outcome: &Outcome) -> Value {
    let mut figures = outcome.figures();
    let verdict = &outcome.verdict;
    merge(
        &mut figures,
        &json!({"killed": verdict.interrupted, "restarted": verdict.rerun}),
    );
    if let Some(keda) = keda::of(&outcome.variant.name(), outcome.verdict.submitted) {
        figures["keda"] = json!({
            "submitted": keda.submitted, "finished": keda.finished, "killed": keda.killed, "restarted": keda.restarted,
            "pod_seconds": keda.pod_seconds, "wait_p50": keda.wait_p50, "wait_p95": keda.wait_p95,
        });
    }
    figures
}

/// Everything about one run, for whoever wants to know why: figures, replicas, pods, the operator's log.
pub fn keep(what: &str, outcome: &Outcome, log: &str) {
    println!("{what} {}: {}", outcome.variant.name(), outcome.verdict.short());
    println!("  replicas {}", outcome.replicas());
    let folder = folder().join("report/interrupt");
    fs::create_dir_all(&folder).expect("the report's folder");
    let begin = outcome.verdict.span.0;
    let pods = outcome.history.pods.iter().map(|(name, life)| {
        let gone = life.gone.map(|gone| gone - begin);
        (
            name.clone(),
            json!({"created": life.created - begin, "gone": gone, "exit": life.exit}),
        )
    });
    let text = json!({
        "figures": outcome.figures(), "replicas": outcome.replicas(), "stranded": outcome.stranded,
        "contradictions": outcome.verdict.contradictions, "pods": pods.collect::<serde_json::Map<_, _>>(),
        "log": log.lines().collect::<Vec<_>>(),
    });
    let file = folder.join(format!("{what}-{}.json", outcome.variant.name()));
    fs::write(file, format!("{text:#}\n")).expect("the run's report");
}

/// A table for the terminal, in Markdown. `of` gives a row's columns.
pub fn table<const N: usize>(title: &str, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = format!("\n{title}\n\n");
    for (place, row) in rows.iter().enumerate() {
        let variants = row
            .iter()
            .zip(widths)
            .map(|(variant, width)| format!("{variant:width$}"));
        text.push_str(&format!("| {} |\n", variants.collect::<Vec<_>>().join(" | ")));
        if place == 0 {
            let lines = widths.map(|width| "-".repeat(width));
            text.push_str(&format!("| {} |\n", lines.join(" | ")));
        }
    }
    text
}

/// The waves beside KEDA's, `ours / KEDA's` in each column.
pub fn waves(title: &str, outcomes: &[Outcome]) -> String {
    let head = [
        "cell",
        "submitted",
        "finished",
        "interrupted",
        "rerun",
        "lost",
        "SIGKILLed",
        "downs",
        "pod-s",
        "ideal",
        "wait p50",
        "p95",
        "stranded",
    ];
    let rows = outcomes.iter().map(|outcome| {
        let (verdict, keda) = (
            &outcome.verdict,
            keda::of(&outcome.variant.name(), outcome.verdict.submitted),
        );
        let both = |ours: f64, theirs: Option<f64>| match theirs {
            Some(theirs) => format!("{ours:.0} / {theirs:.0}"),
            None => format!("{ours:.0}"),
        };
        let count = |ours: usize, theirs: Option<usize>| both(ours as f64, theirs.map(|theirs| theirs as f64));
        [
            outcome.variant.name(),
            count(verdict.submitted, keda.map(|keda| keda.submitted)),
            count(verdict.finished, keda.map(|keda| keda.finished)),
            count(verdict.interrupted, keda.map(|keda| keda.killed)),
            count(verdict.rerun, keda.map(|keda| keda.restarted)),
            count(verdict.lost, keda.map(|keda| keda.submitted - keda.finished)),
            count(outcome.history.sigkilled(), keda.map(|keda| keda.sigkilled)),
            count(outcome.history.downs(), keda.map(|keda| keda.downs)),
            both(outcome.pod_seconds, keda.map(|keda| keda.pod_seconds)),
            format!("{:.0}", verdict.work / f64::from(outcome.variant.slots)),
            both(verdict.wait(0.5), keda.map(|keda| keda.wait_p50)),
            both(verdict.wait(0.95), keda.map(|keda| keda.wait_p95)),
            outcome.stranded.len().to_string(),
        ]
    });
    table(title, head, rows)
}

/// Names that occur more than once would replace each other's rows.
pub fn assert_distinct(names: impl Iterator<Item = String>) {
    let mut seen = BTreeSet::new();
    names.for_each(|name| assert!(seen.insert(name.clone()), "{name} twice"));
}
