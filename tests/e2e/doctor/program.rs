//! The programs as people run them, without an image: from inside the operator's own, and beside it the plugin.

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::support::bed::kubeconfig;

/// What was seen of one part.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    /// The part.
    pub what: String,
    /// `ok`, `wrong` or `unknown`.
    pub level: String,
    /// What was seen.
    pub text: String,
}

/// `twp-operator doctor` for a pool, with this kubeconfig: its code and its findings.
pub async fn from_inside(pool: &str, kubeconfig: &str) -> (Option<i32>, Vec<Finding>) {
    let program = std::env::var("TWP_OPERATOR").unwrap_or_else(|_| env!("CARGO_BIN_EXE_twp-operator").to_owned());
    let namespace = pool.split('/').next().expect("a namespace");
    let said = Command::new(program)
        .args(["doctor", "-o", "json", "--pool", pool, "--watch-namespaces", namespace])
        .env("KUBECONFIG", kubeconfig)
        .kill_on_drop(true)
        .output()
        .await
        .expect("the operator's program");
    let out = String::from_utf8_lossy(&said.stdout);
    match said.status.code() {
        // Nothing was examined, and why is on the standard error.
        Some(1) => {
            assert_eq!(out, "", "{pool}: what could not be examined has no findings");
            (Some(1), Vec::new())
        }
        code => {
            let err = String::from_utf8_lossy(&said.stderr);
            let findings = serde_json::from_str(&out);
            let findings = findings.unwrap_or_else(|error| panic!("{pool}: {code:?} {error}: {out}\n{err}"));
            (code, findings)
        }
    }
}

/// `kubectl twp doctor` for a pool, with no operator in its namespace to ask: its code and its findings.
pub async fn beside(pool: &str, namespace: &str) -> (Option<i32>, Vec<Finding>) {
    let said = Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
        .args([
            "doctor",
            pool,
            "-n",
            namespace,
            "--operator-namespace",
            namespace,
            "-o",
            "json",
        ])
        .env("KUBECONFIG", kubeconfig())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the plugin");
    let out = String::from_utf8_lossy(&said.stdout);
    let err = String::from_utf8_lossy(&said.stderr);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{pool}: {error}: {out}\n{err}"));
    let findings = serde_json::from_value(value["findings"].clone()).expect("findings");
    (said.status.code(), findings)
}
