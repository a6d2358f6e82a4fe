//! Everything that was seen of a set-up, in the order of time: `target/zoo/NAME.log`; and what
//! the operator logged, `target/zoo/NAME.operator.log`. For whoever asks why.

use std::{fs, path::PathBuf};

use super::questions::Everything;

/// Writes it, over the one of the time before.
pub fn write(name: &str, seen: &Everything, operator: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/zoo");
    fs::create_dir_all(&folder).expect("the diaries' folder");
    let lines = lines(seen).into_iter();
    let lines = lines.map(|(at, line)| format!("{:+7.1} {line}\n", at - seen.begun));
    fs::write(folder.join(format!("{name}.log")), lines.collect::<String>()).expect("a diary");
    fs::write(folder.join(format!("{name}.operator.log")), operator).expect("the operator's log");
}

fn lines(seen: &Everything) -> Vec<(f64, String)> {
    let truth = &seen.truth;
    let mut lines = Vec::new();
    let mut before = String::new();
    for sample in &seen.samples {
        let line = sample.short();
        if line != before {
            lines.push((sample.at, format!("pool: {line}")));
            before = line;
        }
    }
    let published = truth.published.iter();
    lines.extend(published.map(|one| (one.at, format!("published {}, attempt {}", one.id, one.retries))));
    let started = truth.started.iter();
    lines.extend(started.map(|one| (one.at, format!("started {} on {}", one.id, one.pod))));
    lines.extend(truth.ended.iter().map(|one| (one.at, format!("ended {}", one.id))));
    let words = seen.words.iter();
    lines.extend(words.map(|one| (one.at, format!("{:?}: {} in {}", one.what, one.node, one.pod))));
    let pings = seen.pings.iter();
    lines.extend(pings.map(|one| {
        let took = one.end - one.begin;
        (
            one.begin,
            format!(
                "ping: {:?} in {took:.1} s {}",
                one.answered,
                one.failed.as_deref().unwrap_or_default()
            ),
        )
    }));
    let errors = seen.errors.iter();
    lines.extend(errors.map(|one| (one.at, format!("ERROR of {}: {}", one.pod, one.text))));
    lines.extend(seen.lines.iter().map(|line| (f64::MAX, line.clone())));
    lines.sort_by(|one, other| one.0.total_cmp(&other.0));
    lines
}
