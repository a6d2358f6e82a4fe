//! The dependency table of `src/lib.rs`, kept true: who may use whom, which files are pure, how long a file may be, and
//! what is in the tree of crates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)] // It serves other tests, too.
#[path = "support/figures.rs"]
mod figures;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// For each module: the modules and the outside crates it may name (all those of `Cargo.toml` that are not listed here
/// are for nobody else). `std`, `core`, `serde`, `thiserror` and `futures` are free, as long as a file is not pure.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("api", &[], &["kube", "schemars", "k8s_openapi", "serde_json"]),
    ("work", &[], &["jiff", "serde_json", "base64"]),
    ("scaling", &["work"], &["cronexpr", "jiff"]),
    ("sim", &["scaling"], &["clarabel", "jiff", "serde_json"]),
    (
        "broker",
        &["work"],
        &[
            "async_rs",
            "base64",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "lapin",
            "percent_encoding",
            "redis",
            "rustls",
            "rustls_native_certs",
            "rustls_pki_types",
            "serde_json",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
    ),
    (
        "workers",
        &["work", "scaling"],
        &["kube", "k8s_openapi", "serde_json", "tokio"],
    ),
    (
        "telemetry",
        &["api"],
        &[
            "clap",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "k8s_openapi",
            "kube",
            "prometheus_client",
            "tokio",
            "tracing",
            "tracing_subscriber",
            "serde_json",
        ],
    ),
    (
        "controller",
        &["api", "work", "scaling", "broker", "workers", "telemetry"],
        &[
            "clap",
            "jiff",
            "k8s_openapi",
            "kube",
            "serde_json",
            "tokio",
            "tower",
            "tracing",
        ],
    ),
    (
        "cli",
        &["api", "controller", "scaling", "sim"],
        &["clap", "serde_saphyr"],
    ),
];

/// Files and folders without a clock, a client or a task. They may use no more than this of the outside.
const PURE: &[&str] = &[
    "work",
    "scaling",
    "sim",
    "workers/victims.rs",
    "controller/validate.rs",
    "controller/status.rs",
    "controller/target.rs",
    "controller/pool.rs",
    "broker/url.rs",
    "cli/simulate/manifest.rs",
    "cli/simulate/plan.rs",
    "cli/simulate/answer.rs",
];

/// What no pure file says.
const IMPURE: &[&str] = &[
    "kube::Client",
    "kube::Api",
    "kube::client",
    "kube::runtime",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "async fn",
    ".await",
    "std::fs",
    "TcpStream",
    "ToSocketAddrs",
    "std::env",
    "thread::",
];

/// The crates that no pure file names, whatever the table allows its module.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "redis",
    "lapin",
    "hyper",
    "hyper_util",
    "tracing",
    "tokio_rustls",
];

/// Every crate of the operator, by its name in code.
const CRATES: &[&str] = &[
    "async_rs",
    "base64",
    "clap",
    "clarabel",
    "cronexpr",
    "http_body_util",
    "hyper",
    "hyper_util",
    "jiff",
    "k8s_openapi",
    "kube",
    "lapin",
    "percent_encoding",
    "prometheus_client",
    "redis",
    "rustls",
    "rustls_native_certs",
    "rustls_pki_types",
    "schemars",
    "serde_json",
    "serde_saphyr",
    "tokio",
    "tokio_rustls",
    "tower",
    "tracing",
    "tracing_subscriber",
];

const LONGEST: usize = 400;
const MOST_CRATES: usize = 300;

/// A source file without its tests.
struct File {
    /// Below `src/`.
    path: String,
    /// Its lines, comments left out.
    lines: Vec<(usize, String)>,
    /// All lines, tests left out.
    length: usize,
    text: String,
}

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
        .filter(|file| is_pure(&file.path) && !has_lint(&file.path))
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
fn there_is_one_tls_provider() {
    let names = locked("name");
    assert!(names.contains("ring"), "is Cargo.lock read right? {names:?}");
    for second in [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring",
    ] {
        assert!(
            !names.contains(second),
            "{second} is in Cargo.lock: a second TLS library, with other certificates and bugs"
        );
    }
}

#[test]
fn every_crate_comes_from_the_registry() {
    let sources = locked("source");
    assert_eq!(
        sources.iter().map(String::as_str).collect::<Vec<_>>(),
        ["registry+https://github.com/rust-lang/crates.io-index"]
    );
}

#[test]
fn the_operator_needs_few_crates() {
    let args = "tree --locked --offline -e normal --target x86_64-unknown-linux-musl --prefix none --no-dedupe";
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

/// The scanner itself: what it must see, and what it must not.
#[test]
fn the_scanner_sees_every_way_to_name_a_module() {
    let seen = |line: &str| modules_in(line);
    assert_eq!(seen("use crate::scaling::Decision;"), ["scaling"]);
    assert_eq!(
        seen("    let x = crate::broker::url::parse(crate::work::X);"),
        ["broker", "work"]
    );
    assert_eq!(
        seen("use crate::{api::{Mode, ValueFrom}, scaling::Policy, work};"),
        ["api", "scaling", "work"]
    );
    assert_eq!(seen("use crate::work::{Read, broker};"), ["work"]);
    assert_eq!(seen("use taskworkerpool::api;"), ["api"]);
    assert!(names("use redis::aio;", "redis") && names("    kube::Api::all(c)", "kube"));
    assert!(!names("mod redis;", "redis") && !names("use super::redis::X;", "redis"));
    assert!(!names("crate::broker::redis::X", "redis") && !names("my_kube::X", "kube"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The source files of the library, without those that are compiled for tests only.
fn sources() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Fixtures and properties are declared under `#[cfg(test)]` like `tests`.
        let for_tests = ["tests", "tests.rs", "testdata", "fixture.rs", "properties.rs", "bin"].contains(&name);
        if for_tests {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            files.push(read(&path));
        }
    }
}

fn read(path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap();
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    File {
        path: path
            .strip_prefix(root().join("src"))
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        lines: joined(shipped),
        length: shipped.lines().count(),
        text: text.clone(),
    }
}

/// Lines without comments; a `use` that goes over several lines becomes one.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        // A URL in a string is no comment.
        let code = if line.contains("://") && !line.trim_start().starts_with("//") {
            line
        } else {
            code
        };
        match lines.last_mut() {
            Some((_, last)) if open => last.push_str(code.trim()),
            _ => lines.push((at + 1, code.to_owned())),
        }
        let last = lines
            .last()
            .map(|(_, last)| last.trim_start().to_owned())
            .unwrap_or_default();
        open = (last.starts_with("use ") || last.starts_with("pub use ") || last.starts_with("pub("))
            && last.contains("use ")
            && !last.contains(';');
    }
    lines
}

/// The first folder or file below `src/`; `lib.rs` is none.
fn module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    (first != "lib.rs").then(|| first.trim_end_matches(".rs"))
}

fn row(path: &str) -> Option<(&'static str, &'static [&'static str], &'static [&'static str])> {
    let own = module(path)?;
    TABLE.iter().find(|(name, ..)| *name == own).copied()
}

fn is_pure(path: &str) -> bool {
    PURE.iter()
        .any(|pure| path == *pure || path.starts_with(&format!("{}/", pure.trim_end_matches(".rs"))))
}

/// The lint is switched on in the file, or in a module around it.
fn has_lint(path: &str) -> bool {
    let mut around: Vec<String> = vec![path.to_owned()];
    let mut folder = Path::new(path).parent();
    while let Some(here) = folder.filter(|here| !here.as_os_str().is_empty()) {
        let here_text = here.to_str().unwrap();
        around.extend([format!("{here_text}/mod.rs"), format!("{here_text}.rs")]);
        folder = here.parent();
    }
    let all = sources();
    all.iter()
        .filter(|file| around.contains(&file.path))
        .any(|file| file.text.contains("\n#![deny(clippy::disallowed_methods)]"))
}

/// The own modules that a line names.
fn modules_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "taskworkerpool::"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.extend(head(rest)),
            }
        }
    }
    found
}

/// The first names of the items of a group, whatever is nested in them.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.extend(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The name at the beginning of a path, if it is a module's.
fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    name.starts_with(|c: char| c.is_lowercase()).then_some(name)
}

/// The line has a path that begins with this crate's name.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    }) || line.trim() == format!("use {name};")
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

/// All values of a key in Cargo.lock.
fn locked(key: &str) -> BTreeSet<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let start = format!("{key} = \"");
    lock.lines()
        .filter_map(|line| Some(line.strip_prefix(&start)?.trim_end_matches('"').to_owned()))
        .collect()
}
