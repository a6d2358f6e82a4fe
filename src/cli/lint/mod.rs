//! `kubectl twp lint`: what the API server and the operator would say of the pools in manifests, and what else stands in
//! their way there.
//!
//! | file | concept |
//! |---|---|
//! | `finding.rs` | what is to be mended, and where: [`Finding`] |
//! | `effect.rs` | fields that do nothing beside the pool's other fields |
//! | `workload.rs` | the Deployment or StatefulSet that a pool names |
//! | `neighbors.rs` | other autoscalers, and other pools |

mod effect;
mod finding;
mod neighbors;
mod workload;

use std::path::PathBuf;

use serde_json::json;

use super::{
    Answer, OutputArgs, files,
    manifest::{self, CheckedPool, Object, is_pool},
};
use crate::controller::validate;
pub use finding::{Finding, Origin, Severity};

/// Codes and examples, below the flags.
const AFTER: &str = "\
An error is what the API server refuses, by the schema and the rules of the CRD and as strictly as kubectl asks it to, or what
the operator would call InvalidSpec. A warning is about a pool that works, and perhaps not as it is meant. Ends with 2 if there
are errors; with --strict also if there are warnings.

Examples:
  kubectl twp lint pool.yaml
  kubectl twp lint deploy/ --strict
  helm template chart | kubectl twp lint -
  kubectl twp lint deploy/ -o json";

/// Says what is wrong with the TaskWorkerPools in manifests, without a cluster.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct LintArgs {
    /// Manifests, YAML or JSON; `-` is the standard input. Of a folder all *.yaml, *.yml and *.json are taken.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Ends with 2 also if there are only warnings.
    #[arg(long)]
    pub strict: bool,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// Which file cannot be read.
pub fn run(args: &LintArgs) -> Result<Answer, String> {
    let texts = files::texts(&args.files)?;
    let texts: Vec<_> = texts
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()))
        .collect();
    let report = Report::new(&texts);
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let mut text: String = report.findings.iter().map(|finding| format!("{finding}\n")).collect();
    text += &format!(
        "{}: {}, {}\n",
        counted(report.pools, "pool"),
        counted(errors, "error"),
        counted(warnings, "warning")
    );
    Ok(Answer {
        value: json!({"pools": report.pools, "errors": errors, "warnings": warnings, "findings": report.findings}),
        finding: errors > 0 || (args.strict && warnings > 0),
        ..Answer::text(text)
    })
}

fn counted(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    }
}

/// All that is found in some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Number of pools.
    pub pools: usize,
    /// Findings in the order of files and lines.
    pub findings: Vec<Finding>,
}

/// Pool without a fault, in its file.
struct PoolIn<'a> {
    file: &'a str,
    object: &'a Object,
    checked: CheckedPool,
    /// Addresses of the broker, if the pool says them itself.
    addresses: Option<Vec<validate::Address>>,
}

impl Report {
    /// Judges the texts of files, each with its name.
    pub fn new(texts: &[(&str, &str)]) -> Self {
        let (mut objects, mut findings) = (Vec::new(), Vec::new());
        for (file, text) in texts {
            let (found, unreadable) = manifest::read(text);
            objects.extend(found.into_iter().map(|object| (*file, object)));
            findings.extend(unreadable.into_iter().map(|part| unread(file, part)));
        }
        let (pools, faults) = judged(&objects);
        findings.extend(faults);
        for (at, pool) in pools.iter().enumerate() {
            findings.extend(of_pool(pool, &objects));
            let earlier = pools.iter().take(at);
            findings.extend(earlier.filter_map(|earlier| {
                let (field, text) = neighbors::shared(earlier, pool)?;
                Some(Finding::warning(pool.file, pool.object, field, text))
            }));
        }
        let place = |file: &str| texts.iter().position(|(name, _)| *name == file);
        findings.sort_by_key(|finding| (place(&finding.file), finding.line, finding.severity));
        findings.dedup();
        let pools = objects.iter().filter(|(_, object)| is_pool(object)).count();
        Self { pools, findings }
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// Pools without a fault, and the faults of the others.
fn judged<'a>(objects: &'a [(&'a str, Object)]) -> (Vec<PoolIn<'a>>, Vec<Finding>) {
    let (mut pools, mut findings) = (Vec::new(), Vec::new());
    for (file, object) in objects.iter().filter(|(_, object)| is_pool(object)) {
        match CheckedPool::read(object) {
            Ok(checked) => {
                let addresses = validate::plain(&checked.pool, &checked.namespace).and_then(Result::ok);
                pools.push(PoolIn {
                    file,
                    object,
                    checked,
                    addresses,
                });
            }
            Err(faults) => findings.extend(faults.into_iter().map(|fault| Finding::fault(file, object, fault))),
        }
    }
    (pools, findings)
}

/// Warnings about a pool, and about the objects around it.
fn of_pool(pool: &PoolIn, objects: &[(&str, Object)]) -> Vec<Finding> {
    let own = effect::without_effect(pool.object, &pool.checked).into_iter();
    let mut findings: Vec<_> = own
        .map(|(field, text)| Finding::warning(pool.file, pool.object, &field, text))
        .collect();
    for (file, object) in objects {
        if workload::is_target(object, pool.object, &pool.checked) {
            let found = workload::faults(object, pool.object, &pool.checked).into_iter();
            findings.extend(found.map(|(field, text)| Finding::warning(file, object, field, text)));
        }
        if let Some(text) = neighbors::autoscaler(object, pool) {
            findings.push(Finding::warning(file, object, "spec.scaleTargetRef", text));
        }
    }
    findings
}

/// Finding about a part of a file that is no YAML: an error only if it speaks of pools.
fn unread(file: &str, part: manifest::Unreadable) -> Finding {
    let fix = match part.of_pools {
        true => "mend the text: it cannot be applied",
        false => "this part is not looked at",
    };
    Finding {
        file: file.to_owned(),
        line: part.line,
        severity: match part.of_pools {
            true => Severity::Error,
            false => Severity::Warning,
        },
        origin: Origin::File,
        object: String::new(),
        field: String::new(),
        message: format!("no YAML: {}; {fix}", part.message),
    }
}

#[cfg(test)]
mod tests;
