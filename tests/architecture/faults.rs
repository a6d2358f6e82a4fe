//! Faults that were met, and the tests that would show them again: `tests/faults`.

use std::fs;

use serde::Deserialize;

use crate::{figures, scanner::root};

/// A fault, as a person would tell it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    fault: String,
    /// `FILE::NAME`, or `zoo/NAME`; in a shell script the name is what a check says.
    tests: Vec<String>,
    /// What is still not as it should be.
    open: Option<String>,
}

#[test]
fn every_fault_has_its_tests() {
    for (file, figure) in [
        ("applications", ("real", "rows")),
        ("controller", ("controller", "faults")),
    ] {
        let text = fs::read_to_string(root().join(format!("tests/faults/{file}.yaml"))).unwrap();
        let faults: Vec<Fault> = serde_saphyr::from_str(&text).unwrap();
        let missing = |fault: &Fault| {
            let missing = fault.tests.iter().find(|test| !exists(test)).cloned();
            missing.or_else(|| (fault.tests.is_empty() && fault.open.is_none()).then(|| fault.fault.clone()))
        };
        assert_eq!(
            faults.iter().filter_map(missing).collect::<Vec<_>>(),
            Vec::<String>::new(),
            "no such tests"
        );
        let open = faults.iter().filter(|fault| fault.open.is_some()).count();
        figures::record_in(figure.0, figure.1, vec![faults.len() - open, faults.len()]);
    }
}

fn exists(test: &str) -> bool {
    if let Some(set_up) = test.strip_prefix("zoo/") {
        return root().join(format!("tests/e2e/zoo/set_ups/{set_up}.yaml")).exists();
    }
    let Some((file, name)) = test.split_once("::") else {
        return false;
    };
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    if file.ends_with(".sh") {
        return text
            .lines()
            .any(|line| line.starts_with("check ") && line.contains(name));
    }
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| line.contains(&format!("fn {name}("));
    // Between the attribute and the function there may be another attribute or a comment.
    let begins = lines.iter().position(|line| is_it(line));
    begins.is_some_and(|at| {
        lines[at.saturating_sub(3)..at]
            .iter()
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    }) || text.contains("proptest!") && begins.is_some()
}
