//! The dependency table of `src/lib.rs`, kept true: who may use whom, which files are pure, how long a file may be, how many
//! crates there are (which ones: `deny.toml`), what not every platform has; and that each fault in `tests/faults` has its tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "architecture/faults.rs"]
mod faults;
#[path = "support/figures.rs"]
mod figures;
#[path = "architecture/scanner.rs"]
mod scanner;
#[path = "architecture/table.rs"]
mod table;

use scanner::{File, framework_in, is_pure, module, modules_in, must_be_pure, names, root, row, sources, tests};
use std::{collections::BTreeSet, fs, process::Command};
use table::{CRATES, IMPURE, IMPURE_CRATES, NAMED, NAMELESS, PURE, TABLE};

const LONGEST: usize = 500;
/// As many as there are: one more is a decision.
const MOST_CRATES: usize = 274;

#[test]
fn every_module_is_in_the_table() {
    let known: BTreeSet<_> = TABLE.iter().map(|(module, ..)| *module).collect();
    let found: BTreeSet<_> = sources()
        .iter()
        .filter_map(|file| module(&file.path).map(str::to_owned))
        .collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn no_module_uses_one_that_the_table_does_not_allow() {
    assert_none(violations(|file, line| {
        let (own, allowed, _) = row(&file.path)?;
        let used: Vec<_> = modules_in(line).into_iter().filter(|used| used != own).collect();
        used.into_iter().find(|used| !allowed.contains(&used.as_str()))
    }));
}

#[test]
fn no_module_uses_a_crate_that_the_table_does_not_allow() {
    assert_none(violations(|file, line| {
        let (.., allowed) = row(&file.path)?;
        let forbidden = CRATES.iter().filter(|name| !allowed.contains(name));
        forbidden
            .into_iter()
            .find(|name| names(line, name))
            .map(|name| (*name).to_owned())
    }));
}

/// Whoever knows an application's layout by name would have to be changed for the next one. Comments count, tests do not.
#[test]
fn the_rooms_that_serve_all_frameworks_name_none() {
    let names = |file: &&File| NAMELESS.iter().any(|room| file.path.starts_with(room));
    let excepted = |file: &&File| NAMED.iter().any(|(path, _)| file.path.starts_with(path));
    let files = sources();
    let found = files
        .iter()
        .filter(names)
        .filter(|file| !excepted(file))
        .flat_map(|file| {
            let lines = file.text.lines().take(file.length).enumerate();
            lines.filter_map(move |(at, line)| {
                let name = framework_in(line)?;
                Some(format!("src/{}:{} names {name}", file.path, at + 1))
            })
        });
    assert_none(found.collect());
    let stale = NAMED.iter().filter(|(path, _)| {
        let mut within = files.iter().filter(|file| file.path.starts_with(path));
        !within.any(|file| file.text.lines().any(|line| framework_in(line).is_some()))
    });
    assert_eq!(stale.count(), 0, "an exception that nothing needs");
}

/// A task that is gone leaves its pools alone, and nobody would notice: the process ends instead and is started again.
#[test]
fn a_panic_ends_the_process() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let release = manifest.split("[profile.release]\n").nth(1).unwrap();
    let release = release.split("\n[").next().unwrap();
    assert!(release.lines().any(|line| line == "panic = \"abort\""), "{release}");
}

#[test]
fn every_crate_is_in_the_table() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest
        .split("[dependencies]\n")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let named = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" ="));
    let free = ["futures", "serde", "thiserror"];
    let unknown: Vec<_> = named
        .map(|(name, _)| name.replace('-', "_"))
        .filter(|name| !CRATES.contains(&name.as_str()) && !free.contains(&name.as_str()))
        .collect();
    assert_eq!(
        unknown,
        Vec::<String>::new(),
        "add them to the table, or to none of its modules"
    );
}

#[test]
fn pure_files_name_no_clock_no_client_and_no_task() {
    assert_none(violations(|file, line| {
        let words = IMPURE.iter().filter(|word| line.contains(**word));
        let crates = IMPURE_CRATES.iter().filter(|name| names(line, name));
        let found = words.chain(crates).next().filter(|_| is_pure(&file.path))?;
        Some((*found).to_owned())
    }));
}

#[test]
fn pure_files_switch_on_the_lint_that_keeps_them_so() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|file| must_be_pure(&file.path) && !is_pure(&file.path))
        .map(|file| file.path)
        .collect();
    assert_eq!(
        silent,
        Vec::<String>::new(),
        "`#![deny(clippy::disallowed_methods)]` is missing"
    );
}

#[test]
fn every_pure_path_exists() {
    let gone: Vec<_> = PURE
        .iter()
        .filter(|path| !root().join("src").join(path).exists())
        .collect();
    assert_eq!(gone, Vec::<&&str>::new());
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut files = sources();
    files.sort_by_key(|file| std::cmp::Reverse(file.length));
    let longest = &files[0];
    figures::record("longest_file_lines", longest.length);
    println!("the longest: {} with {} lines", longest.path, longest.length);
    let long: Vec<_> = files
        .iter()
        .filter(|file| file.length > LONGEST)
        .map(|file| format!("{}: {} lines", file.path, file.length))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_test_file_is_too_long_to_read() {
    let long: Vec<_> = tests()
        .into_iter()
        .filter(|(_, length)| *length > LONGEST)
        .map(|(path, length)| format!("{path}: {length} lines"))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "split them by what they test");
}

#[test]
fn the_operator_needs_few_crates() {
    let args = "tree --locked --offline --no-default-features -e normal --target x86_64-unknown-linux-musl \
                --prefix none --no-dedupe";
    let tree = Command::new(env!("CARGO"))
        .args(args.split(' '))
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<_> = text
        .lines()
        .map(|line| line.trim_end_matches(" (proc-macro)"))
        .filter(|line| !line.is_empty())
        .collect();
    figures::record("crates", crates.len());
    assert!((50..=MOST_CRATES).contains(&crates.len()), "{} crates", crates.len());
}

/// Without one of them tests are left out, and nobody would notice.
#[test]
fn the_tests_are_compiled_with_all_features() {
    let features = [("cli", cfg!(feature = "cli")), ("bound", cfg!(feature = "bound"))];
    let missing: Vec<_> = features.iter().filter(|(_, on)| !on).collect();
    assert!(missing.is_empty(), "without {missing:?}: cargo test --all-features");
}

/// `kubectl twp` is built for Windows too, where the whole library has to compile; no other test looks at that.
#[test]
fn what_only_unix_has_is_left_out_elsewhere() {
    let mut bare = Vec::new();
    for file in sources() {
        let lines: Vec<_> = file.text.lines().collect();
        let named = (0..lines.len()).filter(|at| lines[*at].contains("::unix::"));
        let without = named.filter(|at| *at == 0 || lines[*at - 1].trim() != "#[cfg(unix)]");
        bare.extend(without.map(|at| format!("src/{}:{}", file.path, at + 1)));
    }
    assert_eq!(bare, Vec::<String>::new(), "`#[cfg(unix)]` belongs on the line above");
}

/// The scanner itself: what it must see, and what it must not.
#[test]
fn the_scanner_sees_every_way_to_name_a_module() {
    let seen = |line: &str| modules_in(line);
    assert_eq!(seen("use crate::scaling::Decision;"), ["scaling"]);
    assert_eq!(
        seen("    let x = crate::broker::url::parse(crate::model::X);"),
        ["broker", "model"]
    );
    assert_eq!(
        seen("use crate::{api::{Mode, ValueFrom}, scaling::Policy, model};"),
        ["api", "scaling", "model"]
    );
    assert_eq!(seen("use crate::model::{Read, broker};"), ["model"]);
    assert_eq!(seen("use taskworkerpool::api;"), ["api"]);
    assert!(names("use redis::aio;", "redis") && names("    kube::Api::all(c)", "kube"));
    assert!(!names("mod redis;", "redis") && !names("use super::redis::X;", "redis"));
    assert!(!names("crate::broker::redis::X", "redis") && !names("my_kube::X", "kube"));
    assert_eq!(framework_in("/// As kombu's `unacked`"), Some("kombu"));
    assert_eq!(framework_in("    for Celery, RQ"), Some("celery"));
    assert_eq!(framework_in("let x = q::_rq_key;"), Some("rq"));
    assert_eq!(framework_in("let celeryev = irq + rqs;"), None);
    assert!(!names("use crate::{api::Mode, kube::Key};", "kube"));
}

fn violations(find: impl Fn(&File, &str) -> Option<String>) -> Vec<String> {
    let files = sources();
    let lines = files
        .iter()
        .flat_map(|file| file.lines.iter().map(move |line| (file, line)));
    lines
        .filter_map(|(file, (at, line))| {
            let what = find(file, line)?;
            Some(format!("src/{}:{at} names {what}", file.path))
        })
        .collect()
}

fn assert_none(violations: Vec<String>) {
    assert!(
        violations.is_empty(),
        "against the table in src/lib.rs:\n{}",
        violations.join("\n")
    );
}
