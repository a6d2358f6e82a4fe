//! What is tried with what, and the table of what was seen.

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use futures::{FutureExt, StreamExt, future::join_all, stream};

use crate::versions::{
    asked::{asked, version},
    process::Server,
};

/// The Celery that each server is tried with.
const LATEST: &[&str] = &["celery-5.7"];
/// Celery 5.7 itself ends with an error on a Redis before 6.2 (kombu 5.7 asks for `ZRANGE … BYSCORE`).
const OLD: &[&str] = &["celery-5.6"];
/// The Celerys that one server of each kind is tried with.
const ALL: &[&str] = &["celery-5.3", "celery-5.4", "celery-5.5", "celery-5.6", "celery-5.7"];

const TABLE: &[(&str, &[&str])] = &[
    ("redis-5.0", OLD),
    ("redis-6.0", OLD),
    ("redis-6.2", LATEST),
    ("redis-7.0", ALL),
    ("redis-8.0", LATEST),
    ("valkey-8.1", LATEST),
    ("valkey-9.1", LATEST),
    ("rabbitmq-3.8", LATEST),
    ("rabbitmq-3.10", LATEST),
    ("rabbitmq-4.0", ALL),
    ("rabbitmq-4.3", LATEST),
];

/// The two ways to acknowledge, side by side on each server.
const ACKS: [&str; 2] = ["early", "late"];

/// So many servers at once: a machine with two processors starts workers slowly.
const AT_ONCE: usize = 2;

/// The servers and their Celerys that `TWP_VERSIONS` names.
fn wished() -> Vec<(&'static str, Vec<&'static str>)> {
    let wish = std::env::var("TWP_VERSIONS").unwrap_or_default();
    let wish: Vec<_> = wish.split(',').filter(|name| !name.is_empty()).collect();
    let no_celery = !wish.iter().any(|name| name.starts_with("celery-"));
    let rows = TABLE.iter().filter_map(|(server, celeries)| {
        let celeries = celeries.iter().copied();
        let celeries: Vec<_> = celeries.filter(|name| no_celery || wish.contains(name)).collect();
        ((wish.is_empty() || wish.contains(server)) && !celeries.is_empty()).then_some((*server, celeries))
    });
    rows.collect()
}

/// Fetches all of them: the folder they are in.
fn installed(names: &[&str]) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/versions/install.sh");
    let said = Command::new(script)
        .args(names)
        .stderr(Stdio::inherit())
        .output()
        .expect("the script");
    assert!(said.status.success(), "{script}: {}", said.status);
    PathBuf::from(String::from_utf8(said.stdout).expect("a path").trim())
}

/// One server with its Celerys, one after another: two lines of the table for each, and whether all was right.
async fn row(folder: &Path, name: &str, celeries: &[&str]) -> Vec<(bool, String)> {
    let started = AssertUnwindSafe(Server::start(folder, name)).catch_unwind().await;
    let Ok(server) = started else {
        return vec![(false, format!("| {name} | | | does not start |"))];
    };
    let mut lines = Vec::new();
    for celery in celeries {
        let both = ACKS.map(|acks| AssertUnwindSafe(asked(folder, &server, celery, acks)).catch_unwind());
        for (acks, seen) in ACKS.iter().zip(join_all(both).await) {
            let verdict = if seen.is_ok() { "right" } else { "WRONG" };
            let line = format!(
                "| {} | {} | {acks} | {verdict} |",
                server.version,
                version(folder, celery)
            );
            println!("{line}");
            lines.push((seen.is_ok(), line));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_counted_right_and_drained() {
    let wished = wished();
    let mut names: Vec<_> = wished.iter().flat_map(|(_, celeries)| celeries).copied().collect();
    names.extend(wished.iter().map(|(server, _)| *server));
    // Each records in one of these.
    names.push("redis-8.0");
    names.sort_unstable();
    names.dedup();
    let folder = &tokio::task::spawn_blocking(move || installed(&names))
        .await
        .expect("the versions");
    let rows = wished.iter().map(|(server, celeries)| row(folder, server, celeries));
    let lines: Vec<_> = stream::iter(rows).buffer_unordered(AT_ONCE).concat().await;
    println!("\n| server | Celery | acknowledged | |\n|---|---|---|---|");
    for (_, line) in &lines {
        println!("{line}");
    }
    let right = lines.iter().filter(|(right, _)| *right).count();
    assert!(!lines.is_empty(), "TWP_VERSIONS names a server of the table");
    assert_eq!(right, lines.len(), "lines that are right, of all lines");
}
